//! `state copy`: a whole store, between files and servers.

use sloth_testkit::env::TestEnv;
use sloth_testkit::postgres;

use crate::{ran_site, root};

/// A stack with versions, values with a zero byte among them, a hook, an event and a lease that was released.
fn furnished() -> TestEnv {
    let env = ran_site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=two"]);
    env.expect(0, &["stack", "snapshot", "create", "site", "--tag", "good"]);
    env.expect(0, &["state", "set", "n", "7"]);
    env.expect(0, &["state", "set", "ключ 🔑", r#"{"a":[1,null,2.5,"\u0000"]}"#]);
    env.expect(0, &["hook", "add", "h", "--event", "custom.x", "--shell", "true"]);
    env.expect(0, &["stack", "lock", "acquire", "site", "--reason", "a look"]);
    env.expect(0, &["stack", "lock", "release", "site"]);
    env
}

/// Everything that is kept at a place.
fn picture(env: &TestEnv, at: &str) -> String {
    let mut all = String::new();
    for line in [
        &["stack", "export", "site"][..],
        &["stack", "snapshot", "list", "site", "-o", "json"],
        &["stack", "resources", "site", "--at", "v1", "-o", "json"],
        &["stack", "history", "site", "-n", "0", "-o", "json"],
        &["state", "export"],
        &["hook", "list", "-o", "json"],
        &["events", "list", "-n", "0", "-o", "json"],
    ] {
        all += &env.expect(0, &[&["--db", at], line].concat()).stdout;
    }
    all
}

/// The log without what copying adds to it.
fn operations(env: &TestEnv, at: &str) -> Vec<serde_json::Value> {
    let log = env.expect(0, &["--db", at, "op", "log", "-n", "0", "-o", "json"]).stdout;
    let log: Vec<serde_json::Value> = serde_json::from_str(&log).unwrap();
    log.into_iter().filter(|operation| operation["verb"] != "state copy").collect()
}

/// The fence of a lease that is granted there now.
fn fence(env: &TestEnv, at: &str) -> u64 {
    env.expect(0, &["--db", at, "stack", "lock", "acquire", "site", "--reason", "a look"]);
    let shown = env.expect(0, &["--db", at, "stack", "lock", "status", "site", "-o", "json"]).stdout;
    env.expect(0, &["--db", at, "stack", "lock", "release", "site"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    shown["locks"][0]["fence"].as_u64().unwrap_or_else(|| panic!("{shown}"))
}

/// Copies from one place to the other and looks whether it is the same, and goes on.
fn moved(env: &TestEnv, from: &str, to: &str) {
    let fence_before = fence(env, from);
    let (before, log) = (picture(env, from), operations(env, from));
    env.expect(0, &["--db", from, "state", "copy", "--to", to, "--yes"]);
    assert_eq!(picture(env, to), before, "{from} -> {to}");
    assert_eq!(operations(env, to), log, "{from} -> {to}");
    env.expect(0, &["--db", to, "doctor", "--deep"]);
    env.expect(0, &["--db", to, "audit", "verify"]);
    // The source can be read, says where everything is, and cannot be changed.
    assert_eq!(picture(env, from), before);
    let refused = env.expect(1, &["--db", from, "state", "set", "n", "8"]);
    assert!(refused.says("it was moved to") && refused.says("nothing was changed"), "{}", refused.text());
    assert!(env.expect(0, &["--db", from, "doctor"]).says("was moved to"));
    let refused = env.run(&["--db", from, "state", "copy", "--to", "elsewhere.db", "--yes"]);
    assert!(refused.code != 0 && refused.says("it was moved to"), "{}", refused.text());
    assert!(fence(env, to) > fence_before + 1000, "whoever worked with the source can write here");
    // The target goes on: with new numbers, versions and fences.
    env.expect(0, &["--db", to, "state", "set", "n", "8"]);
    env.expect(0, &["--db", to, "undo", "--yes"]);
    env.expect(0, &["--db", to, "stack", "new", "another"]);
    env.expect(0, &["--db", to, "undo", "--yes"]);
    let title = format!("title={}", to.len());
    env.expect(0, &["--db", to, "run", "site.sloth", "--var", &root(env), "--var", &title]);
    env.expect(0, &["--db", to, "audit", "verify"]);
}

#[test]
fn a_store_goes_to_another_file() {
    let env = furnished();
    moved(&env, &env.kept_at(), &env.path("second.db").display().to_string());
}

#[test]
fn a_store_goes_to_a_server_to_another_one_and_back() {
    let Some(server) = postgres::shared() else { return };
    let env = furnished();
    let (first, second) = (server.url(), server.url());
    moved(&env, &env.kept_at(), &first);
    moved(&env, &first, &second);
    moved(&env, &second, &env.path("back.db").display().to_string());
}

#[test]
fn what_is_kept_stays_in_use_beside_its_copy() {
    let env = furnished();
    let mut places = vec![env.path("copy.db").display().to_string()];
    places.extend(postgres::shared().map(postgres::Cluster::url));
    for to in &places {
        let before = picture(&env, &env.kept_at());
        env.expect(0, &["state", "copy", "--to", to, "--keep"]);
        assert_eq!(picture(&env, to), before);
        env.expect(0, &["--db", to, "state", "set", "n", "there"]);
        env.expect(0, &["state", "set", "n", "here"]);
        assert_eq!(env.expect(0, &["--db", to, "state", "get", "n"]).stdout, "there\n");
        assert_eq!(env.expect(0, &["state", "get", "n"]).stdout, "here\n");
        for place in [to, &env.kept_at()] {
            env.expect(0, &["--db", place, "audit", "verify"]);
            env.expect(0, &["--db", place, "doctor", "--deep"]);
        }
        // A second time there is something in it.
        let refused = env.expect(6, &["state", "copy", "--to", to, "--keep"]);
        assert!(refused.says("something in it already; nothing was changed"), "{}", refused.text());
        let refused = env.expect(1, &["--db", to, "undo", "--yes", "--op", &last_copy(&env, to)]);
        assert!(refused.says("moved on with `state copy`"), "{}", refused.text());
    }
}

/// The place of the copy in the log.
fn last_copy(env: &TestEnv, at: &str) -> String {
    let log = env.expect(0, &["--db", at, "op", "log", "-n", "0", "-o", "json"]).stdout;
    let log: Vec<serde_json::Value> = serde_json::from_str(&log).unwrap();
    log.iter().find(|operation| operation["verb"] == "state copy").unwrap()["seq"].to_string()
}

#[test]
fn what_cannot_be_copied_is_left_as_it_was() {
    let env = ran_site();
    env.expect(0, &["stack", "lock", "acquire", "site", "--reason", "deploying"]);
    let refused = env.expect(4, &["state", "copy", "--to", "second.db", "--yes"]);
    assert!(refused.says("holds stack `site`") && refused.says("nothing was copied"), "{}", refused.text());
    assert!(!env.path("second.db").exists(), "refused before anything is made");
    env.expect(0, &["stack", "lock", "release", "site"]);
    let itself = env.kept_at();
    let refused = env.expect(6, &["state", "copy", "--to", &itself, "--yes"]);
    assert!(refused.says("it is the store to be copied"), "{}", refused.text());
    let unasked = env.expect(2, &["state", "copy", "--to", "second.db"]);
    assert!(unasked.says("--yes"), "{}", unasked.text());
    env.expect(7, &["--db", "missing.db", "state", "copy", "--to", "second.db", "--yes"]);
    env.expect(2, &["state", "copy", "--to", "mysql://h/db", "--yes"]);
    env.expect(2, &["state", "copy", "--to", "", "--yes"]);
    env.write("text.db", &"this is no database\n".repeat(500));
    assert_eq!(env.run(&["state", "copy", "--to", "text.db", "--yes"]).code, 1);
    assert_eq!(env.read("text.db"), "this is no database\n".repeat(500));
    let odd = "a\n\u{1b}[31m\"'🦥.db";
    let ran = env.expect(0, &["state", "copy", "--to", odd, "--keep"]);
    assert!(!ran.says("\u{1b}"), "{}", ran.text());
    env.expect(0, &["state", "set", "k", "1"]);
    env.tell(&["state", "copy", "--to", "third.db", "--yes"]);
    env.tell(&["state", "set", "k", "2"]);
    env.tell(&["state", "copy", "--to", "third.db", "--yes"]);
    insta::assert_snapshot!(
        env.story()
            .lines()
            .map(|line| match line.split_once(" rows copied") {
                Some((_, rest)) => format!("[n] rows copied{rest}\n"),
                None => format!("{line}\n"),
            })
            .collect::<String>()
    );
}
