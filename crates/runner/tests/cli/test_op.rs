use super::ran_site;

#[test]
fn everything_that_was_done_is_in_the_log_without_secrets() {
    let env = ran_site();
    env.expect(0, &["--as", "ann", "state", "set", "token", "s3cr3t"]);
    env.expect(0, &["--as", "ann", "stack", "snapshot", "create", "site", "-d", "before"]);
    env.tell(&["op", "log", "--limit", "2"]);
    let ran = env.expect(0, &["op", "log", "-o", "json"]);
    assert!(!ran.stdout.contains("s3cr3t") && !ran.stdout.contains("root=/"), "{}", ran.stdout);
    let log: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log[2]["verb"], "run");
    crate::assert_snapshot!(env.story());
}

/// Runs `git` in a directory, with nothing of the caller's configuration. `None` when it is not there.
fn git(dir: &std::path::Path, arguments: &[&str]) -> Option<String> {
    let done = std::process::Command::new("git")
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args(["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .output()
        .ok()?;
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    Some(String::from_utf8(done.stdout).unwrap().trim().to_owned())
}

/// Who did the last thing, as the log says.
fn last(env: &sloth_testkit::env::TestEnv) -> serde_json::Value {
    let log = env.expect(0, &["op", "log", "-n", "1", "-o", "json"]).stdout;
    serde_json::from_str::<serde_json::Value>(&log).unwrap()[0].clone()
}

#[test]
fn the_commit_of_the_workflow_is_in_the_log() {
    let env = super::site();
    let var = super::root(&env);
    let run = |title: &str| {
        env.expect(0, &["run", "repo/site.sloth", "--var", &var, "--var", &format!("title={title}")]);
        last(&env)
    };
    let repo = env.path("repo");
    std::fs::create_dir_all(&repo).unwrap();
    std::fs::rename(env.path("site.sloth"), repo.join("site.sloth")).unwrap();
    let alone = run("alone");
    assert!(alone.get("git").is_none(), "{alone}");
    assert!(alone["cwd"].as_str().unwrap().starts_with('/'), "{alone}");
    if git(&repo, &["init", "-q", "-b", "main"]).is_none() {
        println!("skipped: git is not there");
        return;
    }
    let unborn = run("unborn");
    assert_eq!(unborn["git"]["branch"], "main");
    assert!(unborn["git"].get("commit").is_none() && unborn["git"].get("dirty").is_none(), "{unborn}");
    std::fs::write(repo.join("other"), "1").unwrap();
    git(&repo, &["add", "other"]);
    git(&repo, &["commit", "-qm", "one"]);
    assert_eq!(run("untracked")["git"]["dirty"], true, "the workflow itself is not in the commit");
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "two"]);
    let commit = git(&repo, &["rev-parse", "HEAD"]).unwrap();
    let clean = run("clean");
    assert_eq!((&clean["git"]["commit"], &clean["git"]["dirty"]), (&commit.as_str().into(), &false.into()));
    std::fs::write(repo.join("other"), "2").unwrap();
    assert_eq!(run("changed")["git"]["dirty"], true);
    git(&repo, &["checkout", "-q", "other"]);
    git(&repo, &["pack-refs", "--all"]);
    assert_eq!(run("packed")["git"]["commit"], commit.as_str());
    git(&repo, &["worktree", "add", "-q", "-b", "second", "../second"]);
    env.expect(0, &["run", "second/site.sloth", "--var", &var, "--var", "title=second"]);
    let second = last(&env);
    assert_eq!(
        (&second["git"]["branch"], &second["git"]["commit"]),
        (&"second".into(), &commit.as_str().into())
    );
    git(&repo, &["checkout", "-q", "--detach"]);
    let detached = run("detached");
    assert!(
        detached["git"].get("branch").is_none() && detached["git"]["commit"] == commit.as_str(),
        "{detached}"
    );
    // A repository that makes no sense fails nothing, and starts nothing.
    let trap = env.path("trap");
    std::fs::write(&trap, format!("#!/bin/sh\ntouch {}\n", env.path("sprung").display())).unwrap();
    git(&repo, &["config", "core.fsmonitor", &format!("sh {}", trap.display())]);
    run("trap");
    assert!(!env.path("sprung").exists());
    std::fs::write(repo.join(".git/HEAD"), "ref: ../../../etc/passwd\n").unwrap();
    let odd = run("odd");
    assert!(odd["git"].get("commit").is_none(), "{odd}");
    std::fs::write(repo.join(".git/HEAD"), [0xff, 0xfe, 0]).unwrap();
    assert!(run("broken").get("git").is_none());
    env.expect(0, &["audit", "verify"]);
    assert!(env.expect(0, &["audit", "export"]).says(&commit));
}
