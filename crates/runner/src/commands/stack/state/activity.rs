//! `stack state activity`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::operation::{OperationList, OperationView};

/// List who did what to a stack, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack state activity production --limit 5")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Most entries; 0 lists all
    #[arg(short = 'n', short_alias = 'l', long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let most = if args.limit == 0 { usize::MAX } else { args.limit };
    let operations: Vec<OperationView> = view
        .operation_list(0)?
        .iter()
        .filter(|o| o.stack.as_ref().is_some_and(|(id, _)| id == stack.id.as_str()))
        .take(most)
        .map(OperationView::new)
        .collect();
    app.out.list(&OperationList(&operations), &operations);
    Ok(Exit::Ok)
}
