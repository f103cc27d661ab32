//! Every connection, with the settings without which one is a bug.

use std::fs::File;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, ffi};
use sloth_core::store::StoreError;

use crate::failure::{Failure, Outcome};
use crate::files;

/// `SLTH`: the file is ours.
pub const APPLICATION_ID: i64 = 0x534C_5448;
/// The write-ahead log is carried over into the database when it has grown to so many pages.
pub const CHECKPOINT_PAGES: u32 = 1000;

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
    // SAFETY: reads a constant of the library.
    let threadsafe = unsafe { ffi::sqlite3_threadsafe() };
    if is_sound(version) && threadsafe != 0 {
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
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH_LIMIT)?;
    conn.set_limit(Limit::SQLITE_LIMIT_EXPR_DEPTH, 200)?;
    conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    persist_wal(conn);
    conn.execute_batch("PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON;")
}

/// The write-ahead log stays when the last connection closes: overwriting is cheaper than making it anew.
fn persist_wal(conn: &Connection) {
    let mut on: std::ffi::c_int = 1;
    // SAFETY: the handle is alive; the control takes a pointer to an int.
    unsafe {
        ffi::sqlite3_file_control(
            conn.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_PERSIST_WAL,
            (&raw mut on).cast(),
        );
    }
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

/// The one connection of this process that writes.
pub struct Writer {
    /// The connection.
    pub conn: Connection,
    frames: Arc<AtomicU32>,
    restart: bool,
    methods: Option<Box<Methods>>,
    log: Option<File>,
    log_path: PathBuf,
}

impl Writer {
    /// Opens it. The file has to exist.
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
             PRAGMA cache_size=-16384;",
        )?;
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
        }
        let frames = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&frames);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            seen.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            conn,
            frames,
            restart: false,
            methods: None,
            log: None,
            log_path: files::beside(path, "-wal"),
        })
    }

    /// Commits. Durable means: on the disk before anybody sees it.
    pub fn commit(&mut self, durable: bool) -> rusqlite::Result<()> {
        self.commit_as(durable)?;
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

    /// After a checkpoint the next write begins the log anew. Somebody has to write, or the next process reads all of
    /// the old log once more and carries it over again.
    pub fn rest(&mut self) {
        if !self.restart {
            return;
        }
        self.restart = false;
        let restart = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'checkpoints'";
        if self.conn.execute_batch("BEGIN IMMEDIATE").is_ok() {
            let done = self.conn.execute(restart, []).and_then(|_| self.commit_as(false));
            if done.is_err() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
    }

    /// Ends the transaction. Whether that waits for the disk cannot be set inside of a transaction, so the log file's
    /// flush is replaced for the time of this one statement: by `fdatasync` (the library is built to use `fsync`, which
    /// also writes the file's times, a journal commit of the filesystem each time), or by nothing. What has to stay in
    /// order does: the flush after the log was begun anew is always done, and checkpoints, which flush other files, never
    /// happen inside of this statement.
    fn commit_as(&mut self, durable: bool) -> rusqlite::Result<()> {
        let Some(file) = self.log_file() else { return self.run("COMMIT") };
        // SAFETY: `file` belongs to this connection, which nobody else uses: it is held by `&mut self`.
        let original = unsafe { (*file).pMethods };
        if original.is_null() {
            return self.run("COMMIT");
        }
        let log = match &self.log {
            Some(log) => log.as_raw_fd(),
            None => match std::fs::OpenOptions::new().read(true).write(true).open(&self.log_path) {
                // SQLite keeps no locks on this file, so a second descriptor of it is harmless.
                Ok(log) => self.log.insert(log).as_raw_fd(),
                Err(_) => return self.run("COMMIT"),
            },
        };
        if self.methods.as_ref().is_none_or(|m| m.original != original) {
            // SAFETY: SQLite's method tables are static.
            let mut replaced = unsafe { *original };
            if replaced.xWrite.is_none() || replaced.xSync.is_none() {
                return self.run("COMMIT");
            }
            replaced.xWrite = Some(write_noting_header);
            replaced.xSync = Some(sync_log);
            self.methods = Some(Box::new(Methods { original, replaced }));
        }
        let Some(methods) = self.methods.as_ref() else { return self.run("COMMIT") };
        COMMIT.with(|commit| commit.set(Some(Commit { original, log, durable, header: false })));
        // SAFETY: the replacement differs in two functions that do what the original ones do; it outlives the statement.
        unsafe { (*file).pMethods = &raw const methods.replaced };
        let done = self.run("COMMIT");
        // SAFETY: as above; the log file cannot be closed while the connection is open and in WAL mode.
        unsafe { (*file).pMethods = original };
        COMMIT.with(|commit| commit.set(None));
        done
    }

    fn log_file(&self) -> Option<*mut ffi::sqlite3_file> {
        let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
        // SAFETY: the handle is alive; the control writes one pointer.
        let code = unsafe {
            ffi::sqlite3_file_control(
                self.conn.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_JOURNAL_POINTER,
                (&raw mut file).cast(),
            )
        };
        (code == ffi::SQLITE_OK && !file.is_null()).then_some(file)
    }
}

struct Methods {
    original: *const ffi::sqlite3_io_methods,
    replaced: ffi::sqlite3_io_methods,
}

// SAFETY: both are SQLite's function tables: constant data without thread affinity.
unsafe impl Send for Methods {}

/// What the commit of this thread wants of the log file.
#[derive(Clone, Copy)]
struct Commit {
    original: *const ffi::sqlite3_io_methods,
    log: RawFd,
    durable: bool,
    /// The log was begun anew and its beginning is not flushed yet.
    header: bool,
}

thread_local! {
    static COMMIT: std::cell::Cell<Option<Commit>> = const { std::cell::Cell::new(None) };
}

/// Writes, and remembers that the log was begun anew.
unsafe extern "C" fn write_noting_header(
    file: *mut ffi::sqlite3_file,
    data: *const std::ffi::c_void,
    amount: std::ffi::c_int,
    offset: ffi::sqlite3_int64,
) -> std::ffi::c_int {
    let Some(commit) = COMMIT.with(std::cell::Cell::get) else { return ffi::SQLITE_IOERR_WRITE };
    if offset == 0 {
        COMMIT.with(|cell| cell.set(Some(Commit { header: true, ..commit })));
    }
    // SAFETY: the original table is static and its function was checked to be there.
    match unsafe { (*commit.original).xWrite } {
        // SAFETY: called with SQLite's own arguments.
        Some(write) => unsafe { write(file, data, amount, offset) },
        None => ffi::SQLITE_IOERR_WRITE,
    }
}

/// Flushes the log: always for its beginning, which has to be on the disk before anything follows it; else as wanted.
unsafe extern "C" fn sync_log(_: *mut ffi::sqlite3_file, _: std::ffi::c_int) -> std::ffi::c_int {
    let Some(commit) = COMMIT.with(std::cell::Cell::get) else { return ffi::SQLITE_IOERR_FSYNC };
    if !commit.durable && !commit.header {
        return ffi::SQLITE_OK;
    }
    COMMIT.with(|cell| cell.set(Some(Commit { header: false, ..commit })));
    // SAFETY: the descriptor belongs to the writer that is committing, and stays open until it is dropped.
    let log = unsafe { BorrowedFd::borrow_raw(commit.log) };
    match rustix::fs::fdatasync(log) {
        Ok(()) => ffi::SQLITE_OK,
        Err(_) => ffi::SQLITE_IOERR_FSYNC,
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
