//! Asking before something is taken away.

use sloth_core::stack::Stack;

use crate::app::App;
use crate::error::CommandError;
use crate::out::prompt;

/// The spellings of «yes» that destructive commands accept besides `--yes`.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Consent {
    /// The same as `--yes`
    #[arg(short, long, visible_alias = "auto-approve")]
    pub force: bool,
}

impl Consent {
    /// Was the answer given on the command line?
    pub const fn given(self, app: &App) -> bool {
        self.force || app.globals.yes
    }

    /// Asks one question; *no* is the default. Says whether to go on.
    ///
    /// # Errors
    /// There is nobody to ask, and the answer was not given.
    pub fn ask(self, app: &App, question: &str) -> Result<bool, CommandError> {
        if self.given(app) {
            return Ok(true);
        }
        needs_terminal()?;
        let go = prompt::confirm(&app.out, question);
        if !go {
            app.out.talk("nothing was changed");
        }
        Ok(go)
    }

    /// Wants the stack's name typed.
    ///
    /// # Errors
    /// There is nobody to ask, and the answer was not given.
    pub fn type_name(self, app: &App, stack: &Stack, what: &str) -> Result<bool, CommandError> {
        if self.given(app) {
            return Ok(true);
        }
        needs_terminal()?;
        let go = prompt::type_name(
            &app.out,
            &format!("{what}; type the name of the stack to go on:"),
            &stack.name,
        );
        if !go {
            app.out.talk("nothing was changed");
        }
        Ok(go)
    }
}

fn needs_terminal() -> Result<(), CommandError> {
    if prompt::possible() {
        return Ok(());
    }
    Err(CommandError::usage(
        "this needs a confirmation, and there is no terminal to ask on; nothing was changed",
    )
    .hint("add `--yes` to do it without asking"))
}
