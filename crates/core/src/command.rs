//! Commands as data: what to start, how, and what came out.

use std::collections::BTreeMap;
use std::time::Duration;

/// A command to start. Without `argv` the `line` goes to `/bin/sh -c`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Command {
    /// Shell command line, or the text shown for `argv`.
    pub line: String,
    /// Program and arguments; empty means «use the shell».
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// Working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables added to the environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Run as this user (needs root).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Bytes for standard input; empty input otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Kill the process group after this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// It promises not to change anything: allowed while planning.
    pub read_only: bool,
    /// Nothing is started; this is done instead, and the line only says what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errand: Option<Box<crate::web::Errand>>,
}

impl Command {
    /// A shell line.
    #[must_use]
    pub fn shell(line: impl Into<String>) -> Self {
        Self { line: line.into(), ..Self::default() }
    }
    /// A program with arguments, no shell.
    #[must_use]
    pub fn argv(argv: &[&str]) -> Self {
        Self { line: argv.join(" "), argv: argv.iter().map(|&a| a.to_owned()).collect(), ..Self::default() }
    }
}

/// What a command left.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CommandOutput {
    /// Standard output, lossily as UTF-8.
    pub stdout: String,
    /// Standard error, lossily as UTF-8.
    pub stderr: String,
    /// Exit status; 128 + signal number when it was killed.
    pub exit_code: i32,
    /// It was killed because its time was over.
    pub timed_out: bool,
}

impl CommandOutput {
    /// Exit status 0 and in time.
    #[must_use]
    pub const fn success(&self) -> bool {
        self.exit_code == 0 && !self.timed_out
    }
}
