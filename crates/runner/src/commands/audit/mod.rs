//! `audit`: one file per verb.

pub mod export;
pub mod verify;

use clap::Subcommand;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Prove who did what
///
/// Every operation names who did it, where and with which arguments, and is linked to the one before it. `op log` lists
/// them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the log of operations, one JSON object a line
    Export(export::Args),
    /// Check that nothing in the log was changed, replaced or removed
    Verify(verify::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Export(args) => export::run(app, args),
        Command::Verify(args) => verify::run(app, args),
    }
}
