//! What is not understood.

use crate::{env, site};

#[test]
fn wrong_command_lines_end_with_2_and_change_nothing() {
    let env = env();
    env.tell(&["stck", "list"]);
    env.tell(&["stack", "list", "--stauts", "x"]);
    env.tell(&["stack", "list", "--status", "fine"]);
    env.tell(&["run"]);
    env.tell(&["run", "x.sloth", "--var", "novalue"]);
    env.tell(&["run", "x.sloth", "--target", "nonsense"]);
    env.tell(&["stack", "new", "a\u{1b}[31mb"]);
    env.tell(&["stack", "new", "a/b"]);
    env.tell(&["stack", "lock", "acquire", "x", "--ttl", "soon"]);
    for arguments in [
        &["--lock-wait", "x", "stack", "list"][..],
        &["--as", "", "stack", "list"],
        &["--lock-id", " ", "stack", "list"],
        &["stack", "lock", "acquire", "x", "--locked-by", ""],
        &["stack", "snapshot", "create", "x", "--creator", ""],
        &["stack"],
        &["stack", "drift"],
        &["stack", "show"],
        &["resume"],
        &["apply"],
    ] {
        assert_eq!(env.run(arguments).code, 2, "{arguments:?}");
    }
    insta::assert_snapshot!(env.story());
}

