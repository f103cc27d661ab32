//! `audit verify`

use std::path::{Path, PathBuf};

use sloth_core::operation::{ChainCheck, Operation};
use sloth_core::value::Value;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::views::operation::AuditView;

/// Check that nothing in the log was changed, replaced or removed
///
/// Ends with exit code 1 when something was. Without a file, the end of the log is compared with the mark beside the
/// database, too; for a file, compare the last link with one that was written down elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner audit verify\n  sloth-runner audit verify audit.jsonl")]
pub struct Args {
    /// File from `audit export` [default: the database]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// The log cannot be read, or does not hold together.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let (log, mark) = match &args.file {
        Some(file) => (exported(file)?, None),
        None => {
            let mut log = app.view()?.operation_list(0)?;
            log.reverse();
            let facts = app.reading()?.facts()?;
            (log, facts.pointer("/mark/operation").and_then(Value::as_u64))
        }
    };
    let mut check = ChainCheck::default();
    let mut broken: Vec<String> = Vec::new();
    for operation in &log {
        if let Err(error) = check.add(operation) {
            let (verb, by, at) = (&operation.verb, &operation.actor.name, operation.at.local());
            broken.push(format!("{error} ({verb}, by {by}, {at})"));
        }
    }
    let (last, link) = check.end();
    if let Some(mark) = mark.filter(|mark| *mark > last) {
        broken.push(format!("operations {} to {mark} are missing", last + 1));
    }
    let whole = broken.is_empty();
    app.out.show(&AuditView::new(log.len(), &link, broken));
    Ok(if whole { Exit::Ok } else { Exit::Failed })
}

fn exported(file: &Path) -> Result<Vec<Operation>, CommandError> {
    let shown = file.display();
    let text = files::read_given(file)?;
    let line = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| {
            CommandError::new(Exit::Invalid, format!("`{shown}:{}` is not an operation: {e}", at + 1))
        })
    };
    text.lines().enumerate().map(line).collect()
}
