//! The port to memory: consistent views, transactions that carry a fence, leases, contents and the journal.
//!
//! *Versions are born in [`Txn::commit`] and nowhere else.* Rows written under a running operation belong to the stack's
//! *pending* version (head + 1) until a commit seals it; views show the sealed head only.

mod backups;
mod blobs;
mod drift;
mod events;
mod handlers;
mod hooks;
mod journal;
mod leases;
mod operations;
mod outputs;
mod resources;
mod runs;
mod stacks;
mod upstreams;
mod values;
mod versions;

pub use backups::{BackupInfo, Backups};
pub use blobs::Blobs;
pub use drift::{ReadDrift, WriteDrift};
pub use events::{EventFilter, ReadEvents, WriteEvents};
pub use handlers::{PendingHandler, ReadHandlers, WriteHandlers};
pub use hooks::{ReadHooks, WriteHooks};
pub use journal::Journal;
pub use leases::Leases;
pub use operations::{OperationRecord, ReadOperations};
pub use outputs::{ReadOutputs, WriteOutputs};
pub use resources::{ReadResources, WriteResources};
pub use runs::{ReadRuns, WriteRuns};
pub use stacks::{ReadStacks, StackMatch, WriteStacks};
pub use upstreams::{ReadUpstreams, WriteUpstreams};
pub use values::{ReadValues, WriteValues};
pub use versions::{ReadVersions, VersionAt, WriteVersions};

use crate::actor::Actor;
use crate::id::{LockId, OperationId, StackId};
use crate::lease::{Fence, LeaseInfo};
use crate::value::Value;
use crate::version::{Version, VersionNote};

/// The store itself failed. Nothing of the operation in question was kept unless it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another program keeps the database busy.
    #[error("the database `{location}` is busy: {why}")]
    Busy {
        /// Where.
        location: String,
        /// Who or what.
        why: String,
    },
    /// The disk failed, is full, or does not allow it.
    #[error("the database `{location}` cannot be used: {why}")]
    Io {
        /// Where.
        location: String,
        /// The system's words.
        why: String,
    },
    /// The connection was lost in the middle of a commit, and the server could not be asked what became of it.
    #[error(
        "the connection to the database `{location}` was lost while a change was being kept; whether it was kept is unknown"
    )]
    Unclear {
        /// Where.
        location: String,
    },
    /// It was written by a newer program.
    #[error(
        "the database `{location}` has schema {found}, this program knows {known}; it needs sloth-runner {needs} or newer"
    )]
    Newer {
        /// Where.
        location: String,
        /// Schema found.
        found: u64,
        /// Newest schema known.
        known: u64,
        /// Program version that wrote it.
        needs: String,
    },
    /// It is not ours, or its content contradicts itself.
    #[error("the database `{location}` is damaged: {what}")]
    Damaged {
        /// Where.
        location: String,
        /// What is wrong, and what was found intact.
        what: String,
    },
    /// It is older than what this host has already seen: something was lost or put back.
    #[error(
        "the database `{location}` is older than what this host has seen: it is at {found}, {seen} was acknowledged"
    )]
    Older {
        /// Where.
        location: String,
        /// Sequence found.
        found: u64,
        /// Sequence seen.
        seen: u64,
    },
    /// It may not be used here.
    #[error("the database `{location}` is refused: {why}")]
    Refused {
        /// Where.
        location: String,
        /// Why, and what to do instead.
        why: String,
    },
    /// A name that is taken, or an object that does not exist any more.
    #[error("{0}")]
    Conflict(String),
}

/// Why a transaction was not committed. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The stack moved on since the base of the transaction.
    #[error("the stack is at {head} now, this was made for {base}")]
    Stale {
        /// Base of the transaction.
        base: Version,
        /// Head now.
        head: Version,
    },
    /// The lease is not ours any more.
    #[error("the lease on this stack was lost{}", .holder.as_ref().map(|h| format!(" to `{}`", h.locked_by)).unwrap_or_default())]
    Fenced {
        /// Who holds it now.
        holder: Option<Box<LeaseInfo>>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does a commit wait for the disk?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Yes: it survives a power cut once it returns.
    Durable,
    /// No: it survives the death of every process, and reaches the disk with the next durable commit.
    Fast,
}

