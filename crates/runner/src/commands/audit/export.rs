//! `audit export`

use std::path::PathBuf;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::out::words;

/// Write the log of operations, one JSON object a line
///
/// What is written can be checked elsewhere with `audit verify FILE`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner audit export audit.jsonl\n  sloth-runner audit export | tail -1"
)]
pub struct Args {
    /// File, which only its owner may read [default: standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// The store failed, or the file cannot be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let mut log = app.view()?.operation_list(0)?;
    log.reverse();
    let mut text = String::new();
    for operation in &log {
        let line = serde_json::to_string(operation)
            .map_err(|e| CommandError::new(Exit::Failed, format!("operation {}: {e}", operation.seq)))?;
        text.push_str(&line);
        text.push('\n');
    }
    files::give(&app.out, args.file.as_deref(), &text, &words::len(&log, "operation"))?;
    Ok(Exit::Ok)
}
