//! Holding a stack's lease while a verb works: renewed in the background, checked before every step.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use sloth_core::clock::Clock;
use sloth_core::id::{LockId, StackId};
use sloth_core::lease::{Fence, Lease, LeaseError, LeaseKind, LeaseRequest};
use sloth_core::store::Store;

use crate::context::Context;

/// The lease was lost; nothing more may be done to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease on this stack was lost")]
pub struct LeaseLost;

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    lease: Mutex<State>,
    wake: Condvar,
}

struct State {
    lease: Lease,
    lost: bool,
    done: bool,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn renew(&self, state: &mut State) -> bool {
        match self.store.leases().renew(&state.lease) {
            Ok(lease) => {
                state.lease = lease;
                true
            }
            Err(LeaseError::Lost | LeaseError::NotLocked) => {
                state.lost = true;
                false
            }
            // The store is in trouble; the lease lives on until its end, which `check` watches.
            Err(_) => false,
        }
    }
}

/// A lease that is being held. Dropping it gives the lease back.
pub struct HeldLease {
    shared: Arc<Shared>,
    keeper: Option<std::thread::JoinHandle<()>>,
}

impl HeldLease {
    /// Takes the process lease of a stack, queueing as long as the context allows.
    ///
    /// # Errors
    /// Somebody else holds it, or the store failed.
    pub fn take(ctx: &Context, stack: &StackId, operation: &str) -> Result<Self, LeaseError> {
        let request = LeaseRequest {
            stack: stack.clone(),
            kind: LeaseKind::Process,
            actor: ctx.actor.clone(),
            operation: operation.to_owned(),
            reason: String::new(),
            ttl: ctx.lease_ttl,
            presents: ctx.presents.clone(),
            wait: ctx.lock_wait,
            most: ctx.most_runs.filter(|_| LeaseRequest::is_run(operation)),
        };
        let stop = ctx.stop.clone();
        let lease = ctx.store.leases().acquire(&request, &|| stop.asked())?;
        let shared = Arc::new(Shared {
            store: Arc::clone(&ctx.store),
            clock: Arc::clone(&ctx.clock),
            lease: Mutex::new(State { lease, lost: false, done: false }),
            wake: Condvar::new(),
        });
        let mine = Arc::clone(&shared);
        let keeper = std::thread::Builder::new().name("lease".to_owned()).spawn(move || keep(&mine)).ok();
        Ok(Self { shared, keeper })
    }

    /// Id and fence for an intent.
    #[must_use]
    pub fn proof(&self) -> (LockId, Fence) {
        let state = self.shared.state();
        (state.lease.id.clone(), state.lease.fence)
    }

    /// Asked before every step: is there enough time left to begin one? Renews at once when there is not.
    ///
    /// # Errors
    /// The lease is gone.
    pub fn check(&self) -> Result<(), LeaseLost> {
        let mut state = self.shared.state();
        if state.lost {
            return Err(LeaseLost);
        }
        let quarter = i64::try_from(state.lease.ttl.as_nanos() / 4).unwrap_or(i64::MAX);
        if self.shared.clock.boottime() < state.lease.expires_boot.saturating_sub(quarter) {
            return Ok(());
        }
        if self.shared.renew(&mut state) { Ok(()) } else { Err(LeaseLost) }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        let lease = {
            let mut state = self.shared.state();
            state.done = true;
            (!state.lost).then(|| state.lease.clone())
        };
        self.shared.wake.notify_all();
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        if let Some(lease) = lease {
            // What cannot be given back ends by itself.
            let _ = self.shared.store.leases().release(&lease);
        }
    }
}

fn keep(shared: &Shared) {
    let mut state = shared.state();
    while !state.done && !state.lost {
        let pause = (state.lease.ttl / 3).max(Duration::from_millis(20));
        let (next, timeout) = shared.wake.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
        state = next;
        if timeout.timed_out() && !state.done {
            shared.renew(&mut state);
        }
    }
}
