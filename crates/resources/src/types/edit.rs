//! Changing a part of a text file: what `line`, `block` and `replacement` share.
//!
//! A file is a list of lines and whether the last one ends in a newline. Both the line ending and that last newline stay
//! as they were, so that taking out what was put in gives back the same bytes.

use regex::bytes::{Captures, Regex};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::{AttributeDiff, Diff, unified};
use sloth_core::kind::{ArgError, Args, Attribute, Param, ParamType};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::args::absolute;
use super::file::CAPTURE_LIMIT;
use crate::os::{Expect, Look, OsError, Put, Rights, Want};
use crate::resource::Work;

/// A part of the states of both.
pub(super) const MADE: Attribute = Attribute {
    name: "made",
    ty: ParamType::Bool,
    secret: false,
    fixed: false,
    doc: "Was the file made for it?",
};
pub(super) const CREATE: Param = Param::new("create", ParamType::Bool, "Make the file when it is missing");
pub(super) const FIRST_MATCH: Param = Param::new(
    "first_match",
    ParamType::Bool,
    "Of several lines that match an expression, the first one counts instead of the last one",
)
.or(&["firstmatch"]);
pub(super) const INSERT_AFTER: Param = Param::new(
    "insert_after",
    ParamType::Text,
    "Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`",
)
.or(&["after", "insertafter"]);
pub(super) const INSERT_BEFORE: Param = Param::new(
    "insert_before",
    ParamType::Text,
    "Where it goes when it is new: before the last line that matches this regular expression, or `BOF`",
)
.or(&["before", "insertbefore"]);
pub(super) const STATE: Param =
    Param::new("state", ParamType::Enum(&["absent", "present"]), "Shall it be there?");
/// Where something new goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// After the last match, or `EOF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insert_after: Option<String>,
    /// Before the last match, or `BOF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insert_before: Option<String>,
    /// The first match instead of the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// At this line, counted from 1: where it once was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
}

impl Position {
    /// `None` when nothing is said about it.
    pub(super) fn from_args(args: &Args) -> Result<Option<Self>, ArgError> {
        let expression = |param: &str, words: &[&str]| -> Result<Option<String>, ArgError> {
            let Some(text) = args.text(param) else { return Ok(None) };
            if !words.contains(&text) {
                pattern(param, text)?;
            }
            Ok(Some(text.to_owned()))
        };
        let insert_after = expression("insert_after", &["BOF", "EOF"])?;
        let insert_before = expression("insert_before", &["BOF"])?;
        let first = args.flag("first_match");
        let said = insert_after.is_some() || insert_before.is_some();
        Ok(said.then_some(Self { insert_after, insert_before, first, at: None }))
    }
}

/// The path of an id, which a `#` ends.
pub(super) fn path_of(id: &str) -> Option<&str> {
    id.split_once('#').map(|(path, _)| path)
}

/// The argument `path`, which has to be fit for an id.
pub(super) fn path(args: &Args, and_what: &str) -> Result<String, ArgError> {
    let path = absolute(args, "path")?;
    if path.contains('#') {
        let why = format!("`{path}` has a `#` in it, which separates file and {and_what}");
        return Err(ArgError::about("path", why));
    }
    Ok(path)
}

/// How a wish for a piece of text differs from what is there.
pub(super) fn difference(attribute: &str, present: bool, wished: &str, live: Option<&str>) -> Diff {
    let mut diff = Diff::none();
    match (present, live) {
        (true, live) => diff.compare(attribute, live.map(Value::from), Some(Value::from(wished))),
        (false, Some(live)) => diff.compare(PRESENCE, Some(Value::from(live)), None),
        (false, None) => {}
    }
    diff
}

/// Puts a unified diff of the whole file beside a difference.
pub(super) fn explain(
    os: &dyn Look,
    path: &str,
    diff: &mut Diff,
    edited: impl FnOnce(&Text) -> Result<Text, ProbeError>,
) {
    explain_bytes(os, path, diff, |before| Ok(edited(&Text::parse(before))?.bytes()));
}

