//! Standing in front of a machine: what every such thing does with calls it does not care about.

use std::ffi::OsString;
use std::sync::Arc;

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;

use super::{Accounts, Cache, Entry, Expect, Look, Meta, OsError, Put, Rights, Touch, Want};

/// Something in front of a machine. It passes everything on, and may have a word in each of three things.
pub trait Around: Send + Sync {
    /// The machine behind it.
    fn inner(&self) -> &dyn Touch;
    /// Something is looked at: the verb, and the path or command line.
    fn looked(&self, _verb: &'static str, _what: &str) {}
    /// Something is changed. `act` does it.
    ///
    /// # Errors
    /// What `act` says, or another one.
    fn effect<T>(
        &self,
        _verb: &'static str,
        _what: &str,
        act: impl FnOnce() -> Result<T, OsError>,
    ) -> Result<T, OsError> {
        act()
    }
    /// Runs a command in the machine's stead; `None` when it is not one of its own.
    fn answer(&self, _command: &Command) -> Option<CommandOutput> {
        None
    }
}

impl<A: Around> Look for A {
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        self.looked("entry", path);
        self.inner().entry(path, want)
    }
    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        self.looked("read", path);
        self.inner().read(path, limit, follow)
    }
    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError> {
        self.looked("list", path);
        self.inner().list(path)
    }
    fn accounts(&self) -> &dyn Accounts {
        self.inner().accounts()
    }
    fn identity(&self) -> (u32, u32) {
        self.inner().identity()
    }
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError> {
        self.looked("query", &command.line);
        self.answer(command).map_or_else(|| self.inner().query(command), Ok)
    }
    fn now(&self) -> u64 {
        self.inner().now()
    }
    fn cache(&self) -> &Cache {
        self.inner().cache()
    }
}

impl<A: Around> Touch for A {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        self.effect("put", path, || self.inner().put(path, put))
    }
    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        self.effect("mkdir", path, || self.inner().mkdir(path, rights))
    }
    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        self.effect("link", path, || self.inner().link(path, target, rights, expect))
    }
    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        self.effect("rights", path, || self.inner().rights(path, rights, expect, follow))
    }
    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.effect("remove", path, || self.inner().remove(path, expect))
    }
    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.effect("remove_tree", path, || self.inner().remove_tree(path, expect))
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
        self.effect("run", &command.line, || {
            self.answer(command).map_or_else(|| self.inner().run(command, watch), Ok)
        })
    }
    fn settle(&self) -> Result<(), OsError> {
        self.effect("settle", "everything", || self.inner().settle())
    }
    fn tidy(&self, path: &str) {
        self.looked("tidy", path);
        self.inner().tidy(path);
    }
    fn lock(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        self.inner().lock(path)
    }
    fn lock_beside(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        self.inner().lock_beside(path)
    }
    fn rehearsing(&self) -> bool {
        self.inner().rehearsing()
    }
}
