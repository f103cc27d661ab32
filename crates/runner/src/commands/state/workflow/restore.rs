//! `state workflow restore`

use std::path::PathBuf;

use crate::app::App;
use crate::commands::stack::import::Options;
use crate::commands::state::workflow::import;
use crate::error::CommandError;
use crate::exit::Exit;

/// Bring a workflow back from a file of `backup`
///
/// One that is gone is made again. One that is there gets a new version, which `--force` has to allow. Touches no machine:
/// `drift` tells afterwards what is so, and `run` makes it so. `undo` takes it back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow restore backups/deploy-prod-v4-20261120T143000Z.json\n  sloth-runner state workflow restore deploy-prod.json --force"
)]
pub struct Args {
    /// File
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make a new version of the workflow when it is there; its history stays
    #[arg(short, long, visible_alias = "overwrite")]
    force: bool,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or holds no workflow, the workflow is there, somebody holds it, or the store failed. Nothing was
/// changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    import::take(app, &args.file, None, Options { overwrite: args.force, dry_run: false })
}
