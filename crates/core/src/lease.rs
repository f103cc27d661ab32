//! Leases: locks with an end, and the number that makes a late writer harmless.

use std::time::Duration;

use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::id::{LockId, StackId};

/// How long a program's lease lives without renewal.
pub const PROCESS_TTL: Duration = Duration::from_secs(30);

/// Grows with every lease granted on a stack, for ever. The store refuses writes that carry an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// Who may hold a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseKind {
    /// A running program: short, renewed, freed when the process is gone. Needed for every write.
    Process,
    /// A person (`stack lock acquire`): survives the command, keeps everybody without its id from getting a process lease.
    Person,
}

impl LeaseKind {
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Person => "person",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// On which stack.
    pub stack: StackId,
    /// For whom.
    pub kind: LeaseKind,
    /// Who asks; `actor.name` becomes `locked_by`.
    pub actor: Actor,
    /// What for: `run`, `manual`, …
    pub operation: String,
    /// Free text.
    pub reason: String,
    /// Life without renewal.
    pub ttl: Duration,
    /// A person's lock the caller owns and presents.
    pub presents: Option<LockId>,
    /// How long to queue behind others; zero fails at once.
    pub wait: Duration,
    /// Most leases for the same kind of work ([`LeaseRequest::is_run`]) that may be in force in the whole store, this one
    /// included. Counted in the transaction that grants it, so what a dead process held does not count.
    pub most: Option<u32>,
}

impl LeaseRequest {
    /// Operations that count as runs.
    pub const RUNS: [&'static str; 2] = ["apply", "run"];

    /// Is it for carrying out a workflow?
    #[must_use]
    pub fn is_run(operation: &str) -> bool {
        Self::RUNS.contains(&operation)
    }
}

/// A lease that was granted. Holding the value is not holding the lease: the store decides at every write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// On which stack.
    pub stack: StackId,
    /// Identity, proof of ownership.
    pub id: LockId,
    /// For whom.
    pub kind: LeaseKind,
    /// The number every write has to carry.
    pub fence: Fence,
    /// Life without renewal.
    pub ttl: Duration,
    /// End on [`Clock::boottime`](crate::clock::Clock::boottime); the holder starts nothing new when less than a quarter of `ttl` is left.
    pub expires_boot: i64,
}

/// What others may know about a lease.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeaseInfo {
    /// Identity. Shown to people; owning the *file* with it is what counts for a person's lock.
    pub id: LockId,
    /// For whom.
    pub kind: LeaseKind,
    /// Holder.
    pub locked_by: String,
    /// What for.
    pub operation: String,
    /// Free text.
    pub reason: String,
    /// Where.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Granted.
    pub locked_at: Timestamp,
    /// Last renewed.
    pub renewed_at: Timestamp,
    /// Ends, in wall-clock time, for display.
    pub expires_at: Timestamp,
    /// Its number.
    pub fence: Fence,
    /// Who waits, first first.
    pub queue: Vec<String>,
}

/// Why a lease was not granted, renewed or released.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else holds it.
    #[error("the stack is locked by `{}` since {}", .0.locked_by, .0.locked_at.local())]
    Held(Box<LeaseInfo>),
    /// As many runs as are allowed are going on already.
    #[error("{} of at most {most} runs are going on already", stacks.len())]
    Full {
        /// How many are allowed.
        most: u32,
        /// Stacks they are going on in, by name.
        stacks: Vec<String>,
    },
    /// It is not ours any more: it ended, or somebody forced it.
    #[error("the lease was lost")]
    Lost,
    /// The caller is not the owner.
    #[error("the lock belongs to `{}`, not to `{asked}`", .info.locked_by)]
    NotOwner {
        /// The lock.
        info: Box<LeaseInfo>,
        /// Who asked.
        asked: String,
    },
    /// There is no lock.
    #[error("the stack is not locked")]
    NotLocked,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}
