//! `state stats`

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::value::StatsView;

/// Show how much is kept, and where
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state stats\n  sloth-runner state stats -o json")]
pub struct Args {
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let values = view.value_list(Some(&args.agent.agent), "")?;
    let locks = view.value_locks()?.len();
    let facts = app.reading()?.facts()?;
    app.out.show(&StatsView::new(&args.agent.agent, &values, locks, &facts));
    Ok(Exit::Ok)
}
