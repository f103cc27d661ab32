//! `state set`

use std::time::Duration;

use sloth_core::body::ValueChange;
use sloth_core::value::Value;
use sloth_engine::values::{self, Altered};

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::parse;

/// Set a value
///
/// What is JSON is kept as JSON: `5` is a number, `true` a boolean, `{"a":1}` an object. Everything else is text. With
/// `--if-value` or `--if-absent`, nothing is set when something else is there, and the exit code is 6.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state set deployment:version v1.2.3\n  sloth-runner state set retries 5 --ttl 1h\n  sloth-runner state set leader node-2 --if-value node-1\n  sloth-runner state set leader node-1 --if-absent --ttl 30s"
)]
pub struct Args {
    /// Key
    #[arg(value_name = "KEY")]
    key: String,
    /// Value
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,
    /// Keep it as text, whatever it looks like
    #[arg(long)]
    string: bool,
    /// Gone after this long; without it, `--if-value` leaves the end as it is
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    ttl: Option<Duration>,
    /// Only when this is the value now
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, conflicts_with = "if_absent")]
    if_value: Option<String>,
    /// Only when there is no value yet
    #[arg(long)]
    if_absent: bool,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The key cannot be used, something else is there, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let read = |text: &str| if args.string { Value::from(text) } else { parse::json_or_text(text) };
    let value = read(&args.value);
    let ttl = args.ttl.map(|ttl| ttl.as_secs_f64());
    let change = match (&args.if_value, args.if_absent) {
        (Some(expected), _) => ValueChange::Swap(Some(read(expected)), value, ttl),
        (None, true) => ValueChange::Swap(None, value, ttl),
        (None, false) => ValueChange::Set(value, ttl),
    };
    match values::alter(&app.context(None)?, &args.agent.agent, &args.key, change)? {
        Altered::Done(_) => {
            app.out.talk(&format!("`{}` set", args.key));
            Ok(Exit::Ok)
        }
        Altered::Other(there) => {
            let is = there.map_or_else(
                || "there is none".to_owned(),
                |entry| format!("it is {}", words::short_value(&entry.value, 60)),
            );
            let what = format!("`{}` does not have the expected value: {is}; nothing was changed", args.key);
            Err(CommandError::new(Exit::Conflict, what))
        }
    }
}
