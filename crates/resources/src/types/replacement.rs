//! Pieces of a text file that match a regular expression, replaced by something else.
//!
//! The id reads like sed: `/etc/app.conf#s/port=\d+/port=80/`. What was replaced is in the state from before, line by line,
//! so that it comes back where it was even when the rest of the file has changed since.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use sloth_core::diff::Diff;
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::{Value, to_value};

use super::args;
use super::edit::{self, Loaded, Store, Template};
use crate::os::Look;
use crate::resource::{Resource, Wish, Work};

/// The type `replacement`.
pub struct Replacement;

/// Whole lines that become others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Number of the first line, counted from 1.
    pub at: usize,
    /// Number of the first line afterwards.
    pub then: usize,
    /// The lines.
    pub from: String,
    /// What they become.
    pub to: String,
}

/// What is replaced by what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What is replaced.
    pub regexp: String,
    /// What comes in its place.
    pub replacement: String,
    /// Only behind the first match of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only in front of the first match of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// A wish for pieces to be replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplacementSpec {
    /// The file.
    pub path: String,
    /// What is replaced by what.
    pub rule: Rule,
    /// Instead: what was replaced shall come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Vec<Piece>>,
    /// Keep the file as it was under another name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// Command with `%s` that must accept the new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

/// What is left to be replaced in a file that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacementState {
    /// The file.
    pub path: String,
    /// The lines with something to be replaced.
    pub pieces: Vec<Piece>,
    /// What is replaced by what.
    pub rule: Rule,
}

const KIND: Kind = Kind {
    name: "replacement",
    doc: "Pieces of a text file that match a regular expression, replaced by something else",
    attributes: &[
        sloth_core::kind::Attribute { fixed: true, ..args::attribute("path", ParamType::Path, "The file") },
        args::attribute("pieces", ParamType::Any, "Lines with something that is still to be replaced"),
        args::attribute("rule", ParamType::Map, "What is replaced by what"),
    ],
    checkable: true,
};

const OPERATIONS: &[Operation] = &[Operation {
    module: "file",
    name: "replace",
    aliases: &[],
    kind: "replacement",
    params: &[
        Param::new("after", ParamType::Text, "Only behind the first match of this regular expression"),
        args::BACKUP,
        Param::new("before", ParamType::Text, "Only in front of the first match of this regular expression"),
        args::PATH,
        Param::new(
            "regexp",
            ParamType::Text,
            "What is replaced, wherever it matches; `^` and `$` are the ends of a line",
        )
        .required()
        .or(&["pattern", "regex"]),
        Param::new(
            "replacement",
            ParamType::Text,
            "What comes in its place, nothing when left out; `$1`, `\\1` and `\\g<name>` stand for groups",
        )
        .or(&["replace", "with"]),
        args::VALIDATE,
    ],
    positional: &["path", "regexp", "replacement"],
    doc: "Makes sure that nothing in a file matches an expression that can be replaced",
    example: "file.replace{path = \"/etc/app.conf\", pattern = \"^port=[0-9]+$\", replacement = \"port=8080\"}",
}];

/// The expression over a whole file, in which `^` and `$` match at lines.
fn expression(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).multi_line(true).build()
}

/// The part of the text a wish is about.
fn section(text: &[u8], spec: &ReplacementSpec) -> Result<Option<std::ops::Range<usize>>, ProbeError> {
    let pattern = match (spec.rule.after.as_deref(), spec.rule.before.as_deref()) {
        (None, None) => return Ok(Some(0..text.len())),
        (after, before) => bounds(after, before),
    };
    let found = edit::compiled(&pattern)?.captures(text);
    Ok(found.and_then(|found| found.name("subsection")).map(|section| section.range()))
}

/// The expression that finds what is between two others.
fn bounds(after: Option<&str>, before: Option<&str>) -> String {
    let lazy = if after.is_some() && before.is_some() { "?" } else { "" };
    format!("(?s){}(?P<subsection>.*{lazy}){}", after.unwrap_or_default(), before.unwrap_or_default())
}

