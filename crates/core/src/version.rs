//! Versions: every committed change of a stack, numbered without gaps.

use std::fmt;

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::id::RunId;
use crate::output::Output;
use crate::recorded::Recorded;
use crate::upstream::Upstream;

/// Number of a version; the first is 1, 0 means «nothing committed yet».
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version before anything was committed.
    pub const ZERO: Self = Self(0);
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
    /// Reads `3`, `v3`, `name-v3` or `name@3`; the name, when given, is returned too.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Option<&str>, Self)> {
        let number = |t: &str| {
            t.strip_prefix('v').unwrap_or(t).parse::<u64>().ok().filter(|_| !t.contains('+')).map(Self)
        };
        if let Some(v) = number(text) {
            return Some((None, v));
        }
        if let Some((name, v)) = text.rsplit_once('@') {
            return number(v).map(|v| (Some(name), v));
        }
        let (name, v) = text.rsplit_once("-v")?;
        v.parse().ok().filter(|_| !v.contains('+')).map(|v| (Some(name), Self(v)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// What made a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionKind {
    /// A run, or a part of one that was interrupted.
    Run,
    /// A person or the system asked for it.
    Snapshot,
    /// A restore, rollback or undo.
    Restore,
    /// State surgery: import, forget, accept, edit.
    Edit,
    /// Resources were destroyed.
    Destroy,
}

impl VersionKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Run, Self::Snapshot, Self::Restore, Self::Edit, Self::Destroy];
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Snapshot => "snapshot",
            Self::Restore => "restore",
            Self::Edit => "edit",
            Self::Destroy => "destroy",
        }
    }
    /// The reverse of [`VersionKind::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// One entry of a stack's history.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct VersionInfo {
    /// Number.
    pub version: Version,
    /// What made it.
    pub kind: VersionKind,
    /// When.
    pub created_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Why.
    pub description: String,
    /// The run behind it.
    pub run: Option<RunId>,
    /// Link of the previous version.
    pub prev_hash: Digest,
    /// `H(prev_hash ‖ canonical content of this version's changes)`.
    pub hash: Digest,
    /// Resources this version wrote.
    pub written: u64,
    /// Resources this version removed.
    pub removed: u64,
    /// Did the run behind it succeed? Retention never removes the last successful one.
    pub successful: bool,
}

/// What to say about a version that is about to be born.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionNote {
    /// What makes it.
    pub kind: VersionKind,
    /// Why.
    pub description: String,
    /// Who, when other than the actor of the transaction.
    pub created_by: Option<String>,
    /// The run behind it.
    pub run: Option<RunId>,
    /// Did it succeed?
    pub successful: bool,
    /// Make a version even when nothing changed (snapshots).
    pub always: bool,
}

/// A whole stack at one version, materialised.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Snapshot {
    /// Which version.
    pub info: VersionInfo,
    /// Resources in address order.
    pub resources: Vec<Recorded>,
    /// Outputs in name order.
    pub outputs: Vec<Output>,
    /// Stacks it needs, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
}
