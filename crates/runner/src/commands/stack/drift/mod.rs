//! `stack drift`: one file per verb.

pub mod accept;
pub mod detect;
pub mod fix;
pub mod ignore;
pub mod ignores;
pub mod show;

use clap::Subcommand;
use sloth_core::stack::Stack;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Find and repair what moved away from the record
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  sloth-runner stack drift production\n  sloth-runner stack drift detect production"
)]
pub struct Args {
    /// What to do; looks for drift when only a stack is named
    #[command(subcommand)]
    command: Option<Command>,
    /// Stack
    #[arg(value_name = "STACK", required = true)]
    stack: Option<String>,
}

/// What to do about drift.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take what is there into the record
    Accept(accept::Args),
    /// Look for drift
    Detect(detect::Args),
    /// Bring everything back to the record
    Fix(fix::Args),
    /// Ignore drift of a resource, or of one of its attributes
    Ignore(ignore::Args),
    /// List what is ignored, why, by whom and until when
    Ignores(ignores::Args),
    /// Show what the last look found
    Show(show::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, args: &Args) -> Result<Exit, CommandError> {
    match (&args.command, &args.stack) {
        (Some(Command::Accept(args)), _) => accept::run(app, args),
        (Some(Command::Detect(args)), _) => detect::run(app, args),
        (Some(Command::Fix(args)), _) => fix::run(app, args),
        (Some(Command::Ignore(args)), _) => ignore::run(app, args),
        (Some(Command::Ignores(args)), _) => ignores::run(app, args),
        (Some(Command::Show(args)), _) => show::run(app, args),
        (None, Some(stack)) => detect::run(app, &detect::Args { stack: stack.clone() }),
        (None, None) => Err(CommandError::usage("it is not said which stack to look at")),
    }
}

/// What `fix` and `accept` say when there is nothing to do.
fn nothing_to_do(app: &App, stack: &Stack) -> Result<&'static str, CommandError> {
    Ok(if app.view()?.drift_ignores(&stack.id)?.is_empty() {
        "everything is as recorded; nothing was changed"
    } else {
        "everything that is not ignored is as recorded; nothing was changed"
    })
}
