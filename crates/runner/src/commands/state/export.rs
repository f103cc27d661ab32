//! `state export`

use std::path::PathBuf;

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::out::words;
use crate::views::value::Exported;

/// Write all values as JSON, for `state import`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state export values.json\n  sloth-runner state export --prefix deployment: | jq ."
)]
pub struct Args {
    /// File, which only its owner may read [default: standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only keys that begin like this
    #[arg(long, value_name = "PREFIX", default_value = "")]
    prefix: String,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The store failed, or the file cannot be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let values = app.view()?.value_list(Some(&args.agent.agent), &args.prefix)?;
    let text = Exported::new(&args.agent.agent, &values).to_text();
    files::give(&app.out, args.file.as_deref(), &text, &words::len(&values, "value"))?;
    Ok(Exit::Ok)
}
