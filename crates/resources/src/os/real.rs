//! The real system.
//!
//! Reading costs one open, one `fstat`, one read and one close. Writing goes through descriptors: a new file is made
//! without a name and gets one when it is complete; an existing file is replaced by a complete one that took over its
//! owner, mode, access control list and other extended attributes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use sloth_core::command::{Command, CommandOutput};
use sloth_core::digest::Digest;
use sloth_core::machine::{Unwatched, Watch};

use super::litter;
use super::names::Names;
use super::place::{self, Place};
use super::{
    Accounts, Cache, DEFAULT_DIRECTORY_MODE, DEFAULT_FILE_MODE, Entry, Expect, Look, Meta, OsError, Put,
    Rights, Sort, Stamp, Touch, Want, command, split, xattr,
};

const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
const BUFFER: usize = 64 * 1024;
/// How deep a tree may be that is removed.
const DEEPEST: usize = 512;
/// How long a `validate` command may take.
const VALIDATE: std::time::Duration = std::time::Duration::from_secs(60);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The machine this program runs on.
pub struct Real {
    names: Names,
    identity: (u32, u32),
    /// Reading leaves no trace in access times where we are allowed to ask for that.
    read: OFlags,
    /// Directories whose entries changed since the last [`Touch::settle`].
    dirty: Mutex<BTreeSet<String>>,
    cache: Cache,
}

impl Default for Real {
    fn default() -> Self {
        Self::new()
    }
}

impl Real {
    /// The machine this program runs on.
    #[must_use]
    pub fn new() -> Self {
        let identity = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let read = if identity.0 == 0 { READ | OFlags::NOATIME } else { READ };
        Self { names: Names::default(), identity, read, dirty: Mutex::default(), cache: Cache::default() }
    }

    fn note(&self, path: &str) {
        let dir = split(path).map_or("/", |(dir, _)| dir);
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        if !dirty.contains(dir) {
            dirty.insert(dir.to_owned());
        }
    }

    /// The way through a link, which must not be one that another user could have put there.
    fn entry_followed(path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        let failed = |errno| OsError::errno(format!("reading `{path}`"), errno);
        if want.content_up_to == 0 {
            // That something is there is no secret.
            return match rustix::fs::statat(CWD, path, AtFlags::empty()) {
                Ok(stat) => Ok(Some(Entry { meta: meta(&stat), content: None, target: None })),
                Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
                Err(errno) => Err(failed(errno)),
            };
        }
        let place = match place::find(path, true, None) {
            Err(error) if error.is(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        let Some(stat) = place.stat().map_err(failed)? else { return Ok(None) };
        let meta = meta(&stat);
        let wanted = meta.sort == Sort::File && meta.size <= want.content_up_to && want.content_up_to > 0;
        let content = match wanted {
            true => {
                let flags = READ | OFlags::NOFOLLOW;
                let fd = rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty()).map_err(failed)?;
                Some(digest(&fd, meta.size).map_err(failed)?)
            }
            false => None,
        };
        Ok(Some(Entry { meta, content, target: None }))
    }

    /// The way for what cannot be opened: links, files we may not read, sockets.
    fn entry_unopened(path: &str, want: Want, cause: Option<Errno>) -> Result<Option<Entry>, OsError> {
        let stat = match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(OsError::errno(format!("reading `{path}`"), errno)),
        };
        let meta = meta(&stat);
        if let Some(errno) = cause
            && meta.sort == Sort::File
            && meta.size <= want.content_up_to
        {
            return Err(OsError::errno(format!("reading `{path}`"), errno));
        }
        let target = match meta.sort {
            Sort::Link => {
                let target = rustix::fs::readlinkat(CWD, path, Vec::new())
                    .map_err(|e| OsError::errno(format!("reading `{path}`"), e))?;
                Some(target.to_string_lossy().into_owned())
            }
            _ => None,
        };
        Ok(Some(Entry { meta, content: None, target }))
    }
}

