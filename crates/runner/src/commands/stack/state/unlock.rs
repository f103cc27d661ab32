//! `stack state unlock`

use crate::app::App;
use crate::commands::stack::lock::release;
use crate::error::CommandError;
use crate::exit::Exit;

/// Let others in again; the same as `stack lock release`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack state unlock production --lock-id 01995f3a-7c1e-7a44-8d2b-0f5a6c7d8e9f"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Runs it.
///
/// # Errors
/// Those of `stack lock release`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    release::run(app, &release::Args { stack: args.stack.clone(), unlocked_by: None })
}
