//! JSON: the places of its values, and edits that keep order, indentation and everything else.

use std::ops::Range;

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use sloth_core::value::Value;

use super::{Edit, Splice, Spot, Syntax, newline};

pub(super) struct Json;

/// A name and its value in an object.
struct Member {
    key: String,
    /// With its quotes.
    name: Range<usize>,
    value: Range<usize>,
}

/// Goes over a text that is known to be JSON.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
    fn space(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }
    fn string(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        start..self.at
    }
    /// Any value. Its members, when it is an object and they are wanted.
    fn value(&mut self, mut members: Option<&mut Vec<Member>>) -> Range<usize> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(open @ (b'{' | b'[')) => {
                self.at += 1;
                loop {
                    self.space();
                    match self.peek() {
                        None => break,
                        Some(b'}' | b']') => {
                            self.at += 1;
                            break;
                        }
                        Some(b',') => self.at += 1,
                        Some(_) if open == b'[' => drop(self.value(None)),
                        Some(_) => {
                            let name = self.string();
                            self.space();
                            self.at += 1;
                            let value = self.value(None);
                            let key = serde_json::from_str(&self.text[name.clone()]).unwrap_or_default();
                            if let Some(members) = members.as_deref_mut() {
                                members.push(Member { key, name, value });
                            }
                        }
                    }
                }
            }
            _ => {
                while self.peek().is_some_and(|b| !b.is_ascii_whitespace() && !b",]}".contains(&b)) {
                    self.at += 1;
                }
            }
        }
        start..self.at
    }
}

/// Where a value is, and its members when it is an object.
fn object(text: &str, at: usize) -> (Range<usize>, Vec<Member>) {
    let mut members = Vec::new();
    let range = Walk { text, at }.value(Some(&mut members));
    (range, members)
}

/// The white space at the beginning of the line with this byte.
fn indent(text: &str, at: usize) -> &str {
    let line = &text[super::line_start(text, at)..at];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// One step of indentation.
fn step(text: &str) -> &str {
    let (_, members) = object(text, 0);
    match members.first() {
        Some(first) if text[..first.name.start].contains('\n') => indent(text, first.name.start),
        _ => "  ",
    }
}

/// A value as it is written in a line with this indentation.
fn literal(text: &str, value: &Value, indent: &str) -> String {
    let flat = !text.trim().is_empty() && !text.trim().contains('\n') && text.trim() != "{}";
    if flat {
        return value.to_string();
    }
    let mut bytes = Vec::new();
    let format = PrettyFormatter::with_indent(step(text).as_bytes());
    let mut to = serde_json::Serializer::with_formatter(&mut bytes, format);
    if value.serialize(&mut to).is_err() {
        return value.to_string();
    }
    let newline = format!("{}{indent}", newline(text));
    String::from_utf8_lossy(&bytes).replace('\n', &newline)
}

impl Syntax for Json {
    fn read(&self, text: &str) -> Result<Value, String> {
        if text.trim().is_empty() {
            return Ok(Value::Object(sloth_core::value::Map::new()));
        }
        let value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        Ok(value)
    }
    fn spots(&self, text: &str, keys: &[String]) -> Result<Vec<Spot>, String> {
        let mut at = 0;
        let mut found = None;
        for key in keys {
            let (range, members) = object(text, at);
            let mut same = members.iter().enumerate().filter(|(_, m)| m.key == *key);
            let Some((index, member)) = same.next() else { return Ok(Vec::new()) };
            if same.next().is_some() {
                return Err(format!("`{key}` is there more than once; nothing was changed"));
            }
            let whole = match (index.checked_sub(1), members.get(index + 1)) {
                (Some(before), _) => members[before].value.end..member.value.end,
                (None, Some(next)) => member.name.start..next.name.start,
                (None, None) => range.start + 1..range.end - 1,
            };
            at = member.value.start;
            found = Some(Spot { text: member.value.clone(), whole });
        }
        Ok(found.into_iter().collect())
    }
    fn replacement(&self, text: &str, spots: &[Spot], value: &Value) -> Edit {
        let new = |spot: &Spot| literal(text, value, indent(text, spot.text.start));
        spots.iter().map(|spot| Splice { at: spot.text.clone(), with: new(spot) }).collect()
    }
    fn insertions(&self, text: &str, keys: &[String], value: &Value, _: bool) -> Vec<Edit> {
        let mut at = 0;
        for (depth, key) in keys.iter().enumerate() {
            let (range, members) = object(text, at);
            if let Some(member) = members.iter().find(|m| m.key == *key) {
                at = member.value.start;
                continue;
            }
            // What is missing on the way comes as one new value.
            let value = keys[depth + 1..].iter().rev().fold(value.clone(), |value, key| {
                Value::Object(std::iter::once((key.clone(), value)).collect())
            });
            let name = Value::from(key.as_str()).to_string();
            let newline = newline(text);
            let splice = if text.trim().is_empty() {
                let with =
                    format!("{{{newline}  {name}: {}{newline}}}{newline}", literal(text, &value, "  "));
                Splice { at: text.len()..text.len(), with }
            } else if let Some(last) = members.last() {
                let space = &text[..last.name.start];
                let space = &space[space.trim_end_matches([' ', '\t', '\r', '\n']).len()..];
                let space = if members.len() == 1 && space.is_empty() { " " } else { space };
                let sign = &text[last.name.end..last.value.start];
                let value = literal(text, &value, indent(text, last.name.start));
                Splice { at: last.value.end..last.value.end, with: format!(",{space}{name}{sign}{value}") }
            } else if text.trim() == "{}" || text.trim().contains('\n') {
                let outer = indent(text, range.start);
                let inner = format!("{outer}{}", step(text));
                let open = text[range.clone()].contains('\n');
                let end = if open { String::new() } else { format!("{newline}{outer}") };
                let with = format!("{newline}{inner}{name}: {}{end}", literal(text, &value, &inner));
                Splice { at: range.start + 1..range.start + 1, with }
            } else {
                Splice { at: range.start + 1..range.start + 1, with: format!("{name}: {value}") }
            };
            return vec![vec![splice]];
        }
        Vec::new()
    }
}
