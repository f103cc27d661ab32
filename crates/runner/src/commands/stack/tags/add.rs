//! `stack tags add`

use sloth_engine::tags;

use crate::app::App;
use crate::commands::stack::snapshot::version_of;
use crate::error::CommandError;
use crate::exit::Exit;

/// Give a stack, or one of its versions, a tag
///
/// A tag of a version stands for it wherever a version is named, as in `production@before-upgrade`, and keeps it from being
/// removed. It stands for one version; given to another, it moves. `undo` takes the last change back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack tags add my-stack production\n  sloth-runner stack tags add my-stack before-upgrade --version v3"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Word
    #[arg(value_name = "TAG")]
    tag: String,
    /// Of this version of the stack, not of the stack
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, it cannot be a tag, somebody holds the stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let version = args.version.as_deref().map(|text| version_of(&*view, &stack, text)).transpose()?;
    drop(view);
    let (ctx, name, tag) = (app.context(Some(&stack.name))?, &stack.name, &args.tag);
    let (new, what) = match version {
        None => (tags::add(&ctx, name, tag)?, format!("stack `{name}`")),
        Some(version) => {
            (tags::add_to_version(&ctx, name, tag, version)?, format!("{version} of stack `{name}`"))
        }
    };
    let done = if new { "tagged" } else { "was already tagged" };
    let end = if new { "" } else { "; nothing was changed" };
    app.out.talk(&format!("{what} {done} `{tag}`{end}"));
    Ok(Exit::Ok)
}
