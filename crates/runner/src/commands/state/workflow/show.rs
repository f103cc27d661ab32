//! `state workflow show`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::WorkflowView;

/// Show an execution of a workflow: the newest, or the one that made a version
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow show deploy-prod\n  sloth-runner state workflow show deploy-prod-v5 -o json"
)]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id; `NAME-v5` is version 5 of it
    #[arg(value_name = "STACK")]
    workflow: String,
}

/// Runs it.
///
/// # Errors
/// There is no such workflow or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let (stack, version) = app.stack_at(&*view, &args.workflow)?;
    app.out.show(&WorkflowView::whole(&**app.store()?, &*view, stack, version)?);
    Ok(Exit::Ok)
}
