//! Copies are looked at and put back here.
//!
//! A restore does not swap files: another process may have the database open, and would go on in a file without a
//! name. The copy is prepared beside the database and then carried over in one transaction of SQLite, so whoever looks
//! sees the old content or the new one, and whoever writes is asked for a fence that nobody was granted yet.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use sloth_core::actor::Actor;
use sloth_core::clock::Clock;
use sloth_core::digest::{Digest, Hasher};
use sloth_core::store::{BackupInfo, Backups as _, OperationRecord, Store, StoreError};

use crate::connection::{self, Writer};
use crate::failure::{Failure, Outcome};
use crate::files::{self, Found, failed};
use crate::location::Location;
use crate::sqlite::{OpenOptions, SqliteStore, not_a_file};
use crate::{mark, operations, schema};

/// Pages carried over at a time.
const PAGES_PER_STEP: i32 = 4096;
/// Between the name of a database and the id of the process that restores it.
const LEFT: &str = ".restore-";
/// How far fences jump. Fences granted between the look at the old database and its replacement stay below.
pub const FENCES: u64 = 1 << 20;

/// What to restore, and for whom.
pub struct RestoreRequest<'a> {
    /// The copy.
    pub from: &'a Path,
    /// Where the present database is kept, if there is one.
    pub keep: &'a Path,
    /// Who.
    pub actor: &'a Actor,
    /// Arguments for the operation log.
    pub arguments: &'a [String],
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// The copy of what was there before.
    pub kept: Option<BackupInfo>,
    /// Place of the restore in the operation log.
    pub operation: u64,
}

/// `<copy>.sha256`, in the form that `sha256sum -c` reads.
pub fn seal_of(copy: &Path) -> PathBuf {
    files::beside(copy, ".sha256")
}

/// Writes down the digest of a copy that will have this name.
pub fn seal(content: &Path, named: &Path) -> Outcome<()> {
    let path = seal_of(named);
    let digest = digest_of(content)?;
    let name = named.file_name().unwrap_or_default().to_string_lossy();
    let put = || -> io::Result<()> {
        let mut file = files::private().create_new(true).open(&path)?;
        file.write_all(format!("{digest}  {name}\n").as_bytes())?;
        file.sync_all()
    };
    put().map_err(failed("could not write", &path))
}

/// The digest that was written down when the copy was made.
fn sealed(copy: &Path) -> Outcome<Option<Digest>> {
    let path = seal_of(copy);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("could not read", &path)(error)),
    };
    let digest = text.split_whitespace().next().and_then(|word| word.parse().ok());
    digest.map(Some).ok_or_else(|| Failure::bad(format!("`{}` does not hold a SHA-256", path.display())))
}

fn read_through(mut from: File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            n => {
                hasher.update(&buffer[..n]);
                each(&buffer[..n])?;
            }
        }
    }
}

fn digest_of(path: &Path) -> Outcome<Digest> {
    File::open(path).and_then(|file| read_through(file, |_| Ok(()))).map_err(failed("could not read", path))
}

fn compare(digest: &Digest, copy: &Path) -> Outcome<bool> {
    match sealed(copy)? {
        Some(expected) if expected != *digest => {
            Err(Failure::bad(format!("its SHA-256 is not the one in `{}`", seal_of(copy).display())))
        }
        expected => Ok(expected.is_some()),
    }
}

/// Opens a copy to look into it. Nothing is locked, and nothing is made beside it.
///
/// # Errors
/// It cannot be read, or is not a copy of a database of this program.
pub fn open_backup(path: &Path, clock: Arc<dyn Clock>) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(at(path, SqliteStore::open_copy(path, clock))?))
}

/// Checks everything in a copy: the digest written down when it was made, integrity, chains, and every content.
///
/// # Errors
/// [`StoreError::Damaged`] when something is wrong with it, or it cannot be read.
pub fn verify(path: &Path, clock: Arc<dyn Clock>) -> Result<BackupInfo, StoreError> {
    at(path, verified(path, path, clock))
}

fn at<T>(path: &Path, result: Outcome<T>) -> Result<T, StoreError> {
    result.map_err(|failure| failure.at(&path.display().to_string()))
}

