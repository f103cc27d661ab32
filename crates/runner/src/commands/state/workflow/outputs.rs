//! `state workflow outputs`

use sloth_engine::executions;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::WorkflowOutputs;

/// Show what a workflow offers to people and other stacks
///
/// Sensitive ones are hidden; `stack output STACK KEY` prints one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state workflow outputs deploy-prod")]
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
    let outputs = executions::outputs(&*view, &stack, version.unwrap_or(stack.head))?;
    app.out.show(&WorkflowOutputs::new(&stack, &outputs));
    Ok(Exit::Ok)
}
