//! `state clear`

use sloth_engine::values;

use super::Agent;
use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;

/// Delete all values, or those whose keys begin alike
///
/// Records of resources stay: they belong to their stacks.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state clear deployment: --yes\n  sloth-runner state clear")]
pub struct Args {
    /// Only keys that begin like this
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    #[command(flatten)]
    agent: Agent,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// Nobody agreed, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let agent = &args.agent.agent;
    let found = app.view()?.value_list(Some(agent), &args.prefix)?;
    if found.is_empty() {
        app.out.talk("there are no such values; nothing was changed");
        return Ok(Exit::Ok);
    }
    if !args.consent.ask(app, &format!("delete {} of `{agent}`?", words::len(&found, "value")))? {
        return Ok(Exit::Failed);
    }
    let gone = values::clear(&app.context(None)?, agent, &args.prefix)?;
    let gone = words::count(gone as u64, "value");
    app.out.talk(&format!("{gone} deleted; `sloth-runner undo` brings them back"));
    Ok(Exit::Ok)
}
