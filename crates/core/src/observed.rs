//! What is so now: the result of looking at a machine.

use crate::diff::Diff;
use crate::value::Value;

/// What a look found out about one resource.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// The live state; `None` when the resource is not there.
    pub state: Option<Value>,
    /// Live against the wish; empty when no wish was given.
    pub diff: Diff,
    /// Live against the record, in the attributes the wish (or, without one, the recorded wish) manages; empty when
    /// nothing was recorded.
    pub since: Diff,
}

/// Why a resource could not be read. Never a reason to guess.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
#[error("cannot read {what}: {why}")]
pub struct ProbeError {
    /// What was being read: a path, a command, a name.
    pub what: String,
    /// What went wrong, in the system's words.
    pub why: String,
}

impl ProbeError {
    /// A failed look.
    #[must_use]
    pub fn new(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}
