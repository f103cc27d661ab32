//! Events: what happened, for terminals, hooks and history.

use std::borrow::Cow;

use crate::address::Address;
use crate::clock::Timestamp;
use crate::id::RunId;
use crate::value::Value;

macro_rules! event_types {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// Every type of event that is stored.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(#[doc = $doc])* $variant,)*
        }
        impl EventType {
            /// Every type, in alphabetical order of its name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The dotted name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// One sentence for the reference.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)*),)* }
            }
        }
    };
}

event_types! {
    /// A declaration in a workflow sent it
    Custom = "custom",
    /// Live resources differ from the record
    DriftDetected = "drift.detected",
    /// Live resources were brought back to the record
    DriftFixed = "drift.fixed",
    /// A hook failed for the last time and was given up
    HookFailed = "hook.failed",
    /// A lease was granted to a person
    LockAcquired = "lock.acquired",
    /// A lease ended without being given back
    LockExpired = "lock.expired",
    /// A lease was taken from its holder
    LockForceReleased = "lock.force_released",
    /// A lease was given back by its owner
    LockReleased = "lock.released",
    /// An output got another value
    OutputChanged = "output.changed",
    /// A resource was made
    ResourceCreated = "resource.created",
    /// A resource was removed
    ResourceDeleted = "resource.deleted",
    /// A resource could not be brought in line
    ResourceFailed = "resource.failed",
    /// A recorded resource is no longer declared
    ResourceOrphaned = "resource.orphaned",
    /// A resource was brought in line
    ResourceUpdated = "resource.updated",
    /// A version was made on request
    SnapshotCreated = "snapshot.created",
    /// A snapshot was removed
    SnapshotDeleted = "snapshot.deleted",
    /// A stack went back to an earlier version
    SnapshotRestored = "snapshot.restored",
    /// A stack was made
    StackCreated = "stack.created",
    /// A stack's record was removed
    StackDeleted = "stack.deleted",
    /// A stack's resources were removed
    StackDestroyed = "stack.destroyed",
    /// A run succeeded
    StackExecutionCompleted = "stack.execution.completed",
    /// A run failed
    StackExecutionFailed = "stack.execution.failed",
    /// A run began
    StackExecutionStarted = "stack.execution.started",
    /// A stack's record changed outside of a run
    StackUpdated = "stack.updated",
    /// A task succeeded
    TaskCompleted = "task.completed",
    /// A task failed
    TaskFailed = "task.failed",
    /// A task was not run
    TaskSkipped = "task.skipped",
    /// A task began
    TaskStarted = "task.started",
}

impl EventType {
    /// The reverse of [`EventType::as_str`]; `custom.NAME` is custom, too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(CUSTOM) {
            return Some(Self::Custom);
        }
        Self::ALL.iter().copied().find(|t| t.as_str() == text)
    }
}

/// What the types of events begin with that user code sends.
pub const CUSTOM: &str = "custom.";

/// How much it matters.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Normal life.
    #[default]
    Info,
    /// Somebody should look.
    Warning,
    /// Something failed.
    Error,
}

impl Severity {
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
    /// The reverse of [`Severity::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Error].into_iter().find(|s| s.as_str() == text)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Type.
    pub kind: EventType,
    /// Weight.
    pub severity: Severity,
    /// When.
    pub at: Timestamp,
    /// Run it belongs to.
    pub run: Option<RunId>,
    /// Task it belongs to.
    pub task: Option<String>,
    /// Resource it is about.
    pub address: Option<Address>,
    /// One line for people.
    pub message: String,
    /// Everything else.
    pub payload: Value,
}

impl Event {
    /// The type as people write it. What user code sends carries its name: `custom.NAME`.
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        match (self.kind, self.payload.get("name").and_then(Value::as_str)) {
            (EventType::Custom, Some(name)) => format!("{CUSTOM}{name}").into(),
            (kind, _) => kind.as_str().into(),
        }
    }
}

/// An event as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Position in its stack's history, from 1, without gaps. Events without a stack count on their own.
    pub seq: u64,
    /// Stable identity for delivery.
    pub id: crate::id::EventId,
    /// Name of the stack.
    pub stack: Option<String>,
    /// Who did it; `None` when that was not kept.
    pub actor: Option<String>,
    /// The event.
    pub event: Event,
}

impl StoredEvent {
    /// Where it comes from: the task that caused it, or this program.
    #[must_use]
    pub fn source(&self) -> &str {
        self.event.task.as_deref().unwrap_or("sloth-runner")
    }
}
