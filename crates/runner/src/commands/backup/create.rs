//! `backup create`

use std::path::PathBuf;

use sloth_core::clock::Clock as _;
use sloth_core::store::StoreError;

use super::{default_file, make_room};
use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::backup::BackupView;

/// Copy the whole database
///
/// Others may read and write meanwhile. The copy is checked before it gets its name; its SHA-256 is put beside it.
/// Nothing is overwritten.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner backup create\n  sloth-runner backup create /mnt/usb/stacks.db"
)]
pub struct Args {
    /// File to write [default: one with the date in the directory `backups` beside the database]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// There is no database, the file exists, or the copy could not be made.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let location = app.location()?;
    if !location.exists() {
        return Err(CommandError::not_found(format!("there is no database at `{location}` to copy")));
    }
    let store = app.store()?;
    let file = match (&args.file, location.path()) {
        (Some(file), _) => file.clone(),
        (None, Some(path)) => {
            let file = default_file(path, SystemClock.now(), "");
            make_room(&file)?;
            file
        }
        (None, None) => return Err(CommandError::usage("name the file to write")),
    };
    let info = store.backups().backup_create(&file).map_err(|error| match error {
        StoreError::Refused { why, .. } | StoreError::Io { why, .. } => {
            let message = format!("could not copy the database to `{}`", file.display());
            CommandError::new(Exit::Failed, message).cause(why)
        }
        other => other.into(),
    })?;
    app.out.show(&BackupView::new(&info));
    Ok(Exit::Ok)
}
