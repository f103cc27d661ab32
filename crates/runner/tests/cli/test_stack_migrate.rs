use std::process::Command;

use serde_json::{Value, json};
use sloth_testkit::env::TestEnv;
use sloth_testkit::legacy;

use crate::env;

fn json_of(env: &TestEnv, arguments: &[&str]) -> Value {
    serde_json::from_str(&env.expect(0, arguments).stdout).unwrap()
}

/// A place with the databases of the Go program, both with data that is in their logs only.
fn old() -> Option<TestEnv> {
    let env = env();
    env.write("old/.keep", "");
    if !legacy::sqlite(&env.path("old/state.db"), &(legacy::VALUES.to_owned() + legacy::WORKFLOWS))
        || !legacy::sqlite(&env.path("old/stacks.db"), &(legacy::STACKS.to_owned() + legacy::EXTENDED))
    {
        println!("skipped: sqlite3 is not there");
        return None;
    }
    Some(env)
}

fn bytes(env: &TestEnv) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut all: Vec<_> = std::fs::read_dir(env.path("old"))
        .unwrap()
        .flatten()
        .map(|e| {
            let name = e.file_name().into_string().unwrap();
            (name, std::fs::read(e.path()).unwrap(), e.metadata().unwrap().modified().unwrap())
        })
        .collect();
    all.sort();
    all
}

const BOTH: [&str; 6] = ["stack", "migrate", "--source", "old/state.db", "--source", "old/stacks.db"];

fn both<'a>(more: &[&'a str]) -> Vec<&'a str> {
    BOTH.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn everything_is_listed_then_taken_over_then_known() {
    let Some(env) = old() else { return };
    let before = bytes(&env);
    assert!(
        before.iter().any(|(name, bytes, _)| name.ends_with("-wal") && bytes.len() > 1000),
        "a log has data"
    );
    env.tell(&both(&["--dry-run"]));
    assert!(!env.db().exists(), "a dry run makes no database");
    env.tell(&both(&[]));
    env.tell(&both(&[]));
    env.tell(&["stack", "list"]);
    env.tell(&["stack", "resources", "shop"]);
    env.tell(&["stack", "history", "deploy"]);
    env.tell(&["stack", "snapshot", "list", "deploy"]);
    env.tell(&["stack", "drift", "show", "shop"]);
    env.tell(&["stack", "tags", "list", "shop"]);
    env.tell(&["state", "list"]);
    insta::assert_snapshot!(env.story());
    assert_eq!(bytes(&env), before, "a source is never written");
    assert_eq!(
        std::fs::read_dir(env.db().parent().unwrap())
            .unwrap()
            .flatten()
            .filter(|e| { e.file_name().to_string_lossy().starts_with("legacy-copy") })
            .count(),
        0,
        "copies are removed"
    );
    // The data that was in the log only.
    assert_eq!(env.expect(0, &["state", "get", "in/log"]).stdout.trim(), "only");
    let shop = json_of(&env, &["stack", "show", "shop", "-o", "json"]);
    assert_eq!(shop["id"], "11111111-2222-4333-8444-555555555555");
    assert_eq!(shop["created_at"], "2025-10-10T17:30:15.12345Z");
    env.expect(0, &["doctor"]);
    env.expect(0, &["audit", "verify"]);
}

