//! A hermetic place to run the program in: own home, own database, own temp directory, no inherited variables.
//!
//! What comes back is one text with standard output, standard error and exit status, in which everything that differs
//! from run to run is replaced by a mark of the same width, so that tables stay tables.

#![expect(clippy::disallowed_methods, reason = "tests prepare files directly")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::postgres::Cluster;

/// A place to run the program in. Everything in it is gone when it is dropped.
#[derive(Debug)]
pub struct TestEnv {
    dir: TempDir,
    program: PathBuf,
    /// The server that keeps the state, if that is not in the file, and the URL.
    server: Option<(&'static Cluster, String)>,
    variables: Vec<(String, String)>,
    story: std::cell::RefCell<String>,
}

/// What one command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status; 128 + signal number when it was killed.
    pub code: i32,
}

impl TestEnv {
    /// A place for the program at `program`.
    ///
    /// # Panics
    /// There is no room for it.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        // Not where `TMPDIR` says: tables are as wide as the paths in them.
        let dir = tempfile::Builder::new()
            .prefix("sloth-test.")
            .tempdir_in("/tmp")
            .unwrap_or_else(|e| panic!("no temp directory: {e}"));
        for name in ["home", "tmp", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        Self {
            dir,
            program: program.into(),
            server: None,
            variables: Vec::new(),
            story: std::cell::RefCell::default(),
        }
    }
    /// Sets a variable for the commands that follow.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }
    /// Keeps the state on a server, in a schema of its own.
    pub fn keep_on(&mut self, server: &'static Cluster) {
        self.server = Some((server, server.url()));
    }
    /// What keeps the state, as the program calls it.
    #[must_use]
    pub const fn backend(&self) -> &'static str {
        if self.server.is_some() { "postgresql" } else { "sqlite" }
    }
    /// Changes the database as somebody would who wants to hide something. Says whether there was a tool to do it with.
    ///
    /// # Panics
    /// The statement is refused.
    #[must_use]
    pub fn tamper(&self, sql: &str) -> bool {
        if let Some((server, url)) = &self.server {
            let schema = url.rsplit_once("schema=").map_or("", |(_, name)| name);
            server.psql(&format!("SET search_path = {schema}; {sql}"));
            return true;
        }
        let Ok(done) = Command::new("sqlite3").arg(self.db()).arg(sql).output() else {
            println!("skipped: sqlite3 is not there");
            return false;
        };
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        true
    }
    /// Where the state is kept, as it would be typed.
    #[must_use]
    pub fn kept_at(&self) -> String {
        self.server.as_ref().map_or_else(|| self.db().display().to_string(), |(_, url)| url.clone())
    }
    /// The home directory.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }
    /// The working directory of commands.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }
    /// The database.
    #[must_use]
    pub fn db(&self) -> PathBuf {
        self.dir.path().join("home/state.db")
    }
    /// A path in the working directory.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work().join(name)
    }
    /// Writes a file in the working directory, with the directories it needs.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
        }
        fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }
    /// Reads a file in the working directory.
    ///
    /// # Panics
    /// It cannot be read.
    #[must_use]
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
    /// The program with a cleared environment, ready for arguments; for tests that need the process itself.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("TMPDIR", self.dir.path().join("tmp"))
            .env("PATH", "/usr/bin:/bin")
            .env("TZ", "UTC")
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("COLUMNS", "100")
            .env("SLOTH_RUNNER_DB", self.kept_at())
            .env("SLOTH_RUNNER_DATA_DIR", self.home())
            .envs(self.variables.iter().map(|(k, v)| (k, v)))
            .current_dir(self.work())
            .stdin(Stdio::null())
            .args(["--as", "tester"]);
        command
    }
    /// Runs the program without a terminal.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        let output = self.command().args(arguments).output();
        Ran::from(output.unwrap_or_else(|e| panic!("could not start {}: {e}", self.program.display())))
    }
    /// Runs the program and insists on its exit code.
    ///
    /// # Panics
    /// It ended differently.
    pub fn expect<S: AsRef<OsStr>>(&self, code: i32, arguments: &[S]) -> Ran {
        let ran = self.run(arguments);
        let shown: Vec<String> =
            arguments.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
        assert_eq!(ran.code, code, "sloth-runner {}\n{}", shown.join(" "), ran.text());
        ran
    }
    /// One command as a person saw it: the line typed, both outputs, the exit status, everything variable redacted.
    #[must_use]
    pub fn transcript<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let typed: Vec<String> =
            arguments.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect();
        let text =
            format!("$ sloth-runner {}\n{}", typed.join(" ").escape_debug(), self.run(arguments).text());
        self.redact(&text)
    }
    /// Runs one command and adds its transcript to the story.
    pub fn tell<S: AsRef<OsStr>>(&self, arguments: &[S]) {
        let transcript = self.transcript(arguments);
        let mut story = self.story.borrow_mut();
        if !story.is_empty() {
            story.push('\n');
        }
        story.push_str(&transcript);
    }
    /// Everything told so far, for a snapshot.
    #[must_use]
    pub fn story(&self) -> String {
        self.story.borrow().clone()
    }
    /// Replaces what differs from run to run: directories, ids, times, durations, digests, host and user.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let real = fs::canonicalize(self.dir.path()).unwrap_or_else(|_| self.dir.path().to_owned());
        for dir in [self.dir.path(), real.as_path()] {
            let dir = dir.to_string_lossy();
            text = text.replace(&*dir, &format!("[DIR{:.<1$}]", "", dir.len() - 5));
        }
        let lines = text.split('\n').map(|line| match line.split_once("Host:") {
            Some((before, _)) if before.trim().is_empty() => format!("{before}Host: [HOST]"),
            _ => line.to_owned(),
        });
        redact_words(&lines.collect::<Vec<_>>().join("\n"))
    }
    /// Names, modes and contents below a directory, sorted; times are left out.
    ///
    /// # Panics
    /// Something cannot be read.
    #[must_use]
    pub fn inventory(&self, root: impl AsRef<Path>) -> String {
        let mut lines = Vec::new();
        list(root.as_ref(), root.as_ref(), &mut lines);
        lines.sort();
        lines.concat()
    }
}

