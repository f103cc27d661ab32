//! `state workflow list`

use sloth_core::execution::ExecutionStatus;
use sloth_engine::executions::{self, Search};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::{WorkflowList, status};

/// List workflows, newest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow list\n  sloth-runner state workflow list --name deploy --status success\n  sloth-runner state workflow list --all -o json"
)]
pub struct Args {
    /// Only those whose names hold this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only with this status: pending, running, success, failed or rolled_back
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<ExecutionStatus>,
    /// Every execution, not only the newest of each workflow
    #[arg(long)]
    all: bool,
}

/// Runs it.
///
/// # Errors
/// The store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let wanted = Search { name: args.name.clone(), ..Search::default() };
    let mut found = executions::search(&*view, &wanted)?;
    if args.all {
        let mut each = Vec::new();
        for workflow in found {
            each.extend(executions::all(&*view, &workflow.stack)?);
        }
        each.sort_by_key(|execution| std::cmp::Reverse(execution.started_at));
        found = each;
    }
    found.retain(|execution| args.status.is_none_or(|status| status == execution.status));
    let list = WorkflowList::new(&*view, found, !args.all)?;
    app.out.list(&list, &list.workflows);
    Ok(Exit::Ok)
}
