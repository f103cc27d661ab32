//! Owner, group and mode of everything in a directory.
//!
//! One walk finds what is not as wished, and only that is recorded, with the rights it had, so that it can get them back.
//! Links are not followed and stay as they are, and so do devices, sockets and pipes. A file with several names is named
//! and nothing is done, because it may have its other name elsewhere.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sloth_core::diff::{AttributeDiff, Diff, unified};
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::{Value, to_value};

use super::args;
use super::edit;
use super::file::wish::Mode;
use crate::os::{Expect, Look, Meta, Rights, Sort, Want};
use crate::resource::{Resource, Wish, Work};

/// The type `permissions`.
pub struct Permissions;

/// What everything shall have. What is left out is not managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Owner, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<str>>,
    /// Group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
    /// Permission bits of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Permission bits of directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir_mode: Option<Mode>,
}

/// Something with the rights it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Where, below the directory; nothing is the directory itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub below: String,
    /// Owner.
    pub owner: Arc<str>,
    /// Group.
    pub group: Arc<str>,
    /// Permission bits.
    pub mode: Mode,
}

/// A wish for the rights of everything in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionsSpec {
    /// The directory.
    pub path: String,
    /// What everything shall have.
    pub rule: Rule,
    /// Instead: these shall have the rights they had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Vec<Item>>,
}

/// What is not as wished in a directory that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionsState {
    /// The directory.
    pub path: String,
    /// What has other rights than it shall have, with those it has.
    pub off: Vec<Item>,
    /// What everything shall have.
    pub rule: Rule,
}

const KIND: Kind = Kind {
    name: "permissions",
    doc: "Owner, group and mode of everything in a directory",
    attributes: &[
        args::attribute("off", ParamType::Any, "What has other rights than it shall have, with those it has"),
        Attribute { fixed: true, ..args::attribute("path", ParamType::Path, "The directory") },
        args::attribute("rule", ParamType::Map, "What everything shall have"),
    ],
    checkable: true,
};

const OPERATIONS: &[Operation] = &[Operation {
    module: "file",
    name: "permissions",
    aliases: &["chmod_recursive", "chown_recursive", "rights"],
    kind: "permissions",
    params: &[
        Param::new("dir_mode", ParamType::Mode, "Permissions of directories").or(&["directory_mode"]),
        Param::new("group", ParamType::Text, "Group, by name or number"),
        Param::new("mode", ParamType::Mode, "Permissions of files").or(&["file_mode"]),
        Param::new("owner", ParamType::Text, "Owner, by name or number").or(&["user"]),
        args::PATH,
    ],
    positional: &["path"],
    doc: "Makes sure that everything in a directory, and the directory, has this owner, group and mode",
    example: "file.permissions{path = \"/srv/app\", owner = \"app\", group = \"app\", mode = \"0640\", dir_mode = \"0750\"}",
}];

/// Something that was found, and what the system says about it.
struct Found {
    item: Item,
    meta: Meta,
}

/// Everything in a directory and the directory; `None` when it is not there.
fn walk(os: &dyn Look, path: &str) -> Result<Option<Vec<Found>>, ProbeError> {
    let Some(root) = os.entry(path, Want::default())? else { return Ok(None) };
    if root.meta.sort == Sort::Link {
        return Err(ProbeError::new(format!("`{path}`"), "it is a link; name what it leads to"));
    }
    let item = |below: String, meta: Meta| Found {
        item: Item {
            below,
            owner: os.accounts().user_name(meta.uid),
            group: os.accounts().group_name(meta.gid),
            mode: Mode(meta.mode),
        },
        meta,
    };
    let mut found = vec![item(String::new(), root.meta)];
    let mut at = 0;
    while let Some(here) = found.get(at) {
        at += 1;
        if here.meta.sort != Sort::Directory {
            continue;
        }
        let dir = here.item.below.clone();
        for name in os.list(&format!("{path}{dir}"))? {
            let Some(name) = name.to_str() else {
                let why = format!("`{}` has a name that is not UTF-8", name.to_string_lossy());
                return Err(ProbeError::new(format!("`{path}{dir}`"), why));
            };
            let below = format!("{dir}/{name}");
            // What went while we were looking is not there.
            let Some(entry) = os.entry(&format!("{path}{below}"), Want::default())? else { continue };
            if matches!(entry.meta.sort, Sort::File | Sort::Directory) {
                found.push(item(below, entry.meta));
            }
        }
    }
    found.sort_by(|a, b| a.item.below.cmp(&b.item.below));
    Ok(Some(found))
}

