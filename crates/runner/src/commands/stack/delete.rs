//! `stack delete`

use sloth_engine::stacks;

use super::Bereave;
use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;

/// Forget a stack's record; the real resources stay
///
/// `undo` brings the record back. To remove the real resources, use `stack destroy`. A stack that others depend on is not
/// deleted without `--despite-dependents`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack delete old-stack --yes")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    pub stack: String,
    #[command(flatten)]
    pub bereave: Bereave,
    #[command(flatten)]
    pub consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, nobody agreed, somebody holds it, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let held = view.resource_count(&stack.id)?;
    drop(view);
    args.bereave.check(app, &stack, false)?;
    let what = words::count(held, "resource");
    app.out.talk(&format!(
        "stack `{}` at {} with {what} is forgotten; what is on machines stays",
        stack.name, stack.head
    ));
    let go = if held > 0 {
        args.consent.type_name(app, &stack, &format!("{what} would no longer be managed"))?
    } else {
        args.consent.ask(app, &format!("forget stack `{}`?", stack.name))?
    };
    if !go {
        return Ok(Exit::Failed);
    }
    stacks::delete(&app.context(Some(&stack.name))?, &stack)?;
    app.forget_lock(&stack);
    app.out.talk(&format!("stack `{}` deleted; `sloth-runner undo` brings its record back", stack.name));
    Ok(Exit::Ok)
}
