//! `state workflow delete`

use crate::app::App;
use crate::commands::consent::Consent;
use crate::commands::stack::{Bereave, delete};
use crate::error::CommandError;
use crate::exit::Exit;

/// Forget a workflow's record; the real resources stay
///
/// The same as `stack delete`; `undo` brings the record back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner state workflow delete old-workflow --force")]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
    #[command(flatten)]
    bereave: Bereave,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// Those of `stack delete`.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let (stack, _) = app.stack_at(&*app.view()?, &args.workflow)?;
    let (stack, bereave, consent) = (stack.id.to_string(), args.bereave, args.consent);
    delete::run(app, &delete::Args { stack, bereave, consent })
}
