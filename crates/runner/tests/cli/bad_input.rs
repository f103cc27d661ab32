//! Broken input of every kind. What is refused is refused quickly, with a message that names the thing and the next step,
//! with the documented exit code, and without a trace on the disk.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use sloth_core::digest::Digest;
use sloth_core::id::StackId;
use sloth_core::plan::{Plan, PlanSource};
use sloth_testkit::env::{Ran, TestEnv};

use crate::{env, ran_site, root, site};

const LIMIT: Duration = Duration::from_secs(10);

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/bad").join(name)
}

/// Files of a directory, by name.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|path| path.is_file());
    all.sort();
    all
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Runs the program; one that takes too long is ended, and so is the test.
fn in_time(env: &TestEnv, arguments: &[&str]) -> Ran {
    let mut command = env.command();
    let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(LIMIT) {
        Ok(output) => Ran::from(output.unwrap()),
        Err(_) => {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            panic!("sloth-runner {} took more than {LIMIT:?}", arguments.join(" "));
        }
    }
}

/// Everything below a directory: kinds, modes and contents. Nothing that could block is opened.
fn trace(dir: &Path) -> String {
    fn walk(root: &Path, at: &Path, lines: &mut Vec<String>) {
        let meta = fs::symlink_metadata(at).unwrap();
        let what = match meta.is_file() {
            true => Digest::of(&fs::read(at).unwrap_or_default()).hex(),
            false => String::new(),
        };
        let shown = at.strip_prefix(root).unwrap().display();
        // SQLite makes these when it looks at a database in this mode; they hold nothing.
        let empty = shown.to_string().ends_with("-wal") && meta.len() == 0;
        if empty || shown.to_string().ends_with("-shm") {
            return;
        }
        lines.push(format!("{shown} {:o} {} {what}\n", meta.mode(), meta.nlink()));
        if meta.is_dir() {
            for entry in fs::read_dir(at).unwrap() {
                walk(root, &entry.unwrap().path(), lines);
            }
        }
    }
    let mut lines = Vec::new();
    walk(dir, dir, &mut lines);
    lines.sort();
    lines.concat()
}

/// Both places the program could write to.
fn traces(env: &TestEnv) -> String {
    format!("{}\n{}", trace(&env.work()), trace(&env.home()))
}

/// Runs a command that has to be refused, and returns what it said.
fn refused(env: &TestEnv, case: &str, code: i32, arguments: &[&str]) -> Ran {
    // Whether a plan is stale is seen while holding the stack, and holding it is written down.
    let traces = |env: &TestEnv| if code == 6 { trace(&env.work()) } else { traces(env) };
    let before = traces(env);
    let ran = in_time(env, arguments);
    let shown = || format!("{case}: sloth-runner {}\n{}", arguments.join(" "), ran.text());
    assert_eq!(ran.code, code, "{}", shown());
    assert!(ran.stderr.starts_with("error: ") || ran.stderr.contains("\nerror: "), "{}", shown());
    assert!(!ran.says("panicked") && !ran.says("os error"), "{}", shown());
    assert_eq!(before, traces(env), "something was written: {}", shown());
    ran
}

/// What was said, for the snapshot of a group.
fn told(text: &mut String, env: &TestEnv, case: &str, ran: &Ran) {
    writeln!(text, "== {case}, exit {}\n{}", ran.code, env.redact(&ran.stderr)).unwrap();
}

/// The workflow files of the language's tests that fail when they run, not when they are read: checking finds nothing,
/// and planning fails where they fail.
fn fails_when_it_runs(snapshot: &str, stem: &str) -> bool {
    snapshot.contains(&format!("\n== {stem}\nat run time: "))
}

