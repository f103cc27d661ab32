use super::StoreError;
use crate::id::StackId;
use crate::retention::Collected;
use crate::version::{Snapshot, Version, VersionInfo};

/// Which point of a stack's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionAt {
    /// The newest.
    Head,
    /// A given one. Version 0 is the empty stack.
    Number(Version),
}

/// Reads versions. They are written by commits only. Those that were removed are not there any more.
pub trait ReadVersions {
    /// Newest first. `limit` 0 means all.
    ///
    /// # Errors
    /// The store failed.
    fn version_list(&self, stack: &StackId, limit: u64) -> Result<Vec<VersionInfo>, StoreError>;
    /// One entry of the history.
    ///
    /// # Errors
    /// The store failed.
    fn version_get(&self, stack: &StackId, version: Version) -> Result<Option<VersionInfo>, StoreError>;
    /// The oldest that was not removed.
    ///
    /// # Errors
    /// The store failed.
    fn version_oldest(&self, stack: &StackId) -> Result<Option<VersionInfo>, StoreError>;
    /// The whole stack at one version; `None` when there is no such version.
    ///
    /// # Errors
    /// The store failed.
    fn version_snapshot(&self, stack: &StackId, version: Version) -> Result<Option<Snapshot>, StoreError>;
    /// Are there rows of a version that was never sealed, because its run died? (Also true while a run goes on.)
    ///
    /// # Errors
    /// The store failed.
    fn version_pending(&self, stack: &StackId) -> Result<bool, StoreError>;
}

/// Forgets versions of the transaction's stack. Their links stay, so the chain can be verified from the first one on.
pub trait WriteVersions {
    /// Removes versions; those that are removed already stay so. What they showed is kept until it is collected.
    ///
    /// # Errors
    /// One does not exist or is the newest, or the store failed.
    fn version_remove(&mut self, stack: &StackId, versions: &[Version]) -> Result<(), StoreError>;
    /// Brings removed versions back.
    ///
    /// # Errors
    /// What one showed was collected, in which case none came back; or the store failed.
    fn version_bring_back(&mut self, stack: &StackId, versions: &[Version]) -> Result<(), StoreError>;
    /// Takes away the old records of the stack that no version shows any more. There is no way back from it.
    ///
    /// # Errors
    /// The store failed.
    fn history_collect(&mut self, stack: &StackId) -> Result<Collected, StoreError>;
    /// Takes away the contents that no record, origin, step, finding or operation names any more, in any stack. `Err`
    /// inside names who keeps that from being done now: contents come before what names them, so nobody else may be at
    /// work.
    ///
    /// # Errors
    /// The store failed.
    fn contents_collect(&mut self) -> Result<Result<Collected, String>, StoreError>;
}
