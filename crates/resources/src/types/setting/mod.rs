//! One setting in a file of settings: INI, JSON, TOML or YAML.
//!
//! An edit is a few pieces of text that come in the place of others; all the rest of the file stays as it is, byte by byte.
//! Before anything is written, the new text is read and compared with what the old one said, with nothing but the setting
//! changed. What cannot be edited so is refused, whatever the reason.
//!
//! The id is the file and the names that lead to the setting: `/etc/php.ini#PHP.memory_limit`. A file whose name says
//! another format than it has names it: `/etc/app.conf#json:log.level`. Names that are not plain words are in quotes.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::{Map, Value};

use super::args;
use super::edit::{self, Loaded, Store};
use crate::os::Look;
use crate::resource::{Resource, Wish, Work};

mod ini;
mod json;
mod toml;
mod yaml;

/// The type `setting`.
pub struct Setting;

/// How a file of settings is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `key = value` below `[section]`.
    #[default]
    Ini,
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// A place in the text with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    /// What says the value; it is written anew when the value changes.
    text: Range<usize>,
    /// What goes when the setting goes.
    whole: Range<usize>,
}

/// A piece of text that comes in the place of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Splice {
    at: Range<usize>,
    with: String,
}

/// What is done to a text. In order, without overlaps.
type Edit = Vec<Splice>;

/// What each format knows.
trait Syntax {
    /// Everything the text says.
    fn read(&self, text: &str) -> Result<Value, String>;
    /// Where the setting is.
    fn spots(&self, text: &str, keys: &[String]) -> Result<Vec<Spot>, String>;
    /// The text with another value in these spots.
    fn replacement(&self, text: &str, spots: &[Spot], value: &Value) -> Edit;
    /// Ways to put the setting in where there is none, the best one first.
    fn insertions(&self, text: &str, keys: &[String], value: &Value, tight: bool) -> Vec<Edit>;
}

impl Format {
    const ALL: [Self; 4] = [Self::Ini, Self::Json, Self::Toml, Self::Yaml];

    /// Its name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ini => "ini",
            Self::Json => "json",
            Self::Toml => "toml",
            Self::Yaml => "yaml",
        }
    }
    /// What the name of a file says.
    fn of(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, end)| end) {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Ini,
        }
    }
    fn syntax(self) -> &'static dyn Syntax {
        match self {
            Self::Ini => &ini::Ini,
            Self::Json => &json::Json,
            Self::Toml => &toml::Toml,
            Self::Yaml => &yaml::Yaml,
        }
    }
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Number of the line it begins in, counted from 1.
    pub line: usize,
    /// Bytes in front of it in that line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub column: usize,
    /// The text.
    pub text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Piece {
    fn new(text: &str, at: &Range<usize>) -> Self {
        let before = &text[..at.start];
        let column = before.len() - before.rfind('\n').map_or(0, |n| n + 1);
        Self { line: before.matches('\n').count() + 1, column, text: text[at.clone()].to_owned() }
    }
    /// Where it would begin in a text.
    fn start(&self, text: &str) -> Option<usize> {
        let line = match self.line {
            0 | 1 => 0,
            line => text.match_indices('\n').nth(line - 2)?.0 + 1,
        };
        let start = line + self.column;
        (start <= text.len() && text.is_char_boundary(start)).then_some(start)
    }
    /// Where it is in a text: where it was, or the only place with these words.
    fn find(&self, text: &str) -> Option<Range<usize>> {
        let there = self.start(text).filter(|start| text[*start..].starts_with(&self.text));
        let only = || {
            let mut places = text.match_indices(&self.text).map(|(at, _)| at);
            places.next().filter(|_| places.next().is_none())
        };
        there.or_else(only).map(|start| start..start + self.text.len())
    }
}

