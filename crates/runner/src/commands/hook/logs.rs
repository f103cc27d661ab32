//! `hook logs`

use sloth_engine::hooks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::hook::{AttemptList, AttemptView};

/// Show what became of telling hooks, oldest first
///
/// Of each hook the last 1000 attempts are kept, with the first KiB of what was said.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner hook logs notify -n 5 --only-failed\n  sloth-runner hook logs -o json"
)]
pub struct Args {
    /// Hook [default: all]
    #[arg(value_name = "HOOK")]
    name: Option<String>,
    /// Most attempts, the newest; 0 shows all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u64,
    /// Only those that failed
    #[arg(long)]
    only_failed: bool,
}

/// Runs it.
///
/// # Errors
/// There never was such a hook, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let mut found = view.hook_attempts(args.name.as_deref(), 0)?;
    if let (Some(name), true) = (&args.name, found.is_empty()) {
        hooks::find(&*view, name)?;
    }
    found.retain(|attempt| !args.only_failed || attempt.error.is_some());
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    if limit > 0 && found.len() > limit {
        found.drain(..found.len() - limit);
    }
    let attempts: Vec<AttemptView> = found.iter().map(AttemptView::new).collect();
    app.out.list(&AttemptList(&attempts), &attempts);
    Ok(Exit::Ok)
}
