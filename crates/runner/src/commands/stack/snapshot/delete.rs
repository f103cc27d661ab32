//! `stack snapshot delete`

use sloth_engine::retention;

use super::version_of;
use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;

/// Remove a version from the history; the real resources and the record stay
///
/// `undo` brings it back until `stack gc` collects what it showed. The newest version, the last successful, a tagged one
/// and the one the stack was taken back to cannot be removed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack snapshot delete production v5\n  sloth-runner stack snapshot delete production@5 --yes"
)]
pub struct Args {
    /// Stack, or `NAME@5`
    #[arg(value_name = "STACK")]
    stack: String,
    /// Version: `5`, `v5`, `NAME@5`, or a tag
    #[arg(value_name = "VERSION")]
    version: Option<String>,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, it is protected, nobody agreed, somebody holds the stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let (name, text) = match &args.version {
        Some(version) => (args.stack.as_str(), version.as_str()),
        None => match sloth_core::version::Version::parse(&args.stack) {
            Some((Some(name), _)) => (name, args.stack.as_str()),
            _ => {
                return Err(CommandError::usage("which version is not said; nothing was changed")
                    .hint(format!("see `sloth-runner stack snapshot list {}`", args.stack)));
            }
        },
    };
    let stack = app.stack(&*view, name)?;
    let version = version_of(&*view, &stack, text)?;
    drop(view);
    let ctx = app.context(Some(&stack.name))?;
    retention::refuse_protected(&ctx, &stack, version)?;
    if !args.consent.ask(app, &format!("remove {version} of stack `{}`?", stack.name))? {
        return Ok(Exit::Failed);
    }
    retention::delete(&ctx, &stack, version)?;
    app.out.talk(&format!(
        "{version} of stack `{}` removed; `sloth-runner undo` brings it back until `stack gc` collects what it showed",
        stack.name
    ));
    Ok(Exit::Ok)
}
