//! `state import`

use std::path::PathBuf;

use sloth_engine::values;

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::views::value::{Exported, ImportView};

/// Bring in values from `state export`
///
/// All of them or none. What is there under other keys stays, unless `--replace` is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state import values.json --dry-run\n  sloth-runner state import values.json --agent web-1"
)]
pub struct Args {
    /// File; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Delete values that are not in the file
    #[arg(long)]
    replace: bool,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or is not an export, or the store failed. Nothing was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let shown = args.file.display();
    let text = files::read_given(&args.file)?;
    let values = Exported::read(&text).map_err(|why| {
        CommandError::new(Exit::Invalid, format!("`{shown}` cannot be imported: {why}; nothing was changed"))
    })?;
    let agent = &args.agent.agent;
    let report = values::import(&app.context(None)?, agent, &values, args.replace, args.dry_run)?;
    app.out.show(&ImportView { agent: agent.clone(), dry_run: args.dry_run, report });
    Ok(Exit::Ok)
}
