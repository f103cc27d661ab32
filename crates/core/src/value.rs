//! The JSON-like value that crosses every border, and its one canonical text.

/// Any JSON value. Objects keep their keys sorted, which the canonical form relies on.
pub type Value = serde_json::Value;
/// A JSON object with sorted keys.
pub type Map = serde_json::Map<String, Value>;

/// The canonical text: keys sorted by code point, no white space, integers as integers, other numbers in their
/// shortest round-trip form. Equal values have equal canonical texts; digests are taken over it.
#[must_use]
pub fn canonical(value: &Value) -> String {
    value.to_string()
}

/// Serialises anything to a [`Value`]. Types stored by this project always succeed; a failure becomes `null`.
#[must_use]
pub fn to_value<T: serde::Serialize>(item: &T) -> Value {
    serde_json::to_value(item).unwrap_or(Value::Null)
}

/// A value as its canonical text, not taken apart: what is only shown, hashed or passed on.
///
/// It serialises as the value it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueText(Box<str>);

impl ValueText {
    /// The text of a value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self(canonical(value).into())
    }
    /// Takes a text for what it is; it has to be canonical.
    #[must_use]
    pub fn from_canonical(text: &str) -> Self {
        Self(text.into())
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The value; `null` when the text is not JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or(Value::Null)
    }
}

impl serde::Serialize for ValueText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = serde_json::Deserializer::from_str(&self.0);
        serde_transcode::transcode(&mut text, serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_sorts_keys_whatever_the_order_of_insertion() {
        let a: Value = serde_json::from_str(r#"{"b":1,"a":{"z":[1,2.5,"x"],"c":null}}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":{"c":null,"z":[1,2.5,"x"]},"b":1}"#).unwrap();
        assert_eq!(canonical(&a), r#"{"a":{"c":null,"z":[1,2.5,"x"]},"b":1}"#);
        assert_eq!(canonical(&a), canonical(&b));
    }

    #[test]
    fn a_text_serialises_as_its_value() {
        let value = serde_json::json!({ "a": [1, -2, 2.5, null, true], "b": { "c": "é\n" }, "d": u64::MAX });
        let text = ValueText::of(&value);
        assert_eq!(
            serde_json::to_string_pretty(&text).unwrap(),
            serde_json::to_string_pretty(&value).unwrap()
        );
        assert_eq!(to_value(&text), value);
        assert_eq!(text.value(), value);
    }
}
