//! Databases of the Go program: `state.db` with values and workflows, `stacks.db` with stacks, in all the forms they had.
//!
//! A source is never opened: it is copied with its log to a private directory, and the copy is read. Files are told apart
//! by the columns of their tables, because both have tables of the same names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OpenFlags};
use sloth_core::address::Address;
use sloth_core::change::Reason;
use sloth_core::clock::Timestamp;
use sloth_core::desired::Options;
use sloth_core::diff::Diff;
use sloth_core::drift::{DriftStatus, Finding, Resolution};
use sloth_core::id::{RunId, StackId};
use sloth_core::legacy::{Found, Legacy, Skipped};
use sloth_core::output::Output;
use sloth_core::past::{Past, PastVersion};
use sloth_core::recorded::{Condition, Origin, REGISTERED, Recorded};
use sloth_core::run::{Counts, Run, RunStatus, TaskCounts};
use sloth_core::stack::{Stack, StackStatus, TAGS, check_tag};
use sloth_core::store::StoreError;
use sloth_core::value::{Map, Value};
use sloth_core::value_entry::{LOCAL_SCOPE, ValueEntry};
use sloth_core::version::{Version, VersionKind, VersionNote};

use crate::connection::APPLICATION_ID;
use crate::failure::{Failure, Outcome};
use crate::files;

/// What the program called the stacks it made for itself.
const INTERNAL: [&str; 8] = [
    "agent-operations",
    "general-operations",
    "hook-operations",
    "scheduler-operations",
    "secret-operations",
    "sloth-operations",
    "sysadmin-operations",
    "workflow-executions",
];
/// Workflow file of those.
const TRACKER: &str = "<state-tracker>";
/// Who did it, where nobody is named.
const NOBODY: &str = "sloth-runner (Go)";
/// Times a file is copied until it stays as it is meanwhile.
const ATTEMPTS: usize = 5;

/// Reads databases of the Go program. `scratch` is a directory on the same trust as the store, in which private copies are
/// made for the time of reading. Nothing is written anywhere else.
///
/// # Errors
/// A file is not there, is not such a database, is damaged, or changes all the time.
pub fn read(sources: &[PathBuf], scratch: &Path, now: Timestamp) -> Result<Legacy, StoreError> {
    let mut legacy = Legacy::default();
    for source in sources {
        let name = source.display().to_string();
        let read = read_one(source, scratch, now, &mut legacy);
        read.map_err(|failure| match failure {
            Failure::Sql(error) => Failure::Bad(error.to_string()).at(&name),
            other => other.at(&name),
        })?;
    }
    legacy.stacks.sort_by(|a, b| (&a.past.stack.name, &a.file).cmp(&(&b.past.stack.name, &b.file)));
    legacy.values.sort_by(|(a, _), (b, _)| (&a.scope, &a.key).cmp(&(&b.scope, &b.key)));
    Ok(legacy)
}

