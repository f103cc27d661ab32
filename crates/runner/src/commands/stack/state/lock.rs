//! `stack state lock`

use std::time::Duration;

use crate::app::App;
use crate::commands::stack::lock::acquire;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;

/// Keep others out of a stack; the same as `stack lock acquire`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack state lock production --operation deploy --who deploy-bot --duration 30m"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// What for
    #[arg(long, value_name = "TEXT", default_value = "manual")]
    operation: String,
    /// For whom [default: the user]
    #[arg(short, long, value_name = "NAME", value_parser = parse::named)]
    who: Option<String>,
    /// How long [default: `stacks.lock_timeout`, else 1h]
    #[arg(short, long, value_name = "DURATION", value_parser = parse::duration)]
    duration: Option<Duration>,
}

/// Runs it.
///
/// # Errors
/// Those of `stack lock acquire`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let args = acquire::Args {
        stack: args.stack.clone(),
        reason: acquire::REASON.to_owned(),
        locked_by: args.who.clone(),
        operation: args.operation.clone(),
        ttl: args.duration,
    };
    acquire::run(app, &args)
}
