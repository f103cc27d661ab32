//! Which part of a workflow or stack a verb is about.

use std::collections::BTreeSet;

use sloth_core::address::Address;
use sloth_core::graph::TaskGraph;
use sloth_core::suggest::nearest;
use sloth_core::value::{Value, to_value};
use sloth_core::workflow::Workflow;

use crate::error::EngineError;

/// What the user restricted a run to. Empty means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ScopeRequest {
    /// Only these tasks, with what they depend on.
    pub tasks: Vec<String>,
    /// Only these resources.
    pub targets: Vec<Address>,
    /// Not these resources.
    pub excludes: Vec<Address>,
    /// Only tasks with one of these tags, with what they depend on.
    pub tags: Vec<String>,
}

impl ScopeRequest {
    /// Is anything left out? Partial runs never prune.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        *self != Self::default()
    }
    /// As stored in a plan.
    #[must_use]
    pub fn to_stored(&self) -> Value {
        to_value(self)
    }
    /// May this resource be touched?
    #[must_use]
    pub fn admits(&self, address: &Address) -> bool {
        (self.targets.is_empty() || self.targets.contains(address)) && !self.excludes.contains(address)
    }
    /// The tasks to run.
    ///
    /// # Errors
    /// A task is not there, or no task has one of the tags.
    pub fn tasks(&self, workflow: &Workflow, graph: &TaskGraph) -> Result<BTreeSet<usize>, EngineError> {
        if self.tasks.is_empty() && self.tags.is_empty() {
            return Ok((0..graph.len()).collect());
        }
        let mut chosen = BTreeSet::new();
        for name in &self.tasks {
            let at = workflow.tasks.iter().position(|t| t.name == *name).ok_or_else(|| {
                EngineError::NoSuchTask {
                    name: name.clone(),
                    nearest: nearest(name, workflow.tasks.iter().map(|t| t.name.as_str())).map(str::to_owned),
                }
            })?;
            chosen.insert(at);
        }
        for (at, task) in workflow.tasks.iter().enumerate() {
            if task.tags.iter().any(|t| self.tags.contains(t)) {
                chosen.insert(at);
            }
        }
        if chosen.is_empty() {
            return Err(EngineError::Refused(format!("no task has the tag {}", self.tags.join(" or "))));
        }
        Ok(graph.closure(chosen))
    }
}
