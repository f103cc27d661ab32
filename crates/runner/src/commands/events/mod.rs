//! `events`: one file per verb.

pub mod list;
pub mod show;
pub mod stats;
pub mod watch;

use std::time::Duration;

use clap::Subcommand;
use sloth_core::clock::Clock as _;
use sloth_core::event::{EventType, Severity};
use sloth_core::store::{EventFilter, View};
use sloth_core::suggest::nearest;

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

fn event_type(text: &str) -> Result<String, String> {
    let names = || EventType::ALL.iter().map(|t| t.as_str());
    let custom = text.starts_with("custom.");
    let known = match text.strip_suffix('*') {
        Some(family) => names().any(|name| name.starts_with(family)),
        None => names().any(|name| name == text),
    };
    if known || custom {
        return Ok(text.to_owned());
    }
    Err(match nearest(text, names()) {
        Some(near) => format!("there is no such type; did you mean `{near}`?"),
        None => "there is no such type; they are listed in the reference".to_owned(),
    })
}

/// Look at what happened
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List events, oldest first
    List(list::Args),
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
        Command::List(args) => list::run(app, args),
        Command::Show(args) => show::run(app, args),
        Command::Stats(args) => stats::run(app, args),
        Command::Watch(args) => watch::run(app, args),
    }
}
