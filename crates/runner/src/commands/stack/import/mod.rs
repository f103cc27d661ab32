//! `stack import`: one file per other program.

pub mod pulumi;
pub mod terraform;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sloth_engine::transfer::{self, Carried};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::interchange::{Broken, Foreign};
use crate::views::transfer::{self as document, ImportedView};

/// Make a stack of what `stack export` wrote, or of another program's state
///
/// Touches no machine: `stack drift detect` tells afterwards what is so here, and `run` makes it so. A file that is called
/// `terraform` or `pulumi` is named `./terraform`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  sloth-runner stack import production.json\n  sloth-runner stack import production.json --name copy --dry-run\n  sloth-runner stack import terraform terraform.tfstate --stack network"
)]
pub struct Args {
    /// Whose state it is; that of `stack export` when only a file is named
    #[command(subcommand)]
    from: Option<Command>,
    /// File; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// Name of the stack [default: the one in the file]
    #[arg(long, visible_alias = "stack", value_name = "NAME")]
    name: Option<String>,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
}

/// Whose state it is.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take over what `pulumi stack export` wrote
    Pulumi(pulumi::Args),
    /// Take over a Terraform or OpenTofu state
    Terraform(terraform::Args),
}

/// Runs it.
///
/// # Errors
/// The file cannot be read or is not an export, the name is taken, or the store failed. Nothing was changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    match (&args.from, &args.file) {
        (Some(Command::Pulumi(args)), _) => pulumi::run(app, args),
        (Some(Command::Terraform(args)), _) => terraform::run(app, args),
        (None, Some(file)) => {
            let text = files::read_given(file)?;
            let carried = document::read(&text).map_err(|why| refused(file, &why))?;
            let name = args.name.clone().unwrap_or_else(|| carried.name.clone());
            take(app, &carried, &name, Vec::new(), args.dry_run)
        }
        (None, None) => Err(CommandError::usage("it is not said which file to import")),
    }
}

fn refused(file: &Path, why: &str) -> CommandError {
    let shown = file.display();
    CommandError::new(Exit::Invalid, format!("`{shown}` cannot be imported: {why}; nothing was changed"))
}

/// A file of another program.
#[derive(Debug, clap::Args)]
pub struct Given {
    /// File; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the stack
    #[arg(long, visible_alias = "name", value_name = "NAME")]
    stack: Option<String>,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
}

impl Given {
    /// Reads it and makes a stack of it; `name` gives one when none was asked for.
    fn take(
        &self,
        app: &App,
        read: impl FnOnce(&str) -> Result<Foreign, Broken>,
        name: impl FnOnce(&Path, &Foreign) -> Result<String, CommandError>,
    ) -> Result<Exit, CommandError> {
        let text = files::read_given(&self.file)?;
        let foreign = read(&text).map_err(|broken| {
            let error = refused(&self.file, &broken.to_string());
            match broken.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        let name = match &self.stack {
            Some(name) => name.clone(),
            None => name(&self.file, &foreign)?,
        };
        take(app, &foreign.carried, &name, foreign.notes, self.dry_run)
    }
}

/// The one road into the store.
fn take(
    app: &App,
    carried: &Carried,
    name: &str,
    notes: Vec<String>,
    dry_run: bool,
) -> Result<Exit, CommandError> {
    let stack = if dry_run {
        transfer::check_free(&*app.view()?, name)?;
        None
    } else {
        Some(transfer::import(&app.context(Some(name))?, carried, name)?)
    };
    app.out.show(&ImportedView::new(carried, name, stack.as_ref(), &notes));
    for note in notes {
        app.out.warn(&note);
    }
    Ok(Exit::Ok)
}
