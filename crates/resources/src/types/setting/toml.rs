//! TOML: the parser says where everything is, and each way to put something in is tried until one of them is right.

use std::ops::Range;

use sloth_core::value::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{Edit, Splice, Spot, Syntax, line_start, lines_at, next_line, whole_lines};

pub(super) struct Toml;

/// A key with its value, and whether the table it is in stands in one line in braces.
struct Leaf {
    key: Range<usize>,
    value: Range<usize>,
    braces: Option<Range<usize>>,
}

/// A key as it is written.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if plain { key.to_owned() } else { string(key) }
}

fn dotted(keys: &[String]) -> String {
    keys.iter().map(|k| bare(k)).collect::<Vec<_>>().join(".")
}

fn string(text: &str) -> String {
    // What JSON writes in its strings means the same here, and DEL has to be written in another way.
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let members = map.iter().map(|(key, value)| format!("{} = {}", bare(key), literal(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        // There is no nothing in TOML; the check after the edit refuses it.
        other => other.to_string(),
    }
}

/// A value of TOML; dates are their text.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map_or_else(|| Value::from(number.to_string()), Value::Number),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        toml::Value::Table(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (k, plain(v))).collect::<Map>())
        }
    }
}

/// The leaf that names lead to.
fn leaf(text: &str, root: &DeTable<'_>, keys: &[String]) -> Option<Leaf> {
    let (mut table, mut braces) = (root, None);
    let (last, way) = keys.split_last()?;
    for key in way {
        let (_, value) = table.iter().find(|(k, _)| k.get_ref() == key)?;
        let DeValue::Table(inner) = value.get_ref() else { return None };
        if text[value.span()].starts_with('{') {
            braces = Some(value.span());
        }
        table = inner;
    }
    let (key, value) = table.iter().find(|(k, _)| k.get_ref() == last)?;
    let own = matches!(value.get_ref(), DeValue::Table(_)) && !text[value.span()].starts_with('{');
    let listed = matches!(value.get_ref(), DeValue::Array(_)) && !text[value.span()].starts_with('[');
    let tables = text[line_start(text, value.span().start)..].trim_start().starts_with("[[");
    // A table below its own header is no single value.
    if own || listed || (tables && matches!(value.get_ref(), DeValue::Array(_))) {
        return None;
    }
    Some(Leaf { key: key.span(), value: value.span(), braces })
}

/// The keys in a line `[a.b]`.
fn header(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    if !line.starts_with('[') || line.starts_with("[[") {
        return None;
    }
    let mut here = toml::from_str::<toml::Table>(line).ok().map(toml::Value::Table)?;
    let mut keys = Vec::new();
    while let toml::Value::Table(table) = here {
        match table.into_iter().next() {
            Some((key, value)) => {
                keys.push(key);
                here = value;
            }
            None => break,
        }
    }
    Some(keys)
}

/// Behind the last value that stands directly in a table; `None` when there is none.
fn last_leaf(text: &str, root: &DeTable<'_>, parent: &[String]) -> Option<usize> {
    let mut table = root;
    for key in parent {
        let (_, value) = table.iter().find(|(k, _)| k.get_ref() == key)?;
        let DeValue::Table(inner) = value.get_ref() else { return None };
        table = inner;
    }
    let names = table.iter().map(|(k, _)| {
        let mut keys = parent.to_vec();
        keys.push(k.get_ref().to_string());
        keys
    });
    names.filter_map(|keys| leaf(text, root, &keys)).map(|leaf| leaf.value.end).max()
}

impl Syntax for Toml {
    fn read(&self, text: &str) -> Result<Value, String> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let line =
                error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count());
            format!("{} in line {}", error.message(), line + 1)
        })?;
        Ok(plain(toml::Value::Table(table)))
    }
    fn spots(&self, text: &str, keys: &[String]) -> Result<Vec<Spot>, String> {
        let root = DeTable::parse(text).map_err(|e| e.message().to_owned())?;
        let Some(leaf) = leaf(text, root.get_ref(), keys) else { return Ok(Vec::new()) };
        let whole = match &leaf.braces {
            None => whole_lines(text, &(leaf.key.start..leaf.value.end)),
            Some(braces) => {
                let (front, back) = (&text[braces.start + 1..leaf.key.start], &text[leaf.value.end..]);
                let space = back.len() - back.trim_start().len();
                match (front.rfind(','), back.trim_start().starts_with(',')) {
                    (Some(comma), _) => braces.start + 1 + comma..leaf.value.end,
                    (None, true) => {
                        let behind = &back[space + 1..];
                        let more = behind.len() - behind.trim_start().len();
                        leaf.key.start..leaf.value.end + space + 1 + more
                    }
                    (None, false) => braces.start + 1..braces.end - 1,
                }
            }
        };
        Ok(vec![Spot { text: leaf.value, whole }])
    }
    fn replacement(&self, _: &str, spots: &[Spot], value: &Value) -> Edit {
        spots.iter().map(|spot| Splice { at: spot.text.clone(), with: literal(value) }).collect()
    }
    fn insertions(&self, text: &str, keys: &[String], value: &Value, _: bool) -> Vec<Edit> {
        let Ok(root) = DeTable::parse(text) else { return Vec::new() };
        let Some((last, parent)) = keys.split_last() else { return Vec::new() };
        let value = literal(value);
        let mut ways = Vec::new();
        // Into a table in braces.
        if let Some(table) = leaf(text, root.get_ref(), parent).map(|leaf| leaf.value)
            && text[table.clone()].starts_with('{')
        {
            let inside = &text[table.start + 1..table.end - 1];
            let at = table.start + 1 + inside.trim_end().len();
            let comma = if inside.trim().is_empty() { " " } else { ", " };
            let space = if inside.is_empty() { " " } else { "" };
            ways.push(vec![Splice { at: at..at, with: format!("{comma}{} = {value}{space}", bare(last)) }]);
        }
        // Behind the last value of its table, with as much of the way in front as stands there.
        if let Some(end) = last_leaf(text, root.get_ref(), parent) {
            let indent: String =
                text[line_start(text, end)..].chars().take_while(|c| " \t".contains(*c)).collect();
            for length in 1..=keys.len() {
                let line = format!("{indent}{} = {value}", dotted(&keys[keys.len() - length..]));
                ways.push(vec![lines_at(text, next_line(text, end), &line)]);
            }
        }
        // Below its header, when nothing is there.
        let mut at = 0;
        let mut first_header = None;
        for line in text.split_inclusive('\n') {
            let end = at + line.len();
            if header(line).is_some_and(|keys| keys == parent) {
                ways.push(vec![lines_at(text, end, &format!("{} = {value}", bare(last)))]);
            }
            if first_header.is_none() && line.trim_start().starts_with('[') {
                first_header = Some(at);
            }
            at = end;
        }
        if parent.is_empty() {
            // In front of the first header and of the comment that belongs to it.
            let mut place = first_header.unwrap_or(text.len());
            while first_header.is_some() && place > 0 {
                let above = line_start(text, place - 1);
                if !text[above..place].trim_start().starts_with('#') {
                    break;
                }
                place = above;
            }
            let blank = if first_header.is_some() { "\n" } else { "" };
            ways.push(vec![lines_at(text, place, &format!("{} = {value}{blank}", bare(last)))]);
        } else {
            let blank = if text.is_empty() || text.ends_with("\n\n") { "" } else { "\n" };
            let lines = format!("{blank}[{}]\n{} = {value}", dotted(parent), bare(last));
            ways.push(vec![lines_at(text, text.len(), &lines)]);
        }
        ways
    }
}
