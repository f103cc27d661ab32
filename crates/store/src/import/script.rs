//! What would be taken over, as an SQL script that makes a database as the Go program had it.

use std::fmt::Write as _;

use sloth_core::clock::Timestamp;
use sloth_core::drift::{DriftStatus, Resolution};
use sloth_core::output::Output;
use sloth_core::past::Past;
use sloth_core::recorded::Recorded;
use sloth_core::value::{Map, Value, canonical};
use sloth_core::value_entry::ValueEntry;

/// The tables, with the columns the Go program gave them.
const TABLES: &str = "\
CREATE TABLE state_data (key TEXT PRIMARY KEY, value TEXT, type TEXT, created_at DATETIME, updated_at DATETIME,
  expires_at DATETIME, version INTEGER);
CREATE TABLE stacks (id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT, version TEXT,
  status TEXT NOT NULL DEFAULT 'created', created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
  completed_at DATETIME, workflow_file TEXT, task_results TEXT, outputs TEXT, configuration TEXT, metadata TEXT,
  execution_count INTEGER, last_duration INTEGER, last_error TEXT, resource_version TEXT NOT NULL DEFAULT '1');
CREATE TABLE stack_executions (id INTEGER PRIMARY KEY AUTOINCREMENT,
  stack_id TEXT NOT NULL REFERENCES stacks (id) ON DELETE CASCADE, started_at DATETIME NOT NULL, completed_at DATETIME,
  duration INTEGER, status TEXT NOT NULL, task_count INTEGER, success_count INTEGER, failure_count INTEGER,
  outputs TEXT, error_message TEXT);
CREATE TABLE resources (id TEXT PRIMARY KEY, stack_id TEXT NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
  type TEXT NOT NULL, name TEXT NOT NULL, module TEXT NOT NULL, properties TEXT, dependencies TEXT,
  state TEXT NOT NULL DEFAULT 'pending', checksum TEXT, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
  last_applied DATETIME, error_message TEXT, metadata TEXT, UNIQUE (stack_id, type, name));
CREATE TABLE state_versions (id TEXT PRIMARY KEY, stack_id TEXT NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
  version INTEGER NOT NULL, state_snapshot TEXT NOT NULL, created_at DATETIME, created_by TEXT, description TEXT,
  checksum TEXT, UNIQUE (stack_id, version));
CREATE TABLE drift_detections (id INTEGER PRIMARY KEY AUTOINCREMENT, stack_id TEXT NOT NULL, resource_id TEXT NOT NULL,
  detected_at DATETIME, expected_state TEXT, actual_state TEXT, drift_fields TEXT, is_drifted BOOLEAN,
  resolution_status TEXT DEFAULT 'pending');
CREATE TABLE stack_tags (stack_id TEXT NOT NULL, tag TEXT NOT NULL, created_at DATETIME, PRIMARY KEY (stack_id, tag));
";

/// The script. It fills an empty database in one transaction; `notes` are told in its head.
#[must_use]
pub fn write(pasts: &[&Past], values: &[ValueEntry], notes: &[String]) -> String {
    let mut out = String::new();
    for note in notes {
        let _ = writeln!(out, "-- {}", note.replace(|c: char| c.is_control(), " "));
    }
    let _ = write!(out, "BEGIN;\n{TABLES}");
    for entry in values {
        let (kind, text) = match &entry.value {
            Value::String(text) => ("string", text.clone()),
            Value::Number(_) => ("number", canonical(&entry.value)),
            Value::Bool(_) => ("bool", canonical(&entry.value)),
            other => ("json", canonical(other)),
        };
        insert(
            &mut out,
            "state_data",
            &[
                quoted(&entry.key),
                quoted(&text),
                quoted(kind),
                at(entry.created_at),
                at(entry.updated_at),
                maybe_at(entry.expires_at),
                "1".to_owned(),
            ],
        );
    }
    for past in pasts {
        stack(&mut out, past);
    }
    out.push_str("COMMIT;\n");
    out
}

