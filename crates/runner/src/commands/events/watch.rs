//! `events watch`

use std::collections::HashMap;
use std::time::Duration;

use sloth_core::event::StoredEvent;

use super::Which;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::views::event::EventView;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Events read at once; when all of them are new, there may be more.
const LOOK: u64 = 500;

/// Show events as they happen
///
/// Ends with Ctrl-C, or when nobody reads any more. With `-o json`, one object a line.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner events watch --stack production\n  sloth-runner events watch -o json | jq .message"
)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,
}

/// How far each stack's history was shown.
#[derive(Default)]
struct Shown(HashMap<Option<String>, u64>);

impl Shown {
    fn is_new(&self, event: &StoredEvent) -> bool {
        self.0.get(&event.stack).is_none_or(|seq| event.seq > *seq)
    }
    fn note(&mut self, event: &StoredEvent) {
        // They come in the order of time, which need not be that of numbers.
        let last = self.0.entry(event.stack.clone()).or_default();
        *last = (*last).max(event.seq);
    }
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stop = signals::watch();
    let mut shown = Shown::default();
    let mut left = args.count;
    let mut first = args.which.since.is_none();
    while left != Some(0) && !stop.asked() && !app.out.closed() {
        let view = app.view()?;
        let look = |limit| -> Result<Vec<StoredEvent>, CommandError> {
            Ok(view.event_list(&args.which.filter(app, &*view, limit)?)?)
        };
        let mut found = look(LOOK)?;
        if !first && found.len() as u64 == LOOK && found.iter().all(|e| shown.is_new(e)) {
            found = look(0)?;
        }
        drop(view);
        let new: Vec<bool> = found.iter().map(|event| shown.is_new(event)).collect();
        for (event, new) in found.iter().zip(new) {
            shown.note(event);
            if new && !first && left != Some(0) {
                app.out.stream(&EventView::new(event));
                left = left.map(|n| n - 1);
            }
        }
        if std::mem::take(&mut first) {
            app.out.talk("watching; Ctrl-C ends it");
        }
        if left != Some(0) {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Exit::Ok)
}
