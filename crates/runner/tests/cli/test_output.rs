//! What every command's output has in common.

use crate::{env, ran_site};

#[test]
fn hostile_names_are_escaped_in_every_table() {
    let env = env();
    let evil = "ev\u{202e}il\u{200b}";
    env.expect(0, &["stack", "new", evil, "-d", "\u{1b}[31mred\u{1b}[0m"]);
    env.expect(0, &["stack", "snapshot", "create", evil, "-d", "a\nb\u{9b}2J", "--creator", "\u{7}bell"]);
    env.expect(0, &["stack", "lock", "acquire", evil, "--reason", "\u{1b}]0;title\u{7}"]);
    for arguments in [
        &["stack", "list"][..],
        &["stack", "show", evil],
        &["stack", "snapshot", "list", evil],
        &["stack", "snapshot", "show", evil, "1"],
        &["stack", "lock", "status", evil],
        &["stack", "resources", evil],
        &["stack", "history", evil],
        &["stack", "drift", evil],
        &["stack", "delete", evil],
        &["stack", "lock", "acquire", evil, "--lock-id", "x"],
        &["op", "log"],
        &["stack", "show", "\u{1b}[2J"],
    ] {
        let ran = env.run(arguments);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{200b}']),
            "{arguments:?}\n{text:?}"
        );
    }
}

#[test]
fn colour_is_for_terminals_only() {
    let mut env = ran_site();
    env.set("TERM", "xterm-256color");
    env.write("site/page.txt", "edited\n");
    for arguments in
        [&["stack", "drift", "site"][..], &["plan", "site"], &["stack", "list"], &["stack", "show", "nobody"]]
    {
        let ran = env.run(arguments);
        assert!(!ran.says("\u{1b}"), "{arguments:?}");
    }
}

#[test]
fn lists_are_arrays_and_objects_name_their_format() {
    let env = ran_site();
    for arguments in [
        &["stack", "list"][..],
        &["stack", "resources", "site"],
        &["stack", "history", "site"],
        &["stack", "snapshot", "list", "site"],
        &["op", "log"],
        &["state", "list"],
        &["resume", "site", "--list"],
    ] {
        let ran = env.expect(0, &[arguments, &["-o", "json"]].concat());
        let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(value.is_array(), "{arguments:?}");
    }
    for arguments in [
        &["stack", "show", "site"][..],
        &["stack", "output", "site"],
        &["stack", "lock", "status", "site"],
        &["stack", "drift", "show", "site"],
        &["stack", "snapshot", "show", "site", "1"],
        &["version"],
        &["doctor"],
        &["check", "site.sloth", "--var", "root=/x"],
    ] {
        let ran = env.expect(0, &[arguments, &["-o", "json"]].concat());
        let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(value["format"], "sloth-runner/1", "{arguments:?}");
        let ran = env.expect(0, &[arguments, &["-o", "yaml"]].concat());
        assert!(ran.stdout.contains("format: sloth-runner/1"), "{arguments:?}");
    }
}
