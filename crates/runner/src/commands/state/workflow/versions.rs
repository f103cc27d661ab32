//! `state workflow versions`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::WorkflowVersions;

/// List the versions of a workflow, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state workflow versions deploy-prod")]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
    /// Most entries; 0 lists all
    #[arg(short = 'l', long, value_name = "N", default_value_t = 0)]
    limit: u64,
}

/// Runs it.
///
/// # Errors
/// There is no such workflow, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let (stack, _) = app.stack_at(&*view, &args.workflow)?;
    let list = WorkflowVersions::new(&stack, &view.version_list(&stack.id, args.limit)?);
    app.out.list(&list, &list.versions);
    Ok(Exit::Ok)
}