fn list(root: &Path, at: &Path, lines: &mut Vec<String>) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(meta) = fs::symlink_metadata(at) else { return };
    let name = at.strip_prefix(root).unwrap_or(at).display();
    let mode = meta.permissions().mode() & 0o7777;
    if meta.is_symlink() {
        let to = fs::read_link(at).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        lines.push(format!("{name} -> {}\n", to.display()));
    } else if meta.is_dir() {
        lines.push(format!("{name}/ {mode:04o}\n"));
        let entries = fs::read_dir(at).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        for entry in entries.flatten() {
            list(root, &entry.path(), lines);
        }
    } else {
        let bytes = fs::read(at).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
        lines.push(format!("{name} {mode:04o} {}\n", sloth_core::digest::Digest::of(&bytes).short()));
    }
}

impl Ran {
    /// Everything in one text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, part) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !part.is_empty() {
                let end = if part.ends_with('\n') { "" } else { "\n" };
                let _ = write!(text, "[{name}]\n{part}{end}");
            }
        }
        let _ = writeln!(text, "[exit {}]", self.code);
        text
    }
    /// Does either output hold this?
    #[must_use]
    pub fn says(&self, what: &str) -> bool {
        self.stdout.contains(what) || self.stderr.contains(what)
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().or_else(|| output.status.signal().map(|s| 128 + s));
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: code.unwrap_or(-1),
        }
    }
}

/// Replaces ids, digests and times by marks of the same width, and durations by one of four characters.
#[must_use]
pub fn redact_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let boundary = !before.is_alphanumeric();
        match MARKS.iter().find_map(|mark| if boundary { mark(rest) } else { None }) {
            Some((length, '#')) => {
                // As wide as its column, whatever it was.
                let blanks = rest[length..].bytes().take_while(|b| *b == b' ').count();
                out.push_str("####");
                if blanks > 1 {
                    out.push_str(&" ".repeat((length + blanks).saturating_sub(4)));
                    rest = &rest[length + blanks..];
                } else {
                    rest = &rest[length..];
                }
                before = '#';
            }
            Some((length, fill)) => {
                // Fractions of a second have as many digits as they need.
                let shown = if fill == 't' { length.min("2026-11-20T14:30:00Z".len()) } else { length };
                out.push_str(&fill.to_string().repeat(shown));
                rest = &rest[length..];
                before = fill;
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                before = first;
            }
        }
    }
    out
}

