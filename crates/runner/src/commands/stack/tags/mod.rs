//! `stack tags`, `stack state tags`, `state workflow tags`: one file per verb.

pub mod add;
pub mod list;
pub mod remove;

use clap::Subcommand;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Group stacks by words, and give words to versions
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a stack, or one of its versions, a tag
    Add(add::Args),
    /// List the tags of a stack and of its versions
    List(list::Args),
    /// Take a tag away
    Remove(remove::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Add(args) => add::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Remove(args) => remove::run(app, args),
    }
}