fn stack(out: &mut String, past: &Past) {
    let stack = &past.stack;
    let id = stack.id.as_str();
    let (resources, outputs) =
        past.newest().map_or((&[][..], &[][..]), |v| (&v.resources[..], &v.outputs[..]));
    insert(
        out,
        "stacks",
        &[
            quoted(id),
            quoted(&stack.name),
            quoted(&stack.description),
            quoted(&stack.version_label),
            quoted(stack.status.as_str()),
            at(stack.created_at),
            at(stack.updated_at),
            maybe_at(stack.completed_at),
            maybe(stack.workflow_file.as_deref()),
            "NULL".to_owned(),
            json(&named(outputs)),
            json(&Value::Object(stack.configuration.clone())),
            json(&Value::Object(stack.metadata.clone())),
            stack.execution_count.to_string(),
            stack.last_duration.to_string(),
            maybe(stack.last_error.as_deref()),
            quoted(&past.versions.len().to_string()),
        ],
    );
    for run in &past.runs {
        let duration = run.completed_at.map_or(0, |end| end.since(run.started_at).as_nanos());
        insert(
            out,
            "stack_executions",
            &[
                "NULL".to_owned(),
                quoted(id),
                at(run.started_at),
                maybe_at(run.completed_at),
                duration.to_string(),
                quoted(run.status.as_str()),
                run.tasks.total.to_string(),
                run.tasks.succeeded.to_string(),
                run.tasks.failed.to_string(),
                "NULL".to_owned(),
                maybe(run.error.as_deref()),
            ],
        );
    }
    for resource in resources {
        insert(
            out,
            "resources",
            &[
                quoted(&resource_id(id, resource)),
                quoted(id),
                quoted(resource.address.kind()),
                quoted(resource.address.id()),
                quoted(&resource.module),
                json(&resource.spec),
                json(&Value::from(resource.options.depends_on.clone())),
                quoted(resource.condition.as_str()),
                quoted(&resource.checksum().hex()),
                at(resource.created_at),
                at(resource.updated_at),
                at(resource.updated_at),
                maybe(resource.error.as_deref()),
                "NULL".to_owned(),
            ],
        );
    }
    for (n, version) in past.versions.iter().enumerate() {
        let number = n + 1;
        let resources: Vec<Value> = version.resources.iter().map(|r| resource_json(id, r)).collect();
        let snapshot = serde_json::json!({
            "version": number,
            "stack_state": { "id": id, "name": stack.name, "outputs": named(&version.outputs) },
            "resources": resources,
        });
        insert(
            out,
            "state_versions",
            &[
                quoted(&format!("{id}-v{number}")),
                quoted(id),
                number.to_string(),
                json(&snapshot),
                at(version.at),
                maybe(version.note.created_by.as_deref()),
                quoted(&version.note.description),
                "NULL".to_owned(),
            ],
        );
    }
    for finding in &past.findings {
        let resource = resources.iter().find(|r| r.address == finding.address);
        let Some(resource) = resource else { continue };
        insert(
            out,
            "drift_detections",
            &[
                "NULL".to_owned(),
                quoted(id),
                quoted(&resource_id(id, resource)),
                at(finding.detected_at),
                finding.expected.as_ref().map_or_else(|| "NULL".to_owned(), json),
                finding.actual.as_ref().map_or_else(|| "NULL".to_owned(), json),
                json(&Value::from(finding.diff.names())),
                u8::from(finding.status == DriftStatus::Drifted).to_string(),
                quoted(match finding.resolution {
                    Resolution::Pending => "pending",
                    Resolution::Resolved => "resolved",
                    Resolution::Ignored => "ignored",
                }),
            ],
        );
    }
    for tag in stack.tags() {
        insert(out, "stack_tags", &[quoted(id), quoted(&tag), at(stack.updated_at)]);
    }
}

fn resource_id(stack: &str, resource: &Recorded) -> String {
    format!("{stack}/{}/{}/{}", resource.module, resource.address.kind(), resource.address.id())
}

fn resource_json(stack: &str, resource: &Recorded) -> Value {
    serde_json::json!({
        "id": resource_id(stack, resource),
        "stack_id": stack,
        "type": resource.address.kind(),
        "name": resource.address.id(),
        "module": resource.module,
        "properties": resource.spec,
        "dependencies": resource.options.depends_on,
        "state": resource.condition.as_str(),
        "error_message": resource.error.as_deref().unwrap_or_default(),
        "created_at": resource.created_at.rfc3339(),
        "updated_at": resource.updated_at.rfc3339(),
    })
}

fn named(outputs: &[Output]) -> Value {
    let map: Map = outputs.iter().map(|o| (o.name.clone(), o.value.clone())).collect();
    Value::Object(map)
}

fn insert(out: &mut String, table: &str, cells: &[String]) {
    let _ = writeln!(out, "INSERT INTO {table} VALUES ({});", cells.join(", "));
}

/// A text of SQL. A character that ends texts in C is put together from its number.
fn quoted(text: &str) -> String {
    let parts: Vec<String> = text.split('\0').map(|part| format!("'{}'", part.replace('\'', "''"))).collect();
    parts.join(" || char(0) || ")
}

fn maybe(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), quoted)
}

fn json(value: &Value) -> String {
    quoted(&canonical(value))
}

fn at(time: Timestamp) -> String {
    quoted(&time.rfc3339())
}

fn maybe_at(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "NULL".to_owned(), at)
}
