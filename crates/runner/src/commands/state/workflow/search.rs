//! `state workflow search`

use sloth_core::execution::ExecutionStatus;
use sloth_engine::executions::{self, Search};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::{WorkflowList, status};

/// Find workflows by name, resource type or failure
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow search --resource-type file\n  sloth-runner state workflow search --name deploy --has-errors"
)]
pub struct Args {
    /// Only those whose names hold this
    #[arg(short, long, value_name = "TEXT")]
    name: Option<String>,
    /// Only with this status: pending, running, success, failed or rolled_back
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<ExecutionStatus>,
    /// Only with a resource of this type
    #[arg(long, value_name = "TYPE")]
    resource_type: Option<String>,
    /// Only those that failed, or that hold a resource that did
    #[arg(long)]
    has_errors: bool,
    /// Most entries; 0 lists all
    #[arg(short = 'l', long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// Runs it.
///
/// # Errors
/// The store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let wanted = Search {
        name: args.name.clone(),
        status: args.status,
        resource_type: args.resource_type.clone(),
        has_errors: args.has_errors,
        limit: args.limit,
    };
    let list = WorkflowList::new(&*view, executions::search(&*view, &wanted)?, true)?;
    app.out.list(&list, &list.workflows);
    Ok(Exit::Ok)
}
