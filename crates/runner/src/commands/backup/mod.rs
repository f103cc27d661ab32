//! `backup`: one file per verb.

pub mod create;
pub mod restore;
pub mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use sloth_core::clock::{Clock, Timestamp};
use sloth_core::store::{BackupInfo, StoreError};

use crate::app::App;
use crate::clock::SystemClock;
use crate::config::unreadable;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;

/// Copy the whole database, check copies, and put one back
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy the whole database
    Create(create::Args),
    /// Put a copy in the place of the database
    Restore(restore::Args),
    /// Check every part of a copy
    Verify(verify::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Create(args) => create::run(app, args),
        Command::Restore(args) => restore::run(app, args),
        Command::Verify(args) => verify::run(app, args),
    }
}

/// A new file in the directory `backups` beside the database: `stacks-20261120T143000Z.db`.
fn default_file(database: &Path, now: Timestamp, suffix: &str) -> PathBuf {
    let stem = database.file_stem().unwrap_or_default().to_string_lossy();
    dated(&beside(database), &stem, now, suffix, "db")
}

/// The directory `backups` beside a database.
pub fn beside(database: &Path) -> PathBuf {
    let parent = database.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.join("backups")
}

/// A file that is not there yet: `stem-20261120T143000Z.extension`.
pub fn dated(directory: &Path, stem: &str, now: Timestamp, suffix: &str, extension: &str) -> PathBuf {
    let date = now.rfc3339();
    let date: String =
        date.split('.').next().unwrap_or(&date).chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    let date = date.trim_end_matches('Z');
    let named = |more: &str| directory.join(format!("{stem}-{date}Z{suffix}{more}.{extension}"));
    let taken = |path: &PathBuf| {
        let mut seal = path.clone().into_os_string();
        seal.push(".sha256");
        [path.as_os_str(), &seal].iter().any(|name| std::fs::symlink_metadata(name).is_ok())
    };
    // Several within one second are told apart by a number.
    let first = named("");
    if !taken(&first) {
        return first;
    }
    (2..1000).map(|n| named(&format!("-{n}"))).find(|path| !taken(path)).unwrap_or(first)
}

/// Makes the directory of a default file.
pub fn make_room(file: &Path) -> Result<(), CommandError> {
    let Some(directory) = file.parent() else { return Ok(()) };
    files::make_private_dir(directory).map_err(|e| {
        CommandError::new(Exit::Failed, format!("could not make the directory `{}`", directory.display()))
            .system(&e)
    })
}

/// Checks a copy that somebody named.
fn verified(file: &Path) -> Result<BackupInfo, CommandError> {
    std::fs::metadata(file).map_err(|e| unreadable("backup", file, &e))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    sloth_store::verify(file, clock).map_err(|e| bad(file, e))
}

/// An error about a copy and not about the database.
fn bad(file: &Path, error: StoreError) -> CommandError {
    let message = |what: &str| format!("the backup `{}` {what}; nothing was changed", file.display());
    match error {
        StoreError::Damaged { location, what } if Path::new(&location) == file => {
            CommandError::new(Exit::Failed, message("is damaged")).cause(what).hint("take another backup")
        }
        StoreError::Newer { needs, .. } => CommandError::new(
            Exit::Failed,
            message(&format!("is of a newer program; it needs sloth-runner {needs} or newer")),
        ),
        other => other.into(),
    }
}
