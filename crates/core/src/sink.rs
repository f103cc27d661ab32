//! Who listens while things happen.

use crate::address::{Address, HostName};
use crate::change::Change;
use crate::event::Event;

/// Everything a run tells while it goes on.
#[derive(Clone, Debug)]
pub enum Signal<'a> {
    /// An event, sent after it was decided and, when it is stored, in the order in which it is stored.
    Event(&'a Event),
    /// A resource was looked at and decided upon; sent before anything is touched.
    Decided {
        /// Task.
        task: &'a str,
        /// Resource.
        address: &'a Address,
        /// Decision.
        change: &'a Change,
    },
    /// A command is about to run, or would run (`planned`).
    Command {
        /// Task.
        task: &'a str,
        /// Host.
        host: &'a HostName,
        /// What.
        line: &'a str,
        /// Only planned.
        planned: bool,
    },
    /// A line of output of a command or of user code.
    Line {
        /// Task, if any.
        task: Option<&'a str>,
        /// `stdout`, `stderr`, `print`, or a log level.
        stream: &'a str,
        /// Without line end.
        text: &'a str,
    },
    /// Something the user should know.
    Notice {
        /// Weight.
        severity: crate::event::Severity,
        /// One sentence.
        text: &'a str,
    },
}

/// Listens. Called from several threads, must not block for long and cannot fail: a closed terminal changes nothing.
pub trait EventSink: Send + Sync {
    /// One signal.
    fn signal(&self, signal: &Signal<'_>);
}

/// Hears nothing.
#[derive(Debug, Default)]
pub struct Deaf;

impl EventSink for Deaf {
    fn signal(&self, _: &Signal<'_>) {}
}
