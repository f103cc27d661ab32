//! `stack list`

use sloth_core::stack::{Stack, StackStatus};
use sloth_engine::upstreams;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::stack::{StackList, StackView, status};

/// List all stacks
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack list\n  sloth-runner stack list --status failed -o json"
)]
pub struct Args {
    /// Only with this status: created, running, completed, failed or rolled_back
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<StackStatus>,
}

/// Runs it.
///
/// # Errors
/// The store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let mut stacks = view.stack_list()?;
    let mut stale = upstreams::stale_all(&*view, &stacks)?;
    stacks.retain(|s| args.status.is_none_or(|wanted| s.status == wanted));
    let shown = |stack: &Stack| StackView::new(stack).stale(stale.remove(&stack.id).unwrap_or_default());
    let list = StackList(stacks.iter().map(shown).collect());
    app.out.list(&list, &list.0);
    Ok(Exit::Ok)
}
