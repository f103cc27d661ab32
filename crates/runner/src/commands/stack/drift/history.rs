//! `stack drift history`

use sloth_core::address::Address;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::drift::DriftHistoryView;

/// Show what was found over time, how it ended, and what comes back again and again
///
/// What several looks saw until it was put right is one line. Who ended it, and how, stands beside it; `drift detect`
/// means that a look found it gone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack drift history production\n  sloth-runner stack drift history production \
                  --only file:/etc/motd"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Only this resource
    #[arg(long, visible_alias = "resource", value_name = "ADDRESS")]
    only: Option<Address>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or resource, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let histories = sloth_engine::drift::history(&*view, &stack, args.only.as_ref())?;
    app.out.show(&DriftHistoryView::new(&stack, &histories));
    Ok(Exit::Ok)
}
