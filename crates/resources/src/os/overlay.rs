//! A rehearsal: reads what is there, keeps effects to itself, and reads those back.
//!
//! Planning runs the very code that applies, on top of this, so that what is predicted is what will be. It is as strict
//! as the real thing about missing directories and things in the way. Commands do not run; after one would have run
//! nobody knows what is there, so directories that are missing are taken to be there from then on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use sloth_core::command::{Command, CommandOutput};
use sloth_core::digest::Digest;
use sloth_core::machine::Watch;

use super::{
    Accounts, Cache, DEFAULT_DIRECTORY_MODE, DEFAULT_FILE_MODE, Entry, Expect, Look, Meta, OsError, Put,
    Rights, Sort, Stamp, Touch, Want, names, split,
};

const MOST_LINKS: usize = 40;
/// Ids from here on stand for users and groups that do not exist yet.
const IMAGINED: u32 = 0xF000_0000;

/// Does an id stand for a user or group that does not exist yet?
#[must_use]
pub const fn imagined(id: u32) -> bool {
    id >= IMAGINED && id < u32::MAX - 1
}

#[derive(Clone)]
enum Body {
    File {
        bytes: Arc<[u8]>,
        digest: Digest,
    },
    /// `fresh`: nothing of the base shows through.
    Directory {
        fresh: bool,
    },
    Link(String),
    /// What is in the base, with other rights.
    Base(Option<Digest>),
}

#[derive(Clone)]
struct Node {
    meta: Meta,
    body: Body,
}

/// Effects on top of a [`Look`], by resolved path; `None` hides what the base has.
pub struct Overlay<L: ?Sized> {
    nodes: Mutex<BTreeMap<String, Option<Node>>>,
    touched: AtomicBool,
    unsure: AtomicBool,
    inodes: AtomicU64,
    imagined: Mutex<Vec<Arc<str>>>,
    rehearsal: bool,
    cache: Cache,
    base: Arc<L>,
}

impl<L: Look + ?Sized> Overlay<L> {
    /// A rehearsal on top of a machine.
    #[must_use]
    pub fn over(base: Arc<L>) -> Self {
        Self::new(base, true)
    }

    pub(super) fn new(base: Arc<L>, rehearsal: bool) -> Self {
        Self {
            nodes: Mutex::default(),
            touched: AtomicBool::new(false),
            unsure: AtomicBool::new(false),
            inodes: AtomicU64::new(1),
            imagined: Mutex::default(),
            rehearsal,
            cache: Cache::default(),
            base,
        }
    }

