//! What the language needs of the controller outside of a scope: source files, variables, the clock.
//!
//! Changing methods are called only after the scope has given permission.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sloth_core::clock::Timestamp;

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// A directory?
    pub is_dir: bool,
    /// A regular file?
    pub is_file: bool,
    /// Bytes.
    pub size: u64,
    /// Last change, as nanoseconds since the epoch; 0 when unknown.
    pub modified: i64,
}

/// The controller as the language sees it.
pub trait HostLayer: Send + Sync {
    /// Reads a file.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Looks at a path, following links.
    ///
    /// # Errors
    /// As the system says.
    fn info(&self, path: &Path) -> io::Result<PathInfo>;
    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Writes a whole file.
    ///
    /// # Errors
    /// As the system says.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Adds to the end of a file.
    ///
    /// # Errors
    /// As the system says.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file or an empty directory.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a path and everything in it; nothing there is no error.
    ///
    /// # Errors
    /// As the system says.
    fn remove_all(&self, path: &Path) -> io::Result<()>;
    /// Renames.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a directory and its parents.
    ///
    /// # Errors
    /// As the system says.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// An environment variable.
    fn var(&self, name: &str) -> Option<String>;
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
    /// Where temporary files go.
    fn temp_dir(&self) -> PathBuf;
    /// A name for a temporary file that did not exist a moment ago.
    fn temp_name(&self) -> PathBuf;
    /// A line printed while a file is being loaded.
    fn say(&self, stream: &'static str, text: &str);
}

/// The real controller.
#[derive(Debug, Default)]
pub struct RealHost {
    counter: std::sync::atomic::AtomicU64,
}

impl RealHost {
    /// The real controller.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the host layer of the language; effects were permitted by the scope"
)]
impl HostLayer for RealHost {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
    fn info(&self, path: &Path) -> io::Result<PathInfo> {
        let meta = fs::metadata(path)?;
        let modified = meta
            .modified()
            .ok()
            .and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|d| i64::try_from(d.as_nanos()).ok())
            .unwrap_or(0);
        Ok(PathInfo { is_dir: meta.is_dir(), is_file: meta.is_file(), size: meta.len(), modified })
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) }
    }
    fn remove_all(&self, path: &Path) -> io::Result<()> {
        let done = match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(e) => Err(e),
        };
        match done {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
    fn temp_dir(&self) -> PathBuf {
        std::env::temp_dir()
    }
    fn temp_name(&self) -> PathBuf {
        let n = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let nanos = self.now().as_nanos();
        self.temp_dir().join(format!("sloth-{}-{nanos:x}-{n}", std::process::id()))
    }
    fn say(&self, _: &'static str, text: &str) {
        let mut err = io::stderr().lock();
        // Nobody to tell when the terminal is gone.
        let _ = writeln!(err, "{text}");
    }
}
