//! `config check`

use std::path::PathBuf;

use crate::app::App;
use crate::config::{self, Config};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::config::{Checked, CheckedFile};

/// Check configuration files
///
/// Ends with exit code 5 at the first thing that is not valid.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner config check\n  sloth-runner config check new.yaml")]
pub struct Args {
    /// File to check [default: those that are in use]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// A file cannot be read or is not valid.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let mut files = Vec::new();
    let mut whole = Config::default();
    for candidate in config::candidates(args.file.as_deref().or(app.globals.config.as_deref())) {
        let mut alone = Config::default();
        let there = alone.add(&candidate)? && whole.add(&candidate)?;
        files.push(CheckedFile::new(&candidate.path, there, alone.keys_from(&candidate.path)));
    }
    app.out.show(&Checked { files });
    Ok(Exit::Ok)
}
