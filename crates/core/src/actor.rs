//! Who does something, and from where.

/// The person or program behind an operation. Everything is as observed, nothing is claimed by configuration
/// except `name` (`--as`).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// Name shown as creator, lock holder and in the audit trail.
    pub name: String,
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, which makes `pid` unambiguous within a boot.
    pub pid_start: u64,
    /// Working directory.
    pub cwd: String,
    /// What the repository of the workflow file was at, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
}

/// What a repository is at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GitState {
    /// Root of its work tree.
    pub repository: String,
    /// Branch; `None` when a commit is checked out without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Commit; `None` before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Does something that is tracked differ from the commit, or is the workflow file not tracked? `None` when that could
    /// not be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

impl Actor {
    /// A fixed actor for tests and for work nobody in particular asked for.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            host: "localhost".to_owned(),
            pid: 0,
            pid_start: 0,
            cwd: "/".to_owned(),
            git: None,
        }
    }
}