/// A wish for a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingSpec {
    /// The file.
    pub path: String,
    /// How it is written.
    pub format: Format,
    /// The names that lead to it. In INI files two: the section, which is empty in front of the first one, and the key.
    pub keys: Vec<String>,
    /// The value.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
    /// A new line has no spaces around its sign.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tight: bool,
    /// The very words that are to come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// The very pieces that are to come back when the setting is not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
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

/// A setting that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingState {
    /// The file.
    pub path: String,
    /// How it is written.
    pub format: Format,
    /// The names that lead to it.
    pub keys: Vec<String>,
    /// The value; a list when an INI file has several lines with the key.
    pub value: Value,
    /// How the value is written, for each place where it is.
    pub words: Vec<String>,
    /// What would go with it.
    pub pieces: Vec<Piece>,
    /// Was the file made for it? Then it goes with it, when nothing else is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// What was put in for it, with all that had to be around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put: Option<Piece>,
}

const KIND: Kind = Kind {
    name: "setting",
    doc: "One setting in an INI, JSON, TOML or YAML file",
    attributes: &[
        Attribute { fixed: true, ..args::attribute("format", ParamType::Text, "How the file is written") },
        Attribute { fixed: true, ..args::attribute("keys", ParamType::List, "The names that lead to it") },
        edit::MADE,
        Attribute { fixed: true, ..args::attribute("path", ParamType::Path, "The file") },
        args::attribute("pieces", ParamType::Any, "What would go with it, and where that is"),
        args::attribute("put", ParamType::Any, "What was put in for it, with all that had to be around it"),
        args::attribute("value", ParamType::Any, "The value"),
        args::attribute("words", ParamType::List, "How the value is written"),
    ],
    checkable: true,
};

const CREATE: Param = edit::CREATE;
const KEY: Param = Param::new(
    "key",
    ParamType::Any,
    "The names that lead to it, as a list or with dots between them: `a.b`, `a.\"b.c\"`",
)
.required()
.or(&["keys", "option"]);
const VALUE: Param =
    Param::new("value", ParamType::Any, "The value; may be left out when it is to be absent");

const fn operation(
    name: &'static str,
    aliases: &'static [&'static str],
    doc: &'static str,
    example: &'static str,
) -> Operation {
    Operation {
        module: "file",
        name,
        aliases,
        kind: "setting",
        params: &[args::BACKUP, CREATE, KEY, args::PATH, edit::STATE, args::VALIDATE, VALUE],
        positional: &["path", "key", "value"],
        doc,
        example,
    }
}

const OPERATIONS: &[Operation] = &[
    Operation {
        module: "file",
        name: "ini",
        aliases: &["ini_file"],
        kind: "setting",
        params: &[
            Param::new("allow_no_value", ParamType::Bool, "Without `value`, the line is the key alone"),
            args::BACKUP,
            CREATE,
            Param::new("key", ParamType::Text, "The key").required().or(&["option"]),
            Param::new("no_extra_spaces", ParamType::Bool, "A new line has no spaces around its `=`"),
            args::PATH,
            Param::new(
                "section",
                ParamType::Text,
                "The section; left out for what stands in front of the first one",
            ),
            edit::STATE,
            args::VALIDATE,
            Param::new(
                "value",
                ParamType::Any,
                "The value, or a list with one value for each of several lines; other lines with the key go",
            )
            .or(&["values"]),
        ],
        positional: &["path", "section", "key", "value"],
        doc: "Makes sure that a setting is, or is not, in an INI file",
        example: "file.ini{path = \"/etc/php.ini\", section = \"PHP\", key = \"memory_limit\", value = \"256M\"}",
    },
    operation(
        "json",
        &["json_file"],
        "Makes sure that a setting is, or is not, in a JSON file",
        "file.json{path = \"/etc/docker/daemon.json\", key = \"log-opts.max-size\", value = \"10m\", create = true}",
    ),
    operation(
        "toml",
        &["toml_file"],
        "Makes sure that a setting is, or is not, in a TOML file",
        "file.toml{path = \"/etc/containerd/config.toml\", key = \"metrics.address\", value = \"127.0.0.1:1338\"}",
    ),
    operation(
        "yaml",
        &["yaml_file", "yml"],
        "Makes sure that a setting is, or is not, in a YAML file",
        "file.yaml{path = \"/etc/netplan/01.yaml\", key = \"network.renderer\", value = \"networkd\"}",
    ),
];