/// The same for an edit of bytes.
pub(super) fn explain_bytes(
    os: &dyn Look,
    path: &str,
    diff: &mut Diff,
    edited: impl FnOnce(&[u8]) -> Result<Vec<u8>, ProbeError>,
) {
    let Ok(loaded) = load(os, path) else { return };
    let before = loaded.map(|l| l.bytes).unwrap_or_default();
    let Ok(after) = edited(&before) else { return };
    let text = unified(&before, &after, path, &format!("{path} (wished)"));
    let mut explained = Diff::none();
    for attribute in diff.attributes() {
        explained.push(AttributeDiff { text: text.clone(), ..attribute.clone() });
    }
    *diff = explained;
}

/// Checks a regular expression.
pub(super) fn pattern(param: &str, text: &str) -> Result<Regex, ArgError> {
    Regex::new(text).map_err(|error| {
        let words = error.to_string();
        let last = words.lines().last().unwrap_or_default().trim();
        let last = last.strip_prefix("error: ").unwrap_or(last);
        ArgError::about(param, format!("`{text}` is not a regular expression: {last}"))
    })
}

pub(super) fn compiled(text: &str) -> Result<Regex, ProbeError> {
    Regex::new(text).map_err(|error| ProbeError::new(format!("the regular expression `{text}`"), error))
}

/// What comes in the place of a match: text with references to groups.
///
/// A reference is `\\1` or `\\g<name>` as in Python and Ansible, or `$1`, `${1}` or `${name}` as in Go. `\\\\` is a backslash and
/// `$$` a dollar; any other dollar stays what it is, because files are full of `$PATH`.
#[derive(Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
}

impl Template {
    /// Reads the text; `expression` has the groups.
    ///
    /// # Errors
    /// A reference to a group that the expression does not have.
    pub fn parse(text: &str, expression: &Regex) -> Result<Self, String> {
        let group = |name: &str| -> Result<usize, String> {
            let known = match name.parse::<usize>() {
                Ok(number) => (number < expression.captures_len()).then_some(number),
                Err(_) => expression.capture_names().position(|n| n == Some(name)),
            };
            known.ok_or_else(|| format!("the regular expression has no group `{name}`"))
        };
        let digits = |rest: &str| rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '$']) {
            plain.extend_from_slice(&rest.as_bytes()[..at]);
            let (sign, after) = (rest.as_bytes()[at], &rest[at + 1..]);
            let count = digits(after);
            let braced = |open: &str, close: char| {
                let inner = after.strip_prefix(open)?;
                inner.find(close).map(|end| (&inner[..end], &inner[end + 1..]))
            };
            let named = match sign {
                b'$' => braced("{", '}').filter(|(name, _)| group(name).is_ok()),
                _ => braced("g<", '>'),
            };
            rest = if let Some((name, left)) = named {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Group(group(name)?));
                left
            } else if count > 0 {
                parts.push(Part::Text(std::mem::take(&mut plain)));
                parts.push(Part::Group(group(&after[..count])?));
                &after[count..]
            } else {
                let (bytes, taken): (&[u8], usize) = match (sign, after.as_bytes().first()) {
                    (b'\\', Some(b'\\')) => (b"\\", 1),
                    (b'\\', Some(b'n')) => (b"\n", 1),
                    (b'\\', Some(b'r')) => (b"\r", 1),
                    (b'\\', Some(b't')) => (b"\t", 1),
                    (b'\\', _) => (b"\\", 0),
                    (_, Some(b'$')) => (b"$", 1),
                    _ => (b"$", 0),
                };
                plain.extend_from_slice(bytes);
                &after[taken..]
            };
        }
        plain.extend_from_slice(rest.as_bytes());
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// Adds what comes in the place of a match.
    pub fn expand(&self, found: &Captures<'_>, to: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.extend_from_slice(text),
                Part::Group(group) => {
                    to.extend_from_slice(found.get(*group).map_or(&[][..], |g| g.as_bytes()));
                }
            }
        }
    }
}

/// The lines of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub lines: Vec<Vec<u8>>,
    ends_in_newline: bool,
    carriage_returns: bool,
}

