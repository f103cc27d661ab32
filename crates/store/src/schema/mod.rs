//! The tables, their versions, and the way from one to the next.
//!
//! `full.sql` is what a new database gets; `NNNN-topic/up.sql` are the steps that lead there. A test compares them.

use std::path::Path;

use rusqlite::Connection;
use sloth_core::clock::Clock;
use sloth_core::digest::Digest;

use crate::connection::{APPLICATION_ID, Writer};
use crate::failure::{Failure, Outcome};
use crate::shared::Newer;
use crate::{backup, files, mark};

/// The newest schema this program knows.
pub const KNOWN: u64 = STEPS.len() as u64;

/// What a new database gets.
pub const FULL: &str = include_str!("full.sql");

/// The steps, oldest first; step n leads from schema n − 1 to schema n.
pub const STEPS: &[&str] = &[
    include_str!("0001-initial/up.sql"),
    include_str!("0002-drift-ignores/up.sql"),
    include_str!("0003-retention/up.sql"),
    include_str!("0004-sums/up.sql"),
    include_str!("0005-upstreams/up.sql"),
    include_str!("0006-hooks/up.sql"),
    include_str!("0007-drift-history/up.sql"),
];

/// Program version written into databases this program makes.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What a database file is.
pub enum State {
    /// Up to date.
    Known,
    /// From an earlier program.
    Older(u64),
    /// From a later program.
    Newer(Newer),
    /// Its making was interrupted before the first table.
    Unfinished,
}

fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<i64> {
    conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// Looks at the two numbers in the header.
pub fn look(conn: &Connection) -> Outcome<State> {
    look_against(conn, KNOWN)
}

fn look_against(conn: &Connection, known: u64) -> Outcome<State> {
    let application = pragma(conn, "application_id")?;
    let found = u64::try_from(pragma(conn, "user_version")?).unwrap_or(u64::MAX);
    if application != APPLICATION_ID {
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 && application == 0 && found == 0 {
            return Ok(State::Unfinished);
        }
        let go: i64 = conn.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('stacks', 'state_versions', 'workflow_states')",
            [],
            |row| row.get(0),
        )?;
        return Err(Failure::bad(if go > 0 {
            "it is another program's database with a table `stacks`, perhaps of the earlier sloth-runner written in Go, \
             which this version cannot read; name another file"
        } else {
            "it is a database of another program"
        }));
    }
    Ok(match found {
        0 => State::Unfinished,
        n if n < known => State::Older(n),
        n if n == known => State::Known,
        n => {
            let needs = conn
                .query_row("SELECT value FROM meta WHERE key = 'min_writer'", [], |row| row.get(0))
                .unwrap_or_else(|_| "the version that wrote it".to_owned());
            State::Newer(Newer { found: n, needs })
        }
    })
}

/// Makes the tables in an empty file. Several processes may do so at once; one does the work.
pub fn create(path: &Path, clock: &dyn Clock) -> Outcome<()> {
    let mut writer = Writer::open(path)?;
    writer.keep_a_log(path)?;
    let conn = &writer.conn;
    conn.execute_batch("BEGIN IMMEDIATE")?;
    if pragma(conn, "user_version")? != 0 {
        return conn.execute_batch("ROLLBACK").map_err(Failure::from);
    }
    conn.execute_batch(FULL)?;
    let lineage = lineage(clock);
    let mut put = conn.prepare("INSERT INTO meta (key, value) VALUES (?1, ?2)")?;
    for (key, value) in [
        ("checkpoints", "0"),
        ("created_by", PROGRAM),
        ("lineage", &lineage),
        ("min_reader", PROGRAM),
        ("min_writer", PROGRAM),
    ] {
        put.execute([key, value])?;
    }
    drop(put);
    conn.execute_batch(&format!("PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={KNOWN};"))?;
    writer.commit()?;
    mark::write(path, &lineage, 0, &Digest::ZERO, false)?;
    files::flush_directory(path)?;
    writer.empty_log();
    Ok(())
}

/// 32 hex digits that no other database has.
pub fn lineage(clock: &dyn Clock) -> String {
    sloth_core::id::OperationId::generate(clock.now()).as_str().replace('-', "")
}

/// Brings an older database up to date: a verified backup first, then everything in one transaction.
pub fn migrate(path: &Path, clock: &dyn Clock) -> Outcome<()> {
    migrate_by(path, clock, STEPS)
}

