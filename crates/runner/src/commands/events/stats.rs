//! `events stats`

use super::Which;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::event::EventStats;

/// Count events
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner events stats\n  sloth-runner events stats --since 7d -o json"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    app.out.show(&EventStats::new(&view.event_list(&args.which.filter(app, &*view, 0)?)?));
    Ok(Exit::Ok)
}
