//! `hook redeliver`

use sloth_engine::hooks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;

/// Try again what was given up
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner hook redeliver notify\n  sloth-runner hook redeliver --all")]
pub struct Args {
    /// Hook
    #[arg(value_name = "HOOK", required_unless_present = "all")]
    name: Option<String>,
    /// Of all hooks
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let count = hooks::redeliver_dead(&app.context(None)?, args.name.as_deref())?;
    let what = words::count(count, "event");
    app.out.talk(&match count {
        0 => "nothing was given up; nothing was changed".to_owned(),
        _ => {
            format!("{what} that had been given up {} delivered again", if count == 1 { "is" } else { "are" })
        }
    });
    Ok(Exit::Ok)
}
