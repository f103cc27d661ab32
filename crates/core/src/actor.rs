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
        }
    }
}