/// The newline of a text.
fn newline(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Where the line with this byte begins.
fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |n| n + 1)
}

/// Behind the end of the line with this byte.
fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |n| at + n + 1)
}

/// Whole lines with a range, with an end of a line: the one before when the last line has none.
fn whole_lines(text: &str, at: &Range<usize>) -> Range<usize> {
    let start = line_start(text, at.start);
    let end = if at.end > start && text[..at.end].ends_with('\n') { at.end } else { next_line(text, at.end) };
    let above = text[..start].strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t));
    match above {
        Some(above) if !text[..end].ends_with('\n') => above.len()..end,
        _ => start..end,
    }
}

/// New lines at the beginning of a line, or at the end of the text.
fn lines_at(text: &str, at: usize, lines: &str) -> Splice {
    let newline = newline(text);
    let lines = if newline == "\n" { lines.to_owned() } else { lines.replace('\n', newline) };
    let with = match at > 0 && !text[..at].ends_with('\n') {
        true => format!("{newline}{lines}"),
        false => format!("{lines}{newline}"),
    };
    Splice { at: at..at, with }
}

fn edited(text: &str, edit: &[Splice]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut done = 0;
    for splice in edit {
        out.push_str(&text[done..splice.at.start]);
        out.push_str(&splice.with);
        done = splice.at.end;
    }
    out.push_str(&text[done..]);
    out
}

/// The value that names lead to.
fn value_at<'a>(document: &'a Value, keys: &[String]) -> Option<&'a Value> {
    keys.iter().try_fold(document, |value, key| value.as_object()?.get(key))
}

/// A document with another value at a place, or with none.
fn with(document: &Value, keys: &[String], value: Option<&Value>) -> Result<Value, String> {
    fn change(
        here: &mut Value,
        above: Option<&str>,
        keys: &[String],
        value: Option<&Value>,
    ) -> Result<(), String> {
        let Some((key, rest)) = keys.split_first() else {
            *here = value.cloned().unwrap_or_default();
            return Ok(());
        };
        if here.is_null() {
            *here = Value::Object(Map::new());
        }
        let what = if here.is_array() { "a list" } else { "a single value" };
        let Some(map) = here.as_object_mut() else {
            return Err(match above {
                Some(name) => format!("`{name}` is {what}, so nothing below it can be named"),
                None => format!("the file has {what} in it and not names with values"),
            });
        };
        match value {
            None if rest.is_empty() => drop(map.remove(key)),
            None if !map.contains_key(key) => {}
            _ => change(map.entry(key.as_str()).or_insert(Value::Null), Some(key), rest, value)?,
        }
        Ok(())
    }
    let mut document = document.clone();
    change(&mut document, None, keys, value)?;
    Ok(document)
}

/// The same without tables on the way that have nothing in them.
fn pruned(document: &Value, keys: &[String]) -> Value {
    let mut document = document.clone();
    for length in (1..keys.len()).rev() {
        let empty = |v: &Value| v.is_null() || v.as_object().is_some_and(Map::is_empty);
        if value_at(&document, &keys[..length]).is_some_and(|value| !empty(value)) {
            break;
        }
        document = with(&document, &keys[..length], None).unwrap_or(document);
    }
    document
}

/// In INI files the order of several values means nothing to us.
fn normal(format: Format, value: &Value) -> Value {
    match value {
        Value::Array(items) if format == Format::Ini => {
            let mut items = items.clone();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        Value::Object(map) if format == Format::Ini => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), normal(format, v))).collect())
        }
        other => other.clone(),
    }
}

