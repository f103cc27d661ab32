//! Which commit a workflow file is of: what makes it possible, later, to see the code behind an operation.
//!
//! The commit is read from files. Whether something differs from it is asked of `git`, when the file is in a repository
//! and the program is there. Nothing here fails a command: what cannot be found out is left open.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sloth_core::actor::GitState;

/// How long `git` may take to look at a work tree.
const PATIENCE: Duration = Duration::from_secs(1);
/// A file of git that is longer is none of those read here.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The root of the repository that holds a file, and its directory of metadata. A few `stat` calls.
#[must_use]
pub fn repository(file: &Path) -> Option<(PathBuf, PathBuf)> {
    let file = std::fs::canonicalize(file).ok()?;
    file.ancestors().skip(1).find_map(|dir| {
        let git = dir.join(".git");
        let kind = std::fs::metadata(&git).ok()?;
        if kind.is_dir() {
            return Some((dir.to_owned(), git));
        }
        // A second work tree and a submodule have a file that says where.
        let text = read(&git)?;
        let named = dir.join(text.strip_prefix("gitdir:")?.trim());
        Some((dir.to_owned(), named))
    })
}

/// What the repository of a file is at.
#[must_use]
pub fn state(file: &Path) -> Option<GitState> {
    let (root, git) = repository(file)?;
    let head = read(&git.join("HEAD"))?;
    let (branch, commit) = match head.trim().strip_prefix("ref:").map(str::trim) {
        Some(name) => (name.strip_prefix("refs/heads/").map(str::to_owned), resolve(&git, name)),
        None => (None, commit(head.trim())),
    };
    let dirty = commit.as_ref().and_then(|_| dirty(&root, file));
    Some(GitState { repository: root.to_string_lossy().into_owned(), branch, commit, dirty })
}

fn read(path: &Path) -> Option<String> {
    let length = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if length > LONGEST { None } else { std::fs::read_to_string(path).ok() }
}

fn commit(text: &str) -> Option<String> {
    let right = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    right.then(|| text.to_owned())
}

/// The commit of a branch: in a file of its own, or in the one that holds many. A second work tree has them elsewhere.
fn resolve(git: &Path, name: &str) -> Option<String> {
    if name.split('/').any(|part| part == ".." || part.is_empty()) {
        return None;
    }
    let common = read(&git.join("commondir")).map(|text| git.join(text.trim()));
    std::iter::once(git.to_owned()).chain(common).find_map(|dir| {
        let alone = read(&dir.join(name)).and_then(|text| commit(text.trim()));
        alone.or_else(|| {
            let packed = read(&dir.join("packed-refs"))?;
            packed.lines().find_map(|line| {
                let (id, named) = line.split_once(' ')?;
                if named == name { commit(id) } else { None }
            })
        })
    })
}

/// Does a tracked file differ from the commit, or is the workflow file itself not tracked?
fn dirty(root: &Path, file: &Path) -> Option<bool> {
    let file = std::fs::canonicalize(file).ok()?;
    match ask(root, &["status", "--porcelain", "--untracked-files=no"])? {
        (true, false) => Some(!ask(root, &["ls-files", "--", &file.to_string_lossy()])?.1),
        (true, true) => Some(true),
        (false, _) => None,
    }
}

/// Runs `git`. Whether it succeeded, and whether it said something.
fn ask(root: &Path, arguments: &[&str]) -> Option<(bool, bool)> {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(root)
        // A repository may name programs that git would start.
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
            "--no-optional-locks",
            "--literal-pathspecs",
        ])
        .args(arguments)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut first = [0];
        let read = stdout.read(&mut first);
        let _ = tell.send(read.map(|n| n > 0).ok());
    });
    let said = told.recv_timeout(PATIENCE).ok().flatten();
    if said != Some(false) {
        // One line is enough, and none after so long is no answer.
        let _ = child.kill();
    }
    let ended = child.wait().ok();
    let _ = reader.join();
    match said? {
        true => Some((true, true)),
        false => Some((ended?.success(), false)),
    }
}
