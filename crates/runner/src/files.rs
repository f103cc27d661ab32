//! The few files besides the database: ids of locks, saved plans, manual pages and pictures are written whole or not at all, and what a person
//! names is read with a limit.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::Out;

/// Longest text that is read: values, configuration and plans are far smaller.
const LONGEST: u64 = 256 << 20;

/// Reads a text file.
///
/// # Errors
/// The system's; `InvalidData` when it is not UTF-8, `FileTooLarge` when it is longer than 256 MiB.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 256 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8 text"))
    })
}

/// Reads a file that a person named to be taken in; `-` is standard input.
///
/// # Errors
/// It is not there, not text, too long, or cannot be read.
pub fn read_given(file: &Path) -> Result<String, CommandError> {
    let path = if file == Path::new("-") { Path::new("/dev/stdin") } else { file };
    read_text(path).map_err(|error| {
        let exit = match error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => Exit::Invalid,
            _ => Exit::Failed,
        };
        CommandError::new(exit, format!("could not read `{}`; nothing was changed", file.display()))
            .system(&error)
    })
}

/// When a file reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Before it gets its name.
    Now,
    /// When the system likes: it can be done without after a power cut.
    Later,
}

/// Writes a file only its owner may read, replacing what was there in one step. Missing directories are made, 0700.
///
/// # Errors
/// The system's. Nothing was replaced then.
pub fn write_private(path: &Path, content: &[u8], flush: Flush) -> io::Result<()> {
    write(path, content, flush, 0o700, 0o600)
}

/// The same for a file that everybody may read, as far as the umask allows.
///
/// # Errors
/// The system's. Nothing was replaced then.
pub fn write_shared(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, Flush::Now, 0o777, 0o666)
}

fn write(path: &Path, content: &[u8], flush: Flush, dir_mode: u32, mode: u32) -> io::Result<()> {
    // Replacing a device or a pipe would take it away from everybody.
    if let Ok(there) = std::fs::symlink_metadata(path)
        && !there.is_file()
    {
        return Err(io::Error::other("there is something that is not a regular file"));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(dir_mode).create(parent)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = parent.join(name);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    let written = file.write_all(content).and_then(|()| match flush {
        Flush::Now => file.sync_all(),
        Flush::Later => Ok(()),
    });
    let written = written.and_then(|()| rename(&temporary, path));
    if written.is_err() {
        let _ = remove(&temporary);
    }
    written
}

/// Makes a directory only its owner may enter, with its missing parents. One that is there stays as it is.
///
/// # Errors
/// The system's.
pub fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Gives a text to a file that only its owner may read, or to standard output when none is named. `what` is it.
///
/// # Errors
/// The file cannot be written.
pub fn give(out: &Out, file: Option<&Path>, text: &str, what: &str) -> Result<(), CommandError> {
    let Some(file) = file else {
        out.data(text);
        return Ok(());
    };
    write_private(file, text.as_bytes(), Flush::Now).map_err(|e| {
        CommandError::new(Exit::Failed, format!("could not write `{}`", file.display())).system(&e)
    })?;
    out.talk(&format!("{what} written to `{}`", file.display()));
    Ok(())
}

/// Removes a file; one that is not there is fine.
///
/// # Errors
/// The system's.
pub fn remove(path: &Path) -> io::Result<()> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    rustix::fs::rename(from, to).map_err(io::Error::from)
}
