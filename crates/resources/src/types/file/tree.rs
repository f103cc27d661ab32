//! A directory with everything in it, as one content: kept before it is removed, so that it can be put back.
//!
//! The form is a line of JSON with one entry per path in order, followed by the contents of the files one after another.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sloth_core::digest::{Blob, Digest};
use sloth_core::observed::ProbeError;

use super::CAPTURE_LIMIT;
use super::wish::Mode;
use crate::os::{Look, OsError, Put, Rights, Sort, Touch, Want};

/// Largest tree that is kept, in bytes of content.
pub const TREE_LIMIT: u64 = 64 * 1024 * 1024;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Item {
    /// Below the directory.
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    uid: u32,
    gid: u32,
}

/// Everything below a directory, or nothing when it is too large or holds what cannot be kept.
///
/// # Errors
/// It cannot be read.
pub fn pack(os: &dyn Look, root: &str) -> Result<Option<Blob>, ProbeError> {
    let mut items = Vec::new();
    let mut bytes = Vec::new();
    if !collect(os, root, "", &mut items, &mut bytes)? {
        return Ok(None);
    }
    let mut packed = serde_json::to_vec(&items).map_err(|e| ProbeError::new(format!("`{root}`"), e))?;
    packed.push(b'\n');
    packed.extend_from_slice(&bytes);
    Ok(Some(Blob::new(packed)))
}

/// Names everything below a directory. When it cannot be kept, the name is made of what it looks like only, and no
/// content goes with it; an empty directory has no tree.
///
/// # Errors
/// It cannot be read.
pub fn digest(os: &dyn Look, root: &str) -> Result<Option<Digest>, ProbeError> {
    let names = os.list(root)?;
    if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(match pack(os, root)? {
        Some(blob) => blob.digest(),
        None => {
            let names: Vec<_> = names.iter().map(|n| n.to_string_lossy()).collect();
            Digest::of(names.join("\0").as_bytes())
        }
    }))
}

fn collect(
    os: &dyn Look,
    root: &str,
    below: &str,
    items: &mut Vec<Item>,
    bytes: &mut Vec<u8>,
) -> Result<bool, ProbeError> {
    for name in os.list(&format!("{root}{below}"))? {
        let Some(name) = name.to_str() else { return Ok(false) };
        let path = format!("{below}/{name}");
        let full = format!("{root}{path}");
        let Some(entry) = os.entry(&full, Want::default())? else { continue };
        let mut item =
            Item { path: path.clone(), uid: entry.meta.uid, gid: entry.meta.gid, ..Item::default() };
        if entry.meta.sort != Sort::Link {
            item.mode = Some(Mode(entry.meta.mode));
        }
        match entry.meta.sort {
            Sort::Directory => {
                items.push(item);
                if !collect(os, root, &path, items, bytes)? {
                    return Ok(false);
                }
                continue;
            }
            Sort::File => {
                if entry.meta.size > CAPTURE_LIMIT || bytes.len() as u64 + entry.meta.size > TREE_LIMIT {
                    return Ok(false);
                }
                let content = os.read(&full, CAPTURE_LIMIT, false)?.unwrap_or_default();
                item.size = Some(content.len() as u64);
                bytes.extend_from_slice(&content);
            }
            Sort::Link => item.target = entry.target,
            Sort::Other => return Ok(false),
        }
        items.push(item);
    }
    Ok(true)
}

/// Puts everything back into a directory. What is there already is left alone, so that it can be repeated.
///
/// # Errors
/// The content is not a tree, or the machine failed.
pub fn unpack(os: &dyn Touch, root: &str, packed: &[u8], durable: bool) -> Result<(), OsError> {
    let what = || format!("putting back what was in `{root}`");
    let end = packed.iter().position(|b| *b == b'\n').unwrap_or(packed.len());
    let items: Vec<Item> = serde_json::from_slice(&packed[..end]).map_err(|e| OsError::failed(what(), e))?;
    let mut rest = packed.get(end + 1..).unwrap_or_default();
    for item in items {
        let path = format!("{root}{}", item.path);
        let rights = Rights { uid: Some(item.uid), gid: Some(item.gid), mode: item.mode.map(|m| m.0) };
        let done = match (item.size, &item.target) {
            (Some(size), _) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if size > rest.len() {
                    return Err(OsError::failed(what(), "the kept content is not complete"));
                }
                let (content, after) = rest.split_at(size);
                rest = after;
                os.put(&path, &Put { durable, ..Put::new(content, rights) })
            }
            (None, Some(target)) => os.link(&path, target, rights, crate::os::Expect::Nothing),
            (None, None) => os.mkdir(&path, rights),
        };
        match done {
            Ok(_) | Err(OsError::Moved(_)) => {}
            Err(error) if error.is(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
