//! The port through which hosts are looked at and changed. A local machine, an ssh host, an agent and a test double
//! are four implementations; the messages are plain data so that they can cross a wire.

use std::sync::Arc;

use crate::address::HostName;
use crate::command::{Command, CommandOutput};
use crate::digest::{Blob, Digest};
use crate::observed::{ProbeError, Seen};
use crate::value::Value;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// Resource type.
    pub kind: &'a str,
    /// Id inside the type.
    pub id: &'a str,
    /// The wish to compare with.
    pub spec: Option<&'a Value>,
    /// Contents the wish names, as far as they are at hand; used for text diffs only.
    pub blobs: &'a [Blob],
    /// The recorded state to compare with; the inner `None` is recorded absence. Needs a wish that says which
    /// attributes are managed.
    pub recorded: Option<Option<&'a Value>>,
}

/// One change to carry out. Safe to repeat.
#[derive(Clone, Debug)]
pub struct Step {
    /// Resource type.
    pub kind: String,
    /// Id inside the type.
    pub id: String,
    /// What to bring about: a wish, or `None` for removal.
    pub spec: Option<Value>,
    /// Remove first, because an attribute cannot change in place.
    pub replace: bool,
    /// Contents the wish names. All of them have to be here.
    pub blobs: Vec<Blob>,
    /// The state the decision was based on. A machine that finds another one refuses.
    pub live: Option<Value>,
}

/// What a step would destroy, and contents worth keeping.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// Contents the live state names by digest.
    pub blobs: Vec<Blob>,
    /// Contents that were too large to keep; rollback will say so.
    pub left_out: Vec<Digest>,
}

/// What a step did.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// True state afterwards; `None` when nothing is there.
    pub state: Option<Value>,
    /// Remarks for the user, for example where a backup went.
    pub notes: Vec<String>,
}

/// Why a step did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The machine refused or failed. Nothing else was changed beyond what `changed` says.
    #[error("{what}: {why}")]
    Failed {
        /// What was being done.
        what: String,
        /// What went wrong.
        why: String,
        /// What may have been changed all the same; empty when nothing was.
        changed: String,
    },
    /// The resource is not as it was when the decision was made.
    #[error("{0} changed while this was going on")]
    Moved(String),
    /// It was cancelled before it was done.
    #[error("cancelled")]
    Cancelled,
}

impl ApplyError {
    /// A failure that changed nothing.
    #[must_use]
    pub fn failed(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), why: why.to_string(), changed: String::new() }
    }
}

impl From<ProbeError> for ApplyError {
    fn from(error: ProbeError) -> Self {
        Self::Failed { what: format!("reading {}", error.what), why: error.why, changed: String::new() }
    }
}

/// A host cannot be reached. What it does now is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("host `{host}` cannot be reached: {why}")]
pub struct Unreachable {
    /// Which host.
    pub host: String,
    /// Why.
    pub why: String,
}

/// Watches a step or command and can stop it.
pub trait Watch: Send + Sync {
    /// A line of output; `stream` is `stdout` or `stderr`.
    fn line(&self, stream: &'static str, text: &str);
    /// Shall it stop? Asked often.
    fn cancelled(&self) -> bool;
}

/// Watches nothing, stops nothing.
#[derive(Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn line(&self, _: &'static str, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A host.
pub trait Machine: Send + Sync {
    /// Its name.
    fn name(&self) -> &HostName;
    /// Looks at many resources in one trip. Changes nothing. The answer has one entry per sight, in order.
    ///
    /// # Errors
    /// The host as a whole cannot be reached; single failures are in the list.
    fn observe(&self, wanted: &[Sight<'_>]) -> Result<Vec<Result<Seen, ProbeError>>, Unreachable>;
    /// Reads what a step would destroy, or what a state names. Called, and stored, before [`Machine::apply`].
    ///
    /// # Errors
    /// It cannot be read; the step must then not be carried out.
    fn capture(&self, kind: &str, id: &str, live: &Value) -> Result<Captured, ProbeError>;
    /// Carries out one step.
    ///
    /// # Errors
    /// See [`ApplyError`].
    fn apply(&self, step: &Step, watch: &dyn Watch) -> Result<Applied, ApplyError>;
    /// Carries out steps that were asked for in one call, in one go where their type can do that. The answer has one
    /// entry per step, in order; one that failed says nothing about the others.
    fn apply_together(&self, steps: &[Step], watch: &dyn Watch) -> Vec<Result<Applied, ApplyError>> {
        steps.iter().map(|step| self.apply(step, watch)).collect()
    }
    /// Runs a command.
    ///
    /// # Errors
    /// It could not be started. A non-zero exit is not an error here.
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, ApplyError>;
    /// The wish that reproduces a state completely, and the contents it names.
    ///
    /// # Errors
    /// The type is unknown here.
    fn wish_for(
        &self,
        kind: &str,
        id: &str,
        state: Option<&Value>,
    ) -> Result<(Value, Vec<Digest>), ProbeError>;
    /// Leaves only those attributes of a wish that are of concern, for types whose wishes consist of attributes of their
    /// state; other wishes are whole or nothing.
    fn narrow(&self, kind: &str, wish: Value, concerns: &dyn Fn(&str) -> bool) -> Value {
        let _ = (kind, concerns);
        wish
    }
    /// Removes what a process that died in the middle of a step on this resource left lying about. Failing is harmless.
    fn tidy(&self, kind: &str, id: &str) {
        let _ = (kind, id);
    }
    /// Makes everything that was applied so far durable (directory entries). Called at the end of a task.
    ///
    /// # Errors
    /// The disk failed; what was applied may be lost at a power cut.
    fn settle(&self) -> Result<(), ApplyError>;
    /// The same host, for planning: looking is real, applying only seems to happen, and later looks see it.
    fn rehearse(self: Arc<Self>) -> Arc<dyn Machine>;
}
