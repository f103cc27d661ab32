//! `state workflow prune`

use std::time::Duration;

use sloth_core::clock::Clock as _;
use sloth_engine::{executions, stacks};

use crate::app::App;
use crate::clock::SystemClock;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::parse;
use crate::views::execution::PruneList;

/// A bare number counts days.
fn age(text: &str) -> Result<Duration, String> {
    match text.parse::<u32>() {
        Ok(days) => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        Err(_) => parse::duration(text),
    }
}

/// Forget workflows in which nothing has happened for long
///
/// One that looks after something real stays, because its record is the only way back to it; so does one that is running or
/// tagged. Each is forgotten as `stack delete` does it, so that `undo` brings it back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner state workflow prune --older-than 90\n  sloth-runner state workflow prune --older-than 30d --keep-successful --force"
)]
pub struct Args {
    /// Nothing happened for this long: days, or a duration such as `36h`
    #[arg(long, value_name = "DAYS|DURATION", default_value = "30", value_parser = age)]
    older_than: Duration,
    /// Keep those whose last execution succeeded
    #[arg(long)]
    keep_successful: bool,
    /// Only show what would be forgotten
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// Nobody agreed, somebody holds one of them, or the store failed. Those forgotten before stay forgotten.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let since = SystemClock.now().minus(args.older_than);
    let found = executions::old(&*app.view()?, since, args.keep_successful)?;
    let list = PruneList::new(&found);
    let go: Vec<_> = found.iter().filter(|old| old.stays.is_none()).collect();
    if args.dry_run || go.is_empty() {
        app.out.list(&list, &list.workflows);
        return Ok(Exit::Ok);
    }
    app.out.talk_page(&list);
    if !args.consent.ask(app, &format!("forget {}?", words::len(&go, "workflow")))? {
        return Ok(Exit::Failed);
    }
    for old in &go {
        let stack = &old.execution.stack;
        stacks::delete(&app.context(Some(&stack.name))?, stack)?;
        app.forget_lock(stack);
    }
    let gone = words::len(&go, "workflow");
    app.out.talk(&format!("{gone} forgotten; `sloth-runner undo` brings them back one by one"));
    Ok(Exit::Ok)
}