/// Translates what the kernel says.
fn meta(stat: &Stat) -> Meta {
    let sort = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Sort::File,
        FileType::Directory => Sort::Directory,
        FileType::Symlink => Sort::Link,
        _ => Sort::Other,
    };
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let changed = i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec);
    Meta {
        sort,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size,
        #[allow(clippy::useless_conversion, reason = "its width depends on the platform")]
        links: u64::from(stat.st_nlink),
        stamp: Stamp { dev: stat.st_dev, ino: stat.st_ino, changed, size },
    }
}

/// Digest of everything a descriptor still has to give. A read that brings as much as the file was long is taken for
/// all of it: proving it by a second read would cost as much as the first.
fn digest(fd: &OwnedFd, size: u64) -> Result<Digest, Errno> {
    SCRATCH.with_borrow_mut(|buffer| {
        buffer.resize(BUFFER, 0);
        let mut length = rustix::io::read(fd, &mut buffer[..])?;
        if length == 0 || (length < BUFFER && length as u64 == size) {
            return Ok(Digest::of(&buffer[..length]));
        }
        let mut hasher = Sha256::new();
        while length > 0 {
            hasher.update(&buffer[..length]);
            length = rustix::io::read(fd, &mut buffer[..])?;
        }
        let hex: String = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(hex.parse().unwrap_or(Digest::ZERO))
    })
}

impl Look for Real {
    fn entry(&self, path: &str, want: Want) -> Result<Option<Entry>, OsError> {
        if want.follow {
            return Self::entry_followed(path, want);
        }
        // Opening a device may do something, so those are only looked at from outside.
        if path.starts_with("/dev/")
            && let Some(entry) = Self::entry_unopened(path, want, None)?
            && entry.meta.sort == Sort::Other
        {
            return Ok(Some(entry));
        }
        let mut flags = self.read | OFlags::NOFOLLOW;
        let fd = loop {
            match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
                Ok(fd) => break fd,
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(Errno::LOOP | Errno::NXIO) => return Self::entry_unopened(path, want, None),
                Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => flags.remove(OFlags::NOATIME),
                Err(errno) => return Self::entry_unopened(path, want, Some(errno)),
            }
        };
        let failed = |errno| OsError::errno(format!("reading `{path}`"), errno);
        let meta = meta(&rustix::fs::fstat(&fd).map_err(failed)?);
        let content = match meta.sort {
            Sort::File if meta.size <= want.content_up_to && want.content_up_to > 0 => {
                Some(digest(&fd, meta.size).map_err(failed)?)
            }
            _ => None,
        };
        Ok(Some(Entry { meta, content, target: None }))
    }

    fn read(&self, path: &str, limit: u64, follow: bool) -> Result<Option<Arc<[u8]>>, OsError> {
        let failed = |errno| OsError::errno(format!("reading `{path}`"), errno);
        let place = match place::find(path, follow, None) {
            Err(error) if error.is(Errno::NOENT) => return Ok(None),
            other => other?,
        };
        let fd = match rustix::fs::openat(&place.dir, &place.name, READ | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let meta = meta(&rustix::fs::fstat(&fd).map_err(failed)?);
        if meta.sort != Sort::File {
            return Err(OsError::failed(format!("reading `{path}`"), "it is not a regular file"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.size.min(limit)).unwrap_or(0) + 1);
        let mut file = std::io::Read::take(std::fs::File::from(fd), limit.saturating_add(1));
        std::io::Read::read_to_end(&mut file, &mut bytes)
            .map_err(|e| OsError::failed(format!("reading `{path}`"), e))?;
        if bytes.len() as u64 > limit {
            return Err(OsError::failed(
                format!("reading `{path}`"),
                format!("it is longer than {limit} bytes"),
            ));
        }
        Ok(Some(bytes.into()))
    }

    fn list(&self, path: &str) -> Result<Vec<OsString>, OsError> {
        let failed = |errno| OsError::errno(format!("reading `{path}`"), errno);
        let flags = READ | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
        let mut names = names(&fd).map_err(failed)?;
        names.sort();
        Ok(names)
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }
    fn accounts(&self) -> &dyn Accounts {
        &self.names
    }
    fn identity(&self) -> (u32, u32) {
        self.identity
    }
    fn query(&self, command: &Command) -> Result<CommandOutput, OsError> {
        command::run(command, &Unwatched)
    }
    fn now(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        u64::try_from(now.tv_sec).unwrap_or(0)
    }
}

/// Names in an open directory.
fn names(fd: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits)
}

