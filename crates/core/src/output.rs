//! Outputs: typed values a stack offers to people and to other stacks.

use crate::value::Value;

/// One output.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Output {
    /// Name, unique in the stack.
    pub name: String,
    /// Typed value.
    pub value: Value,
    /// Hidden unless asked for by name.
    #[serde(default)]
    pub sensitive: bool,
}