#[test]
fn workflow_files() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lua/tests/corpus/broken").canonicalize().unwrap();
    let known = fs::read_to_string(corpus.join("messages.snap")).unwrap();
    let mut all = files(&corpus);
    all.retain(|path| path.extension().is_some_and(|e| e == "sloth"));
    assert!(all.len() >= 60, "{} broken files", all.len());
    for path in all {
        let env = env();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let file = path.to_string_lossy().into_owned();
        // Two have no line: one is empty, the other fails after its last line.
        let place = match stem.as_str() {
            "no_tasks" => "no_tasks.sloth".to_owned(),
            "global_outputs_is_odd" => "`outputs`".to_owned(),
            _ => format!("{stem}.sloth:"),
        };
        if !fails_when_it_runs(&known, &stem) {
            for verb in ["check", "plan", "run"] {
                let ran = refused(&env, &stem, 5, &[verb, &file]);
                assert!(ran.says(&place), "{stem}: {}", ran.text());
                assert!(ran.stdout.is_empty(), "{stem}: {}", ran.text());
            }
            continue;
        }
        env.expect(0, &["check", &file]);
        let ran = in_time(&env, &["plan", &file]);
        if stem == "command_fails" {
            // Commands are not run while planning.
            assert_eq!(ran.code, 0, "{stem}: {}", ran.text());
            continue;
        }
        assert!(ran.code == 1 && ran.says("\nerror: the plan is not complete"), "{stem}: {}", ran.text());
        assert!(ran.says(&place) && !ran.says("panicked"), "{stem}: {}", ran.text());
        assert!(!ran.says("everything is as wished"), "{stem}: {}", ran.text());
    }
}

#[test]
fn workflow_files_that_are_no_text() {
    let env = env();
    fs::write(env.path("binary.sloth"), [0x7f, b'E', b'L', b'F', 0, 0xff, 0xfe]).unwrap();
    fs::write(env.path("bytecode.sloth"), [4, 1, 0, 0]).unwrap();
    fs::create_dir(env.path("directory.sloth")).unwrap();
    fs::write(env.path("deep.sloth"), format!("local x = {}", "{".repeat(200_000))).unwrap();
    fs::write(env.path("long.sloth"), format!("x = {}1", "1 + ".repeat(200_000))).unwrap();
    fs::write(env.path("loop.sloth"), "import('loop.sloth')").unwrap();
    for case in ["binary", "bytecode", "directory", "deep", "long", "loop"] {
        let file = format!("{case}.sloth");
        for verb in ["check", "plan"] {
            let ran = refused(&env, case, 5, &[verb, &file]);
            assert!(ran.says(&file), "{}", ran.text());
        }
    }
    let ran = refused(&env, "device", 5, &["check", "--file", "/dev/zero"]);
    assert!(ran.says("`/dev/zero` is a device"), "{}", ran.text());
    refused(&env, "missing", 7, &["check", "missing.sloth"]);
}

#[test]
fn values_files() {
    let env = site();
    let dir = env.path("values");
    fs::create_dir(&dir).unwrap();
    for path in files(&here("values")) {
        fs::copy(&path, dir.join(name(&path))).unwrap();
    }
    fs::write(dir.join("binary.yaml"), b"a: 1\nb: \xff\xfe\n").unwrap();
    fs::write(dir.join("control.yaml"), b"a: \x00\x01\n").unwrap();
    fs::write(dir.join("deep-flow.yaml"), format!("a: {}", "[".repeat(100_000))).unwrap();
    fs::write(dir.join("deep-json.json"), format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000)))
        .unwrap();
    let deep: String = (0..2_000).fold(String::new(), |mut text, n| {
        writeln!(text, "{}a:", " ".repeat(n)).unwrap();
        text
    });
    fs::write(dir.join("deep-block.yaml"), deep).unwrap();
    let mut said = String::new();
    let all = files(&dir);
    assert!(all.len() >= 20);
    for path in all {
        let case = name(&path);
        let file = format!("values/{case}");
        let first = refused(&env, &case, 5, &["check", "site.sloth", "--values", &file]);
        assert!(first.says(&file), "{}", first.text());
        for verb in ["plan", "run"] {
            assert_eq!(refused(&env, &case, 5, &[verb, "site.sloth", "-v", &file]).stderr, first.stderr);
        }
        assert!(first.stderr.len() < 2_000, "{case}: {}", first.stderr.len());
        told(&mut said, &env, &case, &first);
    }
    fs::create_dir(dir.join("directory")).unwrap();
    told(
        &mut said,
        &env,
        "directory",
        &refused(&env, "directory", 5, &["check", "site.sloth", "-v", "values/directory"]),
    );
    told(
        &mut said,
        &env,
        "missing",
        &refused(&env, "missing", 7, &["check", "site.sloth", "-v", "values/missing.yaml"]),
    );
    let endless = refused(&env, "endless", 5, &["check", "site.sloth", "-v", "/dev/zero"]);
    told(&mut said, &env, "endless", &endless);
    let secret = dir.join("unreadable.yaml");
    fs::write(&secret, "a: 1\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&secret).is_err() {
        let ran = refused(&env, "unreadable", 1, &["check", "site.sloth", "-v", "values/unreadable.yaml"]);
        assert!(ran.says("permission denied"), "{}", ran.text());
    } else {
        println!("skipped: this user may read everything");
    }
    insta::assert_snapshot!(said);
}

