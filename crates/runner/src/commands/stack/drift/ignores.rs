//! `stack drift ignores`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::drift::{IgnoreList, IgnoreView};

/// List what is ignored, why, by whom and until when
///
/// What has ended is not listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack drift ignores production")]
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
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let ignores = view.drift_ignores(&stack.id)?;
    let ignores = ignores.iter().map(|ignore| IgnoreView::new(&stack, ignore)).collect();
    app.out.show(&IgnoreList { stack: stack.name.clone(), ignores });
    Ok(Exit::Ok)
}
