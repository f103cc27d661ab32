//! `backup verify`

use std::path::PathBuf;

use super::verified;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::backup::{BackupView, UNSEALED};

/// Check every part of a copy
///
/// The SHA-256 beside it, the integrity of the file, the chains of versions and operations, and every stored content.
/// Reads only.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner backup verify /mnt/usb/stacks.db")]
pub struct Args {
    /// Backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Runs it.
///
/// # Errors
/// It cannot be read, or is damaged.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let info = verified(&args.file)?;
    if !info.sealed {
        app.out.warn(UNSEALED);
    }
    app.out.show(&BackupView::new(&info));
    Ok(Exit::Ok)
}
