//! The real system below a directory, for tests: `/etc/motd` is `<root>/etc/motd`. Commands are not confined.

use std::ffi::OsString;
use std::sync::Arc;

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;

use super::real::Real;
use super::{Accounts, Entry, Expect, Look, Meta, OsError, Put, Rights, Touch, Want};

/// The real system below a directory.
pub struct Rooted {
    root: String,
    inner: Real,
}

impl Rooted {
    /// Below this directory, which has no `/` at its end.
    #[must_use]
    pub fn new(root: impl Into<String>) -> Self {
        Self { root: root.into(), inner: Real::new() }
    }
    /// The real path.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        if path == "/" { self.root.clone() } else { format!("{}{path}", self.root) }
    }
}

impl Look for Rooted {
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        self.inner.entry(&self.path(path), want)
    }
    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        self.inner.read(&self.path(path), limit, follow)
    }
    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError> {
        self.inner.list(&self.path(path))
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
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError> {
        self.inner.query(command)
    }
}

impl Touch for Rooted {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        self.inner.put(&self.path(path), put)
    }
    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        self.inner.mkdir(&self.path(path), rights)
    }
    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        self.inner.link(&self.path(path), target, rights, expect)
    }
    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        self.inner.rights(&self.path(path), rights, expect, follow)
    }
    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.inner.remove(&self.path(path), expect)
    }
    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.inner.remove_tree(&self.path(path), expect)
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
        self.inner.run(command, watch)
    }
    fn tidy(&self, path: &str) {
        self.inner.tidy(&self.path(path));
    }
    fn settle(&self) -> Result<(), OsError> {
        self.inner.settle()
    }
}
