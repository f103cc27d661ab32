//! `events`: one file per verb.

pub mod cleanup;
pub mod list;
pub mod redeliver;
pub mod show;
pub mod stats;
pub mod watch;

use std::time::Duration;

use clap::Subcommand;
use sloth_core::clock::Clock as _;
use sloth_core::event::{Severity, StoredEvent};
use sloth_core::store::{EventFilter, View};
use sloth_engine::hooks;

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;

/// Which events.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Only of this stack
    #[arg(short, long, value_name = "STACK")]
    pub stack: Option<String>,
    /// Only of this type; `stack.*` is a family
    #[arg(short, long, value_name = "TYPE", value_parser = event_type)]
    pub r#type: Option<String>,
    /// Only of this weight and above
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub severity: Option<Severity>,
    /// Only of this run
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Only of the last hours or minutes, such as `24h`
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub since: Option<Duration>,
}

impl Which {
    /// As the store understands it.
    ///
    /// # Errors
    /// There is no such stack.
    pub fn filter(&self, app: &App, view: &dyn View, limit: u64) -> Result<EventFilter, CommandError> {
        let stack = self.stack.as_deref().map(|name| app.stack(view, name)).transpose()?;
        Ok(EventFilter {
            stack: stack.map(|s| s.id),
            kind: self.r#type.clone(),
            run: self.run.as_deref().map(sloth_core::id::RunId::from_stored),
            severity: self.severity,
            since: self.since.map(|d| SystemClock.now().minus(d)),
            limit,
            ..EventFilter::default()
        })
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "it is one of `info`, `warning`, `error`".to_owned())
}

/// A type, a family such as `stack.*`, or `*`; there has to be one.
///
/// # Errors
/// There is none, with the nearest there is.
pub fn event_type(text: &str) -> Result<String, String> {
    hooks::check_pattern(text).map(|()| text.to_owned()).map_err(|near| match near {
        Some(near) => format!("there is no such type; did you mean `{near}`?"),
        None => "there is no such type; they are listed in the reference".to_owned(),
    })
}

/// One event by its id, or the beginning of it.
///
/// # Errors
/// There is none or more than one, or the store failed.
pub fn find(view: &dyn View, id: &str) -> Result<StoredEvent, CommandError> {
    let mut found = view.event_list(&EventFilter::default())?;
    found.retain(|e| e.id.as_str().starts_with(id));
    match (found.pop(), found.len()) {
        (Some(event), 0) => Ok(event),
        (None, _) => Err(CommandError::not_found(format!("there is no event `{id}`"))
            .hint("see `sloth-runner events list -o json`")),
        (Some(_), more) => {
            let message = format!("`{id}` could be any of {} events", more + 1);
            Err(CommandError::not_found(message).hint("give more of the id"))
        }
    }
}

/// Look at what happened
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Remove old events
    Cleanup(cleanup::Args),
    /// List events, oldest first
    List(list::Args),
    /// Give events to hooks again
    Redeliver(redeliver::Args),
    /// Show everything about one event
    Show(show::Args),
    /// Count events
    Stats(stats::Args),
    /// Show events as they happen
    Watch(watch::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Cleanup(args) => cleanup::run(app, args),
        Command::List(args) => list::run(app, args),
        Command::Redeliver(args) => redeliver::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Stats(args) => stats::run(app, args),
        Command::Watch(args) => watch::run(app, args),
    }
}
