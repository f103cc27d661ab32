//! One file per command: its arguments, whose comments are the help, and a `run` that calls one function and shows one view.

pub mod apply;
pub mod audit;
pub mod backup;
pub mod check;
pub mod completions;
pub mod conduct;
pub mod config;
pub mod consent;
pub mod doctor;
pub mod events;
pub mod hook;
pub mod man;
pub mod op;
pub mod plan;
pub mod resume;
pub mod run;
pub mod stack;
pub mod state;
pub mod types;
pub mod undo;
pub mod version;

use crate::app::App;
use crate::cli::{Command, Lazy};
use crate::error::CommandError;
use crate::exit::Exit;

/// Runs one command.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Apply(args) => apply::run(app, args),
        Command::Audit(Lazy(command)) => audit::dispatch(app, command),
        Command::Backup(Lazy(command)) => backup::dispatch(app, command),
        Command::Check(args) => check::run(app, args),
        Command::Completions(args) => completions::run(app, args),
        Command::Config(Lazy(command)) => config::dispatch(app, command),
        Command::Doctor(args) => doctor::run(app, args),
        Command::Events(Lazy(command)) => events::dispatch(app, command),
        Command::Hook(Lazy(command)) => hook::dispatch(app, command),
        Command::Man(args) => man::run(app, args),
        Command::Op(Lazy(command)) => op::dispatch(app, command),
        Command::Plan(args) => plan::run(app, args),
        Command::Resume(args) => resume::run(app, args),
        Command::Run(args) => run::run(app, args),
        Command::Stack(Lazy(command)) => stack::dispatch(app, command),
        Command::State(Lazy(command)) => state::dispatch(app, command),
        Command::Types(args) => types::run(app, args),
        Command::Undo(args) => undo::run(app, args),
        Command::Version(args) => version::run(app, args),
    }
}
