//! One line of a text file.
//!
//! The id is the file and what identifies the line: `/etc/hosts#10.0.0.1 db` for the line itself,
//! `/etc/ssh/sshd_config#/^#?PermitRootLogin/` for a regular expression. (A line that starts with `/` or `=` has a `=` in
//! front of it; a line that does not match its own expression follows it, as in `/etc/hosts#/^10\./=db`.) When the record goes, a line we put in goes, and a line we replaced comes back where it was.

use serde::{Deserialize, Serialize};
use sloth_core::diff::Diff;
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;

use super::args;
use super::edit::{self, Loaded, Position, Store, Text};
use crate::os::Look;
use crate::resource::{Resource, Wish, Work};

/// The type `line`.
pub struct Line;

/// A line and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// Line number, counted from 1.
    pub at: usize,
    /// The line.
    pub line: String,
}

/// A wish for a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineSpec {
    /// The file.
    pub path: String,
    /// The line.
    pub line: String,
    /// What identifies it, when it is not the line itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regexp: Option<String>,
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
    /// Where it goes when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// More lines to put back, from the top.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<At>,
    /// The line that took its place, when it is to come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// `line` refers to groups of `regexp`; where nothing matches, nothing is to be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backrefs: bool,
    /// The first match counts instead of the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first: bool,
    /// Make the file when it is missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// Keep the file as it was under another name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// Command with `%s` that must accept the new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<String>,
}

/// A line that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineState {
    /// The file.
    pub path: String,
    /// The line.
    pub line: String,
    /// Line number, counted from 1.
    pub at: usize,
    /// What it is to become, when that depends on what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub becomes: Option<String>,
    /// Other lines above it that match, too, when all of them are to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<At>,
    /// Was the file made for it? Then it goes with it, when nothing else is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
}

const KIND: Kind = Kind {
    name: "line",
    doc: "One line of a text file",
    attributes: &[
        args::attribute("at", ParamType::Int, "Line number"),
        args::attribute("becomes", ParamType::Text, "What it is to become, when that depends on what it is"),
        Attribute { name: "line", ty: ParamType::Text, secret: false, fixed: false, doc: "The line" },
        edit::MADE,
        Attribute { name: "more", ty: ParamType::Any, secret: false, fixed: false, doc: "Further matches" },
        Attribute { name: "path", ty: ParamType::Path, secret: false, fixed: true, doc: "The file" },
    ],
    checkable: true,
};

const OPERATIONS: &[Operation] = &[Operation {
    module: "file",
    name: "lineinfile",
    aliases: &["line", "line_in_file"],
    kind: "line",
    params: &[
        Param::new(
            "backrefs",
            ParamType::Bool,
            "`line` refers to groups of `regexp` as `\\1` or `\\g<name>`; where nothing matches, nothing is done",
        )
        .or(&["back_refs"]),
        args::BACKUP,
        edit::CREATE,
        edit::FIRST_MATCH,
        edit::INSERT_AFTER,
        edit::INSERT_BEFORE,
        Param::new("line", ParamType::Text, "The line; may be left out when a `regexp` is to be absent"),
        args::PATH,
        Param::new("regexp", ParamType::Text, "The last line that matches is the one")
            .or(&["pattern", "regex"]),
        Param::new("search", ParamType::Text, "The last line that has this text in it is the one")
            .or(&["search_string"]),
        edit::STATE,
        args::VALIDATE,
    ],
    positional: &["path", "line"],
    doc: "Makes sure that a line is, or is not, in a file",
    example: "file.lineinfile{path = \"/etc/hosts\", line = \"10.0.0.1 db\"}",
}];

/// The id of a line.
fn id(path: &str, line: &str, regexp: Option<&str>, backrefs: bool) -> String {
    match regexp {
        Some(regexp) if backrefs => format!("{path}#/{regexp}/={line}"),
        Some(regexp)
            if line.is_empty() || edit::compiled(regexp).is_ok_and(|r| r.is_match(line.as_bytes())) =>
        {
            format!("{path}#/{regexp}/")
        }
        Some(regexp) => format!("{path}#/{regexp}/={line}"),
        None if line.starts_with(['/', '=']) => format!("{path}#={line}"),
        None => format!("{path}#{line}"),
    }
}

