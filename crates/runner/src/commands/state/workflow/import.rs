//! `state workflow import`

use std::path::{Path, PathBuf};

use crate::app::App;
use crate::commands::stack::import::{self, Options};
use crate::commands::state::workflow::document;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;

/// Make a workflow of what `export` or `show -o json` wrote
///
/// From a file of `export` everything comes back as it was. From the output of `show -o json`, or a file of the older
/// program, resources come back as records of something that nobody here looks after, and what it says of the execution is
/// kept in the metadata: nothing was executed here. Touches no machine; `undo` takes it back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow import prod-state.json\n  sloth-runner state workflow import prod-state.json --name copy --dry-run"
)]
pub struct Args {
    /// File; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the workflow [default: the one in the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Make a new version of a workflow that is there; its history stays, no machine is touched
    #[arg(short = 'f', long, visible_alias = "force")]
    overwrite: bool,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or holds no workflow, the name is taken, somebody holds the workflow, or the store failed. Nothing
/// was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let options = Options { overwrite: args.overwrite, dry_run: args.dry_run };
    take(app, &args.file, args.name.as_deref(), options)
}

/// Makes a workflow of a file.
pub fn take(app: &App, file: &Path, name: Option<&str>, options: Options) -> Result<Exit, CommandError> {
    let shown = file.display();
    let carried = document::read(&files::read_given(file)?).map_err(|why| {
        CommandError::new(Exit::Invalid, format!("`{shown}` cannot be imported: {why}; nothing was changed"))
            .hint("write one with `sloth-runner state workflow export NAME FILE`")
    })?;
    let name = name.unwrap_or(&carried.name);
    import::take(app, &carried, name, Vec::new(), options)
}
