//! What every verb needs: memory, machines, time, a listener, and who asks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sloth_core::actor::Actor;
use sloth_core::address::HostName;
use sloth_core::clock::Clock;
use sloth_core::event::Severity;
use sloth_core::id::LockId;
use sloth_core::machine::Machine;
use sloth_core::sink::{Deaf, EventSink, Signal};
use sloth_core::store::Store;
use sloth_core::workflow::Durability;

/// Asked by signal handlers; watched by everything that runs.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    times: AtomicU8,
    /// When somebody noticed first; a signal handler may not look at clocks.
    since: OnceLock<Instant>,
    grace: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self::with_grace(Self::GRACE)
    }
}

impl Stop {
    /// How long what runs may go on after somebody asked to stop.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Nobody asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Nobody asked yet; what runs may go on for so long when somebody does.
    #[must_use]
    pub fn with_grace(grace: Duration) -> Self {
        Self(Arc::new(Asked { times: AtomicU8::new(0), since: OnceLock::new(), grace }))
    }
    /// Asks to stop: nothing new starts, and what runs is cancelled after the grace, or at once when asked again. Safe in
    /// a signal handler.
    pub fn ask(&self) {
        let add = |n: u8| Some(n.saturating_add(1));
        let _ = self.0.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
    /// Shall nothing new start?
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.times.load(Ordering::Relaxed) > 0
    }
    /// Shall running things be cancelled? Whoever runs something asks this again and again: the grace begins when it is
    /// answered for the first time after somebody asked to stop.
    #[must_use]
    pub fn insisted(&self) -> bool {
        match self.0.times.load(Ordering::Relaxed) {
            0 => false,
            1 => self.0.since.get_or_init(Instant::now).elapsed() >= self.0.grace,
            _ => true,
        }
    }
}

/// What every verb needs. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Memory.
    pub store: Arc<dyn Store>,
    /// Hosts by name; `local` is the controller.
    pub machines: BTreeMap<HostName, Arc<dyn Machine>>,
    /// Listener.
    pub sink: Arc<dyn EventSink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who asks.
    pub actor: Actor,
    /// Arguments for the operation log, secrets removed.
    pub arguments: Vec<String>,
    /// Version of this program.
    pub program: String,
    /// Interruption.
    pub stop: Stop,
    /// How long to queue for a lease.
    pub lock_wait: Duration,
    /// Most runs that may go on in the whole store at once.
    pub most_runs: Option<u32>,
    /// A person's lock the caller owns.
    pub presents: Option<LockId>,
    /// Life of a program's lease without renewal.
    pub lease_ttl: Duration,
    /// After a change, versions of the stack that are older than this are removed.
    pub retention: Option<Duration>,
    /// How hard the workflow wants things pushed to the disk.
    pub durability: Durability,
}

impl Context {
    /// Life of a program's lease without renewal, unless something else is said.
    pub const LEASE_TTL: Duration = Duration::from_secs(30);

    /// Memory, time and who asks; everything else as usual: no machines, nobody listens, nobody interrupts, nobody waits
    /// for a lease. The fields can be changed before it is used.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, actor: Actor) -> Self {
        Self {
            store,
            machines: BTreeMap::new(),
            sink: Arc::new(Deaf),
            clock,
            actor,
            arguments: Vec::new(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            stop: Stop::new(),
            lock_wait: Duration::ZERO,
            most_runs: None,
            presents: None,
            lease_ttl: Self::LEASE_TTL,
            retention: None,
            durability: Durability::default(),
        }
    }
    /// The machine of a host.
    #[must_use]
    pub fn machine(&self, host: &HostName) -> Option<&Arc<dyn Machine>> {
        self.machines.get(host)
    }
    /// Tells the listener something the user should know.
    pub fn notice(&self, severity: Severity, text: &str) {
        self.sink.signal(&Signal::Notice { severity, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_cancelled_after_the_grace_or_when_asked_again() {
        let (patient, hasty) = (Stop::new(), Stop::with_grace(Duration::ZERO));
        for stop in [&patient, &hasty] {
            assert!(!stop.asked() && !stop.insisted());
            stop.ask();
            assert!(stop.asked());
        }
        assert!(hasty.insisted() && !patient.insisted());
        patient.ask();
        assert!(patient.insisted());
    }
}
