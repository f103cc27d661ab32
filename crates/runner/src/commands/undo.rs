//! `undo`

use sloth_engine::undo::{Undo, undo};

use crate::app::App;
use crate::commands::conduct::{self, Wish};
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;

/// Take back the last operation that changed something, or a given one
///
/// What touches machines is shown as a plan before the question.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner op log\n  sloth-runner undo\n  sloth-runner undo --op 12 --yes"
)]
pub struct Args {
    /// Operation, as listed by `op log` [default: the last one]
    #[arg(long, value_name = "N")]
    op: Option<u64>,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such operation, it cannot be undone, or undoing failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    match undo(&app.context(None)?, args.op)? {
        Undo::Done(what) => {
            app.out.talk(&what);
            Ok(Exit::Ok)
        }
        Undo::Plan(prepared) => {
            let stack = prepared.plan.stack.clone();
            app.about(&stack);
            let question = format!("take this back in stack `{stack}`?");
            let wish = Wish {
                question: &question,
                nothing: "there is nothing to take back",
                always: true,
                ..Wish::default()
            };
            conduct::show_ask_do(app, &stack, *prepared, args.consent, wish)
        }
    }
}
