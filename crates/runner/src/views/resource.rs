//! Resources as recorded.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use sloth_core::clock::Timestamp;
use sloth_core::kind::Catalog;
use sloth_core::recorded::{Condition, RecordedText};
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value, ValueText};

use super::{SENSITIVE, time};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One resource. A table needs little of it, so the whole is put together only when it is serialised.
#[derive(Debug)]
pub struct ResourceView {
    stack_id: String,
    recorded: RecordedText,
    checksum: Option<String>,
    /// `applied`, `pending`, `failed` or `drift`.
    pub state: &'static str,
}

#[derive(Serialize)]
struct Whole<'a> {
    id: String,
    stack_id: &'a str,
    address: String,
    host: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    name: &'a str,
    module: &'a str,
    operation: &'a str,
    key: String,
    properties: &'a ValueText,
    attributes: Option<&'a ValueText>,
    dependencies: &'a [String],
    state: &'static str,
    checksum: String,
    created_at: String,
    updated_at: String,
    last_applied: Option<String>,
    error_message: Option<&'a str>,
    metadata: Map,
}

impl Serialize for ResourceView {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let recorded = &self.recorded;
        let address = &recorded.address;
        let mut metadata = Map::new();
        metadata.insert("existed_before".to_owned(), Value::from(recorded.existed));
        metadata.insert("task".to_owned(), Value::from(recorded.task.clone()));
        for (name, on) in [("keep", recorded.options.keep), ("protect", recorded.options.protect)] {
            if on {
                metadata.insert(name.to_owned(), Value::Bool(true));
            }
        }
        Whole {
            id: format!("{}/{}/{}/{}", self.stack_id, recorded.module, address.kind(), address.id()),
            stack_id: &self.stack_id,
            address: self.address(),
            host: address.host().as_str(),
            kind: address.kind(),
            name: address.id(),
            module: &recorded.module,
            operation: &recorded.operation,
            key: self.key(),
            properties: &recorded.spec,
            attributes: recorded.state.as_ref(),
            dependencies: &recorded.options.depends_on,
            state: self.state,
            checksum: self.checksum.clone().unwrap_or_else(|| recorded.checksum().hex()),
            created_at: time(recorded.created_at),
            updated_at: time(recorded.updated_at),
            last_applied: (recorded.condition == Condition::Applied).then(|| time(recorded.updated_at)),
            error_message: recorded.error.as_deref(),
            metadata,
        }
        .serialize(serializer)
    }
}

impl ResourceView {
    /// A record, with its secrets hidden; `drifted` says that the last detection found it moved.
    pub fn new(
        stack: &Stack,
        recorded: impl Into<RecordedText>,
        drifted: bool,
        catalog: &dyn Catalog,
    ) -> Self {
        let mut recorded = recorded.into();
        let state = if drifted { "drift" } else { recorded.condition.as_str() };
        let sensitive = recorded.options.sensitive;
        let kind = recorded.address.kind();
        let secret = catalog.kind(kind).is_some_and(|k| k.attributes.iter().any(|a| a.secret));
        let mut checksum = None;
        if secret || sensitive {
            checksum = Some(recorded.checksum().hex());
            let hide = |text: &ValueText| ValueText::of(&redacted(&text.value(), kind, sensitive, catalog));
            let (spec, left) = (hide(&recorded.spec), recorded.state.as_ref().map(hide));
            (recorded.spec, recorded.state) = (spec, left);
        }
        Self { stack_id: stack.id.to_string(), recorded, checksum, state }
    }
    /// As typed on the command line.
    pub fn address(&self) -> String {
        self.recorded.address.to_string()
    }
    /// Operation key.
    pub fn key(&self) -> String {
        self.recorded.operation_key()
    }
    /// Its type.
    pub fn kind(&self) -> &str {
        self.recorded.address.kind()
    }
    /// Last change, for tables.
    pub fn updated(&self) -> String {
        self.recorded.updated_at.local_minutes()
    }
    /// The wish it was brought to.
    pub const fn properties(&self) -> &ValueText {
        &self.recorded.spec
    }
}

/// Secrets hidden: all of it when the resource says so, else the attributes its type says so about.
pub fn redacted(value: &Value, kind: &str, sensitive: bool, catalog: &dyn Catalog) -> Value {
    if sensitive {
        return Value::from(SENSITIVE);
    }
    let mut value = value.clone();
    if let (Some(kind), Value::Object(map)) = (catalog.kind(kind), &mut value) {
        for attribute in kind.attributes.iter().filter(|a| a.secret) {
            if let Some(slot) = map.get_mut(attribute.name) {
                *slot = Value::from(SENSITIVE);
            }
        }
    }
    value
}

/// Resources of one stack, for people.
#[derive(Debug)]
pub struct ResourceList {
    stack: String,
    table: Table,
    states: BTreeMap<&'static str, u64>,
    /// The last time that was written out. Most of what follows is of the same run.
    time: Option<(Timestamp, String)>,
}

impl ResourceList {
    /// None so far.
    pub fn new(stack: &str) -> Self {
        let table = Table::new(&["TYPE", "NAME", "MODULE", "STATE", "LAST APPLIED"]);
        Self { stack: stack.to_owned(), table, states: BTreeMap::new(), time: None }
    }
    /// One more.
    pub fn add(&mut self, r: &ResourceView) {
        let address = &r.recorded.address;
        let (id, host) = (address.id(), address.host());
        let name = if host.is_local() { Cow::Borrowed(id) } else { Cow::Owned(format!("{id} on {host}")) };
        let at = r.recorded.updated_at.whole_minute();
        let time = match &mut self.time {
            Some((last, text)) if *last == at => text,
            time => &mut time.insert((at, r.updated())).1,
        };
        self.table.row([address.kind(), &name, &r.recorded.module, r.state, time]);
        *self.states.entry(r.state).or_default() += 1;
    }
}

impl Human for ResourceList {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Resources of stack: {}", self.stack));
        page.gap();
        page.table(&self.table);
        page.gap();
        let parts: Vec<String> = self.states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let tail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let total = self.states.values().sum();
        page.line(&format!("Total: {}{tail}", words::count(total, "resource")));
    }
}
