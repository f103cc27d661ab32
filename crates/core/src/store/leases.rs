use crate::actor::Actor;
use crate::id::{LockId, StackId};
use crate::lease::{Lease, LeaseError, LeaseInfo, LeaseRequest};

/// Leases on stacks. They live outside of transactions, because one lease spans many.
///
/// A stack has at most one process lease and one person's lock. Writing needs the process lease. While a person's lock
/// is held, only requests that present its id get the process lease. Waiters are served in the order in which they came;
/// a waiter that died does not hold the queue up. A holder that died on this host in this boot frees its lease at once.
pub trait Leases: Send + Sync {
    /// Takes a lease, waiting as long as the request says. `cancelled` is asked while waiting.
    ///
    /// # Errors
    /// [`LeaseError::Held`] with the holder and the queue, or [`LeaseError::Full`].
    fn acquire(&self, request: &LeaseRequest, cancelled: &dyn Fn() -> bool) -> Result<Lease, LeaseError>;
    /// Lengthens a lease by its ttl from now.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when it is not ours any more.
    fn renew(&self, lease: &Lease) -> Result<Lease, LeaseError>;
    /// Gives a process lease back. Giving back what is lost is no error.
    ///
    /// # Errors
    /// The store failed.
    fn release(&self, lease: &Lease) -> Result<(), LeaseError>;
    /// Gives a person's lock back, by its id, or by its owner's name when no id is given.
    ///
    /// # Errors
    /// [`LeaseError::NotLocked`] or [`LeaseError::NotOwner`].
    fn release_person(&self, stack: &StackId, id: Option<&LockId>, by: &str)
    -> Result<LeaseInfo, LeaseError>;
    /// Who holds a stack: the person's lock first, then the process lease. Ended ones are not listed.
    ///
    /// # Errors
    /// The store failed.
    fn status(&self, stack: &StackId) -> Result<Vec<LeaseInfo>, LeaseError>;
    /// Takes every lease of a stack away. The fence has grown before this returns, so no write of an old holder is
    /// accepted any more. Logged as an operation with its reason, and as an event.
    ///
    /// # Errors
    /// [`LeaseError::NotLocked`].
    fn force_release(&self, stack: &StackId, by: &Actor, reason: &str) -> Result<Vec<LeaseInfo>, LeaseError>;
}
