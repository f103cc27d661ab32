//! `state workflow diff`

use crate::app::App;
use crate::commands::stack::snapshot::compare;
use crate::error::CommandError;
use crate::exit::Exit;

/// Show what differs between two versions
///
/// The same as `stack snapshot compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state workflow diff deploy-prod 3 5")]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
    /// Older version; `v0` is the empty workflow
    #[arg(value_name = "FROM")]
    from: String,
    /// Newer version [default: the newest]
    #[arg(value_name = "TO")]
    to: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Those of `stack snapshot compare`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let (stack, _) = app.stack_at(&*app.view()?, &args.workflow)?;
    let (from, to) = (args.from.clone(), args.to.clone().unwrap_or_else(|| stack.head.to_string()));
    compare::run(app, &compare::Args { stack: stack.id.to_string(), from, to })
}
