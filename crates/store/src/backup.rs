//! Copies of the whole database: through the library, verified, and visible under their name only when finished.

use std::path::Path;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use sloth_core::store::StoreError;

use crate::failure::{Failure, Outcome};
use crate::{connection, files, restore};

/// Pages copied before other users get a turn.
const PAGES_PER_STEP: i32 = 1024;

/// Between the name of a copy and the id of the process that makes it.
const PART: &str = ".part-";

/// Removes what those left who were killed while they made this copy: the unfinished copy, and the digest of a copy that
/// never came to be. Failing is harmless.
fn remove_left(to: &Path) {
    let left = files::remove_left(to, PART);
    // A digest alone that nobody was killed over is somebody's, and in the way.
    if left.removed && !left.alive {
        let _ = files::remove(&restore::seal_of(to));
    }
}

/// Copies the database at `from` to `to`, which must not exist.
pub fn take(from: &Path, to: &Path) -> Outcome<()> {
    take_and(from, to, |_| Ok(()))
}

/// The same, with its digest in a file beside it, which is there before the copy is.
pub fn take_sealed(from: &Path, to: &Path) -> Outcome<()> {
    let mut sealed = false;
    let done = take_and(from, to, |copy| restore::seal(copy, to).map(|()| sealed = true));
    if done.is_err() && sealed {
        let _ = files::remove(&restore::seal_of(to));
    }
    done
}

fn take_and(from: &Path, to: &Path, finished: impl FnOnce(&Path) -> Outcome<()>) -> Outcome<()> {
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(StoreError::Refused {
            location: to.display().to_string(),
            why: "there is a file already; nothing was written".to_owned(),
        }
        .into());
    }
    remove_left(to);
    let temporary = files::beside(to, &format!("{PART}{}", std::process::id()));
    let done = copy(from, &temporary).and_then(|()| finished(&temporary)).and_then(|()| {
        files::install_new(&temporary, to)
            .map_err(|e| Failure::File(format!("could not put the copy at `{}`", to.display()), e))
    });
    if done.is_err() {
        let _ = files::remove(&temporary);
    }
    for suffix in ["-wal", "-shm", "-journal"] {
        let _ = files::remove(&files::beside(&temporary, suffix));
    }
    done
}

fn copy(from: &Path, temporary: &Path) -> Outcome<()> {
    files::remove(temporary)
        .map_err(|e| Failure::File(format!("could not remove `{}`", temporary.display()), e))?;
    files::private()
        .create_new(true)
        .open(temporary)
        .map_err(|e| Failure::File(format!("could not create `{}`", temporary.display()), e))?;
    let source = connection::reader(from)?;
    let head = last_operation(&source)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(temporary, flags)?;
    {
        let backup = Backup::new(&source, &mut target)?;
        backup.run_to_completion(PAGES_PER_STEP, std::time::Duration::ZERO, None)?;
    }
    // A copy is one file: the mode that needs others beside it comes back when it is opened for work.
    let mode: String = target.query_row("PRAGMA journal_mode=DELETE", [], |row| row.get(0))?;
    drop(target);
    let copy = Connection::open_with_flags(temporary, flags)?;
    let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let broken = copy.prepare("PRAGMA foreign_key_check")?.query([])?.next()?.is_some();
    let copied = last_operation(&copy)?;
    if verdict != "ok" || broken || copied < head || mode != "delete" {
        return Err(Failure::bad(format!("the copy did not pass verification: {verdict}")));
    }
    Ok(())
}

fn last_operation(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT coalesce(max(seq), 0) FROM operations", [], |row| row.get(0))
}
