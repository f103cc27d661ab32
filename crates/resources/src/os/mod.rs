//! The machine underneath: [`Look`] reads it, [`Touch`] changes it.
//!
//! Resource types are written against these two ports and nothing else, so that the same code runs on the real system
//! ([`real`]), in memory ([`memory`]), below a directory ([`rooted`]), and as a rehearsal that reads the real system and
//! keeps its effects to itself ([`overlay`]). [`traced`] and [`faulty`] stand in front of any of them, by way of [`around`].

pub mod acting;
pub mod around;
mod cache;
pub mod command;
pub mod faulty;
pub mod http;
mod litter;
pub mod memory;
pub mod names;
pub mod overlay;
pub mod place;
pub mod real;
pub mod rooted;
pub mod traced;
mod xattr;

use std::ffi::OsString;
use std::sync::Arc;

pub use cache::Cache;

use sloth_core::command::{Command, CommandOutput};
use sloth_core::digest::Digest;
use sloth_core::machine::{ApplyError, Watch};
use sloth_core::observed::ProbeError;

/// Mode of a new file when nobody asks for another: independent of the umask, so that it can be predicted.
pub const DEFAULT_FILE_MODE: u32 = 0o644;
/// Mode of a new directory when nobody asks for another.
pub const DEFAULT_DIRECTORY_MODE: u32 = 0o755;

/// Why the machine did not do, or did not show, something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OsError {
    /// The system said no.
    #[error("{what}: {why}")]
    Failed {
        /// What was tried, as in «reading `/etc/motd`».
        what: String,
        /// The system's words.
        why: String,
        /// Error number, when there was one.
        errno: Option<i32>,
    },
    /// We said no, because it would not be safe.
    #[error("{what}: {why}")]
    Refused {
        /// What was to be done.
        what: String,
        /// Why not, and what would help.
        why: String,
    },
    /// It is not as it was when the decision was made.
    #[error("`{0}` changed while this was going on")]
    Moved(String),
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl OsError {
    /// The system said no.
    #[must_use]
    pub fn errno(what: impl Into<String>, errno: rustix::io::Errno) -> Self {
        Self::Failed { what: what.into(), why: words(errno), errno: Some(errno.raw_os_error()) }
    }
    /// The system said no, in words.
    #[must_use]
    pub fn failed(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), why: why.to_string(), errno: None }
    }
    /// We said no.
    #[must_use]
    pub fn refused(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), why: why.into() }
    }
    /// Did the system answer with this error number?
    #[must_use]
    pub fn is(&self, errno: rustix::io::Errno) -> bool {
        matches!(self, Self::Failed { errno: Some(n), .. } if *n == errno.raw_os_error())
    }
}

/// The system's words without its number.
fn words(errno: rustix::io::Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

impl From<OsError> for ProbeError {
    fn from(error: OsError) -> Self {
        match error {
            OsError::Failed { what, why, .. } | OsError::Refused { what, why } => {
                Self::new(what.strip_prefix("reading ").unwrap_or(&what), why)
            }
            OsError::Moved(path) => Self::new(format!("`{path}`"), "it changed while it was being read"),
            OsError::Cancelled => Self::new("it", "cancelled"),
        }
    }
}

impl From<OsError> for ApplyError {
    fn from(error: OsError) -> Self {
        match error {
            OsError::Failed { what, why, .. } | OsError::Refused { what, why } => Self::failed(what, why),
            OsError::Moved(path) => Self::Moved(format!("`{path}`")),
            OsError::Cancelled => Self::Cancelled,
        }
    }
}

/// What sort of thing is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe.
    Other,
}

/// Who it is: changes whenever the thing at a path was replaced, written or had its attributes changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Time of the last change of inode or content, in nanoseconds.
    pub changed: i128,
    /// Length.
    pub size: u64,
}

/// What the file system says about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Sort.
    pub sort: Sort,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Number of names.
    pub links: u64,
    /// Who it is.
    pub stamp: Stamp,
}

/// How much of an [`Entry`] is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Digest of files up to this length; 0 means none.
    pub content_up_to: u64,
    /// Look at what a link points to instead of at the link.
    pub follow: bool,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the file system says.
    pub meta: Meta,
    /// Digest of the content, when wanted and a file.
    pub content: Option<Digest>,
    /// Where a link points to.
    pub target: Option<String>,
}

/// Users and groups of a machine.
pub trait Accounts: Send + Sync {
    /// Name of a user id, or its number as text.
    fn user_name(&self, uid: u32) -> Arc<str>;
    /// Name of a group id, or its number as text.
    fn group_name(&self, gid: u32) -> Arc<str>;
    /// Id of a user name; digits are taken as an id.
    fn user_id(&self, name: &str) -> Option<u32>;
    /// Id of a group name; digits are taken as an id.
    fn group_id(&self, name: &str) -> Option<u32>;
}

