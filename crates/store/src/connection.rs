//! Every connection, with the settings without which one is a bug.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use sloth_core::store::{StoreError, Wait};

use crate::failure::{Failure, Outcome};
use crate::{files, mark};

/// `SLTH`: the file is ours.
pub const APPLICATION_ID: i64 = 0x534C_5448;
/// The write-ahead log is carried over into the database in the middle of a process when it has grown to so many pages.
pub const CHECKPOINT_PAGES: u32 = 4000;
/// A process that ends leaves no more pages of log than this: the next one has to read them all.
pub const LEFT_PAGES: u32 = 192;

const LENGTH_LIMIT: i32 = 64 * 1024 * 1024;
const STATEMENTS: usize = 192;

/// SQLite versions that lose committed transactions when two connections write and checkpoint at the same instant.
pub const fn is_sound(version: i32) -> bool {
    version >= 3_051_003
        || (version >= 3_050_007 && version < 3_051_000)
        || (version >= 3_044_006 && version < 3_045_000)
}

/// Refuses to work on a library that is known to lose data.
pub fn gate(location: &str) -> Result<(), StoreError> {
    let version = rusqlite::version_number();
    if is_sound(version) {
        return Ok(());
    }
    Err(StoreError::Refused {
        location: location.to_owned(),
        why: format!(
            "this program was linked with SQLite {}, which can lose committed changes; it needs 3.51.3 or newer",
            rusqlite::version()
        ),
    })
}

fn prepare(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // The write-ahead log stays when the last connection closes: overwriting is cheaper than making it anew.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_LIMIT)?;
    conn.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
    conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.execute_batch("PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON;")
}

/// A connection that cannot write.
pub fn reader(path: &Path) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(2))?;
    prepare(&conn)?;
    Ok(conn)
}

/// A connection to a database nobody can change: on a read-only medium, without the files beside it.
pub fn immutable(path: &Path) -> Outcome<Connection> {
    let text = path.to_str().ok_or_else(|| Failure::bad("the path is not UTF-8"))?;
    let mut url = String::from("file:");
    for byte in text.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => url.push(char::from(byte)),
            b if b.is_ascii_alphanumeric() => url.push(char::from(b)),
            b => url.push_str(&format!("%{b:02X}")),
        }
    }
    url.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let conn = Connection::open_with_flags(url, flags)?;
    prepare(&conn)?;
    Ok(conn)
}

/// A connection that can write. One of them at a time does.
pub struct Writer {
    /// The connection.
    pub conn: Connection,
    frames: Arc<AtomicU32>,
    restart: bool,
    wait: Wait,
    ready: bool,
}

impl Writer {
    /// Opens it. The file has to exist; nothing is written before [`Writer::make_ready`].
    pub fn open(path: &Path) -> Outcome<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut conn = Connection::open_with_flags(path, flags)?;
        conn.busy_handler(Some(wait_a_little))?;
        prepare(&conn)?;
        conn.execute_batch(
            "PRAGMA synchronous=FULL; PRAGMA secure_delete=FAST; PRAGMA journal_size_limit=67108864; \
             PRAGMA cache_size=-1024;",
        )?;
        let frames = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&frames);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            seen.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { conn, frames, restart: false, wait: Wait::Durable, ready: false })
    }

    /// Makes sure, once, that it may write. A connection that was opened only to look changes nothing in the file.
    pub fn make_ready(&mut self, path: &Path) -> Outcome<()> {
        if !self.ready {
            self.keep_a_log(path)?;
            mark::verify(path, &path.display().to_string(), (&self.conn).into())?;
            self.ready = true;
        }
        Ok(())
    }

    /// Switches the file to a write-ahead log, if it is not so already. The name of a new log has to be on the disk before
    /// anything in it counts; SQLite would see to that in every process again, and is built not to.
    pub fn keep_a_log(&self, path: &Path) -> Outcome<()> {
        let conn = &self.conn;
        let mode: String = conn.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode != "wal" {
            let mode: String = conn.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
            if mode != "wal" {
                return Err(StoreError::Refused {
                    location: path.display().to_string(),
                    why: format!("SQLite keeps its journal in mode `{mode}` here and not in `wal`"),
                }
                .into());
            }
            files::flush_directory(path)?;
        }
        Ok(())
    }

    /// Begins a transaction. Whether its commit waits for the disk cannot change inside of it. The statement works while
    /// it is compiled, so it is not one to keep.
    pub fn begin(&mut self, wait: Wait) -> rusqlite::Result<()> {
        if self.wait != wait {
            self.conn.execute_batch(match wait {
                Wait::Durable => "PRAGMA synchronous=FULL",
                Wait::Fast => "PRAGMA synchronous=NORMAL",
            })?;
            self.wait = wait;
        }
        self.run("BEGIN IMMEDIATE")
    }

    /// Does the commit of this transaction wait for the disk?
    pub const fn wait(&self) -> Wait {
        self.wait
    }

    /// Commits. Durable means: on the disk before anybody sees it.
    pub fn commit(&mut self) -> rusqlite::Result<()> {
        self.run("COMMIT")?;
        self.restart = false;
        if self.frames.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            self.checkpoint();
        }
        Ok(())
    }

    /// Runs a statement without parameters.
    pub fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// Carries the log over into the database as far as no reader is in the way. Failing is harmless: the log stays.
    fn checkpoint(&mut self) {
        let done = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        if let Ok((0, log, moved)) = done {
            self.restart = log == moved;
        }
    }

    /// Leaves a short log. After a checkpoint the next write begins the log anew; somebody has to write, or the next
    /// process reads all of the old log once more and carries it over again.
    pub fn rest(&mut self) {
        if self.restart || self.frames.load(Ordering::Relaxed) >= LEFT_PAGES {
            self.empty_log();
        }
    }

    /// Leaves a log of one page.
    pub fn empty_log(&mut self) {
        if !self.restart {
            self.checkpoint();
        }
        if !self.restart {
            return;
        }
        self.restart = false;
        let restart = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'checkpoints'";
        if self.begin(Wait::Fast).is_ok() {
            let done = self.conn.execute(restart, []).and_then(|_| self.run("COMMIT"));
            if done.is_err() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
    }
}

/// Waits for another writer: often at first, because most transactions are short; ten seconds in all.
fn wait_a_little(tries: i32) -> bool {
    let pause = match tries {
        0..20 => 250,
        20..60 => 1_000 + u64::from(std::process::id() % 8) * 100,
        _ => 5_000 + u64::from(std::process::id() % 16) * 100,
    };
    std::thread::sleep(Duration::from_micros(pause));
    tries < 2_000
}

/// Settings as they are, for comparison with how they have to be.
pub fn settings(conn: &Connection) -> rusqlite::Result<Vec<(&'static str, i64)>> {
    let names = [
        "application_id",
        "cell_size_check",
        "foreign_keys",
        "journal_size_limit",
        "mmap_size",
        "page_size",
        "secure_delete",
        "synchronous",
        "temp_store",
        "trusted_schema",
        "user_version",
    ];
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let value = conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
        out.push((
            name,
            value.or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(0) } else { Err(e) })?,
        ));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsound_libraries_are_known() {
        for bad in [3_007_000, 3_040_001, 3_044_005, 3_045_000, 3_050_006, 3_051_000, 3_051_002] {
            assert!(!is_sound(bad), "{bad}");
        }
        for good in [3_044_006, 3_050_007, 3_051_003, 3_054_001, 4_000_000] {
            assert!(is_sound(good), "{good}");
        }
        assert!(gate("x").is_ok());
    }
}
