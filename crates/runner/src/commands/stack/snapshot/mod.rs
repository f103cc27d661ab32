//! `stack snapshot`: one file per verb.

pub mod compare;
pub mod create;
pub mod delete;
pub mod list;
pub mod restore;
pub mod show;

use clap::Subcommand;
use sloth_core::stack::Stack;
use sloth_core::store::{VersionAt, View};
use sloth_core::suggest::nearest;
use sloth_core::version::Version;
use sloth_engine::EngineError;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Work with versions of a stack
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what differs between two versions
    #[command(visible_alias = "diff")]
    Compare(compare::Args),
    /// Make a version on request
    Create(create::Args),
    /// Remove a version from the history
    Delete(delete::Args),
    /// List the versions of a stack
    List(list::Args),
    /// Go back to a version: the record and the machines
    Restore(restore::Args),
    /// Show a stack as it was at a version
    Show(show::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Compare(args) => compare::run(app, args),
        Command::Create(args) => create::run(app, args),
        Command::Delete(args) => delete::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Restore(args) => restore::run(app, args),
        Command::Show(args) => show::run(app, args),
    }
}

/// Reads `5`, `v5`, `web@5`, `web-v5`, or a tag that stands for a version (`release`, `@release`, `web@release`), and checks
/// that the stack has it.
///
/// # Errors
/// It is not a version, is another stack's, or does not exist.
pub fn version_of(view: &dyn View, stack: &Stack, text: &str) -> Result<Version, CommandError> {
    let (name, version) = match Version::parse(text) {
        Some((name, version)) => (name, version),
        None => {
            let (name, tag) = text.rsplit_once('@').map_or((None, text), |(name, tag)| (Some(name), tag));
            let tags = stack.version_tags();
            let version = tags.get(tag).copied().ok_or_else(|| {
                let hint = match nearest(tag, tags.keys().map(String::as_str)) {
                    Some(tag) => format!("did you mean the tag `{tag}`?"),
                    None => format!("write `5`, `v5` or `{}@5`", stack.name),
                };
                CommandError::usage(format!("`{text}` is not a version")).hint(hint)
            })?;
            (name.filter(|name| !name.is_empty()), version)
        }
    };
    if let Some(name) = name.filter(|name| *name != stack.name) {
        return Err(CommandError::usage(format!(
            "`{text}` is a version of stack `{name}`, not of `{}`",
            stack.name
        )));
    }
    if view.version_get(&stack.id, version)?.is_none() {
        return Err(
            EngineError::NoSuchVersion { stack: stack.name.clone(), version, head: stack.head }.into()
        );
    }
    Ok(version)
}

/// The point `--at` names; the newest when it names none.
///
/// # Errors
/// There is no such version.
pub fn at_version(view: &dyn View, stack: &Stack, at: Option<&str>) -> Result<VersionAt, CommandError> {
    match at {
        None => Ok(VersionAt::Head),
        Some(text) => version_of(view, stack, text).map(VersionAt::Number),
    }
}
