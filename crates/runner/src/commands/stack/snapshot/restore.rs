//! `stack snapshot restore`

use sloth_engine::goal::{Goal, prepare};

use super::version_of;
use crate::app::App;
use crate::commands::conduct::{self, Wish};
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;

/// Go back to a version: the record and the machines
///
/// A new version equal to the old one is appended, and what it takes is shown before the question.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack snapshot restore production v5\n  sloth-runner stack snapshot restore production v5 --dry-run"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    pub stack: String,
    /// Version: `5`, `v5`, `NAME@5`, or a tag
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Change the record alone; machines are not touched
    #[arg(long)]
    pub state_only: bool,
    #[command(flatten)]
    pub consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, nobody agreed, or going back failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let version = version_of(&*view, &stack, &args.version)?;
    drop(view);
    let prepared = prepare(&app.context(Some(&stack.name))?, &stack.name, Goal::Version(version))?;
    let question = format!("restore `{}` to {version}?", stack.name);
    let wish = Wish {
        question: &question,
        nothing: "everything is as it was then; nothing was changed",
        dry_run: args.dry_run,
        state_only: args.state_only,
        always: stack.head != version,
    };
    conduct::show_ask_do(app, &stack.name, prepared, args.consent, wish)
}
