//! Stand-ins for programs, in front of any system.

use std::ffi::OsString;
use std::sync::Arc;

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;
use sloth_resources::os::{Accounts, Cache, Entry, Expect, Look, Meta, OsError, Put, Rights, Touch, Want};

/// Programs that keep what they know in files of the system they stand in front of.
pub trait Programs: Send + Sync {
    /// Runs a command; `None` when it is another program.
    fn answer(&self, os: &dyn Touch, command: &Command) -> Option<CommandOutput>;
}

/// A system with such programs.
pub struct Front<P> {
    pub inner: Arc<dyn Touch>,
    pub programs: P,
}

/// What a program left.
pub fn exit(exit_code: i32, stdout: String, stderr: &str) -> CommandOutput {
    CommandOutput { exit_code, stdout, stderr: stderr.to_owned(), timed_out: false }
}

impl<P: Programs> Look for Front<P> {
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
        self.programs.answer(&*self.inner, command).map_or_else(|| self.inner.query(command), Ok)
    }
}

impl<P: Programs> Touch for Front<P> {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        self.inner.put(path, put)
    }
    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        self.inner.mkdir(path, rights)
    }
    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        self.inner.link(path, target, rights, expect)
    }
    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        self.inner.rights(path, rights, expect, follow)
    }
    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.inner.remove(path, expect)
    }
    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        self.inner.remove_tree(path, expect)
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
        self.programs.answer(&*self.inner, command).map_or_else(|| self.inner.run(command, watch), Ok)
    }
    fn settle(&self) -> Result<(), OsError> {
        self.inner.settle()
    }
}
