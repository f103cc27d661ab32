//! `stack import pulumi`

use sloth_core::clock::Clock as _;

use super::Given;
use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::interchange::pulumi;

/// Take over what `pulumi stack export` wrote
///
/// Each resource becomes a record that Pulumi goes on looking after. Secrets stay encrypted as they are and are marked.
/// The name is that of the stack in Pulumi unless another one is given.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack import pulumi export.json\n  pulumi stack export | sloth-runner stack import pulumi - --stack network"
)]
pub struct Args {
    #[command(flatten)]
    given: Given,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or is not such an export, the name is taken, or the store failed. Nothing was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let now = SystemClock.now();
    args.given.take(app, |text| pulumi::read(text, now), |_, foreign| Ok(foreign.carried.name.clone()))
}
