//! `stack deps check`

use super::load;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::deps::CheckView;

/// Look for circles, and for dependencies that are not there
///
/// Ends with exit code 5 when stacks or resources depend on each other in a circle. A dependency on what is not there is
/// told, and is no failure.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack deps check production\n  sloth-runner stack deps check production -o json"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = CheckView::new(&load(app, &args.stack, args.at.as_deref())?);
    app.out.show(&view);
    Ok(if view.is_valid() { Exit::Ok } else { Exit::Invalid })
}