/// Gives an open file or directory its owner and then its mode, because a change of owner drops bits of the mode.
fn set(fd: impl AsFd, now: &Stat, rights: Rights) -> Result<(), Errno> {
    let fd = fd.as_fd();
    let uid = rights.uid.filter(|uid| *uid != now.st_uid);
    let gid = rights.gid.filter(|gid| *gid != now.st_gid);
    if uid.is_some() || gid.is_some() {
        rustix::fs::fchown(fd, uid.map(rustix::fs::Uid::from_raw), gid.map(rustix::fs::Gid::from_raw))?;
    }
    if let Some(bits) = rights.mode {
        rustix::fs::fchmod(fd, mode(bits))?;
    }
    Ok(())
}

/// A temporary file with a name, removed unless it was moved to where it belongs.
struct Temporary<'a> {
    place: &'a Place,
    name: String,
    armed: bool,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.armed {
            let _ = rustix::fs::unlinkat(&self.place.dir, self.name.as_str(), AtFlags::empty());
        }
    }
}

fn temporary(place: &Place) -> Result<(OwnedFd, Temporary<'_>), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let name = litter::name()?;
        match rustix::fs::openat(&place.dir, name.as_str(), flags, mode(0o600)) {
            Ok(fd) => return Ok((fd, Temporary { place, name, armed: true })),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// What is to be replaced.
struct Old {
    stat: Stat,
    /// Open when it is a file; links have nothing to read from.
    fd: Option<OwnedFd>,
}

fn refused(path: &str, why: &str) -> OsError {
    OsError::refused(format!("writing `{path}`"), why)
}

/// Opens what is at a place and makes sure that it is what is expected.
fn old(place: &Place, path: &str, expect: Expect) -> Result<Option<Old>, OsError> {
    let failed = |errno| OsError::errno(format!("reading `{path}`"), errno);
    let flags = READ | OFlags::NOFOLLOW;
    let found = match rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty()) {
        Ok(fd) => Some(Old { stat: rustix::fs::fstat(&fd).map_err(failed)?, fd: Some(fd) }),
        Err(Errno::NOENT) => None,
        Err(errno) => match place.stat().map_err(failed)? {
            Some(stat) if meta(&stat).sort == Sort::File => return Err(failed(errno)),
            stat => stat.map(|stat| Old { stat, fd: None }),
        },
    };
    expected(path, expect, found.as_ref().map(|o| &o.stat))?;
    Ok(found)
}

/// Is what is there what the decision was based on?
fn expected(path: &str, expect: Expect, found: Option<&Stat>) -> Result<(), OsError> {
    let fits = match (expect, found) {
        (Expect::Whatever, _) | (Expect::Nothing, None) => true,
        (Expect::This(stamp), Some(stat)) => meta(stat).stamp == stamp,
        _ => false,
    };
    if fits { Ok(()) } else { Err(OsError::Moved(path.to_owned())) }
}

impl Real {
    /// A new file: it gets its name when it is complete.
    fn create(&self, place: &Place, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        let failed = |errno| OsError::errno(format!("creating `{path}`"), errno);
        if put.validate.is_some() {
            return self.create_named(place, path, put);
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&place.dir, ".", flags, mode(0o600)) {
            Ok(fd) => fd,
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                return self.create_named(place, path, put);
            }
            Err(errno) => return Err(failed(errno)),
        };
        let stat = fill(&fd, put, None).map_err(failed)?;
        if put.durable {
            rustix::fs::fsync(&fd).map_err(failed)?;
            self.note(path);
        }
        match rustix::fs::linkat(&fd, "", &place.dir, &place.name, AtFlags::EMPTY_PATH) {
            Err(Errno::NOENT | Errno::PERM) => {
                use std::os::fd::AsRawFd;
                let own = format!("/proc/self/fd/{}", fd.as_raw_fd());
                rustix::fs::linkat(CWD, own, &place.dir, &place.name, AtFlags::SYMLINK_FOLLOW)
            }
            other => other,
        }
        .map_err(|errno| taken(path, errno))?;
        Ok(Meta { links: 1, ..meta(&stat) })
    }

    /// A new file where it needs a name before it goes live.
    fn create_named(&self, place: &Place, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        let failed = |errno| OsError::errno(format!("creating `{path}`"), errno);
        let (fd, mut temporary) = temporary(place).map_err(failed)?;
        let stat = fill(&fd, put, None).map_err(failed)?;
        self.validate(path, &fd, &temporary, put)?;
        if put.durable {
            rustix::fs::fsync(&fd).map_err(failed)?;
            self.note(path);
        }
        let (dir, from) = (&place.dir, temporary.name.as_str());
        match rustix::fs::renameat_with(dir, from, dir, &place.name, RenameFlags::NOREPLACE) {
            Ok(()) => temporary.armed = false,
            // The file system cannot do that; a second name is as atomic, and the first goes when `temporary` does.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(dir, from, dir, &place.name, AtFlags::empty())
                    .map_err(|errno| taken(path, errno))?;
            }
            Err(errno) => return Err(taken(path, errno)),
        }
        Ok(meta(&stat))
    }

    /// Puts a complete file in the place of another.
    fn replace(&self, place: &Place, path: &str, put: &Put<'_>, old: &Old) -> Result<Meta, OsError> {
        let failed = |errno| OsError::errno(format!("replacing `{path}`"), errno);
        let (fd, mut temporary) = temporary(place).map_err(failed)?;
        let stat = fill(&fd, put, Some(old)).map_err(failed)?;
        if let Some(from) = &old.fd {
            xattr::copy(from, &fd, path)?;
            // Setting an access control list changes the mode; the mode has the last word.
            rustix::fs::fchmod(&fd, mode(stat.st_mode & 0o7777)).map_err(failed)?;
        }
        self.validate(path, &fd, &temporary, put)?;
        rustix::fs::fsync(&fd).map_err(failed)?;
        let still = place.stat().map_err(failed)?;
        expected(path, Expect::This(meta(&old.stat).stamp), still.as_ref())?;
        if let Some(backup) = put.backup {
            rustix::fs::linkat(&place.dir, &place.name, &place.dir, backup, AtFlags::empty()).map_err(
                |errno| OsError::errno(format!("keeping a copy of `{path}` as `{backup}`"), errno),
            )?;
        }
        let renamed = rustix::fs::renameat(&place.dir, temporary.name.as_str(), &place.dir, &place.name);
        if let Err(errno) = renamed {
            if let Some(backup) = put.backup {
                let _ = rustix::fs::unlinkat(&place.dir, backup, AtFlags::empty());
            }
            return Err(cannot_replace(path, errno, old));
        }
        temporary.armed = false;
        self.note(path);
        Ok(meta(&stat))
    }

    /// Writes into the existing file: not atomic, asked for explicitly.
    fn overwrite(&self, place: &Place, path: &str, put: &Put<'_>, old: &Old) -> Result<Meta, OsError> {
        let failed = |errno| OsError::errno(format!("writing into `{path}`"), errno);
        if put.validate.is_some() {
            return Err(refused(path, "`validate` and `in_place` cannot be had together"));
        }
        if let (Some(backup), Some(from)) = (put.backup, &old.fd) {
            let (fd, mut temporary) = temporary(place).map_err(failed)?;
            let mut buffer = vec![0u8; BUFFER];
            let mut offset = 0;
            loop {
                let length = rustix::io::pread(from, &mut buffer[..], offset).map_err(failed)?;
                if length == 0 {
                    break;
                }
                write_all(&fd, &buffer[..length]).map_err(failed)?;
                offset += length as u64;
            }
            let rights = Rights {
                uid: Some(old.stat.st_uid),
                gid: Some(old.stat.st_gid),
                mode: Some(old.stat.st_mode & 0o7777),
            };
            let now = rustix::fs::fstat(&fd).map_err(failed)?;
            set(&fd, &now, rights).map_err(failed)?;
            rustix::fs::fsync(&fd).map_err(failed)?;
            let (dir, from) = (&place.dir, temporary.name.as_str());
            rustix::fs::renameat_with(dir, from, dir, backup, RenameFlags::NOREPLACE).map_err(|errno| {
                OsError::errno(format!("keeping a copy of `{path}` as `{backup}`"), errno)
            })?;
            temporary.armed = false;
        }
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        expected(path, Expect::This(meta(&old.stat).stamp), Some(&stat))?;
        let narrowed = put.rights.mode.map(|new| new & stat.st_mode & 0o7777);
        if let Some(bits) = narrowed {
            rustix::fs::fchmod(&fd, mode(bits)).map_err(failed)?;
        }
        write_all(&fd, put.content).map_err(failed)?;
        rustix::fs::ftruncate(&fd, put.content.len() as u64).map_err(failed)?;
        set(&fd, &stat, put.rights).map_err(failed)?;
        rustix::fs::fsync(&fd).map_err(failed)?;
        Ok(meta(&rustix::fs::fstat(&fd).map_err(failed)?))
    }

    /// Runs the command that must accept the new file, which it may read and must not change.
    fn validate(
        &self,
        path: &str,
        fd: &OwnedFd,
        temporary: &Temporary<'_>,
        put: &Put<'_>,
    ) -> Result<(), OsError> {
        let Some(line) = put.validate else { return Ok(()) };
        let failed = |errno| OsError::errno(format!("checking the new `{path}`"), errno);
        let before = meta(&rustix::fs::fstat(fd).map_err(failed)?);
        let (dir, _) = split(path)?;
        let file = format!("{}/{}", dir.trim_end_matches('/'), temporary.name);
        let quoted = format!("'{}'", file.replace('\'', "'\\''"));
        let command = Command { timeout: Some(VALIDATE), ..Command::shell(line.replace("%s", &quoted)) };
        let output = command::run(&command, &Unwatched)?;
        if !output.success() {
            let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
            let how = match output.timed_out {
                true => "did not end in time".to_owned(),
                false => format!("ended with {}", output.exit_code),
            };
            let why = format!("`{line}` {how}: {}; nothing was changed", said.trim());
            return Err(OsError::refused(format!("checking the new `{path}`"), why));
        }
        let after = meta(&rustix::fs::fstat(fd).map_err(failed)?);
        if before != after {
            let why = format!("`{line}` changed the file it was to check; nothing was changed");
            return Err(OsError::refused(format!("checking the new `{path}`"), why));
        }
        Ok(())
    }
}

