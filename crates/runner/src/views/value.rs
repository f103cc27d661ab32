//! Key-value state.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sloth_core::clock::Timestamp;
use sloth_core::kind::Catalog;
use sloth_core::recorded::RecordedText;
use sloth_core::stack::Stack;
use sloth_core::value::{Value, canonical};
use sloth_core::value_entry::ValueEntry;
use sloth_engine::values::{ImportReport, Imported};

use super::resource::ResourceView;
use super::{maybe_local, maybe_time, time};
use crate::out::table::Table;
use crate::out::{Human, Page, escape, words};

/// One entry.
#[derive(Debug, Serialize)]
pub struct ValueView {
    kind: &'static str,
    key: String,
    value: Value,
    agent: String,
    created_at: String,
    updated_at: String,
    expires_at: Option<String>,
    revision: u64,
    #[serde(skip)]
    created: String,
    #[serde(skip)]
    updated: String,
    #[serde(skip)]
    expires: String,
}

impl ValueView {
    /// From the store.
    pub fn new(entry: &ValueEntry) -> Self {
        Self {
            kind: "value",
            key: entry.key.clone(),
            value: entry.value.clone(),
            agent: entry.scope.clone(),
            created_at: time(entry.created_at),
            updated_at: time(entry.updated_at),
            expires_at: maybe_time(entry.expires_at),
            revision: entry.revision,
            created: entry.created_at.local(),
            updated: entry.updated_at.local(),
            expires: maybe_local(entry.expires_at),
        }
    }
}

impl Human for ValueView {
    fn human(&self, page: &mut Page) {
        let mut fields = vec![
            ("Key", self.key.clone()),
            ("Value", words::value(&self.value)),
            ("Agent", self.agent.clone()),
            ("Created", self.created.clone()),
            ("Updated", self.updated.clone()),
            ("Revision", self.revision.to_string()),
        ];
        if self.expires_at.is_some() {
            fields.push(("Expires", self.expires.clone()));
        }
        page.fields(0, &fields);
    }
}

/// The record of a resource, found by its operation key.
#[derive(Debug, Serialize)]
pub struct KeyView {
    /// Always `resource`.
    pub kind: &'static str,
    /// Stack it belongs to.
    pub stack: String,
    /// The record.
    #[serde(flatten)]
    pub resource: ResourceView,
}

impl KeyView {
    /// A record of a stack.
    pub fn new(stack: &Stack, recorded: RecordedText, catalog: &dyn Catalog) -> Self {
        let resource = ResourceView::new(stack, recorded, false, catalog);
        Self { kind: "resource", stack: stack.name.clone(), resource }
    }
}

impl Human for KeyView {
    fn human(&self, page: &mut Page) {
        page.fields(
            0,
            &[
                ("Key", self.resource.key()),
                ("Address", self.resource.address()),
                ("Stack", self.stack.clone()),
                ("State", self.resource.state.to_owned()),
                ("Updated", self.resource.updated()),
            ],
        );
        page.heading("Properties");
        let text = serde_json::to_string_pretty(self.resource.properties()).unwrap_or_default();
        page.block(2, &text);
    }
}

/// A value and nothing else.
pub struct Bare<'a>(pub &'a Value);

impl Human for Bare<'_> {
    fn human(&self, page: &mut Page) {
        page.raw(&escape::lines(&words::value(self.0)));
    }
}

/// How much is kept, and where.
#[derive(Debug, Serialize)]
pub struct StatsView {
    agent: String,
    total_keys: usize,
    /// Bytes of keys and values.
    total_size: usize,
    by_type: BTreeMap<&'static str, usize>,
    expiring: usize,
    locks: usize,
    last_modified: Option<String>,
    backend: String,
    location: String,
    database_size: u64,
    #[serde(skip)]
    modified: String,
}

impl StatsView {
    /// From the values of one agent and what the store says about itself.
    pub fn new(agent: &str, values: &[ValueEntry], locks: usize, facts: &Value) -> Self {
        let mut by_type = BTreeMap::new();
        for entry in values {
            *by_type.entry(type_word(&entry.value)).or_default() += 1;
        }
        let last = values.iter().map(|e| e.updated_at).max();
        let text = |name: &str| facts.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| facts.get(name).and_then(Value::as_u64).unwrap_or_default();
        Self {
            agent: agent.to_owned(),
            total_keys: values.len(),
            total_size: values.iter().map(|e| e.key.len() + canonical(&e.value).len()).sum(),
            by_type,
            expiring: values.iter().filter(|e| e.expires_at.is_some()).count(),
            locks,
            last_modified: maybe_time(last),
            backend: text("engine"),
            location: text("location"),
            database_size: number("bytes") + number("log_bytes"),
            modified: maybe_local(last),
        }
    }
}

const fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

