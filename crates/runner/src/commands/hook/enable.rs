//! `hook enable`

use sloth_engine::hooks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Tell a hook about events again
///
/// What it was owed when it was disabled is delivered now; what happened since is not. `undo` takes it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner hook enable notify")]
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
    let changed = hooks::enable(&app.context(None)?, &args.name, true)?;
    let end = if changed { "is enabled" } else { "was enabled already; nothing was changed" };
    app.out.talk(&format!("hook `{}` {end}", args.name));
    Ok(Exit::Ok)
}
