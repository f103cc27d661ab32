//! Whatever is at a path: a regular file, a directory, a symbolic link, or nothing.
//!
//! It is one type because it is one place: code that turns a file into a directory replaces one resource. A file that is
//! replaced keeps its owner, mode, access control list and extended attributes in everything the wish does not mention. A
//! new file has mode 0644 and a new directory 0755 unless the wish says otherwise, whatever the umask is.

mod declare;
mod effect;
pub mod tree;
pub mod wish;

use std::sync::Arc;

use sloth_core::decide::PRESENCE;
use sloth_core::diff::{AttributeDiff, Diff, TEXT_DIFF_LIMIT, unified};
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, ParamType, Sources};
use sloth_core::machine::{ApplyError, Captured};
use sloth_core::observed::ProbeError;
use sloth_core::value::{Value, to_value};

use self::wish::{FileSpec, FileState, Mode, Present, Wanted};
use crate::os::{Entry, Look, Meta, Sort, Want};
use crate::resource::{Resource, Wish, Work};

pub use declare::bytes_of;
pub(in crate::types) use effect::{backup_name, parents};

/// Longest file whose content is kept before it is destroyed, and whose content is looked at when no wish manages it.
pub const CAPTURE_LIMIT: u64 = 16 * 1024 * 1024;

/// The type `file`.
pub struct File;

const fn attribute(name: &'static str, ty: ParamType, doc: &'static str) -> Attribute {
    Attribute { name, ty, secret: false, fixed: false, doc }
}

const KIND: Kind = Kind {
    name: "file",
    doc: "Whatever is at a path: a file, a directory, a link, or nothing",
    attributes: &[
        attribute("content", ParamType::Text, "SHA-256 of a file's content"),
        attribute("follow", ParamType::Bool, "It was looked at through a link, as the wish said"),
        attribute("group", ParamType::Text, "Group"),
        Attribute {
            name: "kind",
            ty: ParamType::Enum(&["directory", "file", "link", "other"]),
            secret: false,
            fixed: true,
            doc: "What is there",
        },
        attribute("mode", ParamType::Mode, "Permission bits; links have none"),
        attribute("owner", ParamType::Text, "Owner"),
        attribute("size", ParamType::Int, "Length of a file in bytes"),
        attribute("target", ParamType::Text, "Where a link points to"),
        attribute("tree", ParamType::Text, "SHA-256 of everything in a directory that is to be removed"),
    ],
    checkable: true,
};

/// The name of an owner or group in the words of the wish: who asks for `0` is told `0`.
fn called(name: Arc<str>, id: u32, wished: Option<&Arc<str>>) -> Arc<str> {
    match wished {
        Some(wished) if **wished != *name && wished.parse() == Ok(id) => Arc::clone(wished),
        _ => name,
    }
}

/// Translates what the system says.
fn state(
    os: &dyn Look,
    meta: &Meta,
    content: Option<Digest>,
    target: Option<String>,
    spec: Option<&FileSpec>,
) -> FileState {
    let kind = match meta.sort {
        Sort::File => Present::File,
        Sort::Directory => Present::Directory,
        Sort::Link => Present::Link,
        Sort::Other => Present::Other,
    };
    FileState {
        kind,
        content,
        size: (meta.sort == Sort::File).then_some(meta.size),
        mode: (meta.sort != Sort::Link).then_some(Mode(meta.mode)),
        owner: called(os.accounts().user_name(meta.uid), meta.uid, spec.and_then(|s| s.owner.as_ref())),
        group: called(os.accounts().group_name(meta.gid), meta.gid, spec.and_then(|s| s.group.as_ref())),
        target,
        tree: None,
        follow: want(spec).follow,
    }
}

/// How to look for a wish.
fn want(spec: Option<&FileSpec>) -> Want {
    let managed = spec.is_some_and(|s| s.content.is_some());
    Want {
        content_up_to: if managed { u64::MAX } else { CAPTURE_LIMIT },
        follow: spec.is_some_and(|s| s.follow && s.kind != Wanted::Absent && s.kind != Wanted::Link),
    }
}

/// Would bringing the wish about remove a directory with everything in it?
fn destroys(spec: Option<&FileSpec>) -> bool {
    spec.is_some_and(|s| s.force && s.kind != Wanted::Directory)
}

/// Looks, and keeps what the system said beside the state made of it.
fn sighted(
    os: &dyn Look,
    id: &str,
    spec: Option<&FileSpec>,
) -> Result<Option<(Entry, FileState)>, ProbeError> {
    let Some(entry) = os.entry(id, want(spec))? else { return Ok(None) };
    let mut state = state(os, &entry.meta, entry.content, entry.target.clone(), spec);
    if entry.meta.sort == Sort::Directory && (destroys(spec) || spec.is_some_and(|s| s.tree.is_some())) {
        state.tree = tree::digest(os, id)?;
    }
    Ok(Some((entry, state)))
}

impl Resource for File {
    type Spec = FileSpec;
    type State = FileState;

    const NARROWS: bool = true;

