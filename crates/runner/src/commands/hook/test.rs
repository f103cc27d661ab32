//! `hook test`

use std::time::Instant;

use sloth_api::HostCourier;
use sloth_core::clock::Clock as _;
use sloth_core::event::{Event, EventType, Severity, StoredEvent};
use sloth_core::hook::{Courier as _, Parcel};
use sloth_core::id::EventId;
use sloth_core::value::{Map, Value};
use sloth_engine::{hooks, outbox};

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::signals;
use crate::views::hook::TestView;

/// Tell a hook about an event that did not happen
///
/// The hook gets it as it gets others, enabled or not. Nothing is stored. Ends with 1 when the hook fails.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner hook test notify\n  sloth-runner hook test notify --data '{\"version\": 3}'"
)]
pub struct Args {
    /// Hook
    #[arg(value_name = "HOOK")]
    name: String,
    /// Data of the event, a JSON object
    #[arg(short, long, value_name = "JSON", value_parser = object)]
    data: Option<Map>,
}

fn object(text: &str) -> Result<Map, String> {
    serde_json::from_str(text).map_err(|e| format!("it is not a JSON object: {e}"))
}

/// Runs it.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let hook = hooks::find(&*view, &args.name)?.hook;
    let stack = match &hook.stack {
        Some(id) => view.stack_get(id)?.map(|stack| stack.name),
        None => None,
    };
    drop(view);
    let ctx = app.context_with(None, std::sync::Arc::new(sloth_core::sink::Deaf), signals::watch())?;
    let kind = EventType::ALL.iter().copied().find(|kind| hook.pattern == kind.as_str());
    let mut payload = args.data.clone().unwrap_or_default();
    let kind = kind.unwrap_or(EventType::Custom);
    if kind == EventType::Custom {
        let name = hook.pattern.strip_prefix("custom.").filter(|name| !name.contains('*')).unwrap_or("test");
        let data = Value::Object(std::mem::take(&mut payload));
        payload = [("name".to_owned(), Value::from(name)), ("data".to_owned(), data)].into_iter().collect();
    }
    let event = StoredEvent {
        seq: 0,
        id: EventId::generate(SystemClock.now()),
        stack,
        actor: Some(ctx.actor.name.clone()),
        event: Event {
            kind,
            severity: Severity::Info,
            at: SystemClock.now(),
            run: None,
            task: None,
            address: None,
            message: format!("a test of hook `{}`", hook.name),
            payload: Value::Object(payload),
        },
    };
    let timeout = hook.timeout.unwrap_or(app.config()?.hooks.timeout);
    let document = outbox::document(&event);
    let began = Instant::now();
    let receipt =
        HostCourier::new(&ctx).deliver(&Parcel { hook: &hook, event: &document, attempt: 1, timeout });
    let view = TestView::new(&hook.name, &receipt, began.elapsed());
    app.out.show(&view);
    Ok(if receipt.error.is_none() { Exit::Ok } else { Exit::Failed })
}
