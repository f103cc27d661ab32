use super::{StoreError, VersionAt};
use crate::id::StackId;
use crate::upstream::Upstream;

/// Reads what stacks need of each other.
pub trait ReadUpstreams {
    /// The stacks one stack needs, by id; pending ones are seen inside a transaction only.
    ///
    /// # Errors
    /// The store failed.
    fn upstream_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Upstream>, StoreError>;
    /// What all stacks that are not deleted need at their sealed heads: each with the id of the stack that needs it, by
    /// both ids. What is needed may be deleted.
    ///
    /// # Errors
    /// The store failed.
    fn upstream_all(&self) -> Result<Vec<(StackId, Upstream)>, StoreError>;
}

/// Writes what the transaction's stack needs of others, into its pending version.
pub trait WriteUpstreams {
    /// Inserts or replaces one.
    ///
    /// # Errors
    /// The store failed.
    fn upstream_put(&mut self, upstream: &Upstream) -> Result<(), StoreError>;
    /// Removes one. Returns whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn upstream_remove(&mut self, id: &StackId) -> Result<bool, StoreError>;
}