/// Of an empty file, in which a new line ends.
impl Default for Text {
    fn default() -> Self {
        Self { lines: Vec::new(), ends_in_newline: true, carriage_returns: false }
    }
}

impl Text {
    pub fn parse(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let ends_in_newline = bytes.ends_with(b"\n");
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let lines: Vec<Vec<u8>> = body.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        // Only when every line that ends has it, it is an ending and not a part of the line.
        let ended = lines.len() - usize::from(!ends_in_newline);
        let carriage_returns = ended > 0 && lines[..ended].iter().all(|l| l.ends_with(b"\r"));
        let mut lines = lines;
        if carriage_returns {
            for line in &mut lines[..ended] {
                line.pop();
            }
        }
        Self { lines, ends_in_newline, carriage_returns }
    }

    /// The same, with what may be a part of a line ending as a part of the line.
    pub fn exact(bytes: &[u8]) -> Self {
        let mut text = Self::parse(bytes);
        if text.carriage_returns {
            let ended = text.lines.len() - usize::from(!text.ends_in_newline);
            text.lines[..ended].iter_mut().for_each(|line| line.push(b'\r'));
            text.carriage_returns = false;
        }
        text
    }

    /// Adds a line at the end, which ends as the others do.
    pub fn push(&mut self, mut line: Vec<u8>) {
        let ended = self.lines.len() - usize::from(!self.ends_in_newline && !self.lines.is_empty());
        if ended > 0 && self.lines[..ended].iter().all(|line| line.ends_with(b"\r")) {
            line.push(b'\r');
        }
        self.lines.push(line);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let ending: &[u8] = if self.carriage_returns { b"\r\n" } else { b"\n" };
        let mut bytes = self.lines.join(ending);
        if self.ends_in_newline && !self.lines.is_empty() {
            bytes.extend_from_slice(ending);
        }
        bytes
    }

    /// Index at which something new goes.
    pub fn index(&self, position: &Position) -> Result<usize, ProbeError> {
        let end = self.lines.len();
        if let Some(at) = position.at {
            return Ok(at.saturating_sub(1).min(end));
        }
        let matching = |expression: &str| -> Result<Option<usize>, ProbeError> {
            let expression = compiled(expression)?;
            let mut matching = self.lines.iter().enumerate().filter(|(_, line)| expression.is_match(line));
            let found = if position.first { matching.next() } else { matching.next_back() };
            Ok(found.map(|(at, _)| at))
        };
        Ok(match (position.insert_before.as_deref(), position.insert_after.as_deref()) {
            (Some("BOF"), _) | (None, Some("BOF")) => 0,
            (Some(expression), _) => matching(expression)?.unwrap_or(end),
            (None, None | Some("EOF")) => end,
            (None, Some(expression)) => matching(expression)?.map_or(end, |at| at + 1),
        })
    }
}

/// A file as it was read, and what must still be there when it is written.
pub(super) struct Loaded {
    pub text: Text,
    pub bytes: Vec<u8>,
    pub expect: Expect,
}

/// Reads a file; `None` when it is missing.
pub(super) fn load(os: &dyn Look, path: &str) -> Result<Option<Loaded>, ProbeError> {
    Ok(load_as(os, path, false, Text::parse)?)
}

/// The same, through a link or not, taken apart in this way.
pub(super) fn load_as(
    os: &dyn Look,
    path: &str,
    follow: bool,
    parse: fn(&[u8]) -> Text,
) -> Result<Option<Loaded>, OsError> {
    let Some(entry) = os.entry(path, Want { follow, ..Want::default() })? else { return Ok(None) };
    let Some(bytes) = os.read(path, CAPTURE_LIMIT, follow)? else { return Ok(None) };
    let expect = Expect::This(entry.meta.stamp);
    Ok(Some(Loaded { text: parse(&bytes), bytes: bytes.to_vec(), expect }))
}

/// How to write the file back.
#[derive(Default)]
pub(super) struct Store<'a> {
    pub create: bool,
    pub backup: bool,
    pub validate: Option<&'a str>,
    /// The file was made for what is in it, and goes when nothing is left.
    pub made: bool,
}

