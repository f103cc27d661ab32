//! `state workflow export`

use std::path::PathBuf;

use crate::app::App;
use crate::commands::state::workflow::document;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;

/// Write a workflow to a file, for `state workflow import`
///
/// Everything at the newest version, secrets included, with the list of versions and tags. The history itself stays behind;
/// `backup create` takes everything.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow export deploy-prod prod-state.json\n  sloth-runner state workflow export deploy-prod > prod-state.json"
)]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
    /// File, which only its owner may read [default: standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// There is no such workflow, the store failed, or the file cannot be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let (stack, _) = app.stack_at(&*app.view()?, &args.workflow)?;
    let text = document::write(app, &stack)?;
    files::give(&app.out, args.file.as_deref(), &text, &format!("workflow `{}`", stack.name))?;
    Ok(Exit::Ok)
}
