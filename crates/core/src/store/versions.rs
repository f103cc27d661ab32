use super::StoreError;
use crate::id::StackId;
use crate::version::{Snapshot, Version, VersionInfo};

/// Which point of a stack's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionAt {
    /// The newest.
    Head,
    /// A given one. Version 0 is the empty stack.
    Number(Version),
}

/// Reads versions. They are written by commits only.
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
