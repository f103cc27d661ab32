//! `stack drift fix`

use sloth_engine::goal::Goal;

use super::Chosen;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Bring everything back to the record
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack drift fix production --auto-approve\n  sloth-runner stack drift fix production --only file:/etc/motd"
)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or resource, nobody agreed, or repairing failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let goal = |only| Goal::Record { only };
    args.chosen.get(app, goal, |stack| format!("bring stack `{stack}` back to its record?"))
}
