//! The files of a store: where they may be, how they are made, and how one replaces another.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use sloth_core::store::StoreError;

use crate::failure::{Failure, Outcome};
use crate::process;

/// What a filesystem is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// A database may live here.
    Fine,
    /// It may, but locks and flushes are as good as the program behind it.
    Doubtful(&'static str),
    /// It may not: the database needs memory shared by all its users, which exists within one host only.
    Network(&'static str),
}

/// Judges a filesystem by the type number `statfs` gives.
#[must_use]
pub fn file_system_verdict(kind: u64) -> FileSystem {
    match kind & 0xFFFF_FFFF {
        0x6969 => FileSystem::Network("NFS"),
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => FileSystem::Network("SMB"),
        0x0102_1997 => FileSystem::Network("9p"),
        0x00C3_6400 => FileSystem::Network("Ceph"),
        0x0BD0_0BD0 => FileSystem::Network("Lustre"),
        0x5346_414F => FileSystem::Network("AFS"),
        0x6573_5546 => FileSystem::Doubtful("FUSE"),
        _ => FileSystem::Fine,
    }
}

/// What went wrong at which path.
pub fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let what = format!("{what} `{}`", path.display());
    move |error| Failure::File(what, error)
}

/// The filesystem of a directory or file.
pub fn file_system_of(path: &Path) -> io::Result<FileSystem> {
    #[cfg(target_os = "linux")]
    {
        let stat = rustix::fs::statfs(path)?;
        #[expect(clippy::cast_sign_loss, reason = "the type number is a bit pattern")]
        #[expect(clippy::allow_attributes, reason = "the field's type differs between targets")]
        #[allow(clippy::unnecessary_cast, reason = "the field's type differs between targets")]
        Ok(file_system_verdict(stat.f_type as u64))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        Ok(FileSystem::Fine)
    }
}

/// The real path of a database: its directory resolved, its own name untouched.
pub fn real_path(path: &Path) -> Outcome<PathBuf> {
    let name = path.file_name().ok_or_else(|| refused(path, "the path does not end in a file name"))?;
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    match parent.canonicalize() {
        Ok(parent) => Ok(parent.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(failed("could not open the directory", parent)(error)),
    }
}

fn refused(path: &Path, why: &str) -> Failure {
    StoreError::Refused { location: path.display().to_string(), why: why.to_owned() }.into()
}

/// What is at the path of a database.
pub enum Found {
    /// Nothing.
    Nothing,
    /// An empty file.
    Empty,
    /// Something with content.
    Content,
}

/// Looks at a database file without opening it and refuses what cannot be trusted.
pub fn look(path: &Path) -> Outcome<Found> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed("could not look at", path)(error)),
    };
    if meta.file_type().is_symlink() {
        return Err(refused(
            path,
            "it is a symbolic link, and the files beside it would be made in two places; give the real path",
        ));
    }
    if !meta.is_file() {
        return Err(refused(path, "it is not a regular file"));
    }
    if meta.nlink() > 1 {
        return Err(refused(
            path,
            "it has several hard links, and the files beside it would be made once for each name; remove the others",
        ));
    }
    refuse_network(path)?;
    Ok(if meta.len() == 0 { Found::Empty } else { Found::Content })
}

fn refuse_network(path: &Path) -> Outcome<()> {
    match file_system_of(path) {
        Ok(FileSystem::Network(name)) => Err(refused(
            path,
            &format!(
                "it is on {name}, where two hosts would not see each other's locks; keep it on a local filesystem"
            ),
        )),
        _ => Ok(()),
    }
}

/// Makes the directory of a database, 0700, and an empty file, 0600. Returns the real path.
pub fn create(path: &Path) -> Outcome<PathBuf> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_private_dirs(parent)?;
    }
    let path = real_path(path)?;
    if let Some(parent) = path.parent() {
        refuse_network(parent)?;
    }
    match private().create_new(true).open(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("could not create", &path)(error)),
    }
    Ok(path)
}

/// Makes a directory and its missing parents, all 0700.
pub fn make_private_dirs(path: &Path) -> Outcome<()> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(rustix::io::Errno::NOENT) => {
            if let Some(parent) = path.parent() {
                make_private_dirs(parent)?;
            }
            match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
                Err(error) => Err(failed("could not create the directory", path)(error.into())),
            }
        }
        Err(error) => Err(failed("could not create the directory", path)(error.into())),
    }
}

/// Options for files that only their owner may read.
pub fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(nofollow());
    options
}

fn nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

/// Opens a file beside the database.
pub fn open_private(path: &Path, create: bool) -> io::Result<File> {
    private().create(create).open(path)
}

/// `<path><suffix>`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Permission bits of a file or directory.
pub fn mode_of(path: &Path) -> Option<u32> {
    std::fs::symlink_metadata(path).ok().map(|m| m.permissions().mode() & 0o7777)
}

/// Length of a file.
pub fn size_of(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |m| m.len())
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What was left beside a file.
#[derive(Default)]
pub struct Left {
    /// A process that lives has something there.
    pub alive: bool,
    /// Something was removed.
    pub removed: bool,
}

/// Removes what processes left that were killed: `<path><prefix><pid>…`. Failing is harmless.
pub fn remove_left(path: &Path, prefix: &str) -> Left {
    let mut left = Left::default();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return left };
    let prefix = format!("{}{prefix}", name.to_string_lossy());
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|n| n.strip_prefix(&prefix));
        let pid = rest.and_then(|rest| rest.split('-').next()).and_then(|digits| digits.parse().ok());
        match pid {
            Some(pid) if process::is_gone(pid, 0) => {
                left.removed |= remove(&entry.path()).is_ok();
            }
            Some(_) => left.alive = true,
            None => {}
        }
    }
    left
}

/// Puts a finished file in a place where nothing is yet, and makes that durable.
pub fn install_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    File::open(from)?.sync_all()?;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some filesystems cannot look and rename in one step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if std::fs::symlink_metadata(to).is_err() => {
            rustix::fs::rename(from, to)?;
        }
        done => done?,
    }
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Makes the names in the directory of a file durable.
pub fn flush_directory(of: &Path) -> Outcome<()> {
    let Some(parent) = of.parent() else { return Ok(()) };
    let done = std::fs::File::open(parent).and_then(|dir| dir.sync_all());
    done.map_err(failed("could not flush the directory", parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_filesystems_are_told_from_local_ones() {
        assert_eq!(file_system_verdict(0x6969), FileSystem::Network("NFS"));
        assert_eq!(file_system_verdict(0xFF53_4D42), FileSystem::Network("SMB"));
        assert_eq!(file_system_verdict(0xFFFF_FFFF_FE53_4D42), FileSystem::Network("SMB"));
        assert_eq!(file_system_verdict(0x0102_1997), FileSystem::Network("9p"));
        assert_eq!(file_system_verdict(0x00C3_6400), FileSystem::Network("Ceph"));
        assert_eq!(file_system_verdict(0x6573_5546), FileSystem::Doubtful("FUSE"));
        assert_eq!(file_system_verdict(0xEF53), FileSystem::Fine);
    }
}
