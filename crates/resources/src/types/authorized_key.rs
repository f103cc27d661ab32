//! `authorized_key`: one key in the `authorized_keys` of a user, or that no others are there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::edit::{self, Text};
use super::home::{self, Edited, Whose, edit_together};
use super::{args, is_yes, yes};
use crate::facts::accounts::is_name;
use crate::facts::authorized_keys::{Entry, Key, is_fingerprint, is_options};
use crate::os::Look;
use crate::resource::{Item, Resource, Wish, Work, apply_alone};

/// Where `sshd` looks, below the home directory.
const USUAL: &str = ".ssh/authorized_keys";
/// What the id ends in that stands for all keys that are not listed.
const OTHERS: &str = "others";

/// The type.
pub struct AuthorizedKey;

/// A wish for a key, or for the absence of those that are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizedKeySpec {
    /// Which file.
    pub whose: Whose,
    /// Shall it be there?
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub present: bool,
    /// Type and blob; `None` for what is not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its options; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Its comment; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The key that has this fingerprint is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The lines as they once were, the one that counts first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Where those lines were, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<usize>,
    /// Keys that are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// Nobody has to be able to log in afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
}

/// A key that is there, or those that are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizedKeyState {
    /// Was it the only key of its file when it came?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    /// Where its lines are, counted from 1.
    pub at: Vec<usize>,
    /// What is behind the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its lines, the one that counts first.
    pub lines: Vec<String>,
    /// Was the file made for it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// What the key may be used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// The file.
    pub path: String,
}

const KIND: Kind = Kind {
    name: "authorized_key",
    doc: "A key that lets somebody in as a user",
    attributes: &[
        args::attribute("alone", ParamType::Bool, "Was it the only key when it came?"),
        args::attribute("at", ParamType::Any, "Where its lines are, counted from 1"),
        args::attribute("comment", ParamType::Text, "What is behind the key"),
        args::attribute("lines", ParamType::List, "Its lines, the one that counts first"),
        edit::MADE,
        args::attribute("options", ParamType::Text, "What it may be used for"),
        Attribute { name: "path", ty: ParamType::Path, secret: false, fixed: true, doc: "The file" },
    ],
    checkable: true,
};

const KEY: Param = Param::new(
    "key",
    ParamType::List,
    "The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too",
)
.required()
.or(&["keys", "public_key"]);
const ALLOW_EMPTY: Param =
    Param::new("allow_empty", ParamType::Bool, "Remove it although no key is left then");

const OPERATIONS: &[Operation] = &[
    Operation {
        module: "ssh",
        name: "authorized_key",
        aliases: &["add_authorized_key", "authorized_keys"],
        kind: "authorized_key",
        params: &[
            ALLOW_EMPTY,
            Param::new("comment", ParamType::Text, "What is behind the key; left as it is when not given"),
            Param::new("exclusive", ParamType::Bool, "Remove every key that is not listed in this call"),
            KEY,
            Param::new(
                "options",
                ParamType::Text,
                "What the key may be used for, as in sshd(8); left as it is when not given, `\"\"` for no options",
            )
            .or(&["key_options"]),
            home::OTHER_PATH,
            edit::STATE,
            home::USER,
        ],
        positional: &["user", "key"],
        doc: "Makes sure that a key lets in as a user, or does not",
        example: "ssh.authorized_key{user = \"deploy\", key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t3 ann\"}",
    },
    Operation {
        module: "ssh",
        name: "remove_authorized_key",
        aliases: &[],
        kind: "authorized_key",
        params: &[ALLOW_EMPTY, KEY, home::OTHER_PATH, home::USER],
        positional: &["user", "key"],
        doc: "Makes sure that a key does not let in as a user",
        example: "ssh.remove_authorized_key{user = \"deploy\", key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t3\"}",
    },
];

/// Which lines are meant.
enum Meant {
    /// Those with this key.
    Key(Key),
    /// Those with the key of this fingerprint.
    Fingerprint(String),
    /// Those with none of these keys.
    Except(BTreeSet<Key>),
    /// Those with one of these keys.
    Among(BTreeSet<Key>),
}

fn keys<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<Key> {
    texts.into_iter().filter_map(|text| Entry::read(text.as_bytes())).map(|entry| entry.key).collect()
}

fn of_lines(lines: &[String]) -> BTreeSet<Key> {
    keys(lines.iter().map(String::as_str))
}

