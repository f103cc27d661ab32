use std::time::Duration;

use sloth_testkit::env::TestEnv;

use super::{env, ran_site, root, site};

#[test]
fn a_run_says_what_it_did_and_the_second_one_does_nothing() {
    let env = site();
    env.tell(&["run", "site.sloth", "--var", &root(&env)]);
    env.tell(&["run", "site.sloth", "--var", &root(&env)]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    crate::assert_snapshot!(env.story());
}

#[test]
fn the_target_is_a_file_a_stack_or_a_workflow() {
    let env = site();
    let root = root(&env);
    env.expect(0, &["run", "production", "-f", "site.sloth", "--var", &root]);
    env.expect(0, &["stack", "show", "production"]);
    env.expect(0, &["stack", "destroy", "production", "--yes"]);
    env.expect(0, &["run", "site", "-f", "site.sloth", "--stack", "staging", "--var", &root]);
    env.expect(0, &["stack", "show", "staging"]);
    env.expect(0, &["stack", "destroy", "staging", "--yes"]);
    let ran = env.run(&["run", "other", "-f", "site.sloth", "--stack", "staging", "--var", &root]);
    assert!(ran.code == 5 || ran.code == 7, "{}", ran.text());
    env.expect(0, &["run", "-f", "site.sloth", "--var", &root]);
    env.expect(0, &["stack", "show", "site"]);
}

#[test]
fn a_stack_runs_again_from_anywhere_with_its_values() {
    let env = site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=kept"]);
    std::fs::remove_file(env.path("site/page.txt")).unwrap();
    let output = env.command().args(["run", "site"]).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(env.read("site/page.txt"), "kept\n");
    env.expect(0, &["run", "site", "--var", "title=new"]);
    assert_eq!(env.read("site/page.txt"), "new\n");
}

#[test]
fn values_come_from_files_and_the_command_line_in_that_order() {
    let env = site();
    env.write("a.yaml", "title: from a\nlist: [1, 2]\n");
    env.write("b.yaml", "title: from b\n");
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "-v", "a.yaml", "--values", "b.yaml"]);
    assert_eq!(env.read("site/page.txt"), "from b\n");
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "-v", "a.yaml", "--var", "title=typed"]);
    assert_eq!(env.read("site/page.txt"), "typed\n");
    env.write("bad.yaml", "a: [1\n");
    env.expect(5, &["run", "site.sloth", "-v", "bad.yaml"]);
    env.expect(7, &["run", "site.sloth", "-v", "missing.yaml"]);
}

