//! Finding the directory an effect happens in, without being led astray.
//!
//! Whoever may write a directory on the way can put a symbolic link there and send root somewhere else. So a path is
//! opened with links forbidden; only when there is one on the way is it walked step by step, and a link is followed only
//! when nobody but root, we ourselves, or the user the result will belong to could have put it there.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{OsError, split};

/// A directory and a name in it.
#[derive(Debug)]
pub struct Place {
    /// The directory.
    pub dir: OwnedFd,
    /// The name.
    pub name: OsString,
}

impl Place {
    /// What is there, not following a link; `None` when nothing is.
    ///
    /// # Errors
    /// The system's.
    pub fn stat(&self) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const MOST_LINKS: usize = 40;

/// Finds the place of an absolute path. `friend` is the user the result will belong to. With `follow`, a link in the last
/// component leads on under the same rules. Who is [acting] is a friend, too.
///
/// [acting]: super::acting
///
/// # Errors
/// The directory is missing, or a link on the way cannot be trusted.
pub fn find(path: &str, follow: bool, friend: Option<u32>) -> Result<Place, OsError> {
    let (dir, name) = split(path)?;
    if !follow {
        let flags = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(CWD, dir, DIRECTORY, Mode::empty(), flags) {
            Ok(dir) => return Ok(Place { dir, name: name.into() }),
            // A link on the way, or a system that does not know or does not allow this call.
            Err(Errno::LOOP | Errno::NOSYS | Errno::PERM) => {}
            Err(errno) => return Err(no_parent(path, dir, errno)),
        }
    }
    let friend = friend.or_else(super::acting::acts);
    Walk { path, friend, friendly: false, links: 0 }.walk(follow)
}

fn no_parent(path: &str, dir: &str, errno: Errno) -> OsError {
    match errno {
        Errno::NOENT => OsError::Failed {
            what: format!("using `{path}`"),
            why: format!(
                "directory `{dir}` is not there; declare it first with `file.directory`, or say `create_parents = true`"
            ),
            errno: Some(errno.raw_os_error()),
        },
        Errno::NOTDIR => OsError::failed(format!("using `{path}`"), format!("`{dir}` is not a directory")),
        _ => OsError::errno(format!("opening `{dir}`"), errno),
    }
}

struct Walk<'a> {
    path: &'a str,
    friend: Option<u32>,
    friendly: bool,
    links: usize,
}

impl Walk<'_> {
    fn walk(mut self, follow: bool) -> Result<Place, OsError> {
        let root = || {
            rustix::fs::openat(CWD, "/", DIRECTORY, Mode::empty())
                .map_err(|e| OsError::errno("opening `/`", e))
        };
        let mut dir = root()?;
        let mut rest: VecDeque<OsString> = parts(self.path.as_bytes());
        while let Some(name) = rest.pop_front() {
            let last = rest.is_empty();
            if name == ".." {
                if last {
                    return Err(self.refused("a link on the way ends in `..`"));
                }
                dir = self.open(&dir, &name)?;
                continue;
            }
            if last && !follow {
                return self.done(dir, name);
            }
            let stat = match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) if last => return self.done(dir, name),
                Err(errno) => return Err(no_parent(self.path, &name.to_string_lossy(), errno)),
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                self.trust(&dir, &stat, &name)?;
                let target = rustix::fs::readlinkat(&dir, &name, Vec::new())
                    .map_err(|e| OsError::errno(format!("reading link `{}`", name.to_string_lossy()), e))?;
                if target.as_bytes().first() == Some(&b'/') {
                    dir = root()?;
                }
                for part in parts(target.as_bytes()).into_iter().rev() {
                    rest.push_front(part);
                }
                if rest.is_empty() {
                    return Err(self.refused("a link on the way points to `/`"));
                }
            } else if last {
                return self.done(dir, name);
            } else {
                dir = self.open(&dir, &name)?;
            }
        }
        Err(self.refused("it does not end in a name"))
    }

    fn open(&self, dir: &OwnedFd, name: &OsString) -> Result<OwnedFd, OsError> {
        rustix::fs::openat(dir, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| no_parent(self.path, &name.to_string_lossy(), errno))
    }

    /// May the link `name` in `dir` be followed?
    fn trust(&mut self, dir: &OwnedFd, link: &Stat, name: &OsString) -> Result<(), OsError> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(self.refused("there are too many links on the way"));
        }
        let parent = rustix::fs::fstat(dir).map_err(|e| OsError::errno("reading a directory", e))?;
        let us = rustix::process::geteuid().as_raw();
        let ours = |uid: u32| uid == 0 || uid == us;
        let theirs = |uid: u32| ours(uid) || self.friend == Some(uid);
        let sticky = parent.st_mode & 0o1000 != 0;
        let shared = parent.st_mode & 0o002 != 0 || (parent.st_mode & 0o020 != 0 && parent.st_gid != 0);
        let by = |may: &dyn Fn(u32) -> bool| {
            may(parent.st_uid) && if shared { sticky && may(link.st_uid) && link.st_nlink == 1 } else { true }
        };
        if by(&ours) {
            return Ok(());
        }
        if by(&theirs) {
            self.friendly = true;
            return Ok(());
        }
        let name = name.to_string_lossy();
        Err(self.refused(&format!("the link `{name}` on the way could have been put there by another user")))
    }

    /// A link of the friend may lead only to where the friend could have written as well.
    fn done(self, dir: OwnedFd, name: OsString) -> Result<Place, OsError> {
        if self.friendly {
            let stat =
                rustix::fs::fstat(dir.as_fd()).map_err(|e| OsError::errno("reading a directory", e))?;
            if self.friend != Some(stat.st_uid) {
                return Err(self.refused("a link of its owner leads to a directory of somebody else"));
            }
        }
        Ok(Place { dir, name })
    }

    fn refused(&self, why: &str) -> OsError {
        OsError::refused(format!("using `{}`", self.path), why)
    }
}

fn parts(path: &[u8]) -> VecDeque<OsString> {
    path.split(|b| *b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(|part| OsString::from_vec(part.to_vec()))
        .collect()
}
