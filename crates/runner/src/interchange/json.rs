//! JSON in which numbers keep their spelling.
//!
//! A number whose canonical text is another one, because it has more digits than a machine's number or is written in
//! another way, becomes its text, and the place is remembered. Nothing is rounded.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sloth_core::value::{Map, Value, canonical};

use super::Broken;

/// A document, and the JSON pointers of the numbers that are texts in it.
#[derive(Debug)]
pub struct Read {
    /// The document.
    pub value: Value,
    /// Which texts in it are numbers.
    pub spelled: BTreeSet<String>,
}

impl Read {
    /// The pointers of a part of the document, as seen from there.
    pub fn within(&self, pointer: &str) -> Vec<String> {
        let parts = self.spelled.iter().filter_map(|p| p.strip_prefix(pointer));
        parts.filter(|rest| rest.starts_with('/') || rest.is_empty()).map(str::to_owned).collect()
    }
}

/// Reads a document.
///
/// # Errors
/// It is not JSON, or an object has a key twice.
pub fn read(text: &str) -> Result<Read, Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let what = error.to_string();
        let what = what.split(" at line").next().unwrap_or_default().to_owned();
        Broken::new(place, format!("it is not JSON: {what}"))
    })?;
    let mut spelled = BTreeSet::new();
    let value = build(raw, &mut String::new(), &mut spelled)?;
    Ok(Read { value, spelled })
}

struct Pairs<'t>(Vec<(String, &'t RawValue)>);

impl<'de> serde::Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn build(raw: &RawValue, at: &mut String, spelled: &mut BTreeSet<String>) -> Result<Value, Broken> {
    let text = raw.get();
    let bad = |at: &str, error: &serde_json::Error| Broken::new(at, format!("it is not JSON: {error}"));
    let length = at.len();
    match text.as_bytes().first() {
        Some(b'{') => {
            let Pairs(pairs) = serde_json::from_str(text).map_err(|e| bad(at, &e))?;
            let mut map = Map::new();
            for (key, raw) in pairs {
                push(at, &key);
                let value = build(raw, at, spelled)?;
                if map.insert(key, value).is_some() {
                    return Err(Broken::new(at.as_str(), "the key is there twice"));
                }
                at.truncate(length);
            }
            Ok(Value::Object(map))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| bad(at, &e))?;
            let mut list = Vec::with_capacity(items.len());
            for (n, raw) in items.into_iter().enumerate() {
                push(at, &n.to_string());
                list.push(build(raw, at, spelled)?);
                at.truncate(length);
            }
            Ok(Value::Array(list))
        }
        Some(b'-' | b'0'..=b'9') => match serde_json::from_str::<Value>(text) {
            Ok(number) if canonical(&number) == text => Ok(number),
            _ => {
                spelled.insert(at.clone());
                Ok(Value::String(text.to_owned()))
            }
        },
        _ => serde_json::from_str(text).map_err(|e| bad(at, &e)),
    }
}

/// Adds a step to a JSON pointer.
pub fn push(pointer: &mut String, step: &str) {
    pointer.push('/');
    pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
}

/// Is it a number as JSON writes them?
fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| raw.get() == text)
}

/// Writes a document as Go programs do: two spaces, `<`, `>` and `&` escaped, keys in order unless `order` knows a better
/// one for the object at a pointer.
pub fn write(
    value: &Value,
    spelled: &BTreeSet<String>,
    order: fn(&str) -> &'static [&'static str],
) -> String {
    let mut out = String::new();
    Writer { out: &mut out, spelled, order }.value(value, &mut String::new(), 0);
    out.push('\n');
    out
}

struct Writer<'w> {
    out: &'w mut String,
    spelled: &'w BTreeSet<String>,
    order: fn(&str) -> &'static [&'static str],
}

impl Writer<'_> {
    fn line(&mut self, depth: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", depth));
    }
    fn value(&mut self, value: &Value, at: &mut String, depth: usize) {
        let length = at.len();
        match value {
            Value::Object(map) if !map.is_empty() => {
                let first = (self.order)(at);
                let known = first.iter().filter_map(|key| map.get_key_value(*key));
                let rest = map.iter().filter(|(key, _)| !first.contains(&key.as_str()));
                self.out.push('{');
                for (n, (key, value)) in known.chain(rest).enumerate() {
                    if n > 0 {
                        self.out.push(',');
                    }
                    self.line(depth + 1);
                    self.text(key);
                    self.out.push_str(": ");
                    push(at, key);
                    self.value(value, at, depth + 1);
                    at.truncate(length);
                }
                self.line(depth);
                self.out.push('}');
            }
            Value::Array(list) if !list.is_empty() => {
                self.out.push('[');
                for (n, value) in list.iter().enumerate() {
                    if n > 0 {
                        self.out.push(',');
                    }
                    self.line(depth + 1);
                    push(at, &n.to_string());
                    self.value(value, at, depth + 1);
                    at.truncate(length);
                }
                self.line(depth);
                self.out.push(']');
            }
            Value::String(text) if self.spelled.contains(at.as_str()) && is_number(text) => {
                self.out.push_str(text);
            }
            Value::String(text) => self.text(text),
            other => self.out.push_str(&other.to_string()),
        }
    }
    fn text(&mut self, text: &str) {
        // What serde writes is right; Go escapes a little more.
        for c in Value::from(text).to_string().chars() {
            match c {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    self.out.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => self.out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_spelling() {
        let text = "{\n  \"a\": [\n    1,\n    1.0,\n    1.50,\n    1e3,\n    12345678901234567890123,\n    -0,\n    1e999,\n    0.1\n  ],\n  \"b/~\": 3.0000,\n  \"c\": \"\\u003c3\\u003e\",\n  \"d\": \"1.50\",\n  \"e\": {},\n  \"f\": []\n}\n";
        let read = read(text).unwrap();
        assert_eq!(read.value["a"][4], "12345678901234567890123");
        assert_eq!(read.value["a"][7], 0.1);
        assert_eq!(read.within("/a"), ["/2", "/3", "/4", "/5", "/6"]);
        assert_eq!(write(&read.value, &read.spelled, |_| &[]), text);
    }

    #[test]
    fn what_is_not_json_has_a_place() {
        let at = |text: &str| read(text).unwrap_err().place;
        assert_eq!(at("{\n  \"a\": }"), "line 2 column 8");
        assert_eq!(at("{\"a\":{\"b\":1,\"b\":2}}"), "/a/b");
        assert_eq!(at(""), "line 1 column 0");
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
