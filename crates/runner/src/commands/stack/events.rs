//! `stack events`

use crate::app::App;
use crate::commands::events::{Which, list};
use crate::error::CommandError;
use crate::exit::Exit;

/// List the events of a stack, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack events production -n 20")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Most events, the newest; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    limit: u64,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let which = Which { stack: Some(args.stack.clone()), ..Which::default() };
    list::show(app, &which, args.limit)
}
