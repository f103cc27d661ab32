//! A stack: an isolated set of resources with a history.

use crate::clock::Timestamp;
use crate::id::StackId;
use crate::value::Map;
use crate::version::Version;

/// Longest stack name, in characters.
pub const NAME_LIMIT: usize = 255;

/// What a stack is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackStatus {
    /// Never run.
    #[default]
    Created,
    /// A run is going on, or died without saying so.
    Running,
    /// The last run succeeded.
    Completed,
    /// The last run failed.
    Failed,
    /// The last change was a rollback.
    RolledBack,
}

impl StackStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Running, Self::Completed, Self::Failed, Self::RolledBack];
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
        }
    }
    /// The reverse of [`StackStatus::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }
}

/// One stack.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Stack {
    /// Identity.
    pub id: StackId,
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The user's version label (not the state version).
    pub version_label: String,
    /// What it is doing.
    pub status: StackStatus,
    /// Newest sealed version; 0 when there is none.
    pub head: Version,
    /// File the last run used.
    pub workflow_file: Option<String>,
    /// Workflow configuration of the last run.
    pub configuration: Map,
    /// Free key-value pairs.
    pub metadata: Map,
    /// Created.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
    /// End of the last run.
    pub completed_at: Option<Timestamp>,
    /// Start of the last run.
    pub last_run_at: Option<Timestamp>,
    /// Number of runs.
    pub execution_count: u64,
    /// Duration of the last run in nanoseconds.
    pub last_duration: u64,
    /// Message of the last failure.
    pub last_error: Option<String>,
    /// The last change was a rollback and the code may be newer: the version that was returned to.
    pub rolled_back_to: Option<Version>,
}

impl Stack {
    /// A stack of this name that nothing has happened to, with a new identity.
    #[must_use]
    pub fn fresh(name: impl Into<String>, now: Timestamp) -> Self {
        Self {
            id: StackId::generate(now),
            name: name.into(),
            description: String::new(),
            version_label: String::new(),
            status: StackStatus::Created,
            head: Version::ZERO,
            workflow_file: None,
            configuration: Map::new(),
            metadata: Map::new(),
            created_at: now,
            updated_at: now,
            completed_at: None,
            last_run_at: None,
            execution_count: 0,
            last_duration: 0,
            last_error: None,
            rolled_back_to: None,
        }
    }
}

/// Why a text cannot be a stack's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStackName {
    /// Nothing at all.
    #[error("a stack name cannot be empty")]
    Empty,
    /// Longer than [`NAME_LIMIT`].
    #[error("a stack name has at most {NAME_LIMIT} characters, this one has {0}")]
    Long(usize),
    /// A character that would confuse paths, terminals or option parsers.
    #[error("a stack name cannot contain {0}")]
    Character(String),
}

/// Checks a stack name: 1–255 characters, no control characters, no `/`, no leading `-`, not `.` or `..`.
///
/// # Errors
/// Says which rule is broken.
pub fn check_name(name: &str) -> Result<(), BadStackName> {
    let length = name.chars().count();
    if length == 0 {
        return Err(BadStackName::Empty);
    }
    if length > NAME_LIMIT {
        return Err(BadStackName::Long(length));
    }
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Err(BadStackName::Character(format!("the control character U+{:04X}", u32::from(c))));
    }
    if name.contains('/') {
        return Err(BadStackName::Character("`/`".to_owned()));
    }
    if name.starts_with('-') {
        return Err(BadStackName::Character("a leading `-`".to_owned()));
    }
    if name == "." || name == ".." {
        return Err(BadStackName::Character("only dots".to_owned()));
    }
    Ok(())
}