fn migrate_by(path: &Path, clock: &dyn Clock, steps: &[&str]) -> Outcome<()> {
    let mut writer = Writer::open(path)?;
    writer.make_ready(path)?;
    let before = pragma(&writer.conn, "user_version")?;
    let copy = files::beside(path, &format!(".before-{}-{}", steps.len(), clock.now().as_nanos()));
    backup::take(path, &copy)?;
    // References are checked at the end: a table may be rebuilt in between.
    writer.conn.execute_batch("PRAGMA foreign_keys=OFF; BEGIN EXCLUSIVE;")?;
    let found = usize::try_from(pragma(&writer.conn, "user_version")?).unwrap_or(usize::MAX);
    let done = found >= steps.len();
    if !done {
        for step in &steps[found..] {
            writer.conn.execute_batch(step)?;
        }
        let broken: Option<String> = {
            let mut check = writer.conn.prepare("PRAGMA foreign_key_check")?;
            let mut rows = check.query([])?;
            rows.next()?.map(|row| row.get(0)).transpose()?
        };
        if let Some(table) = broken {
            return Err(Failure::bad(format!(
                "bringing it from schema {before} to {} would break references of `{table}`; nothing was changed, and a copy is at `{}`",
                steps.len(),
                copy.display()
            )));
        }
        let put = "UPDATE meta SET value = ?1 WHERE key IN ('min_reader', 'min_writer')";
        writer.conn.execute(put, [PROGRAM])?;
        writer.conn.execute_batch(&format!("PRAGMA user_version={}", steps.len()))?;
    }
    writer.commit()?;
    if done {
        // Another process was quicker; its backup is the one that counts.
        let _ = files::remove(&copy);
    }
    Ok(())
}

/// Brings a copy up to date that nobody else can see. It is of no use when that fails.
pub fn upgrade(path: &Path, found: u64) -> Outcome<()> {
    let conn = Connection::open(path)?;
    // References are checked at the end: a table may be rebuilt in between.
    conn.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA foreign_keys=OFF; BEGIN EXCLUSIVE;")?;
    let found = usize::try_from(found).unwrap_or(usize::MAX).min(STEPS.len());
    for step in &STEPS[found..] {
        conn.execute_batch(step)?;
    }
    if conn.prepare("PRAGMA foreign_key_check")?.query([])?.next()?.is_some() {
        return Err(Failure::bad(format!(
            "bringing it from schema {found} to {KNOWN} would break references"
        )));
    }
    conn.execute_batch(&format!("PRAGMA user_version={KNOWN}; COMMIT;"))?;
    Ok(())
}

/// Tables, indexes and views with their text, to compare two databases.
pub fn shape(conn: &Connection) -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let sql =
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name";
    let mut ask = conn.prepare(sql)?;
    let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// A table as [`FULL`] makes it.
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
    /// Places of the columns of its key, in the order of the key.
    pub key: Vec<usize>,
    /// The column that the database numbers by itself.
    pub number: Option<String>,
}

impl Table {
    /// Names of the columns of its key.
    pub fn key_names(&self) -> Vec<&str> {
        self.key.iter().filter_map(|at| self.columns.get(*at)).map(String::as_str).collect()
    }
}

/// All tables, those that others refer to first.
pub fn tables() -> rusqlite::Result<Vec<Table>> {
    let conn = Connection::open_in_memory()?;
    conn.execute_batch(FULL)?;
    let mut ask = conn.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid",
    )?;
    let names: Vec<String> = ask.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut ask = conn.prepare("SELECT name, pk, type FROM pragma_table_info(?1) ORDER BY cid")?;
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let columns: Vec<(String, usize, String)> = ask
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let mut key: Vec<(usize, usize)> = columns
            .iter()
            .enumerate()
            .filter(|(_, (_, pk, _))| *pk > 0)
            .map(|(at, (_, pk, _))| (*pk, at))
            .collect();
        key.sort_unstable();
        let number = match key[..] {
            [(_, at)] => {
                columns.get(at).filter(|(.., kind)| kind == "INTEGER").map(|(column, ..)| column.clone())
            }
            _ => None,
        };
        out.push(Table {
            name,
            number,
            columns: columns.into_iter().map(|(column, ..)| column).collect(),
            key: key.into_iter().map(|(_, at)| at).collect(),
        });
    }
    Ok(out)
}