impl Human for StatsView {
    fn human(&self, page: &mut Page) {
        let types: Vec<String> = self.by_type.iter().map(|(word, n)| format!("{n} {word}")).collect();
        let keys = self.total_keys.to_string();
        let keys = if types.is_empty() { keys } else { format!("{keys} ({})", types.join(", ")) };
        page.fields(
            0,
            &[
                ("Agent", self.agent.clone()),
                ("Total keys", keys),
                ("Total size", words::bytes(self.total_size as u64)),
                ("Expiring", self.expiring.to_string()),
                ("Held locks", self.locks.to_string()),
                ("Last modified", self.modified.clone()),
                ("Backend", format!("{} at {}", self.backend, self.location)),
                ("Database size", words::bytes(self.database_size)),
            ],
        );
    }
}

/// Values as `state export` writes them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    format: String,
    agent: String,
    values: Vec<ExportedValue>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportedValue {
    key: String,
    value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// Format of [`Exported`].
const VALUES_FORMAT: &str = "sloth-runner-values/1";

impl Exported {
    /// The values of one agent.
    pub fn new(agent: &str, values: &[ValueEntry]) -> Self {
        let one = |entry: &ValueEntry| ExportedValue {
            key: entry.key.clone(),
            value: entry.value.clone(),
            expires_at: maybe_time(entry.expires_at),
        };
        Self {
            format: VALUES_FORMAT.to_owned(),
            agent: agent.to_owned(),
            values: values.iter().map(one).collect(),
        }
    }
    /// The text of a file.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
    /// Reads such a text.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(text: &str) -> Result<Vec<Imported>, String> {
        let whole: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
        match whole.get("format").and_then(Value::as_str) {
            Some(VALUES_FORMAT) => {}
            Some(other) => return Err(format!("it has format `{other}`, which is not `{VALUES_FORMAT}`")),
            None => return Err(format!("it has no `format`, which would be `{VALUES_FORMAT}`")),
        }
        let this: Self = serde_json::from_value(whole).map_err(|e| e.to_string())?;
        let mut seen = BTreeSet::new();
        let mut values = Vec::with_capacity(this.values.len());
        for ExportedValue { key, value, expires_at } in this.values {
            if !seen.insert(key.clone()) {
                return Err(format!("the key `{key}` is there twice"));
            }
            let expires_at = match expires_at {
                None => None,
                Some(text) => Some(
                    Timestamp::parse(&text)
                        .ok_or_else(|| format!("`{text}`, when `{key}` expires, is no time"))?,
                ),
            };
            values.push(Imported { key, value, expires_at });
        }
        Ok(values)
    }
}

/// What an import did.
#[derive(Debug, Serialize)]
pub struct ImportView {
    /// Whose values.
    pub agent: String,
    /// Was nothing changed?
    pub dry_run: bool,
    /// What it did.
    #[serde(flatten)]
    pub report: ImportReport,
}

impl Human for ImportView {
    fn human(&self, page: &mut Page) {
        let r = &self.report;
        let mut parts = vec![
            format!("{} created", r.created),
            format!("{} changed", r.changed),
            format!("{} unchanged", r.unchanged),
        ];
        for (n, word) in [(r.removed, "removed"), (r.expired, "expired and left out")] {
            if n > 0 {
                parts.push(format!("{n} {word}"));
            }
        }
        let how = if self.dry_run { "would be " } else { "" };
        page.line(&format!("Values of {}: {how}{}", self.agent, parts.join(", ")));
    }
}

/// A held key-value lock.
#[derive(Debug, Serialize)]
pub struct LockRow {
    kind: &'static str,
    name: String,
    holder: String,
    expires_at: String,
    #[serde(skip)]
    expires: String,
}

impl LockRow {
    /// Name, holder, end.
    pub fn new((name, holder, until): (String, String, Timestamp)) -> Self {
        Self { kind: "lock", name, holder, expires_at: time(until), expires: until.local() }
    }
}

/// An entry of `state list`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A value.
    Value(ValueView),
    /// A resource's record.
    Resource(Box<KeyView>),
    /// A lock.
    Lock(LockRow),
}

/// `state list`.
#[derive(Debug)]
pub struct EntryList<'a>(pub &'a [Entry]);

impl Human for EntryList<'_> {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&["KEY", "VALUE", "UPDATED"]);
        for entry in self.0 {
            table.row(match entry {
                Entry::Value(v) => [v.key.clone(), words::short_value(&v.value, 60), v.updated.clone()],
                Entry::Resource(r) => {
                    let text = format!("({} in stack {})", r.resource.state, r.stack);
                    [r.resource.key(), text, r.resource.updated()]
                }
                Entry::Lock(l) => {
                    [l.name.clone(), format!("(locked by {})", l.holder), format!("until {}", l.expires)]
                }
            });
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(self.0, "entry")));
    }
}
