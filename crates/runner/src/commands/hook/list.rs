//! `hook list`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::hook::{HookList, HookView};

/// List hooks
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner hook list\n  sloth-runner hook list --stack production -o json"
)]
pub struct Args {
    /// Only those of this stack
    #[arg(short, long, value_name = "STACK")]
    stack: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let only = args.stack.as_deref().map(|name| app.stack(&*view, name)).transpose()?.map(|stack| stack.id);
    let mut hooks = Vec::new();
    for state in view.hook_list()? {
        if only.is_none() || state.hook.stack == only {
            hooks.push(HookView::new(&*view, &state)?);
        }
    }
    app.out.list(&HookList(&hooks), &hooks);
    Ok(Exit::Ok)
}