/// The text of a file. A mark in front of it that says how it is encoded is none of it.
fn text_of<'a>(path: &str, loaded: Option<&'a Loaded>) -> Result<(&'static str, &'a str), ProbeError> {
    const MARK: &str = "\u{feff}";
    let Some(loaded) = loaded else { return Ok(("", "")) };
    let text = std::str::from_utf8(&loaded.bytes)
        .map_err(|_| ProbeError::new(format!("`{path}`"), "it is not UTF-8"))?;
    Ok(text.strip_prefix(MARK).map_or(("", text), |text| (MARK, text)))
}

impl SettingSpec {
    fn failed(&self, why: impl std::fmt::Display) -> ProbeError {
        let keys = written(self.format, &self.keys);
        ProbeError::new(format!("the setting `{keys}` in `{}`", self.path), why)
    }
    fn read(&self, text: &str) -> Result<Value, ProbeError> {
        self.format.syntax().read(text).map_err(|why| {
            let word = self.format.word().to_uppercase();
            ProbeError::new(format!("`{}`", self.path), format!("it is not {word}: {why}"))
        })
    }
    /// Value and places; `None` when it is not there.
    fn find(&self, text: &str) -> Result<Option<(Value, Vec<Spot>)>, ProbeError> {
        let document = self.read(text)?;
        // What stands in the way is said at once.
        with(&document, &self.keys, self.present.then_some(&Value::Null)).map_err(|why| self.failed(why))?;
        let Some(value) = value_at(&document, &self.keys) else { return Ok(None) };
        let spots = self.format.syntax().spots(text, &self.keys).map_err(|why| self.failed(why))?;
        if spots.is_empty() {
            return Err(self.failed("it is written in a way that cannot be edited; nothing was changed"));
        }
        Ok(Some((value.clone(), spots)))
    }
    fn state(&self, text: &str) -> Result<Option<SettingState>, ProbeError> {
        Ok(self.find(text)?.map(|(value, spots)| SettingState {
            path: self.path.clone(),
            format: self.format,
            keys: self.keys.clone(),
            value,
            words: spots.iter().map(|spot| text[spot.text.clone()].to_owned()).collect(),
            pieces: spots.iter().map(|spot| Piece::new(text, &spot.whole)).collect(),
            made: false,
            put: None,
        }))
    }
    /// The edit that brings the wish about, out of all that come into question the first one that changes nothing else.
    fn edit(&self, text: &str, put: Option<&Piece>) -> Result<Edit, ProbeError> {
        let document = self.read(text)?;
        let wished = self.present.then_some(&self.value);
        let expected = with(&document, &self.keys, wished).map_err(|why| self.failed(why))?;
        let expected = normal(self.format, &expected);
        let found = match self.find(text)? {
            Some((value, _))
                if self.present && normal(self.format, &value) == normal(self.format, &self.value) =>
            {
                return Ok(Vec::new());
            }
            found => found.map(|(_, spots)| spots),
        };
        let syntax = self.format.syntax();
        let remove = |spots: &[Spot]| -> Edit {
            spots.iter().map(|spot| Splice { at: spot.whole.clone(), with: String::new() }).collect()
        };
        let mut ways: Vec<Edit> = Vec::new();
        match (&found, self.present) {
            (None, false) => return Ok(Vec::new()),
            (Some(spots), false) => {
                let all = put.and_then(|put| put.find(text));
                ways.extend(all.map(|at| vec![Splice { at, with: String::new() }]));
                ways.push(remove(spots));
            }
            (Some(spots), true) => {
                if self.words.len() == spots.len() {
                    let back = spots.iter().zip(&self.words);
                    ways.push(
                        back.map(|(spot, w)| Splice { at: spot.text.clone(), with: w.clone() }).collect(),
                    );
                } else if !self.pieces.is_empty() {
                    let without = edited(text, &remove(spots));
                    let all = Splice { at: 0..text.len(), with: self.put_back(&without) };
                    ways.push(vec![all]);
                }
                ways.push(syntax.replacement(text, spots, &self.value));
            }
            (None, true) => {
                if !self.pieces.is_empty() {
                    ways.push(vec![Splice { at: 0..text.len(), with: self.put_back(text) }]);
                }
                ways.extend(syntax.insertions(text, &self.keys, &self.value, self.tight));
            }
        }
        let fits = |edit: &Edit| {
            let after = edited(text, edit);
            // What was put in has to be found again.
            if self.present && !self.find(&after).is_ok_and(|found| found.is_some()) {
                return false;
            }
            let Ok(after) = syntax.read(&after) else { return false };
            let after = normal(self.format, &after);
            // A table that nothing is left in may go, too, or stay as a name without anything.
            let less = |document: &Value| pruned(document, &self.keys);
            after == expected || (!self.present && less(&after) == less(&expected))
        };
        ways.into_iter().find(fits).ok_or_else(|| {
            let word = self.format.word().to_uppercase();
            self.failed(format!(
                "the {word} around it is written in a way that cannot be edited; nothing was changed"
            ))
        })
    }
    /// The pieces where they once were.
    fn put_back(&self, text: &str) -> String {
        self.pieces.iter().fold(text.to_owned(), |mut text, piece| {
            let at = piece.start(&text).unwrap_or(text.len());
            text.insert_str(at, &piece.text);
            text
        })
    }
}

