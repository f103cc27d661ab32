use super::{StoreError, VersionAt};
use crate::id::StackId;
use crate::output::Output;

/// Reads outputs.
pub trait ReadOutputs {
    /// All outputs of a stack, by name; pending ones are seen inside a transaction only.
    ///
    /// # Errors
    /// The store failed.
    fn output_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Output>, StoreError>;
}

/// Writes outputs of the transaction's stack, into its pending version.
pub trait WriteOutputs {
    /// Inserts or replaces one.
    ///
    /// # Errors
    /// The store failed.
    fn output_put(&mut self, output: &Output) -> Result<(), StoreError>;
    /// Removes one. Returns whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn output_remove(&mut self, name: &str) -> Result<bool, StoreError>;
}
