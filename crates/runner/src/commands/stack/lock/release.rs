//! `stack lock release`

use sloth_core::clock::Clock as _;
use sloth_core::id::LockId;
use sloth_engine::stacks;

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::lock::{LockDone, LockView};
use crate::{env, parse, person};

/// Give a lock back
///
/// Only its owner can: whoever has its id, or gives the holder's name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack lock release production --unlocked-by deploy-bot")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    pub stack: String,
    /// Holder's name [default: the user, or the owner when the lock was taken by this user]
    #[arg(long, value_name = "NAME", value_parser = parse::named)]
    pub unlocked_by: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, it is not locked, or the lock is somebody else's.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let named = app.globals.lock_id.clone().or_else(|| env::text(env::LOCK_ID)).map(LockId::from_stored);
    let kept = || if args.unlocked_by.is_none() { app.kept_lock(&stack) } else { None };
    let id = named.or_else(kept);
    let ctx = app.context(Some(&stack.name))?;
    let by = args.unlocked_by.clone().unwrap_or_else(|| person::actor(app.globals.as_name.as_deref()).name);
    let info = stacks::lock_release(&ctx, &stack.name, id.as_ref(), &by)?;
    app.forget_lock(&stack);
    let locks = vec![LockView::new(&stack, &info, None, SystemClock.now())];
    app.out.show(&LockDone { stack: stack.name.clone(), done: "released", locks });
    Ok(Exit::Ok)
}
