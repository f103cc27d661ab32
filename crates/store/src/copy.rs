//! A whole store goes to another place here, whatever keeps it there.
//!
//! Rows are carried over table by table through `sql`, page by page, in one transaction of the target. Before that
//! transaction is committed, what it holds is read once more and compared with what was read from the source. The source
//! is locked for writers all the while, and is closed only after the target is on the disk: whoever dies in between leaves
//! a source that is as it was, and a target that is empty or whole. A whole one is recognized by the next attempt.

use std::sync::Arc;

use sloth_core::actor::Actor;
use sloth_core::clock::Clock;
use sloth_core::digest::{Digest, Hasher};
use sloth_core::store::{OperationRecord, StoreError, Wait};

use crate::failure::{Failure, Outcome};
use crate::location::Location;
use crate::restore::FENCES;
use crate::schema::{self, Table};
use crate::server::ServerStore;
use crate::shared::Shared;
use crate::sql::{Connection, OptionalExtension as _, Owned};
use crate::sqlite::{OpenOptions, SqliteStore};
use crate::{check, files, leases, mark, operations};

/// The operation a copy begins with.
const VERB: &str = "state copy";
/// What a copy does not take along: who works with the source, and what the target knows about itself.
const LEFT_BEHIND: &[&str] = &["leases", "meta", "waiters"];
/// Rows read at a time; contents are large.
const PAGE: usize = 256;
const PAGE_OF_CONTENTS: usize = 8;
/// Rows written with one statement.
const AT_ONCE: usize = 32;

/// What to copy, where to, and for whom.
pub struct CopyRequest<'a> {
    /// The store.
    pub from: &'a Location,
    /// Where it goes; nothing may be there, or a store without content.
    pub to: &'a Location,
    /// The source stays in use. The copy is another store then, with a lineage of its own.
    pub keep: bool,
    /// Who.
    pub actor: &'a Actor,
    /// Arguments for the operation log.
    pub arguments: &'a [String],
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// What a copy did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it went, in full.
    pub to: String,
    /// Number of stacks, deleted ones among them.
    pub stacks: u64,
    /// Rows carried over. None when an earlier attempt had done so, and only the source was left to close.
    pub rows: Option<u64>,
    /// Place of the copy in the operation log of the target.
    pub operation: u64,
}

/// Copies a whole store: every version with its chain, values, runs, events, hooks, contents. Fences are raised in the
/// copy, so that nobody who worked with the source can write there.
///
/// Unless the source is kept it refuses all writes afterwards and says where it went.
///
/// # Errors
/// Somebody works with the source, a run of it that died was not resumed, the target is not empty, something is damaged,
/// or could not be read or written. The source is as it was then, and the target has no content.
pub fn copy(request: &CopyRequest<'_>) -> Result<Copied, StoreError> {
    let options = |create| OpenOptions { clock: Arc::clone(&request.clock), read_only: false, create };
    let source = Opened::at(request.from, &options(false))?;
    let source = source.parts();
    refuse_unready(source).map_err(|failure| source.tell(failure))?;
    let target = Opened::at(request.to, &options(true))?;
    let target = target.parts();
    carry(source, target, request).map_err(|failure| match failure {
        Failure::Store(error) => error,
        // What was read from the source was checked there.
        other => target.tell(other),
    })
}

/// A store, whatever keeps it.
enum Opened {
    File(SqliteStore),
    Server(ServerStore),
}

impl Opened {
    fn at(location: &Location, options: &OpenOptions) -> Result<Self, StoreError> {
        Ok(match location {
            Location::Sqlite(_) => Self::File(SqliteStore::open(location, options)?),
            Location::Postgres(address) => Self::Server(ServerStore::open(address, options)?),
        })
    }
    const fn parts(&self) -> &Shared {
        match self {
            Self::File(store) => store.parts(),
            Self::Server(store) => store.parts(),
        }
    }
}

/// Refuses to write a store that went elsewhere.
pub fn refuse_moved(conn: Connection<'_>, location: &str) -> Outcome<()> {
    let Some(to) = moved_to(conn)? else { return Ok(()) };
    Err(refused(location, format!("it was moved to `{to}`, which is the one to use; nothing was changed")))
}

/// Where the store went.
pub fn moved_to(conn: Connection<'_>) -> Outcome<Option<String>> {
    let ask = "SELECT value FROM meta WHERE key = 'moved_to'";
    Ok(conn.prepare_cached(ask)?.query_row([], |row| row.get(0)).optional()?)
}

fn refused(location: &str, why: String) -> Failure {
    StoreError::Refused { location: location.to_owned(), why }.into()
}

