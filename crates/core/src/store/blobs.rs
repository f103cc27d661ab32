use super::{StoreError, Wait};
use crate::digest::{Blob, Digest};

/// Contents by digest: compressed, stored once, verified when read.
pub trait Blobs: Send + Sync {
    /// Keeps contents; those already there cost nothing.
    ///
    /// # Errors
    /// The store failed; none were kept.
    fn put(&self, blobs: &[Blob], wait: Wait) -> Result<(), StoreError>;
    /// Reads one; `None` when it was never kept.
    ///
    /// # Errors
    /// The store failed, or what it holds does not have this digest.
    fn get(&self, digest: &Digest) -> Result<Option<Blob>, StoreError>;
    /// Is it there?
    ///
    /// # Errors
    /// The store failed.
    fn has(&self, digest: &Digest) -> Result<bool, StoreError>;
}
