//! Resources as recorded.

use std::collections::BTreeMap;

use serde::Serialize;
use sloth_core::kind::Catalog;
use sloth_core::recorded::{Condition, Origin, Recorded};
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value};

use super::{SENSITIVE, time};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One resource.
#[derive(Debug, Serialize)]
pub struct ResourceView {
    id: String,
    stack_id: String,
    /// As typed on the command line.
    pub address: String,
    host: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    module: String,
    operation: String,
    /// Operation key.
    pub key: String,
    properties: Value,
    attributes: Option<Value>,
    dependencies: Vec<String>,
    /// `applied`, `pending`, `failed` or `drift`.
    pub state: &'static str,
    checksum: String,
    created_at: String,
    updated_at: String,
    last_applied: Option<String>,
    error_message: Option<String>,
    metadata: Map,
    #[serde(skip)]
    updated: String,
}

impl ResourceView {
    /// A record; `drifted` says that the last detection found it moved.
    pub fn new(stack: &Stack, recorded: &Recorded, drifted: bool, catalog: &dyn Catalog) -> Self {
        let address = &recorded.address;
        let state = if drifted { "drift" } else { recorded.condition.as_str() };
        let mut metadata = Map::new();
        metadata.insert(
            "existed_before".to_owned(),
            Value::from(matches!(recorded.origin, Origin::Present { .. })),
        );
        metadata.insert("task".to_owned(), Value::from(recorded.task.clone()));
        for (name, on) in [("keep", recorded.options.keep), ("protect", recorded.options.protect)] {
            if on {
                metadata.insert(name.to_owned(), Value::Bool(true));
            }
        }
        Self {
            id: format!("{}/{}/{}/{}", stack.id, recorded.module, address.kind(), address.id()),
            stack_id: stack.id.to_string(),
            address: address.to_string(),
            host: address.host().to_string(),
            kind: address.kind().to_owned(),
            name: address.id().to_owned(),
            module: recorded.module.clone(),
            operation: recorded.operation.clone(),
            key: recorded.operation_key(),
            properties: redacted(&recorded.spec, recorded, catalog),
            attributes: recorded.state.as_ref().map(|s| redacted(s, recorded, catalog)),
            dependencies: recorded.options.depends_on.clone(),
            state,
            checksum: recorded.checksum().hex(),
            created_at: time(recorded.created_at),
            updated_at: time(recorded.updated_at),
            last_applied: (recorded.condition == Condition::Applied).then(|| time(recorded.updated_at)),
            error_message: recorded.error.clone(),
            metadata,
            updated: recorded.updated_at.local_minutes(),
        }
    }
    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }
    /// Its type.
    pub fn kind(&self) -> &str {
        &self.kind
    }
    /// Last change, for tables.
    pub fn updated(&self) -> &str {
        &self.updated
    }
    /// The wish it was brought to.
    pub fn properties(&self) -> &Value {
        &self.properties
    }
}

/// Secrets hidden: all of it when the resource says so, else the attributes its type says so about.
pub fn redacted(value: &Value, recorded: &Recorded, catalog: &dyn Catalog) -> Value {
    if recorded.options.sensitive {
        return Value::from(SENSITIVE);
    }
    let mut value = value.clone();
    if let (Some(kind), Value::Object(map)) = (catalog.kind(recorded.address.kind()), &mut value) {
        for attribute in kind.attributes.iter().filter(|a| a.secret) {
            if let Some(slot) = map.get_mut(attribute.name) {
                *slot = Value::from(SENSITIVE);
            }
        }
    }
    value
}

/// Resources of one stack.
#[derive(Debug)]
pub struct ResourceList {
    /// Stack.
    pub stack: String,
    /// By address.
    pub resources: Vec<ResourceView>,
}

impl Human for ResourceList {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Resources of stack: {}", self.stack));
        page.gap();
        let mut table = Table::new(&["TYPE", "NAME", "MODULE", "STATE", "LAST APPLIED"]);
        for r in &self.resources {
            let name = if r.host == "local" { r.name.clone() } else { format!("{} on {}", r.name, r.host) };
            table.row([r.kind.clone(), name, r.module.clone(), r.state.to_owned(), r.updated.clone()]);
        }
        page.table(&table);
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for r in &self.resources {
            *states.entry(r.state).or_default() += 1;
        }
        page.gap();
        let parts: Vec<String> = states.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let tail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        page.line(&format!("Total: {}{tail}", words::len(&self.resources, "resource")));
    }
}