/// What something shall have; nothing where it stays.
fn wished(os: &dyn Look, spec: &PermissionsSpec, found: &Found) -> (Rights, bool) {
    let (owner, group, mode) = match &spec.back {
        Some(back) => match back.iter().find(|item| item.below == found.item.below) {
            Some(item) => (Some(&item.owner), Some(&item.group), Some(item.mode)),
            None => (None, None, None),
        },
        None => {
            let rule = &spec.rule;
            let mode = if found.meta.sort == Sort::Directory { rule.dir_mode } else { rule.mode };
            (rule.owner.as_ref(), rule.group.as_ref(), mode)
        }
    };
    let uid = owner.map(|name| os.accounts().user_id(name));
    let gid = group.map(|name| os.accounts().group_id(name));
    let off = uid.is_some_and(|uid| uid != Some(found.meta.uid))
        || gid.is_some_and(|gid| gid != Some(found.meta.gid))
        || mode.is_some_and(|mode| mode.0 != found.meta.mode);
    (Rights { uid: uid.flatten(), gid: gid.flatten(), mode: mode.map(|m| m.0) }, off)
}

/// What is not as wished, with what it shall have; `None` when the directory is not there.
fn off(os: &dyn Look, spec: &PermissionsSpec) -> Result<Option<Vec<(Found, Rights)>>, ProbeError> {
    let Some(found) = walk(os, &spec.path)? else { return Ok(None) };
    let mut off = Vec::new();
    for found in found {
        let (rights, differs) = wished(os, spec, &found);
        if !differs {
            continue;
        }
        if found.meta.sort == Sort::File && found.meta.links > 1 {
            let what = format!("`{}{}`", spec.path, found.item.below);
            return Err(ProbeError::new(
                what,
                "it has several names (hard links), whose rights would change, too",
            ));
        }
        off.push((found, rights));
    }
    Ok(Some(off))
}

fn state(spec: &PermissionsSpec, off: &[(Found, Rights)]) -> PermissionsState {
    let off = off.iter().map(|(found, _)| found.item.clone()).collect();
    PermissionsState { path: spec.path.clone(), off, rule: spec.rule.clone() }
}

