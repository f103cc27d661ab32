//! A directory to work in, the binary, and an inventory that knows nothing of the binary.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use sloth_testkit::postgres::Cluster;

pub struct Bench {
    pub dir: tempfile::TempDir,
    /// Where the state is kept, if that is not a file in the directory.
    url: Option<String>,
}

/// What a path looks like to somebody who only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    Directory { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: PathBuf },
}

impl Bench {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), url: None }
    }
    /// Keeps the state in a schema of its own on a server.
    pub fn on(server: &Cluster) -> Self {
        Self { url: Some(server.url()), ..Self::new() }
    }
    /// Another place that uses the state of this one.
    pub fn beside(other: &Self) -> Self {
        Self { url: other.url.clone(), ..Self::new() }
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sloth-runner"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("SLOTH_RUNNER_DATA_DIR", self.path("data"))
            .env("TZ", "UTC")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .arg("--db")
            .arg(self.url.as_ref().map_or_else(|| self.path("state/stacks.db"), PathBuf::from))
            .args(args);
        command
    }
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
    /// Runs and insists on an exit code; gives standard output.
    pub fn expect(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let out = self.expect(0, args);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{args:?}: {e}\n{out}"))
    }
    /// Addresses of what a plan of this file would change; empty means nothing is left to do.
    pub fn left_to_do(&self, file: &str) -> Vec<String> {
        let plan = self.json(&["plan", "-f", file, "-o", "json"]);
        let steps = plan["steps"].as_array().unwrap_or_else(|| panic!("{plan}"));
        let open = steps.iter().filter(|s| s["step"] == "resource" && s["action"] != "noop");
        open.map(|s| format!("{} {}", s["action"], s["address"])).collect()
    }
    /// Runs of a stack that came to their end.
    pub fn completed_runs(&self, stack: &str) -> usize {
        let history = self.json(&["stack", "history", stack, "-n", "0", "-o", "json"]);
        let runs = history.as_array().unwrap();
        runs.iter().filter(|r| r["operation"] == "run" && r["status"] == "completed").count()
    }
    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

pub fn text(output: &Output) -> String {
    format!(
        "exit: {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Everything below a directory, by relative path.
pub fn inventory(root: &Path) -> BTreeMap<PathBuf, Thing> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            let thing = if meta.is_dir() {
                todo.push(path.clone());
                Thing::Directory { mode }
            } else if meta.file_type().is_symlink() {
                Thing::Link { target: std::fs::read_link(&path).unwrap() }
            } else {
                assert_eq!(meta.nlink(), 1, "{}", path.display());
                Thing::File { mode, content: std::fs::read(&path).unwrap() }
            };
            found.insert(path.strip_prefix(root).unwrap().to_path_buf(), thing);
        }
    }
    found
}

/// A number from the environment, for longer runs by command.
pub fn amount(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Numbers that look random and repeat with their seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}