/// Reads a machine. Changes nothing.
pub trait Look: Send + Sync {
    /// What is at an absolute path; `None` when nothing is.
    ///
    /// # Errors
    /// It cannot be told.
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError>;
    /// The content of a regular file; `None` when nothing is there. Links another user could have put on the way are
    /// refused, so that nobody has us show what only we may read.
    ///
    /// # Errors
    /// It cannot be read, is not a file or is longer than `limit`.
    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError>;
    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// It cannot be read.
    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError>;
    /// Users and groups of this machine.
    fn accounts(&self) -> &dyn Accounts;
    /// Who we are: effective user and group.
    fn identity(&self) -> (u32, u32);
    /// Runs a command that promises to change nothing.
    ///
    /// # Errors
    /// It could not be started.
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError>;
    /// Seconds since 1970 on this machine, for names of backups.
    fn now(&self) -> u64;
    /// What was read from files of this machine and is worth keeping until they change.
    fn cache(&self) -> &Cache;
}

/// What has to be at a path for an effect to go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Nothing,
    /// Exactly this.
    This(Stamp),
    /// Whatever.
    Whatever,
}

/// Owner, group and mode to bring about; what is `None` stays, or gets its default when new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// How to write a file.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// What goes into it.
    pub content: &'a [u8],
    /// Owner, group, mode.
    pub rights: Rights,
    /// What has to be there.
    pub expect: Expect,
    /// Wait for the disk even though the file is new.
    pub durable: bool,
    /// Write through a link in the last component, when every link on the way can be trusted.
    pub follow: bool,
    /// Write into the existing file instead of replacing it. Not atomic; the only way for hard links and mount points.
    pub in_place: bool,
    /// Keep the replaced file under this name, in the same directory.
    pub backup: Option<&'a str>,
    /// Command with `%s` that must succeed on the new file before it goes live.
    pub validate: Option<&'a str>,
}

impl<'a> Put<'a> {
    /// A new file.
    #[must_use]
    pub const fn new(content: &'a [u8], rights: Rights) -> Self {
        Self {
            content,
            rights,
            expect: Expect::Nothing,
            durable: true,
            follow: false,
            in_place: false,
            backup: None,
            validate: None,
        }
    }
}

/// Changes a machine. Every method either does all of what it says or reports an error.
pub trait Touch: Look {
    /// Writes a file so that no reader ever sees half of it, and no wider rights than asked.
    ///
    /// # Errors
    /// See [`OsError`]; nothing was changed.
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError>;
    /// Makes a directory where nothing is.
    ///
    /// # Errors
    /// See [`OsError`]; nothing was changed.
    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError>;
    /// Makes a link, replacing a file or link when `expect` says that one is there. Its mode means nothing.
    ///
    /// # Errors
    /// See [`OsError`]; nothing was changed.
    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError>;
    /// Changes owner, group and mode of what is there.
    ///
    /// # Errors
    /// See [`OsError`]. Some of the three may have been changed.
    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError>;
    /// Removes a file, link or empty directory.
    ///
    /// # Errors
    /// See [`OsError`]; nothing was changed.
    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError>;
    /// Removes a directory and all that is below it, without leaving its file system or following a link.
    ///
    /// # Errors
    /// See [`OsError`]; some of it may be gone.
    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError>;
    /// Runs a command.
    ///
    /// # Errors
    /// It could not be started, or this is a rehearsal.
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError>;
    /// Makes directory entries durable.
    ///
    /// # Errors
    /// The disk failed.
    fn settle(&self) -> Result<(), OsError>;
    /// Removes what a process that died while it wrote at this path left beside it. Failing is harmless.
    fn tidy(&self, _path: &str) {}
    /// Keeps other programs that ask for the same lock file out until what it returns is dropped; waits for them a
    /// while. Changes nothing but the file itself, which is made when it is missing.
    ///
    /// # Errors
    /// Somebody else holds it, or it cannot be made.
    fn lock(&self, _path: &str) -> Result<Box<dyn Send>, OsError> {
        Ok(Box::new(()))
    }
    /// Keeps other runs of this program that change files of a directory by way of this method out until what it returns
    /// is dropped; waits for them a while. `path` is one of the files, which need not be there.
    ///
    /// # Errors
    /// Somebody else holds it, or the directory is missing.
    fn lock_beside(&self, _path: &str) -> Result<Box<dyn Send>, OsError> {
        Ok(Box::new(()))
    }
    /// Are effects only imagined? Then commands do not run, and types predict what they would have done.
    fn rehearsing(&self) -> bool {
        false
    }
}

/// The directory and the last name of an absolute path, or a refusal.
///
/// # Errors
/// The path is not absolute, ends in `/` or `..`, or is `/`.
pub fn split(path: &str) -> Result<(&str, &str), OsError> {
    let refuse = |why| OsError::refused(format!("using `{path}`"), why);
    let (parent, name) = match path.rsplit_once('/') {
        _ if !path.starts_with('/') => return Err(refuse("it is not an absolute path")),
        Some((_, "" | "." | "..")) => return Err(refuse("it does not end in a name")),
        Some(("", name)) => ("/", name),
        Some(pair) => pair,
        None => return Err(refuse("it is not an absolute path")),
    };
    Ok((parent, name))
}
