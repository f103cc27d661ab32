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
}
