use sloth_testkit::env::TestEnv;

use super::{ran_site, root};

/// `site` with so many versions more, each with another title.
fn with_history(more: u32) -> TestEnv {
    let env = ran_site();
    for n in 2..=more + 1 {
        let title = format!("title=number {n}");
        env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", &title]);
    }
    env
}

fn versions(env: &TestEnv) -> Vec<u64> {
    let list = env.expect(0, &["stack", "snapshot", "list", "site", "-o", "json"]).stdout;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    list.as_array().unwrap().iter().map(|v| v["version"].as_u64().unwrap()).collect()
}

fn contents(env: &TestEnv) -> u64 {
    let facts = env.expect(0, &["doctor", "-o", "json"]).stdout;
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    facts["facts"]["contents"].as_u64().unwrap()
}

#[test]
fn old_versions_go_and_the_rest_is_whole() {
    let env = with_history(5);
    env.tell(&["stack", "gc", "site", "--keep", "3", "--dry-run"]);
    assert_eq!(versions(&env), [6, 5, 4, 3, 2, 1], "a trial removes nothing");
    let refused = env.expect(2, &["stack", "gc", "site", "--keep", "3"]);
    assert!(refused.says("nothing was changed"), "{}", refused.text());
    assert_eq!(versions(&env), [6, 5, 4, 3, 2, 1]);
    let before = contents(&env);
    env.tell(&["stack", "gc", "site", "--keep", "3", "--yes"]);
    assert_eq!(versions(&env), [6, 5, 4]);
    assert_eq!(contents(&env), before - 3, "each of the three had a page nobody else shows");
    env.tell(&["stack", "snapshot", "show", "site", "v2"]);
    env.expect(7, &["stack", "snapshot", "restore", "site", "v2", "--yes"]);
    env.tell(&["undo"]);
    env.tell(&["stack", "gc", "site", "--keep", "3", "--yes", "-o", "yaml"]);
    env.expect(0, &["stack", "snapshot", "restore", "site", "v4", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "number 4\n");
    env.expect(0, &["doctor", "--deep"]);
    env.expect(0, &["audit", "verify"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn what_is_in_use_stays() {
    let env = with_history(4);
    env.expect(0, &["stack", "snapshot", "restore", "site", "v2", "--yes"]);
    let broken = env.read("site.sloth").replace(
        "file.content({ path = root .. \"/notes.txt\", content = \"one\\ntwo\\n\", mode = \"0640\" })",
        "error(\"no\")",
    );
    env.write("site.sloth", &broken);
    env.tell(&["stack", "gc", "site", "--keep", "0", "--yes"]);
    assert_eq!(versions(&env), [6, 5, 2], "the newest, the one before it, and the one it was taken back to");
    for title in ["title=half", "title=other half"] {
        env.expect(1, &["run", "site.sloth", "--var", &root(&env), "--var", title]);
    }
    env.tell(&["stack", "gc", "site", "--keep", "0", "--yes"]);
    assert_eq!(versions(&env), [8, 7, 6], "two that failed, and the last that succeeded");
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_tagged_version_stays() {
    let env = with_history(4);
    env.expect(0, &["stack", "tags", "add", "site", "good", "--version", "2"]);
    env.expect(0, &["stack", "state", "tags", "list", "site"]);
    let refused = env.expect(6, &["stack", "snapshot", "delete", "site", "v2", "--yes"]);
    assert!(refused.says("v2 of stack `site` is tagged good"), "{}", refused.text());
    let ran = env.expect(0, &["stack", "gc", "site", "--keep", "0", "--yes"]);
    assert!(ran.says("stays: tagged good"), "{}", ran.text());
    assert_eq!(versions(&env), [5, 4, 2]);
    env.expect(0, &["stack", "snapshot", "restore", "site", "site@good", "--yes"]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=on"]);
    env.expect(0, &["stack", "tags", "remove", "site", "good"]);
    env.expect(0, &["stack", "gc", "site", "--keep", "0", "--yes"]);
    assert_eq!(versions(&env), [7, 6]);
}

#[test]
fn a_deleted_version_comes_back_until_it_is_collected() {
    let env = with_history(3);
    env.tell(&["stack", "snapshot", "delete", "site", "v4", "--yes"]);
    env.expect(2, &["stack", "snapshot", "delete", "site", "v2"]);
    env.tell(&["stack", "snapshot", "delete", "site"]);
    env.tell(&["stack", "snapshot", "delete", "site", "v9", "--yes"]);
    env.tell(&["stack", "snapshot", "delete", "site@2", "--yes"]);
    assert_eq!(versions(&env), [4, 3, 1]);
    env.expect(7, &["stack", "snapshot", "delete", "site", "v2", "--yes"]);
    env.tell(&["undo"]);
    assert_eq!(versions(&env), [4, 3, 2, 1]);
    env.expect(0, &["stack", "snapshot", "delete", "site", "2", "--yes"]);
    env.tell(&["stack", "gc", "--all", "--yes"]);
    env.tell(&["undo"]);
    let log = env.expect(0, &["op", "log", "-o", "json"]).stdout;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    let delete = log.as_array().unwrap().iter().find(|o| o["verb"] == "snapshot delete").unwrap();
    env.tell(&["undo", "--op", &delete["seq"].to_string()]);
    assert_eq!(versions(&env), [4, 3, 1]);
    env.expect(0, &["doctor"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn the_configured_retention_is_carried_out_after_a_change() {
    let env = with_history(3);
    env.write("config.yaml", "stacks:\n  snapshot_retention: 1ms\n");
    let title = ["--var", "title=last"];
    env.expect(0, &["stack", "list", "--config", "config.yaml"]);
    assert_eq!(versions(&env).len(), 4, "looking removes nothing");
    let ran = env.expect(
        0,
        &[&["--config", "config.yaml", "run", "site.sloth", "--var", &root(&env)], &title[..]].concat(),
    );
    assert!(ran.says("3 old versions of stack `site` removed"), "{}", ran.text());
    assert_eq!(versions(&env), [5, 4]);
    // It is in the log, and taking back the last thing means the run.
    let log = env.expect(0, &["op", "log", "-n", "1", "-o", "json"]).stdout;
    assert!(log.contains("\"retention\""), "{log}");
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "number 4\n");
    env.expect(0, &["--config", "config.yaml", "stack", "snapshot", "create", "site"]);
    assert_eq!(versions(&env), [7, 6, 4], "v4 is what the stack was taken back to");
    env.expect(0, &["doctor"]);
}

#[test]
fn contents_stay_while_somebody_is_at_work() {
    let env = with_history(2);
    env.write("slow.sloth", super::SLOW);
    let slow = env.path("slow");
    std::fs::create_dir_all(&slow).unwrap();
    let root = format!("root={}", slow.display());
    let mut child = env.command().args(["run", "slow.sloth", "--var", &root]).spawn().unwrap();
    while !slow.join("waiting").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let before = contents(&env);
    let ran = env.expect(0, &["stack", "gc", "site", "--keep", "1", "--yes"]);
    assert!(ran.says("contents stay for now") && ran.says("stack `slow`"), "{}", ran.text());
    assert_eq!(contents(&env), before);
    let ran = env.expect(4, &["stack", "gc", "--all", "--keep", "1", "--yes"]);
    assert!(ran.says("stack `slow` is left as it is"), "{}", ran.text());
    std::fs::write(slow.join("go"), "").unwrap();
    assert!(child.wait().unwrap().success());
    env.expect(0, &["stack", "gc", "--all", "--yes"]);
    assert!(contents(&env) > 0);
    env.expect(0, &["doctor", "--deep"]);
}

#[test]
fn a_version_that_somebody_hid_is_found() {
    let env = with_history(3);
    if !env.tamper("UPDATE versions SET removed_at = 1 WHERE version = 2") {
        return;
    }
    let found = env.expect(1, &["doctor"]);
    assert!(found.says("v2 of `site` is marked as removed"), "{}", found.text());
    let env = with_history(3);
    env.expect(0, &["stack", "snapshot", "delete", "site", "v1", "--yes"]);
    assert!(env.tamper("UPDATE resource_history SET body = '' WHERE to_version = 3"));
    let found = env.expect(1, &["doctor"]);
    assert!(found.says("is not what was written"), "{}", found.text());
}

#[test]
fn wrong_wishes_are_refused() {
    let env = ran_site();
    for wrong in [
        &["stack", "gc"][..],
        &["stack", "gc", "site", "--all"],
        &["stack", "gc", "site", "--keep", "-1"],
        &["stack", "gc", "site", "--keep", "many"],
        &["stack", "gc", "site", "--older-than", "soon"],
    ] {
        env.expect(2, wrong);
    }
    env.expect(7, &["stack", "gc", "\u{1b}[31mno\n../such", "--yes"]);
    env.expect(0, &["stack", "gc", "site", "--yes"]);
    assert_eq!(versions(&env), [1]);
    env.expect(2, &["stack", "snapshot", "delete", "site", "\u{1b}[31m\n", "--yes"]);
    env.expect(6, &["stack", "snapshot", "delete", "site", "1", "--yes"]);
}
