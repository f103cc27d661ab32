//! `stack drift`: one file per verb.

pub mod accept;
pub mod detect;
pub mod fix;
pub mod history;
pub mod ignore;
pub mod ignores;
pub mod show;

use clap::Subcommand;
use sloth_core::address::Address;
use sloth_core::stack::Stack;
use sloth_engine::goal::{Goal, prepare};

use crate::app::App;
use crate::commands::conduct::{self, Wish};
use crate::commands::consent::Consent;
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
    /// Show what was found over time, how it ended, and what comes back again and again
    History(history::Args),
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
        (Some(Command::History(args)), _) => history::run(app, args),
        (Some(Command::Ignore(args)), _) => ignore::run(app, args),
        (Some(Command::Ignores(args)), _) => ignores::run(app, args),
        (Some(Command::Show(args)), _) => show::run(app, args),
        (None, Some(stack)) => detect::run(app, &detect::Args { stack: stack.clone() }),
        (None, None) => Err(CommandError::usage("it is not said which stack to look at")),
    }
}

/// Which drifted resources something is done about.
#[derive(Debug, clap::Args)]
pub struct Chosen {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Only this resource; may be given more than once
    #[arg(long, visible_alias = "resource", value_name = "ADDRESS")]
    only: Vec<Address>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Chosen {
    /// Shows what it takes to get there, asks, and does it. `question` gets the stack's name.
    fn get(
        &self,
        app: &App,
        goal: impl FnOnce(Vec<Address>) -> Goal,
        question: impl FnOnce(&str) -> String,
    ) -> Result<Exit, CommandError> {
        let stack = app.stack(&*app.view()?, &self.stack)?;
        let prepared = prepare(&app.context(Some(&stack.name))?, &stack.name, goal(self.only.clone()))?;
        let wish = Wish {
            question: &question(&stack.name),
            nothing: nothing_to_do(app, &stack)?,
            dry_run: self.dry_run,
            ..Wish::default()
        };
        conduct::show_ask_do(app, &stack.name, prepared, self.consent, wish)
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
