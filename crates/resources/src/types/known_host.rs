//! `known_host`: the key of a type by which a host is known.

use serde::{Deserialize, Serialize};
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
use crate::facts::authorized_keys::Key;
use crate::facts::known_hosts::{self, Entry};
use crate::os::Look;
use crate::resource::{Item, Resource, Wish, Work, apply_alone};

/// Where `ssh` looks, below the home directory.
const USUAL: &str = ".ssh/known_hosts";
/// Where it looks for everybody.
const GLOBAL: &str = "/etc/ssh/ssh_known_hosts";

/// The type.
pub struct KnownHost;

/// A wish for the key of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownHostSpec {
    /// Which file.
    pub whose: Whose,
    /// The host, as `ssh` calls it.
    pub host: String,
    /// `cert-authority` or `revoked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// Type of the key; `None` for all types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Shall it be known?
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub present: bool,
    /// Type and blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Shall the name of the host be written as its hash?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed: Option<bool>,
    /// The lines as they once were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Where those lines were, counted from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<usize>,
}

/// What is known of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownHostState {
    /// Where its lines are, counted from 1.
    pub at: Vec<usize>,
    /// Is the name of the host written as its hash?
    pub hashed: bool,
    /// Its key.
    pub key: String,
    /// Its lines.
    pub lines: Vec<String>,
    /// Was the file made for it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
    /// The file.
    pub path: String,
}

const KIND: Kind = Kind {
    name: "known_host",
    doc: "The key of a type by which ssh knows a host",
    attributes: &[
        args::attribute("at", ParamType::Any, "Where its lines are, counted from 1"),
        args::attribute("hashed", ParamType::Bool, "Is the name of the host written as its hash?"),
        args::attribute("key", ParamType::Text, "Its key"),
        args::attribute("lines", ParamType::List, "Its lines"),
        edit::MADE,
        Attribute { name: "path", ty: ParamType::Path, secret: false, fixed: true, doc: "The file" },
    ],
    checkable: true,
};

const OPERATIONS: &[Operation] = &[Operation {
    module: "ssh",
    name: "known_hosts",
    aliases: &["known_host"],
    kind: "known_host",
    params: &[
        Param::new("hash", ParamType::Bool, "Write the name of the host as its hash, or plainly; left as it is when not given")
            .or(&["hash_host", "hashed"]),
        Param::new("host", ParamType::Text, "The host; `[host]:port` is understood, too").required().or(&["hostname", "name"]),
        Param::new(
            "key",
            ParamType::List,
            "Its key, or its keys of several types: type and blob, with or without the host in front, as `ssh-keyscan` prints them; may be left out when it is to be unknown",
        )
        .or(&["keys"]),
        Param::new(
            "marker",
            ParamType::Enum(&["cert-authority", "revoked"]),
            "The key is one of an authority, for hosts that may be a pattern, or is not to be believed",
        ),
        home::OTHER_PATH,
        Param::new("port", ParamType::Int, "Where it listens, 22 by default"),
        edit::STATE,
        home::USER,
    ],
    positional: &["host", "key"],
    doc: "Makes sure that a host is known by a key, to a user or to everybody, and by no other key of that type",
    example: "ssh.known_hosts{host = \"git.example.org\", user = \"deploy\", key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t3\"}",
}];

