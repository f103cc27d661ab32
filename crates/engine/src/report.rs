//! What a verb did, as data for tables and JSON.

use std::time::Duration;

use sloth_core::address::Address;
use sloth_core::change::Change;
use sloth_core::clock::Timestamp;
use sloth_core::plan::Plan;
use sloth_core::run::{Counts, RunStatus, TaskCounts};
use sloth_core::version::Version;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Changed something or ran commands.
    Changed,
    /// Failed.
    Failed,
    /// Not run.
    Skipped,
    /// Succeeded without any change.
    Unchanged,
}

/// One task of a run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TaskReport {
    /// Name.
    pub name: String,
    /// Host.
    pub host: String,
    /// How it ended.
    pub status: TaskStatus,
    /// How long it took.
    pub duration: Duration,
    /// What it said, or why it failed or was skipped.
    pub message: Option<String>,
    /// What it did.
    pub counts: Counts,
}

/// One decided resource.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ChangeReport {
    /// Task; empty outside of tasks.
    pub task: String,
    /// Which.
    pub address: Address,
    /// Decision.
    pub change: Change,
    /// Why it failed, when it did.
    pub error: Option<String>,
}

/// How an open step of an earlier run was settled.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RecoveredStep {
    /// `run-prefix:step`, the id `resume` takes.
    pub id: String,
    /// Address or command.
    pub title: String,
    /// What was found out: `adopted`, `not begun`, `partial`, `done`, `unknown`.
    pub verdict: &'static str,
}

/// One step of putting back.
#[derive(Clone, Debug, serde::Serialize)]
pub struct UndoStep {
    /// Which.
    pub address: Address,
    /// What was done.
    pub change: Change,
    /// Why it is stuck, when it is.
    pub stuck: Option<String>,
}

/// What a run (or another state-changing verb) did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RunReport {
    /// Run id; empty for plans.
    pub run: String,
    /// The verb.
    pub operation: String,
    /// Stack.
    pub stack: String,
    /// How it ended.
    pub status: RunStatus,
    /// Only planned?
    pub planned: bool,
    /// Begin.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Tasks in the order in which they ended.
    pub tasks: Vec<TaskReport>,
    /// Task counts.
    pub task_counts: TaskCounts,
    /// Resource counts.
    pub counts: Counts,
    /// Every decision other than «nothing to do», in order.
    pub changes: Vec<ChangeReport>,
    /// Recorded resources that are no longer declared and were left alone.
    pub orphans: Vec<Address>,
    /// Handlers that ran.
    pub handlers: Vec<String>,
    /// Handlers that are still waiting.
    pub handlers_pending: Vec<String>,
    /// Steps of earlier runs that were settled or wait for a person.
    pub recovered: Vec<RecoveredStep>,
    /// What was put back after a failure.
    pub undone: Vec<UndoStep>,
    /// The version before.
    pub base: Version,
    /// The new version, if one was made.
    pub version: Option<Version>,
    /// Why it failed.
    pub error: Option<String>,
    /// Something needs a person: a stuck undo or an unknown step.
    pub needs_person: bool,
    /// The plan, when planning.
    pub plan: Option<Plan>,
}
