//! Key-value state: typed values under free-text keys, per scope.

use crate::clock::Timestamp;
use crate::value::Value;

/// The scope of the controller.
pub const LOCAL_SCOPE: &str = "local";

/// One entry.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ValueEntry {
    /// Scope: an agent's name, `local` for the controller.
    pub scope: String,
    /// Key.
    pub key: String,
    /// Typed value.
    pub value: Value,
    /// First set.
    pub created_at: Timestamp,
    /// Last set.
    pub updated_at: Timestamp,
    /// Gone after this time.
    pub expires_at: Option<Timestamp>,
    /// Grows with every write; what compare-and-swap compares.
    pub revision: u64,
}