#[test]
fn a_part_can_be_run_and_prunes_nothing() {
    let env = ran_site();
    std::fs::remove_dir_all(env.path("site")).unwrap();
    env.expect(0, &["run", "site", "--task", "page", "--prune"]);
    assert!(env.path("site/page.txt").exists() && !env.path("site/notes.txt").exists());
    let ran = env.expect(7, &["run", "site", "--task", "paeg"]);
    assert!(ran.says("did you mean `page`?"), "{}", ran.text());
    let page = format!("file:{}", env.path("site/page.txt").display());
    env.write("site/page.txt", "edited\n");
    env.expect(0, &["run", "site", "--exclude", &page]);
    assert_eq!(env.read("site/page.txt"), "edited\n");
    env.expect(0, &["run", "site", "--target", &page]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    env.expect(0, &["run", "site", "--tags", "extra"]);
}

#[test]
fn hosts_nobody_knows_are_refused() {
    let env = site();
    env.expect(0, &["run", "site.sloth", "-d", "local", "--var", &root(&env)]);
    env.tell(&["run", "site.sloth", "-d", "web1"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_failure_is_told_with_what_to_do_next() {
    let env = env();
    env.write(
        "fail.sloth",
        r#"
        task("first", { run = function() file.content({ path = values.root .. "/a", content = "a" }) end })
        task("bad", { depends_on = "first", run = function() return false, "it does not work" end })
        task("after", { depends_on = "bad", run = function() end })
        task("unrelated", { run = function() return true, "fine" end })
        "#,
    );
    env.tell(&["run", "fail.sloth", "--var", &format!("root={}", env.work().display())]);
    env.tell(&["stack", "history", "fail"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn orphans_are_shown_and_pruned_when_asked() {
    let env = ran_site();
    let text = env.read("site.sloth");
    let at = text.find("task(\"notes\"").unwrap();
    env.write("site.sloth", &text[..at]);
    let ran = env.expect(0, &["run", "site"]);
    assert!(ran.says("No longer declared") && env.path("site/notes.txt").exists(), "{}", ran.text());
    env.expect(0, &["run", "site", "--prune"]);
    assert!(!env.path("site/notes.txt").exists());
}

#[test]
fn json_is_a_stream_of_events_that_ends_with_the_report() {
    let env = site();
    let ran = env.expect(0, &["run", "site.sloth", "--var", &root(&env), "-o", "json"]);
    let lines: Vec<serde_json::Value> =
        ran.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.iter().any(|l| l["type"] == "resource.created"), "{}", ran.stdout);
    let report = lines.last().unwrap();
    assert_eq!((&report["type"], &report["status"]), (&"report".into(), &"completed".into()));
    assert_eq!(report["counts"]["created"], 3);
    assert!(env.expect(0, &["run", "site", "-q"]).stderr.is_empty());
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let env = site();
    let mut command = env.command();
    command.args(["run", "site.sloth", "-o", "json", "--var", &root(&env)]);
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(env.read("site/notes.txt"), "one\ntwo\n");
}

#[test]
fn a_full_disk_behind_the_output_is_told() {
    let env = ran_site();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = env.command().args(["stack", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}

/// A run of the slow workflow, in the middle of its command.
fn waiting_run(env: &TestEnv) -> (std::process::Child, rustix::process::Pid) {
    let root = format!("root={}", env.work().display());
    let child = env
        .command()
        .args(["run", "slow.sloth", "--var", &root])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !env.path("waiting").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    (child, pid)
}

#[test]
fn heavy_signals_stop_a_run_and_resume_ends_it() {
    let env = env();
    env.write("slow.sloth", super::SLOW);
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let _ = std::fs::remove_file(env.path("waiting"));
        let (child, pid) = waiting_run(&env);
        rustix::process::kill_process(pid, signal).unwrap();
        // Signals of one kind that are not taken yet are one signal, so the second one comes later.
        std::thread::sleep(Duration::from_millis(300));
        let _ = rustix::process::kill_process(pid, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(env.path("one").exists() && !env.path("two").exists());
        assert!(env.expect(0, &["stack", "lock", "status", "slow"]).says("UNLOCKED"));
    }
    env.write("go", "");
    let ran = env.run(&["resume", "slow"]);
    assert!(ran.code == 0 || ran.code == 8, "{}", ran.text());
}

#[test]
fn heavy_one_signal_gives_what_runs_a_grace_and_then_ends_it() {
    let env = env();
    env.write("slow.sloth", super::SLOW);
    let (child, pid) = waiting_run(&env);
    let asked = std::time::Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(asked.elapsed() >= Duration::from_secs(9), "{:?}", asked.elapsed());
    assert!(env.path("one").exists() && !env.path("two").exists());
    assert!(env.expect(0, &["stack", "lock", "status", "slow"]).says("UNLOCKED"));
}

#[test]
fn what_stays_pending_is_called_so() {
    let env = env();
    let program = |call: &str| {
        format!(
            "workflow({{ name = \"pending\" }})\ntask(\"t\", {{ run = function()\n    {call}({{ type = \"vm\", name = \"a\", \
             module = \"m\", properties = {{ n = 1 }} }})\nend }})\n"
        )
    };
    env.write("pending.sloth", &program("stack.register_resource"));
    env.expect(0, &["run", "pending.sloth"]);
    let again = env.expect(0, &["run", "pending.sloth"]);
    assert!(again.says("was pending") && !again.says("did not end"), "{}", again.text());
    env.write("pending.sloth", &program("stack.resource"));
    let done = env.expect(0, &["run", "pending.sloth"]);
    assert!(done.says("was pending"), "{}", done.text());
    let still = env.expect(0, &["run", "pending.sloth"]);
    assert!(!still.says("was pending"), "{}", still.text());
}