/// What is there, with what only the record knows.
fn seen(
    loaded: Option<&Loaded>,
    spec: &SettingSpec,
    recorded: Option<&SettingState>,
) -> Result<Option<SettingState>, ProbeError> {
    let (_, text) = text_of(&spec.path, loaded)?;
    let known = |state| SettingState {
        made: recorded.is_some_and(|r| r.made),
        put: recorded.and_then(|r| r.put.clone()),
        ..state
    };
    Ok(spec.state(text)?.map(known))
}

/// Names as they are written in ids and messages.
fn written(format: Format, keys: &[String]) -> String {
    let plain = |key: &str| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    let one = |key: &String| if plain(key) { key.clone() } else { Value::from(key.as_str()).to_string() };
    match (format, keys) {
        (Format::Ini, [section, key]) if section.is_empty() => one(key),
        _ => keys.iter().map(one).collect::<Vec<_>>().join("."),
    }
}

/// Reads names with dots between them.
fn names(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        if rest.starts_with('"') {
            let mut quoted = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let name = quoted.next().and_then(Result::ok).ok_or("a quote is not closed")?;
            rest = &rest[quoted.byte_offset()..];
            names.push(name);
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            if end == 0 {
                return Err("a name is empty".to_owned());
            }
            names.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        match rest.strip_prefix('.') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Ok(names),
            None => return Err("something follows a quoted name".to_owned()),
        }
    }
}

fn id_of(spec: &SettingSpec) -> String {
    let keys = written(spec.format, &spec.keys);
    match spec.format == Format::of(&spec.path) {
        true => format!("{}#{keys}", spec.path),
        false => format!("{}#{}:{keys}", spec.path, spec.format.word()),
    }
}

/// A wish for absence out of an id.
fn spec_of(id: &str) -> SettingSpec {
    let (path, rest) = id.split_once('#').unwrap_or((id, ""));
    let named = |format: &Format| rest.strip_prefix(format.word()).is_some_and(|rest| rest.starts_with(':'));
    let (format, rest) = match Format::ALL.into_iter().find(named) {
        Some(format) => (format, &rest[format.word().len() + 1..]),
        None => (Format::of(path), rest),
    };
    let mut keys = names(rest).unwrap_or_else(|_| vec![rest.to_owned()]);
    if format == Format::Ini && keys.len() == 1 {
        keys.insert(0, String::new());
    }
    SettingSpec { path: path.to_owned(), format, keys, ..SettingSpec::default() }
}

