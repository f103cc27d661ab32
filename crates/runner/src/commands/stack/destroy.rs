//! `stack destroy`

use sloth_engine::goal::{Goal, prepare};

use super::Bereave;
use crate::app::App;
use crate::commands::conduct::{self, Wish};
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;

/// Remove a stack's real resources, then its record
///
/// Resources go in reverse dependency order. What existed before the stack is put back as it was. A stack that
/// others depend on is not destroyed without `--despite-dependents`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack destroy review-123\n  sloth-runner stack destroy review-123 --yes"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    bereave: Bereave,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, nobody agreed, something is protected, or removing failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    args.bereave.check(app, &stack, args.dry_run)?;
    let prepared = prepare(&app.context(Some(&stack.name))?, &stack.name, Goal::Nothing)?;
    let question = format!("destroy stack `{}` and everything above?", stack.name);
    let wish = Wish { question: &question, dry_run: args.dry_run, always: true, ..Wish::default() };
    let exit = conduct::show_ask_do(app, &stack.name, prepared, args.consent, wish)?;
    if exit == Exit::Ok && !args.dry_run {
        app.forget_lock(&stack);
        app.out.talk(&format!("stack `{}` destroyed; `sloth-runner undo` brings it back", stack.name));
    }
    Ok(exit)
}
