//! `state workflow resources`

use sloth_engine::executions;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::TrackedList;

/// List the resources of a workflow and what was done to each
///
/// What was done is told of the version that is shown: made, changed, left alone or removed by it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow resources deploy-prod\n  sloth-runner state workflow resources deploy-prod-v5 --type file"
)]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id; `NAME-v5` is version 5 of it
    #[arg(value_name = "STACK")]
    workflow: String,
    /// Only of this type
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such workflow or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let (stack, version) = app.stack_at(&*view, &args.workflow)?;
    let mut found = executions::resources(&*view, &stack, version.unwrap_or(stack.head))?;
    found.retain(|r| args.r#type.as_deref().is_none_or(|wanted| wanted == r.recorded.address.kind()));
    let list = TrackedList::new(&stack, found);
    app.out.list(&list, &list.resources);
    Ok(Exit::Ok)
}
