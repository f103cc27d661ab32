//! `state workflow drift`

use crate::app::App;
use crate::commands::stack::drift::detect;
use crate::error::CommandError;
use crate::exit::Exit;

/// Look for drift
///
/// The same as `stack drift detect`: reads every recorded resource, changes nothing, and ends with exit code 3 when something
/// drifted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state workflow drift deploy-prod")]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
}

/// Runs it.
///
/// # Errors
/// Those of `stack drift detect`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let (stack, _) = app.stack_at(&*app.view()?, &args.workflow)?;
    detect::run(app, &detect::Args { stack: stack.id.to_string() })
}
