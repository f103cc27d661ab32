//! Everything that can be checked without changing anything, and the facts `doctor` shows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::json;
use sloth_core::clock::Timestamp;
use sloth_core::digest::Digest;
use sloth_core::operation::ChainCheck;
use sloth_core::recorded_body;
use sloth_core::store::CheckFinding;
use sloth_core::value::Value;

use crate::failure::{Failure, Outcome};
use crate::files::{self, FileSystem};
use crate::mark::{self, Standing};
use crate::session::{Changes, Net, Part, digest_of};
use crate::shared::{Engine, Shared};
use crate::sql::{Connection, Row, params};
use crate::{
    blobs, connection, copy, events, hooks, leases, operations, schema, stacks, sum, values, versions,
};

/// A log longer than this is worth a word.
const LONG_LOG: u64 = 64 * 1024 * 1024;
/// At most so many findings of one kind are listed one by one.
const LISTED: usize = 20;

const RESTORE: &str =
    "restore the last backup into a new file with `sloth-runner backup restore`, and compare";

struct Findings {
    list: Vec<CheckFinding>,
    counts: HashMap<&'static str, usize>,
}

impl Findings {
    fn add(&mut self, code: &'static str, severe: bool, what: impl Into<String>, mend: &str) {
        let count = self.counts.entry(code).or_insert(0);
        *count += 1;
        if *count <= LISTED {
            self.list.push(CheckFinding {
                code: code.to_owned(),
                severe,
                what: what.into(),
                mend: mend.to_owned(),
            });
        }
    }
    fn severe(&mut self, code: &'static str, what: impl Into<String>) {
        self.add(code, true, what, RESTORE);
    }
    fn note(&mut self, code: &'static str, what: impl Into<String>, mend: &str) {
        self.add(code, false, what, mend);
    }
}