/// The reverse: file, line, expression.
fn parts(id: &str) -> (String, String, Option<String>) {
    let (path, rest) = id.split_once('#').unwrap_or((id, ""));
    let line = rest.strip_prefix('=').unwrap_or(rest);
    let expression = rest.strip_prefix('/');
    match expression.map(|rest| (rest.strip_suffix('/'), rest.split_once("/="))) {
        Some((Some(regexp), _)) => (path.to_owned(), String::new(), Some(regexp.to_owned())),
        Some((None, Some((regexp, line)))) => (path.to_owned(), line.to_owned(), Some(regexp.to_owned())),
        _ => (path.to_owned(), line.to_owned(), None),
    }
}

/// Indices of the lines that match, in order. With `itself` they are also those that are the line, so that a line
/// that does not match its own expression is found again.
fn matches(text: &Text, line: &str, regexp: Option<&str>, itself: bool) -> Result<Vec<usize>, ProbeError> {
    let regexp = regexp.map(edit::compiled).transpose()?;
    let itself = regexp.is_none() || itself;
    let found = |l: &[u8]| regexp.as_ref().is_some_and(|r| r.is_match(l)) || (itself && l == line.as_bytes());
    Ok(text.lines.iter().enumerate().filter(|(_, l)| found(l)).map(|(at, _)| at).collect())
}

/// Indices of the lines a wish is about, in order.
fn meant(text: &Text, spec: &LineSpec) -> Result<Vec<usize>, ProbeError> {
    // Of several that fit, the one where it once was.
    let once = spec.position.as_ref().and_then(|p| p.at).map(|at| at.saturating_sub(1));
    if let Some(instead) = &spec.instead_of {
        let is = |at: &usize| text.lines.get(*at).is_some_and(|l| l == instead.as_bytes());
        if let Some(at) = once.filter(is).or_else(|| (0..text.lines.len()).rfind(is)) {
            return Ok(vec![at]);
        }
    }
    let mut found = matches(text, &spec.line, spec.regexp.as_deref(), spec.present && !spec.backrefs)?;
    if let Some(at) = once.filter(|at| spec.more.is_empty() && found.contains(at)) {
        return Ok(vec![at]);
    }
    if spec.first && spec.present {
        found.truncate(1);
    }
    Ok(found)
}

/// What a wish makes of a line that matches.
fn wished(line: &[u8], spec: &LineSpec) -> Result<Vec<u8>, ProbeError> {
    if let (true, Some(regexp)) = (spec.backrefs, &spec.regexp) {
        let expression = edit::compiled(regexp)?;
        if let Some(found) = expression.captures(line) {
            let mut made = Vec::new();
            let template = edit::Template::parse(&spec.line, &expression)
                .map_err(|why| ProbeError::new(format!("the line `{}`", spec.line), why))?;
            template.expand(&found, &mut made);
            return Ok(made);
        }
    }
    Ok(spec.line.clone().into_bytes())
}

