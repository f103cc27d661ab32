//! `stack state rollback`

use crate::app::App;
use crate::commands::consent::Consent;
use crate::commands::stack::snapshot::restore;
use crate::error::CommandError;
use crate::exit::Exit;

/// Go back to a version; the same as `stack snapshot restore`
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack state rollback production --version 3")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Version: `5`, `v5`, `NAME@5`, or a tag
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Change the record alone; machines are not touched
    #[arg(long)]
    state_only: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// Those of `stack snapshot restore`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let args = restore::Args {
        stack: args.stack.clone(),
        version: args.version.clone(),
        dry_run: args.dry_run,
        state_only: args.state_only,
        consent: args.consent,
    };
    restore::run(app, &args)
}