#[test]
fn configuration_files() {
    let env = site();
    let dir = env.path("config");
    fs::create_dir(&dir).unwrap();
    for path in files(&here("config")) {
        fs::copy(&path, dir.join(name(&path))).unwrap();
    }
    fs::write(dir.join("binary.yaml"), b"\xff\xfe\x00").unwrap();
    let mut said = String::new();
    for path in files(&dir) {
        let case = name(&path);
        let file = format!("config/{case}");
        let first = refused(&env, &case, 5, &["--config", &file, "state", "set", "k", "1"]);
        assert!(first.says(&file), "{}", first.text());
        for verb in ["plan", "run"] {
            let ran = refused(&env, &case, 5, &["--config", &file, verb, "site.sloth", "--var", &root(&env)]);
            assert_eq!(ran.stderr, first.stderr);
        }
        told(&mut said, &env, &case, &first);
    }
    refused(&env, "directory", 5, &["--config", "config", "run", "site.sloth"]);
    refused(&env, "missing", 7, &["--config", "missing.yaml", "run", "site.sloth"]);
    insta::assert_snapshot!(said);
}

/// A way to break a plan: name, exit code, and what to do with the text.
type Break = (&'static str, i32, fn(&str) -> Vec<u8>);

fn resealed(text: &str, change: impl FnOnce(&mut Plan)) -> Vec<u8> {
    let mut plan = Plan::from_text(text).unwrap();
    change(&mut plan);
    plan.sealed().to_text().into_bytes()
}

fn digest_of(text: &str) -> String {
    Plan::from_text(text).unwrap().digest.hex()
}

const PLANS: &[Break] = &[
    ("empty", 5, |_| Vec::new()),
    ("blank", 5, |_| b" \n\n".to_vec()),
    ("first-byte", 5, |t| t.as_bytes()[..1].to_vec()),
    ("half", 5, |t| t.as_bytes()[..t.len() / 2].to_vec()),
    ("last-brace-gone", 5, |t| t.trim_end().trim_end_matches('}').as_bytes().to_vec()),
    ("text", 5, |_| b"this is not a plan\n".to_vec()),
    ("yaml", 5, |_| b"format: sloth-runner-plan/1\nsteps: []\n".to_vec()),
    ("binary", 5, |_| b"\x00\xff\xfe\x01".to_vec()),
    ("list", 5, |_| b"[1, 2, 3]".to_vec()),
    ("null", 5, |_| b"null".to_vec()),
    ("no-format", 5, |t| t.replacen("\"format\"", "\"formt\"", 1).into_bytes()),
    ("other-format", 5, |t| t.replacen("sloth-runner-plan/1", "sloth-runner-plan/2", 1).into_bytes()),
    ("foreign-json", 5, |_| br#"{"format": "sloth-runner-plan/1", "resource_changes": []}"#.to_vec()),
    ("twice", 5, |t| format!("{t}{t}").into_bytes()),
    ("deep", 5, |_| "{\"a\":".repeat(100_000).into_bytes()),
    ("other-digest", 5, |t| t.replacen(&digest_of(t), &Digest::of(b"x").hex(), 1).into_bytes()),
    ("digest-is-no-digest", 5, |t| t.replacen(&digest_of(t), "none", 1).into_bytes()),
    ("other-content", 5, |t| t.replacen("0644", "4755", 1).into_bytes()),
    ("other-stack-name", 5, |t| t.replacen("\"stack\": \"site\"", "\"stack\": \"other\"", 1).into_bytes()),
    ("not-of-a-workflow", 5, |t| {
        resealed(t, |p| p.source = PlanSource::Record { operation: "destroy".to_owned() })
    }),
    ("other-stack-id", 6, |t| {
        resealed(t, |p| p.stack_id = Some(StackId::from_stored("0192f0c1-7a3b-7c44-8d55-0123456789ab")))
    }),
    ("workflow-gone", 7, |t| {
        resealed(t, |p| {
            if let PlanSource::Workflow { file, .. } = &mut p.source {
                *file = "/nowhere/site.sloth".to_owned();
            }
        })
    }),
];

#[test]
fn plan_files() {
    let env = ran_site();
    env.expect(0, &["plan", "site", "--var", "title=planned", "--out", "good.plan"]);
    let good = env.read("good.plan");
    let mut said = String::new();
    for (case, code, how) in PLANS {
        let file = format!("{case}.plan");
        fs::write(env.path(&file), how(&good)).unwrap();
        let ran = refused(&env, case, *code, &["apply", &file]);
        assert!(*code != 5 || ran.says(&file), "{}", ran.text());
        assert!(ran.says("\nhint: ") || ran.says("/nowhere/site.sloth"), "{}", ran.text());
        assert!(ran.stderr.len() < 2_000, "{case}: {}", ran.stderr.len());
        told(&mut said, &env, case, &ran);
    }
    fs::create_dir(env.path("directory.plan")).unwrap();
    told(&mut said, &env, "directory", &refused(&env, "directory", 5, &["apply", "directory.plan"]));
    told(&mut said, &env, "missing", &refused(&env, "missing", 7, &["apply", "missing.plan"]));
    let text = env.read("site.sloth");
    env.write("site.sloth", &format!("{text}-- changed\n"));
    told(&mut said, &env, "workflow-changed", &refused(&env, "workflow-changed", 6, &["apply", "good.plan"]));
    env.write("site.sloth", "task(");
    told(&mut said, &env, "workflow-broken", &refused(&env, "workflow-broken", 5, &["apply", "good.plan"]));
    env.write("site.sloth", &text);
    env.expect(0, &["apply", "good.plan"]);
    insta::assert_snapshot!(said);
}

/// A way to break a database: name, and what to do in its directory, where `good.db` is a good one.
type Damage = (&'static str, fn(&Path) -> std::io::Result<()>);

/// Writes a changed copy of the good database as the broken one.
fn altered(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) -> std::io::Result<()> {
    let mut bytes = fs::read(dir.join("good.db"))?;
    change(&mut bytes);
    fs::write(dir.join("bad.db"), bytes)
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

const DATABASES: &[Damage] = &[
    ("blanks", |dir| fs::write(dir.join("bad.db"), " \n \n")),
    ("text", |dir| fs::write(dir.join("bad.db"), "this is not a database\n".repeat(400))),
    ("binary", |dir| fs::write(dir.join("bad.db"), [0xff, 0x00, 0xfe].repeat(5000))),
    ("zeroes", |dir| fs::write(dir.join("bad.db"), [0; 8192])),
    ("header-alone", |dir| altered(dir, |b| b.truncate(100))),
    ("half-a-page", |dir| altered(dir, |b| b.truncate(2048))),
    ("half", |dir| altered(dir, |b| b.truncate(b.len() / 2 / 4096 * 4096))),
    ("other-application", |dir| altered(dir, |b| put(b, 68, 0x4750_4B47))),
    ("no-application", |dir| altered(dir, |b| put(b, 68, 0))),
    ("pages-zeroed", |dir| altered(dir, |b| b[4096..].fill(0))),
    ("pages-garbled", |dir| altered(dir, |b| b[4096..].iter_mut().step_by(3).for_each(|b| *b ^= 0x5a))),
    ("schema-garbled", |dir| altered(dir, |b| b[100..4096].iter_mut().for_each(|b| *b ^= 0x5a))),
    ("of-another-program", |dir| fs::copy(here("databases/other-program.db"), dir.join("bad.db")).map(drop)),
    ("directory", |dir| fs::create_dir(dir.join("bad.db"))),
    ("pipe", |dir| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        Ok(rustix::fs::mknodat(rustix::fs::CWD, dir.join("bad.db"), rustix::fs::FileType::Fifo, mode, 0)?)
    }),
    ("symlink", |dir| std::os::unix::fs::symlink("good.db", dir.join("bad.db"))),
    ("symlink-to-nowhere", |dir| std::os::unix::fs::symlink("nowhere.db", dir.join("bad.db"))),
    ("hard-link", |dir| fs::hard_link(dir.join("good.db"), dir.join("bad.db"))),
];

/// A good database, everything in one file. Says when that cannot be made here.
fn good_database(env: &TestEnv, dir: &Path) -> bool {
    fs::create_dir(dir).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    let db = dir.join("good.db");
    env.expect(0, &["--db", &db.to_string_lossy(), "run", "site.sloth", "--var", &root(env)]);
    fs::remove_dir_all(env.path("site")).unwrap();
    let carried_over = Command::new("sqlite3").arg(&db).arg("PRAGMA wal_checkpoint(TRUNCATE)").output();
    let possible = carried_over.is_ok_and(|output| output.status.success());
    if !possible {
        println!("skipped: sqlite3 is not there");
    }
    possible
}

#[test]
fn databases() {
    for (case, how) in DATABASES {
        let env = site();
        let dir = env.path("data");
        if !good_database(&env, &dir) {
            return;
        }
        how(&dir).unwrap();
        let root = root(&env);
        for arguments in [
            &["stack", "list"][..],
            &["stack", "show", "site"],
            &["plan", "site.sloth", "--var", &root],
            &["run", "site.sloth", "--var", &root],
            &["state", "set", "k", "1"],
            &["doctor"],
        ] {
            let ran = refused(&env, case, 1, &[&["--db", "data/bad.db"], arguments].concat());
            assert!(ran.says("data/bad.db`") && ran.says("\nhint: "), "{case}: {}", ran.text());
        }
    }
}

/// A database of a newer program can be read, and is not written.
#[test]
fn newer_databases() {
    let env = site();
    let dir = env.path("data");
    if !good_database(&env, &dir) {
        return;
    }
    altered(&dir, |bytes| put(bytes, 60, 9_999)).unwrap();
    let root = root(&env);
    for arguments in
        [&["run", "site.sloth", "--var", &root][..], &["state", "set", "k", "1"], &["stack", "new", "x"]]
    {
        let ran = refused(&env, "newer", 1, &[&["--db", "data/bad.db"], arguments].concat());
        assert!(ran.says("has schema 9999") && ran.says("or newer"), "{}", ran.text());
    }
}

/// A log that is not one holds nothing that was ever acknowledged: it is left out, or the database is refused, but
/// nothing is invented.
#[test]
fn logs_beside_databases() {
    for (case, log) in
        [("text", b"not a log".repeat(1000)), ("zeroes", vec![0; 40_000]), ("short", vec![0x37, 0x7f])]
    {
        let env = site();
        let dir = env.path("data");
        if !good_database(&env, &dir) {
            return;
        }
        fs::copy(dir.join("good.db"), dir.join("bad.db")).unwrap();
        fs::write(dir.join("bad.db-wal"), log).unwrap();
        let ran = in_time(&env, &["--db", "data/bad.db", "stack", "list"]);
        assert!(matches!(ran.code, 0 | 1) && !ran.says("panicked"), "{case}: {}", ran.text());
        assert!(ran.code == 0 || ran.says("\nhint: "), "{case}: {}", ran.text());
    }
}
