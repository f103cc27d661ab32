//! `hook`: one file per verb.

pub mod add;
pub mod delete;
pub mod deliver;
pub mod disable;
pub mod enable;
pub mod list;
pub mod logs;
pub mod redeliver;
pub mod show;
pub mod test;

use clap::Subcommand;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Tell somebody about events
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a hook
    Add(Box<add::Args>),
    /// Remove a hook
    Delete(delete::Args),
    /// Tell hooks now what they have not been told yet
    Deliver(deliver::Args),
    /// Tell a hook nothing any more
    Disable(disable::Args),
    /// Tell a hook about events again
    Enable(enable::Args),
    /// List hooks
    List(list::Args),
    /// Show what became of telling hooks
    Logs(logs::Args),
    /// Try again what was given up
    Redeliver(redeliver::Args),
    /// Show everything about a hook
    Show(show::Args),
    /// Tell a hook about an event that did not happen
    Test(test::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Add(args) => add::run(app, args),
        Command::Delete(args) => delete::run(app, args),
        Command::Deliver(args) => deliver::run(app, args),
        Command::Disable(args) => disable::run(app, args),
        Command::Enable(args) => enable::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Logs(args) => logs::run(app, args),
        Command::Redeliver(args) => redeliver::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Test(args) => test::run(app, args),
    }
}
