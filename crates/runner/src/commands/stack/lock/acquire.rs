//! `stack lock acquire`

use std::time::Duration;

use sloth_core::clock::Clock as _;
use sloth_engine::stacks::{self, LockOptions};

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;
use crate::views::lock::{LockDone, LockView};

/// What a lock is for when nobody says so.
pub const REASON: &str = "Manual lock via CLI";

/// Lock a stack; only its owner can run it until the lock is released or ends
///
/// The lock's id is kept for this user, so that the commands that follow are let in.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack lock acquire production --reason \"Deploying v2.0.0\" --locked-by deploy-bot"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    pub stack: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = REASON)]
    pub reason: String,
    /// For whom [default: the user]
    #[arg(long, value_name = "NAME", value_parser = parse::named)]
    pub locked_by: Option<String>,
    /// What for
    #[arg(long, value_name = "TEXT", default_value = "manual")]
    pub operation: String,
    /// How long [default: `stacks.lock_timeout`, else 1h]
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    pub ttl: Option<Duration>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or somebody else holds it.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let ttl = args.ttl.map_or_else(|| app.config().map(|c| c.lock_timeout), Ok)?;
    let options = LockOptions {
        reason: args.reason.clone(),
        locked_by: args.locked_by.clone(),
        operation: args.operation.clone(),
        ttl,
    };
    let lease = stacks::lock_acquire(&app.context(Some(&stack.name))?, &stack.name, options)?;
    if let Err(why) = app.keep_lock(&stack, &lease.id) {
        app.out
            .warn(&format!("the lock's id could not be kept ({why}); give it with `--lock-id {}`", lease.id));
    }
    let held = app.store()?.leases().status(&stack.id)?;
    let now = SystemClock.now();
    let own = lease.id.as_str();
    let locks =
        held.iter().filter(|l| l.id == lease.id).map(|l| LockView::new(&stack, l, Some(own), now)).collect();
    app.out.show(&LockDone { stack: stack.name.clone(), done: "acquired", locks });
    Ok(Exit::Ok)
}
