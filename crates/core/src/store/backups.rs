use std::path::Path;

use super::StoreError;
use crate::digest::Digest;
use crate::operation::Operation;
use crate::version::Version;

/// What is in a copy of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupInfo {
    /// Where.
    pub location: String,
    /// Bytes.
    pub size: u64,
    /// Of the whole file.
    pub digest: Digest,
    /// Was the digest compared with the one written down when the copy was made? False when there is none.
    pub sealed: bool,
    /// Stacks that are not deleted with their heads, by name.
    pub stacks: Vec<(String, Version)>,
    /// The last operation.
    pub last: Option<Operation>,
}

/// Makes copies of a whole store.
pub trait Backups {
    /// Copies everything, as it is now, to a file that appears whole and verified or not at all. Goes on while others
    /// read and write.
    ///
    /// # Errors
    /// There is something at that place, the copy could not be made or did not pass verification, or this kind of store
    /// cannot be copied.
    fn backup_create(&self, to: &Path) -> Result<BackupInfo, StoreError>;
}