/// Writes a file that was loaded, or makes it.
pub(super) fn store_bytes(
    work: &Work<'_>,
    path: &str,
    loaded: Option<&Loaded>,
    bytes: &[u8],
    how: &Store<'_>,
) -> Result<(), ApplyError> {
    if loaded.is_none() && !how.create {
        let why = "the file is not there; `create = true` makes it";
        return Err(ApplyError::failed(format!("writing `{path}`"), why));
    }
    if loaded.is_some_and(|l| l.bytes == bytes) {
        return Ok(());
    }
    if let Some(loaded) = loaded
        && how.made
        && bytes.is_empty()
        && !how.backup
    {
        return Ok(work.os.remove(path, loaded.expect)?);
    }
    let backup = match how.backup && loaded.is_some() {
        true => Some(super::file::backup_name(path, work.os.now())?),
        false => None,
    };
    let put = Put {
        expect: loaded.map_or(Expect::Nothing, |l| l.expect),
        durable: work.durable,
        backup: backup.as_deref(),
        validate: how.validate,
        ..Put::new(bytes, Rights::default())
    };
    work.os.put(path, &put)?;
    if let Some(backup) = backup {
        work.note(format!("the previous content is kept as `{backup}` beside `{path}`"));
    }
    Ok(())
}

/// Edits a file that was loaded, or makes it, and returns it as it is now.
pub(super) fn change(
    work: &Work<'_>,
    path: &str,
    loaded: Option<&Loaded>,
    how: &Store<'_>,
    edited: impl FnOnce(&Text) -> Result<Text, ProbeError>,
) -> Result<Text, ApplyError> {
    let after = match loaded {
        Some(loaded) => edited(&loaded.text)?,
        None => edited(&Text::default())?,
    };
    store_bytes(work, path, loaded, &after.bytes(), how)?;
    Ok(after)
}

/// Text that has to be shown, which it only can be when it is UTF-8.
pub(super) fn shown(path: &str, bytes: &[u8]) -> Result<String, ProbeError> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| ProbeError::new(format!("`{path}`"), "the line is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_filled_in_and_other_dollars_stay() {
        let expression = Regex::new("(?<key>[a-z]+)=([0-9]*)").unwrap();
        let found = expression.captures(b"port=80").unwrap();
        for (template, expected) in [
            (r"\1:\2", "port:80"),
            (r"\g<key>-\g<2>", "port-80"),
            ("$1=${2}1", "port=801"),
            ("${key}", "port"),
            ("$PATH $$1 ${HOME} $", "$PATH $1 ${HOME} $"),
            (r"a\\1\tb\d", "a\\1\tb\\d"),
            ("", ""),
            ("ü$1ü", "üportü"),
        ] {
            let mut out = Vec::new();
            Template::parse(template, &expression).unwrap().expand(&found, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{template}");
        }
        for unknown in [r"\3", "$9", r"\g<nope>", r"\g<7>"] {
            let why = Template::parse(unknown, &expression).unwrap_err();
            assert!(why.contains("has no group"), "{unknown}: {why}");
        }
    }

    #[test]
    fn a_file_survives_being_taken_apart() {
        for text in [
            "",
            "a",
            "a\n",
            "a\nb",
            "a\r\nb\r\n",
            "a\r\nb",
            "a\n\n",
            "\n",
            "\r\n",
            "a\r\nb\n",
            "\n\na",
            "a\r",
        ] {
            assert_eq!(Text::parse(text.as_bytes()).bytes(), text.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn what_is_inserted_and_removed_leaves_no_trace() {
        for text in ["", "a", "a\n", "a\r\nb\r\n", "a\r\nb", "\n"] {
            let mut parsed = Text::parse(text.as_bytes());
            parsed.lines.push(b"new".to_vec());
            let mut again = Text::parse(&parsed.bytes());
            again.lines.pop();
            assert_eq!(again.bytes(), text.as_bytes(), "{text:?}");
        }
    }
}
