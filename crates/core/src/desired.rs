//! What the code asks for.

use crate::address::Address;
use crate::digest::Blob;
use crate::span::Span;
use crate::value::Value;

/// Options every resource call understands.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Options {
    /// Addresses this one needs, as written or inferred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Handlers to queue when this resource changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// Refuse to delete it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// When it leaves the code, forget it instead of removing it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
    /// Never show its values.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// Take it over from another stack that recorded it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub take_over: bool,
}

/// One wish.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Which resource.
    pub address: Address,
    /// Module the user named, such as `file`; with `operation` and the id it forms the operation key.
    pub module: String,
    /// Operation the user named, such as `copy`.
    pub operation: String,
    /// The wish in the terms of the resource type. Contents are named by digest, never held inline.
    pub spec: Value,
    /// Contents the spec names.
    pub blobs: Vec<Blob>,
    /// Common options.
    pub options: Options,
    /// Where it was written.
    pub span: Option<Span>,
}

impl Desired {
    /// `{module}:{operation}:{id}`, the key under which `state list` shows it.
    #[must_use]
    pub fn operation_key(&self) -> String {
        operation_key(&self.module, &self.operation, &self.address)
    }
}

/// `{module}:{operation}:{id}`.
#[must_use]
pub fn operation_key(module: &str, operation: &str, address: &Address) -> String {
    format!("{module}:{operation}:{}", address.id())
}
