//! `events list`, `stack events`

use super::Which;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::event::{EventList, EventView};

/// List events, oldest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner events list --stack production --since 24h\n  sloth-runner events list --type 'lock.*' --severity warning"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// Most events, the newest; 0 lists all
    #[arg(short = 'n', short_alias = 'l', long, value_name = "N", default_value_t = 50)]
    limit: u64,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    show(app, &args.which, args.limit)
}

/// Lists some events.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn show(app: &App, which: &Which, limit: u64) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let events: Vec<EventView> =
        view.event_list(&which.filter(app, &*view, limit)?)?.iter().map(EventView::new).collect();
    app.out.list(&EventList(&events), &events);
    Ok(Exit::Ok)
}
