//! A stack seen as executions of its workflow: what the older documents call a workflow's state. A view, nothing is kept
//! for it.

use crate::recorded::{Condition, Recorded};
use crate::run::RunStatus;
use crate::stack::StackStatus;
use crate::value::{Map, Value};

/// How an execution stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Nothing was executed yet.
    Pending,
    /// Going on, or died without saying so.
    Running,
    /// It succeeded.
    Success,
    /// It failed.
    Failed,
    /// It was taken back, or took something back.
    RolledBack,
}

impl ExecutionStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Success, Self::Failed, Self::RolledBack];
    /// The word printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
        }
    }
    /// The reverse of [`ExecutionStatus::as_str`]; the words of stacks are understood, too.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let own = Self::ALL.into_iter().find(|s| s.as_str() == text);
        own.or_else(|| StackStatus::parse(text).map(Self::from))
    }
}

impl From<StackStatus> for ExecutionStatus {
    fn from(status: StackStatus) -> Self {
        match status {
            StackStatus::Created => Self::Pending,
            StackStatus::Running => Self::Running,
            StackStatus::Completed => Self::Success,
            StackStatus::Failed => Self::Failed,
            StackStatus::RolledBack => Self::RolledBack,
        }
    }
}

impl From<RunStatus> for ExecutionStatus {
    fn from(status: RunStatus) -> Self {
        match status {
            RunStatus::Running => Self::Running,
            RunStatus::Completed => Self::Success,
            RunStatus::Failed | RunStatus::Interrupted | RunStatus::Crashed => Self::Failed,
            RunStatus::RolledBack => Self::RolledBack,
        }
    }
}

impl From<ExecutionStatus> for StackStatus {
    fn from(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Pending => Self::Created,
            ExecutionStatus::Running => Self::Running,
            ExecutionStatus::Success => Self::Completed,
            ExecutionStatus::Failed => Self::Failed,
            ExecutionStatus::RolledBack => Self::RolledBack,
        }
    }
}

/// What an execution did to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceAction {
    /// Made or recorded for the first time.
    Create,
    /// Removed or forgotten.
    Delete,
    /// Left as it was.
    Noop,
    /// Only looked at.
    Read,
    /// Changed.
    Update,
}

impl ResourceAction {
    /// Every action, in alphabetical order.
    pub const ALL: [Self; 5] = [Self::Create, Self::Delete, Self::Noop, Self::Read, Self::Update];
    /// The word printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Noop => "noop",
            Self::Read => "read",
            Self::Update => "update",
        }
    }
    /// The reverse of [`ResourceAction::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == text)
    }
}

/// Key under which a resource that was tracked by hand keeps what was said about it. Beside its attributes, which may have
/// any names.
const SAID: &str = "@execution";

/// What somebody said about a resource they tracked by hand: what was done, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What was done.
    pub action: Option<ResourceAction>,
    /// How it is, in their words.
    pub status: Option<String>,
}

impl Said {
    /// Attributes together with what was said, as they are recorded.
    #[must_use]
    pub fn with(&self, mut attributes: Map) -> Value {
        let mut said = Map::new();
        if let Some(action) = self.action {
            said.insert("action".to_owned(), Value::from(action.as_str()));
        }
        if let Some(status) = &self.status {
            said.insert("status".to_owned(), Value::from(status.as_str()));
        }
        if !said.is_empty() {
            attributes.insert(SAID.to_owned(), Value::Object(said));
        }
        Value::Object(attributes)
    }
    /// What was said about a resource, and its attributes: its state, or the wish when it has none.
    #[must_use]
    pub fn of(recorded: &Recorded) -> (Self, Value) {
        let mut attributes = recorded.state.as_ref().unwrap_or(&recorded.spec).clone();
        if !recorded.is_registered() {
            return (Self::default(), attributes);
        }
        let said = attributes.as_object_mut().and_then(|map| map.remove(SAID)).unwrap_or_default();
        let word = |name: &str| said.get(name).and_then(Value::as_str);
        let action = word("action").and_then(ResourceAction::parse);
        (Self { action, status: word("status").map(str::to_owned) }, attributes)
    }
    /// How the resource is: in the words that were said, else as the record says.
    #[must_use]
    pub fn status_of(&self, condition: Condition) -> String {
        match (&self.status, condition) {
            (Some(status), Condition::Applied) => status.clone(),
            _ => condition.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_vocabularies_are_read() {
        assert_eq!(ExecutionStatus::parse("success"), Some(ExecutionStatus::Success));
        assert_eq!(ExecutionStatus::parse("completed"), Some(ExecutionStatus::Success));
        assert_eq!(ExecutionStatus::parse("fine"), None);
        for status in ExecutionStatus::ALL {
            assert_eq!(ExecutionStatus::from(StackStatus::from(status)), status);
            assert_eq!(ExecutionStatus::parse(status.as_str()), Some(status));
        }
        for action in ResourceAction::ALL {
            assert_eq!(ResourceAction::parse(action.as_str()), Some(action));
        }
    }
}