impl Meant {
    fn of_spec(spec: &AuthorizedKeySpec) -> Self {
        match (spec.key.as_ref().and_then(|key| Key::read(key.as_bytes())), &spec.fingerprint) {
            (Some((key, _)), _) => Self::Key(key),
            (None, Some(fingerprint)) => Self::Fingerprint(fingerprint.clone()),
            (None, None) if !spec.present && !spec.listed.is_empty() => {
                Self::Except(keys(spec.listed.iter().map(String::as_str)))
            }
            // Without a list nothing is meant, and certainly not everything.
            (None, None) => Self::Among(of_lines(&spec.lines)),
        }
    }
    fn of_id(part: &str, recorded: Option<&AuthorizedKeyState>) -> Self {
        match (part, recorded) {
            (OTHERS, recorded) => Self::Among(recorded.map(|r| of_lines(&r.lines)).unwrap_or_default()),
            (fingerprint, _) => Self::Fingerprint(fingerprint.to_owned()),
        }
    }
    fn means(&self, key: &Key) -> bool {
        match self {
            Self::Key(wished) => wished.blob == key.blob,
            Self::Fingerprint(wished) => key.fingerprint() == *wished,
            Self::Except(listed) => !listed.contains(key),
            Self::Among(listed) => listed.contains(key),
        }
    }
    /// Is it about one key?
    const fn one(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Fingerprint(_))
    }
    /// Indices of the lines, in order.
    fn find(&self, text: &Text) -> Vec<usize> {
        let meant = |line: &[u8]| Entry::read(line).is_some_and(|entry| self.means(&entry.key));
        text.lines.iter().enumerate().filter(|(_, line)| meant(line)).map(|(at, _)| at).collect()
    }
    /// What is there.
    fn state(&self, path: &str, text: Option<&Text>) -> Result<Option<AuthorizedKeyState>, ProbeError> {
        let Some(text) = text else { return Ok(None) };
        let found = self.find(text);
        let Some(first) = found.first() else { return Ok(None) };
        let lines = found.iter().map(|at| edit::shown(path, &text.lines[*at]));
        let lines = lines.collect::<Result<Vec<_>, ProbeError>>()?;
        let entry = Entry::read(&text.lines[*first]).filter(|_| self.one());
        let part = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
        Ok(Some(AuthorizedKeyState {
            comment: entry.as_ref().and_then(|entry| part(entry.comment)),
            options: entry.as_ref().and_then(|entry| part(entry.options)),
            lines,
            at: found.iter().map(|at| at + 1).collect(),
            path: path.to_owned(),
            ..AuthorizedKeyState::default()
        }))
    }
}

fn any_key(text: &Text) -> bool {
    text.lines.iter().any(|line| Entry::read(line).is_some())
}

/// Is the same there, wherever it stands?
fn same(a: Option<&AuthorizedKeyState>, b: Option<&AuthorizedKeyState>) -> bool {
    a.map(|state| &state.lines) == b.map(|state| &state.lines)
}

