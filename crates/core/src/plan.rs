//! Plans: immutable lists of decided changes, with the base they were made on and a digest over all of it.

use crate::address::Address;
use crate::change::Change;
use crate::clock::Timestamp;
use crate::command::Command;
use crate::digest::Digest;
use crate::id::StackId;
use crate::value::{Map, Value, to_value};
use crate::version::Version;

/// Format of a saved plan. A reader refuses any other.
pub const PLAN_FORMAT: &str = "sloth-runner-plan/1";

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum PlanSource {
    /// A workflow file: applying runs the same code and allows exactly these changes.
    Workflow {
        /// File.
        file: String,
        /// Digest of all its sources.
        digest: String,
        /// Values and variables it was planned with.
        values: Value,
        /// `--task`, `--target`, `--exclude`, `--tags`, `--prune` as given.
        scope: Value,
    },
    /// The store: rollback, drift fix, destroy, undo.
    Record {
        /// The verb.
        operation: String,
    },
}

/// One planned step.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum PlanStep {
    /// A resource.
    Resource {
        /// Task that declared it; empty for record-made plans.
        task: String,
        /// Which.
        address: Address,
        /// Module of the declaring call.
        module: String,
        /// Operation of the declaring call.
        operation: String,
        /// Decision.
        change: Change,
        /// Wish; `None` for removal.
        spec: Option<Value>,
        /// Digest of the live state the decision was based on; `None` for absence.
        live: Option<Digest>,
        /// Digest of the record the decision was based on; `None` when there was none.
        recorded: Option<Digest>,
        /// Rests on something that cannot be known before: the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maybe: Option<String>,
    },
    /// A command that would run.
    Command {
        /// Task.
        task: String,
        /// Host.
        host: String,
        /// What.
        command: Command,
        /// Digest of the command in its place in the program.
        key: String,
        /// Rests on something that cannot be known before: the cause.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maybe: Option<String>,
    },
    /// Another effect of user code, such as writing a file through `io`.
    Effect {
        /// Task.
        task: String,
        /// What, for people.
        what: String,
    },
    /// A handler that would run at the end.
    Handler {
        /// Name.
        name: String,
    },
    /// An output that would get another value.
    Output {
        /// Name.
        name: String,
        /// Old value.
        from: Option<Value>,
        /// New value.
        to: Option<Value>,
        /// Hide both.
        sensitive: bool,
    },
}

/// A plan.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: String,
    /// Stack id; `None` when the stack does not exist yet.
    pub stack_id: Option<StackId>,
    /// Stack name.
    pub stack: String,
    /// Head the plan was made on.
    pub base: Version,
    /// What it is for.
    pub source: PlanSource,
    /// Steps in order.
    pub steps: Vec<PlanStep>,
    /// When.
    pub created_at: Timestamp,
    /// Who.
    pub created_by: String,
    /// Program version.
    pub program: String,
    /// Free pairs.
    #[serde(default)]
    pub notes: Map,
    /// Digest over everything above.
    pub digest: Digest,
}

/// Why a saved plan cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not a plan, or cut short.
    #[error("this is not a plan: {0}")]
    Unreadable(String),
    /// Made by another version of the format.
    #[error("the plan has format `{0}`, this program reads `{PLAN_FORMAT}`")]
    Format(String),
    /// Its digest does not fit its content.
    #[error("the plan was changed after it was saved")]
    Tampered,
}

impl Plan {
    /// Computes the digest; call once, last.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.digest = self.content_digest();
        self
    }
    fn content_digest(&self) -> Digest {
        let mut value = to_value(self);
        if let Value::Object(map) = &mut value {
            map.remove("digest");
        }
        Digest::of_value(&value)
    }
    /// Text for a file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
    /// Reads a saved plan and checks it.
    ///
    /// # Errors
    /// It is not a plan, of another format, or was changed.
    pub fn from_text(text: &str) -> Result<Self, PlanError> {
        let value: Value = serde_json::from_str(text).map_err(|e| PlanError::Unreadable(e.to_string()))?;
        match value.get("format").and_then(Value::as_str) {
            Some(PLAN_FORMAT) => {}
            Some(other) => return Err(PlanError::Format(other.to_owned())),
            None => return Err(PlanError::Unreadable("it has no `format`".to_owned())),
        }
        let plan: Self = serde_json::from_value(value).map_err(|e| PlanError::Unreadable(e.to_string()))?;
        if plan.digest == plan.content_digest() { Ok(plan) } else { Err(PlanError::Tampered) }
    }
    /// Does it change anything at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.steps.iter().any(|s| match s {
            PlanStep::Resource { change, maybe, .. } => change.action.records() || maybe.is_some(),
            PlanStep::Command { .. }
            | PlanStep::Effect { .. }
            | PlanStep::Handler { .. }
            | PlanStep::Output { .. } => true,
        })
    }
}
