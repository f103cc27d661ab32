//! `state`: one file per verb.

pub mod clear;
pub mod copy;
pub mod delete;
pub mod export;
pub mod get;
pub mod import;
pub mod increment;
pub mod list;
pub mod set;
pub mod show;
pub mod stats;
pub mod workflow;

use clap::Subcommand;
use sloth_core::suggest::nearest;
use sloth_core::value_entry::LOCAL_SCOPE;

use crate::app::App;
use crate::cli::Lazy;
use crate::error::CommandError;
use crate::exit::Exit;

/// Whose values.
#[derive(Clone, Debug, clap::Args)]
pub struct Agent {
    /// Whose values
    #[arg(long, value_name = "NAME", default_value = LOCAL_SCOPE)]
    pub agent: String,
}

/// Work with key-value state
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Delete all values, or those whose keys begin alike
    Clear(clear::Args),
    /// Move the whole store to another place, or copy it there
    Copy(copy::Args),
    /// Delete a value
    Delete(delete::Args),
    /// Write all values as JSON, for `state import`
    Export(export::Args),
    /// Print a value
    Get(get::Args),
    /// Bring in values from `state export`
    Import(import::Args),
    /// Count a number up or down, whoever else does so at the same time
    #[command(visible_alias = "incr")]
    Increment(increment::Args),
    /// List values and the records of resources by operation key
    List(list::Args),
    /// Set a value
    Set(set::Args),
    /// Show a value or a resource's record with its times
    Show(show::Args),
    /// Show how much is kept, and where
    Stats(stats::Args),
    /// See stacks as executions of their workflows
    #[command(subcommand)]
    Workflow(Lazy<workflow::Command>),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Clear(args) => clear::run(app, args),
        Command::Copy(args) => copy::run(app, args),
        Command::Delete(args) => delete::run(app, args),
        Command::Export(args) => export::run(app, args),
        Command::Get(args) => get::run(app, args),
        Command::Import(args) => import::run(app, args),
        Command::Increment(args) => increment::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Set(args) => set::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Stats(args) => stats::run(app, args),
        Command::Workflow(Lazy(command)) => workflow::dispatch(app, command),
    }
}

/// There is no value of that name.
pub fn no_value(app: &App, agent: &str, key: &str) -> CommandError {
    let error = CommandError::not_found(format!("there is no value `{key}`"));
    let known = app.view().and_then(|view| Ok(view.value_list(Some(agent), "")?)).unwrap_or_default();
    match nearest(key, known.iter().map(|e| e.key.as_str())) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error,
    }
}
