//! What every verb needs: memory, machines, time, a listener, and who asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

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
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Nobody asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Asks to stop: nothing new starts. Asked twice, what runs is cancelled too. Safe in a signal handler.
    pub fn ask(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(n.saturating_add(1)));
    }
    /// Shall nothing new start?
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
    /// Shall running things be cancelled?
    #[must_use]
    pub fn insisted(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 1
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