    /// What is underneath.
    #[must_use]
    pub const fn base(&self) -> &Arc<L> {
        &self.base
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, Option<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id for a user or group that may exist by then; only in a rehearsal.
    fn imagine(&self, name: &str) -> Option<u32> {
        if !self.rehearsal {
            return None;
        }
        let mut imagined = self.imagined.lock().unwrap_or_else(PoisonError::into_inner);
        let at = imagined.iter().position(|n| **n == *name).unwrap_or_else(|| {
            imagined.push(Arc::from(name));
            imagined.len() - 1
        });
        u32::try_from(at).ok().map(|at| IMAGINED + at)
    }

    fn imagined_name(&self, id: u32) -> Option<Arc<str>> {
        let imagined = self.imagined.lock().unwrap_or_else(PoisonError::into_inner);
        imagined.get(usize::try_from(id.checked_sub(IMAGINED)?).ok()?).cloned()
    }

    fn stamp(&self, size: u64) -> Stamp {
        let ino = self.inodes.fetch_add(1, Ordering::Relaxed);
        Stamp { dev: u64::MAX, ino, changed: i128::from(ino), size }
    }

    /// What is at a resolved path, not following it.
    fn at(&self, nodes: &BTreeMap<String, Option<Node>>, path: &str) -> Result<Option<Node>, OsError> {
        if let Some(node) = nodes.get(path) {
            return Ok(node.clone());
        }
        let mut ancestor = path;
        while let Some((parent, _)) = ancestor.rsplit_once('/') {
            if let Some(node) = nodes.get(parent) {
                match node {
                    Some(Node { body: Body::Directory { fresh: false }, .. }) => break,
                    _ => return Ok(None),
                }
            }
            ancestor = parent;
        }
        let shown = if path.is_empty() { "/" } else { path };
        Ok(self.base.entry(shown, Want::default())?.map(|entry| Node {
            meta: entry.meta,
            body: match entry.meta.sort {
                Sort::Link => Body::Link(entry.target.unwrap_or_default()),
                Sort::Directory => Body::Directory { fresh: false },
                _ => Body::Base(None),
            },
        }))
    }

    /// The path with every link in its directories resolved, and in its last component, too, if `follow`. `None` when
    /// a directory on the way is not there.
    fn resolve(
        &self,
        nodes: &BTreeMap<String, Option<Node>>,
        path: &str,
        follow: bool,
    ) -> Result<Option<String>, OsError> {
        let mut rest: Vec<String> =
            path.split('/').rev().filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{done}/{name}");
            if rest.is_empty() && !follow {
                return Ok(Some(next));
            }
            match self.at(nodes, &next)?.map(|n| n.body) {
                Some(Body::Link(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(OsError::errno(format!("reading `{path}`"), Errno::LOOP));
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    rest.extend(
                        target.split('/').rev().filter(|p| !p.is_empty() && *p != ".").map(str::to_owned),
                    );
                }
                Some(Body::Directory { .. }) => done = next,
                _ if rest.is_empty() => return Ok(Some(next)),
                Some(_) => return Ok(None),
                None if self.unsure.load(Ordering::Relaxed) => done = next,
                None => return Ok(None),
            }
        }
        Ok(Some(done))
    }

    /// Where an effect happens: the resolved path, and the directory it is in.
    fn place(
        &self,
        nodes: &BTreeMap<String, Option<Node>>,
        path: &str,
        follow: bool,
    ) -> Result<(String, Meta), OsError> {
        let (dir, _) = split(path)?;
        let missing = || OsError::Failed {
            what: format!("using `{path}`"),
            why: format!(
                "directory `{dir}` is not there; declare it first with `file.directory`, or say `create_parents = true`"
            ),
            errno: Some(Errno::NOENT.raw_os_error()),
        };
        let Some(resolved) = self.resolve(nodes, path, follow)? else {
            let there = match self.resolve(nodes, dir, true)? {
                Some(dir) => self.at(nodes, &dir)?,
                None => None,
            };
            return Err(there.map_or_else(missing, |_| {
                OsError::failed(format!("using `{path}`"), format!("`{dir}` is not a directory"))
            }));
        };
        let parent = resolved.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.at(nodes, parent)? {
            Some(node) if node.meta.sort == Sort::Directory => Ok((resolved, node.meta)),
            Some(_) => Err(OsError::failed(format!("using `{path}`"), format!("`{dir}` is not a directory"))),
            None if self.unsure.load(Ordering::Relaxed) => {
                let (uid, gid) = self.base.identity();
                let mode = DEFAULT_DIRECTORY_MODE;
                let (sort, stamp) = (Sort::Directory, self.stamp(0));
                Ok((resolved, Meta { sort, mode, uid, gid, size: 0, links: 1, stamp }))
            }
            None => Err(missing()),
        }
    }

    /// Owner and group of something new in a directory.
    fn heirs(&self, parent: &Meta) -> (u32, u32) {
        let (uid, gid) = self.base.identity();
        (uid, if parent.mode & 0o2000 != 0 { parent.gid } else { gid })
    }

    fn set(&self, nodes: &mut BTreeMap<String, Option<Node>>, path: String, node: Option<Node>) {
        nodes.insert(path, node);
        self.touched.store(true, Ordering::Release);
    }

    fn children(&self, nodes: &BTreeMap<String, Option<Node>>, path: &str) -> Result<Vec<OsString>, OsError> {
        let node = self.at(nodes, path)?;
        let fresh = matches!(node.as_ref().map(|n| &n.body), Some(Body::Directory { fresh: true }));
        if node.is_none_or(|n| n.meta.sort != Sort::Directory) {
            return Err(OsError::errno(format!("reading `{path}`"), Errno::NOTDIR));
        }
        let shown = if path.is_empty() { "/" } else { path };
        let mut names: std::collections::BTreeSet<OsString> = match fresh {
            true => std::collections::BTreeSet::new(),
            false => self.base.list(shown)?.into_iter().collect(),
        };
        let prefix = format!("{path}/");
        for (key, node) in nodes.range(prefix.clone()..) {
            let Some(name) = key.strip_prefix(&prefix) else { break };
            if name.contains('/') {
                continue;
            }
            match node {
                Some(_) => names.insert(name.into()),
                None => names.remove(std::ffi::OsStr::new(name)),
            };
        }
        Ok(names.into_iter().collect())
    }
}

fn expected(path: &str, expect: Expect, found: Option<&Meta>) -> Result<(), OsError> {
    let fits = match (expect, found) {
        (Expect::Whatever, _) | (Expect::Nothing, None) => true,
        (Expect::This(stamp), Some(meta)) => meta.stamp == stamp,
        _ => false,
    };
    if fits { Ok(()) } else { Err(OsError::Moved(path.to_owned())) }
}

/// What the files of this machine say about a name or an id, when one of them was written here.
enum Told<T> {
    /// They have it.
    Is(T),
    /// They had it, and have it no longer.
    Gone,
    /// Nothing was written here, or they never knew it.
    Nothing,
}

impl<L: Look + ?Sized> Overlay<L> {
    /// Asks the account file as it was written here, and as it was before.
    fn told<T>(&self, path: &str, find: impl Fn(&str) -> Option<T>) -> Told<T> {
        let now = match self.nodes().get(path) {
            Some(Some(Node { body: Body::File { bytes, .. }, .. })) => Arc::clone(bytes),
            _ => return Told::Nothing,
        };
        if let Some(found) = find(&String::from_utf8_lossy(&now)) {
            return Told::Is(found);
        }
        let before = self.base.read(path, u64::MAX, true).ok().flatten().unwrap_or_default();
        match find(&String::from_utf8_lossy(&before)) {
            Some(_) => Told::Gone,
            None => Told::Nothing,
        }
    }
    fn name_of(&self, path: &str, id: u32, base: impl Fn() -> Arc<str>) -> Arc<str> {
        if let Some(name) = self.imagined_name(id) {
            return name;
        }
        match self.told(path, |text| names::name_listed(text, id)) {
            Told::Is(name) => name,
            Told::Gone => Arc::from(id.to_string()),
            Told::Nothing => base(),
        }
    }
    fn id_of(&self, path: &str, name: &str, base: impl Fn() -> Option<u32>) -> Option<u32> {
        match self.told(path, |text| names::id_listed(text, name)) {
            Told::Is(id) => Some(id),
            Told::Gone => name.parse().ok().or_else(|| self.imagine(name)),
            Told::Nothing => base().or_else(|| self.imagine(name)),
        }
    }
}

impl<L: Look + ?Sized> Accounts for Overlay<L> {
    fn user_name(&self, uid: u32) -> Arc<str> {
        self.name_of("/etc/passwd", uid, || self.base.accounts().user_name(uid))
    }
    fn group_name(&self, gid: u32) -> Arc<str> {
        self.name_of("/etc/group", gid, || self.base.accounts().group_name(gid))
    }
    fn user_id(&self, name: &str) -> Option<u32> {
        self.id_of("/etc/passwd", name, || self.base.accounts().user_id(name))
    }
    fn group_id(&self, name: &str) -> Option<u32> {
        self.id_of("/etc/group", name, || self.base.accounts().group_id(name))
    }
}

impl<L: Look + ?Sized> Look for Overlay<L> {
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        if !self.touched.load(Ordering::Acquire) {
            return self.base.entry(path, want);
        }
        let nodes = self.nodes();
        let Some(resolved) = self.resolve(&nodes, path, want.follow)? else { return Ok(None) };
        let Some(node) = self.at(&nodes, &resolved)? else { return Ok(None) };
        let wanted = node.meta.size <= want.content_up_to && want.content_up_to > 0;
        let content = match &node.body {
            Body::File { digest, .. } | Body::Base(Some(digest)) => wanted.then_some(*digest),
            Body::Base(None) if wanted && node.meta.sort == Sort::File => {
                self.base.entry(&resolved, want)?.and_then(|e| e.content)
            }
            _ => None,
        };
        let target = match node.body {
            Body::Link(target) => Some(target),
            _ => None,
        };
        Ok(Some(Entry { meta: node.meta, content, target }))
    }

    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        if !self.touched.load(Ordering::Acquire) {
            return self.base.read(path, limit, follow);
        }
        let nodes = self.nodes();
        let Some(resolved) = self.resolve(&nodes, path, follow)? else { return Ok(None) };
        let Some(node) = self.at(&nodes, &resolved)? else { return Ok(None) };
        match node.body {
            Body::File { bytes, .. } if bytes.len() as u64 <= limit => Ok(Some(bytes)),
            Body::File { .. } => {
                Err(OsError::failed(format!("reading `{path}`"), format!("it is longer than {limit} bytes")))
            }
            Body::Base(_) => self.base.read(&resolved, limit, false),
            _ => Err(OsError::failed(format!("reading `{path}`"), "it is not a regular file")),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError> {
        let nodes = self.nodes();
        let resolved = self
            .resolve(&nodes, path, false)?
            .ok_or_else(|| OsError::errno(format!("reading `{path}`"), Errno::NOENT))?;
        self.children(&nodes, &resolved)
    }

    fn accounts(&self) -> &dyn Accounts {
        self
    }
    fn identity(&self) -> (u32, u32) {
        self.base.identity()
    }
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError> {
        self.base.query(command)
    }
    fn cache(&self) -> &Cache {
        &self.cache
    }
    fn now(&self) -> u64 {
        self.base.now()
    }
}

impl<L: Look + ?Sized> Touch for Overlay<L> {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        let refused = |why| Err(OsError::refused(format!("writing `{path}`"), why));
        let mut nodes = self.nodes();
        let (resolved, parent) = self.place(&nodes, path, put.follow)?;
        let old = self.at(&nodes, &resolved)?;
        expected(path, put.expect, old.as_ref().map(|n| &n.meta))?;
        let was = old.as_ref().map(|n| n.meta);
        match was.map(|m| (m.sort, m.links)) {
            Some((Sort::Directory, _)) => return refused("it is a directory"),
            Some((Sort::Other, _)) => return refused("it is a device, a socket or a pipe"),
            Some((Sort::File, links)) if links > 1 && !put.in_place => {
                return refused("it has several names (hard links); `in_place = true` writes into it");
            }
            _ => {}
        }
        if let (Some(backup), Some(old)) = (put.backup, old) {
            let dir = resolved.rsplit_once('/').map_or("", |(dir, _)| dir);
            let copy = format!("{dir}/{backup}");
            let body = match old.body {
                Body::Base(_) => match self.base.read(&resolved, u64::MAX, false)? {
                    Some(bytes) => Body::File { digest: Digest::of(&bytes), bytes },
                    None => return Err(OsError::Moved(path.to_owned())),
                },
                other => other,
            };
            self.set(&mut nodes, copy, Some(Node { meta: old.meta, body }));
        }
        let (uid, gid) = was.map_or_else(|| self.heirs(&parent), |m| (m.uid, m.gid));
        let kept = was.filter(|m| m.sort == Sort::File).map(|m| m.mode);
        let size = put.content.len() as u64;
        let meta = Meta {
            sort: Sort::File,
            mode: put.rights.mode.or(kept).unwrap_or(DEFAULT_FILE_MODE),
            uid: put.rights.uid.unwrap_or(uid),
            gid: put.rights.gid.unwrap_or(gid),
            size,
            links: if put.in_place { was.map_or(1, |m| m.links) } else { 1 },
            stamp: self.stamp(size),
        };
        let body = Body::File { bytes: put.content.into(), digest: Digest::of(put.content) };
        self.set(&mut nodes, resolved, Some(Node { meta, body }));
        Ok(meta)
    }

    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        let mut nodes = self.nodes();
        let (resolved, parent) = self.place(&nodes, path, false)?;
        let there = self.at(&nodes, &resolved)?;
        expected(path, Expect::Nothing, there.as_ref().map(|n| &n.meta))?;
        let (uid, gid) = self.heirs(&parent);
        let meta = Meta {
            sort: Sort::Directory,
            mode: rights.mode.unwrap_or(DEFAULT_DIRECTORY_MODE | (parent.mode & 0o2000)),
            uid: rights.uid.unwrap_or(uid),
            gid: rights.gid.unwrap_or(gid),
            size: 0,
            links: 2,
            stamp: self.stamp(0),
        };
        self.set(&mut nodes, resolved, Some(Node { meta, body: Body::Directory { fresh: true } }));
        Ok(meta)
    }

    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        let mut nodes = self.nodes();
        let (resolved, parent) = self.place(&nodes, path, false)?;
        let there = self.at(&nodes, &resolved)?;
        expected(path, expect, there.as_ref().map(|n| &n.meta))?;
        if there.is_some_and(|n| n.meta.sort == Sort::Directory) {
            return Err(OsError::errno(format!("linking `{path}`"), Errno::ISDIR));
        }
        let (uid, gid) = self.heirs(&parent);
        let size = target.len() as u64;
        let meta = Meta {
            sort: Sort::Link,
            mode: 0o777,
            uid: rights.uid.unwrap_or(uid),
            gid: rights.gid.unwrap_or(gid),
            size,
            links: 1,
            stamp: self.stamp(size),
        };
        self.set(&mut nodes, resolved, Some(Node { meta, body: Body::Link(target.to_owned()) }));
        Ok(meta)
    }

    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        let what = || format!("setting the rights of `{path}`");
        let mut nodes = self.nodes();
        let (resolved, _) = self.place(&nodes, path, follow)?;
        let mut node = self.at(&nodes, &resolved)?.ok_or_else(|| OsError::errno(what(), Errno::NOENT))?;
        expected(path, expect, Some(&node.meta))?;
        if node.meta.sort == Sort::File && node.meta.links > 1 {
            let why = "it has several names (hard links), whose rights would change, too";
            return Err(OsError::refused(what(), why));
        }
        node.meta.uid = rights.uid.unwrap_or(node.meta.uid);
        node.meta.gid = rights.gid.unwrap_or(node.meta.gid);
        if node.meta.sort != Sort::Link {
            node.meta.mode = rights.mode.unwrap_or(node.meta.mode);
        }
        node.meta.stamp = self.stamp(node.meta.size);
        let meta = node.meta;
        self.set(&mut nodes, resolved, Some(node));
        Ok(meta)
    }

    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        let mut nodes = self.nodes();
        let Some(resolved) = self.resolve(&nodes, path, false)? else { return Ok(()) };
        let Some(node) = self.at(&nodes, &resolved)? else { return Ok(()) };
        expected(path, expect, Some(&node.meta))?;
        if node.meta.sort == Sort::Directory && !self.children(&nodes, &resolved)?.is_empty() {
            return Err(OsError::errno(format!("removing `{path}`"), Errno::NOTEMPTY));
        }
        self.set(&mut nodes, resolved, None);
        Ok(())
    }

    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        let mut nodes = self.nodes();
        let Some(resolved) = self.resolve(&nodes, path, false)? else { return Ok(()) };
        let Some(node) = self.at(&nodes, &resolved)? else { return Ok(()) };
        expected(path, expect, Some(&node.meta))?;
        let below = format!("{resolved}/");
        nodes.retain(|key, _| !key.starts_with(&below));
        self.set(&mut nodes, resolved, None);
        Ok(())
    }

    fn run(&self, command: &Command, _: &dyn Watch) -> Result<CommandOutput, OsError> {
        if !self.rehearsal {
            return self.base.query(command);
        }
        self.unsure.store(true, Ordering::Relaxed);
        self.touched.store(true, Ordering::Release);
        Err(OsError::refused(format!("running `{}`", command.line), "commands do not run in a rehearsal"))
    }

    fn settle(&self) -> Result<(), OsError> {
        Ok(())
    }

    fn rehearsing(&self) -> bool {
        self.rehearsal
    }
}