#[test]
fn what_is_not_there_ends_with_7() {
    let env = env();
    env.expect(0, &["stack", "new", "production"]);
    env.tell(&["stack", "show", "prodution"]);
    env.tell(&["stack", "snapshot", "show", "production", "v9"]);
    env.tell(&["run", "missing.sloth"]);
    env.tell(&["run", "production"]);
    env.tell(&["apply", "missing.plan"]);
    env.tell(&["state", "get", "nothing"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    let env = env();
    env.write("not.db", "this is not a database, whatever its name says\n".repeat(40).as_str());
    let ran = env.expect(1, &["--db", "not.db", "stack", "list"]);
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("not.db"), "{}", ran.text());
    let ran = env.run(&["--db", "mysql://host/db", "stack", "list"]);
    assert!(ran.code == 2 && ran.says("mysql"), "{}", ran.text());
    let ran = env.run(&["--db", "/proc/nowhere/x.db", "stack", "new", "x"]);
    assert!(ran.code == 1 && ran.says("/proc/nowhere/x.db"), "{}", ran.text());
}

#[test]
fn configuration_is_checked_when_it_is_needed() {
    let mut env = site();
    env.set("SLOTH_RUNNER_DB", "");
    let config = env.write("config.yaml", "stacks:\n  database_pth: x.db\n");
    let ran = env.expect(5, &["--config", &config.to_string_lossy(), "stack", "list"]);
    assert!(ran.says("did you mean `stacks.database_path`?"), "{}", ran.text());
    let db = env.path("configured.db");
    let config = env
        .write("config.yaml", &format!("stacks:\n  database_path: {}\n  lock_timeout: 5m\n", db.display()));
    env.set("SLOTH_RUNNER_CONFIG", &config.to_string_lossy());
    env.expect(0, &["stack", "new", "here"]);
    assert!(db.exists());
    env.expect(7, &["--config", "missing.yaml", "stack", "list"]);
}

#[test]
fn the_most_tasks_at_once_are_asked_for() {
    let env = env();
    env.write(
        "many.sloth",
        r#"
        workflow({ name = "many", config = { max_parallel_tasks = 4 } })
        for i = 1, 4 do
            task("t" .. i, { run = function()
                exec.run('mkdir "$D/running" && sleep 0.05 && rmdir "$D/running"', { env = { D = values.dir }, raise = true })
            end })
        end
        "#,
    );
    let dir = format!("dir={}", env.work().display());
    let run = |more: &[&str]| env.run(&[&["run", "many.sloth", "--var", &dir], more].concat());
    // Two at once would fail to make the directory.
    let ran = run(&["--parallel", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.text());
}

#[test]
fn more_is_said_when_asked() {
    let env = site();
    env.write("talk.sloth", "task(\"t\", { run = function() log.debug(\"the details\") end })\n");
    assert!(!env.expect(0, &["run", "talk.sloth"]).says("the details"));
    for flags in [
        &["run", "talk.sloth", "--verbose"][..],
        &["-v", "run", "talk.sloth"],
        &["--debug", "run", "talk.sloth"],
    ] {
        assert!(env.expect(0, flags).says("the details"), "{flags:?}");
    }
    assert!(env.expect(0, &["run", "talk.sloth", "--validate"]).says("`talk.sloth` is valid: 1 task"));
}

#[test]
fn help_tells_everything_and_ends_with_0() {
    let env = env();
    let ran = env.expect(0, &["--help"]);
    assert!(ran.stdout.contains("Example:") && ran.stderr.is_empty());
    let ran = env.expect(0, &["stack", "snapshot", "restore", "--help"]);
    assert!(
        ran.stdout.contains("--state-only") && ran.stdout.contains("[alias: --auto-approve]"),
        "{}",
        ran.text()
    );
}

#[test]
fn a_version_is_made_before_each_run_when_configured() {
    let env = crate::ran_site();
    env.write("config.yaml", "stacks:\n  auto_snapshot: true\n");
    env.expect(0, &["--config", "config.yaml", "run", "site"]);
    let list = env.expect(0, &["stack", "snapshot", "list", "site"]);
    assert!(list.says("Auto-snapshot") && list.says("Total: 2 snapshots"), "{}", list.text());
}

#[test]
fn looking_makes_no_database() {
    let mut env = env();
    let place = env.path("place");
    let temporary = env.path("temporary");
    std::fs::create_dir_all(&temporary).unwrap();
    env.set("TMPDIR", &temporary.to_string_lossy());
    let program = "task(\"t\", { run = function()\n    state.get(\"k\")\n    file.content({ path = values.root .. \"/new\", content = \"x\" })\nend })\n";
    env.write("plain.sloth", &program.replace("values.root", &format!("{:?}", env.work())));
    let db = place.join("stacks.db");
    let db = db.to_string_lossy();
    for (code, command) in [
        (0, &["stack", "list"][..]),
        (7, &["stack", "show", "x"]),
        (7, &["stack", "validate", "x"]),
        (0, &["stack", "validate", "all"]),
        (7, &["stack", "drift", "show", "x"]),
        (7, &["stack", "snapshot", "list", "x"]),
        (7, &["stack", "lock", "status", "x"]),
        (0, &["state", "list"]),
        (7, &["state", "get", "k"]),
        (0, &["state", "stats"]),
        (0, &["events", "list"]),
        (0, &["op", "log"]),
        (0, &["audit", "verify"]),
        (0, &["doctor", "--deep"]),
        (7, &["backup", "create"]),
        (0, &["plan", "plain.sloth"]),
        (0, &["plan", "plain.sloth", "--out", "plain.plan"]),
        (0, &["run", "--plan", "plain.sloth"]),
        (0, &["check", "plain.sloth"]),
        (7, &["stack", "drift", "x"]),
        (7, &["stack", "drift", "history", "x"]),
        (7, &["stack", "destroy", "x", "--dry-run"]),
        (0, &["hook", "list"]),
        (0, &["state", "workflow", "list"]),
        (7, &["state", "workflow", "show", "x"]),
        (7, &["stack", "gc", "x", "--dry-run"]),
    ] {
        let ran = env.run(&[&["--db", &db], command].concat());
        assert_eq!(ran.code, code, "{}", ran.text());
        assert!(!place.exists(), "{command:?} made something");
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "{command:?} left something");
    }
    let told = env.expect(0, &["-v", "--db", &db, "stack", "list"]);
    assert!(told.says("there is no database at") && !told.stdout.contains("there is no"), "{}", told.text());
    // One that was there and is gone is something else.
    env.expect(0, &["--db", &db, "stack", "new", "here"]);
    std::fs::remove_file(place.join("stacks.db")).unwrap();
    std::fs::remove_file(place.join("stacks.db-wal")).unwrap();
    let gone = env.expect(1, &["--db", &db, "stack", "list"]);
    assert!(gone.says("the database is gone"), "{}", gone.text());
}
