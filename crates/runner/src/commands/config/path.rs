//! `config path`

use crate::app::App;
use crate::config;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::config::{FileList, FileView};

/// Show which configuration files are looked for
///
/// Later ones win over earlier ones.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner config path")]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "all commands have one shape")]
pub fn run(app: &App, _: &Args) -> Result<Exit, CommandError> {
    let files: Vec<FileView> =
        config::candidates(app.globals.config.as_deref()).iter().map(FileView::new).collect();
    app.out.list(&FileList(&files), &files);
    Ok(Exit::Ok)
}