impl KnownHostSpec {
    fn id(&self) -> String {
        let mut id = format!("{}#", self.whose.id());
        if let Some(marker) = &self.marker {
            id.push_str(&format!("@{marker} "));
        }
        id.push_str(&self.host);
        if let Some(sort) = &self.sort {
            id.push_str(&format!(" {sort}"));
        }
        id
    }
    /// The reverse: a wish for nothing of it.
    fn of_id(id: &str) -> Self {
        let (whose, rest) = id.split_once('#').unwrap_or((id, ""));
        let (marker, rest) = match rest.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
            Some((marker, rest)) => (Some(marker.to_owned()), rest),
            None => (None, rest),
        };
        let (host, sort) = match rest.split_once(' ') {
            Some((host, sort)) => (host, Some(sort.to_owned())),
            None => (rest, None),
        };
        let (whose, host) = (Whose::of_id(whose), host.to_owned());
        Self { whose, host, marker, sort, present: false, ..Self::default() }
    }
    fn means(&self, line: &[u8]) -> bool {
        Entry::read(line).is_some_and(|entry| {
            entry.marker == self.marker.as_deref()
                && self.sort.as_ref().is_none_or(|sort| *sort == entry.key.sort)
                && entry.is_about(&self.host)
        })
    }
    fn find(&self, text: &Text) -> Vec<usize> {
        (0..text.lines.len()).filter(|at| self.means(&text.lines[*at])).collect()
    }
    /// What is there.
    fn state(&self, path: &str, text: Option<&Text>) -> Result<Option<KnownHostState>, ProbeError> {
        let Some(text) = text else { return Ok(None) };
        let found = self.find(text);
        let Some(entry) = found.first().and_then(|at| Entry::read(&text.lines[*at])) else { return Ok(None) };
        let lines = found.iter().map(|at| edit::shown(path, &text.lines[*at]));
        Ok(Some(KnownHostState {
            at: found.iter().map(|at| at + 1).collect(),
            hashed: entry.is_hashed(),
            key: entry.key.text(),
            lines: lines.collect::<Result<_, _>>()?,
            made: false,
            path: path.to_owned(),
        }))
    }
    /// Is the line what is wished for?
    fn fits(&self, line: &[u8]) -> bool {
        Entry::read(line).is_some_and(|entry| {
            self.key.as_deref() == Some(&entry.key.text())
                && self.hashed.is_none_or(|hashed| hashed == entry.is_hashed())
        })
    }
    fn wished(&self, was_hashed: bool) -> Vec<u8> {
        let key = self.key.clone().unwrap_or_default();
        let host = match Key::read(key.as_bytes()) {
            Some((key, _)) if self.hashed.unwrap_or(was_hashed) => known_hosts::hashed(&self.host, &key),
            _ => self.host.clone(),
        };
        let marker = self.marker.as_ref().map(|marker| format!("@{marker} ")).unwrap_or_default();
        format!("{marker}{host} {key}").into_bytes()
    }
    /// Takes the host out of a line.
    fn take_out(&self, text: &mut Text, at: usize) {
        match known_hosts::without(&text.lines[at], &self.host) {
            Some(rest) => text.lines[at] = rest,
            None => drop(text.lines.remove(at)),
        }
    }
    /// Puts lines to where they once were. One that was about other hosts, too, takes the place of what was left of it.
    fn put_back(&self, text: &mut Text) {
        let places = self.at.iter().copied().chain(std::iter::repeat(usize::MAX));
        let mut lines: Vec<(usize, &String)> = places.zip(&self.lines).collect();
        lines.sort_by_key(|(at, _)| *at);
        for (at, line) in lines {
            let line = line.clone().into_bytes();
            let rest = known_hosts::without(&line, &self.host);
            match rest.and_then(|rest| text.lines.iter().position(|there| *there == rest)) {
                Some(place) => text.lines[place] = line,
                None => text.lines.insert(at.saturating_sub(1).min(text.lines.len()), line),
            }
        }
    }
    /// The file as it shall be.
    fn edit(&self, text: &mut Text) {
        let found = self.find(text);
        if self.present && self.lines.is_empty() {
            let keep = found.iter().copied().find(|at| self.fits(&text.lines[*at]));
            let alone = |at: &usize| known_hosts::without(&text.lines[*at], &self.host).is_none();
            let instead = found.iter().copied().find(|at| alone(at)).filter(|_| keep.is_none());
            let was_hashed =
                found.first().and_then(|at| Entry::read(&text.lines[*at])).is_some_and(|e| e.is_hashed());
            let wished = self.wished(was_hashed);
            if let Some(at) = instead {
                let dos = text.lines[at].ends_with(b"\r");
                text.lines[at] = [&wished[..], if dos { b"\r" } else { b"" }].concat();
            }
            for at in found.into_iter().rev().filter(|at| Some(*at) != keep && Some(*at) != instead) {
                self.take_out(text, at);
            }
            if keep.is_none() && instead.is_none() {
                text.push(wished);
            }
            return;
        }
        for at in found.into_iter().rev() {
            self.take_out(text, at);
        }
        if self.present {
            self.put_back(text);
        }
    }
    fn diff(&self, live: Option<&KnownHostState>) -> Diff {
        let mut diff = Diff::none();
        let list = |lines: &[String]| Value::from(lines.to_vec());
        match live {
            Some(live) if self.present && !self.lines.is_empty() => {
                diff.compare("lines", Some(list(&live.lines)), Some(list(&self.lines)));
            }
            Some(live) if self.present => {
                diff.compare(
                    "key",
                    Some(Value::from(live.key.as_str())),
                    self.key.as_deref().map(Value::from),
                );
                if let Some(hashed) = self.hashed {
                    diff.compare("hashed", Some(Value::Bool(live.hashed)), Some(Value::Bool(hashed)));
                }
                if live.lines.len() > 1 {
                    diff.compare("lines", Some(list(&live.lines)), Some(list(&live.lines[..1])));
                }
            }
            Some(live) => diff.compare(PRESENCE, Some(list(&live.lines)), None),
            None if self.present && self.lines.is_empty() => {
                let line = String::from_utf8_lossy(&self.wished(false)).into_owned();
                diff.compare(PRESENCE, None, Some(Value::from(line)));
            }
            None if self.present => diff.compare(PRESENCE, None, Some(list(&self.lines))),
            None => {}
        }
        diff
    }
}

