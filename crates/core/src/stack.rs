//! A stack: an isolated set of resources with a history.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::id::StackId;
use crate::value::{Map, Value};
use crate::version::Version;

/// Longest stack name, in characters.
pub const NAME_LIMIT: usize = 255;
/// Metadata key of the stack's tags: a list of words. The view `stack_tags` reads it, too.
pub const TAGS: &str = "tags";
/// Metadata key of the tags of versions: word by word the number of the version.
pub const VERSION_TAGS: &str = "version_tags";
/// Longest tag, in characters.
pub const TAG_LIMIT: usize = 255;

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
    /// The words by which people group stacks, in alphabetical order.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let all = self.metadata.get(TAGS).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    }
    /// The words that stand for versions of this stack; each stands for one.
    #[must_use]
    pub fn version_tags(&self) -> BTreeMap<String, Version> {
        let all = self.metadata.get(VERSION_TAGS).and_then(Value::as_object).into_iter().flatten();
        all.filter_map(|(tag, version)| Some((tag.clone(), Version(version.as_u64()?)))).collect()
    }
    /// The words that stand for one version, in alphabetical order.
    #[must_use]
    pub fn tags_of(&self, version: Version) -> Vec<String> {
        self.version_tags().into_iter().filter(|(_, of)| *of == version).map(|(tag, _)| tag).collect()
    }
}

/// Why a text cannot be a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTag {
    /// Nothing at all.
    #[error("a tag cannot be empty")]
    Empty,
    /// Longer than [`TAG_LIMIT`].
    #[error("a tag has at most {TAG_LIMIT} characters, this one has {0}")]
    Long(usize),
    /// A character that would confuse lists or terminals.
    #[error("a tag has no control characters and no commas")]
    Character,
    /// It would be read as an option.
    #[error("a tag does not begin with `-`")]
    Dash,
    /// It would be read as the number of a version, or as a name with one.
    #[error("`{0}` could be read as a version, so it cannot be the tag of one")]
    Version(String),
}

/// Checks a tag of a stack.
///
/// # Errors
/// Says which rule is broken.
pub fn check_tag(tag: &str) -> Result<(), BadTag> {
    match tag.chars().count() {
        0 => Err(BadTag::Empty),
        n if n > TAG_LIMIT => Err(BadTag::Long(n)),
        _ if tag.chars().any(|c| c.is_control() || c == ',') => Err(BadTag::Character),
        _ if tag.starts_with('-') => Err(BadTag::Dash),
        _ => Ok(()),
    }
}

/// Checks a tag of a version, which is written where a version is named: neither a number nor a name with one.
///
/// # Errors
/// Says which rule is broken.
pub fn check_version_tag(tag: &str) -> Result<(), BadTag> {
    check_tag(tag)?;
    if tag.contains('@') || Version::parse(tag).is_some() {
        return Err(BadTag::Version(tag.to_owned()));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_versions_are_no_versions() {
        for good in ["release", "2026-11", "before v2", "prod/eu", "v"] {
            assert_eq!(check_version_tag(good), Ok(()), "{good}");
        }
        for bad in ["5", "v5", "web-v5", "web@5", "a@b"] {
            assert!(matches!(check_version_tag(bad), Err(BadTag::Version(_))), "{bad}");
            assert_eq!(check_tag(bad), Ok(()), "{bad}");
        }
        for bad in ["", "a,b", "-x", "a\nb", "\u{1b}[2J", &"x".repeat(256)] {
            assert!(check_tag(bad).is_err() && check_version_tag(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_tag_in_the_metadata_is_passed_over() {
        let mut stack = Stack::fresh("w", Timestamp::from_nanos(0));
        assert!(stack.tags().is_empty() && stack.version_tags().is_empty());
        stack.metadata.insert(TAGS.to_owned(), serde_json::json!(["a", 1, "b"]));
        stack
            .metadata
            .insert(VERSION_TAGS.to_owned(), serde_json::json!({"x": 3, "y": "z", "w": 3, "o": -1}));
        assert_eq!(stack.tags(), ["a", "b"]);
        assert_eq!(stack.tags_of(Version(3)), ["w", "x"]);
        assert_eq!(stack.version_tags().len(), 2);
    }
}