impl Resource for Permissions {
    type Spec = PermissionsSpec;
    type State = PermissionsState;

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
    ) -> Result<Vec<Wish<PermissionsSpec>>, ArgError> {
        let path = edit::path(args, "what is wished for it")?;
        let name = |param: &str| args.text(param).filter(|t| !t.is_empty()).map(Arc::from);
        let mode = |param: &str| match args.text(param) {
            None => Ok(None),
            Some(text) => Mode::parse(text).map(Some).ok_or_else(|| {
                ArgError::about(param, format!("`{text}` is not a file mode")).hint("write `\"0644\"`")
            }),
        };
        let rule = Rule {
            owner: name("owner"),
            group: name("group"),
            mode: mode("mode")?,
            dir_mode: mode("dir_mode")?,
        };
        if rule == Rule::default() {
            return Err(ArgError::about("owner", "nothing is wished for")
                .hint("give `owner`, `group`, `mode` or `dir_mode`"));
        }
        let id = format!("{path}#permissions");
        Ok(vec![Wish { id, spec: PermissionsSpec { path, rule, back: None }, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&PermissionsSpec>,
        recorded: Option<&PermissionsState>,
    ) -> Result<Option<PermissionsState>, ProbeError> {
        let of_record;
        let spec = match (spec, recorded) {
            (Some(spec), _) => spec,
            (None, Some(recorded)) => {
                let path = edit::path_of(id).unwrap_or(id).to_owned();
                of_record = PermissionsSpec { path, rule: recorded.rule.clone(), back: None };
                &of_record
            }
            (None, None) => return Ok(None),
        };
        Ok(off(os, spec)?.map(|off| state(spec, &off)))
    }
    fn managed(&self, _: &PermissionsSpec) -> Vec<&'static str> {
        vec!["off"]
    }
    fn diff(&self, spec: &PermissionsSpec, live: Option<&PermissionsState>) -> Diff {
        let mut diff = Diff::none();
        match live {
            None if spec.back.is_some() => {}
            Some(live) if live.off.is_empty() => {}
            live => diff.compare("off", live.map(|l| to_value(&l.off)), Some(Value::Array(Vec::new()))),
        }
        diff
    }
    fn explain(&self, os: &dyn Look, _: &str, spec: &PermissionsSpec, _: &[Blob], diff: &mut Diff) {
        let Ok(Some(off)) = off(os, spec) else { return };
        let (mut before, mut after) = (String::new(), String::new());
        for (found, rights) in &off {
            let item = &found.item;
            let path = format!("{}{}", spec.path, item.below);
            let owner = rights.uid.map_or_else(|| item.owner.clone(), |uid| os.accounts().user_name(uid));
            let group = rights.gid.map_or_else(|| item.group.clone(), |gid| os.accounts().group_name(gid));
            let mode = rights.mode.map_or(item.mode, Mode);
            let _ = writeln!(before, "{path} {}:{} {}", item.owner, item.group, item.mode);
            let _ = writeln!(after, "{path} {owner}:{group} {mode}");
        }
        let label = match off.len() {
            1 => format!("1 entry in {}", spec.path),
            many => format!("{many} entries in {}", spec.path),
        };
        let text = unified(before.as_bytes(), after.as_bytes(), &label, &format!("{label} (wished)"));
        let mut explained = Diff::none();
        for attribute in diff.attributes() {
            explained.push(AttributeDiff { text: text.clone(), ..attribute.clone() });
        }
        *diff = explained;
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &PermissionsSpec,
        live: Option<&PermissionsState>,
    ) -> Result<Option<PermissionsState>, ApplyError> {
        let what = || format!("setting the rights in `{}`", spec.path);
        let found = off(work.os, spec)?;
        if found.as_ref().map(|off| state(spec, off)).as_ref() != live {
            return Err(ApplyError::Moved(format!("`{id}`")));
        }
        let Some(found) = found else {
            return match spec.back {
                Some(_) => Ok(None),
                None => Err(ApplyError::failed(what(), "the directory is not there; nothing was changed")),
            };
        };
        if spec.back.is_none() && !found.is_empty() {
            let unknown = |what: &str, name: &str| {
                let why = format!("there is no {what} `{name}`; nothing was changed");
                ApplyError::failed(format!("setting the {what} in `{}`", spec.path), why)
            };
            if let Some(name) = &spec.rule.owner {
                work.os.accounts().user_id(name).ok_or_else(|| unknown("user", name))?;
            }
            if let Some(name) = &spec.rule.group {
                work.os.accounts().group_id(name).ok_or_else(|| unknown("group", name))?;
            }
        }
        // What is deeper comes first, because a directory may be closed to us afterwards.
        for (done, (found_item, rights)) in found.iter().rev().enumerate() {
            let path = format!("{}{}", spec.path, found_item.item.below);
            let expect = Expect::This(found_item.meta.stamp);
            if let Err(error) = work.os.rights(&path, *rights, expect, false) {
                let error = ApplyError::from(error);
                return Err(match error {
                    ApplyError::Failed { what, why, .. } if done > 0 => {
                        let changed = format!("the rights of {done} of {} entries were set", found.len());
                        ApplyError::Failed { what, why, changed }
                    }
                    other => other,
                });
            }
        }
        let left = off(work.os, spec)?;
        Ok(left.map(|left| state(spec, &left)))
    }
    fn delete(
        &self,
        work: &Work<'_>,
        _: &str,
        live: Option<&PermissionsState>,
    ) -> Result<Option<PermissionsState>, ApplyError> {
        if let Some(live) = live {
            work.note(format!("what is in `{}` keeps its rights", live.path));
        }
        Ok(live.cloned())
    }
    fn wish_for(&self, id: &str, state: Option<&PermissionsState>) -> (PermissionsSpec, Vec<Digest>) {
        let path = edit::path_of(id).unwrap_or(id).to_owned();
        let (rule, back) = match state {
            Some(state) if state.off.is_empty() => (state.rule.clone(), None),
            Some(state) => (state.rule.clone(), Some(state.off.clone())),
            None => (Rule::default(), Some(Vec::new())),
        };
        (PermissionsSpec { path, rule, back }, Vec::new())
    }
}