/// The lines with matches, and what they become.
fn pieces(text: &[u8], spec: &ReplacementSpec) -> Result<Vec<Piece>, ProbeError> {
    let failed = |why: String| ProbeError::new(format!("the replacement in `{}`", spec.path), why);
    let Some(section) = section(text, spec)? else { return Ok(Vec::new()) };
    let expression = expression(&spec.rule.regexp).map_err(|e| failed(e.to_string()))?;
    let template = Template::parse(&spec.rule.replacement, &expression).map_err(failed)?;
    let line_start = |at: usize| text[..at].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
    let line_end = |at: usize| text[at..].iter().position(|b| *b == b'\n').map_or(text.len(), |n| at + n);
    // Bytes of the old text and what they become; matches that share a line share a piece.
    let mut raw: Vec<(std::ops::Range<usize>, Vec<u8>)> = Vec::new();
    let mut done = 0;
    for found in expression.captures_iter(&text[section.clone()]) {
        let Some(whole) = found.get(0) else { continue };
        let (start, end) = (section.start + whole.start(), section.start + whole.end());
        match raw.last_mut() {
            Some((lines, to)) if start <= lines.end => {
                to.truncate(to.len() - (lines.end - done));
                to.extend_from_slice(&text[done..start]);
                lines.end = line_end(end).max(lines.end);
            }
            _ => {
                let lines = line_start(start)..line_end(end);
                raw.push((lines.clone(), text[lines.start..start].to_vec()));
            }
        }
        if let Some((lines, to)) = raw.last_mut() {
            template.expand(&found, to);
            to.extend_from_slice(&text[end..lines.end]);
        }
        done = end;
    }
    let newlines = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count();
    let (mut from_line, mut to_line, mut at) = (1, 1, 0);
    let mut pieces = Vec::new();
    for (lines, to) in raw {
        let between = newlines(&text[at..lines.start]);
        (from_line, to_line) = (from_line + between, to_line + between);
        let from = &text[lines.clone()];
        if from != to {
            pieces.push(Piece {
                at: from_line,
                then: to_line,
                from: edit::shown(&spec.path, from)?,
                to: edit::shown(&spec.path, &to)?,
            });
        }
        from_line += newlines(from);
        to_line += newlines(&to);
        at = lines.end;
    }
    Ok(pieces)
}

/// Where the lines of a text start.
fn starts(text: &[u8]) -> Vec<usize> {
    let ends = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}

/// Is this, in whole lines, at a place of the text?
fn is_at(text: &[u8], start: usize, lines: &str) -> bool {
    let end = start + lines.len();
    text[start..].starts_with(lines.as_bytes()) && (end == text.len() || text[end] == b'\n')
}

/// Those that were replaced, are still so, and can come back: with the line at which they are now.
fn to_come_back(text: &[u8], back: &[Piece]) -> Vec<Piece> {
    let starts = starts(text);
    let there = |line: usize, lines: &str| {
        starts.get(line.wrapping_sub(1)).is_some_and(|start| is_at(text, *start, lines))
    };
    let shifted = |line: usize, by: isize| line.checked_add_signed(by).unwrap_or(1).max(1);
    let mut found: Vec<Piece> = Vec::new();
    // By how many lines the text is longer than it was before, above this place, and how far all of it has moved.
    let (mut longer, mut moved, mut free) = (0, 0, 1);
    for piece in back {
        let (was, is) = (shifted(piece.at, longer), shifted(piece.then, moved));
        // One may be the beginning of the other, so the longer one is tried first.
        let is_back = there(was, &piece.from);
        let is_not = there(is, &piece.to) && is >= free;
        if is_back && (piece.from.len() >= piece.to.len() || !is_not) {
            continue;
        }
        let line = match piece.to.is_empty() {
            // Lines that went without a trace: only their place is known.
            true => Some(is.max(free)),
            false => (free..=starts.len())
                .filter(|line| there(*line, &piece.to))
                .min_by_key(|line| line.abs_diff(is)),
        };
        let Some(line) = line else { continue };
        moved += isize::try_from(line).unwrap_or(0) - isize::try_from(is).unwrap_or(0);
        let then = shifted(line, -longer);
        longer += height(&piece.to) - height(&piece.from);
        free = shifted(line, height(&piece.to) + 1);
        found.push(Piece { at: line, then, from: piece.to.clone(), to: piece.from.clone() });
    }
    found
}

/// How many line ends are in it.
fn height(lines: &str) -> isize {
    isize::try_from(lines.matches('\n').count()).unwrap_or(0)
}

/// The text with some lines replaced.
fn replaced(text: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let starts = starts(text);
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for piece in pieces {
        let start = starts.get(piece.at.saturating_sub(1)).copied().unwrap_or(text.len()).max(done);
        out.extend_from_slice(&text[done..start]);
        out.extend_from_slice(piece.to.as_bytes());
        // Lines of which nothing was left come back with their end.
        let alone = piece.from.is_empty() && text.get(start).is_some_and(|b| *b != b'\n');
        if alone {
            out.push(b'\n');
        }
        done = (start + piece.from.len()).min(text.len());
    }
    out.extend_from_slice(&text[done..]);
    out
}

/// What a wish would change.
fn open(text: &[u8], spec: &ReplacementSpec) -> Result<Vec<Piece>, ProbeError> {
    match &spec.back {
        Some(back) => Ok(to_come_back(text, back)),
        None => pieces(text, spec),
    }
}

fn state(spec: &ReplacementSpec, pieces: Vec<Piece>) -> ReplacementState {
    ReplacementState { path: spec.path.clone(), pieces, rule: spec.rule.clone() }
}

fn seen(loaded: Option<&Loaded>, spec: &ReplacementSpec) -> Result<Option<ReplacementState>, ProbeError> {
    let Some(loaded) = loaded else { return Ok(None) };
    Ok(Some(state(spec, open(&loaded.bytes, spec)?)))
}

impl Resource for Replacement {
    type Spec = ReplacementSpec;
    type State = ReplacementState;

