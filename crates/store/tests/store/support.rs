//! Stores in directories of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sloth_core::clock::{Clock, FixedClock, Timestamp};
use sloth_store::{Location, OpenOptions, SqliteStore};
use sloth_testkit::store_laws::Fixture;

/// Where the tests' clocks begin.
pub const START: i64 = 1_700_000_000_000_000_000;

/// Options for a store that may be made.
pub fn options(clock: &Arc<FixedClock>) -> OpenOptions {
    OpenOptions { clock: Arc::clone(clock) as Arc<dyn Clock>, read_only: false, create: true }
}

/// A clock that stands.
pub fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(Timestamp::from_nanos(START)))
}

/// A directory, and the path of a database in it.
pub fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state").join("stacks.db");
    (dir, path)
}

/// A new SQLite store in a directory of its own.
pub fn fixture() -> Fixture {
    let (dir, path) = place();
    fixture_at(dir, &path)
}

/// The same in a given directory, which is kept as long as the store.
pub fn fixture_at(dir: tempfile::TempDir, path: &Path) -> Fixture {
    let path = path.to_owned();
    let clock = clock();
    let store = SqliteStore::open(&Location::file(&path), &options(&clock)).unwrap();
    let again = options(&clock);
    Fixture {
        store: Box::new(store),
        clock,
        reopen: Box::new(move || Box::new(SqliteStore::open(&Location::file(&path), &again).unwrap())),
        keep: Box::new(dir),
    }
}
