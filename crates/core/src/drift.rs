//! What moved away from the record.

use crate::address::Address;
use crate::change::Reason;
use crate::clock::Timestamp;
use crate::diff::Diff;
use crate::value::Value;

/// What a detection said about one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftStatus {
    /// As recorded.
    Clean,
    /// Not as recorded.
    Drifted,
    /// Could not be read; neither drifted nor fine.
    Unknown,
    /// This type cannot be checked on a machine.
    NotCheckable,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Still open.
    #[default]
    Pending,
    /// Put right or gone by itself.
    Resolved,
    /// Ignored on request.
    Ignored,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// Which resource.
    pub address: Address,
    /// Verdict.
    pub status: DriftStatus,
    /// Recorded state; left out when nothing differs.
    pub expected: Option<Value>,
    /// Live state; left out when nothing differs.
    pub actual: Option<Value>,
    /// What differs: `from` is live, `to` is recorded.
    pub diff: Diff,
    /// Class and cause.
    pub reason: Reason,
    /// When it was seen.
    pub detected_at: Timestamp,
    /// What became of it.
    pub resolution: Resolution,
}

/// Something of a stack that people know is not as recorded, and do not want to hear of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DriftIgnore {
    /// Which resource.
    pub address: Address,
    /// Which of its attributes; `None` is the whole resource.
    pub attribute: Option<String>,
    /// Why, in somebody's words.
    pub reason: String,
    /// Who wanted it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when; `None` is until it is taken back.
    pub until: Option<Timestamp>,
}

impl DriftIgnore {
    /// Does it still count?
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}