#[test]
fn it_is_one_operation_and_undo_takes_it_back() {
    let Some(env) = old() else { return };
    env.expect(0, &["state", "set", "mine", "1"]);
    env.expect(0, &["stack", "new", "shop"]);
    let picture = |env: &TestEnv| {
        [&["stack", "list", "-o", "json"][..], &["state", "export"]].map(|a| env.expect(0, a).stdout)
    };
    let was = picture(&env);
    env.expect(0, &both(&[]));
    let log = json_of(&env, &["op", "log", "-o", "json"]);
    let verbs: Vec<&str> = log.as_array().unwrap().iter().map(|o| o["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs.iter().filter(|v| **v == "stack migrate").count(), 1, "{verbs:?}");
    assert_eq!(verbs.len(), 3);
    // The name was taken.
    let names = json_of(&env, &["stack", "list", "-o", "json"]);
    assert!(names.as_array().unwrap().iter().any(|s| s["name"] == "shop-2"), "{names}");
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(picture(&env), was);
    // And it can be done once more, with the same result.
    env.expect(0, &both(&[]));
    assert_eq!(
        json_of(&env, &["stack", "list", "-o", "json"]).as_array().unwrap().len(),
        names.as_array().unwrap().len()
    );
    // A stack that went on stays, and so does everything else.
    env.expect(0, &["stack", "snapshot", "create", "deploy"]);
    let seq = json_of(&env, &["op", "log", "-o", "json"])[1]["seq"].to_string();
    let refused = env.run(&["undo", "--op", &seq, "--yes"]);
    assert_ne!(refused.code, 0);
    assert!(refused.says("`deploy` has moved on"), "{}", refused.text());
    env.expect(0, &["stack", "show", "shop-2"]);
    env.expect(0, &["doctor"]);
}

#[test]
fn the_report_has_the_keys_of_old_and_more() {
    let Some(env) = old() else { return };
    env.expect(0, &both(&["--target", "new/stacks.db"]));
    let report: Value = serde_json::from_str(&env.read("new/migration_report.json")).unwrap();
    for key in [
        "stacks_migrated",
        "resources_migrated",
        "outputs_migrated",
        "errors",
        "start_time",
        "end_time",
        "duration",
    ] {
        assert!(!report[key].is_null(), "{key}: {report}");
    }
    let target = env.path("new/stacks.db").display().to_string();
    let stacks = json_of(&env, &["--db", &target, "stack", "list", "-o", "json"]);
    assert_eq!(report["stacks_migrated"], stacks.as_array().unwrap().len());
    assert!(
        report["skipped"]
            .as_array()
            .unwrap()
            .iter()
            .all(|s| s["reason"].as_str().is_some_and(|r| !r.is_empty()))
    );
    // Nothing is lost between the two: every row is taken over or named.
    let rows =
        |table: &str| report["skipped"].as_array().unwrap().iter().filter(|s| s["table"] == table).count();
    assert_eq!(rows("state") as u64 + report["values_migrated"].as_u64().unwrap(), legacy::VALUE_COUNT);
    env.expect(0, &both(&["--target", "new/stacks.db", "--report", "again.json", "-o", "json"]));
    let again: Value = serde_json::from_str(&env.read("again.json")).unwrap();
    assert_eq!((&again["stacks_migrated"], &again["values_migrated"]), (&json!(0), &json!(0)));
    env.expect(2, &both(&["--target", "old/stacks.db"]));
    env.expect(2, &both(&["--target", "x.db", "--db", "y.db"]));
    let internal =
        json_of(&env, &both(&["--target", "third.db", "--with-internal", "--dry-run", "-o", "json"]));
    let names: Vec<&str> =
        internal["stacks"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"agent-operations"), "{names:?}");
    assert!(!env.path("third.db").exists());
}

#[test]
fn a_script_makes_a_database_that_says_the_same() {
    let Some(env) = old() else { return };
    env.expect(0, &both(&["--generate-script", "all.sql"]));
    assert!(!env.db().exists());
    assert!(legacy::sqlite(&env.path("old/script.db"), &env.read("all.sql")));
    let one = env.path("one.db").display().to_string();
    let two = env.path("two.db").display().to_string();
    env.expect(0, &both(&["--target", &one]));
    env.expect(0, &["stack", "migrate", "--source", "old/script.db", "--target", &two]);
    let names = |db: &str| -> Vec<String> {
        let list = json_of(&env, &["--db", db, "stack", "list", "-o", "json"]);
        list.as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&one), names(&two));
    assert!(names(&one).len() >= 5);
    for name in names(&one) {
        for arguments in [
            &["stack", "resources", name.as_str(), "-o", "json"][..],
            &["stack", "output", name.as_str(), "-o", "json"],
            &["stack", "tags", "list", name.as_str(), "-o", "json"],
        ] {
            let at = |db: &str| -> String {
                let all: Vec<&str> = ["--db", db].into_iter().chain(arguments.iter().copied()).collect();
                env.expect(0, &all).stdout
            };
            assert_eq!(at(&one), at(&two), "{arguments:?}");
        }
        let versions = |db: &str| {
            let all = json_of(&env, &["--db", db, "stack", "snapshot", "list", &name, "-o", "json"]);
            all.as_array()
                .unwrap()
                .iter()
                .map(|v| (v["version"].clone(), v["description"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(versions(&one), versions(&two), "{name}");
    }
    let values = |db: &str| env.expect(0, &["--db", db, "state", "list", "-o", "json"]).stdout;
    let keys = |text: &str| text.matches("\"key\"").count();
    assert_eq!(keys(&values(&one)), keys(&values(&two)));
}

#[test]
fn older_forms_are_read_too() {
    let env = env();
    env.write("old/.keep", "");
    if !legacy::sqlite(&env.path("old/state.db"), legacy::FIRST_DAY) {
        println!("skipped: sqlite3 is not there");
        return;
    }
    env.expect(0, &["stack", "migrate", "--source", "old/state.db"]);
    let values = json_of(&env, &["state", "list", "-o", "json"]);
    let of =
        |key: &str| values.as_array().unwrap().iter().find(|v| v["key"] == key).map(|v| v["value"].clone());
    assert_eq!(of("count"), Some(json!(5)));
    assert_eq!(of("on"), Some(json!(true)));
    assert_eq!(of("text"), Some(json!("5")));
    assert_eq!(of("over"), None);
    // One file for each agent.
    env.write("state/.keep", "");
    assert!(legacy::sqlite(&env.path("state/web-1.db"), legacy::VALUES));
    env.expect(0, &["stack", "migrate", "--source", "state/web-1.db"]);
    env.expect(0, &["state", "get", "plain", "--agent", "web-1"]);
    // Stacks before there was anything else.
    assert!(legacy::sqlite(&env.path("old/stacks.db"), legacy::STACKS_ONLY));
    env.expect(0, &["stack", "migrate", "--source", "old/stacks.db"]);
    env.expect(0, &["stack", "show", "early"]);
}

#[test]
fn what_is_no_such_database_is_refused() {
    let env = env();
    let refuse = |name: &str, why: &str| {
        for more in [&[][..], &["--dry-run"], &["--generate-script", "x.sql"]] {
            let arguments: Vec<&str> =
                ["stack", "migrate", "--source", name].into_iter().chain(more.iter().copied()).collect();
            let ran = env.run(&arguments);
            assert_eq!(ran.code, 5, "{name}: {}", ran.text());
            assert!(ran.says(why) && ran.says("nothing was changed"), "{name}: {}", ran.text());
            assert!(!ran.says("panicked") && !ran.text().contains('\u{1b}'), "{}", ran.text());
        }
        assert!(!env.path("x.sql").exists());
    };
    refuse("missing.db", "it is not there");
    env.write("dir/x", "");
    refuse("dir", "it is not a file");
    env.write("empty.db", "");
    refuse("empty.db", "not an SQLite database");
    env.write("text.db", "SQLite is a word\n");
    refuse("text.db", "not an SQLite database");
    env.write("half.db", "SQLite format 3\0");
    refuse("half.db", "");
    env.expect(0, &["--db", "ours.db", "stack", "new", "x"]);
    refuse("ours.db", "database of this program");
    let evil = "evil\u{1b}[31m\n.db";
    std::fs::write(env.path(evil), b"no").unwrap();
    refuse(evil, "not an SQLite database");
    if !legacy::sqlite(&env.path("foreign.db"), "CREATE TABLE music (id INTEGER);") {
        println!("skipped: sqlite3 is not there");
        return;
    }
    refuse("foreign.db", "`music`");
    assert!(legacy::sqlite(&env.path("good.db"), &(legacy::STACKS.to_owned() + legacy::EXTENDED)));
    let _ = Command::new("sqlite3").arg(env.path("good.db")).arg("PRAGMA wal_checkpoint(TRUNCATE)").output();
    let good = std::fs::read(env.path("good.db")).unwrap();
    std::fs::write(env.path("cut.db"), &good[..good.len() / 2]).unwrap();
    refuse("cut.db", "");
    // Bytes that are not what they were: read as before, or refused; never a panic.
    for at in (100..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        for byte in bad.iter_mut().skip(at).take(16) {
            *byte ^= 0x5a;
        }
        std::fs::write(env.path("bad.db"), &bad).unwrap();
        let ran = env.run(&["stack", "migrate", "--source", "bad.db", "--dry-run"]);
        assert!(ran.code == 0 || ran.code == 5, "{at}: {}", ran.text());
    }
    env.expect(7, &["stack", "migrate"]);
    assert!(!env.db().exists());
}
