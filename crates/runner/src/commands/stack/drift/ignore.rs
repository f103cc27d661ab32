//! `stack drift ignore`

use std::time::Duration;

use sloth_core::clock::{Clock as _, Timestamp};
use sloth_engine::ignores;

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;
use crate::views::drift::{IgnoreDone, IgnoreView};

/// Ignore drift of a resource, or of one of its attributes
///
/// An ignored attribute is not compared any more, and `drift fix` and `drift accept` leave it as it is. A resource that is
/// ignored as a whole is listed as ignored when it differs. A run brings about what the workflow wishes all the same.
/// What is not there at all is made anew with all of its attributes. `undo` takes the last change back.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack drift ignore production file:/etc/motd.mode --reason \"the image sets it\"\n  sloth-runner stack drift ignore production file:/etc/motd --reason \"until the move\" --until 14d\n  sloth-runner stack drift ignore production file:/etc/motd.mode --remove"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// What to ignore
    #[arg(value_name = "ADDRESS[.ATTRIBUTE]")]
    what: String,
    /// Why
    #[arg(
        long,
        value_name = "TEXT",
        value_parser = parse::named,
        required_unless_present = "remove",
        conflicts_with = "remove"
    )]
    reason: Option<String>,
    /// For this long, or until this time in RFC 3339 [default: until it is taken back]
    #[arg(long, value_name = "DURATION|TIME", value_parser = until, conflicts_with = "remove")]
    until: Option<Until>,
    /// Take it back
    #[arg(long)]
    remove: bool,
}

/// When it ends, as it was typed.
#[derive(Clone, Copy, Debug)]
enum Until {
    After(Duration),
    At(Timestamp),
}

fn until(text: &str) -> Result<Until, String> {
    if let Some(at) = Timestamp::parse(text) {
        return Ok(Until::At(at));
    }
    parse::duration(text).map(Until::After).map_err(|_| {
        format!("`{text}` is neither a duration nor a time; write `12h`, `30d` or `2030-01-31T12:00:00Z`")
    })
}

/// Runs it.
///
/// # Errors
/// There is no such stack, resource or attribute, it cannot be ignored, or somebody holds the stack.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let ctx = app.context(Some(&stack.name))?;
    let now = SystemClock.now();
    let (done, ignore) = match &args.reason {
        Some(reason) => {
            let until = args.until.map(|until| match until {
                Until::After(duration) => now.plus(duration),
                Until::At(at) => at,
            });
            if until.is_some_and(|at| at <= now) {
                app.out.warn("its time is over already, so that nothing is ignored");
            }
            ("ignored", ignores::ignore(&ctx, &stack.name, &args.what, reason, until)?)
        }
        None => ("no longer ignored", ignores::heed(&ctx, &stack.name, &args.what)?),
    };
    app.out.show(&IgnoreDone { stack: stack.name.clone(), done, ignore: IgnoreView::new(&stack, &ignore) });
    Ok(Exit::Ok)
}
