//! YAML: names in lines, one below the other. What is written in another way is left alone, and so is everything beside the
//! setting.

use std::ops::Range;

use sloth_core::value::{Map, Value};

use super::{Edit, Splice, Spot, Syntax, lines_at, next_line, whole_lines};

pub(super) struct Yaml;

/// A line with something in it.
struct Line<'a> {
    at: usize,
    indent: usize,
    /// Without indentation and end.
    text: &'a str,
}

/// A name with what belongs to it.
struct Entry {
    key: String,
    indent: usize,
    /// Behind the colon.
    colon: usize,
    /// The value with the space in front of it and the comment behind it.
    text: Range<usize>,
    /// All its lines.
    lines: Range<usize>,
}

fn lines<'a>(text: &'a str, within: &Range<usize>) -> Vec<Line<'a>> {
    let mut at = within.start;
    let mut found = Vec::new();
    for line in text[within.clone()].split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let trimmed = content.trim_start_matches(' ');
        let directive = trimmed.len() == content.len() && (content == "---" || content.starts_with('%'));
        if !trimmed.trim().is_empty() && !directive {
            found.push(Line { at, indent: content.len() - trimmed.len(), text: trimmed });
        }
        at += line.len();
    }
    found
}

/// The name at the beginning of a line, and how long it is with its colon.
fn name(line: &str) -> Option<(String, usize)> {
    let ends = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
    if line.starts_with('"') {
        let mut quoted = serde_json::Deserializer::from_str(line).into_iter::<String>();
        let name = quoted.next()?.ok()?;
        let end = quoted.byte_offset();
        let rest = line[end..].strip_prefix(':')?;
        return ends(rest).then_some((name, end + 1));
    }
    if let Some(rest) = line.strip_prefix('\'') {
        let end = rest.find('\'')?;
        let behind = rest[end + 1..].strip_prefix(':')?;
        return ends(behind).then(|| (rest[..end].to_owned(), end + 3));
    }
    if line.starts_with(['[', '{', '&', '*', '!', '|', '>', '%', '@', '`', '?', '-', '#', ',']) {
        return None;
    }
    let end = line.match_indices(':').map(|(at, _)| at).find(|at| ends(&line[at + 1..]))?;
    Some((line[..end].trim_end().to_owned(), end + 1))
}

/// How much of a value in one line is value: not the comment behind it.
fn value_end(value: &str) -> usize {
    let body = value.trim_start();
    let space = value.len() - body.len();
    let quoted = match body.bytes().next() {
        Some(b'"') => {
            let mut end = None;
            let mut skip = false;
            for (at, byte) in body.bytes().enumerate().skip(1) {
                match byte {
                    _ if skip => skip = false,
                    b'\\' => skip = true,
                    b'"' => {
                        end = Some(at + 1);
                        break;
                    }
                    _ => {}
                }
            }
            end
        }
        Some(b'\'') => {
            let rest = body[1..].replace("''", "..");
            rest.find('\'').map(|at| at + 2)
        }
        _ => None,
    };
    let from = quoted.map_or(0, |end| space + end);
    let comment = value[from..].match_indices('#').map(|(at, _)| from + at);
    let end = comment.into_iter().find(|at| value[..*at].ends_with([' ', '\t'])).unwrap_or(value.len());
    value[..end].trim_end().len()
}

/// The entries of the mapping in a range of whole lines.
fn entries(text: &str, within: &Range<usize>) -> Vec<Entry> {
    let lines = lines(text, within);
    let comment = |line: &Line<'_>| line.text.starts_with('#');
    let Some(indent) = lines.iter().find(|l| !comment(l)).map(|l| l.indent) else { return Vec::new() };
    let mut entries: Vec<Entry> = Vec::new();
    for line in &lines {
        let end = next_line(text, line.at);
        let list = line.indent == indent && (line.text.starts_with("- ") || line.text == "-");
        match entries.last_mut() {
            Some(entry) if line.indent > indent || list => {
                entry.lines.end = end;
                entry.text.end = end;
                continue;
            }
            _ => {}
        }
        if line.indent != indent {
            continue;
        }
        if let Some((key, length)) = name(line.text) {
            let colon = line.at + indent + length;
            let text = colon..line.at + indent + line.text.len();
            entries.push(Entry { key, indent, colon, text, lines: line.at..end });
        }
    }
    for entry in &mut entries {
        // Without the end of its last line.
        let all = &text[entry.text.clone()];
        entry.text.end = entry.text.start + all.trim_end_matches(['\n', '\r', ' ']).len();
    }
    entries
}

