//! `state set`

use std::time::Duration;

use sloth_core::value::Value;
use sloth_engine::values;

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;

/// Set a value
///
/// What is JSON is kept as JSON: `5` is a number, `true` a boolean, `{"a":1}` an object. Everything else is text.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state set deployment:version v1.2.3\n  sloth-runner state set retries 5 --ttl 1h"
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
    /// Gone after this long
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    ttl: Option<Duration>,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The key cannot be used, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let value = if args.string { Value::from(args.value.clone()) } else { parse::json_or_text(&args.value) };
    let entry = values::set(&app.context(None)?, &args.agent.agent, &args.key, value, args.ttl)?;
    app.out.talk(&format!("`{}` set", entry.key));
    Ok(Exit::Ok)
}
