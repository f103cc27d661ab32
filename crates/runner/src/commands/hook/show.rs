//! `hook show`

use sloth_engine::hooks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::hook::{AttemptView, HookPage, HookView};

/// Show everything about a hook
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "get",
    after_help = "Example:\n  sloth-runner hook show notify --history --limit 3"
)]
pub struct Args {
    /// Hook
    #[arg(value_name = "HOOK")]
    name: String,
    /// With the last attempts
    #[arg(long)]
    history: bool,
    /// How many of them
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    limit: u64,
}

/// Runs it.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let state = hooks::find(&*view, &args.name)?;
    let history = match args.history {
        true => {
            Some(view.hook_attempts(Some(&args.name), args.limit)?.iter().map(AttemptView::new).collect())
        }
        false => None,
    };
    app.out.show(&HookPage { hook: HookView::new(&*view, &state)?, history });
    Ok(Exit::Ok)
}
