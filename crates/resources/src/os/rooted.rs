//! The real system below a directory, for tests: `/etc/motd` is `<root>/etc/motd`. Commands are not confined. Users and
//! groups are those of the directory when it has an `/etc/passwd`, and otherwise those of the host.

use std::ffi::OsString;
use std::sync::Arc;

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;

use super::names::{self, Names};
use super::real::Real;
use super::{Accounts, Cache, Entry, Expect, Look, Meta, OsError, Put, Rights, Touch, Want};

/// The real system below a directory.
pub struct Rooted {
    root: String,
    inner: Real,
    names: Below,
}

/// The accounts of a directory.
struct Below {
    root: String,
    host: Names,
}

impl Below {
    /// A file of the directory, if the directory has accounts of its own.
    fn file(&self, name: &str) -> Option<String> {
        std::fs::symlink_metadata(format!("{}/etc/passwd", self.root)).ok()?;
        let text = std::fs::read(format!("{}/etc/{name}", self.root)).unwrap_or_default();
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Accounts for Below {
    fn user_name(&self, uid: u32) -> Arc<str> {
        match self.file("passwd") {
            Some(text) => names::name_listed(&text, uid).unwrap_or_else(|| Arc::from(uid.to_string())),
            None => self.host.user_name(uid),
        }
    }
    fn group_name(&self, gid: u32) -> Arc<str> {
        match self.file("group") {
            Some(text) => names::name_listed(&text, gid).unwrap_or_else(|| Arc::from(gid.to_string())),
            None => self.host.group_name(gid),
        }
    }
    fn user_id(&self, name: &str) -> Option<u32> {
        match self.file("passwd") {
            Some(text) => names::id_listed(&text, name).or_else(|| name.parse().ok()),
            None => self.host.user_id(name),
        }
    }
    fn group_id(&self, name: &str) -> Option<u32> {
        match self.file("group") {
            Some(text) => names::id_listed(&text, name).or_else(|| name.parse().ok()),
            None => self.host.group_id(name),
        }
    }
}

impl Rooted {
    /// Below this directory, which has no `/` at its end.
    #[must_use]
    pub fn new(root: impl Into<String>) -> Self {
        let root = root.into();
        let names = Below { root: root.clone(), host: Names::default() };
        Self { root, inner: Real::new(), names }
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
        &self.names
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
    fn lock(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        self.inner.lock(&self.path(path))
    }
    fn lock_beside(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        self.inner.lock_beside(&self.path(path))
    }
    fn settle(&self) -> Result<(), OsError> {
        self.inner.settle()
    }
}
