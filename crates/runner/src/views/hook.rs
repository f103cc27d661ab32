//! Hooks and what became of telling them.

use std::time::Duration;

use serde::Serialize;
use sloth_core::hook::{Action, Attempt, HookState, Receipt};
use sloth_core::store::{StoreError, View};
use sloth_engine::outbox::Delivered;

use super::{maybe_local, maybe_time, nanos, time};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One hook.
#[derive(Debug, Serialize)]
pub struct HookView {
    name: String,
    description: String,
    event: String,
    stack: Option<String>,
    kind: &'static str,
    target: String,
    /// Where the secret is, never what it is.
    secret: Option<String>,
    status: &'static str,
    enabled: bool,
    timeout_ns: Option<u64>,
    retries: u32,
    run_count: u64,
    last_run: Option<String>,
    waiting: u64,
    dead: u64,
    created_at: String,
    updated_at: String,
    #[serde(skip)]
    last: String,
    #[serde(skip)]
    created: String,
    #[serde(skip)]
    timeout: String,
}

impl HookView {
    /// As stored.
    ///
    /// # Errors
    /// The store failed.
    pub fn new(view: &dyn View, state: &HookState) -> Result<Self, StoreError> {
        let hook = &state.hook;
        let stack = match &hook.stack {
            // A stack that was deleted is still told apart by its id.
            Some(id) => Some(view.stack_get(id)?.map_or_else(|| id.to_string(), |stack| stack.name)),
            None => None,
        };
        Ok(Self {
            name: hook.name.clone(),
            description: hook.description.clone(),
            event: hook.pattern.clone(),
            stack,
            kind: hook.action.kind(),
            target: hook.action.target(),
            secret: match &hook.action {
                Action::Webhook { secret: Some(secret), .. } => Some(secret.to_string()),
                _ => None,
            },
            status: if hook.enabled { "enabled" } else { "disabled" },
            enabled: hook.enabled,
            timeout_ns: hook.timeout.map(nanos),
            retries: hook.retries,
            run_count: state.runs,
            last_run: maybe_time(state.last_run),
            waiting: state.waiting,
            dead: state.dead,
            created_at: time(hook.created_at),
            updated_at: time(hook.updated_at),
            last: maybe_local(state.last_run),
            created: hook.created_at.local(),
            timeout: hook.timeout.map_or_else(|| "as configured".to_owned(), words::typed_duration),
        })
    }
}

/// Some hooks, by name.
#[derive(Debug)]
pub struct HookList<'a>(pub &'a [HookView]);

impl Human for HookList<'_> {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&[
            "NAME",
            "EVENT TYPE",
            "STACK",
            "STATUS",
            "RUN COUNT",
            "LAST RUN",
            "WAITING",
            "DEAD",
        ]);
        for hook in self.0 {
            table.row([
                hook.name.as_str(),
                &hook.event,
                hook.stack.as_deref().unwrap_or("-"),
                hook.status,
                &hook.run_count.to_string(),
                &hook.last,
                &hook.waiting.to_string(),
                &hook.dead.to_string(),
            ]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(self.0, "hook")));
    }
}

/// One hook with what became of it.
#[derive(Debug, Serialize)]
pub struct HookPage {
    /// The hook.
    #[serde(flatten)]
    pub hook: HookView,
    /// Its last attempts, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<AttemptView>>,
}

impl Human for HookPage {
    fn human(&self, page: &mut Page) {
        let hook = &self.hook;
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let mut fields = vec![
            ("Name", hook.name.clone()),
            ("Description", or_dash(&hook.description)),
            ("Event type", hook.event.clone()),
            ("Stack", hook.stack.clone().unwrap_or_else(|| "-".to_owned())),
            ("Kind", hook.kind.to_owned()),
            ("Target", hook.target.clone()),
        ];
        if hook.kind == "webhook" {
            fields.push(("Secret", hook.secret.clone().unwrap_or_else(|| "none".to_owned())));
        }
        fields.extend([
            ("Status", hook.status.to_owned()),
            ("Timeout", hook.timeout.clone()),
            ("Retries", hook.retries.to_string()),
            ("Run count", hook.run_count.to_string()),
            ("Last run", hook.last.clone()),
            ("Waiting", words::count(hook.waiting, "event")),
            ("Dead", words::count(hook.dead, "event")),
            ("Created", hook.created.clone()),
        ]);
        page.fields(0, &fields);
        if let Some(history) = &self.history {
            page.heading("History");
            AttemptList(history).human(page);
        }
    }
}

