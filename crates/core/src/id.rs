//! Newtype identifiers. A stack id can never be passed where a run id is wanted.

use crate::clock::Timestamp;

/// Makes a string newtype holding a UUIDv7.
macro_rules! define_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id: UUIDv7, so ids sort by the time given.
            #[must_use]
            pub fn generate(now: Timestamp) -> Self {
                Self(uuid_v7(now))
            }
            /// Takes an id that was stored or received; any text is accepted.
            #[must_use]
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

define_id! {
    /// Identifies a stack for ever; names may change, this does not.
    StackId
}
define_id! {
    /// Identifies one execution of a workflow or of a state-changing command.
    RunId
}
define_id! {
    /// Identifies one entry of the operation log.
    OperationId
}
define_id! {
    /// Identifies one lease; knowing it is what proves ownership.
    LockId
}
define_id! {
    /// Identifies one event for at-least-once delivery.
    EventId
}

fn uuid_v7(now: Timestamp) -> String {
    let millis = u64::try_from(now.as_nanos() / 1_000_000).unwrap_or(0);
    let sub = u32::try_from(now.as_nanos().rem_euclid(1_000_000_000)).unwrap_or(0);
    let stamp = uuid::Timestamp::from_unix(uuid::NoContext, millis / 1000, sub);
    uuid::Uuid::new_v7(stamp).to_string()
}
