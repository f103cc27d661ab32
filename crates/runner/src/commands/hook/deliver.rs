//! `hook deliver`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::hook::DeliveredView;

/// Tell hooks now what they have not been told yet
///
/// Commands that change something do it by themselves before they end. This does it without changing anything, for a
/// timer, and for retries that have become due.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner hook deliver")]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// The store failed.
pub fn run(app: &App, _: &Args) -> Result<Exit, CommandError> {
    let done = app.deliver()?;
    app.out.show(&DeliveredView::new(&done, &app.view()?.hook_list()?));
    Ok(Exit::Ok)
}
