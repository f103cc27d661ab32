//! `stack import`

use std::path::PathBuf;

use sloth_engine::transfer;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::out::words;
use crate::views::transfer as document;

/// Make a stack of what `stack export` wrote
///
/// Touches no machine: `stack drift detect` tells afterwards what is so here, and `run` makes it so.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack import production.json\n  sloth-runner stack import production.json --name copy --dry-run"
)]
pub struct Args {
    /// File; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the stack [default: the one in the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or is not an export, the name is taken, or the store failed. Nothing was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let shown = args.file.display();
    let text = files::read_given(&args.file)?;
    let carried = document::read(&text).map_err(|why| {
        CommandError::new(Exit::Invalid, format!("`{shown}` cannot be imported: {why}; nothing was changed"))
    })?;
    let name = args.name.as_deref().unwrap_or(&carried.name);
    let what = format!(
        "{}, {} and {} of `{}` at {}",
        words::len(&carried.resources, "resource"),
        words::len(&carried.outputs, "output"),
        words::len(&carried.contents, "content"),
        carried.name,
        carried.version
    );
    if args.dry_run {
        app.out.talk(&format!("stack `{name}` would be made of {what}; nothing was changed"));
        return Ok(Exit::Ok);
    }
    let stack = transfer::import(&app.context(Some(name))?, &carried, name)?;
    app.out.talk(&format!("stack `{}` made of {what}; `sloth-runner undo` takes it back", stack.name));
    Ok(Exit::Ok)
}
