//! `state workflow`: stacks seen as executions of their workflows. One file per verb, over the functions that `stack` uses.

pub mod backup;
pub mod delete;
pub mod diff;
pub mod document;
pub mod drift;
pub mod export;
pub mod import;
pub mod list;
pub mod outputs;
pub mod prune;
pub mod resources;
pub mod restore;
pub mod rollback;
pub mod search;
pub mod show;
pub mod versions;

use clap::Subcommand;

use crate::app::App;
use crate::cli::Lazy;
use crate::commands::stack::tags;
use crate::error::CommandError;
use crate::exit::Exit;

/// See stacks as executions of their workflows
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put what a workflow has on record into a file with its date
    Backup(backup::Args),
    /// Forget a workflow's record; the real resources stay
    Delete(delete::Args),
    /// Show what differs between two versions
    Diff(diff::Args),
    /// Look for drift
    Drift(drift::Args),
    /// Write a workflow to a file, for `state workflow import`
    Export(export::Args),
    /// Make a workflow of what `export` or `show -o json` wrote
    Import(import::Args),
    /// List workflows, newest first
    List(list::Args),
    /// Show what a workflow offers to people and other stacks
    Outputs(outputs::Args),
    /// Forget workflows in which nothing has happened for long
    Prune(prune::Args),
    /// List the resources of a workflow and what was done to each
    Resources(resources::Args),
    /// Bring a workflow back from a file of `backup`
    Restore(restore::Args),
    /// Go back to a version: the record and the machines
    Rollback(rollback::Args),
    /// Find workflows by name, resource type or failure
    Search(search::Args),
    /// Show an execution of a workflow: the newest, or the one that made a version
    Show(show::Args),
    /// Group workflows by words, and give words to versions
    #[command(subcommand)]
    Tags(Lazy<tags::Command>),
    /// List the versions of a workflow, newest first
    Versions(versions::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Backup(args) => backup::run(app, args),
        Command::Delete(args) => delete::run(app, args),
        Command::Diff(args) => diff::run(app, args),
        Command::Drift(args) => drift::run(app, args),
        Command::Export(args) => export::run(app, args),
        Command::Import(args) => import::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Outputs(args) => outputs::run(app, args),
        Command::Prune(args) => prune::run(app, args),
        Command::Resources(args) => resources::run(app, args),
        Command::Restore(args) => restore::run(app, args),
        Command::Rollback(args) => rollback::run(app, args),
        Command::Search(args) => search::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Tags(Lazy(command)) => tags::dispatch(app, command),
        Command::Versions(args) => versions::run(app, args),
    }
}
