use crate::{env, ran_site};

#[test]
fn values_keep_their_types() {
    let env = env();
    for (key, value) in [("n", "5"), ("t", "v1.2.3"), ("b", "true"), ("o", r#"{"a":[1,2]}"#), ("neg", "-4")] {
        env.expect(0, &["state", "set", key, value]);
        assert_eq!(env.expect(0, &["state", "get", key]).stdout, format!("{value}\n"));
    }
    env.expect(0, &["state", "set", "s", "5", "--string"]);
    let ran = env.expect(0, &["state", "get", "s", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(value["value"], "5");
    env.tell(&["state", "list", "n"]);
    env.tell(&["state", "show", "t"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn keys_are_deleted_after_a_yes() {
    let env = env();
    env.expect(0, &["state", "set", "user:john", "1"]);
    env.tell(&["state", "delete", "user:jon"]);
    env.tell(&["state", "delete", "user:john"]);
    env.expect(0, &["state", "delete", "user:john", "--yes"]);
    env.expect(7, &["state", "get", "user:john"]);
    env.expect(1, &["state", "set", "", "1"]);
    env.expect(1, &["state", "set", "a\nb", "1"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn agents_have_their_own_values_and_old_ones_go() {
    let env = env();
    env.expect(0, &["state", "set", "k", "here"]);
    env.expect(0, &["state", "set", "k", "there", "--agent", "web1"]);
    assert_eq!(env.expect(0, &["state", "get", "k"]).stdout, "here\n");
    assert_eq!(env.expect(0, &["state", "get", "k", "--agent", "web1"]).stdout, "there\n");
    env.expect(0, &["state", "set", "gone", "1", "--ttl", "0s"]);
    env.expect(7, &["state", "get", "gone"]);
}

#[test]
fn resources_are_listed_by_operation_key() {
    let env = ran_site();
    env.tell(&["state", "list", "file:content"]);
    let key = format!("file:content:{}", env.path("site/page.txt").display());
    let ran = env.expect(0, &["state", "show", &key]);
    assert!(ran.says("Stack:") && ran.says("site"), "{}", ran.text());
    let done = env.expect(0, &["state", "delete", &key, "--yes"]);
    assert!(done.says("forgotten"), "{}", done.text());
    env.expect(7, &["state", "show", &key]);
    assert!(env.path("site/page.txt").exists(), "the machine stays as it is");
    env.expect(0, &["undo", "--yes"]);
    env.expect(0, &["state", "show", &key]);
    env.tell(&["state", "list", "lock"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn hostile_values_do_not_reach_the_terminal() {
    let env = env();
    env.expect(0, &["state", "set", "evil", "\u{1b}[2J\u{202e}x\u{7}"]);
    for arguments in [&["state", "get", "evil"][..], &["state", "list"], &["state", "show", "evil"]] {
        let ran = env.expect(0, arguments);
        assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{arguments:?}");
    }
}
