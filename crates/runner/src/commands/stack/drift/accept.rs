//! `stack drift accept`

use sloth_engine::goal::Goal;

use super::Chosen;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Take what is there into the record
///
/// Touches no machine. The next run brings back what the workflow wishes, unless the workflow is changed, too; `undo`
/// brings back the old record.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack drift accept production\n  sloth-runner stack drift accept production --only file:/etc/motd --yes"
)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or resource, something cannot be read, or nobody agreed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let goal = |only| Goal::AsFound { only };
    args.chosen.get(app, goal, |stack| format!("record stack `{stack}` as it was found?"))
}
