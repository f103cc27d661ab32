//! `state get`

use super::{Agent, no_value};
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::Format;
use crate::views::value::{Bare, ValueView};

/// Print a value
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state get deployment:version")]
pub struct Args {
    /// Key
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// There is no such value, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let entry = app.view()?.value_get(&args.agent.agent, &args.key)?;
    let entry = entry.ok_or_else(|| no_value(app, &args.agent.agent, &args.key))?;
    match app.out.format {
        Format::Table => app.out.page(&Bare(&entry.value)),
        _ => app.out.show(&ValueView::new(&entry)),
    }
    Ok(Exit::Ok)
}
