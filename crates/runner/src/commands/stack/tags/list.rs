//! `stack tags list`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::stack::TagList;

/// List the tags of a stack and of its versions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack tags list my-stack")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let list = TagList::new(&stack);
    app.out.list(&list, &list.tags);
    Ok(Exit::Ok)
}