impl Entry {
    /// Where its value is when that is in the lines below.
    fn below(&self, text: &str) -> Range<usize> {
        next_line(text, self.colon)..self.lines.end
    }
    fn nested(&self, text: &str) -> bool {
        let first = text[self.colon..next_line(text, self.colon)].trim();
        first.is_empty() || first.starts_with('#')
    }
}

fn plain(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn scalar(text: &str) -> String {
    if plain(text) { text.to_owned() } else { Value::from(text).to_string() }
}

/// A value with what parts it from its colon: a space, or the lines below.
fn literal(value: &Value, indent: usize, step: usize) -> String {
    let space = " ".repeat(indent + step);
    match value {
        Value::String(text) => format!(" {}", scalar(text)),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| match item {
                Value::String(text) => format!("\n{space}- {}", scalar(text)),
                // In one line, which JSON is.
                other => format!("\n{space}- {other}"),
            })
            .collect(),
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| format!("\n{space}{}:{}", scalar(key), literal(value, indent + step, step)))
            .collect(),
        other => format!(" {other}"),
    }
}

/// How much further each level is indented.
fn step(text: &str) -> usize {
    let lines = lines(text, &(0..text.len()));
    let first = lines.iter().find(|l| l.indent > 0 && !l.text.starts_with('#') && name(l.text).is_some());
    first.map_or(2, |line| line.indent.clamp(1, 8))
}

fn in_file(text: &str, lines: &str) -> String {
    lines.replace('\n', super::newline(text))
}

impl Syntax for Yaml {
    fn read(&self, text: &str) -> Result<Value, String> {
        if lines(text, &(0..text.len())).iter().all(|l| l.text.starts_with('#')) {
            return Ok(Value::Object(Map::new()));
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })
    }
    fn spots(&self, text: &str, keys: &[String]) -> Result<Vec<Spot>, String> {
        let mut within = 0..text.len();
        let mut whole = None;
        for (depth, key) in keys.iter().enumerate() {
            let entries = entries(text, &within);
            let Some(entry) = entries.iter().find(|e| e.key == *key) else { return Ok(Vec::new()) };
            // A name that would be left with nothing goes as well; nothing is another value than no names.
            if entries.len() > 1 || whole.is_none() {
                whole = Some(whole_lines(text, &entry.lines));
            }
            if depth + 1 == keys.len() {
                let whole = whole.unwrap_or(entry.lines.clone());
                return Ok(vec![Spot { text: entry.text.clone(), whole }]);
            }
            within = if entry.nested(text) { entry.below(text) } else { 0..0 };
        }
        Ok(Vec::new())
    }
    fn replacement(&self, text: &str, spots: &[Spot], value: &Value) -> Edit {
        let new = |spot: &Spot| {
            let line = &text[super::line_start(text, spot.text.start)..];
            let indent = line.len() - line.trim_start_matches(' ').len();
            let first = text[spot.text.clone()].lines().next().unwrap_or_default();
            let comment = first[value_end(first)..].trim_end();
            let literal = literal(value, indent, step(text));
            // The comment stays in its line.
            match literal.split_once('\n') {
                Some((_, below)) => in_file(text, &format!("{comment}\n{below}")),
                None => format!("{literal}{comment}"),
            }
        };
        spots.iter().map(|spot| Splice { at: spot.text.clone(), with: new(spot) }).collect()
    }
    fn insertions(&self, text: &str, keys: &[String], value: &Value, _: bool) -> Vec<Edit> {
        let step = step(text);
        let mut within = 0..text.len();
        let mut above: Option<Entry> = None;
        for (depth, key) in keys.iter().enumerate() {
            let mut here = entries(text, &within);
            if let Some(at) = here.iter().position(|e| e.key == *key) {
                let entry = here.swap_remove(at);
                if entry.nested(text) {
                    within = entry.below(text);
                    above = Some(entry);
                    continue;
                }
                return Vec::new();
            }
            let value = keys[depth + 1..].iter().rev().fold(value.clone(), |value, key| {
                Value::Object(std::iter::once((key.clone(), value)).collect())
            });
            let (indent, at) = match (here.last(), &above) {
                (Some(last), _) => (last.indent, last.lines.end),
                (None, Some(above)) => (above.indent + step, next_line(text, above.colon)),
                (None, None) => (0, text.len()),
            };
            let line = format!("{}{}:{}", " ".repeat(indent), scalar(key), literal(&value, indent, step));
            return vec![vec![lines_at(text, at, &line)]];
        }
        Vec::new()
    }
}
