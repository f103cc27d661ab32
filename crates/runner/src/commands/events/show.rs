//! `events show`

use sloth_core::store::EventFilter;

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
    let mut found = app.view()?.event_list(&EventFilter::default())?;
    found.retain(|e| e.id.as_str().starts_with(&args.id));
    match found.as_slice() {
        [event] => {
            app.out.show(&EventView::new(event));
            Ok(Exit::Ok)
        }
        [] => Err(CommandError::not_found(format!("there is no event `{}`", args.id))
            .hint("see `sloth-runner events list -o json`")),
        many => Err(CommandError::not_found(format!("`{}` could be any of {} events", args.id, many.len()))
            .hint("give more of the id")),
    }
}