/// Checks; see the port.
pub fn check(shared: &Shared, deep: bool) -> Outcome<Vec<CheckFinding>> {
    let mut found = Findings { list: Vec::new(), counts: HashMap::new() };
    let reader = shared.reader()?;
    let conn = reader.conn();
    conn.begin_view()?;
    around(shared, conn, &mut found)?;
    let inside = [
        ("unreadable", structure(conn, deep, &mut found)),
        ("rows-unreadable", rows(conn, deep, &mut found)),
        ("chain-unreadable", chains(conn, &mut found)),
        ("events-unreadable", gaps(conn, &mut found)),
        ("leases-unreadable", stale_leases(shared, conn, &mut found)),
    ];
    for (code, result) in inside {
        match result {
            Ok(()) => {}
            // A damaged part is a finding; the others are still looked at.
            Err(failure) if !failure.is_busy() => {
                found.severe(code, shared.tell(failure).to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    shared.keep_reader(reader);
    Ok(found.list)
}

/// What is wrong inside, in words: digests, chains, counts, gaps. Reads through any connection, inside of a transaction
/// or not.
pub fn severe(conn: Connection<'_>) -> Outcome<Vec<String>> {
    let mut found = Findings { list: Vec::new(), counts: HashMap::new() };
    rows(conn, true, &mut found)?;
    chains(conn, &mut found)?;
    gaps(conn, &mut found)?;
    let severe = found.list.into_iter().filter(|finding| finding.severe);
    Ok(severe.map(|finding| format!("{}: {}", finding.code, finding.what)).collect())
}

/// What is around the database: permissions, filesystem, mark, journal files, the log.
fn around(shared: &Shared, conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    if let Some(newer) = &shared.newer {
        found.note(
            "schema-newer",
            format!("the database has schema {}, this program knows {}", newer.found, schema::KNOWN),
            &format!("use sloth-runner {} or newer to change anything", newer.needs),
        );
    }
    let moved = copy::moved_to(conn)?;
    if let Some(to) = &moved {
        found.note(
            "moved",
            format!("the store was moved to `{to}`, so nothing can be changed here"),
            "use that one, and put this one away",
        );
    }
    // One that was moved is older than where it went, which may have the same mark.
    if let Some(path) = shared.marked().filter(|_| moved.is_none()) {
        marks(path, conn, found)?;
    }
    if let Engine::Sqlite(disk) = &shared.engine {
        file(&disk.path, shared.logs.dir(), found);
    }
    left_journals(shared, conn, found)
}

/// What is around a database file: who may reach it, the filesystem, the log.
fn file(path: &Path, journals: Option<&Path>, found: &mut Findings) {
    permissions(path, journals, found);
    match files::file_system_of(path) {
        Ok(FileSystem::Fine) | Err(_) => {}
        Ok(FileSystem::Doubtful(name)) => found.note(
            "filesystem-doubtful",
            format!(
                "`{}` is on {name}, where locks and flushes are only as good as the program behind it",
                path.display()
            ),
            "keep the database on a local filesystem",
        ),
        Ok(FileSystem::Network(name)) => found.add(
            "filesystem-network",
            true,
            format!("`{}` is on {name}, where two hosts would not see each other's locks", path.display()),
            "move the database to a local filesystem",
        ),
    }
    let log = files::size_of(&files::beside(path, "-wal"));
    if log > LONG_LOG {
        found.note(
            "log-long",
            format!(
                "the write-ahead log has {} MiB; a long reader keeps it from being carried over",
                log >> 20
            ),
            "end long exports, then change anything",
        );
    }
}

/// What this host has seen acknowledged, compared with what is there.
fn marks(path: &Path, conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    let marked = mark::path_of(path);
    match mark::standing(path, conn)? {
        Standing::Fine => {}
        Standing::Unreadable => found.note(
            "mark-unreadable",
            format!("`{}` is not a mark, so a loss could not be noticed", marked.display()),
            &format!("remove `{}`; the next change writes it anew", marked.display()),
        ),
        Standing::Older(at, seen) => found.severe(
            "older-than-seen",
            format!(
                "the database is at operation {at}, and this host has seen operation {seen} acknowledged"
            ),
        ),
        Standing::Forked(seq) => {
            found.severe(
                "other-history",
                format!("operation {seq} is not the one this host has acknowledged"),
            );
        }
        Standing::Foreign => found.severe("other-database", "the mark beside it belongs to another database"),
    }
    Ok(())
}

fn permissions(path: &Path, journals: Option<&Path>, found: &mut Findings) {
    let mut secret = vec![path.to_owned(), mark::path_of(path)];
    secret.extend(["-wal", "-shm"].map(|suffix| files::beside(path, suffix)));
    secret.extend(journals.map(Path::to_owned));
    for path in secret {
        if let Some(mode) = files::mode_of(&path).filter(|mode| mode & 0o077 != 0) {
            found.note(
                "permissions",
                format!("`{}` has mode {mode:04o} and can be reached by others", path.display()),
                &format!("chmod go= {}", path.display()),
            );
        }
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    if let Some(mode) = files::mode_of(parent).filter(|mode| mode & 0o022 != 0 && mode & 0o1000 == 0) {
        found.note(
            "permissions",
            format!("`{}` has mode {mode:04o}, so others can put another database there", parent.display()),
            &format!("chmod go-w {}", parent.display()),
        );
    }
}

fn left_journals(shared: &Shared, conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    let left = match shared.logs.all() {
        Ok(left) => left,
        Err(failure) => {
            found.severe("journal-unreadable", shared.tell(failure).to_string());
            return Ok(());
        }
    };
    for file in left {
        let shown = &file.shown;
        let remove = match &file.path {
            Some(path) => format!("remove `{}`", path.display()),
            None => "nothing has to be done".to_owned(),
        };
        let Some(head) = &file.head else {
            found.note(
                "journal-empty",
                format!("{shown} holds no whole record, so nothing it stands for has happened"),
                &remove,
            );
            continue;
        };
        if file.torn > 0 {
            found.note(
                "journal-torn",
                format!("{shown} ends in {} bytes that were not written completely", file.torn),
                "the next run of the stack resolves what is open",
            );
        }
        let stack: Option<String> = {
            use crate::sql::OptionalExtension as _;
            let sql = "SELECT name FROM stacks WHERE id = ?1";
            conn.query_row(sql, [head.stack.as_str()], |row| row.get(0)).optional()?
        };
        match stack {
            None => found.note(
                "journal-orphan",
                format!("{shown} belongs to a stack that is not here: {}", head.stack),
                "put the database of that stack back, or remove the file",
            ),
            Some(name) if file.steps.open() > 0 => found.note(
                "journal-open",
                format!("run `{}` of `{name}` has {} steps without an end", head.run, file.steps.open()),
                "the next run of the stack resolves them, unless the run is still going on",
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

/// What the engine itself can check, the tables, the settings.
fn structure(conn: Connection<'_>, deep: bool, found: &mut Findings) -> Outcome<()> {
    match conn {
        Connection::Sqlite(conn) => structure_of_file(conn, deep, found),
        Connection::Server(_) => structure_on_server(conn, found),
    }
}

/// The tables that a server shows, and whether their indexes and rules are in force.
fn structure_on_server(conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    let mut there: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let sql = "SELECT CAST(c.relname AS TEXT), CAST(a.attname AS TEXT) FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
               WHERE n.oid = (SELECT relnamespace FROM pg_class WHERE oid = CAST('meta' AS REGCLASS)) AND c.relkind IN ('r', 'v', 'p') AND a.attnum > 0 \
                 AND NOT a.attisdropped ORDER BY 1, a.attnum";
    let mut ask = conn.prepare_cached(sql)?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        there.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    for (table, columns) in crate::server::expected_tables()? {
        if there.get(&table).is_none_or(|found| columns.iter().any(|column| !found.contains(column))) {
            found.severe("schema", format!("`{table}` is not as this program makes it"));
        }
    }
    let sql = "SELECT CAST(c.relname AS TEXT) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
               JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.oid = (SELECT relnamespace FROM pg_class WHERE oid = CAST('meta' AS REGCLASS)) AND NOT (i.indisvalid AND i.indisready) \
               UNION ALL SELECT CAST(k.conname AS TEXT) FROM pg_constraint k \
               JOIN pg_namespace n ON n.oid = k.connamespace \
               WHERE n.oid = (SELECT relnamespace FROM pg_class WHERE oid = CAST('meta' AS REGCLASS)) AND NOT k.convalidated";
    let mut ask = conn.prepare_cached(sql)?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        found.severe("integrity", format!("the server does not enforce `{}`", row.get::<_, String>(0)?));
    }
    Ok(())
}

fn structure_of_file(conn: &rusqlite::Connection, deep: bool, found: &mut Findings) -> Outcome<()> {
    let pragma = if deep { "PRAGMA integrity_check(20)" } else { "PRAGMA quick_check(20)" };
    let mut ask = conn.prepare(pragma)?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        let verdict: String = row.get(0)?;
        if verdict != "ok" {
            found.severe("integrity", verdict);
        }
    }
    drop(rows);
    let mut ask = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        found.severe("reference", format!("a row of `{table}` names something `{parent}` does not have"));
    }
    drop(rows);
    let known = i64::try_from(schema::KNOWN).unwrap_or(0);
    let at: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if at == known && schema::shape(conn)? != schema::expected_shape()? {
        found.severe("schema", "the tables are not those this program makes");
    }
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" && mode != "off" && mode != "memory" && mode != "delete" {
        found.note("setting", format!("the journal mode is `{mode}`"), "change anything; it is set then");
    }
    for (name, value) in connection::settings(conn)? {
        let expected = match name {
            "application_id" => connection::APPLICATION_ID,
            "cell_size_check" | "foreign_keys" => 1,
            "mmap_size" | "trusted_schema" => 0,
            "temp_store" => 2,
            _ => continue,
        };
        if value != expected {
            found.severe("setting", format!("`{name}` is {value} and has to be {expected}"));
        }
    }
    Ok(())
}

type Bodies = BTreeMap<(i64, u64), Changes>;

/// Digests of all rows; contents that records name.
fn rows(conn: Connection<'_>, deep: bool, found: &mut Findings) -> Outcome<()> {
    let mut named = HashSet::new();
    let kept = versions::kept(conn)?;
    let mut ask = conn.prepare_cached(
        "SELECT address, digest, body, 1, stack, from_version, from_version + 1, created_at, updated_at, sum \
           FROM resource_rows \
         UNION ALL SELECT address, digest, body, 0, stack, from_version, to_version, created_at, updated_at, sum \
           FROM resource_history",
    )?;
    let mut each = ask.query([])?;
    while let Some(row) = each.next()? {
        let address: String = row.get(0)?;
        let digest = digest_of(&row.get::<_, [u8; 32]>(1)?)?;
        let text: String = row.get(2)?;
        if text.is_empty() && !row.get::<_, bool>(3)? && !shown(&row, &kept, 4)? {
            // Collected; its digest goes on in the chain.
            continue;
        }
        if Digest::of(text.as_bytes()) != digest {
            found.severe("row-damaged", format!("the record of `{address}` is not what was written"));
            continue;
        }
        let times = sum::of_times(row.get(7)?, row.get(8)?);
        if row.get::<_, Option<i64>>(9)?.is_some_and(|sum| sum != times) {
            found.severe(
                "row-damaged",
                format!("the times of the record of `{address}` are not what was written"),
            );
        }
        match recorded_body::read(&text, Timestamp::default(), Timestamp::default()) {
            Ok(recorded) if recorded.address.to_string() == address => {
                if row.get::<_, bool>(3)? {
                    collect(&recorded.spec, &mut named);
                }
            }
            _ => found.severe("row-damaged", format!("the record of `{address}` cannot be read")),
        }
    }
    drop(each);
    for (what, sql) in [
        (
            "output",
            "SELECT name, digest, body, 1, stack, from_version, from_version + 1 FROM output_rows \
             UNION ALL SELECT name, digest, body, 0, stack, from_version, to_version FROM output_history",
        ),
        (
            "dependency on the stack with id",
            "SELECT name, digest, body, 1, stack, from_version, from_version + 1 FROM upstream_rows \
             UNION ALL SELECT name, digest, body, 0, stack, from_version, to_version FROM upstream_history",
        ),
    ] {
        let mut ask = conn.prepare_cached(sql)?;
        let mut each = ask.query([])?;
        while let Some(row) = each.next()? {
            let name: String = row.get(0)?;
            let text: String = row.get(2)?;
            if text.is_empty() && !row.get::<_, bool>(3)? && !shown(&row, &kept, 4)? {
                continue;
            }
            if Digest::of(text.as_bytes()) != digest_of(&row.get::<_, [u8; 32]>(1)?)? {
                found.severe("row-damaged", format!("the {what} `{name}` is not what was written"));
            }
        }
    }
    for (stack, trashed, sum) in stacks::all(conn)? {
        let right = stacks::sum(&stack);
        let right = if trashed { -1 - right } else { right };
        if sum.is_some_and(|sum| sum != right) {
            found.severe("row-damaged", format!("the row of stack `{}` is not what was written", stack.name));
        }
    }
    values::damaged(conn, |entry| {
        let what = format!("the value `{}` of `{}` is not what was written", entry.key, entry.scope);
        found.severe("row-damaged", what);
    })?;
    let mut missing = 0;
    for digest in &named {
        if !blobs::has(conn, digest)? {
            missing += 1;
        }
    }
    if missing > 0 {
        found.note(
            "contents-missing",
            format!("{missing} digests named by records have no content here; those going back to them would need it"),
            "contents above the configured size are left out on purpose; a run keeps the others again",
        );
    }
    if deep {
        let mut all = Vec::new();
        blobs::all(conn, |digest| all.push(digest))?;
        for digest in all {
            if let Err(failure) = blobs::get(conn, &digest) {
                match failure {
                    Failure::Bad(what) => found.severe("content-damaged", what),
                    other => return Err(other),
                }
            }
        }
    }
    Ok(())
}

/// Does a version that was not removed show this row? Its stack, first version and end stand at `from`.
fn shown(row: &Row<'_>, kept: &BTreeMap<i64, BTreeSet<u64>>, from: usize) -> Outcome<bool> {
    let (stack, begin, end): (i64, u64, u64) = (row.get(from)?, row.get(from + 1)?, row.get(from + 2)?);
    Ok(begin < end && kept.get(&stack).is_some_and(|all| all.range(begin..end).next().is_some()))
}

/// Digests that stand in a wish.
fn collect(value: &Value, into: &mut HashSet<Digest>) {
    match value {
        Value::String(text) => {
            if let Ok(digest) = text.parse() {
                into.insert(digest);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => map.values().for_each(|item| collect(item, into)),
        _ => {}
    }
}

/// What each version changed, told by the rows.
fn changes_by_version(conn: Connection<'_>) -> Outcome<Bodies> {
    let mut all = Bodies::new();
    for (part, sql) in [
        (
            Part::Resource,
            "SELECT stack, address, digest, from_version, NULL FROM resource_rows \
             UNION ALL SELECT stack, address, digest, from_version, to_version FROM resource_history",
        ),
        (
            Part::Output,
            "SELECT stack, name, digest, from_version, NULL FROM output_rows \
             UNION ALL SELECT stack, name, digest, from_version, to_version FROM output_history",
        ),
        (
            Part::Upstream,
            "SELECT stack, name, digest, from_version, NULL FROM upstream_rows \
             UNION ALL SELECT stack, name, digest, from_version, to_version FROM upstream_history",
        ),
    ] {
        let mut ask = conn.prepare_cached(sql)?;
        let mut rows = ask.query([])?;
        while let Some(row) = rows.next()? {
            let stack: i64 = row.get(0)?;
            let name: String = row.get(1)?;
            let digest = digest_of(&row.get::<_, [u8; 32]>(2)?)?;
            let from: u64 = row.get(3)?;
            all.entry((stack, from)).or_default().insert((part, name.clone()), Net::Written(digest));
            if let Some(to) = row.get::<_, Option<u64>>(4)? {
                all.entry((stack, to)).or_default().entry((part, name)).or_insert(Net::Removed);
            }
        }
    }
    Ok(all)
}

/// Both chains, and that the head is where the chain ends.
fn chains(conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    let mut changes = changes_by_version(conn)?;
    let mut ask = conn.prepare_cached(
        "SELECT num, id, name, head, head_hash, pending, resource_count FROM stacks ORDER BY num",
    )?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        let (num, id, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (head, pending): (u64, bool) = (row.get(3)?, row.get(5)?);
        let (mut link, mut last, mut count) = (Digest::ZERO, 0, 0i64);
        for info in versions::all(conn, num)? {
            let mine = changes.remove(&(num, info.version.0)).unwrap_or_default();
            let broken = info.version.0 != last + 1
                || info.prev_hash != link
                || info.hash != link.link(versions::content(&id, &info, &mine)?.as_bytes());
            if broken {
                found.severe(
                    "chain-broken",
                    format!("version {} of `{name}` does not follow from the one before", info.version),
                );
            }
            link = info.hash;
            last = info.version.0;
        }
        if last != head || link != digest_of(&row.get::<_, [u8; 32]>(4)?)? {
            found.severe("chain-broken", format!("`{name}` is at v{head}, its history ends at v{last}"));
        }
        let open = changes.remove(&(num, head + 1)).is_some();
        if open && !pending {
            found.severe("chain-broken", format!("`{name}` has rows of a version that was never made"));
        }
        if changes.keys().any(|(stack, _)| *stack == num) {
            found.severe("chain-broken", format!("`{name}` has rows of versions that do not exist"));
        }
        count += conn.query_row(
            "SELECT (SELECT count(*) FROM resource_rows WHERE stack = ?1 AND from_version <= ?2) \
                  + (SELECT count(*) FROM resource_history \
                     WHERE stack = ?1 AND to_version = ?2 + 1 AND from_version <= ?2)",
            params![num, head],
            |row| row.get::<_, i64>(0),
        )?;
        if count != row.get::<_, i64>(6)? {
            found.severe(
                "count-wrong",
                format!("`{name}` has {count} resources and counts {}", row.get::<_, i64>(6)?),
            );
        }
    }
    drop(rows);
    let mut removed: BTreeSet<(String, u64)> = BTreeSet::new();
    let mut check = ChainCheck::default();
    operations::all(conn, |operation| {
        if let Err(broken) = check.add(&operation) {
            found.severe("operations-broken", broken.to_string());
        }
        if let (Some((stack, _)), Some(Value::Array(numbers))) =
            (&operation.stack, operation.undo.get("removed"))
        {
            removed.extend(numbers.iter().filter_map(Value::as_u64).map(|n| (stack.clone(), n)));
        }
    })?;
    let mut ask = conn.prepare_cached(
        "SELECT s.id, s.name, v.version FROM versions v JOIN stacks s ON s.num = v.stack \
         WHERE v.removed_at IS NOT NULL ORDER BY 1, 3",
    )?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        let (stack, name, version): (String, String, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if !removed.contains(&(stack, version)) {
            found.severe(
                "version-hidden",
                format!("v{version} of `{name}` is marked as removed, and no operation removed it"),
            );
        }
    }
    Ok(())
}

fn gaps(conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    if let Some((stack, seq)) = events::first_gap(conn)? {
        found.severe("events-missing", format!("event {seq} of stack number {stack} is missing"));
    }
    match hooks::lost(conn)? {
        0 => {}
        n => found.severe(
            "deliveries-lost",
            format!("{n} of the events owed to hooks cannot be delivered: hook or event is missing"),
        ),
    }
    Ok(())
}

fn stale_leases(shared: &Shared, conn: Connection<'_>, found: &mut Findings) -> Outcome<()> {
    for (stack, kind, by) in leases::stale(shared, conn)? {
        found.note(
            "lease-ended",
            format!("the {} lease of `{by}` on `{stack}` has ended and was not given back", kind.as_str()),
            "nothing has to be done: whoever comes next takes it over",
        );
    }
    Ok(())
}

/// Facts; see the port.
pub fn facts(shared: &Shared) -> Outcome<Value> {
    shared.read(|conn| {
        let one = |sql: &str| -> Outcome<i64> { Ok(conn.query_row(sql, [], |row| row.get(0))?) };
        let (lineage, operations) = mark::position(conn)?;
        let mut all = match conn {
            Connection::Sqlite(lite) => facts_of_file(shared, lite)?,
            Connection::Server(_) => facts_on_server(conn)?,
        };
        let Value::Object(more) = json!({
            "location": shared.location,
            "lineage": lineage,
            "schema_known": schema::KNOWN,
            "read_only": shared.read_only || shared.newer.is_some(),
            "durability": "full",
            "journal_files": shared.logs.all()?.len(),
            "operations": operations,
            "stacks": one("SELECT count(*) FROM stacks WHERE deleted_at IS NULL")?,
            "stacks_deleted": one("SELECT count(*) FROM stacks WHERE deleted_at IS NOT NULL")?,
            "resources": one(
                "SELECT CAST(coalesce(sum(resource_count), 0) AS BIGINT) FROM stacks WHERE deleted_at IS NULL"
            )?,
            "versions": one("SELECT count(*) FROM versions")?,
            "events": one("SELECT count(*) FROM events")?,
            "runs": one("SELECT count(*) FROM runs")?,
            "values": one("SELECT count(*) FROM state_values")?,
            "contents": one("SELECT count(*) FROM blobs")?,
            "contents_bytes": one("SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM blobs")?,
            "waiters": leases::waiting(conn)?,
            "mark": match shared.marked().map(mark::read) {
                Some(Ok(Some(Ok(mark)))) => json!({ "operation": mark.seq, "lineage": mark.lineage }),
                Some(Ok(Some(Err(()))) | Err(_)) => json!("unreadable"),
                Some(Ok(None)) | None => Value::Null,
            },
        }) else {
            return Ok(Value::Null);
        };
        all.extend(more);
        Ok(Value::Object(all))
    })
}

type Facts = serde_json::Map<String, Value>;

fn facts_of_file(shared: &Shared, conn: &rusqlite::Connection) -> Outcome<Facts> {
    let settings: Facts =
        connection::settings(conn)?.into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
    let path = shared.marked().unwrap_or(Path::new(""));
    let facts = [
        ("engine", json!("sqlite")),
        ("engine_version", json!(rusqlite::version())),
        ("schema", json!(conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?)),
        ("journal_mode", json!(conn.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))?)),
        ("settings", Value::Object(settings)),
        ("bytes", json!(files::size_of(path))),
        ("log_bytes", json!(files::size_of(&files::beside(path, "-wal")))),
    ];
    Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn facts_on_server(conn: Connection<'_>) -> Outcome<Facts> {
    let schema: String =
        conn.query_row("SELECT value FROM meta WHERE key = 'schema'", [], |row| row.get(0))?;
    let bytes = "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.oid = (SELECT relnamespace FROM pg_class WHERE oid = CAST('meta' AS REGCLASS)) AND c.relkind = 'r'";
    let facts = [
        ("engine", json!("postgresql")),
        ("schema", json!(schema.parse::<i64>().ok())),
        ("bytes", json!(conn.query_row(bytes, [], |row| row.get::<_, i64>(0))?)),
    ];
    Ok(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
