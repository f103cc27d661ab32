//! The operation log: one entry per change a person or program asked for, hash-chained.

use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::id::OperationId;
use crate::value::{Value, canonical, to_value};
use crate::version::Version;

/// One entry.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Operation {
    /// Position in the log, from 1, without gaps.
    pub seq: u64,
    /// Identity.
    pub id: OperationId,
    /// When.
    pub at: Timestamp,
    /// Who, where.
    pub actor: Actor,
    /// The verb: `run`, `stack delete`, `state set`, …
    pub verb: String,
    /// Command line or request, with secrets removed.
    pub arguments: Vec<String>,
    /// Stack it was about, by id and by its name at the time.
    pub stack: Option<(String, String)>,
    /// Head before.
    pub before: Option<Version>,
    /// Head after.
    pub after: Option<Version>,
    /// What undoing needs besides versions, for example the previous value of a key.
    pub undo: Value,
    /// The operation this one undid.
    pub undoes: Option<u64>,
    /// Link of the previous entry.
    pub prev_hash: Digest,
    /// `H(prev_hash ‖ canonical entry without hashes)`.
    pub hash: Digest,
}

impl Operation {
    /// Is there anything that undoing it would take back? A run that found everything in order, or a lock that was taken,
    /// left nothing behind.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        self.before != self.after || !self.undo.is_null()
    }
    /// The link this entry has to have: the one before it and everything it says.
    #[must_use]
    pub fn link(&self) -> Digest {
        let mut value = to_value(self);
        if let Value::Object(map) = &mut value {
            map.remove("hash");
            map.remove("prev_hash");
        }
        self.prev_hash.link(canonical(&value).as_bytes())
    }
}

/// Where a log does not hold together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenChain {
    /// What an entry says is not what was written.
    #[error("operation {0} was changed after it was written")]
    Changed(u64),
    /// An entry does not follow from the one before it.
    #[error("operation {0} does not follow from the one before it: one of them was replaced")]
    Replaced(u64),
    /// Entries are missing.
    #[error("the operations before {found} are missing: {expected} was expected")]
    Missing {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
}

/// Checks a log entry by entry, from the first one on.
#[derive(Clone, Copy, Debug)]
pub struct ChainCheck {
    next: u64,
    link: Digest,
}

impl Default for ChainCheck {
    fn default() -> Self {
        Self { next: 1, link: Digest::ZERO }
    }
}

impl ChainCheck {
    /// The next entry.
    ///
    /// # Errors
    /// Says what is wrong with it. Goes on from there, as if it were right.
    pub fn add(&mut self, operation: &Operation) -> Result<(), BrokenChain> {
        let (expected, link) = (self.next, self.link);
        self.next = operation.seq.saturating_add(1);
        self.link = operation.hash;
        if operation.hash != operation.link() {
            return Err(BrokenChain::Changed(operation.seq));
        }
        if operation.seq != expected {
            return Err(BrokenChain::Missing { expected, found: operation.seq });
        }
        if operation.prev_hash != link {
            return Err(BrokenChain::Replaced(operation.seq));
        }
        Ok(())
    }
    /// Number and link of the last entry; number 0 when there was none.
    #[must_use]
    pub const fn end(&self) -> (u64, Digest) {
        (self.next.saturating_sub(1), self.link)
    }
}
