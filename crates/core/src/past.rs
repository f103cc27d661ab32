//! A stack that comes from somewhere else, with everything it has been through.

use crate::clock::Timestamp;
use crate::drift::Finding;
use crate::output::Output;
use crate::recorded::Recorded;
use crate::run::Run;
use crate::stack::Stack;
use crate::upstream::Upstream;
use crate::version::VersionNote;

/// One version as it was elsewhere: all of it, not what it changed.
#[derive(Clone, Debug, PartialEq)]
pub struct PastVersion {
    /// What made it. It is made even when nothing in it changed if the note says `always`.
    pub note: VersionNote,
    /// When.
    pub at: Timestamp,
    /// Every resource.
    pub resources: Vec<Recorded>,
    /// Every output.
    pub outputs: Vec<Output>,
    /// Every stack it needed.
    pub upstreams: Vec<Upstream>,
}

/// A stack with its history, to be kept whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The stack; its head is 0, the versions move it.
    pub stack: Stack,
    /// Oldest first. They become 1, 2, 3 and so on, whatever they were called before.
    pub versions: Vec<PastVersion>,
    /// Oldest first.
    pub runs: Vec<Run>,
    /// What the newest look for drift found.
    pub findings: Vec<Finding>,
}

impl Past {
    /// The newest version; none when there is no history.
    #[must_use]
    pub fn newest(&self) -> Option<&PastVersion> {
        self.versions.last()
    }
}
