use super::StoreError;
use crate::clock::Timestamp;
use crate::id::StackId;

/// A handler that was notified and has not run yet.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PendingHandler {
    /// Name; there is at most one entry per name and stack.
    pub name: String,
    /// Address of the resource that queued it first.
    pub queued_by: String,
    /// When.
    pub queued_at: Timestamp,
}

/// Reads notified handlers.
pub trait ReadHandlers {
    /// In order of queueing.
    ///
    /// # Errors
    /// The store failed.
    fn handler_list(&self, stack: &StackId) -> Result<Vec<PendingHandler>, StoreError>;
}

/// Writes notified handlers of the transaction's stack. They are no part of a version.
pub trait WriteHandlers {
    /// Queues one; queueing it again changes nothing.
    ///
    /// # Errors
    /// The store failed.
    fn handler_queue(&mut self, handler: &PendingHandler) -> Result<(), StoreError>;
    /// It ran.
    ///
    /// # Errors
    /// The store failed.
    fn handler_done(&mut self, name: &str) -> Result<(), StoreError>;
}
