//! `state delete`

use sloth_core::address::NotAnAddress;
use sloth_core::body::ValueChange;
use sloth_engine::stacks;
use sloth_engine::values::{self, Altered};

use super::show::record;
use super::{Agent, no_value};
use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::value::KeyView;

/// Delete a value, or forget a resource's record
///
/// `undo` brings it back. A forgotten resource stays on the machine.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state delete deployment:version --yes\n  sloth-runner state delete file:content:/etc/motd --yes"
)]
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
        let record = record(&*view, agent, &args.key)?;
        drop(view);
        return match record {
            Some(record) => forget(app, args, &record),
            None => Err(no_value(app, agent, &args.key)),
        };
    }
    drop(view);
    if !args.consent.ask(app, &format!("delete `{}`?", args.key))? {
        return Ok(Exit::Failed);
    }
    let gone = values::alter(&app.context(None)?, agent, &args.key, ValueChange::Delete)?;
    if gone == Altered::Other(None) {
        return Err(no_value(app, agent, &args.key));
    }
    app.out.talk(&format!("`{}` deleted; `sloth-runner undo` brings it back", args.key));
    Ok(Exit::Ok)
}

/// Drops the record of a resource; the machine stays as it is.
fn forget(app: &App, args: &Args, record: &KeyView) -> Result<Exit, CommandError> {
    let question = format!(
        "forget `{}` of stack `{}`? The machine stays as it is",
        record.resource.address(),
        record.stack
    );
    if !args.consent.ask(app, &question)? {
        return Ok(Exit::Failed);
    }
    let stack = app.stack(&*app.view()?, &record.stack)?;
    let address =
        record.resource.address().parse().map_err(|e: NotAnAddress| CommandError::usage(e.to_string()))?;
    if !stacks::forget(&app.context(Some(&stack.name))?, &stack, &address)? {
        return Err(no_value(app, &args.agent.agent, &args.key));
    }
    app.out.talk(&format!("`{}` forgotten; the next run of its workflow adopts it again", args.key));
    Ok(Exit::Ok)
}