/// Is it a database of this program?
#[must_use]
pub fn is_ours(path: &Path) -> bool {
    let mut head = [0_u8; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    let id = <[u8; 4]>::try_from(&head[68..]).map_or(0, u32::from_be_bytes);
    read.is_ok() && i64::from(id) == APPLICATION_ID
}

fn read_one(source: &Path, scratch: &Path, now: Timestamp, legacy: &mut Legacy) -> Outcome<()> {
    let copy = Copied::make(source, scratch)?;
    let conn = copy.open()?;
    let mut file =
        Source { conn: &conn, file: source.display().to_string(), now, tables: BTreeMap::new(), legacy };
    file.look()?;
    file.values(source)?;
    file.workflows()?;
    file.stacks()
}

// ---- the copy -------------------------------------------------------------------------------------------------------

/// A copy of a database in a directory of its own, which goes when this is dropped.
struct Copied {
    dir: PathBuf,
    file: PathBuf,
}

const COPIES: &str = "legacy-copy.";

impl Copied {
    #[expect(clippy::disallowed_methods, reason = "the store owns the files beside its database")]
    fn make(source: &Path, scratch: &Path) -> Outcome<Self> {
        let state =
            |path: &Path| std::fs::metadata(path).ok().map(|m| (m.len(), m.mtime(), m.mtime_nsec(), m.ino()));
        if !source.is_file() {
            return Err(StoreError::Io {
                location: source.display().to_string(),
                why: if source.exists() { "it is not a file" } else { "it is not there" }.to_owned(),
            }
            .into());
        }
        sweep(scratch);
        files::make_private_dirs(scratch)?;
        let dir = scratch.join(format!("{COPIES}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        DirBuilder::new().mode(0o700).create(&dir).map_err(files::failed("could not make", &dir))?;
        let copied = Self { file: dir.join("copy.db"), dir };
        for _ in 0..ATTEMPTS {
            let parts = ["", "-wal", "-journal"].map(|suffix| (files::beside(source, suffix), suffix));
            let before: Vec<_> = parts.iter().map(|(path, _)| state(path)).collect();
            for (from, suffix) in &parts {
                let to = files::beside(&copied.file, suffix);
                files::remove(&to).map_err(files::failed("could not remove", &to))?;
                let Ok(mut reader) = File::open(from) else {
                    if suffix.is_empty() {
                        let error = std::io::Error::last_os_error();
                        return Err(Failure::File(format!("could not read `{}`", from.display()), error));
                    }
                    continue;
                };
                let mut writer = files::private()
                    .create_new(true)
                    .open(&to)
                    .map_err(files::failed("could not make", &to))?;
                std::io::copy(&mut reader, &mut writer).map_err(files::failed("could not copy", from))?;
            }
            if before == parts.iter().map(|(path, _)| state(path)).collect::<Vec<_>>() {
                return Ok(copied);
            }
        }
        Err(StoreError::Busy {
            location: source.display().to_string(),
            why: "it changes while it is copied; stop the program that writes it".to_owned(),
        }
        .into())
    }

    fn open(&self) -> Outcome<Connection> {
        let mut magic = [0_u8; 16];
        let head = File::open(&self.file).and_then(|mut file| file.read_exact(&mut magic));
        if head.is_err() || &magic != b"SQLite format 3\0" {
            return Err(Failure::bad("it is not an SQLite database"));
        }
        // The log has to be taken in, which writes into the copy.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&self.file, flags)?;
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        conn.execute_batch("PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;")?;
        let ours: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        if ours == APPLICATION_ID {
            return Err(StoreError::Refused {
                location: String::new(),
                why: "it is a database of this program already".to_owned(),
            }
            .into());
        }
        let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Failure::bad(verdict));
        }
        conn.execute_batch("PRAGMA query_only=ON;")?;
        Ok(conn)
    }
}

impl Drop for Copied {
    #[expect(clippy::disallowed_methods, reason = "the store owns the files beside its database")]
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Removes copies whose makers have died.
#[expect(clippy::disallowed_methods, reason = "the store owns the files beside its database")]
fn sweep(scratch: &Path) {
    for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(COPIES)) else { continue };
        let dead = pid.parse::<u32>().is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if dead && Path::new("/proc/self").exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

// ---- cells ----------------------------------------------------------------------------------------------------------

/// A row by column name. Columns that a variant does not have are NULL.
struct Row(HashMap<&'static str, Cell>);

impl Row {
    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name) {
            Some(Cell::Text(text)) => Some(text.clone()),
            Some(Cell::Integer(n)) => Some(n.to_string()),
            Some(Cell::Real(n)) => Some(n.to_string()),
            Some(Cell::Blob(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Some(Cell::Null) | None => None,
        }
    }
    fn word(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }
    fn number(&self, name: &str) -> u64 {
        match self.0.get(name) {
            Some(Cell::Integer(n)) => u64::try_from(*n).unwrap_or(0),
            Some(Cell::Text(text)) => text.trim().parse().unwrap_or(0),
            _ => 0,
        }
    }
    fn truth(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Cell::Integer(n)) => *n != 0,
            Some(Cell::Text(text)) => text == "1" || text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }
    fn time(&self, name: &str) -> Option<Timestamp> {
        match self.0.get(name)? {
            Cell::Integer(n) => unix(*n),
            Cell::Text(text) => time(text),
            _ => None,
        }
    }
    /// JSON; nothing, `null` and what is not JSON are nothing.
    fn json(&self, name: &str) -> Option<Value> {
        serde_json::from_str(&self.text(name)?).ok().filter(|value: &Value| !value.is_null())
    }
    fn object(&self, name: &str) -> Map {
        match self.json(name) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }
}

/// Seconds since 1970, or milliseconds when they are too many for that.
fn unix(n: i64) -> Option<Timestamp> {
    let nanos = if n.unsigned_abs() > 1_000_000_000_000 { 1_000_000 } else { 1_000_000_000 };
    n.checked_mul(nanos).map(Timestamp::from_nanos)
}

/// A time in any of the forms that the Go program and its driver wrote. Without a zone it is UTC.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(n) = text.parse() {
        return unix(n);
    }
    // `2025-10-10 14:30:15.12 -0300 -03 m=+0.1`, as Go prints a time.
    let words: Vec<&str> = text.split(' ').collect();
    let printed = match words.as_slice() {
        [date, time, zone, ..] if zone.starts_with(['+', '-']) => Some(format!("{date}T{time}{zone}")),
        [date, time, "UTC" | "Z", ..] => Some(format!("{date}T{time}Z")),
        _ => None,
    };
    [printed, Some(text.to_owned()), Some(format!("{text}Z")), Some(format!("{text}T00:00:00Z"))]
        .into_iter()
        .flatten()
        .find_map(|text| Timestamp::parse(&text))
}

// ---- a file ---------------------------------------------------------------------------------------------------------

struct Source<'s> {
    conn: &'s Connection,
    file: String,
    now: Timestamp,
    tables: BTreeMap<String, BTreeSet<String>>,
    legacy: &'s mut Legacy,
}

