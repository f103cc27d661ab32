//! `stack drift fix`

use sloth_core::address::Address;
use sloth_engine::goal::{Goal, prepare};

use crate::app::App;
use crate::commands::conduct::{self, Wish};
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;

/// Bring everything back to the record
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack drift fix production --auto-approve\n  sloth-runner stack drift fix production --only file:/etc/motd"
)]
pub struct Args {
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

/// Runs it.
///
/// # Errors
/// There is no such stack or resource, nobody agreed, or repairing failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let goal = Goal::Record { only: args.only.clone() };
    let prepared = prepare(&app.context(Some(&stack.name))?, &stack.name, goal)?;
    let question = format!("bring stack `{}` back to its record?", stack.name);
    let wish = Wish {
        question: &question,
        nothing: super::nothing_to_do(app, &stack)?,
        dry_run: args.dry_run,
        ..Wish::default()
    };
    conduct::show_ask_do(app, &stack.name, prepared, args.consent, wish)
}
