//! `stack lock force-release`, `stack lock force-unlock`

use sloth_core::clock::Clock as _;
use sloth_engine::stacks;

use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::lock::{LockDone, LockView};

/// Take a lock away from its owner
///
/// The owner cannot write to the stack any more, whatever it is doing. Logged with its reason.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack lock force-release production --reason \"ann is on holiday\" --yes"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Why; kept in the log
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, it is not locked, or nobody agreed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    if args.reason.trim().is_empty() {
        return Err(CommandError::usage("a reason cannot be empty; nothing was changed"));
    }
    let held = app.store()?.leases().status(&stack.id)?;
    if let Some(lock) = held.first() {
        let holder = format!("`{}` since {}", lock.locked_by, lock.locked_at.local());
        app.out.talk(&format!("stack `{}` is locked by {holder} for `{}`", stack.name, lock.reason));
        if !args.consent.ask(app, &format!("take the lock on `{}` away?", stack.name))? {
            return Ok(Exit::Failed);
        }
    }
    let taken = stacks::force_release(&app.context(Some(&stack.name))?, &stack.name, &args.reason)?;
    app.forget_lock(&stack);
    let now = SystemClock.now();
    let locks = taken.iter().map(|l| LockView::new(&stack, l, None, now)).collect();
    app.out.show(&LockDone { stack: stack.name.clone(), done: "force released", locks });
    Ok(Exit::Ok)
}
