//! What a `.sloth` file means, without the language it is written in.

use std::time::Duration;

use crate::span::Span;
use crate::value::Map;

/// What happens when a task of the workflow fails for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Dependents are skipped, unrelated tasks go on.
    #[default]
    Continue,
    /// No new tasks.
    Stop,
    /// No new tasks, and what this run changed is put back.
    Rollback,
}

/// Configuration of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct WorkflowConfig {
    /// For the whole run.
    pub timeout: Option<Duration>,
    /// Accepted for the seeds' sake; every run takes the lease.
    pub require_lock: bool,
    /// Make a version before the run.
    pub create_snapshot: bool,
    /// How many tasks may run at once; 0 and 1 mean one after the other.
    pub max_parallel_tasks: u32,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// Remove orphans without being asked.
    pub prune: bool,
    /// Check before running.
    pub validate: bool,
    /// Look for drift before running.
    pub detect_drift: bool,
    /// Stacks this one needs, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// `fast` leaves new files to the system's own writeback.
    pub durability: Durability,
}

/// How hard managed files and intents of commands are pushed to the disk. What replaces something always is before it
/// goes live, so that there is no instant at which a power cut leaves neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Content is on the disk before a file appears under its name, directories follow at the end of the task; that a
    /// command is about to run is on the disk before it does.
    #[default]
    Full,
    /// New files and intents of commands reach the disk when the system writes them. After a power cut a new file may be
    /// empty or missing, which the next run notices, and a command may run twice.
    Fast,
}

/// A name a task depends on, and where that was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TaskRef {
    /// Name.
    pub name: String,
    /// Place.
    pub span: Span,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Task {
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Tasks it needs.
    pub depends_on: Vec<TaskRef>,
    /// For `--tags`.
    pub tags: Vec<String>,
    /// Hosts it runs on; empty means the controller. A function is resolved by the program when the task starts.
    pub delegate_to: Vec<String>,
    /// Where it was written.
    pub span: Span,
}

/// A workflow.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Workflow {
    /// Name; also the default name of its stack.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The user's version label.
    pub version: String,
    /// Configuration.
    pub config: WorkflowConfig,
    /// Free pairs for the stack's metadata.
    pub metadata: Map,
    /// In order of declaration.
    pub tasks: Vec<Task>,
    /// Names of the handlers.
    pub handlers: Vec<String>,
    /// File, as the user named it.
    pub file: String,
    /// Digest over all sources read while loading, in the order of their names.
    pub digest: String,
}
