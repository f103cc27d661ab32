//! `stack state`: the older spellings of what the other groups do. Only what is written differently has a file.

pub mod activity;
pub mod diff;
pub mod lock;
pub mod rollback;
pub mod unlock;

use clap::Subcommand;

use super::{drift, list, show, snapshot, tags};
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// The same as `stack list`, `stack snapshot`, `stack drift` and `stack lock`, in older words
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List who did what to a stack, newest first
    Activity(activity::Args),
    /// Compare two versions; the same as `stack snapshot compare`
    Diff(diff::Args),
    /// Look for drift; the same as `stack drift detect`
    Drift(drift::detect::Args),
    /// List all stacks; the same as `stack list`
    List(list::Args),
    /// Keep others out of a stack; the same as `stack lock acquire`
    Lock(lock::Args),
    /// Go back to a version; the same as `stack snapshot restore`
    Rollback(rollback::Args),
    /// Show everything about a stack; the same as `stack show`
    Show(show::Args),
    /// Make a version now; the same as `stack snapshot create`
    Snapshot(snapshot::create::Args),
    /// Group stacks by words, and give words to versions; the same as `stack tags`
    #[command(subcommand)]
    Tags(tags::Command),
    /// Let others in again; the same as `stack lock release`
    Unlock(unlock::Args),
    /// List versions; the same as `stack snapshot list`
    Versions(snapshot::list::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Activity(args) => activity::run(app, args),
        Command::Diff(args) => diff::run(app, args),
        Command::Drift(args) => drift::detect::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Lock(args) => lock::run(app, args),
        Command::Rollback(args) => rollback::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Snapshot(args) => snapshot::create::run(app, args),
        Command::Tags(command) => tags::dispatch(app, command),
        Command::Unlock(args) => unlock::run(app, args),
        Command::Versions(args) => snapshot::list::run(app, args),
    }
}