    fn path(id: &str) -> Option<&str> {
        Some(id)
    }

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        declare::OPERATIONS
    }
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Wish<FileSpec>>, ArgError> {
        declare::declare(operation, args, sources)
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&FileSpec>,
        _: Option<&FileState>,
    ) -> Result<Option<FileState>, ProbeError> {
        Ok(sighted(os, id, spec)?.map(|(_, state)| state))
    }
    fn managed(&self, spec: &FileSpec) -> Vec<&'static str> {
        if spec.kind == Wanted::Absent {
            return Vec::new();
        }
        let mut managed = Vec::with_capacity(6);
        managed.push("kind");
        let given = [
            ("content", spec.content.is_some()),
            ("group", spec.group.is_some()),
            ("mode", spec.mode.is_some()),
            ("owner", spec.owner.is_some()),
            ("target", spec.target.is_some()),
            ("tree", spec.tree.is_some()),
        ];
        managed.extend(given.iter().filter(|(_, given)| *given).map(|(name, _)| *name));
        managed
    }
    fn diff(&self, spec: &FileSpec, live: Option<&FileState>) -> Diff {
        let mut diff = Diff::none();
        let text = |text: &str| Some(Value::from(text));
        if spec.kind == Wanted::Absent {
            if let Some(live) = live {
                diff.compare(PRESENCE, text(live.kind.word()), None);
            }
            return diff;
        }
        let there = live.map(|l| l.kind.word());
        if there != Some(spec.kind.word()) {
            diff.push(AttributeDiff {
                name: "kind".to_owned(),
                from: there.and_then(text),
                to: text(spec.kind.word()),
                text: None,
                replaces: live.is_some(),
                secret: false,
            });
        }
        fn attribute<T: PartialEq + serde::Serialize>(
            diff: &mut Diff,
            name: &str,
            from: Option<&T>,
            to: Option<&T>,
        ) {
            if to.is_some() && from != to {
                diff.compare(name, from.map(to_value), to.map(to_value));
            }
        }
        attribute(&mut diff, "content", live.and_then(|l| l.content.as_ref()), spec.content.as_ref());
        attribute(&mut diff, "target", live.and_then(|l| l.target.as_ref()), spec.target.as_ref());
        attribute(&mut diff, "tree", live.and_then(|l| l.tree.as_ref()), spec.tree.as_ref());
        attribute(&mut diff, "mode", live.and_then(|l| l.mode.as_ref()), spec.mode.as_ref());
        attribute(&mut diff, "owner", live.map(|l| &l.owner), spec.owner.as_ref());
        attribute(&mut diff, "group", live.map(|l| &l.group), spec.group.as_ref());
        diff
    }
    fn explain(&self, os: &dyn Look, id: &str, spec: &FileSpec, blobs: &[Blob], diff: &mut Diff) {
        let Some(wished) = spec.content else { return };
        let Some(blob) = blobs.iter().find(|b| b.digest() == wished) else { return };
        let mut explained = Diff::none();
        for attribute in diff.attributes() {
            let mut attribute = attribute.clone();
            if attribute.name == "content" {
                let there = match attribute.from {
                    None => Some(Arc::from([].as_slice())),
                    Some(_) => os.read(id, TEXT_DIFF_LIMIT as u64, want(Some(spec)).follow).ok().flatten(),
                };
                let to = format!("{id} (wished)");
                attribute.text = there.and_then(|there| unified(&there, blob.bytes(), id, &to));
            }
            explained.push(attribute);
        }
        *diff = explained;
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &FileSpec,
        live: Option<&FileState>,
    ) -> Result<Option<FileState>, ApplyError> {
        effect::apply(work, id, spec, live)
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&FileState>,
    ) -> Result<Option<FileState>, ApplyError> {
        effect::delete(work, id, live)
    }
    fn wish_for(&self, _: &str, state: Option<&FileState>) -> (FileSpec, Vec<Digest>) {
        let Some(state) = state else {
            return (FileSpec { kind: Wanted::Absent, ..FileSpec::default() }, Vec::new());
        };
        let spec = FileSpec {
            kind: match state.kind {
                Present::Directory => Wanted::Directory,
                Present::Link => Wanted::Link,
                // What cannot be made again stays a wish for a file, which names the difference.
                Present::File | Present::Other => Wanted::File,
            },
            content: state.content,
            mode: state.mode,
            owner: Some(Arc::clone(&state.owner)),
            group: Some(Arc::clone(&state.group)),
            target: state.target.clone(),
            tree: state.tree,
            follow: state.follow,
            ..FileSpec::default()
        };
        let contents = state.content.into_iter().chain(state.tree).collect();
        (spec, contents)
    }
    fn capture(&self, os: &dyn Look, id: &str, live: &FileState) -> Result<Captured, ProbeError> {
        let mut captured = Captured::default();
        if let Some(digest) = live.content {
            if live.size.unwrap_or(0) > CAPTURE_LIMIT {
                captured.left_out.push(digest);
                return Ok(captured);
            }
            let bytes = os.read(id, CAPTURE_LIMIT, live.follow)?.unwrap_or_default();
            let blob = Blob::new(bytes);
            if blob.digest() != digest {
                return Err(ProbeError::new(format!("`{id}`"), "it changed while it was being read"));
            }
            captured.blobs.push(blob);
        }
        if let Some(digest) = live.tree {
            match tree::pack(os, id)? {
                Some(blob) if blob.digest() == digest => captured.blobs.push(blob),
                Some(_) => {
                    return Err(ProbeError::new(format!("`{id}`"), "it changed while it was being read"));
                }
                None => captured.left_out.push(digest),
            }
        }
        Ok(captured)
    }
}