/// Refuses while something goes on that would not come along.
fn refuse_unready(shared: &Shared) -> Outcome<()> {
    let held = shared.read(|conn| leases::in_force(shared, conn))?;
    if let Some((stack, holder, what)) = held.into_iter().next() {
        return Err(StoreError::Busy {
            location: shared.location.clone(),
            why: format!("`{holder}` holds stack `{stack}` for `{what}`; nothing was copied"),
        }
        .into());
    }
    for left in shared.logs.all()? {
        let Some(head) = left.head.filter(|_| !left.steps.is_empty()) else { continue };
        let ask = "SELECT name FROM stacks WHERE id = ?1";
        let name: Option<String> = shared
            .read(|conn| Ok(conn.query_row(ask, [head.stack.as_str()], |row| row.get(0)).optional()?))?;
        if let Some(name) = name {
            return Err(StoreError::Busy {
                location: shared.location.clone(),
                why: format!(
                    "run `{}` of stack `{name}` died, and what it did is not settled; run it again, or \
                     `sloth-runner resume {name}`, first; nothing was copied",
                    head.run
                ),
            }
            .into());
        }
    }
    Ok(())
}

/// The last operation: its place and its link, 0 and zeros where there is none.
fn last_operation(conn: Connection<'_>) -> Outcome<(u64, [u8; 32])> {
    let ask = "SELECT seq, hash FROM operations ORDER BY seq DESC LIMIT 1";
    Ok(conn.query_row(ask, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?.unwrap_or_default())
}

/// Is the target what an attempt made that died before it closed the source?
fn is_whole_copy(source: Connection<'_>, target: Connection<'_>) -> Outcome<bool> {
    let (seq, hash) = last_operation(source)?;
    let ask = "SELECT verb, prev_hash FROM operations WHERE seq = ?1";
    let copied: Option<(String, [u8; 32])> =
        target.query_row(ask, [seq + 1], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(mark::position(source)?.0 == mark::position(target)?.0
        && last_operation(target)?.0 == seq + 1
        && copied.is_some_and(|(verb, link)| verb == VERB && link == hash))
}

fn carry(source: &Shared, target: &Shared, request: &CopyRequest<'_>) -> Outcome<Copied> {
    let position = |shared: &Shared| shared.read(|conn| Ok((mark::position(conn)?.0, last_operation(conn)?)));
    if position(source)? == position(target)? {
        return Err(refused(
            &target.location,
            "it is the store to be copied; nothing was changed".to_owned(),
        ));
    }
    let mut from = source.lend(Wait::Durable)?;
    let mut to = target.lend(Wait::Durable)?;
    // Nobody can begin anything now; who began before the lock is seen here.
    refuse_unready(source)?;
    let tables = schema::tables()?;
    let mut placed = None;
    let copied = if is_empty(to.conn()?, &tables)? {
        let filled = fill(source, from.conn()?, to.conn()?, &tables, request)?;
        // A mark that is missing proves nothing; the old one would contradict the database after a crash in between.
        if let Some(marked) = target.marked() {
            let old = mark::path_of(marked);
            files::remove(&old).map_err(files::failed("could not remove", &old))?;
        }
        target.commit(&mut to)?;
        let copied = filled.copied.clone();
        placed = Some(filled);
        copied
    } else if !request.keep && is_whole_copy(from.conn()?, to.conn()?)? {
        Copied {
            to: target.location.clone(),
            stacks: count(to.conn()?, "stacks")?,
            rows: None,
            operation: last_operation(to.conn()?)?.0,
        }
    } else {
        return Err(refused(
            &target.location,
            "there is something in it already; nothing was changed".to_owned(),
        ));
    };
    if !request.keep {
        let close = "INSERT INTO meta (key, value) VALUES ('moved_to', ?1)";
        from.conn()?.execute(close, [target.location.as_str()])?;
        source.commit(&mut from)?;
    }
    // Not before the source is closed: on one server, both have the same mark.
    if let Some(filled) = placed
        && let Some(marked) = target.marks_of(&filled.lineage)
    {
        mark::place(&marked, &filled.lineage, filled.copied.operation, &filled.link)?;
    }
    Ok(Copied { to: target.location.clone(), ..copied })
}

struct Filled {
    copied: Copied,
    lineage: String,
    link: Digest,
}

/// Everything short of the commit of the target.
fn fill(
    source: &Shared,
    from: Connection<'_>,
    to: Connection<'_>,
    tables: &[Table],
    request: &CopyRequest<'_>,
) -> Outcome<Filled> {
    let mut rows = 0;
    for table in copied_tables(tables) {
        let written = read_table(from, table, |page| insert(to, table, page))?;
        let found = read_table(to, table, |_| Ok(()))?;
        if written != found {
            return Err(Failure::bad(format!("table `{}` is not in the copy as it was read", table.name)));
        }
        rows += written.rows;
        if let Some(number) = &table.number {
            to.number_from(&table.name, number, from.last_number(&table.name, number)?)?;
        }
    }
    let severe = check::severe(to)?;
    if !severe.is_empty() {
        // The copy is what the source is, so it is the source that is damaged.
        return Err(StoreError::Damaged { location: source.location.clone(), what: severe.join("; ") }.into());
    }
    to.execute("UPDATE stacks SET fence = fence + ?1", [FENCES])?;
    if !request.keep {
        let lineage = mark::position(from)?.0;
        to.execute("UPDATE meta SET value = ?1 WHERE key = 'lineage'", [lineage])?;
    }
    let entry = operations::Entry {
        at: request.clock.now(),
        actor: request.actor,
        verb: VERB,
        arguments: request.arguments,
        stack: None,
        before: None,
        after: None,
        record: OperationRecord { undo: serde_json::json!({ "copied_from": source.location }), undoes: None },
    };
    let (operation, _, link) = operations::append(to, entry)?;
    let copied = Copied { to: String::new(), stacks: count(to, "stacks")?, rows: Some(rows), operation };
    Ok(Filled { copied, lineage: mark::position(to)?.0, link })
}

fn copied_tables(tables: &[Table]) -> impl Iterator<Item = &Table> {
    tables.iter().filter(|table| !LEFT_BEHIND.contains(&table.name.as_str()))
}

fn count(conn: Connection<'_>, table: &str) -> Outcome<u64> {
    Ok(conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
}

fn is_empty(conn: Connection<'_>, tables: &[Table]) -> Outcome<bool> {
    for table in tables.iter().filter(|table| table.name != "meta") {
        if count(conn, &table.name)? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a table holds, in short.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    rows: u64,
    sum: [u64; 4],
}

/// Reads a table in the order of its key, page by page.
fn read_table(
    conn: Connection<'_>,
    table: &Table,
    mut each: impl FnMut(&[Vec<Owned>]) -> Outcome<()>,
) -> Outcome<Contents> {
    let size = if table.name == "blobs" { PAGE_OF_CONTENTS } else { PAGE };
    let (columns, key) = (table.columns.join(", "), table.key_names().join(", "));
    let places: Vec<String> = (1..=table.key.len()).map(|n| format!("?{n}")).collect();
    let after = format!("WHERE ({key}) > ({})", places.join(", "));
    // The order of keys with a zero byte in them is not the same everywhere, so rows are added up.
    let mut sum = [0u64; 4];
    let mut rows = 0;
    let mut last: Vec<Owned> = Vec::new();
    loop {
        let from = if last.is_empty() { "" } else { after.as_str() };
        let sql = format!("SELECT {columns} FROM {} {from} ORDER BY {key} LIMIT {size}", table.name);
        let mut page: Vec<Vec<Owned>> = Vec::new();
        let mut ask = conn.prepare_cached(&sql)?;
        let mut found = ask.query(std::mem::take(&mut last))?;
        while let Some(row) = found.next()? {
            let cells: Result<Vec<Owned>, _> = (0..table.columns.len()).map(|at| row.get(at)).collect();
            page.push(cells?);
        }
        drop(found);
        for row in &page {
            add(&mut sum, row);
        }
        rows += page.len() as u64;
        each(&page)?;
        match page.pop() {
            Some(row) if page.len() + 1 == size => {
                last = table.key.iter().filter_map(|at| row.get(*at).cloned()).collect();
            }
            _ => return Ok(Contents { rows, sum }),
        }
    }
}

/// Every value with its kind and length, so that no two rows look alike.
fn add(sum: &mut [u64; 4], row: &[Owned]) {
    let mut hasher = Hasher::default();
    let mut put = |kind: u8, bytes: &[u8]| {
        hasher.update(&[kind]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for cell in row {
        match cell {
            Owned::Null => put(0, &[]),
            Owned::Int(number) => put(1, &number.to_le_bytes()),
            Owned::Text(text) => put(2, text.as_bytes()),
            Owned::Bytes(bytes) => put(3, bytes),
        }
    }
    let digest = hasher.finish();
    for (part, bytes) in sum.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
        let bytes = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        *part = part.wrapping_add(bytes);
    }
}

fn insert(conn: Connection<'_>, table: &Table, page: &[Vec<Owned>]) -> Outcome<()> {
    let width = table.columns.len();
    for rows in page.chunks(AT_ONCE) {
        let places: Vec<String> = (0..rows.len())
            .map(|row| {
                let row: Vec<String> = (1..=width).map(|at| format!("?{}", row * width + at)).collect();
                format!("({})", row.join(", "))
            })
            .collect();
        let columns = table.columns.join(", ");
        let sql = format!("INSERT INTO {} ({columns}) VALUES {}", table.name, places.join(", "));
        let values: Vec<Owned> = rows.iter().flatten().cloned().collect();
        conn.execute(&sql, values)?;
    }
    Ok(())
}