impl Source<'_> {
    /// Which tables are there, and is it a database that is known at all?
    fn look(&mut self) -> Outcome<()> {
        let mut ask =
            self.conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let names: Vec<String> = ask.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for name in names {
            let mut ask = self.conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
            let columns = ask.query_map([&name], |row| row.get::<_, String>(0))?.collect::<Result<_, _>>()?;
            self.tables.insert(name, columns);
        }
        let known = [
            self.has("state", &["key", "value"]),
            self.has("state_data", &["key", "value", "type"]),
            self.has("workflow_states", &["id", "name", "status"]),
            self.has("stacks", &["id", "name", "status"]),
        ];
        if known.contains(&true) {
            return Ok(());
        }
        let names: Vec<String> = self.tables.keys().take(5).map(|name| format!("`{name}`")).collect();
        let what = if names.is_empty() {
            "it has no tables".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        Err(StoreError::Refused {
            location: String::new(),
            why: format!("{what} and none of the tables of the Go program"),
        }
        .into())
    }

    fn has(&self, table: &str, columns: &[&str]) -> bool {
        self.tables.get(table).is_some_and(|there| columns.iter().all(|column| there.contains(*column)))
    }

    /// All rows of a table, in the order of a column if it has it.
    fn rows(&self, table: &str, columns: &[&'static str], order: &str) -> Outcome<Vec<Row>> {
        let Some(there) = self.tables.get(table) else { return Ok(Vec::new()) };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let wanted: Vec<&'static str> = columns.iter().copied().filter(|c| there.contains(*c)).collect();
        let list: Vec<String> = wanted.iter().map(|c| quoted(c)).collect();
        let order =
            if there.contains(order) { format!(" ORDER BY {}", quoted(order)) } else { String::new() };
        let mut ask =
            self.conn.prepare(&format!("SELECT {} FROM {}{order}", list.join(", "), quoted(table)))?;
        let mut rows = ask.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = HashMap::new();
            for (n, name) in wanted.iter().enumerate() {
                let cell = match row.get_ref(n)? {
                    ValueRef::Null => Cell::Null,
                    ValueRef::Integer(n) => Cell::Integer(n),
                    ValueRef::Real(n) => Cell::Real(n),
                    ValueRef::Text(bytes) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
                    ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
                };
                cells.insert(*name, cell);
            }
            out.push(Row(cells));
        }
        Ok(out)
    }

    fn skip(&mut self, table: &str, what: impl Into<String>, reason: impl Into<String>) {
        self.legacy.skipped.push(Skipped {
            file: self.file.clone(),
            table: table.to_owned(),
            what: Some(what.into()).filter(|what| !what.is_empty()).unwrap_or_else(|| "(no name)".to_owned()),
            reason: reason.into(),
            rows: 1,
        });
    }

    /// Names a whole table that is left behind.
    fn skip_all(&mut self, table: &str, reason: &str) -> Outcome<()> {
        if !self.tables.contains_key(table) {
            return Ok(());
        }
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let rows: i64 = self.conn.query_row(&sql, [], |row| row.get(0))?;
        if rows > 0 {
            self.legacy.skipped.push(Skipped {
                file: self.file.clone(),
                table: table.to_owned(),
                what: String::new(),
                reason: reason.to_owned(),
                rows: u64::try_from(rows).unwrap_or(0),
            });
        }
        Ok(())
    }

    fn note(&mut self, what: String) {
        self.legacy.notes.push(what);
    }

    // ---- values -----------------------------------------------------------------------------------------------------

    fn values(&mut self, source: &Path) -> Outcome<()> {
        let scope = scope_of(source);
        let typed = self.has("state_data", &["key", "value", "type"]);
        let mut rows = Vec::new();
        if self.has("state", &["key", "value"]) {
            rows.extend(
                self.rows("state", &["key", "value", "created_at", "updated_at"], "key")?
                    .into_iter()
                    .map(|r| ("state", r)),
            );
        }
        if typed {
            let columns = ["key", "value", "type", "created_at", "updated_at", "expires_at"];
            rows.extend(self.rows("state_data", &columns, "key")?.into_iter().map(|r| ("state_data", r)));
        }
        let mut seen = BTreeSet::new();
        for (table, row) in rows {
            let key = row.word("key");
            let Some(text) = row.text("value") else {
                self.skip(table, key, "it has no value");
                continue;
            };
            if key.is_empty() || key.len() > 1024 || key.chars().any(char::is_control) {
                self.skip(table, key, "its key cannot be one: 1 to 1024 bytes without control characters");
                continue;
            }
            let expires_at = row.time("expires_at");
            if expires_at.is_some_and(|end| end <= self.now) {
                self.skip(table, key, "its time is over");
                continue;
            }
            if !seen.insert(key.clone()) {
                self.skip(table, key, "the key is in `state` too, which counts");
                continue;
            }
            let updated = row.time("updated_at").or(row.time("created_at")).unwrap_or(self.now);
            let entry = ValueEntry {
                scope: scope.clone(),
                key,
                value: typed_value(text, &row.word("type")),
                created_at: row.time("created_at").unwrap_or(updated),
                updated_at: updated,
                expires_at,
                revision: 1,
            };
            self.legacy.values.push((entry, self.file.clone()));
        }
        let locks = if self.has("state_locks", &["lock_name"]) { "state_locks" } else { "locks" };
        if typed || self.has("locks", &["name", "holder"]) {
            self.skip_all(
                locks,
                "locks are held by programs that run, and those of the Go program are none",
            )?;
        }
        Ok(())
    }

    // ---- workflows --------------------------------------------------------------------------------------------------

    fn workflows(&mut self) -> Outcome<()> {
        if !self.has("workflow_states", &["id", "name", "status"]) {
            return Ok(());
        }
        let columns = [
            "id",
            "name",
            "version",
            "status",
            "started_at",
            "completed_at",
            "duration_seconds",
            "metadata",
            "error_msg",
            "created_at",
            "updated_at",
        ];
        let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in self.rows("workflow_states", &columns, "id")? {
            groups.entry(row.word("name")).or_default().push(row);
        }
        let mut resources = self.by(
            "workflow_resources",
            "workflow_id",
            &[
                "id",
                "workflow_id",
                "type",
                "name",
                "action",
                "status",
                "attributes",
                "created_at",
                "updated_at",
            ],
        )?;
        let mut outputs = self.by("workflow_outputs", "workflow_id", &["workflow_id", "key", "value"])?;
        let versioned = self.has("state_versions", &["workflow_id", "state"]);
        let mut versions = if versioned {
            let columns =
                ["id", "workflow_id", "version", "state", "created_at", "created_by", "description"];
            self.by("state_versions", "workflow_id", &columns)?
        } else {
            HashMap::new()
        };
        let mut drift = if self.has("drift_detections", &["workflow_id", "drifted"]) {
            let columns = [
                "id",
                "workflow_id",
                "resource_id",
                "resource_type",
                "detected_at",
                "expected",
                "actual",
                "drifted",
            ];
            self.by("drift_detections", "workflow_id", &columns)?
        } else {
            HashMap::new()
        };
        let mut tags = self.by("workflow_tags", "workflow_id", &["workflow_id", "tag"])?;
        for (name, mut executions) in groups {
            let begun = |row: &Row| {
                row.time("started_at").or(row.time("created_at")).unwrap_or(Timestamp::from_nanos(0))
            };
            executions.sort_by_key(|row| (begun(row), row.number("version"), row.word("id")));
            let mut builder = Builder::new(&name, self.now);
            let id = executions.first().map(|row| row.word("id")).unwrap_or_default();
            let last = executions.len() - 1;
            let mut ids = Vec::new();
            for (n, row) in executions.iter().enumerate() {
                let own = row.word("id");
                let at = begun(row);
                let ended = row.time("completed_at");
                let status = row.word("status");
                let label = format!("execution {} of {} ({status})", n + 1, last + 1);
                for version in sorted(versions.remove(&own).unwrap_or_default()) {
                    let key = version.word("id");
                    match version.json("state") {
                        Some(Value::Object(state)) => {
                            let found = self.state_resources(&state, at, &key);
                            let shown = named_values(state.get("outputs"));
                            builder.version(
                                VersionKind::Snapshot,
                                version.time("created_at").unwrap_or(at),
                                version.text("created_by"),
                                &described(&version, &label),
                                None,
                                found.records,
                                shown,
                            );
                        }
                        _ => self.skip("state_versions", key, "its state is not a JSON object"),
                    }
                }
                let found = self.workflow_resources(resources.remove(&own).unwrap_or_default(), at);
                let shown = outputs.remove(&own).unwrap_or_default();
                let shown: Vec<Output> =
                    shown.iter().map(|row| output(row.word("key"), Value::from(row.word("value")))).collect();
                let run = RunId::generate(at);
                let success = !matches!(status.as_str(), "failed" | "rolled_back");
                let version = builder.version(
                    VersionKind::Run,
                    ended.or(row.time("updated_at")).unwrap_or(at),
                    None,
                    &label,
                    Some((run.clone(), success)),
                    found.records,
                    shown,
                );
                let running = status == "pending" || status == "running";
                builder.runs.push(Run {
                    id: run,
                    operation: "run".to_owned(),
                    status: run_status(&status),
                    started_at: at,
                    completed_at: ended.or_else(|| (!running).then(|| row.time("updated_at")).flatten()),
                    actor: NOBODY.to_owned(),
                    tasks: TaskCounts::default(),
                    counts: found.counts,
                    version: Some(version),
                    error: row.text("error_msg").filter(|e| !e.is_empty()),
                    program: None,
                });
                let looked = drift.remove(&own).unwrap_or_default();
                if n == last {
                    builder.findings = self.findings(looked, &found.ids, "workflow_id");
                } else {
                    for row in looked {
                        let reason = "a newer execution of the workflow replaced what it was about";
                        self.skip("drift_detections", row.word("id"), reason);
                    }
                }
                for row in tags.remove(&own).unwrap_or_default() {
                    self.tag(&mut builder, "workflow_tags", row.word("tag"));
                }
                ids.push(Value::from(own));
            }
            let newest = &executions[last];
            let metadata = newest.object("metadata");
            let stack = &mut builder.stack;
            stack.description = format!("Workflow `{name}` of the Go program");
            stack.version_label = format!("v{}", newest.number("version").max(1));
            stack.status = stack_status(&newest.word("status"));
            stack.created_at = executions.first().map_or(self.now, begun);
            stack.updated_at = newest.time("updated_at").unwrap_or_else(|| begun(newest));
            stack.completed_at = newest.time("completed_at");
            stack.last_run_at = Some(begun(newest));
            stack.execution_count = executions.len() as u64;
            stack.last_duration = newest.number("duration_seconds").saturating_mul(1_000_000_000);
            stack.last_error = newest.text("error_msg").filter(|e| !e.is_empty());
            builder.source.insert("executions".to_owned(), Value::Array(ids));
            builder.metadata(metadata);
            let found = builder.finish(id, self.file.clone(), true, false);
            self.legacy.stacks.push(found);
        }
        for (table, rows) in [
            ("workflow_resources", resources),
            ("workflow_outputs", outputs),
            ("state_versions", versions),
            ("drift_detections", drift),
            ("workflow_tags", tags),
        ] {
            for (workflow, rows) in rows {
                for _ in rows {
                    self.skip(table, workflow.clone(), "its workflow is not there");
                }
            }
        }
        self.skip_all("workflow_backups", "the files it names are not read")?;
        self.skip_all("workflow_activity", "what was done before is told by versions and runs")
    }

    /// Rows by what they belong to.
    fn by(&self, table: &str, owner: &str, columns: &[&'static str]) -> Outcome<HashMap<String, Vec<Row>>> {
        let mut out: HashMap<String, Vec<Row>> = HashMap::new();
        if self.has(table, &[owner]) {
            for row in self.rows(table, columns, "id")? {
                out.entry(row.word(owner)).or_default().push(row);
            }
        }
        Ok(out)
    }

    fn workflow_resources(&mut self, rows: Vec<Row>, at: Timestamp) -> Resources {
        let mut found = Resources::default();
        for row in rows {
            let drafts = Draft {
                key: row.word("id"),
                kind: row.word("type"),
                name: row.word("name"),
                module: "migrated".to_owned(),
                spec: row.json("attributes").unwrap_or_else(|| Value::Object(Map::new())),
                needs: Vec::new(),
                state: row.word("status"),
                action: row.word("action"),
                error: None,
                created_at: row.time("created_at").unwrap_or(at),
                updated_at: row.time("updated_at").or(row.time("created_at")).unwrap_or(at),
            };
            self.take("workflow_resources", drafts, &mut found);
        }
        found
    }

    /// Resources as a version of a workflow has them.
    fn state_resources(&mut self, state: &Map, at: Timestamp, version: &str) -> Resources {
        let mut found = Resources::default();
        for value in state.get("resources").and_then(Value::as_array).into_iter().flatten() {
            let draft = Draft::of_json(value, "attributes", "status", at);
            self.take(&format!("state_versions ({version})"), draft, &mut found);
        }
        found.link();
        found
    }

    /// One resource among the others of its stack.
    fn take(&mut self, table: &str, draft: Draft, found: &mut Resources) {
        let what =
            if draft.key.is_empty() { format!("{}:{}", draft.kind, draft.name) } else { draft.key.clone() };
        found.counts.add(&draft.count());
        if draft.action == "delete" && draft.state != "failed" {
            self.skip(table, what, "it was deleted, and is no resource any more");
            return;
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
        let kind: String = draft.kind.chars().map(plain).collect();
        let address =
            Address::local(if kind.is_empty() { "resource" } else { kind.as_str() }, draft.name.as_str());
        let read = address.to_string().parse::<Address>();
        if draft.name.is_empty() || read.as_ref() != Ok(&address) {
            self.skip(table, what, "its type and name cannot be the address of a resource");
            return;
        }
        if address.kind() != draft.kind {
            self.note(format!("type `{}` of `{}` is written `{}`", draft.kind, draft.name, address.kind()));
        }
        if !draft.key.is_empty() {
            found.ids.insert(draft.key.clone(), address.clone());
        }
        if let Some(at) = found.records.iter().position(|r| r.address == address) {
            found.records.remove(at);
            self.skip(table, what, format!("`{address}` is there again later, which counts"));
        }
        found.records.push(draft.record(address));
    }

    fn findings(&mut self, rows: Vec<Row>, ids: &HashMap<String, Address>, owner: &str) -> Vec<Finding> {
        let mut newest: BTreeMap<String, Finding> = BTreeMap::new();
        let workflow = owner == "workflow_id";
        for row in rows {
            let key = row.word("id");
            let Some(address) = ids.get(&row.word("resource_id")) else {
                self.skip("drift_detections", key, "its resource is not there");
                continue;
            };
            let names = if workflow {
                ("expected", "actual", "drifted")
            } else {
                ("expected_state", "actual_state", "is_drifted")
            };
            let (expected, actual) = (row.json(names.0), row.json(names.1));
            let drifted = row.truth(names.2);
            let diff = match (&actual, &expected) {
                (Some(from), Some(to)) => Diff::between(from, to),
                _ => Diff::none(),
            };
            let resolution = match row.word("resolution_status").as_str() {
                "resolved" => Resolution::Resolved,
                "ignored" => Resolution::Ignored,
                _ => Resolution::Pending,
            };
            let (status, reason) = if drifted {
                (DriftStatus::Drifted, Reason::External)
            } else {
                (DriftStatus::Clean, Reason::InLine)
            };
            let finding = Finding {
                expected,
                actual: actual.filter(|_| drifted),
                diff: if drifted { diff } else { Diff::none() },
                resolution,
                ..Finding::new(address.clone(), status, reason, row.time("detected_at").unwrap_or(self.now))
            };
            if newest.insert(address.to_string(), finding).is_some() {
                self.skip("drift_detections", key, "a newer look at the resource replaced the one before it");
            }
        }
        newest.into_values().collect()
    }

    fn tag(&mut self, builder: &mut Builder, table: &str, tag: String) {
        match check_tag(&tag) {
            Ok(()) => {
                builder.tags.insert(tag);
            }
            Err(why) => self.skip(table, tag, why.to_string()),
        }
    }

    // ---- stacks -----------------------------------------------------------------------------------------------------

    fn stacks(&mut self) -> Outcome<()> {
        if !self.has("stacks", &["id", "name", "status"]) {
            return Ok(());
        }
        let columns = [
            "id",
            "name",
            "description",
            "version",
            "status",
            "created_at",
            "updated_at",
            "completed_at",
            "workflow_file",
            "task_results",
            "outputs",
            "configuration",
            "metadata",
            "execution_count",
            "last_duration",
            "last_error",
        ];
        let stacks = self.rows("stacks", &columns, "created_at")?;
        let mut resources = self.by(
            "resources",
            "stack_id",
            &[
                "id",
                "stack_id",
                "type",
                "name",
                "module",
                "properties",
                "dependencies",
                "state",
                "created_at",
                "updated_at",
                "last_applied",
                "error_message",
            ],
        )?;
        let mut executions = self.by(
            "stack_executions",
            "stack_id",
            &[
                "id",
                "stack_id",
                "started_at",
                "completed_at",
                "duration",
                "status",
                "task_count",
                "success_count",
                "failure_count",
                "error_message",
            ],
        )?;
        let mut versions = if self.has("state_versions", &["stack_id", "state_snapshot"]) {
            let columns =
                ["id", "stack_id", "version", "state_snapshot", "created_at", "created_by", "description"];
            self.by("state_versions", "stack_id", &columns)?
        } else {
            HashMap::new()
        };
        let mut drift = if self.has("drift_detections", &["stack_id", "is_drifted"]) {
            self.by(
                "drift_detections",
                "stack_id",
                &[
                    "id",
                    "stack_id",
                    "resource_id",
                    "detected_at",
                    "expected_state",
                    "actual_state",
                    "is_drifted",
                    "resolution_status",
                ],
            )?
        } else {
            HashMap::new()
        };
        let mut tags = self.by("stack_tags", "stack_id", &["stack_id", "tag"])?;
        for row in stacks {
            let (id, name) = (row.word("id"), row.word("name"));
            let at = row.time("created_at").unwrap_or(self.now);
            if row.time("created_at").is_none() {
                let what = row.word("created_at");
                self.note(format!(
                    "stack `{name}` was made at `{what}`, which is no time; the present stands for it"
                ));
            }
            let mut builder = Builder::new(&name, self.now);
            for version in sorted(versions.remove(&id).unwrap_or_default()) {
                let key = version.word("id");
                let Some(Value::Object(snapshot)) = version.json("state_snapshot") else {
                    self.skip("state_versions", key, "its snapshot is not a JSON object");
                    continue;
                };
                let mut found = Resources::default();
                for value in snapshot.get("resources").and_then(Value::as_array).into_iter().flatten() {
                    let draft = Draft::of_json(value, "properties", "state", at);
                    self.take(&format!("state_versions ({key})"), draft, &mut found);
                }
                found.link();
                let outputs =
                    named_values(snapshot.get("stack_state").and_then(|state| state.get("outputs")));
                builder.version(
                    VersionKind::Snapshot,
                    version.time("created_at").unwrap_or(at),
                    version.text("created_by"),
                    &described(&version, &format!("version {}", version.number("version"))),
                    None,
                    found.records,
                    outputs,
                );
            }
            let mut found = Resources::default();
            for row in resources.remove(&id).unwrap_or_default() {
                let needs = match row.json("dependencies") {
                    Some(Value::Array(list)) => {
                        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                    }
                    _ => Vec::new(),
                };
                let created = row.time("created_at").unwrap_or(at);
                let draft = Draft {
                    key: row.word("id"),
                    kind: row.word("type"),
                    name: row.word("name"),
                    module: row.word("module"),
                    spec: row.json("properties").unwrap_or_else(|| Value::Object(Map::new())),
                    needs,
                    state: row.word("state"),
                    action: String::new(),
                    error: row.text("error_message").filter(|e| !e.is_empty()),
                    created_at: created,
                    updated_at: row.time("last_applied").or(row.time("updated_at")).unwrap_or(created),
                };
                self.take("resources", draft, &mut found);
            }
            found.link();
            let outputs = named_values(row.json("outputs").as_ref());
            let updated = row.time("updated_at").unwrap_or(at);
            builder.now(updated, found.records, outputs);
            builder.findings = self.findings(drift.remove(&id).unwrap_or_default(), &found.ids, "stack_id");
            for row in executions.remove(&id).unwrap_or_default() {
                builder.runs.push(execution(&row, at));
            }
            for row in tags.remove(&id).unwrap_or_default() {
                self.tag(&mut builder, "stack_tags", row.word("tag"));
            }
            let file = row.text("workflow_file").filter(|f| !f.is_empty());
            let internal = file.as_deref() == Some(TRACKER) || INTERNAL.contains(&name.as_str());
            let stack = &mut builder.stack;
            stack.description = row.word("description");
            stack.version_label = row.word("version");
            stack.status = stack_status(&row.word("status"));
            stack.created_at = at;
            stack.updated_at = updated;
            stack.completed_at = row.time("completed_at");
            stack.last_run_at = builder.runs.last().map(|run| run.started_at);
            stack.workflow_file = file.filter(|f| f != TRACKER);
            stack.configuration = row.object("configuration");
            stack.execution_count = row.number("execution_count").max(builder.runs.len() as u64);
            stack.last_duration = row.number("last_duration");
            stack.last_error = row.text("last_error").filter(|e| !e.is_empty());
            if let Some(results) = row.json("task_results") {
                builder.source.insert("task_results".to_owned(), results);
            }
            builder.metadata(row.object("metadata"));
            let found = builder.finish(id, self.file.clone(), false, internal);
            self.legacy.stacks.push(found);
        }
        for (table, rows) in [
            ("resources", resources),
            ("stack_executions", executions),
            ("state_versions", versions),
            ("drift_detections", drift),
            ("stack_tags", tags),
        ] {
            for (stack, rows) in rows {
                for _ in rows {
                    self.skip(table, stack.clone(), "its stack is not there");
                }
            }
        }
        if self.has("state_locks", &["stack_id", "lock_id"]) {
            self.skip_all("state_locks", "locks of the Go program held nobody off")?;
        }
        self.skip_all("state_backups", "the files it names are not read")?;
        self.skip_all("state_activity", "what was done before is told by versions and runs")?;
        self.skip_all("state_events", "events belong to what happened in that program")?;
        self.skip_all("state_config", "settings are in the configuration file")
    }
}

/// Values of a database of one agent belong to it; those of `state.db` to the controller.
fn scope_of(source: &Path) -> String {
    let text = |part: Option<&std::ffi::OsStr>| part.and_then(|p| p.to_str()).map(str::to_owned);
    let dir = text(source.parent().and_then(Path::file_name));
    match (dir.as_deref(), text(source.file_stem())) {
        (Some("state" | "sloth-state"), Some(agent)) if !agent.is_empty() => agent,
        _ => LOCAL_SCOPE.to_owned(),
    }
}

/// A value whose type is known, if it can be one; a text otherwise.
fn typed_value(text: String, kind: &str) -> Value {
    let read = serde_json::from_str::<Value>(&text).ok();
    let fits = match kind {
        "number" | "int" | "integer" | "float" => read.filter(Value::is_number),
        "bool" | "boolean" => read.filter(Value::is_boolean),
        "json" | "table" | "object" | "map" | "list" | "array" => read,
        _ => None,
    };
    fits.unwrap_or(Value::String(text))
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| row.number("version"));
    rows
}

fn described(version: &Row, otherwise: &str) -> String {
    version.text("description").filter(|text| !text.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

fn output(name: String, value: Value) -> Output {
    Output { name, value, sensitive: false }
}

fn named_values(value: Option<&Value>) -> Vec<Output> {
    let map = value.and_then(Value::as_object).into_iter().flatten();
    map.map(|(name, value)| output(name.clone(), value.clone())).collect()
}

fn stack_status(word: &str) -> StackStatus {
    match word {
        "success" | "completed" => StackStatus::Completed,
        // What ran there runs no more.
        "failed" | "running" => StackStatus::Failed,
        "rolled_back" => StackStatus::RolledBack,
        _ => StackStatus::Created,
    }
}

fn run_status(word: &str) -> RunStatus {
    match word {
        "success" | "completed" => RunStatus::Completed,
        "failed" => RunStatus::Failed,
        "rolled_back" => RunStatus::RolledBack,
        "pending" | "running" => RunStatus::Crashed,
        _ => RunStatus::Interrupted,
    }
}

fn execution(row: &Row, at: Timestamp) -> Run {
    let started = row.time("started_at").unwrap_or(at);
    let (total, succeeded, failed) =
        (row.number("task_count"), row.number("success_count"), row.number("failure_count"));
    let duration = row.number("duration");
    let ended = (duration > 0).then(|| started.plus(std::time::Duration::from_nanos(duration)));
    Run {
        id: RunId::generate(started),
        operation: "run".to_owned(),
        status: run_status(&row.word("status")),
        started_at: started,
        completed_at: row.time("completed_at").or(ended),
        actor: NOBODY.to_owned(),
        tasks: TaskCounts {
            total,
            succeeded,
            failed,
            skipped: total.saturating_sub(succeeded.saturating_add(failed)),
        },
        counts: Counts::default(),
        version: None,
        error: row.text("error_message").filter(|e| !e.is_empty()),
        program: None,
    }
}

// ---- what it becomes ------------------------------------------------------------------------------------------------

/// Resources of a stack at one time.
#[derive(Default)]
struct Resources {
    records: Vec<Recorded>,
    /// Addresses by the ids they had.
    ids: HashMap<String, Address>,
    counts: Counts,
}

impl Resources {
    /// Dependencies on ids and names become addresses, where they are found.
    fn link(&mut self) {
        let mut names: HashMap<&str, Option<String>> = HashMap::new();
        for record in &self.records {
            let entry = names.entry(record.address.id());
            entry.and_modify(|address| *address = None).or_insert_with(|| Some(record.address.to_string()));
        }
        let found = |need: &String| {
            let by_id = self.ids.get(need).map(Address::to_string);
            by_id.or_else(|| names.get(need.as_str()).cloned().flatten()).unwrap_or_else(|| need.clone())
        };
        let needs: Vec<Vec<String>> =
            self.records.iter().map(|r| r.options.depends_on.iter().map(found).collect()).collect();
        for (record, needs) in self.records.iter_mut().zip(needs) {
            record.options.depends_on = needs;
        }
    }
}

/// A resource on its way into a record.
struct Draft {
    key: String,
    kind: String,
    name: String,
    module: String,
    spec: Value,
    needs: Vec<String>,
    state: String,
    action: String,
    error: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Draft {
    /// As versions have it.
    fn of_json(value: &Value, properties: &str, state: &str, at: Timestamp) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let when = |name: &str| value.get(name).and_then(Value::as_str).and_then(time);
        let needs = value.get("dependencies").and_then(Value::as_array).into_iter().flatten();
        let created = when("created_at").unwrap_or(at);
        let module = text("module");
        Self {
            key: text("id"),
            kind: text("type"),
            name: text("name"),
            module: if module.is_empty() { "migrated".to_owned() } else { module },
            spec: value
                .get(properties)
                .filter(|v| !v.is_null())
                .cloned()
                .unwrap_or_else(|| Value::Object(Map::new())),
            needs: needs.filter_map(Value::as_str).map(str::to_owned).collect(),
            state: text(state),
            action: text("action"),
            error: Some(text("error_message")).filter(|e| !e.is_empty()),
            created_at: created,
            updated_at: when("last_applied").or(when("updated_at")).unwrap_or(created),
        }
    }
    fn count(&self) -> Counts {
        let mut counts = Counts::default();
        let count = match (self.state.as_str(), self.action.as_str()) {
            ("failed", _) => &mut counts.failed,
            (_, "create") => &mut counts.created,
            (_, "update") => &mut counts.updated,
            (_, "delete") => &mut counts.deleted,
            _ => &mut counts.unchanged,
        };
        *count = 1;
        counts
    }
    fn record(self, address: Address) -> Recorded {
        let condition = match self.state.as_str() {
            "failed" => Condition::Failed,
            "pending" | "running" => Condition::Pending,
            _ => Condition::Applied,
        };
        Recorded {
            address,
            module: self.module,
            operation: REGISTERED.to_owned(),
            state: Some(self.spec.clone()),
            spec: self.spec,
            origin: Origin::Absent,
            condition,
            error: self.error,
            options: Options { depends_on: self.needs, ..Options::default() },
            task: String::new(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// A stack on its way.
struct Builder {
    stack: Stack,
    versions: Vec<PastVersion>,
    runs: Vec<Run>,
    findings: Vec<Finding>,
    tags: BTreeSet<String>,
    /// What is kept of where it came from.
    source: Map,
}

impl Builder {
    fn new(name: &str, now: Timestamp) -> Self {
        Self {
            stack: Stack::fresh(name, now),
            versions: Vec::new(),
            runs: Vec::new(),
            findings: Vec::new(),
            tags: BTreeSet::new(),
            source: Map::new(),
        }
    }
    #[expect(clippy::too_many_arguments, reason = "a version is made of that many things")]
    fn version(
        &mut self,
        kind: VersionKind,
        at: Timestamp,
        by: Option<String>,
        description: &str,
        run: Option<(RunId, bool)>,
        resources: Vec<Recorded>,
        outputs: Vec<Output>,
    ) -> Version {
        let (run, successful) = run.unzip();
        let note = VersionNote {
            kind,
            description: description.to_owned(),
            created_by: Some(by.filter(|by| !by.is_empty()).unwrap_or_else(|| NOBODY.to_owned())),
            run,
            successful: successful.unwrap_or(true),
            always: true,
        };
        self.versions.push(PastVersion { note, at, resources, outputs, upstreams: Vec::new() });
        Version(self.versions.len() as u64)
    }
    /// The present state, a version of its own unless it is that of the newest one.
    fn now(&mut self, at: Timestamp, resources: Vec<Recorded>, outputs: Vec<Output>) {
        let digests = |resources: &[Recorded]| -> BTreeMap<String, _> {
            resources.iter().map(|r| (r.address.to_string(), r.digest())).collect()
        };
        let same = self.versions.last().is_some_and(|last| {
            let named = |outputs: &[Output]| -> BTreeMap<String, Value> {
                outputs.iter().map(|o| (o.name.clone(), o.value.clone())).collect()
            };
            digests(&last.resources) == digests(&resources) && named(&last.outputs) == named(&outputs)
        });
        if !same {
            self.version(
                VersionKind::Edit,
                at,
                None,
                "as it was when it was taken over",
                None,
                resources,
                outputs,
            );
        }
    }
    /// Takes the metadata over, except words that mean something here.
    fn metadata(&mut self, mut metadata: Map) {
        metadata.retain(|key, _| key != TAGS && key != sloth_core::stack::VERSION_TAGS && key != MIGRATED);
        self.stack.metadata = metadata;
    }
    fn finish(mut self, id: String, file: String, workflow: bool, internal: bool) -> Found {
        self.source.insert("id".to_owned(), Value::from(id.as_str()));
        self.source.insert("file".to_owned(), Value::from(file.as_str()));
        if !self.tags.is_empty() {
            let tags: Vec<String> = self.tags.into_iter().collect();
            self.stack.metadata.insert(TAGS.to_owned(), Value::from(tags));
        }
        self.stack.metadata.insert(MIGRATED.to_owned(), Value::Object(self.source));
        if let Some(id) = uuid_of(&id) {
            self.stack.id = StackId::from_stored(id);
        }
        let past =
            Past { stack: self.stack, versions: self.versions, runs: self.runs, findings: self.findings };
        Found { past, id, workflow, internal, file }
    }
}

/// Metadata key under which a stack keeps where it came from.
pub use sloth_core::legacy::MIGRATED;

/// An id that can be kept.
fn uuid_of(id: &str) -> Option<&str> {
    let shape = |(n, c): (usize, char)| match n {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    };
    (id.len() == 36 && id.chars().enumerate().all(shape)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let at = Timestamp::parse("2025-10-10T14:30:15Z").unwrap();
        for text in [
            "2025-10-10 14:30:15",
            "2025-10-10T14:30:15",
            "2025-10-10T14:30:15Z",
            "2025-10-10 14:30:15Z",
            "2025-10-10 14:30:15+00:00",
            "2025-10-10 11:30:15-03:00",
            "2025-10-10T11:30:15-03:00",
            "2025-10-10 11:30:15.000-03:00",
            "2025-10-10 11:30:15 -0300 -03",
            "2025-10-10 11:30:15 -0300 -03 m=+0.123",
            "2025-10-10 14:30:15 +0000 UTC",
            " 2025-10-10 14:30:15 ",
            "1760106615",
            "1760106615000",
        ] {
            assert_eq!(time(text), Some(at), "{text}");
        }
        let fine = Timestamp::parse("2025-10-10T17:30:15.123456789Z").unwrap();
        assert_eq!(time("2025-10-10 14:30:15.123456789-03:00"), Some(fine));
        assert_eq!(time("2025-10-10"), Timestamp::parse("2025-10-10T00:00:00Z"));
        assert_eq!(time("2025-10-10 14:30"), Timestamp::parse("2025-10-10T14:30:00Z"));
        for text in ["", "now", "2025-13-40", "NULL", "99999999999999999999"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn values_have_the_type_they_were_stored_with() {
        let of = |text: &str, kind: &str| typed_value(text.to_owned(), kind);
        assert_eq!(of("5", ""), Value::from("5"));
        assert_eq!(of("5", "string"), Value::from("5"));
        assert_eq!(of("5", "number"), Value::from(5));
        assert_eq!(of("five", "number"), Value::from("five"));
        assert_eq!(of("true", "bool"), Value::from(true));
        assert_eq!(of("[1]", "json"), serde_json::json!([1]));
    }
}
