//! What was left behind the last time, as the store remembers it.

use crate::address::Address;
use crate::clock::Timestamp;
use crate::desired::{Desired, Options, operation_key};
use crate::digest::Digest;
use crate::value::{Value, ValueText, to_value};

/// Operation of resources that live only in the record (`stack.register_resource`, `stack.resource`).
pub const REGISTERED: &str = "register";

/// What was there before this stack touched the resource for the first time.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "was")]
pub enum Origin {
    /// Nothing: this stack created it, so removing it is right.
    Absent,
    /// It existed. Removing it means putting this state back.
    Present {
        /// The state found; its contents are in the content store.
        state: Value,
    },
}

impl Origin {
    /// The origin of a resource that is touched for the first time and was like this.
    #[must_use]
    pub fn of(live: Option<&Value>) -> Self {
        live.map_or(Self::Absent, |state| Self::Present { state: state.clone() })
    }
}

/// Whether the last attempt ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Applied and confirmed.
    #[default]
    Applied,
    /// Registered, not applied yet.
    Pending,
    /// The last attempt failed; what is on the machine may be neither old nor new.
    Failed,
}

impl Condition {
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Failed => "failed",
        }
    }
    /// The reverse of [`Condition::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Applied, Self::Pending, Self::Failed].into_iter().find(|c| c.as_str() == text)
    }
}

/// The record of one resource. `body()` is what versions, digests and exports are made of; times are not part of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recorded {
    /// Which resource.
    pub address: Address,
    /// Module of the call that declared it.
    pub module: String,
    /// Operation of the call that declared it.
    pub operation: String,
    /// The wish it was brought to.
    pub spec: Value,
    /// The state it was left in; `None` when the wish was absence.
    pub state: Option<Value>,
    /// What was there before us.
    pub origin: Origin,
    /// How the last attempt ended.
    pub condition: Condition,
    /// Message of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Common options of the declaring call.
    #[serde(default)]
    pub options: Options,
    /// Task that declared it.
    #[serde(default)]
    pub task: String,
    /// First recorded.
    #[serde(default)]
    pub created_at: Timestamp,
    /// Last changed.
    #[serde(default)]
    pub updated_at: Timestamp,
}

impl Recorded {
    /// The record of a wish that was fulfilled, and left this state. `live` was there before; `old` is what was recorded
    /// until now, whose origin and birth stay.
    #[must_use]
    pub fn applied(
        desired: &Desired,
        state: Option<Value>,
        live: Option<&Value>,
        old: Option<&Self>,
        task: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            address: desired.address.clone(),
            module: desired.module.clone(),
            operation: desired.operation.clone(),
            spec: desired.spec.clone(),
            state,
            origin: old.map_or_else(|| Origin::of(live), |old| old.origin.clone()),
            condition: Condition::Applied,
            error: None,
            options: desired.options.clone(),
            task: task.to_owned(),
            created_at: old.map_or(now, |old| old.created_at),
            updated_at: now,
        }
    }
    /// Everything that makes the record what it is, without its times.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut value = to_value(self);
        if let Value::Object(map) = &mut value {
            map.remove("created_at");
            map.remove("updated_at");
        }
        value
    }
    /// Does it live only in the record, with nothing on a machine to look at?
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.operation == REGISTERED
    }
    /// Digest of [`Recorded::body`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_value(&self.body())
    }
    /// The seeds' checksum: digest of the canonical wish.
    #[must_use]
    pub fn checksum(&self) -> Digest {
        Digest::of_value(&self.spec)
    }
    /// `{module}:{operation}:{id}`.
    #[must_use]
    pub fn operation_key(&self) -> String {
        crate::desired::operation_key(&self.module, &self.operation, &self.address)
    }
}

/// A record whose values are not taken apart: what lists are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedText {
    /// See [`Recorded::address`].
    pub address: Address,
    /// See [`Recorded::module`].
    pub module: String,
    /// See [`Recorded::operation`].
    pub operation: String,
    /// See [`Recorded::spec`].
    pub spec: ValueText,
    /// See [`Recorded::state`]; a state that is `null` is none.
    pub state: Option<ValueText>,
    /// Was something there before this stack touched the resource?
    pub existed: bool,
    /// See [`Recorded::condition`].
    pub condition: Condition,
    /// See [`Recorded::error`].
    pub error: Option<String>,
    /// See [`Recorded::options`].
    pub options: Options,
    /// See [`Recorded::task`].
    pub task: String,
    /// See [`Recorded::created_at`].
    pub created_at: Timestamp,
    /// See [`Recorded::updated_at`].
    pub updated_at: Timestamp,
}

impl RecordedText {
    /// See [`Recorded::checksum`].
    #[must_use]
    pub fn checksum(&self) -> Digest {
        Digest::of(self.spec.as_str().as_bytes())
    }
    /// `{module}:{operation}:{id}`, the key under which `state list` shows it.
    #[must_use]
    pub fn operation_key(&self) -> String {
        operation_key(&self.module, &self.operation, &self.address)
    }
}

impl From<Recorded> for RecordedText {
    fn from(recorded: Recorded) -> Self {
        Self {
            spec: ValueText::of(&recorded.spec),
            state: recorded.state.as_ref().filter(|state| !state.is_null()).map(ValueText::of),
            existed: matches!(recorded.origin, Origin::Present { .. }),
            address: recorded.address,
            module: recorded.module,
            operation: recorded.operation,
            condition: recorded.condition,
            error: recorded.error,
            options: recorded.options,
            task: recorded.task,
            created_at: recorded.created_at,
            updated_at: recorded.updated_at,
        }
    }
}