/// What a transaction is for.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Who.
    pub actor: Actor,
    /// The verb for the operation log.
    pub verb: String,
    /// Arguments for the operation log, secrets removed.
    pub arguments: Vec<String>,
    /// The stack whose rows it changes, with the lease that allows it. `None` for changes outside of stacks, for making
    /// a stack, and for deleting or renaming one (those take `stack` too).
    pub stack: Option<(StackId, LockId, Fence)>,
    /// The head it was made for; `None` accepts any.
    pub base: Option<Version>,
    /// Does its commit wait for the disk? Known beforehand, because a database cannot change its mind in the middle of a
    /// transaction.
    pub wait: Wait,
}

/// What a commit does besides making the rows visible to the next holder.
#[derive(Clone, Debug)]
pub enum Seal {
    /// The rows stay pending; no operation is logged.
    Pending,
    /// Log one operation; make no version. For changes outside of a stack's content.
    Operation(OperationRecord),
    /// Seal the pending version, if rows changed or the note says `always`, and log one operation.
    Version(VersionNote, OperationRecord),
}

/// What was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version that was sealed, if one was.
    pub version: Option<Version>,
    /// The operation that was logged, if one was.
    pub operation: Option<(u64, OperationId)>,
}

/// A consistent picture of everything that was sealed. Never waits for a writer.
pub trait View:
    ReadStacks
    + ReadResources
    + ReadOutputs
    + ReadUpstreams
    + ReadVersions
    + ReadRuns
    + ReadEvents
    + ReadValues
    + ReadDrift
    + ReadHandlers
    + ReadHooks
    + ReadOperations
{
}
impl<T> View for T where
    T: ReadStacks
        + ReadResources
        + ReadOutputs
        + ReadUpstreams
        + ReadUpstreams
        + ReadVersions
        + ReadRuns
        + ReadEvents
        + ReadValues
        + ReadDrift
        + ReadHandlers
        + ReadHooks
        + ReadOperations
        + ?Sized
{
}

/// The only way to change anything. Dropping it means nothing happened. Reads inside see what it wrote.
pub trait Txn:
    View
    + WriteStacks
    + WriteResources
    + WriteOutputs
    + WriteUpstreams
    + WriteRuns
    + WriteEvents
    + WriteValues
    + WriteDrift
    + WriteHandlers
    + WriteHooks
    + WriteVersions
{
    /// Keeps everything, or nothing. Checks fence and base in the same statement that moves the head.
    ///
    /// # Errors
    /// See [`CommitError`].
    fn commit(self: Box<Self>, seal: Seal) -> Result<Committed, CommitError>;
}

/// What is wrong with a store, as found by a check.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CheckFinding {
    /// Stable code, such as `chain-broken`.
    pub code: String,
    /// Does it make the store untrustworthy (true), or is it merely worth knowing?
    pub severe: bool,
    /// What was found and where.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// A place where everything is remembered.
pub trait Store: Send + Sync {
    /// For messages: a path or an URL without secrets.
    fn location(&self) -> String;
    /// A consistent picture of now.
    ///
    /// # Errors
    /// The store failed.
    fn view(&self) -> Result<Box<dyn View + '_>, StoreError>;
    /// Begins a change.
    ///
    /// # Errors
    /// The store failed or is read-only.
    fn begin(&self, intent: Intent) -> Result<Box<dyn Txn + '_>, StoreError>;
    /// Leases.
    fn leases(&self) -> &dyn Leases;
    /// Copies of everything.
    fn backups(&self) -> &dyn Backups;
    /// Has this object written events that some enabled hook might wait for? Costs nothing to ask.
    fn hooks_stirred(&self) -> bool;
    /// Leaves everything as the next process likes to find it. Dropping the store does so, too; whoever calls this may end
    /// the process without dropping it.
    fn rest(&self) {}
    /// Contents by digest.
    fn blobs(&self) -> &dyn Blobs;
    /// Steps of runs that have not reached a commit yet.
    fn journal(&self) -> &dyn Journal;
    /// Checks everything that can be checked: integrity, references, digests, chains, permissions. `deep` also reads
    /// every content.
    ///
    /// # Errors
    /// It cannot even be read.
    fn check(&self, deep: bool) -> Result<Vec<CheckFinding>, StoreError>;
    /// Facts about the store for `doctor` and `stats`: engine, versions, sizes, settings.
    ///
    /// # Errors
    /// It cannot be read.
    fn facts(&self) -> Result<Value, StoreError>;
}
