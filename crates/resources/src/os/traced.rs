//! Writes down every call, for tests that count them.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;

use super::{Accounts, Cache, Entry, Expect, Look, Meta, OsError, Put, Rights, Touch, Want};

/// Any machine, with a list of what was asked of it.
pub struct Traced {
    inner: Arc<dyn Touch>,
    calls: Mutex<Vec<String>>,
}

impl Traced {
    /// In front of a machine.
    #[must_use]
    pub fn new(inner: Arc<dyn Touch>) -> Self {
        Self { inner, calls: Mutex::default() }
    }
    /// What was asked since the last time, as `verb path`.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn note(&self, verb: &str, what: &str) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{verb} {what}"));
    }
}

impl Look for Traced {
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        self.note("entry", path);
        self.inner.entry(path, want)
    }
    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        self.note("read", path);
        self.inner.read(path, limit, follow)
    }
    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError> {
        self.note("list", path);
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
        self.note("query", &command.line);
        self.inner.query(command)
    }
}

impl Touch for Traced {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        self.note("put", path);
        self.inner.put(path, put)
    }
    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        self.note("mkdir", path);
        self.inner.mkdir(path, rights)
    }
    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        self.note("link", path);
        self.inner.link(path, target, rights, expect)
    }
    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        self.note("rights", path);
        self.inner.rights(path, rights, expect, follow)
    }
    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.note("remove", path);
        self.inner.remove(path, expect)
    }
    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.note("remove_tree", path);
        self.inner.remove_tree(path, expect)
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
        self.note("run", &command.line);
        self.inner.run(command, watch)
    }
    fn tidy(&self, path: &str) {
        self.note("tidy", path);
        self.inner.tidy(path);
    }
    fn settle(&self) -> Result<(), OsError> {
        self.note("settle", "everything");
        self.inner.settle()
    }
    fn lock(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        self.inner.lock(path)
    }
    fn rehearsing(&self) -> bool {
        self.inner.rehearsing()
    }
}
