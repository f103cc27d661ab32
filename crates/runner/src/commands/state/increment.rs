//! `state increment`

use sloth_core::body::ValueChange;
use sloth_engine::values::{self, Altered};

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::Format;
use crate::views::value::{Bare, ValueView};

/// Count a number up or down, whoever else does so at the same time
///
/// Prints the new number. A value that is not there counts from 0; one that is not a number is an error.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state increment deployments\n  sloth-runner state increment slots -3"
)]
pub struct Args {
    /// Key
    #[arg(value_name = "KEY")]
    key: String,
    /// By how much
    #[arg(value_name = "BY", default_value_t = 1.0, allow_negative_numbers = true)]
    by: f64,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The value is not a number, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let change = ValueChange::Increment(args.by);
    let altered = values::alter(&app.context(None)?, &args.agent.agent, &args.key, change)?;
    if let Altered::Done(Some(entry)) = altered {
        match app.out.format {
            Format::Table => app.out.page(&Bare(&entry.value)),
            _ => app.out.show(&ValueView::new(&entry)),
        }
    }
    Ok(Exit::Ok)
}
