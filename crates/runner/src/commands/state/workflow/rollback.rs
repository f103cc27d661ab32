//! `state workflow rollback`

use crate::app::App;
use crate::commands::consent::Consent;
use crate::commands::stack::snapshot::restore;
use crate::error::CommandError;
use crate::exit::Exit;

/// Go back to a version: the record and the machines
///
/// The same as `stack snapshot restore`: a new version equal to the old one is appended, and what it takes is shown before the
/// question.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow rollback deploy-prod 3\n  sloth-runner state workflow rollback deploy-prod 3 --force"
)]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
    /// Version: `5`, `v5`, `NAME@5`, or a tag
    #[arg(value_name = "VERSION")]
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
    let (stack, _) = app.stack_at(&*app.view()?, &args.workflow)?;
    let args = restore::Args {
        stack: stack.id.to_string(),
        version: args.version.clone(),
        dry_run: args.dry_run,
        state_only: args.state_only,
        consent: args.consent,
    };
    restore::run(app, &args)
}
