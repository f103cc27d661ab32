//! Every example is planned, applied twice, drifted, repaired, taken back and destroyed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sloth_testkit::env::TestEnv;

use crate::env;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap()
}

/// Examples with what they need, by path below `examples/`.
const ALL: [(&str, &[&str]); 9] = [
    ("five-hundred-files.sloth", &[]),
    ("quickstart/site.sloth", &[]),
    ("settings.sloth", &[]),
    ("ssh-access.sloth", &[]),
    ("stack-state/basic-locking.sloth", &[]),
    ("stack-state/dependency-management.sloth", &["db-stack"]),
    ("stack-state/drift-detection.sloth", &[]),
    ("stack-state/snapshot-restore.sloth", &[]),
    ("web-server.sloth", &[]),
];

#[test]
fn every_example_is_tested() {
    let mut found = Vec::new();
    find(&examples(), &mut found);
    found.sort();
    let listed: Vec<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}

fn find(dir: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(dir).unwrap().flatten().map(|e| e.path()) {
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|e| e == "sloth") {
            found.push(path.strip_prefix(examples()).unwrap().to_string_lossy().into_owned());
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in fs::read_dir(dir).unwrap().flatten().map(|e| e.path()) {
        match fs::symlink_metadata(&path).unwrap() {
            m if m.is_dir() => all.extend(files(&path)),
            m if m.is_file() => all.push(path),
            _ => {}
        }
    }
    all.sort();
    all
}

/// The whole life of one example.
fn live(name: &str, needs: &[&str]) {
    let env = env();
    let file = examples().join(name).to_string_lossy().into_owned();
    let root = env.path("root");
    let var = format!("root={}", root.display());
    for stack in needs {
        let other = format!("root={}", env.path(stack).display());
        env.expect(0, &["run", &file, "--stack", stack, "--var", &other, "--var", "part=database"]);
    }
    let go = |code: i32, verb: &str, more: &[&str]| {
        let ran = env.expect(
            code,
            &[&[verb, file.as_str(), "--stack", "s", "--var", var.as_str(), "-o", "json"], more].concat(),
        );
        let last = ran.stdout.lines().last().unwrap_or_default().to_owned();
        if verb == "run" { serde_json::from_str(&last).unwrap() } else { serde_json::Value::Null }
    };
    go(3, "plan", &["--detailed-exitcode"]);
    assert!(!root.exists(), "planning touched the machine");
    let first = go(0, "run", &[]);
    assert!(first["counts"]["created"].as_u64().unwrap() > 1, "{first}");
    let made = env.inventory(&root);
    let second = go(0, "run", &[]);
    for count in ["created", "updated", "deleted", "recorded"] {
        assert_eq!(second["counts"][count], 0, "{second}");
    }
    assert_eq!(env.inventory(&root), made);
    go(0, "plan", &["--detailed-exitcode"]);
    drift_and_fix(&env, &root, &made);
    rolled_back(&env, &root, &made);
    env.expect(0, &["stack", "destroy", "s", "--yes"]);
    assert!(!root.exists(), "left behind:\n{}", env.inventory(&root));
}

fn drift_and_fix(env: &TestEnv, root: &Path, made: &str) {
    env.expect(0, &["stack", "drift", "detect", "s"]);
    let files = files(root);
    let at = |n: usize| &files[n.min(files.len() - 1)];
    let mut bytes = fs::read(at(0)).unwrap();
    bytes.extend_from_slice(b"edited by hand\n");
    fs::write(at(0), bytes).unwrap();
    env.expect(3, &["stack", "drift", "detect", "s"]);
    env.expect(0, &["stack", "drift", "fix", "s", "--yes"]);
    assert_eq!(env.inventory(root), made, "after an edit");
    let managed = files.iter().find(|f| !f.ends_with("bin/serve")).unwrap();
    fs::set_permissions(managed, fs::Permissions::from_mode(0o604)).unwrap();
    env.expect(3, &["stack", "drift", "detect", "s"]);
    env.expect(0, &["stack", "drift", "fix", "s", "--yes"]);
    assert_eq!(env.inventory(root), made, "after a chmod");
    fs::remove_file(at(1)).unwrap();
    env.expect(3, &["stack", "drift", "detect", "s"]);
    env.expect(0, &["stack", "drift", "fix", "s", "--yes"]);
    assert_eq!(env.inventory(root), made, "after a deletion");
    env.expect(0, &["stack", "drift", "detect", "s"]);
}

/// Something else is recorded over the example, and the first version comes back.
fn rolled_back(env: &TestEnv, root: &Path, made: &str) {
    let page = env.write(
        "other.sloth",
        "task(\"t\", { run = function()\n  file.directory({ path = values.root, mode = \"0700\" })\n  \
         file.content({ path = values.root .. \"/other\", content = \"other\" })\nend })\n",
    );
    let var = format!("root={}", root.display());
    env.expect(0, &["run", &page.to_string_lossy(), "--stack", "s", "--prune", "--var", &var]);
    assert_ne!(env.inventory(root), made);
    env.expect(0, &["stack", "snapshot", "restore", "s", "v1", "--yes"]);
    // Going back repeats no commands; what they did shows as drift, and fixing repeats them.
    if env.expect(0, &["stack", "resources", "s", "--type", "exec", "-o", "json"]).stdout.trim() != "[]" {
        env.expect(0, &["stack", "drift", "fix", "s", "--yes"]);
    }
    assert_eq!(env.inventory(root), made, "after a rollback");
    env.expect(0, &["stack", "drift", "detect", "s"]);
}

macro_rules! lives {
    ($($name:ident: $at:literal;)*) => {
        $(#[test] fn $name() { live(ALL[$at].0, ALL[$at].1); })*
    };
}

lives! {
    five_hundred_files: 0;
    quickstart: 1;
    settings: 2;
    ssh_access: 3;
    basic_locking: 4;
    dependency_management: 5;
    drift_detection: 6;
    snapshot_restore: 7;
    web_server: 8;
}
