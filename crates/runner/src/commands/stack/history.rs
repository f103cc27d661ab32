//! `stack history`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::run::{Execution, History};

/// List the runs of a stack
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack history production --limit 3")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Most entries; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    limit: u64,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let runs: Vec<Execution> = view.run_list(&stack.id, args.limit)?.iter().map(Execution::new).collect();
    app.out.list(&History { stack: &stack.name, runs: &runs }, &runs);
    Ok(Exit::Ok)
}