/// One attempt.
#[derive(Debug, Serialize)]
pub struct AttemptView {
    hook: String,
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    attempt: u32,
    timestamp: String,
    duration_ns: u64,
    outcome: String,
    status: Option<i64>,
    error: Option<String>,
    output: String,
    #[serde(skip)]
    when: String,
    #[serde(skip)]
    took: String,
}

impl AttemptView {
    /// As stored.
    pub fn new(attempt: &Attempt) -> Self {
        Self {
            hook: attempt.hook.clone(),
            event_id: attempt.event.clone(),
            kind: attempt.kind.clone(),
            attempt: attempt.attempt,
            timestamp: time(attempt.at),
            duration_ns: nanos(attempt.duration),
            outcome: attempt.outcome.clone(),
            status: attempt.status,
            error: attempt.error.clone(),
            output: attempt.output.clone(),
            when: attempt.at.local(),
            took: words::duration(attempt.duration),
        }
    }
    /// Why it failed, else the first line of what was said.
    fn details(&self) -> String {
        let said = self.output.lines().next().unwrap_or_default();
        match &self.error {
            Some(error) if said.is_empty() => error.clone(),
            Some(error) => format!("{error}: {said}"),
            None => said.to_owned(),
        }
    }
}

/// Some attempts, oldest first.
#[derive(Debug)]
pub struct AttemptList<'a>(pub &'a [AttemptView]);

impl Human for AttemptList<'_> {
    fn human(&self, page: &mut Page) {
        let mut table =
            Table::new(&["TIMESTAMP", "HOOK", "EVENT TYPE", "ATTEMPT", "STATUS", "DURATION", "DETAILS"]);
        for a in self.0 {
            let (attempt, details) = (a.attempt.to_string(), a.details());
            table.row([a.when.as_str(), &a.hook, &a.kind, &attempt, &a.outcome, &a.took, &details]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(self.0, "attempt")));
    }
}

/// What delivering came to.
#[derive(Debug, Serialize)]
pub struct DeliveredView {
    delivered: u64,
    failed: u64,
    dead: u64,
    /// What is still owed to enabled hooks.
    waiting: u64,
}

impl DeliveredView {
    /// With what is left.
    pub fn new(done: &Delivered, hooks: &[HookState]) -> Self {
        let waiting = hooks.iter().filter(|state| state.hook.enabled).map(|state| state.waiting).sum();
        Self { delivered: done.delivered, failed: done.failed, dead: done.dead, waiting }
    }
}

impl Human for DeliveredView {
    fn human(&self, page: &mut Page) {
        let mut text = format!("{} delivered", words::count(self.delivered, "event"));
        for (number, what) in [(self.failed, "failed"), (self.dead, "given up"), (self.waiting, "waiting")] {
            if number > 0 {
                text.push_str(&format!(", {number} {what}"));
            }
        }
        page.line(&text);
    }
}

/// To whom an event goes again.
#[derive(Debug, Serialize)]
pub struct Redelivery {
    /// Id of the event.
    pub event: String,
    /// Names of hooks.
    pub hooks: Vec<String>,
}

impl Redelivery {
    /// As a table.
    pub const fn page(list: &[Self]) -> Redeliveries<'_> {
        Redeliveries(list)
    }
}

/// Some of them.
#[derive(Debug)]
pub struct Redeliveries<'a>(&'a [Redelivery]);

impl Human for Redeliveries<'_> {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&["EVENT", "HOOKS"]);
        for one in self.0 {
            let hooks = if one.hooks.is_empty() { "-".to_owned() } else { one.hooks.join(", ") };
            table.row([one.event.as_str(), &hooks]);
        }
        page.table(&table);
    }
}

/// How a hook did in a test.
#[derive(Debug, Serialize)]
pub struct TestView {
    hook: String,
    success: bool,
    status: Option<i64>,
    error: Option<String>,
    duration_ns: u64,
    output: String,
    #[serde(skip)]
    took: String,
}

impl TestView {
    /// From what the courier brought back.
    pub fn new(hook: &str, receipt: &Receipt, took: Duration) -> Self {
        Self {
            hook: hook.to_owned(),
            success: receipt.error.is_none(),
            status: receipt.status,
            error: receipt.error.clone(),
            duration_ns: nanos(took),
            output: receipt.output.clone(),
            took: words::duration(took),
        }
    }
}

impl Human for TestView {
    fn human(&self, page: &mut Page) {
        match &self.error {
            None => page.line(&format!("hook `{}` took it, in {}", self.hook, self.took)),
            Some(error) => page.line(&format!("hook `{}` failed, in {}: {error}", self.hook, self.took)),
        }
        if !self.output.is_empty() {
            page.heading("Output");
            page.block(2, &self.output);
        }
    }
}
