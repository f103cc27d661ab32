//! A machine in memory, for tests: an [`Overlay`] over nothing but an empty root directory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};

use sloth_core::command::{Command, CommandOutput};

use super::overlay::Overlay;
use super::{Accounts, Cache, Entry, Look, Meta, OsError, Sort, Stamp, Want};

/// A machine in memory.
pub type Memory = Overlay<Void>;

/// An empty root directory, two users and two groups (`root` and `nobody`), and commands that answer what they were told.
#[derive(Default)]
pub struct Void {
    answers: Mutex<BTreeMap<String, CommandOutput>>,
    cache: Cache,
}

impl Void {
    /// What a command answers from now on. Others end with 127.
    pub fn answer(&self, line: &str, output: CommandOutput) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(line.to_owned(), output);
    }
}

impl Overlay<Void> {
    /// An empty machine in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Arc::new(Void::default()), false)
    }
}

const NAMES: [(u32, &str); 2] = [(0, "root"), (65534, "nobody")];

fn name(id: u32) -> Arc<str> {
    NAMES.iter().find(|(i, _)| *i == id).map_or_else(|| Arc::from(id.to_string()), |(_, n)| Arc::from(*n))
}

fn id(name: &str) -> Option<u32> {
    NAMES.iter().find(|(_, n)| *n == name).map(|(i, _)| *i).or_else(|| name.parse().ok())
}

impl Accounts for Void {
    fn user_name(&self, uid: u32) -> Arc<str> {
        name(uid)
    }
    fn group_name(&self, gid: u32) -> Arc<str> {
        name(gid)
    }
    fn user_id(&self, name: &str) -> Option<u32> {
        id(name)
    }
    fn group_id(&self, name: &str) -> Option<u32> {
        id(name)
    }
}

impl Look for Void {
    fn entry(&self, path: &str, _: Want) -> Result<Option<Entry>, OsError> {
        let stamp = Stamp { dev: 0, ino: 0, changed: 0, size: 0 };
        let meta = Meta { sort: Sort::Directory, mode: 0o755, uid: 0, gid: 0, size: 0, links: 2, stamp };
        Ok((path == "/").then_some(Entry { meta, content: None, target: None }))
    }
    fn read(&self, _: &str, _: u64, _: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        Ok(None)
    }
    fn list(&self, _: &str) -> Result<Vec<OsString>, OsError> {
        Ok(Vec::new())
    }
    fn accounts(&self) -> &dyn Accounts {
        self
    }
    fn identity(&self) -> (u32, u32) {
        (0, 0)
    }
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(answers
            .get(&command.line)
            .cloned()
            .unwrap_or_else(|| CommandOutput { exit_code: 127, ..CommandOutput::default() }))
    }
    fn cache(&self) -> &Cache {
        &self.cache
    }
    fn now(&self) -> u64 {
        1_700_000_000
    }
}
