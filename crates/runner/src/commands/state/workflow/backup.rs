//! `state workflow backup`

use std::path::PathBuf;

use sloth_core::clock::Clock as _;

use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::backup::{beside, dated, make_room};
use crate::commands::state::workflow::document;
use crate::config;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;

/// Put what a workflow has on record into a file with its date
///
/// The same file as that of `export`. It is called after the workflow, its version and the time, only its owner may read it,
/// and nothing is overwritten. `restore` takes it. Only `backup create` keeps histories.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow backup deploy-prod\n  sloth-runner state workflow backup deploy-prod -d /mnt/usb"
)]
pub struct Args {
    /// Workflow: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    workflow: String,
    /// Directory, made when it is missing [default: `backups` beside the database, or in the data directory when that is on a server]
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// There is no such workflow, the store failed, or the file cannot be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let (stack, _) = app.stack_at(&*app.view()?, &args.workflow)?;
    let text = document::write(app, &stack)?;
    let directory = match (&args.directory, app.location()?.path(), config::data_dir()) {
        (Some(directory), ..) => directory.clone(),
        (None, Some(database), _) => beside(database),
        (None, None, Some(data)) => data.join("backups"),
        (None, None, None) => return Err(CommandError::usage("say where with `--directory DIR`")),
    };
    // Names of files are shorter than names of stacks may be.
    let end = stack.name.floor_char_boundary(160);
    let stem = stack.name.get(..end).unwrap_or(&stack.name);
    let file = dated(&directory, &format!("{stem}-{}", stack.head), SystemClock.now(), "", "json");
    make_room(&file)?;
    files::give(&app.out, Some(&file), &text, &format!("workflow `{}`", stack.name))?;
    Ok(Exit::Ok)
}
