//! What is shown, as data: JSON, YAML and tables come from the same values. Field names are stable.

pub mod backup;
pub mod config;
pub mod copied;
pub mod deps;
pub mod drift;
pub mod event;
pub mod execution;
pub mod hook;
pub mod lock;
pub mod migration;
pub mod operation;
pub mod plan;
pub mod resource;
pub mod retention;
pub mod run;
pub mod stack;
pub mod transfer;
pub mod validate;
pub mod value;
pub mod version;
pub mod workflow;

use sloth_core::clock::Timestamp;

/// What stands where a secret would.
pub const SENSITIVE: &str = "(sensitive)";

/// A time for programs.
pub fn time(at: Timestamp) -> String {
    at.rfc3339()
}

/// A time that may be missing, for programs.
pub fn maybe_time(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}

/// A time that may be missing, for people.
pub fn maybe_local(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), Timestamp::local)
}

/// A duration for programs, in nanoseconds.
pub fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
