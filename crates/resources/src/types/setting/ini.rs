//! INI files. The value is all that follows the sign, because readers do not agree on whether `#` and `;` begin a comment
//! there.

use std::ops::Range;

use sloth_core::value::{Map, Value};

use super::{Edit, Splice, Spot, Syntax, lines_at, whole_lines};

pub(super) struct Ini;

/// The lines with where they are, without their ends.
fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let at = start;
        start += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        (at..at + line.len(), line)
    })
}

/// The name in a line `[name]`, which a comment may follow.
fn header(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix('[')?;
    let (name, behind) = rest.split_once(']')?;
    matches!(behind.trim().bytes().next(), None | Some(b'#' | b';')).then(|| name.trim())
}

/// Key and value of a line `key = value`; a key alone has none.
fn assignment(line: &str) -> Option<(&str, Option<&str>)> {
    if matches!(line.trim().bytes().next(), None | Some(b'#' | b';' | b'[')) {
        return None;
    }
    Some(match line.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.trim())),
        None => (line.trim(), None),
    })
}

/// Every setting: section, key, value, and the line.
fn settings(text: &str) -> Vec<(&str, &str, Option<&str>, Range<usize>)> {
    let mut section = "";
    let mut found = Vec::new();
    for (at, line) in lines(text) {
        if let Some(name) = header(line) {
            section = name;
        } else if let Some((key, value)) = assignment(line) {
            found.push((section, key, value, at));
        }
    }
    found
}

/// The line with another value, and the spaces it had.
fn rewritten(line: &str, value: &Value) -> String {
    let Some((left, old)) = line.split_once('=') else {
        return match value.as_str() {
            Some(value) => format!("{} = {value}", line.trim_end()).trim_end().to_owned(),
            None => line.to_owned(),
        };
    };
    let Some(value) = value.as_str() else { return left.trim_end().to_owned() };
    let kept = old.len() - old.trim_start().len();
    let trimmed = old.trim();
    if trimmed.is_empty() {
        // Nothing stood here, and spaces on both sides are wanted where there is one in front of the sign.
        let space = if left.ends_with(' ') && !value.is_empty() { " " } else { "" };
        return format!("{left}={space}{value}");
    }
    format!("{left}={}{value}{}", &old[..kept], &old[kept + trimmed.len()..])
}

fn fresh(key: &str, value: &Value, tight: bool) -> String {
    let sign = if tight { "=" } else { " = " };
    match value.as_str() {
        Some(value) => format!("{key}{sign}{value}").trim_end().to_owned(),
        None => key.to_owned(),
    }
}

fn items(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

impl Syntax for Ini {
    fn read(&self, text: &str) -> Result<Value, String> {
        let mut document = Map::new();
        for (_, line) in lines(text) {
            if let Some(name) = header(line) {
                document.entry(name).or_insert_with(|| Value::Object(Map::new()));
            }
        }
        for (section, key, value, _) in settings(text) {
            let value = value.map_or(Value::Null, Value::from);
            let section = document.entry(section).or_insert_with(|| Value::Object(Map::new()));
            let Some(section) = section.as_object_mut() else { continue };
            match section.get_mut(key) {
                None => drop(section.insert(key.to_owned(), value)),
                Some(Value::Array(several)) => several.push(value),
                Some(one) => *one = Value::Array(vec![one.take(), value]),
            }
        }
        Ok(Value::Object(document))
    }
    fn spots(&self, text: &str, keys: &[String]) -> Result<Vec<Spot>, String> {
        let [wanted, name] = keys else { return Ok(Vec::new()) };
        let mut spots = Vec::new();
        for (section, key, value, text_at) in settings(text) {
            if section != wanted || key != name {
                continue;
            }
            if value.is_some_and(|value| value.ends_with('\\')) {
                let line = text[..text_at.start].matches('\n').count() + 1;
                return Err(format!(
                    "the value in line {line} goes on in the next line; nothing was changed"
                ));
            }
            spots.push(Spot { whole: whole_lines(text, &text_at), text: text_at });
        }
        // The last line of all may take the end of the line before, which then takes the one before that.
        for at in (1..spots.len()).rev() {
            let end = spots[at].whole.start;
            let spot = &mut spots[at - 1];
            if spot.whole.end > end {
                let above = text[..spot.whole.start].strip_suffix('\n');
                let above = above.map(|above| above.strip_suffix('\r').unwrap_or(above));
                spot.whole = above.map_or(0, str::len)..end;
            }
        }
        Ok(spots)
    }
    fn replacement(&self, text: &str, spots: &[Spot], value: &Value) -> Edit {
        let mut wished = items(value);
        // Lines that are as wished stay; the others take what is left over, and go when nothing is.
        let mut left: Vec<&Spot> = Vec::new();
        for spot in spots {
            let is = assignment(&text[spot.text.clone()]).and_then(|(_, value)| value);
            match wished.iter().position(|wish| wish.as_str() == is) {
                Some(at) => drop(wished.remove(at)),
                None => left.push(spot),
            }
        }
        let mut wished = wished.into_iter();
        let mut edit: Edit = left
            .into_iter()
            .map(|spot| match wished.next() {
                Some(wish) => {
                    Splice { at: spot.text.clone(), with: rewritten(&text[spot.text.clone()], wish) }
                }
                None => Splice { at: spot.whole.clone(), with: String::new() },
            })
            .collect();
        if let Some(last) = spots.last() {
            let line = &text[last.text.clone()];
            let more: Vec<String> = wished.map(|wish| rewritten(line, wish)).collect();
            if !more.is_empty() {
                let at = super::next_line(text, last.text.end);
                edit.push(lines_at(text, at, &more.join("\n")));
            }
        }
        edit
    }
    fn insertions(&self, text: &str, keys: &[String], value: &Value, tight: bool) -> Vec<Edit> {
        let [wanted, key] = keys else { return Vec::new() };
        let new = items(value).into_iter().map(|v| fresh(key, v, tight)).collect::<Vec<_>>().join("\n");
        // Behind the last line that says something, so that blank lines go on parting the sections, and a comment in front
        // of the next section stays there.
        let (mut inside, mut place) = (wanted.is_empty(), wanted.is_empty().then_some(0));
        for (at, line) in lines(text) {
            match header(line) {
                // A section that is opened twice gets it where it is opened first.
                Some(_) if inside => break,
                Some(name) => inside = !wanted.is_empty() && name == wanted,
                None => {}
            }
            if inside && (header(line).is_some() || assignment(line).is_some()) {
                place = Some(super::next_line(text, at.end));
            }
        }
        let splice = match place {
            Some(at) => lines_at(text, at, &new),
            None => lines_at(text, text.len(), &format!("[{wanted}]\n{new}")),
        };
        vec![vec![splice]]
    }
}
