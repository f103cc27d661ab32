//! `stack state diff`

use crate::app::App;
use crate::commands::stack::snapshot::compare;
use crate::error::CommandError;
use crate::exit::Exit;

/// Compare two versions; the same as `stack snapshot compare`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack state diff production --from v3 --to v4")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Older version
    #[arg(long, value_name = "VERSION")]
    from: String,
    /// Newer version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Those of `stack snapshot compare`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let to = match &args.to {
        Some(to) => to.clone(),
        None => app.stack(&*app.view()?, &args.stack)?.head.to_string(),
    };
    compare::run(app, &compare::Args { stack: args.stack.clone(), from: args.from.clone(), to })
}
