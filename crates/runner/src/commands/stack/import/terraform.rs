//! `stack import terraform`

use std::path::Path;

use sloth_core::clock::Clock as _;

use super::Given;
use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::interchange::tfstate;

/// Take over a Terraform or OpenTofu state
///
/// Reads format 4. Each instance of a resource becomes a record with all its attributes, which Terraform goes on looking
/// after: no machine here can be asked about it. Outputs are offered to other stacks. A newer serial of the same lineage becomes
/// a new version of the stack. `stack export --format tfstate` writes the state again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack import terraform terraform.tfstate --stack network\n  terraform state pull | sloth-runner stack import terraform - --stack network"
)]
pub struct Args {
    #[command(flatten)]
    given: Given,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or is not such a state, the name is taken, or the store failed. Nothing was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let now = SystemClock.now();
    args.given.take(
        app,
        |text| tfstate::read(text, now),
        |file, _| {
            let stem = file.file_stem().and_then(|stem| stem.to_str()).filter(|_| file != Path::new("-"));
            stem.map(str::to_owned).ok_or_else(|| {
                let hint = "name it with `--stack NAME`";
                CommandError::usage("a state has no name of its own; nothing was changed").hint(hint)
            })
        },
    )
}
