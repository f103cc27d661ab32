//! Events.

use std::collections::BTreeMap;

use serde::Serialize;
use sloth_core::event::StoredEvent;
use sloth_core::value::Value;

use super::{maybe_time, time};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One event.
#[derive(Debug, Serialize)]
pub struct EventView {
    id: String,
    seq: u64,
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    severity: &'static str,
    source: String,
    actor: Option<String>,
    stack: Option<String>,
    run_id: Option<String>,
    task: Option<String>,
    resource: Option<String>,
    message: String,
    data: Value,
    #[serde(skip)]
    when: String,
}

impl EventView {
    /// As stored.
    pub fn new(stored: &StoredEvent) -> Self {
        let event = &stored.event;
        Self {
            id: stored.id.to_string(),
            seq: stored.seq,
            kind: event.type_name().into_owned(),
            timestamp: time(event.at),
            severity: event.severity.as_str(),
            source: stored.source().to_owned(),
            actor: stored.actor.clone(),
            stack: stored.stack.clone(),
            run_id: event.run.as_ref().map(ToString::to_string),
            task: event.task.clone(),
            resource: event.address.as_ref().map(ToString::to_string),
            message: event.message.clone(),
            data: event.payload.clone(),
            when: event.at.local(),
        }
    }
    fn stack_or_dash(&self) -> &str {
        self.stack.as_deref().unwrap_or("-")
    }
}

impl Human for EventView {
    fn human(&self, page: &mut Page) {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        page.fields(
            0,
            &[
                ("Event", self.id.clone()),
                ("Type", self.kind.clone()),
                ("Time", self.when.clone()),
                ("Severity", self.severity.to_owned()),
                ("Source", self.source.clone()),
                ("Actor", text(&self.actor)),
                ("Stack", text(&self.stack)),
                ("Number", self.seq.to_string()),
                ("Run", text(&self.run_id)),
                ("Task", text(&self.task)),
                ("Resource", text(&self.resource)),
                ("Message", self.message.clone()),
            ],
        );
        if !self.data.is_null() {
            page.heading("Data");
            page.block(2, &serde_json::to_string_pretty(&self.data).unwrap_or_default());
        }
    }
}

/// An event as one line of a stream.
impl std::fmt::Display for EventView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}  {:<7}  {:<28}  {}  {}",
            self.when,
            self.severity,
            self.kind,
            self.stack_or_dash(),
            self.message
        )
    }
}

/// Some events, oldest first.
#[derive(Debug)]
pub struct EventList<'a>(pub &'a [EventView]);

impl Human for EventList<'_> {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&["TIMESTAMP", "TYPE", "STACK", "SEVERITY", "MESSAGE"]);
        for event in self.0 {
            table.row([&event.when, &event.kind, event.stack_or_dash(), event.severity, &event.message]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(self.0, "event")));
    }
}

/// How many events of which sort.
#[derive(Debug, Serialize)]
pub struct EventStats {
    total: usize,
    by_type: BTreeMap<String, u64>,
    by_severity: BTreeMap<&'static str, u64>,
    by_stack: BTreeMap<String, u64>,
    oldest: Option<String>,
    newest: Option<String>,
}

impl EventStats {
    /// Counts them.
    pub fn new(events: &[StoredEvent]) -> Self {
        let mut this = Self {
            total: events.len(),
            by_type: BTreeMap::new(),
            by_severity: BTreeMap::new(),
            by_stack: BTreeMap::new(),
            oldest: maybe_time(events.iter().map(|e| e.event.at).min()),
            newest: maybe_time(events.iter().map(|e| e.event.at).max()),
        };
        for stored in events {
            *this.by_type.entry(stored.event.type_name().into_owned()).or_default() += 1;
            *this.by_severity.entry(stored.event.severity.as_str()).or_default() += 1;
            if let Some(stack) = &stored.stack {
                *this.by_stack.entry(stack.clone()).or_default() += 1;
            }
        }
        this
    }
}

impl Human for EventStats {
    fn human(&self, page: &mut Page) {
        page.line(&format!("Total: {}", words::count(self.total as u64, "event")));
        let severities = self.by_severity.iter().map(|(name, n)| (*name, n));
        let types = self.by_type.iter().map(|(name, n)| (name.as_str(), n));
        let stacks = self.by_stack.iter().map(|(name, n)| (name.as_str(), n));
        let parts: [(&'static str, Vec<(&str, &u64)>); 3] =
            [("SEVERITY", severities.collect()), ("TYPE", types.collect()), ("STACK", stacks.collect())];
        for (head, counts) in parts {
            if counts.is_empty() {
                continue;
            }
            page.gap();
            let mut table = Table::new(&[head, "EVENTS"]);
            for (name, n) in counts {
                table.row([name, &n.to_string()]);
            }
            page.table(&table);
        }
    }
}

/// How many events went.
#[derive(Debug, Serialize)]
pub struct Cleaned {
    /// How many.
    pub removed: u64,
    /// Or would go.
    pub dry_run: bool,
}

impl Human for Cleaned {
    fn human(&self, page: &mut Page) {
        let what = words::count(self.removed, "event");
        page.line(&if self.dry_run { format!("{what} would be removed") } else { format!("{what} removed") });
    }
}
