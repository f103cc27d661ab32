//! `state workflow import`

use std::path::PathBuf;

use sloth_engine::transfer;

use crate::app::App;
use crate::commands::state::workflow::document;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::out::words;

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
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or holds no workflow, the name is taken, or the store failed. Nothing was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let shown = args.file.display();
    let carried = document::read(&files::read_given(&args.file)?).map_err(|why| {
        CommandError::new(Exit::Invalid, format!("`{shown}` cannot be imported: {why}; nothing was changed"))
            .hint("write one with `sloth-runner state workflow export NAME FILE`")
    })?;
    let name = args.name.as_deref().unwrap_or(&carried.name);
    let (resources, outputs) =
        (words::len(&carried.resources, "resource"), words::len(&carried.outputs, "output"));
    if args.dry_run {
        app.out.talk(&format!(
            "workflow `{name}` would be made of {resources} and {outputs}; nothing was changed"
        ));
        return Ok(Exit::Ok);
    }
    let stack = transfer::import(&app.context(Some(name))?, &carried, name)?;
    app.out.talk(&format!(
        "workflow `{}` made of {resources} and {outputs}; `sloth-runner undo` takes it back",
        stack.name
    ));
    Ok(Exit::Ok)
}
