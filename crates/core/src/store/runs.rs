use super::StoreError;
use crate::id::{RunId, StackId};
use crate::run::Run;

/// Reads runs.
pub trait ReadRuns {
    /// Newest first. `limit` 0 means all.
    ///
    /// # Errors
    /// The store failed.
    fn run_list(&self, stack: &StackId, limit: u64) -> Result<Vec<Run>, StoreError>;
    /// One run.
    ///
    /// # Errors
    /// The store failed.
    fn run_get(&self, id: &RunId) -> Result<Option<Run>, StoreError>;
}

/// Writes runs of the transaction's stack.
pub trait WriteRuns {
    /// Inserts or replaces one.
    ///
    /// # Errors
    /// The store failed.
    fn run_put(&mut self, run: &Run) -> Result<(), StoreError>;
}
