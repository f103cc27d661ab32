//! `stack resources`

use std::collections::BTreeSet;

use sloth_core::address::Address;
use sloth_core::drift::{DriftStatus, Resolution};

use crate::app::App;
use crate::commands::stack::snapshot::at_version;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::resource::{ResourceList, ResourceView};

/// List what a stack holds
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack resources production\n  sloth-runner stack resources production --state drift"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = ["applied", "drift", "failed", "pending"])]
    state: Option<String>,
    /// Only of this type
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let at = at_version(&*view, &stack, args.at.as_deref())?;
    let drifted: BTreeSet<Address> = if args.at.is_some() {
        BTreeSet::new()
    } else {
        let open = |f: &sloth_core::drift::Finding| {
            f.status == DriftStatus::Drifted && f.resolution == Resolution::Pending
        };
        view.drift_latest(&stack.id)?.into_iter().filter(open).map(|f| f.address).collect()
    };
    let catalog = sloth_resources::catalog();
    let each = |give: &mut dyn FnMut(ResourceView)| {
        view.resource_texts(&stack.id, at, &mut |recorded| {
            let moved = drifted.contains(&recorded.address);
            let resource = ResourceView::new(&stack, recorded, moved, &*catalog);
            if args.state.as_deref().is_none_or(|s| s == resource.state)
                && args.r#type.as_deref().is_none_or(|t| t == resource.kind())
            {
                give(resource);
            }
        })
    };
    if app.out.is_table() {
        let mut list = ResourceList::new(&stack.name);
        each(&mut |resource| list.add(&resource))?;
        app.out.page(&list);
    } else {
        app.out.list_each(each)?;
    }
    Ok(Exit::Ok)
}