fn not_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// The line of a key, where options and comment are what is wished, and otherwise what was there.
fn wished_line(spec: &AuthorizedKeySpec, live: Option<&AuthorizedKeyState>) -> String {
    let was = |of: fn(&AuthorizedKeyState) -> Option<&str>| live.and_then(of);
    let options = spec.options.as_deref().or_else(|| was(|l| l.options.as_deref()));
    let comment = spec.comment.as_deref().or_else(|| was(|l| l.comment.as_deref()));
    let parts = [not_empty(options), spec.key.as_deref(), not_empty(comment)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn texts(lines: &[String]) -> Value {
    Value::from(lines.to_vec())
}

/// Puts lines to where they once were, or to the end.
fn put_back(text: &mut Text, spec: &AuthorizedKeySpec) {
    let places = spec.at.iter().copied().chain(std::iter::repeat(usize::MAX));
    let mut lines: Vec<(usize, &String)> = places.zip(&spec.lines).collect();
    lines.sort_by_key(|(at, _)| *at);
    for (at, line) in lines {
        let at = at.saturating_sub(1).min(text.lines.len());
        text.lines.insert(at, line.clone().into_bytes());
    }
}

/// What is left of a file when one wish is brought about, and what is true then.
fn edited(
    text: &mut Text,
    there: bool,
    path: &str,
    spec: &AuthorizedKeySpec,
    live: Option<&AuthorizedKeyState>,
) -> Result<Option<AuthorizedKeyState>, ApplyError> {
    let meant = Meant::of_spec(spec);
    let now = meant.state(path, Some(text))?;
    if !same(now.as_ref(), live) {
        return Err(ApplyError::Moved(format!("`{path}`")));
    }
    let (mut made, mut alone) = live.map_or((false, false), |live| (live.made, live.alone));
    let found = meant.find(text);
    let exactly = !spec.lines.is_empty();
    if !spec.present || exactly {
        for at in found.iter().rev() {
            text.lines.remove(*at);
        }
    }
    if !spec.present {
        let last = now.is_some() && !any_key(text) && meant.one();
        if last && !spec.allow_empty {
            return Err(ApplyError::failed(format!("changing `{path}`"), LAST));
        }
        return Ok(None);
    }
    if now.is_none() {
        made = !there;
        alone = !any_key(text);
    }
    if exactly {
        put_back(text, spec);
    } else {
        let line = wished_line(spec, now.as_ref()).into_bytes();
        match found.split_first() {
            None => text.push(line),
            Some((first, more)) => {
                // Further lines with the key would count wherever the first one does not allow it.
                for at in more.iter().rev() {
                    text.lines.remove(*at);
                }
                let differs = spec.options.is_some() || spec.comment.is_some();
                if differs && !diff(spec, now.as_ref()).is_empty() {
                    let dos = text.lines[*first].ends_with(b"\r");
                    text.lines[*first] = line;
                    if dos {
                        text.lines[*first].push(b'\r');
                    }
                }
            }
        }
    }
    Ok(meant.state(path, Some(text))?.map(|state| AuthorizedKeyState { made, alone, ..state }))
}

const LAST: &str =
    "it is the last key that lets in; `allow_empty = true` removes it all the same; nothing was changed";

fn diff(spec: &AuthorizedKeySpec, live: Option<&AuthorizedKeyState>) -> Diff {
    let mut diff = Diff::none();
    match live {
        Some(live) if spec.present => {
            if !spec.lines.is_empty() {
                diff.compare("lines", Some(texts(&live.lines)), Some(texts(&spec.lines)));
                return diff;
            }
            let text = |text: Option<&str>| not_empty(text).map(Value::from);
            for (name, there, wished) in
                [("comment", &live.comment, &spec.comment), ("options", &live.options, &spec.options)]
            {
                if wished.is_some() {
                    diff.compare(name, text(there.as_deref()), text(wished.as_deref()));
                }
            }
            if live.lines.len() > 1 {
                diff.compare("lines", Some(texts(&live.lines)), Some(texts(&live.lines[..1])));
            }
        }
        Some(live) => diff.compare(PRESENCE, Some(texts(&live.lines)), None),
        None if spec.present && spec.key.is_some() => {
            let line = spec.lines.first().map_or_else(|| wished_line(spec, None), String::clone);
            diff.compare(PRESENCE, None, Some(Value::from(line)));
        }
        None if spec.present => diff.compare(PRESENCE, None, Some(texts(&spec.lines))),
        None => {}
    }
    diff
}

/// The keys of an argument: lines, or lists of lines.
fn listed(args: &Args) -> Result<Vec<String>, ArgError> {
    let texts: Vec<&str> = match args.value("key") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let lines: Vec<String> =
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
    match lines.is_empty() {
        true => Err(ArgError::about("key", "there is no key in `key`")),
        false => Ok(lines),
    }
}

/// The beginning of a key, for a message.
fn beginning(line: &str) -> String {
    let short: String = line.chars().take(40).collect();
    if short.len() < line.len() { format!("{short}…") } else { short }
}

/// The file of an id's beginning, such as `deploy` or `deploy:/etc/keys`, and what is in it; `None` when it is missing.
fn read_of(os: &dyn Look, whose: &str) -> Result<(String, Option<Text>), String> {
    let whose = Whose::of_id(whose);
    if let Some(user) = whose.user.as_ref().filter(|user| !is_name(user)) {
        return Err(format!("`{}` is not a name for a user", user.escape_debug()));
    }
    let spot = whose.find(os, USUAL).map_err(|e| e.to_string())?;
    let text = spot.read(os).map_err(|e| e.to_string())?;
    Ok((spot.path, text))
}

/// The keys of a file, in its order, and where it is. `whose` is how an id begins: `deploy`, `/etc/keys` or
/// `deploy:/etc/keys`. A file that is missing has no keys.
///
/// # Errors
/// There is no such user, or the file cannot be read.
pub(crate) fn list(os: &dyn Look, whose: &str) -> Result<Value, String> {
    let (path, text) = read_of(os, whose)?;
    let part = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
    let lines = text.as_ref().map(|text| text.lines.as_slice()).unwrap_or_default();
    let keys = lines.iter().enumerate().filter_map(|(at, line)| {
        let entry = Entry::read(line)?;
        let mut shown = json!({
            "at": at + 1,
            "fingerprint": entry.key.fingerprint(),
            "key": entry.key.text(),
            "type": entry.key.sort,
        });
        for (name, text) in [("comment", part(entry.comment)), ("options", part(entry.options))] {
            if let Some(text) = text {
                shown[name] = Value::from(text);
            }
        }
        Some(shown)
    });
    Ok(json!({ "path": path, "keys": keys.collect::<Vec<_>>() }))
}

/// Is a key in a file? `of` is `WHOSE#KEY`, where the key is a line of a `.pub` file or a fingerprint. `exists` is missing
/// from the answer when that is no key.
///
/// # Errors
/// There is no such user, or the file cannot be read.
pub(crate) fn exists(os: &dyn Look, of: &str) -> Result<Value, String> {
    let (whose, key) = of.split_once('#').unwrap_or((of, ""));
    let key = key.trim();
    let meant = match Entry::read(key.as_bytes()) {
        _ if key.contains(['\n', '\r']) => None,
        Some(entry) => Some(Meant::Key(entry.key)),
        None => is_fingerprint(key).then(|| Meant::Fingerprint(key.to_owned())),
    };
    let Some(meant) = meant else { return Ok(json!({})) };
    let (path, text) = read_of(os, whose)?;
    let exists = text.is_some_and(|text| !meant.find(&text).is_empty());
    Ok(json!({ "path": path, "exists": exists }))
}

impl Resource for AuthorizedKey {
    type Spec = AuthorizedKeySpec;
    type State = AuthorizedKeyState;
    const REMEMBERS: bool = true;

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(
        &self,
        op: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Wish<AuthorizedKeySpec>>, ArgError> {
        let whose = Whose::from_args(args)?;
        if whose == Whose::default() {
            return Err(ArgError::about("user", "`user` is missing"));
        }
        let present = op.name == "authorized_key" && args.text("state") != Some("absent");
        let exclusive = args.flag("exclusive");
        if exclusive && !present {
            return Err(ArgError::about("exclusive", "`exclusive` says which keys are to stay, and none is"));
        }
        let options = args.text("options").map(str::trim);
        if let Some(options) = options.filter(|options| !options.is_empty() && !is_options(options)) {
            return Err(ArgError::about("options", format!("`{options}` are not options of a key")).hint(
                "separate them by commas without blanks, as in `restrict,command=\"rsync --server\"`",
            ));
        }
        let comment = args.text("comment").map(str::trim);
        if comment.is_some_and(|comment| comment.contains(char::is_control)) {
            return Err(ArgError::about("comment", "the comment has a control character in it"));
        }
        let mut wishes: Vec<Wish<AuthorizedKeySpec>> = Vec::new();
        for line in listed(args)? {
            let Some(entry) = Entry::read(line.as_bytes()) else {
                let why = format!("`{}` is not a public key", beginning(&line));
                return Err(ArgError::about("key", why)
                    .hint("a key is one line of type and blob, as in a `.pub` file"));
            };
            let text = |part: Option<&[u8]>| part.map(|part| String::from_utf8_lossy(part).into_owned());
            let id = format!("{}#{}", whose.id(), entry.key.fingerprint());
            if wishes.iter().any(|wish| wish.id == id) {
                return Err(ArgError::about("key", format!("`{}` is listed twice", beginning(&line))));
            }
            let spec = AuthorizedKeySpec {
                whose: whose.clone(),
                present,
                key: Some(entry.key.text()),
                options: options.map(str::to_owned).or_else(|| text(entry.options)).filter(|_| present),
                comment: comment.map(str::to_owned).or_else(|| text(entry.comment)).filter(|_| present),
                allow_empty: args.flag("allow_empty"),
                ..AuthorizedKeySpec::default()
            };
            wishes.push(Wish { id, spec, blobs: Vec::new() });
        }
        if exclusive {
            let listed = wishes.iter().filter_map(|wish| wish.spec.key.clone()).collect();
            let id = format!("{}#{OTHERS}", whose.id());
            let spec = AuthorizedKeySpec { whose, present: false, listed, ..AuthorizedKeySpec::default() };
            wishes.push(Wish { id, spec, blobs: Vec::new() });
        }
        Ok(wishes)
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&AuthorizedKeySpec>,
        recorded: Option<&AuthorizedKeyState>,
    ) -> Result<Option<AuthorizedKeyState>, ProbeError> {
        let (whose, part) = id.rsplit_once('#').unwrap_or((id, ""));
        let spot = match spec {
            Some(spec) => spec.whose.find(os, USUAL)?,
            None => Whose::of_id(whose).find(os, USUAL)?,
        };
        let meant = spec.map_or_else(|| Meant::of_id(part, recorded), Meant::of_spec);
        let state = meant.state(&spot.path, spot.read(os)?.as_ref())?;
        let (made, alone) = recorded.map_or((false, false), |r| (r.made, r.alone));
        Ok(state.map(|state| AuthorizedKeyState { made, alone, ..state }))
    }
    fn managed(&self, spec: &AuthorizedKeySpec) -> Vec<&'static str> {
        if !spec.present {
            return Vec::new();
        }
        if !spec.lines.is_empty() {
            return vec!["lines"];
        }
        let managed = [("comment", spec.comment.is_some()), ("options", spec.options.is_some())];
        managed.into_iter().filter(|(_, managed)| *managed).map(|(name, _)| name).collect()
    }
    fn diff(&self, spec: &AuthorizedKeySpec, live: Option<&AuthorizedKeyState>) -> Diff {
        diff(spec, live)
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &AuthorizedKeySpec,
        live: Option<&AuthorizedKeyState>,
    ) -> Result<Option<AuthorizedKeyState>, ApplyError> {
        apply_alone(self, Item { work, id, spec, live })
    }
    fn apply_together(
        &self,
        items: &[Item<'_, AuthorizedKeySpec, AuthorizedKeyState>],
    ) -> Vec<Result<Option<AuthorizedKeyState>, ApplyError>> {
        edit_together(
            self,
            items,
            USUAL,
            |spec| &spec.whose,
            home::Spot::warn,
            |path, text, wishes| {
                let (mut now, there) = (text.cloned().unwrap_or_default(), text.is_some());
                let mut answers = Vec::new();
                let mut remove_empty = false;
                for (spec, live) in wishes {
                    let before = now.clone();
                    let answer = edited(&mut now, there, path, spec, *live);
                    match &answer {
                        Err(_) => now = before,
                        Ok(None) => remove_empty |= live.is_some_and(|live| live.made),
                        Ok(Some(_)) => {}
                    }
                    answers.push(answer);
                }
                // Where a line is, is known only when all of them are in.
                for ((spec, _), answer) in wishes.iter().zip(&mut answers) {
                    if let Ok(Some(state)) = answer {
                        state.at = Meant::of_spec(spec).find(&now).iter().map(|at| at + 1).collect();
                    }
                }
                Ok(Edited { text: now, remove_empty, answer: answers })
            },
        )
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&AuthorizedKeyState>,
    ) -> Result<Option<AuthorizedKeyState>, ApplyError> {
        let Some(live) = live else { return Ok(None) };
        let (whose, part) = id.rsplit_once('#').unwrap_or((id, ""));
        let spot = Whose::of_id(whose).find(work.os, USUAL)?;
        let meant = Meant::of_id(part, Some(live));
        let path = spot.path.clone();
        let left = spot.edit(work.os, work.durable, |text| {
            let mut now = text.cloned().unwrap_or_default();
            for at in meant.find(&now).iter().rev() {
                now.lines.remove(*at);
            }
            let there = meant.state(&path, text)?;
            let keeps = there.is_some() && !any_key(&now) && !live.alone && !live.made;
            let remove_empty = live.made;
            match (keeps, text) {
                (true, Some(text)) => Ok(Edited { text: text.clone(), remove_empty: false, answer: there }),
                _ => Ok(Edited { text: now, remove_empty, answer: None }),
            }
        })?;
        if left.is_some() {
            work.note(format!(
                "the key stays in `{path}`: it is the last one that lets in; `ssh.remove_authorized_key` with `allow_empty = true` removes it"
            ));
        }
        Ok(left)
    }
    fn wish_for(&self, id: &str, state: Option<&AuthorizedKeyState>) -> (AuthorizedKeySpec, Vec<Digest>) {
        let (whose, part) = id.rsplit_once('#').unwrap_or((id, ""));
        let lines = state.map(|state| state.lines.clone()).unwrap_or_default();
        let key = lines.first().and_then(|line| Entry::read(line.as_bytes())).map(|entry| entry.key.text());
        let fingerprint = (lines.is_empty() && part != OTHERS).then(|| part.to_owned());
        let spec = AuthorizedKeySpec {
            whose: Whose::of_id(whose),
            present: state.is_some(),
            key: key.filter(|_| part != OTHERS),
            fingerprint,
            at: state.map(|state| state.at.clone()).unwrap_or_default(),
            lines,
            allow_empty: true,
            ..AuthorizedKeySpec::default()
        };
        (spec, Vec::new())
    }
}
