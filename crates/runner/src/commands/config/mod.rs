//! `config`: one file per verb.

pub mod check;
pub mod path;
pub mod show;

use clap::Subcommand;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Look at the configuration
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check configuration files
    Check(check::Args),
    /// Show which configuration files are looked for
    Path(path::Args),
    /// Show the configuration as it is used
    Show(show::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Check(args) => check::run(app, args),
        Command::Path(args) => path::run(app, args),
        Command::Show(args) => show::run(app, args),
    }
}
