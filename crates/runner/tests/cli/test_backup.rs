use std::os::unix::fs::PermissionsExt as _;

use sloth_testkit::env::TestEnv;

use crate::{env, ran_site, root};

/// The story without sizes and names that hold the time.
fn story(env: &TestEnv) -> String {
    let varies = |line: &&str| line.starts_with("  Size:") || line.contains("-before-restore.db");
    env.story().lines().filter(|line| !varies(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_copy_is_made_checked_and_put_back() {
    let env = ran_site();
    env.expect(0, &["backup", "create", "copy.db"]);
    env.tell(&["backup", "verify", "copy.db"]);
    env.tell(&["backup", "create", "copy.db"]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=changed"]);
    env.expect(0, &["state", "set", "key", "value"]);
    env.tell(&["backup", "restore", "copy.db"]);
    env.tell(&["backup", "restore", "copy.db", "--yes"]);
    env.tell(&["op", "log"]);
    let ran = env.expect(1, &["undo", "--yes"]);
    assert!(ran.says("restore the copy kept before it instead"), "{}", ran.text());
    // The files are as they were left: that is drift now.
    assert_eq!(env.read("site/page.txt"), "changed\n");
    env.expect(3, &["stack", "drift", "detect", "site"]);
    env.expect(0, &["doctor", "--deep"]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    insta::assert_snapshot!(story(&env));
}

#[test]
fn copies_without_a_name_have_the_date_and_are_private() {
    let env = ran_site();
    let ran = env.expect(0, &["backup", "create", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let path = std::path::PathBuf::from(shown["path"].as_str().unwrap());
    assert!(path.starts_with(env.home().join("backups")), "{}", ran.text());
    assert_eq!(shown["size"], std::fs::metadata(&path).unwrap().len());
    assert_eq!((&shown["stacks"][0]["name"], &shown["sha256_compared"]), (&"site".into(), &true.into()));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    env.expect(0, &["backup", "create"]);
    env.expect(0, &["backup", "create"]);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 6, "three, each with its digest");
    let before: Vec<u8> = std::fs::read(&path).unwrap();
    env.expect(0, &["backup", "verify", path.to_str().unwrap()]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let ran = env.expect(0, &["backup", "restore", path.to_str().unwrap(), "--yes", "-o", "json"]);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let kept = shown["kept"].as_str().unwrap();
    assert!(kept.ends_with("-before-restore.db"), "{kept}");
    env.expect(0, &["backup", "verify", kept]);
}

#[test]
fn what_cannot_be_restored_leaves_the_database_as_it_was() {
    let env = env();
    env.tell(&["backup", "create"]);
    assert!(!env.db().exists(), "looking for it made one");
    env.expect(0, &["stack", "new", "web"]);
    env.expect(0, &["backup", "create", "copy.db"]);
    let whole = std::fs::read(env.path("copy.db")).unwrap();
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(env.path("copy.db"), bytes).unwrap();
    env.tell(&["backup", "verify", "copy.db"]);
    env.tell(&["backup", "restore", "copy.db", "--yes"]);
    std::fs::write(env.path("copy.db"), &whole).unwrap();
    env.expect(0, &["stack", "lock", "acquire", "web", "--reason", "deploying"]);
    env.tell(&["backup", "restore", "copy.db", "--yes"]);
    env.expect(0, &["stack", "lock", "status", "web"]);
    env.tell(&["backup", "restore", "missing.db", "--yes"]);
    env.write("text.db", "this is no database\n".repeat(500).as_str());
    env.tell(&["backup", "verify", "text.db"]);
    let db = env.db().display().to_string();
    let ran = env.expect(1, &["backup", "restore", &db, "--yes"]);
    assert!(ran.says("a database and not a finished copy"), "{}", ran.text());
    std::fs::remove_file(env.path("copy.db")).unwrap();
    let ran = env.expect(1, &["backup", "create", "copy.db"]);
    assert!(ran.says("copy.db.sha256") && !env.path("copy.db").exists(), "{}", ran.text());
    insta::assert_snapshot!(story(&env));
}

#[test]
fn a_lost_database_comes_back() {
    let env = ran_site();
    env.expect(0, &["backup", "create", "copy.db"]);
    let log = || -> Vec<serde_json::Value> {
        serde_json::from_str(&env.expect(0, &["op", "log", "-o", "json"]).stdout).unwrap()
    };
    let before = log();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", env.db().display()));
    }
    env.expect(1, &["stack", "list"]);
    env.expect(0, &["backup", "restore", "copy.db", "--yes"]);
    let after = log();
    assert_eq!((&after[0]["verb"], &after[1..]), (&"backup restore".into(), &before[..]));
    env.expect(0, &["run", "site"]);
}
