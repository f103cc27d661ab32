//! The operation log: one entry per change a person or program asked for, hash-chained.

use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::id::OperationId;
use crate::value::Value;
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
