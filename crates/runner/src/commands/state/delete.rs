//! `state delete`

use sloth_engine::values;

use super::show::records;
use super::{Agent, no_value};
use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;

/// Delete a value
///
/// `undo` brings it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state delete deployment:version --yes")]
pub struct Args {
    /// Key
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    agent: Agent,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such value, nobody agreed, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let agent = &args.agent.agent;
    let view = app.view()?;
    if view.value_get(agent, &args.key)?.is_none() {
        let record = records(&*view, agent)?.into_iter().find(|r| r.resource.key == args.key);
        return Err(match record {
            Some(record) => CommandError::new(
                Exit::Failed,
                format!(
                    "`{}` is a resource's record in stack `{}`, and this version cannot forget a single one; nothing \
                     was changed",
                    args.key, record.stack
                ),
            )
            .hint(format!("see it with `sloth-runner state show {}`", args.key)),
            None => no_value(app, agent, &args.key),
        });
    }
    drop(view);
    if !args.consent.ask(app, &format!("delete `{}`?", args.key))? {
        return Ok(Exit::Failed);
    }
    if !values::delete(&app.context(None)?, agent, &args.key)? {
        return Err(no_value(app, agent, &args.key));
    }
    app.out.talk(&format!("`{}` deleted; `sloth-runner undo` brings it back", args.key));
    Ok(Exit::Ok)
}