/// The same text with every time in it at `time`, in the shape and precision it had.
#[must_use]
pub fn at_time(text: &str, at: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        match time(rest).filter(|_| !before.is_alphanumeric()) {
            Some((length, _)) => {
                let digits = at.bytes().chain(std::iter::repeat(b'0'));
                let same = rest[..length].bytes().zip(digits);
                out.extend(same.map(|(was, b)| char::from(if was.is_ascii_digit() { b } else { was })));
                (before, rest) = ('0', &rest[length..]);
            }
            None => {
                out.push(first);
                (before, rest) = (first, &rest[first.len_utf8()..]);
            }
        }
    }
    out
}

type Mark = fn(&str) -> Option<(usize, char)>;

/// Each says how long the thing at the beginning of a text is, and what to put there.
const MARKS: [Mark; 4] = [uuid, digest, time, duration];

fn shape(text: &str, pattern: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let fits = pattern.bytes().enumerate().all(|(at, want)| {
        bytes.get(at).is_some_and(|&b| match want {
            b'x' => b.is_ascii_hexdigit(),
            b'0' => b.is_ascii_digit(),
            other => b == other,
        })
    });
    let ends = bytes.get(pattern.len()).is_none_or(|b| !b.is_ascii_alphanumeric());
    (fits && ends).then_some(pattern.len())
}

fn uuid(text: &str) -> Option<(usize, char)> {
    shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx").map(|n| (n, 'u'))
}

fn digest(text: &str) -> Option<(usize, char)> {
    let length = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let whole = text.as_bytes().get(length).is_none_or(|b| !b.is_ascii_alphanumeric());
    (whole && matches!(length, 12 | 64) && !text[..length].bytes().all(|b| b.is_ascii_digit()))
        .then_some((length, 'd'))
}

fn time(text: &str) -> Option<(usize, char)> {
    let date = shape_prefix(text, "0000-00-00")?;
    let clock =
        ["T00:00:00", " 00:00:00", " 00:00"].iter().find_map(|p| shape_prefix(&text[date..], p)).unwrap_or(0);
    let mut length = date + clock;
    if let Some(fraction) = text[length..].strip_prefix('.') {
        length += 1 + fraction.bytes().take_while(u8::is_ascii_digit).count();
    }
    if text[length..].starts_with('Z') {
        length += 1;
    }
    Some((length, 't'))
}

fn shape_prefix(text: &str, pattern: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let fits = pattern.bytes().enumerate().all(|(at, want)| {
        bytes.get(at).is_some_and(|&b| if want == b'0' { b.is_ascii_digit() } else { b == want })
    });
    fits.then_some(pattern.len())
}

/// `71ms`, `2.4s`, `2m30s`, `<1ms`.
fn duration(text: &str) -> Option<(usize, char)> {
    let start = usize::from(text.starts_with('<'));
    let body = &text[start..];
    let length =
        body.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'm' | b's' | b'h')).count();
    let word = &body[..length];
    let timed = word.ends_with('s')
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().filter(|b| *b == b's').count() == 1;
    let whole = body.as_bytes().get(length).is_none_or(|b| !b.is_ascii_alphanumeric());
    (timed && whole && word != "0s").then_some((start + length, '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_marked_and_what_does_not_stays() {
        let text = "id 0192f0c1-7a3b-7c44-8d55-0123456789ab at 2026-11-20 14:30:00 (2026-11-20T14:30:00.123Z) took 71ms, v12";
        let marked = redact_words(text);
        assert!(marked.starts_with("id uuuuuuuu") && marked.ends_with("took ####, v12"), "{marked}");
        let (short, long) = ("at 2026-11-20T14:30:00Z", "at 2026-11-20T14:30:00.123456789Z");
        assert_eq!(redact_words(short), redact_words(long));
        assert_eq!(redact_words("0s 3 files, 1.5 GiB"), "0s 3 files, 1.5 GiB");
    }
}
