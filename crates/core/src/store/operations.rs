use super::StoreError;
use crate::operation::Operation;
use crate::value::Value;

/// What the operation log shall remember besides the intent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperationRecord {
    /// What undoing needs besides versions.
    pub undo: Value,
    /// The operation this one undoes.
    pub undoes: Option<u64>,
}

/// Reads the operation log. Entries are written by commits only.
pub trait ReadOperations {
    /// Newest first. `limit` 0 means all.
    ///
    /// # Errors
    /// The store failed.
    fn operation_list(&self, limit: u64) -> Result<Vec<Operation>, StoreError>;
    /// One entry.
    ///
    /// # Errors
    /// The store failed.
    fn operation_get(&self, seq: u64) -> Result<Option<Operation>, StoreError>;
}