/// The shape a database of this program has.
pub fn expected_shape() -> rusqlite::Result<Vec<(String, String, Option<String>)>> {
    let conn = Connection::open_in_memory()?;
    conn.execute_batch(FULL)?;
    shape(&conn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sloth_core::clock::{FixedClock, Timestamp};

    #[test]
    fn the_steps_lead_to_the_full_schema() {
        let conn = Connection::open_in_memory().unwrap();
        for step in STEPS {
            conn.execute_batch(step).unwrap();
        }
        assert_eq!(shape(&conn).unwrap(), expected_shape().unwrap());
    }

    #[test]
    fn every_table_is_strict() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(FULL).unwrap();
        for (kind, name, sql) in shape(&conn).unwrap() {
            if kind == "table" && !name.starts_with("sqlite_") {
                assert!(sql.unwrap().contains("STRICT"), "{name}");
            }
        }
    }

    #[test]
    fn every_table_has_a_key_and_follows_what_it_refers_to() {
        let tables = tables().unwrap();
        assert!(tables.len() > 20 && tables.iter().all(|table| !table.key.is_empty()));
        let place = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
        assert!(place("stacks") < place("resource_rows") && place("stacks") < place("versions"));
        let history = &tables[place("resource_history")];
        assert_eq!(history.key_names(), ["stack", "to_version", "address"]);
    }

    #[test]
    fn every_view_can_be_asked() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(FULL).unwrap();
        for (kind, name, _) in shape(&conn).unwrap() {
            if kind == "view" {
                conn.query_row(&format!("SELECT count(*) FROM {name}"), [], |r| r.get::<_, i64>(0)).unwrap();
            }
        }
    }

    /// Makes of a new database what the first program with a schema left.
    fn age(path: &Path) {
        let meta: Vec<(String, String)> = {
            let conn = Connection::open(path).unwrap();
            let mut ask = conn.prepare("SELECT key, value FROM meta").unwrap();
            let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(files::beside(path, suffix));
        }
        let conn = Connection::open(path).unwrap();
        conn.execute_batch(STEPS[0]).unwrap();
        for (key, value) in meta {
            conn.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", [key, value]).unwrap();
        }
        conn.execute_batch(&format!("PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1;"))
            .unwrap();
    }

    #[test]
    fn a_database_of_the_first_schema_becomes_one_of_today() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::at(Timestamp::from_nanos(1));
        let path = files::create(&dir.path().join("a.db")).unwrap();
        create(&path, &clock).unwrap();
        age(&path);
        migrate(&path, &clock).unwrap();
        let conn = Connection::open(&path).unwrap();
        assert_eq!(shape(&conn).unwrap(), expected_shape().unwrap());
        assert!(matches!(look(&conn), Ok(State::Known)));
    }

    #[test]
    fn an_older_database_is_brought_up_to_date_after_a_backup() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let clock = FixedClock::at(Timestamp::from_nanos(1_700_000_000_000_000_000));
        let path = files::create(&path).unwrap();
        create(&path, &clock).unwrap();
        age(&path);
        let more = "ALTER TABLE handlers ADD COLUMN note TEXT;";
        migrate_by(&path, &clock, &[STEPS[0], more]).unwrap();
        let conn = Connection::open(&path).unwrap();
        assert_eq!(pragma(&conn, "user_version").unwrap(), 2);
        conn.execute_batch("SELECT note FROM handlers").unwrap();
        let copies: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.to_string_lossy().contains(".before-2-") && !p.to_string_lossy().ends_with("-wal"))
            .collect();
        assert_eq!(copies.len(), 1, "{copies:?}");
        let copy = Connection::open(&copies[0]).unwrap();
        assert_eq!(pragma(&copy, "user_version").unwrap(), 1);
        assert!(matches!(look_against(&conn, 1), Ok(State::Newer(_))));
        assert!(matches!(look_against(&conn, 2), Ok(State::Known)));
        assert!(matches!(look_against(&conn, 3), Ok(State::Older(2))));
    }

    #[test]
    fn a_failing_step_leaves_the_old_schema() {
        let dir = tempfile::tempdir().unwrap();
        let clock = FixedClock::at(Timestamp::from_nanos(1));
        let path = files::create(&dir.path().join("a.db")).unwrap();
        create(&path, &clock).unwrap();
        age(&path);
        let bad = "ALTER TABLE handlers ADD COLUMN note TEXT; CREATE TABLE meta (x);";
        assert!(migrate_by(&path, &clock, &[STEPS[0], bad]).is_err());
        let conn = Connection::open(&path).unwrap();
        assert_eq!(pragma(&conn, "user_version").unwrap(), 1);
        assert!(conn.execute_batch("SELECT note FROM handlers").is_err());
    }
}