/// Writes content and rights into a file nobody else can reach yet. Returns what it is now.
fn fill(fd: &OwnedFd, put: &Put<'_>, old: Option<&Old>) -> Result<Stat, Errno> {
    write_all(fd, put.content)?;
    let now = rustix::fs::fstat(fd)?;
    let was = old.map(|o| &o.stat);
    let keep = was.filter(|s| meta(s).sort == Sort::File);
    let rights = Rights {
        uid: put.rights.uid.or_else(|| was.map(|s| s.st_uid)),
        gid: put.rights.gid.or_else(|| was.map(|s| s.st_gid)),
        mode: put.rights.mode.or_else(|| Some(keep.map_or(DEFAULT_FILE_MODE, |s| s.st_mode & 0o7777))),
    };
    set(fd, &now, rights)?;
    rustix::fs::fstat(fd)
}

fn taken(path: &str, errno: Errno) -> OsError {
    match errno {
        Errno::EXIST => OsError::Moved(path.to_owned()),
        _ => OsError::errno(format!("creating `{path}`"), errno),
    }
}

fn cannot_replace(path: &str, errno: Errno, old: &Old) -> OsError {
    match errno {
        Errno::BUSY => refused(path, "something is mounted there; `in_place = true` writes into it"),
        Errno::PERM => {
            let fixed = rustix::fs::IFlags::IMMUTABLE | rustix::fs::IFlags::APPEND;
            let flags = old.fd.as_ref().and_then(|fd| rustix::fs::ioctl_getflags(fd).ok());
            match flags {
                Some(flags) if flags.intersects(fixed) => {
                    refused(path, "it is marked immutable or append-only (see `lsattr`)")
                }
                _ => OsError::errno(format!("replacing `{path}`"), errno),
            }
        }
        _ => OsError::errno(format!("replacing `{path}`"), errno),
    }
}

