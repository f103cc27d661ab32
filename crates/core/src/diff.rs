//! Differences, attribute by attribute, with a text diff where one helps.

use crate::value::Value;

/// Longest text on either side for which a unified diff is made, in bytes.
pub const TEXT_DIFF_LIMIT: usize = 256 * 1024;

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AttributeDiff {
    /// Attribute name as the resource type documents it.
    pub name: String,
    /// What is there; `None` when the attribute or the whole resource is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What is wanted; `None` when it shall be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// Unified diff of the content, when both sides are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The attribute cannot change in place: the resource has to be replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// The values are secret and are never shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secret: bool,
}

/// What differs between a wish and reality. Empty means equal in every attribute the wish manages.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Diff {
    attributes: Vec<AttributeDiff>,
}

impl Diff {
    /// No difference.
    #[must_use]
    pub const fn none() -> Self {
        Self { attributes: Vec::new() }
    }
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }
    /// Does an attribute differ that cannot change in place?
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.attributes.iter().any(|a| a.replaces)
    }
    /// The differing attributes.
    #[must_use]
    pub fn attributes(&self) -> &[AttributeDiff] {
        &self.attributes
    }
    /// Names of the differing attributes.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.attributes.iter().map(|a| a.name.clone()).collect()
    }
    /// Adds one difference.
    pub fn push(&mut self, attribute: AttributeDiff) {
        self.attributes.push(attribute);
    }
    /// Adds a difference when the two sides are not equal.
    pub fn compare(&mut self, name: &str, from: Option<Value>, to: Option<Value>) {
        if from != to {
            self.push(AttributeDiff {
                name: name.to_owned(),
                from,
                to,
                text: None,
                replaces: false,
                secret: false,
            });
        }
    }
    /// Attribute by attribute: objects by key, anything else as one attribute `value`.
    #[must_use]
    pub fn between(from: &Value, to: &Value) -> Self {
        let mut diff = Self::none();
        match (from, to) {
            (Value::Object(a), Value::Object(b)) => {
                let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
                keys.sort_unstable();
                keys.dedup();
                for key in keys {
                    diff.compare(key, a.get(key).cloned(), b.get(key).cloned());
                }
            }
            _ => diff.compare("value", Some(from.clone()), Some(to.clone())),
        }
        diff
    }
    /// Hides the values: names stay, content does not.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        for a in &mut self.attributes {
            let hide = |v: &mut Option<Value>| {
                if let Some(v) = v {
                    *v = Value::from("(sensitive)");
                }
            };
            hide(&mut a.from);
            hide(&mut a.to);
            a.text = None;
            a.secret = true;
        }
        self
    }
}

/// A unified diff of two texts with three lines of context, or `None` when either side is not UTF-8, holds a NUL or is
/// longer than [`TEXT_DIFF_LIMIT`].
#[must_use]
pub fn unified(from: &[u8], to: &[u8], from_name: &str, to_name: &str) -> Option<String> {
    if from.len() > TEXT_DIFF_LIMIT || to.len() > TEXT_DIFF_LIMIT || from.contains(&0) || to.contains(&0) {
        return None;
    }
    let from = std::str::from_utf8(from).ok()?;
    let to = std::str::from_utf8(to).ok()?;
    let diff = similar::TextDiff::from_lines(from, to);
    Some(diff.unified_diff().context_radius(3).header(from_name, to_name).to_string())
}
