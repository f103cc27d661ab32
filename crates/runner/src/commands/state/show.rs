//! `state show`

use sloth_core::store::{StoreError, VersionAt, View};

use super::{Agent, no_value};
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::value::{KeyView, ValueView};

/// Show a value or a resource's record with its times
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state show deployment:version\n  sloth-runner state show file:copy:/etc/motd"
)]
pub struct Args {
    /// Key, or a resource's operation key
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// There is no such key, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    if let Some(entry) = view.value_get(&args.agent.agent, &args.key)? {
        app.out.show(&ValueView::new(&entry));
        return Ok(Exit::Ok);
    }
    let record = record(&*view, &args.agent.agent, &args.key)?;
    app.out.show(&record.ok_or_else(|| no_value(app, &args.agent.agent, &args.key))?);
    Ok(Exit::Ok)
}

/// The record on a host that an operation key, `module:operation:id`, stands for.
///
/// # Errors
/// The store failed.
pub fn record(view: &dyn View, host: &str, key: &str) -> Result<Option<KeyView>, StoreError> {
    let Some(id) = key.splitn(3, ':').nth(2) else { return Ok(None) };
    let catalog = sloth_resources::catalog();
    for (stack, recorded) in view.resource_named(id)? {
        if recorded.address.host().as_str() == host
            && recorded.operation_key() == key
            && let Some(stack) = view.stack_get(&stack)?
        {
            return Ok(Some(KeyView::new(&stack, recorded, &*catalog)));
        }
    }
    Ok(None)
}

/// Records of all stacks on one host, by stack and address.
///
/// # Errors
/// The store failed.
pub fn records(view: &dyn View, host: &str) -> Result<Vec<KeyView>, StoreError> {
    let catalog = sloth_resources::catalog();
    let mut found = Vec::new();
    for stack in view.stack_list()? {
        view.resource_texts(&stack.id, VersionAt::Head, &mut |recorded| {
            if recorded.address.host().as_str() == host {
                found.push(KeyView::new(&stack, recorded, &*catalog));
            }
        })?;
    }
    Ok(found)
}
