//! `stack lock`: one file per verb.

pub mod acquire;
pub mod force_release;
pub mod release;
pub mod status;

use clap::Subcommand;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Keep others out of a stack
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lock a stack; only its owner can run it until the lock is released or ends
    Acquire(acquire::Args),
    /// Take a lock away from its owner
    #[command(visible_alias = "force-unlock")]
    ForceRelease(force_release::Args),
    /// Give a lock back
    Release(release::Args),
    /// Show who holds a stack
    Status(status::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Acquire(args) => acquire::run(app, args),
        Command::ForceRelease(args) => force_release::run(app, args),
        Command::Release(args) => release::run(app, args),
        Command::Status(args) => status::run(app, args),
    }
}
