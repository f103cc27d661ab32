//! `events show`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::event::EventView;

/// Show everything about one event
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "get",
    after_help = "Example:\n  sloth-runner events show 01995f3a-7c1e-7a44-8d2b-0f5a6c7d8e9f"
)]
pub struct Args {
    /// Id of the event, or the beginning of one
    #[arg(value_name = "ID")]
    id: String,
}

/// Runs it.
///
/// # Errors
/// There is no such event or more than one, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    app.out.show(&EventView::new(&super::find(&*view, &args.id)?));
    Ok(Exit::Ok)
}