impl Real {
    fn write(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        let place = place::find(path, put.follow, put.rights.uid)?;
        if put.expect == Expect::Nothing {
            return self.create(&place, path, put);
        }
        let Some(old) = old(&place, path, put.expect)? else { return self.create(&place, path, put) };
        let found = meta(&old.stat);
        match found.sort {
            Sort::Directory => Err(refused(path, "it is a directory")),
            Sort::Other => Err(refused(path, "it is a device, a socket or a pipe")),
            Sort::File if put.in_place => self.overwrite(&place, path, put, &old),
            Sort::File if found.links > 1 => {
                Err(refused(path, "it has several names (hard links); `in_place = true` writes into it"))
            }
            Sort::File | Sort::Link => self.replace(&place, path, put, &old),
        }
    }
}

impl Touch for Real {
    fn put(&self, path: &str, put: &Put<'_>) -> Result<Meta, OsError> {
        let done = self.write(path, put);
        if matches!(path, "/etc/passwd" | "/etc/group") {
            self.names.forget();
        }
        done
    }

    fn mkdir(&self, path: &str, rights: Rights) -> Result<Meta, OsError> {
        let failed = |errno| OsError::errno(format!("creating `{path}`"), errno);
        let place = place::find(path, false, rights.uid)?;
        let bits = rights.mode.unwrap_or(DEFAULT_DIRECTORY_MODE);
        rustix::fs::mkdirat(&place.dir, &place.name, mode(bits & 0o700)).map_err(|e| taken(path, e))?;
        let finish = || {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty()) {
                Err(Errno::ACCESS) if bits & 0o400 == 0 => {
                    // Our own new directory that nobody may read: give ourselves the right for this moment.
                    rustix::fs::chmodat(&place.dir, &place.name, mode(0o700), AtFlags::empty())?;
                    rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty())?
                }
                other => other?,
            };
            let now = rustix::fs::fstat(&fd)?;
            if now.st_uid != self.identity.0 {
                return Ok(None);
            }
            // Without a wish it keeps the bit that makes groups hereditary, as mkdir(1) does.
            let bits = if rights.mode.is_some() { bits } else { bits | (now.st_mode & 0o2000) };
            set(&fd, &now, Rights { mode: Some(bits), ..rights })?;
            rustix::fs::fstat(&fd).map(Some)
        };
        match finish() {
            Ok(Some(stat)) => {
                self.note(path);
                Ok(meta(&stat))
            }
            Ok(None) => Err(OsError::Moved(path.to_owned())),
            Err(errno) => {
                let _ = rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::REMOVEDIR);
                Err(failed(errno))
            }
        }
    }

    fn link(&self, path: &str, target: &str, rights: Rights, expect: Expect) -> Result<Meta, OsError> {
        let failed = |errno| OsError::errno(format!("linking `{path}`"), errno);
        let place = place::find(path, false, rights.uid)?;
        let there = place.stat().map_err(failed)?;
        expected(path, expect, there.as_ref())?;
        let own = |name: &OsStr| {
            let (uid, gid) = (rights.uid, rights.gid);
            if uid.is_some() || gid.is_some() {
                let (uid, gid) = (uid.map(rustix::fs::Uid::from_raw), gid.map(rustix::fs::Gid::from_raw));
                rustix::fs::chownat(&place.dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            rustix::fs::statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW)
        };
        let name = litter::name().map_err(failed)?;
        rustix::fs::symlinkat(target, &place.dir, name.as_str()).map_err(failed)?;
        let mut temporary = Temporary { place: &place, name, armed: true };
        let stat = own(OsStr::new(&temporary.name)).map_err(failed)?;
        let flags = if there.is_some() { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let (dir, from) = (&place.dir, temporary.name.as_str());
        rustix::fs::renameat_with(dir, from, dir, &place.name, flags).map_err(|e| taken(path, e))?;
        temporary.armed = false;
        self.note(path);
        Ok(meta(&stat))
    }

    fn rights(&self, path: &str, rights: Rights, expect: Expect, follow: bool) -> Result<Meta, OsError> {
        use std::os::fd::AsRawFd;
        let failed = |errno| OsError::errno(format!("setting the rights of `{path}`"), errno);
        let place = place::find(path, follow, rights.uid)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&place.dir, &place.name, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&fd).map_err(failed)?;
        expected(path, expect, Some(&stat))?;
        let found = meta(&stat);
        if found.sort == Sort::File && found.links > 1 {
            return Err(refused(path, "it has several names (hard links), whose rights would change, too"));
        }
        let chmod = |bits: u32| rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_raw_fd()), mode(bits));
        let uid = rights.uid.filter(|uid| *uid != found.uid);
        let gid = rights.gid.filter(|gid| *gid != found.gid);
        let mode = rights.mode.filter(|_| found.sort != Sort::Link);
        if uid.is_some() || gid.is_some() {
            // Nobody may have more than before and more than wished, not even for a moment.
            let narrow = mode.map(|bits| bits & found.mode).filter(|bits| *bits != found.mode);
            if let Some(bits) = narrow {
                chmod(bits).map_err(failed)?;
            }
            let (uid, gid) = (uid.map(rustix::fs::Uid::from_raw), gid.map(rustix::fs::Gid::from_raw));
            rustix::fs::chownat(&fd, "", uid, gid, AtFlags::EMPTY_PATH).map_err(failed)?;
        }
        if found.sort != Sort::Link {
            let now = rustix::fs::fstat(&fd).map_err(failed)?;
            let wanted = mode.unwrap_or(found.mode);
            if now.st_mode & 0o7777 != wanted {
                chmod(wanted).map_err(failed)?;
            }
        }
        self.note(path);
        Ok(meta(&rustix::fs::fstat(&fd).map_err(failed)?))
    }

    fn remove(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        let failed = |errno| OsError::errno(format!("removing `{path}`"), errno);
        let place = match place::find(path, false, None) {
            Err(error) if error.is(Errno::NOENT) && expect != Expect::Nothing => return Ok(()),
            other => other?,
        };
        let Some(stat) = place.stat().map_err(failed)? else { return Ok(()) };
        expected(path, expect, Some(&stat))?;
        let flags = match meta(&stat).sort {
            Sort::Directory => AtFlags::REMOVEDIR,
            _ => AtFlags::empty(),
        };
        rustix::fs::unlinkat(&place.dir, &place.name, flags).map_err(failed)?;
        self.note(path);
        Ok(())
    }

    fn remove_tree(&self, path: &str, expect: Expect) -> Result<(), OsError> {
        let failed = |errno| OsError::errno(format!("removing `{path}`"), errno);
        let place = match place::find(path, false, None) {
            Err(error) if error.is(Errno::NOENT) => return Ok(()),
            other => other?,
        };
        let Some(stat) = place.stat().map_err(failed)? else { return Ok(()) };
        expected(path, expect, Some(&stat))?;
        if meta(&stat).sort == Sort::Directory {
            clear(&place.dir, &place.name, stat.st_dev, 0, path)?;
        } else {
            rustix::fs::unlinkat(&place.dir, &place.name, AtFlags::empty()).map_err(failed)?;
        }
        self.note(path);
        Ok(())
    }

    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
        let output = command::run(command, watch);
        self.names.forget();
        output
    }

    fn lock(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        lock(path).map(|fd| Box::new(fd) as Box<dyn Send>)
    }

    fn lock_beside(&self, path: &str) -> Result<Box<dyn Send>, OsError> {
        lock_beside(path).map(|fd| Box::new(fd) as Box<dyn Send>)
    }

    fn tidy(&self, path: &str) {
        if let Ok(place) = place::find(path, false, None) {
            litter::sweep(&place);
        }
    }

    fn settle(&self) -> Result<(), OsError> {
        let dirty = std::mem::take(&mut *self.dirty.lock().unwrap_or_else(PoisonError::into_inner));
        for path in dirty {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = match rustix::fs::openat(CWD, path.as_str(), flags, Mode::empty()) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(errno) => return Err(OsError::errno(format!("making `{path}` durable"), errno)),
            };
            match rustix::fs::fsync(&fd) {
                Ok(()) | Err(Errno::INVAL | Errno::ROFS) => {}
                Err(errno) => return Err(OsError::errno(format!("making `{path}` durable"), errno)),
            }
        }
        Ok(())
    }
}