/// The value of an INI file: text, a list of texts, or nothing at all.
fn ini_value(value: Option<&Value>, alone: bool) -> Result<Value, ArgError> {
    let one = |value: &Value| match value {
        Value::String(text) if text.contains(['\n', '\r']) => {
            Err(ArgError::about("value", "`value` is more than one line"))
        }
        Value::String(text) if text.trim_end().ends_with('\\') => Err(ArgError::about(
            "value",
            "`value` ends in a backslash, behind which the next line would go on",
        )),
        Value::String(text) => Ok(Value::from(text.trim())),
        Value::Number(_) | Value::Bool(_) => Ok(Value::from(value.to_string())),
        _ => Err(ArgError::about("value", "`value` is neither text nor a number, nor a list of those")),
    };
    match value {
        None if alone => Ok(Value::Null),
        None => Err(ArgError::about("value", "`value` is missing")
            .hint("give `value`, or `allow_no_value = true` for the key alone")),
        Some(Value::Array(items)) if items.is_empty() => {
            Err(ArgError::about("value", "`value` is an empty list").hint("write `state = \"absent\"`"))
        }
        Some(Value::Array(items)) if items.len() == 1 => one(&items[0]),
        Some(Value::Array(items)) => items.iter().map(one).collect::<Result<_, _>>().map(Value::Array),
        Some(value) => one(value),
    }
}

fn ini_keys(args: &Args) -> Result<Vec<String>, ArgError> {
    let section = args.text("section").unwrap_or_default().trim().to_owned();
    let key = args.text("key").unwrap_or_default().trim().to_owned();
    if section.contains(['[', ']', '\n', '\r']) {
        return Err(ArgError::about("section", format!("`{section}` has a bracket or a line end in it")));
    }
    if key.is_empty() || key.starts_with(['#', ';', '[']) || key.contains(['=', '\n', '\r']) {
        return Err(ArgError::about("key", format!("`{key}` cannot be the key of a setting"))
            .hint("it has no `=` in it, is not empty, and does not begin with `#`, `;` or `[`"));
    }
    Ok(vec![section, key])
}

fn given_keys(args: &Args) -> Result<Vec<String>, ArgError> {
    let keys = match args.value("key") {
        Some(Value::String(text)) => names(text).map_err(|why| {
            ArgError::about("key", format!("`{text}` does not lead to a setting: {why}"))
                .hint("write for example `server.port` or `server.\"a.b\"`, or a list of names")
        })?,
        Some(Value::Array(list)) if !list.is_empty() && list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => return Err(ArgError::about("key", "`key` is neither text nor a list of names")),
    };
    match keys.iter().find(|key| key.contains(['\n', '\r', '\0'])) {
        Some(key) => Err(ArgError::about("key", format!("`{key}` is more than one line"))),
        None => Ok(keys),
    }
}

