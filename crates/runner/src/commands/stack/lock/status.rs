//! `stack lock status`

use sloth_core::clock::Clock as _;

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::lock::{LockStatus, LockView};

/// Show who holds a stack
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack lock status production")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let held = app.reading()?.leases().status(&stack.id)?;
    let own = app.kept_lock(&stack);
    let own = own.as_ref().map(sloth_core::id::LockId::as_str);
    let now = SystemClock.now();
    app.out.show(&LockStatus {
        stack: stack.name.clone(),
        locked: !held.is_empty(),
        locks: held.iter().map(|l| LockView::new(&stack, l, own, now)).collect(),
    });
    Ok(Exit::Ok)
}