/// How long to wait for somebody who holds a lock, as lckpwdf(3) does.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(15);

/// Takes a lock on a file that other programs lock with fcntl(2). It belongs to the descriptor and not to the process, so
/// that closing another one of the same file does not give it up.
fn lock(path: &str) -> Result<OwnedFd, OsError> {
    use std::os::fd::AsRawFd;
    let failed = |errno| OsError::errno(format!("locking `{path}`"), errno);
    let place = place::find(path, false, None)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&place.dir, &place.name, flags, mode(0o600)).map_err(failed)?;
    #[expect(clippy::cast_possible_truncation, reason = "both constants are 0 or 1")]
    let (write, set) = (libc::F_WRLCK as libc::c_short, libc::SEEK_SET as libc::c_short);
    // SAFETY: a zeroed `flock` is a valid one: a lock on all of the file.
    let mut wanted: libc::flock = unsafe { std::mem::zeroed() };
    wanted.l_type = write;
    wanted.l_whence = set;
    let end = std::time::Instant::now() + LOCK_WAIT;
    loop {
        // SAFETY: the descriptor is open and `wanted` outlives the call.
        if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const wanted) } == 0 {
            return Ok(fd);
        }
        let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO);
        match errno {
            Errno::AGAIN | Errno::ACCESS if std::time::Instant::now() < end => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Errno::AGAIN | Errno::ACCESS => {
                let why = "another program has held it for 15 seconds";
                return Err(OsError::failed(format!("locking `{path}`"), why));
            }
            Errno::INTR => {}
            errno => return Err(failed(errno)),
        }
    }
}