/// Checks the copy whose bytes are at `content` and whose name is `named`.
fn verified(content: &Path, named: &Path, clock: Arc<dyn Clock>) -> Outcome<BackupInfo> {
    // The newest changes of a database that was in use are in its log.
    if files::size_of(&files::beside(named, "-wal")) > 0 {
        return Err(Failure::bad(
            "it has a log beside it, so it is a database and not a finished copy of one",
        ));
    }
    let digest = digest_of(content)?;
    let sealed = compare(&digest, named)?;
    // One of an older schema is brought up to date elsewhere: what is looked at is what a restore would make of it.
    let store = SqliteStore::open_copy(content, clock)?;
    let severe: Vec<String> = store
        .check(true)?
        .into_iter()
        .filter(|f| f.severe)
        .map(|f| format!("{}: {}", f.code, f.what))
        .collect();
    if !severe.is_empty() {
        return Err(Failure::bad(severe.join("; ")));
    }
    info(&store, named, files::size_of(content), digest, sealed)
}

fn info(store: &SqliteStore, named: &Path, size: u64, digest: Digest, sealed: bool) -> Outcome<BackupInfo> {
    let view = store.view()?;
    Ok(BackupInfo {
        location: named.display().to_string(),
        size,
        digest,
        sealed,
        stacks: view.stack_list()?.into_iter().map(|s| (s.name, s.head)).collect(),
        last: view.operation_list(1)?.into_iter().next(),
    })
}

/// Puts a copy in the place of a database, after keeping the present one as another copy.
///
/// # Errors
/// The copy is damaged, somebody holds a stack, or something could not be written. The present database is as it was
/// then.
pub fn restore(location: &Location, request: &RestoreRequest<'_>) -> Result<Restored, StoreError> {
    let Location::Sqlite(path) = location else { return Err(not_a_file(location)) };
    connection::gate(&location.to_string())?;
    at(path, restore_file(path, request))
}

fn restore_file(path: &Path, request: &RestoreRequest<'_>) -> Outcome<Restored> {
    let mut path = files::real_path(path)?;
    let here = path.display().to_string();
    let refused =
        |why: &str| Failure::from(StoreError::Refused { location: here.clone(), why: why.to_owned() });
    let present = match files::look(&path)? {
        Found::Content => {
            let options = OpenOptions { clock: Arc::clone(&request.clock), read_only: false, create: false };
            let store = SqliteStore::open(&Location::file(&path), &options)?;
            store.refuse_newer()?;
            store.refuse_held()?;
            Some(store)
        }
        Found::Empty => return Err(refused("the file is empty; remove it to restore into its place")),
        Found::Nothing if files::size_of(&files::beside(&path, "-wal")) > 0 => {
            return Err(refused("the database is gone and its log is still there; put both away first"));
        }
        Found::Nothing => {
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                files::make_private_dirs(parent)?;
            }
            path = files::real_path(&path)?;
            None
        }
    };
    files::remove_left(&path, LEFT);
    let temporary = files::beside(&path, &format!("{LEFT}{}", std::process::id()));
    let done = fetch(&temporary, request).and_then(|()| {
        let kept = match &present {
            Some(store) => Some(store.backup_create(request.keep)?),
            None => None,
        };
        let operation = prepare(&temporary, present.as_ref(), kept.as_ref(), request)?;
        match (&present, &kept) {
            (Some(store), Some(kept)) => carry_over(store, &temporary, kept)?,
            _ => put(&temporary, &path)?,
        }
        Ok(Restored { kept, operation })
    });
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let _ = files::remove(&files::beside(&temporary, suffix));
    }
    done
}

/// Copies the copy, and checks what will be used and not what it was made from.
fn fetch(temporary: &Path, request: &RestoreRequest<'_>) -> Outcome<()> {
    files::remove(temporary).map_err(failed("could not remove", temporary))?;
    let from = File::open(request.from).map_err(failed("could not read", request.from))?;
    let mut to =
        files::private().create_new(true).open(temporary).map_err(failed("could not create", temporary))?;
    read_through(from, |bytes| to.write_all(bytes)).map_err(failed("could not copy", request.from))?;
    // What is wrong with the copy is said with its own name.
    at(request.from, verified(temporary, request.from, Arc::clone(&request.clock)))?;
    let older = match schema::look(&connection::immutable(temporary)?)? {
        schema::State::Older(found) => Some(found),
        _ => None,
    };
    older.map_or(Ok(()), |found| schema::upgrade(temporary, found))
}

