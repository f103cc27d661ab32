//! `events cleanup`

use std::time::Duration;

use sloth_core::clock::Clock as _;
use sloth_engine::hooks;

use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::parse;
use crate::views::event::Cleaned;

/// Remove old events
///
/// What is left of each history is its end, without gaps. The newest event of each stack stays, and so does everything
/// from the first event on that a hook has not been given yet or that was given up. It cannot be undone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner events cleanup --older-than 90d --dry-run\n  sloth-runner events cleanup --older-than 90d --stack production --yes"
)]
pub struct Args {
    /// How old
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, required_unless_present = "hours")]
    older_than: Option<Duration>,
    /// The same in hours
    #[arg(short = 'H', long, value_name = "N", conflicts_with = "older_than")]
    hours: Option<u32>,
    /// Only of this stack
    #[arg(short, long, value_name = "STACK")]
    stack: Option<String>,
    /// Only say how many
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, nobody agreed, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let hours = args.hours.map(|n| Duration::from_secs(u64::from(n) * 3600));
    let before = SystemClock.now().minus(args.older_than.or(hours).unwrap_or_default());
    let ctx = app.context(None)?;
    let stack = args.stack.as_deref();
    let mut count = hooks::clean_events(&ctx, stack, before, true)?;
    if count > 0 && !args.dry_run {
        let question = format!("remove {} for good? [y/N]", words::count(count, "event"));
        if !args.consent.ask(app, &question)? {
            return Ok(Exit::Failed);
        }
        count = hooks::clean_events(&ctx, stack, before, false)?;
    }
    app.out.show(&Cleaned { removed: count, dry_run: args.dry_run });
    Ok(Exit::Ok)
}