/// The keys of an argument, each with the host it may have in front.
fn keys(args: &Args, host: &str) -> Result<Vec<Key>, ArgError> {
    let texts: Vec<&str> = match args.value("key") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text],
        _ => Vec::new(),
    };
    let mut keys: Vec<Key> = Vec::new();
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let key = match (Key::read(line.as_bytes()), Entry::read(line.as_bytes())) {
            (Some((key, _)), _) => key,
            (None, Some(entry)) if entry.is_about(host) => entry.key,
            (None, Some(entry)) => {
                let why = format!("the key is one of `{}` and not of `{host}`", entry.hosts.join(","));
                return Err(ArgError::about("key", why));
            }
            (None, None) => {
                let short: String = line.chars().take(40).collect();
                return Err(ArgError::about("key", format!("`{short}` is not the key of a host"))
                    .hint("a key is type and blob, as `ssh-keyscan` prints it"));
            }
        };
        if keys.iter().any(|other| other.sort == key.sort) {
            return Err(ArgError::about("key", format!("there are two keys of type `{}`", key.sort)));
        }
        keys.push(key);
    }
    Ok(keys)
}

impl Resource for KnownHost {
    type Spec = KnownHostSpec;
    type State = KnownHostState;
    const REMEMBERS: bool = true;

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
    ) -> Result<Vec<Wish<KnownHostSpec>>, ArgError> {
        let mut whose = Whose::from_args(args)?;
        if whose == Whose::default() {
            whose.path = Some(GLOBAL.to_owned());
        }
        let marker = args.text("marker").map(str::to_owned);
        let given = args.text("host").unwrap_or_default().trim();
        let bad = |c: char| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, ',' | '#' | '|' | '!' | '@' | '"')
                || (matches!(c, '*' | '?') && marker.as_deref() != Some("cert-authority"))
        };
        if given.is_empty() || given.contains(bad) {
            return Err(ArgError::about("host", format!("no host can be called `{given}`"))
                .hint("one host in each call; only with `marker = \"cert-authority\"` it may be a pattern"));
        }
        let port = match args.value("port").map(Value::as_u64) {
            None => 22,
            Some(port) => match port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0) {
                Some(port) => port,
                None => return Err(ArgError::about("port", "a port is a number from 1 to 65535")),
            },
        };
        let host = match given.strip_prefix('[').and_then(|rest| rest.split_once("]:")) {
            Some((host, "22")) => known_hosts::name(host, 22),
            Some(_) => given.to_ascii_lowercase(),
            None => known_hosts::name(given, port),
        };
        let present = args.text("state") != Some("absent");
        let keys = keys(args, &host)?;
        if present && keys.is_empty() {
            return Err(ArgError::about("key", "`key` is missing")
                .hint("ask the host for it in a way you trust, and keep it in the file"));
        }
        let hashed = args.value("hash").and_then(Value::as_bool).filter(|_| present);
        let spec = KnownHostSpec { whose, host, marker, present, hashed, ..KnownHostSpec::default() };
        let mut specs: Vec<KnownHostSpec> = keys
            .into_iter()
            .map(|key| KnownHostSpec {
                key: Some(key.text()).filter(|_| present),
                sort: Some(key.sort),
                ..spec.clone()
            })
            .collect();
        if specs.is_empty() {
            specs.push(spec);
        }
        Ok(specs.into_iter().map(|spec| Wish { id: spec.id(), spec, blobs: Vec::new() }).collect())
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&KnownHostSpec>,
        recorded: Option<&KnownHostState>,
    ) -> Result<Option<KnownHostState>, ProbeError> {
        let spec = spec.cloned().unwrap_or_else(|| KnownHostSpec::of_id(id));
        let spot = spec.whose.find(os, USUAL)?;
        let state = spec.state(&spot.path, spot.read(os)?.as_ref())?;
        let made = recorded.is_some_and(|recorded| recorded.made);
        Ok(state.map(|state| KnownHostState { made, ..state }))
    }
    fn managed(&self, spec: &KnownHostSpec) -> Vec<&'static str> {
        match (spec.present, spec.lines.is_empty(), spec.hashed) {
            (false, ..) => Vec::new(),
            (true, false, _) => vec!["lines"],
            (true, true, None) => vec!["key"],
            (true, true, Some(_)) => vec!["hashed", "key"],
        }
    }
    fn diff(&self, spec: &KnownHostSpec, live: Option<&KnownHostState>) -> Diff {
        spec.diff(live)
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &KnownHostSpec,
        live: Option<&KnownHostState>,
    ) -> Result<Option<KnownHostState>, ApplyError> {
        apply_alone(self, Item { work, id, spec, live })
    }
    fn apply_together(
        &self,
        items: &[Item<'_, KnownHostSpec, KnownHostState>],
    ) -> Vec<Result<Option<KnownHostState>, ApplyError>> {
        edit_together(
            self,
            items,
            USUAL,
            |spec| &spec.whose,
            |_, _| (),
            |path, text, wishes| {
                let mut now = text.cloned().unwrap_or_default();
                let mut answers = Vec::new();
                let mut remove_empty = false;
                for (spec, live) in wishes {
                    let there = spec.state(path, Some(&now))?;
                    if there.as_ref().map(|t| &t.lines) != live.map(|live| &live.lines) {
                        answers.push(Err(ApplyError::Moved(format!("`{path}`"))));
                        continue;
                    }
                    spec.edit(&mut now);
                    remove_empty |= live.is_some_and(|live| live.made);
                    answers.push(Ok(()));
                }
                let made = |live: Option<&KnownHostState>| live.map_or(text.is_none(), |live| live.made);
                let answers = wishes.iter().zip(answers).map(|((spec, live), answer)| {
                    answer?;
                    let state = spec.state(path, Some(&now))?;
                    Ok(state.map(|state| KnownHostState { made: made(*live), ..state }))
                });
                Ok(Edited { answer: answers.collect::<Vec<_>>(), text: now, remove_empty })
            },
        )
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&KnownHostState>,
    ) -> Result<Option<KnownHostState>, ApplyError> {
        let Some(live) = live else { return Ok(None) };
        let spec = KnownHostSpec::of_id(id);
        let spot = spec.whose.find(work.os, USUAL)?;
        spot.edit(work.os, work.durable, |text| {
            let mut now = text.cloned().unwrap_or_default();
            spec.edit(&mut now);
            Ok(Edited { text: now, remove_empty: live.made, answer: None })
        })
    }
    fn wish_for(&self, id: &str, state: Option<&KnownHostState>) -> (KnownHostSpec, Vec<Digest>) {
        let spec = KnownHostSpec {
            present: state.is_some(),
            lines: state.map(|state| state.lines.clone()).unwrap_or_default(),
            at: state.map(|state| state.at.clone()).unwrap_or_default(),
            ..KnownHostSpec::of_id(id)
        };
        (spec, Vec::new())
    }
}
