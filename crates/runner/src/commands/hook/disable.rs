//! `hook disable`

use sloth_engine::hooks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Tell a hook nothing any more
///
/// What it is owed already waits until it is enabled. `undo` takes it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner hook disable notify")]
pub struct Args {
    /// Hook
    #[arg(value_name = "HOOK")]
    name: String,
}

/// Runs it.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let changed = hooks::enable(&app.context(None)?, &args.name, false)?;
    let end = if changed { "is disabled" } else { "was disabled already; nothing was changed" };
    app.out.talk(&format!("hook `{}` {end}", args.name));
    Ok(Exit::Ok)
}
