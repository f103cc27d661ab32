//! `stack`: one file per verb.

pub mod delete;
pub mod deps;
pub mod destroy;
pub mod drift;
pub mod events;
pub mod export;
pub mod gc;
pub mod history;
pub mod import;
pub mod list;
pub mod lock;
pub mod migrate;
pub mod new;
pub mod output;
pub mod rename;
pub mod resources;
pub mod show;
pub mod snapshot;
pub mod state;
pub mod tags;
pub mod validate;

use clap::Subcommand;

use sloth_core::stack::Stack;
use sloth_engine::upstreams;

use crate::app::App;
use crate::cli::Lazy;
use crate::error::CommandError;
use crate::exit::Exit;

/// Work with stacks
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Forget a stack's record; the real resources stay
    Delete(Lazy<delete::Args>),
    /// See what a stack's resources need of each other
    #[command(subcommand)]
    Deps(Lazy<deps::Command>),
    /// Remove a stack's real resources, then its record
    Destroy(Lazy<destroy::Args>),
    /// Find and repair what moved away from the record
    Drift(Lazy<drift::Args>),
    /// List the events of a stack, oldest first
    Events(Lazy<events::Args>),
    /// Write a stack as JSON, for `stack import` or for Terraform
    Export(Lazy<export::Args>),
    /// Remove old versions for good, and what nobody needs after them
    Gc(Lazy<gc::Args>),
    /// List the runs of a stack
    History(Lazy<history::Args>),
    /// Make a stack of what `stack export` wrote, or of another program's state
    Import(Lazy<import::Args>),
    /// List all stacks
    List(Lazy<list::Args>),
    /// Keep others out of a stack
    #[command(subcommand)]
    Lock(Lazy<lock::Command>),
    /// Take over the databases of the Go program
    Migrate(Lazy<migrate::Args>),
    /// Make a stack
    #[command(visible_alias = "create")]
    New(Lazy<new::Args>),
    /// Show what a stack offers to people and other stacks
    #[command(visible_alias = "outputs")]
    Output(Lazy<output::Args>),
    /// Give a stack another name
    Rename(Lazy<rename::Args>),
    /// List what a stack holds
    Resources(Lazy<resources::Args>),
    /// Show everything about a stack
    Show(Lazy<show::Args>),
    /// Work with versions of a stack
    #[command(subcommand)]
    Snapshot(Lazy<snapshot::Command>),
    /// Older words for `stack list`, `stack snapshot`, `stack drift` and `stack lock`
    #[command(subcommand)]
    State(Lazy<state::Command>),
    /// Group stacks by words, and give words to versions
    #[command(subcommand)]
    Tags(Lazy<tags::Command>),
    /// Check whether what is recorded of a stack makes sense
    Validate(Lazy<validate::Args>),
}

/// Leave to take a stack away from those that need it. No other consent is one.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Bereave {
    /// Even though other stacks depend on it
    #[arg(long)]
    despite_dependents: bool,
}

impl Bereave {
    /// Says which stacks need one that is about to go, and refuses unless leave was given. `looking` only says it.
    ///
    /// # Errors
    /// Some do, or the store failed.
    pub fn check(self, app: &App, stack: &Stack, looking: bool) -> Result<(), CommandError> {
        let names = upstreams::dependents(&*app.view()?, &stack.id)?;
        if names.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let (list, verb) = (list.join(", "), if names.len() == 1 { "depends" } else { "depend" });
        let what = format!("{list} {verb} on stack `{}`", stack.name);
        if self.despite_dependents || looking {
            app.out.warn(&format!("{what} and will be without it"));
            return Ok(());
        }
        Err(CommandError::new(Exit::Conflict, format!("{what}; nothing was changed"))
            .hint("take those away first, let them run without it, or go on with `--despite-dependents`"))
    }
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Delete(args) => delete::run(app, args),
        Command::Deps(Lazy(command)) => deps::dispatch(app, command),
        Command::Destroy(args) => destroy::run(app, args),
        Command::Drift(args) => drift::dispatch(app, args),
        Command::Events(args) => events::run(app, args),
        Command::Export(args) => export::run(app, args),
        Command::Gc(args) => gc::run(app, args),
        Command::History(args) => history::run(app, args),
        Command::Import(args) => import::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Lock(Lazy(command)) => lock::dispatch(app, command),
        Command::Migrate(args) => migrate::run(app, args),
        Command::New(args) => new::run(app, args),
        Command::Output(args) => output::run(app, args),
        Command::Rename(args) => rename::run(app, args),
        Command::Resources(args) => resources::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Snapshot(Lazy(command)) => snapshot::dispatch(app, command),
        Command::State(Lazy(command)) => state::dispatch(app, command),
        Command::Tags(Lazy(command)) => tags::dispatch(app, command),
        Command::Validate(args) => validate::run(app, args),
    }
}