impl Resource for Setting {
    type Spec = SettingSpec;
    type State = SettingState;
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
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Wish<SettingSpec>>, ArgError> {
        let path = edit::path(args, "setting")?;
        let present = args.text("state") != Some("absent");
        let format = Format::ALL.into_iter().find(|f| f.word() == operation.name).unwrap_or_default();
        let keys = if format == Format::Ini { ini_keys(args)? } else { given_keys(args)? };
        let value = match (present, args.value("value")) {
            (false, _) => Value::Null,
            (true, value) if format == Format::Ini => ini_value(value, args.flag("allow_no_value"))?,
            (true, Some(value)) => value.clone(),
            (true, None) => return Err(ArgError::about("value", "`value` is missing")),
        };
        let spec = SettingSpec {
            path,
            format,
            keys,
            value,
            present,
            tight: args.flag("no_extra_spaces"),
            create: args.flag("create"),
            backup: args.flag("backup"),
            validate: args.text("validate").map(str::to_owned),
            ..SettingSpec::default()
        };
        Ok(vec![Wish { id: id_of(&spec), spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&SettingSpec>,
        recorded: Option<&SettingState>,
    ) -> Result<Option<SettingState>, ProbeError> {
        match spec {
            Some(spec) => seen(edit::load(os, &spec.path)?.as_ref(), spec, recorded),
            None => {
                let spec = spec_of(id);
                seen(edit::load(os, &spec.path)?.as_ref(), &spec, recorded)
            }
        }
    }
    fn managed(&self, spec: &SettingSpec) -> Vec<&'static str> {
        if spec.present { vec!["value"] } else { Vec::new() }
    }
    fn diff(&self, spec: &SettingSpec, live: Option<&SettingState>) -> Diff {
        let mut diff = Diff::none();
        match (spec.present, live) {
            (true, Some(live)) if normal(spec.format, &live.value) == normal(spec.format, &spec.value) => {}
            (true, live) => diff.compare("value", live.map(|l| l.value.clone()), Some(spec.value.clone())),
            (false, Some(live)) => diff.compare(PRESENCE, Some(live.value.clone()), None),
            (false, None) => {}
        }
        diff
    }
    fn explain(&self, os: &dyn Look, _: &str, spec: &SettingSpec, _: &[Blob], diff: &mut Diff) {
        edit::explain_bytes(os, &spec.path, diff, |bytes| {
            let text = std::str::from_utf8(bytes).map_err(|e| spec.failed(e))?;
            Ok(edited(text, &spec.edit(text, None)?).into_bytes())
        });
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &SettingSpec,
        live: Option<&SettingState>,
    ) -> Result<Option<SettingState>, ApplyError> {
        let loaded = edit::load(work.os, &spec.path)?;
        if seen(loaded.as_ref(), spec, live)?.as_ref() != live {
            return Err(ApplyError::Moved(format!("`{id}`")));
        }
        if !spec.present && loaded.is_none() {
            return Ok(None);
        }
        let (mark, text) = text_of(&spec.path, loaded.as_ref())?;
        let put = live.and_then(|l| l.put.as_ref());
        let edit = spec.edit(text, put)?;
        let mut after = edited(text, &edit);
        let made = live.is_some_and(|l| l.made);
        if made && !spec.present && matches!(after.trim(), "" | "{}") {
            after.clear();
        }
        let how =
            Store { create: spec.create, backup: spec.backup, validate: spec.validate.as_deref(), made };
        let bytes = if after.is_empty() { String::new() } else { format!("{mark}{after}") };
        edit::store_bytes(work, &spec.path, loaded.as_ref(), bytes.as_bytes(), &how)?;
        let put = match (live, &edit[..]) {
            (None, [only]) if only.at.is_empty() => {
                Some(Piece::new(&after, &(only.at.start..only.at.start + only.with.len())))
            }
            (Some(_), _) => put.and_then(|put| moved(put, text, &after)),
            _ => None,
        };
        let left = spec.state(&after)?;
        Ok(left.map(|left| SettingState { made: made || loaded.is_none(), put, ..left }))
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&SettingState>,
    ) -> Result<Option<SettingState>, ApplyError> {
        let Some(live) = live else { return Ok(None) };
        let spec = spec_of(id);
        let loaded = edit::load(work.os, &spec.path)?;
        let now = seen(loaded.as_ref(), &spec, Some(live))?;
        self.apply(work, id, &spec, now.as_ref())
    }
    fn wish_for(&self, id: &str, state: Option<&SettingState>) -> (SettingSpec, Vec<Digest>) {
        let spec = spec_of(id);
        let spec = match state {
            None => spec,
            Some(state) => SettingSpec {
                value: state.value.clone(),
                present: true,
                words: state.words.clone(),
                pieces: state.pieces.clone(),
                create: true,
                ..spec
            },
        };
        (spec, Vec::new())
    }
}

/// What was put in, after the value inside it was written anew.
fn moved(put: &Piece, before: &str, after: &str) -> Option<Piece> {
    let at = put.find(before)?;
    // What is in front of it and behind it is what it was.
    let (front, back) = (&before[..at.start], &before[at.end..]);
    let same = after.len() >= front.len() + back.len() && after.starts_with(front) && after.ends_with(back);
    same.then(|| Piece::new(after, &(at.start..after.len() - back.len())))
}
