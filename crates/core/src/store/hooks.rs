use std::time::Duration;

use super::StoreError;
use crate::hook::{Attempt, Delivery, Hook, HookState, Verdict};

/// Reads hooks.
pub trait ReadHooks {
    /// All of them, by name.
    ///
    /// # Errors
    /// The store failed.
    fn hook_list(&self) -> Result<Vec<HookState>, StoreError>;
    /// Attempts of one hook, or of all, the newest `limit` of them, oldest first. `limit` 0 means all that are kept.
    ///
    /// # Errors
    /// The store failed.
    fn hook_attempts(&self, hook: Option<&str>, limit: u64) -> Result<Vec<Attempt>, StoreError>;
}

/// Writes hooks, and what becomes of deliveries. [`WriteEvents::event_append`](super::WriteEvents::event_append) is what
/// makes deliveries: one for every enabled hook that wants the event.
pub trait WriteHooks {
    /// Makes a hook, or changes the one of this name.
    ///
    /// # Errors
    /// The store failed.
    fn hook_put(&mut self, hook: &Hook) -> Result<(), StoreError>;
    /// Removes a hook with its deliveries; its attempts stay. Returns whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn hook_remove(&mut self, name: &str) -> Result<bool, StoreError>;
    /// The number of the newest delivery; 0 when there is none.
    ///
    /// # Errors
    /// The store failed.
    fn delivery_last(&mut self) -> Result<u64, StoreError>;
    /// Claims the oldest deliveries that are due, belong to enabled hooks and are not newer than `last`, for the actor
    /// of this transaction. Nobody else gets them before `lease` is over, unless this process is certainly gone.
    ///
    /// # Errors
    /// The store failed.
    fn delivery_claim(&mut self, last: u64, lease: Duration, limit: u64)
    -> Result<Vec<Delivery>, StoreError>;
    /// Ends a claim and keeps the attempt, if there was one. Returns false, and changes nothing, when the claim was lost.
    ///
    /// # Errors
    /// The store failed.
    fn delivery_end(
        &mut self,
        delivery: &Delivery,
        verdict: Verdict,
        attempt: Option<&Attempt>,
    ) -> Result<bool, StoreError>;
    /// Owes an event to a hook anew. Returns whether both exist.
    ///
    /// # Errors
    /// The store failed.
    fn delivery_add(&mut self, hook: &str, event: &str) -> Result<bool, StoreError>;
    /// Makes what was given up due again, of one hook or of all. Returns how many.
    ///
    /// # Errors
    /// The store failed.
    fn delivery_revive(&mut self, hook: Option<&str>) -> Result<u64, StoreError>;
}
