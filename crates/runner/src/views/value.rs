//! Key-value state.

use serde::Serialize;
use sloth_core::clock::Timestamp;
use sloth_core::kind::Catalog;
use sloth_core::recorded::RecordedText;
use sloth_core::stack::Stack;
use sloth_core::value::Value;
use sloth_core::value_entry::ValueEntry;

use super::resource::ResourceView;
use super::{maybe_local, maybe_time, time};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

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
