use super::StoreError;
use crate::address::Address;
use crate::drift::{DriftIgnore, Finding};
use crate::id::StackId;

/// Reads drift findings.
pub trait ReadDrift {
    /// Findings of the newest detection, by address; empty when there was none.
    ///
    /// # Errors
    /// The store failed.
    fn drift_latest(&self, stack: &StackId) -> Result<Vec<Finding>, StoreError>;
    /// Every finding that is still known, oldest first; of one resource only, if one is named. What was seen the same in
    /// several looks is one finding, and what was clean is left out.
    ///
    /// # Errors
    /// The store failed.
    fn drift_history(&self, stack: &StackId, address: Option<&Address>) -> Result<Vec<Finding>, StoreError>;
    /// What is ignored in a stack, by address and attribute, a whole resource before its attributes. What has ended is
    /// left out.
    ///
    /// # Errors
    /// The store failed.
    fn drift_ignores(&self, stack: &StackId) -> Result<Vec<DriftIgnore>, StoreError>;
}

/// Writes drift findings of the transaction's stack. They are no part of a version.
pub trait WriteDrift {
    /// Stores the findings of one detection. One that goes on as the look before it saw it is counted there; earlier
    /// findings of resources that are clean now become resolved, by whoever looked.
    ///
    /// # Errors
    /// The store failed.
    fn drift_put(&mut self, stack: &StackId, findings: &[Finding]) -> Result<(), StoreError>;
    /// The open findings of these resources become resolved, by whoever writes: they are as recorded, or recorded as they
    /// are.
    ///
    /// # Errors
    /// The store failed.
    fn drift_resolve(&mut self, stack: &StackId, addresses: &[Address]) -> Result<(), StoreError>;
    /// From now on this is ignored, instead of whatever was ignored of the same resource and attribute.
    ///
    /// # Errors
    /// The store failed.
    fn drift_ignore_put(&mut self, stack: &StackId, ignore: &DriftIgnore) -> Result<(), StoreError>;
    /// It is not ignored any more. Returns whether it was; what has ended was not.
    ///
    /// # Errors
    /// The store failed.
    fn drift_ignore_remove(
        &mut self,
        stack: &StackId,
        address: &Address,
        attribute: Option<&str>,
    ) -> Result<bool, StoreError>;
}
