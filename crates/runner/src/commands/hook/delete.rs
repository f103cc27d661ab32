//! `hook delete`

use sloth_engine::hooks;

use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;

/// Remove a hook
///
/// With what it has not been told yet; its log stays. `undo` brings the hook back, but not what it was owed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner hook delete notify --yes")]
pub struct Args {
    /// Hook
    #[arg(value_name = "HOOK")]
    name: String,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such hook, nobody agreed, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let name = &args.name;
    let state = hooks::find(&*app.view()?, name)?;
    let owed = match state.waiting + state.dead {
        0 => String::new(),
        n => format!(" with {} it has not taken", words::count(n, "event")),
    };
    if !args.consent.ask(app, &format!("remove hook `{name}`{owed}? [y/N]"))? {
        return Ok(Exit::Failed);
    }
    hooks::remove(&app.context(None)?, name)?;
    app.out.talk(&format!("hook `{name}` removed{owed}"));
    Ok(Exit::Ok)
}