fn state(path: &str, text: &Text, found: &[usize], all: bool) -> Result<Option<LineState>, ProbeError> {
    let at = |at: &usize| -> Result<At, ProbeError> {
        Ok(At { at: at + 1, line: edit::shown(path, &text.lines[*at])? })
    };
    let Some((last, others)) = found.split_last() else { return Ok(None) };
    let last = at(last)?;
    let more = match all {
        true => others.iter().map(at).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let path = path.to_owned();
    Ok(Some(LineState { path, line: last.line, at: last.at, becomes: None, more, made: false }))
}

/// A state as a wish sees it.
fn state_for(
    spec: &LineSpec,
    text: &Text,
    found: &[usize],
    all: bool,
) -> Result<Option<LineState>, ProbeError> {
    let Some(state) = state(&spec.path, text, found, all)? else { return Ok(None) };
    let becomes = match spec.backrefs && spec.present {
        true => Some(edit::shown(&spec.path, &wished(state.line.as_bytes(), spec)?)?),
        false => None,
    };
    Ok(Some(LineState { becomes: becomes.filter(|b| *b != state.line), ..state }))
}

/// What is there, as a wish sees it.
fn seen(loaded: Option<&Loaded>, spec: &LineSpec) -> Result<Option<LineState>, ProbeError> {
    let Some(loaded) = loaded else { return Ok(None) };
    let found = meant(&loaded.text, spec)?;
    state_for(spec, &loaded.text, &found, !spec.present || !spec.more.is_empty())
}

/// The file as it shall be.
fn edited(text: &Text, spec: &LineSpec) -> Result<Text, ProbeError> {
    let mut text = text.clone();
    let found = meant(&text, spec)?;
    if !spec.present {
        for at in found.into_iter().rev() {
            text.lines.remove(at);
        }
        return Ok(text);
    }
    match found.last() {
        Some(at) => text.lines[*at] = wished(&text.lines[*at], spec)?,
        None if spec.backrefs => {}
        None => {
            let mut back = spec.more.clone();
            back.sort_by_key(|m| m.at);
            for more in back {
                let at = more.at.saturating_sub(1).min(text.lines.len());
                text.lines.insert(at, more.line.into_bytes());
            }
            let at = text.index(spec.position.as_ref().unwrap_or(&Position::default()))?;
            text.lines.insert(at, spec.line.clone().into_bytes());
        }
    }
    Ok(text)
}

impl Resource for Line {
    type Spec = LineSpec;
    type State = LineState;
    const REMEMBERS: bool = true;

    fn path(id: &str) -> Option<&str> {
        edit::path_of(id)
    }

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(&self, _: &Operation, args: &Args, _: &dyn Sources) -> Result<Vec<Wish<LineSpec>>, ArgError> {
        let path = edit::path(args, "line")?;
        let regexp = match (args.text("regexp"), args.text("search")) {
            (Some(_), Some(_)) => {
                return Err(ArgError::about("search", "`regexp` and `search` cannot be given together"));
            }
            (regexp, search) => regexp.map(str::to_owned).or_else(|| search.map(regex::escape)),
        };
        let expression = regexp.as_deref().map(|regexp| edit::pattern("regexp", regexp)).transpose()?;
        let backrefs = args.flag("backrefs");
        let present = args.text("state") != Some("absent");
        let line = match args.text("line") {
            Some(line) => line.strip_suffix('\n').unwrap_or(line).to_owned(),
            None if !present && regexp.is_some() => String::new(),
            None => return Err(ArgError::about("line", "`line` is missing")),
        };
        if line.contains(['\n', '\0']) {
            return Err(ArgError::about("line", "`line` has more than one line")
                .hint("use `file.blockinfile` for several lines"));
        }
        let position = Position::from_args(args)?;
        match &expression {
            Some(expression) if backrefs => {
                edit::Template::parse(&line, expression).map_err(|why| ArgError::about("line", why))?;
            }
            None if backrefs => {
                return Err(ArgError::about("backrefs", "`backrefs` without `regexp` refers to nothing"));
            }
            _ => {}
        }
        let spec = LineSpec {
            present,
            position,
            more: Vec::new(),
            instead_of: None,
            backrefs,
            first: args.flag("first_match"),
            create: args.flag("create"),
            backup: args.flag("backup"),
            validate: args.text("validate").map(str::to_owned),
            path,
            line,
            regexp,
        };
        let id = id(&spec.path, &spec.line, spec.regexp.as_deref(), backrefs);
        Ok(vec![Wish { id, spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&LineSpec>,
        recorded: Option<&LineState>,
    ) -> Result<Option<LineState>, ProbeError> {
        let made = recorded.is_some_and(|r| r.made);
        let as_made = |state: Option<LineState>| state.map(|state| LineState { made, ..state });
        if let Some(spec) = spec {
            return seen(edit::load(os, &spec.path)?.as_ref(), spec).map(as_made);
        }
        // Without a wish: the line we left behind if there is a record, otherwise what the id says.
        let (path, line, regexp) = match recorded {
            Some(recorded) => (recorded.path.clone(), recorded.line.clone(), None),
            None => parts(id),
        };
        let Some(loaded) = edit::load(os, &path)? else { return Ok(None) };
        let found = matches(&loaded.text, &line, regexp.as_deref(), false)?;
        state(&path, &loaded.text, &found, false).map(as_made)
    }
    fn managed(&self, spec: &LineSpec) -> Vec<&'static str> {
        if spec.present { vec!["line"] } else { Vec::new() }
    }
    fn diff(&self, spec: &LineSpec, live: Option<&LineState>) -> Diff {
        if spec.backrefs && spec.present {
            let Some(live) = live else { return Diff::none() };
            let wished = live.becomes.as_deref().unwrap_or(&live.line);
            return edit::difference("line", true, wished, Some(&live.line));
        }
        edit::difference("line", spec.present, &spec.line, live.map(|l| l.line.as_str()))
    }
    fn explain(&self, os: &dyn Look, _: &str, spec: &LineSpec, _: &[Blob], diff: &mut Diff) {
        edit::explain(os, &spec.path, diff, |text| edited(text, spec));
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &LineSpec,
        live: Option<&LineState>,
    ) -> Result<Option<LineState>, ApplyError> {
        let loaded = edit::load(work.os, &spec.path)?;
        let made = live.is_some_and(|l| l.made);
        if seen(loaded.as_ref(), spec)?.map(|now| LineState { made, ..now }).as_ref() != live {
            return Err(ApplyError::Moved(format!("`{id}`")));
        }
        if loaded.is_none() && (!spec.present || spec.backrefs) {
            return Ok(None);
        }
        let how =
            Store { create: spec.create, backup: spec.backup, validate: spec.validate.as_deref(), made };
        let after = edit::change(work, &spec.path, loaded.as_ref(), &how, |text| edited(text, spec))?;
        let found = meant(&after, spec)?;
        Ok(match spec.present {
            false => None,
            true => state_for(spec, &after, &found, !spec.more.is_empty())?
                .map(|left| LineState { made: made || loaded.is_none(), ..left }),
        })
    }
    fn delete(
        &self,
        work: &Work<'_>,
        _: &str,
        live: Option<&LineState>,
    ) -> Result<Option<LineState>, ApplyError> {
        let Some(live) = live else { return Ok(None) };
        let Some(loaded) = edit::load(work.os, &live.path)? else { return Ok(None) };
        let is = |at: usize| loaded.text.lines.get(at).is_some_and(|l| l == live.line.as_bytes());
        let at = match live.at.checked_sub(1) {
            Some(at) if is(at) => Some(at),
            _ => (0..loaded.text.lines.len()).rev().find(|at| is(*at)),
        };
        let Some(at) = at else { return Ok(None) };
        let without = |text: &Text| {
            let mut text = text.clone();
            text.lines.remove(at);
            Ok(text)
        };
        let how = Store { made: live.made, ..Store::default() };
        edit::change(work, &live.path, Some(&loaded), &how, without)?;
        Ok(None)
    }
    fn wish_for(&self, id: &str, state: Option<&LineState>) -> (LineSpec, Vec<Digest>) {
        let (path, line, regexp) = parts(id);
        // A line that does not match its own expression has to be found as itself.
        let stranger = regexp.is_some() && !line.is_empty();
        let becomes = state.and_then(|s| s.becomes.clone());
        let instead_of =
            becomes.or_else(|| (stranger && state.is_some_and(|s| s.line != line)).then(|| line.clone()));
        let spec = LineSpec {
            path,
            line: state.map_or(line, |s| s.line.clone()),
            regexp: regexp.filter(|_| !stranger || state.is_some()),
            instead_of,
            backrefs: false,
            first: false,
            present: state.is_some(),
            position: state.map(|s| Position { at: Some(s.at), ..Position::default() }),
            more: state.map(|s| s.more.clone()).unwrap_or_default(),
            create: state.is_some(),
            backup: false,
            validate: None,
        };
        (spec, Vec::new())
    }
}
