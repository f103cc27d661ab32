//! `stack import`: one file per other program.

pub mod pulumi;
pub mod terraform;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sloth_core::stack::Stack;
use sloth_core::store::VersionAt;
use sloth_engine::transfer::{self, Carried};
use sloth_engine::{Context, EngineError, stacks};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::interchange::tfstate::{self, Follows};
use crate::interchange::{Broken, Foreign};
use crate::views::transfer::{self as document, Becomes, ImportedView};

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
    #[command(flatten)]
    options: Options,
}

/// How to take it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Options {
    /// Make a new version of a stack that is there; its history stays, no machine is touched
    #[arg(long)]
    pub overwrite: bool,
    /// Only say what would be imported
    #[arg(long)]
    pub dry_run: bool,
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
/// The file cannot be read or is not an export, the name is taken, somebody holds the stack, or the store failed. Nothing was
/// changed then.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    match (&args.from, &args.file) {
        (Some(Command::Pulumi(args)), _) => pulumi::run(app, args),
        (Some(Command::Terraform(args)), _) => terraform::run(app, args),
        (None, Some(file)) => {
            let text = files::read_given(file)?;
            let carried = document::read(&text).map_err(|why| refused(file, &why))?;
            let name = args.name.clone().unwrap_or_else(|| carried.name.clone());
            take(app, &carried, &name, Vec::new(), args.options)
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
    #[command(flatten)]
    options: Options,
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
        take(app, &foreign.carried, &name, foreign.notes, self.options)
    }
}

/// The one road into the store.
pub fn take(
    app: &App,
    carried: &Carried,
    name: &str,
    mut notes: Vec<String>,
    options: Options,
) -> Result<Exit, CommandError> {
    let ctx = app.context(Some(name))?;
    let view = app.view()?;
    let (_, elsewhere) = transfer::needs_here(&*view, &carried.upstreams)?;
    notes.extend(elsewhere.iter().map(|needed| {
        format!("stack `{needed}`, which it needs, is not here; the next run notes anew what it reads")
    }));
    let known = stacks::named(&*view, name)?;
    let becomes = match known {
        None if options.dry_run => {
            transfer::check_free(&*view, name)?;
            Becomes::New { made: None }
        }
        None => Becomes::New { made: Some(transfer::import(&ctx, carried, name)?) },
        Some(stack) => over(&ctx, carried, stack, options)?,
    };
    app.out.show(&ImportedView::new(carried, name, &becomes, options.dry_run, &notes));
    for note in notes {
        app.out.warn(&note);
    }
    Ok(Exit::Ok)
}

/// Onto a stack that is there.
fn over(ctx: &Context, carried: &Carried, stack: Stack, options: Options) -> Result<Becomes, CommandError> {
    if !options.overwrite {
        let now = transfer::export(ctx, &stack, VersionAt::Head)?;
        match tfstate::follows(&stack, &now, carried) {
            Some(Follows::Newer) => {}
            Some(Follows::Same) => return Ok(Becomes::Same { stack }),
            Some(Follows::Not(why)) => {
                let message = format!("this is not a newer state of stack `{}`: {why}", stack.name);
                return Err(CommandError::new(Exit::Conflict, format!("{message}; nothing was changed"))
                    .hint("`--overwrite` takes it all the same, as a new version"));
            }
            None => {
                let taken = CommandError::from(EngineError::StackExists(stack.name));
                return Err(
                    taken.hint("take another name, or `--overwrite`, which makes a new version of that one")
                );
            }
        }
    }
    if options.dry_run {
        return Ok(Becomes::Newer { stack, version: None });
    }
    let mut carried = carried.clone();
    tfstate::count_back(&mut carried.metadata, stack.head.next());
    let version = transfer::replace(ctx, &carried, &stack)?;
    Ok(Becomes::Newer { stack, version: Some(version) })
}