    fn path(id: &str) -> Option<&str> {
        edit::path_of(id)
    }
    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(
        &self,
        _: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Wish<ReplacementSpec>>, ArgError> {
        let path = edit::path(args, "replacement")?;
        let text = |param: &str| args.text(param).map(str::to_owned);
        let regexp = text("regexp").unwrap_or_default();
        if regexp.is_empty() {
            return Err(ArgError::about("regexp", "`regexp` is empty"));
        }
        edit::pattern("regexp", &regexp)?;
        let compiled = expression(&regexp).map_err(|e| ArgError::about("regexp", e.to_string()))?;
        let replacement = text("replacement").unwrap_or_default();
        Template::parse(&replacement, &compiled).map_err(|why| ArgError::about("replacement", why))?;
        let (after, before) = (text("after"), text("before"));
        for (param, given) in [("after", &after), ("before", &before)] {
            if let Some(given) = given {
                edit::pattern(param, given)?;
            }
        }
        edit::pattern("after", &bounds(after.as_deref(), before.as_deref()))?;
        let mut id = format!("{path}#s/{regexp}/{replacement}/");
        for (word, given) in [("after", &after), ("before", &before)] {
            if let Some(given) = given {
                id = format!("{id} {word} /{given}/");
            }
        }
        let (backup, validate) = (args.flag("backup"), text("validate"));
        let rule = Rule { regexp, replacement, after, before };
        let spec = ReplacementSpec { path, rule, back: None, backup, validate };
        Ok(vec![Wish { id, spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&ReplacementSpec>,
        recorded: Option<&ReplacementState>,
    ) -> Result<Option<ReplacementState>, ProbeError> {
        if let Some(spec) = spec {
            return seen(edit::load(os, &spec.path)?.as_ref(), spec);
        }
        // Without a wish: the one the record is about.
        let Some(recorded) = recorded else { return Ok(None) };
        let (spec, _) = self.wish_for(id, Some(recorded));
        Ok(edit::load(os, &spec.path)?.map(|_| state(&spec, recorded.pieces.clone())))
    }
    fn managed(&self, _: &ReplacementSpec) -> Vec<&'static str> {
        vec!["pieces"]
    }
    fn diff(&self, spec: &ReplacementSpec, live: Option<&ReplacementState>) -> Diff {
        let mut diff = Diff::none();
        match live {
            // A file that is not there has nothing in it that could come back.
            None if spec.back.is_some() => {}
            Some(live) if live.pieces.is_empty() => {}
            live => diff.compare("pieces", live.map(|l| to_value(&l.pieces)), Some(Value::Array(Vec::new()))),
        }
        diff
    }
    fn explain(&self, os: &dyn Look, _: &str, spec: &ReplacementSpec, _: &[Blob], diff: &mut Diff) {
        edit::explain_bytes(os, &spec.path, diff, |text| Ok(replaced(text, &open(text, spec)?)));
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &ReplacementSpec,
        live: Option<&ReplacementState>,
    ) -> Result<Option<ReplacementState>, ApplyError> {
        let loaded = edit::load(work.os, &spec.path)?;
        let now = seen(loaded.as_ref(), spec)?;
        if now.as_ref() != live {
            return Err(ApplyError::Moved(format!("`{id}`")));
        }
        let Some((loaded, now)) = loaded.zip(now) else {
            let what = format!("replacing in `{}`", spec.path);
            return match spec.back {
                Some(_) => Ok(None),
                None => Err(ApplyError::failed(what, "the file is not there")),
            };
        };
        let after = replaced(&loaded.bytes, &now.pieces);
        let left = open(&after, spec)?;
        if !left.is_empty() && spec.back.is_none() {
            let why =
                "what comes in its place matches again, and would grow with every run; nothing was changed";
            return Err(ApplyError::failed(format!("replacing in `{}`", spec.path), why));
        }
        let how = Store { backup: spec.backup, validate: spec.validate.as_deref(), ..Store::default() };
        edit::store_bytes(work, &spec.path, Some(&loaded), &after, &how)?;
        Ok(Some(state(spec, left)))
    }
    fn delete(
        &self,
        work: &Work<'_>,
        _: &str,
        live: Option<&ReplacementState>,
    ) -> Result<Option<ReplacementState>, ApplyError> {
        if let Some(live) = live {
            work.note(format!("`{}` stays as it is, because nothing was replaced in it", live.path));
        }
        Ok(live.cloned())
    }
    fn wish_for(&self, id: &str, state: Option<&ReplacementState>) -> (ReplacementSpec, Vec<Digest>) {
        let path = edit::path_of(id).unwrap_or(id).to_owned();
        let (rule, back) = match state {
            Some(state) if state.pieces.is_empty() => (state.rule.clone(), None),
            Some(state) => (state.rule.clone(), Some(state.pieces.clone())),
            None => (Rule::default(), Some(Vec::new())),
        };
        (ReplacementSpec { path, rule, back, ..ReplacementSpec::default() }, Vec::new())
    }
}
