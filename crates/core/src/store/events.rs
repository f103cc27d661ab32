use super::StoreError;
use crate::clock::Timestamp;
use crate::event::{Event, Severity, StoredEvent};
use crate::id::{RunId, StackId};

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of one stack.
    pub stack: Option<StackId>,
    /// Of one type; `stack.*` matches a family.
    pub kind: Option<String>,
    /// Of one run.
    pub run: Option<RunId>,
    /// At least this weight.
    pub severity: Option<Severity>,
    /// After this sequence number (with `stack`).
    pub after: Option<u64>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// At most so many, newest; 0 means all.
    pub limit: u64,
}

/// Reads events.
///
/// Old ones can be cleaned up. What is left of a history is its end, without gaps: a reader who finds a first number
/// larger than expected knows up to where the rest was cleaned up.
pub trait ReadEvents {
    /// Matching events, oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn event_list(&self, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError>;
}

/// Writes events in the same instant as the change they report.
pub trait WriteEvents {
    /// Appends one to the history of a stack, or to the one of no stack.
    ///
    /// # Errors
    /// The store failed.
    fn event_append(&mut self, stack: Option<&StackId>, event: &Event) -> Result<(), StoreError>;
    /// Removes events from before a time, of one stack or of all histories. Of each history the newest stays, and so does
    /// everything from the first event on that a hook has not been given yet. Returns how many went.
    ///
    /// # Errors
    /// The store failed.
    fn event_clean(&mut self, stack: Option<&StackId>, before: Timestamp) -> Result<u64, StoreError>;
}