/// Takes a lock on the directory of a file. It leaves nothing behind, and only who may open the directory can hold it.
fn lock_beside(path: &str) -> Result<OwnedFd, OsError> {
    let failed = |errno| OsError::errno(format!("locking the directory of `{path}`"), errno);
    let place = place::find(path, true, None)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&place.dir, ".", flags, Mode::empty()).map_err(failed)?;
    let end = std::time::Instant::now() + LOCK_WAIT;
    loop {
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(fd),
            Err(Errno::WOULDBLOCK) if std::time::Instant::now() < end => {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(Errno::WOULDBLOCK) => {
                let why = "another program has held it for 15 seconds";
                return Err(OsError::failed(format!("locking the directory of `{path}`"), why));
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
}

/// Removes the directory `name` in `dir` with everything in it that is on device `dev`.
fn clear(dir: &OwnedFd, name: &OsStr, dev: u64, depth: usize, path: &str) -> Result<(), OsError> {
    let failed = |errno| OsError::errno(format!("removing `{path}`"), errno);
    if depth > DEEPEST {
        return Err(OsError::refused(format!("removing `{path}`"), "it is nested too deeply"));
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty()).map_err(failed)?;
    if rustix::fs::fstat(&fd).map_err(failed)?.st_dev != dev {
        let name = name.to_string_lossy();
        return Err(OsError::refused(
            format!("removing `{path}`"),
            format!("`{name}` in it is a mount point"),
        ));
    }
    for name in names(&fd).map_err(failed)? {
        match rustix::fs::unlinkat(&fd, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) => clear(&fd, &name, dev, depth + 1, path)?,
            Err(errno) => return Err(failed(errno)),
        }
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).map_err(failed)
}