/// Makes the fetched copy what will be seen: nobody holds anything, every fence is new, and the log tells of it.
fn prepare(
    temporary: &Path,
    present: Option<&SqliteStore>,
    kept: Option<&BackupInfo>,
    request: &RestoreRequest<'_>,
) -> Outcome<u64> {
    let known = match present {
        Some(store) => store.fences()?,
        None => Vec::new(),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(temporary, flags)?;
    conn.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(()))?;
    let txn = conn.transaction()?;
    for (id, fence) in known {
        txn.execute("UPDATE stacks SET fence = ?2 WHERE id = ?1 AND fence < ?2", params![id, fence])?;
    }
    txn.execute("UPDATE stacks SET fence = fence + ?1", [FENCES])?;
    txn.execute("DELETE FROM leases", [])?;
    txn.execute("DELETE FROM waiters", [])?;
    if present.is_some() {
        // Whoever has just committed to the database that was here raises its mark late, and not that of another lineage.
        let lineage = schema::lineage(&*request.clock);
        txn.execute("UPDATE meta SET value = ?1 WHERE key = 'lineage'", [lineage])?;
    }
    let undo = match kept {
        Some(kept) => serde_json::json!({ "kept": kept.location }),
        None => serde_json::Value::Null,
    };
    let entry = operations::Entry {
        at: request.clock.now(),
        actor: request.actor,
        verb: "backup restore",
        arguments: request.arguments,
        stack: None,
        before: None,
        after: None,
        record: OperationRecord { undo, undoes: None },
    };
    let (seq, ..) = operations::append((&*txn).into(), entry)?;
    txn.commit()?;
    Ok(seq)
}

fn position(conn: &Connection) -> Outcome<(String, u64, Digest)> {
    let (lineage, seq) = mark::position(conn.into())?;
    let sql = "SELECT hash FROM operations WHERE seq = ?1";
    let hash: Option<[u8; 32]> = conn.query_row(sql, [seq], |row| row.get(0)).optional()?;
    let hash = hash.map_or(Ok(Digest::ZERO), |bytes| crate::session::digest_of(&bytes))?;
    Ok((lineage, seq, hash))
}

/// Everything in one transaction of the database that is there.
fn carry_over(store: &SqliteStore, temporary: &Path, kept: &BackupInfo) -> Outcome<()> {
    let path = store.path();
    let busy = |why: &str| {
        Failure::from(StoreError::Busy { location: path.display().to_string(), why: why.to_owned() })
    };
    let source = connection::immutable(temporary)?;
    let (lineage, seq, hash) = position(&source)?;
    let mut writer = Writer::open(path)?;
    writer.keep_a_log(path)?;
    {
        let backup = Backup::new(&source, &mut writer.conn)?;
        let locked = "another process is writing; nothing was changed";
        // No pages yet, only the lock: what nobody can change any more is compared with what was kept.
        if matches!(backup.step(0)?, StepResult::Busy | StepResult::Locked) {
            return Err(busy(locked));
        }
        store.refuse_held()?;
        let last = store.view()?.operation_list(1)?.into_iter().next();
        if last.map(|o| o.hash) != kept.last.as_ref().map(|o| o.hash) {
            return Err(busy("somebody changed it while it was copied; nothing was changed"));
        }
        // A mark that is missing proves nothing; the old one would contradict the database after a crash in between.
        let marked = mark::read(path);
        files::remove(&mark::path_of(path)).map_err(failed("could not remove", &mark::path_of(path)))?;
        let done = loop {
            match backup.step(PAGES_PER_STEP) {
                Ok(StepResult::Done) => break Ok(()),
                Ok(StepResult::More) => {}
                Ok(_) => break Err(busy(locked)),
                Err(error) => break Err(error.into()),
            }
        };
        if let Err(failure) = done {
            if let Ok(Some(Ok(old))) = marked {
                let _ = mark::place(path, &old.lineage, old.seq, &old.hash);
            }
            return Err(failure);
        }
    }
    mark::place(path, &lineage, seq, &hash)?;
    // The log holds the whole database now; failing to shorten it is harmless.
    let _ = writer.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    Ok(())
}

/// Where there was no database.
fn put(temporary: &Path, path: &Path) -> Outcome<()> {
    let (lineage, seq, hash) = position(&connection::immutable(temporary)?)?;
    files::remove(&mark::path_of(path)).map_err(failed("could not remove", &mark::path_of(path)))?;
    files::install_new(temporary, path).map_err(failed("could not put the copy at", path))?;
    mark::place(path, &lineage, seq, &hash)
}
