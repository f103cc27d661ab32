//! `state list`

use super::Agent;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::value::{Entry, EntryList, LockRow, ValueView};

/// List values and the records of resources by operation key
///
/// `state list lock` lists the held key-value locks.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state list\n  sloth-runner state list file\n  sloth-runner state list lock"
)]
pub struct Args {
    /// Only keys that begin like this
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    #[command(flatten)]
    agent: Agent,
}

/// Runs it.
///
/// # Errors
/// The store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let mut entries: Vec<Entry> = view
        .value_list(Some(&args.agent.agent), &args.prefix)?
        .iter()
        .map(|entry| Entry::Value(ValueView::new(entry)))
        .collect();
    for key in super::show::records(&*view, &args.agent.agent)? {
        if key.resource.key().starts_with(&args.prefix) {
            entries.push(Entry::Resource(Box::new(key)));
        }
    }
    if args.prefix == "lock" {
        entries.extend(view.value_locks()?.into_iter().map(|lock| Entry::Lock(LockRow::new(lock))));
    }
    app.out.list(&EntryList(&entries), &entries);
    Ok(Exit::Ok)
}
