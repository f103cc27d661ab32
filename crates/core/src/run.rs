//! Runs: executions of a workflow or of a state-changing command.

use crate::clock::Timestamp;
use crate::id::RunId;
use crate::version::Version;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Going on, or died without saying so.
    Running,
    /// All tasks succeeded or were skipped on purpose.
    Completed,
    /// A task failed.
    Failed,
    /// Stopped by a signal; everything done is recorded.
    Interrupted,
    /// Died; found and resolved by a later run.
    Crashed,
    /// Failed, and what it had changed was put back.
    RolledBack,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Running, Self::Completed, Self::Failed, Self::Interrupted, Self::Crashed, Self::RolledBack];
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Crashed => "crashed",
            Self::RolledBack => "rolled_back",
        }
    }
    /// The reverse of [`RunStatus::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// Counts printed at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Resources made.
    pub created: u64,
    /// Resources brought in line, replaced or restored.
    pub updated: u64,
    /// Resources removed.
    pub deleted: u64,
    /// Recorded without touching: adopted, refreshed, forgotten.
    pub recorded: u64,
    /// Nothing to do.
    pub unchanged: u64,
    /// Failed or blocked.
    pub failed: u64,
    /// Commands that ran without being resources.
    pub commands: u64,
}

impl Counts {
    /// Changes made to machines.
    #[must_use]
    pub const fn changed(&self) -> u64 {
        self.created + self.updated + self.deleted
    }
    /// Adds another count.
    pub const fn add(&mut self, other: &Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.recorded += other.recorded;
        self.unchanged += other.unchanged;
        self.failed += other.failed;
        self.commands += other.commands;
    }
}

/// One run as stored (the seeds' stack execution).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Identity.
    pub id: RunId,
    /// The operation: `run`, `apply`, `rollback`, `destroy`, `drift fix`, …
    pub operation: String,
    /// How it stands.
    pub status: RunStatus,
    /// Begin.
    pub started_at: Timestamp,
    /// End.
    pub completed_at: Option<Timestamp>,
    /// Who.
    pub actor: String,
    /// Tasks in all, succeeded, failed, skipped.
    pub tasks: TaskCounts,
    /// What happened to resources.
    pub counts: Counts,
    /// The version it made, if any.
    pub version: Option<Version>,
    /// Message of the failure.
    pub error: Option<String>,
    /// Digest of the program's sources, for resume.
    pub program: Option<String>,
}

/// How the tasks of a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct TaskCounts {
    /// All.
    pub total: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Failed.
    pub failed: u64,
    /// Skipped.
    pub skipped: u64,
}
