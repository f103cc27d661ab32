//! `stack gc`

use std::time::Duration;

use sloth_core::lease::LeaseError;
use sloth_core::retention::Policy;
use sloth_core::stack::Stack;
use sloth_engine::{EngineError, retention};

use crate::app::App;
use crate::commands::consent::Consent;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::parse;
use crate::views::retention::{Collection, StackCollection};

/// Remove old versions for good, and what nobody needs after them
///
/// The newest version, the one before it, the last successful, a tagged one and the one the stack was taken back to
/// always stay. Where `--keep` and `--older-than` are given, both have to allow it. Without either,
/// `stacks.snapshot_retention` counts; without that, only what `stack snapshot delete` removed is collected. What is
/// collected cannot be brought back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack gc production --keep 20 --older-than 30d --dry-run\n  sloth-runner stack gc --all --older-than 90d --yes"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK", required_unless_present = "all", conflicts_with = "all")]
    stack: Option<String>,
    /// All stacks
    #[arg(long)]
    all: bool,
    /// Keep so many of the newest
    #[arg(long, value_name = "N")]
    keep: Option<u64>,
    /// Keep what is younger, such as `30d`
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    older_than: Option<Duration>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, nobody agreed, somebody holds it, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stacks: Vec<Stack> = match &args.stack {
        Some(name) => vec![app.stack(&*view, name)?],
        None => view.stack_list()?,
    };
    let configured = app.config()?.snapshot_retention;
    let policy = match (args.keep, args.older_than) {
        (None, None) => Policy { keep: None, older_than: configured },
        (keep, older_than) => Policy { keep, older_than },
    };
    let ctx = app.context(args.stack.as_deref())?;
    let mut found = Collection { dry_run: true, ..Collection::default() };
    for stack in &stacks {
        found.stacks.push(StackCollection::new(stack, &retention::look(&ctx, &*view, stack, policy)?));
    }
    drop(view);
    if args.dry_run {
        app.out.show(&found);
        return Ok(Exit::Ok);
    }
    let versions = found.going();
    if versions > 0 {
        if !args.consent.given(app) {
            app.out.talk_page(&found);
        }
        let of = args.stack.as_ref().map_or_else(|| "all stacks".to_owned(), |name| format!("`{name}`"));
        if !args
            .consent
            .ask(app, &format!("remove {} of {of} for good?", words::count(versions, "version")))?
        {
            return Ok(Exit::Failed);
        }
    }
    carry_out(app, &stacks, policy)
}

fn carry_out(app: &App, stacks: &[Stack], policy: Policy) -> Result<Exit, CommandError> {
    let mut done = Collection::default();
    let mut exit = Exit::Ok;
    for (at, stack) in stacks.iter().enumerate() {
        let ctx = app.context(Some(&stack.name))?;
        // Contents belong to all stacks, so they are looked through once.
        let last = at + 1 == stacks.len();
        match retention::collect(&ctx, stack, policy, last) {
            Ok(one) => {
                done.collected += one.collected;
                done.operations.extend(one.operation);
                if let Some(who) = one.hindered {
                    app.out.warn(&format!("contents stay for now: {who}"));
                }
                done.stacks.push(StackCollection::new(stack, &one.verdicts));
            }
            Err(EngineError::Lease(LeaseError::Held(info))) if stacks.len() > 1 => {
                app.out
                    .warn(&format!("stack `{}` is left as it is: `{}` holds it", stack.name, info.locked_by));
                exit = Exit::Locked;
            }
            Err(error) => return Err(error.into()),
        }
    }
    app.out.show(&done);
    Ok(exit)
}
