//! `stack export`

use std::path::PathBuf;

use sloth_engine::transfer;

use crate::app::App;
use crate::commands::stack::snapshot::at_version;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::interchange::tfstate;
use crate::out::words;
use crate::views::transfer as document;

/// Write a stack as JSON, for `stack import` or for Terraform
///
/// Records, outputs and the contents of files, secrets included. The history stays behind; `backup create` takes
/// everything. As a Terraform state, what came from one is written as it was, and everything else as `terraform_data`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack export production production.json\n  sloth-runner stack export production --at v3 > state.json\n  sloth-runner stack export network terraform.tfstate --format tfstate"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// File, which only its owner may read [default: standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Written,
}

/// How a stack is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Written {
    /// For `stack import`
    #[default]
    Sloth,
    /// A Terraform state, format 4
    Tfstate,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, the store failed, or the file cannot be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let at = at_version(&*view, &stack, args.at.as_deref())?;
    drop(view);
    let carried = transfer::export(&app.context(Some(&stack.name))?, &stack, at)?;
    let (resources, missing) = (carried.resources.len(), carried.missing.len());
    let (text, missing) = match args.format {
        Written::Tfstate => (tfstate::write(&stack, &carried), 0),
        Written::Sloth => {
            let text = document::write(carried).map_err(|e| {
                CommandError::new(Exit::Failed, format!("`{}` cannot be written: {e}", stack.name))
            })?;
            (text, missing)
        }
    };
    if missing > 0 {
        let what = words::count(missing as u64, "content");
        app.out.warn(&format!("{what} of files were never kept and are not in it"));
    }
    let what = format!("stack `{}` with {}", stack.name, words::count(resources as u64, "resource"));
    files::give(&app.out, args.file.as_deref(), &text, &what)?;
    Ok(Exit::Ok)
}
