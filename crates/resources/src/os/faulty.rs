//! Fails at the k-th effect, before it or right after it, for tests that stop everywhere.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;

use super::{Accounts, Cache, Entry, Expect, Look, Meta, OsError, Put, Rights, Touch, Want};

/// When an effect fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// It does not happen.
    Before,
    /// It happens, and is reported as failed: the answer got lost.
    After,
}

/// Any machine, one of whose effects fails.
pub struct Faulty {
    inner: Arc<dyn Touch>,
    fails: Fails,
    left: AtomicUsize,
}

impl Faulty {
    /// The effect number `at` (counted from 0) fails; the others work.
    #[must_use]
    pub fn new(inner: Arc<dyn Touch>, fails: Fails, at: usize) -> Self {
        Self { inner, fails, left: AtomicUsize::new(at) }
    }
    /// Has it failed by now?
    #[must_use]
    pub fn failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) == usize::MAX
    }
    fn effect<T>(&self, what: &str, act: impl FnOnce() -> Result<T, OsError>) -> Result<T, OsError> {
        let now = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            usize::MAX => None,
            left => Some(left.wrapping_sub(1)),
        });
        let error = || Err(OsError::failed(what, "injected failure"));
        match (now, self.fails) {
            (Ok(0), Fails::Before) => error(),
            (Ok(0), Fails::After) => act().and_then(|_| error()),
            _ => act(),
        }
    }
}

impl Look for Faulty {
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        self.inner.entry(path, want)
    }
    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        self.inner.read(path, limit, follow)
    }
    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError> {
        self.inner.list(path)
    }
    fn accounts(&self) -> &dyn Accounts {
        self.inner.accounts()
    }
    fn identity(&self) -> (u32, u32) {
        self.inner.identity()
    }
    fn now(&self) -> u64 {
        self.inner.now()
    }
    fn cache(&self) -> &Cache {
        self.inner.cache()
    }
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError> {
        self.inner.query(command)
    }
}

impl Touch for Faulty {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        self.effect("put", || self.inner.put(path, put))
    }
    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        self.effect("mkdir", || self.inner.mkdir(path, rights))
    }
    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        self.effect("link", || self.inner.link(path, target, rights, expect))
    }
    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        self.effect("rights", || self.inner.rights(path, rights, expect, follow))
    }
    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.effect("remove", || self.inner.remove(path, expect))
    }
    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.effect("remove_tree", || self.inner.remove_tree(path, expect))
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
        self.effect("run", || self.inner.run(command, watch))
    }
    fn tidy(&self, path: &str) {
        self.inner.tidy(path);
    }
    fn settle(&self) -> Result<(), OsError> {
        self.effect("settle", || self.inner.settle())
    }
    fn lock(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        self.inner.lock(path)
    }
    fn rehearsing(&self) -> bool {
        self.inner.rehearsing()
    }
}
