use super::{env, ran_site};

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
    crate::assert_snapshot!(env.story());
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
    crate::assert_snapshot!(env.story());
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
    crate::assert_snapshot!(env.story());
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

#[test]
fn values_are_counted_swapped_and_cleared() {
    let env = env();
    for command in [
        &["state", "increment", "deployments"][..],
        &["state", "incr", "deployments", "4"],
        &["state", "increment", "deployments", "-2.5"],
        &["state", "increment", "slots", "3"],
        &["state", "set", "leader", "node-1", "--if-absent"],
        &["state", "set", "leader", "node-2", "--if-absent"],
        &["state", "set", "leader", "node-2", "--if-value", "node-1"],
        &["state", "set", "leader", "node-3", "--if-value", "node-1"],
        &["state", "increment", "leader"],
        &["state", "increment", "big", "1e999"],
        &["state", "set", "app:a", "1"],
        &["state", "set", "app:b", "[1,2]"],
        &["state", "clear", "nothing"],
        &["state", "clear", "app:"],
        &["state", "clear", "app:", "--yes"],
        &["state", "list"],
        &["undo", "--yes"],
        &["state", "list"],
        &["undo", "--yes"],
        &["state", "clear", "-y"],
        &["state", "list"],
    ] {
        env.tell(command);
    }
    crate::assert_snapshot!(env.story());
}

#[test]
fn values_survive_export_and_import() {
    let env = env();
    let counted = env.expect(0, &["state", "increment", "slots", "3", "-o", "json"]).stdout;
    let counted: serde_json::Value = serde_json::from_str(&counted).unwrap();
    assert_eq!(
        (&counted["key"], &counted["value"], &counted["revision"]),
        (&"slots".into(), &3.into(), &1.into())
    );
    env.expect(0, &["undo", "--yes"]);
    for (key, value) in [("n", "5"), ("text", "\"5\""), ("o", r#"{"a":[1,null,2.5]}"#), ("ключ 🔑", "x")]
    {
        env.expect(0, &["state", "set", key, value]);
    }
    env.expect(0, &["state", "set", "soon", "1", "--ttl", "1h"]);
    env.expect(0, &["state", "export", "values.json"]);
    let exported = env.read("values.json");
    assert_eq!(env.expect(0, &["state", "export"]).stdout, exported);
    let again = env.expect(0, &["state", "import", "values.json"]);
    assert!(again.says("0 created, 0 changed, 5 unchanged"), "{}", again.text());
    // Into another scope, and back from the file.
    env.expect(0, &["state", "import", "values.json", "--agent", "web-1"]);
    let other = env.expect(0, &["state", "export", "--agent", "web-1"]).stdout;
    assert_eq!(other.replace("\"web-1\"", "\"local\""), exported);
    env.expect(0, &["state", "set", "n", "6"]);
    env.expect(0, &["state", "set", "extra", "1"]);
    let dry = env.expect(0, &["state", "import", "values.json", "--replace", "--dry-run"]);
    assert!(dry.says("would be 0 created, 1 changed, 4 unchanged, 1 removed"), "{}", dry.text());
    assert_eq!(env.expect(0, &["state", "get", "n"]).stdout, "6\n");
    env.expect(0, &["state", "import", "values.json", "--replace"]);
    assert_eq!(env.expect(0, &["state", "export"]).stdout, exported);
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(env.expect(0, &["state", "get", "n"]).stdout, "6\n");
    assert_eq!(env.expect(0, &["state", "get", "extra"]).stdout, "1\n");
    let stats: serde_json::Value =
        serde_json::from_str(&env.expect(0, &["state", "stats", "-o", "json"]).stdout).unwrap();
    assert_eq!(
        (&stats["total_keys"], &stats["expiring"], &stats["backend"]),
        (&6.into(), &1.into(), &env.backend().into())
    );
    assert_eq!(stats["by_type"], serde_json::json!({ "number": 3, "object": 1, "string": 2 }));
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let env = env();
    let pipe = env.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::fs::create_dir(env.path("dir")).unwrap();
    std::os::unix::fs::symlink("elsewhere", env.path("link")).unwrap();
    for name in ["pipe", "dir", "link"] {
        let before = std::fs::symlink_metadata(env.path(name)).unwrap().file_type();
        let refused = env.expect(1, &["state", "export", name]);
        assert!(refused.says("not a regular file"), "{}", refused.text());
        assert_eq!(std::fs::symlink_metadata(env.path(name)).unwrap().file_type(), before);
    }
}

#[test]
fn what_is_no_export_is_refused_whole() {
    let env = env();
    env.expect(0, &["state", "set", "a", "1"]);
    let before = env.expect(0, &["state", "export"]).stdout;
    for (text, why) in [
        ("", "not JSON"),
        ("{}", "no `format`"),
        (r#"{"format":"tfstate","agent":"local","values":[]}"#, "`tfstate`"),
        (r#"{"format":"sloth-runner-values/1","agent":"local"}"#, "values"),
        (
            r#"{"format":"sloth-runner-values/1","agent":"local","values":[{"key":"b","value":1},{"key":"b","value":2}]}"#,
            "twice",
        ),
        (
            r#"{"format":"sloth-runner-values/1","agent":"local","values":[{"key":"b","value":1,"expires_at":"soon"}]}"#,
            "no time",
        ),
        (
            r#"{"format":"sloth-runner-values/1","agent":"local","values":[{"key":"b","value":1,"x":2}]}"#,
            "`x`",
        ),
    ] {
        env.write("bad.json", text);
        let refused = env.expect(5, &["state", "import", "bad.json"]);
        assert!(refused.says(why) && refused.says("nothing was changed"), "{why}: {}", refused.text());
    }
    env.write(
        "bad.json",
        r#"{"format":"sloth-runner-values/1","agent":"local","values":[{"key":"b","value":1},{"key":"","value":2}]}"#,
    );
    assert_ne!(env.run(&["state", "import", "bad.json"]).code, 0);
    env.expect(7, &["state", "import", "missing.json"]);
    assert_eq!(env.expect(0, &["state", "export"]).stdout, before);
}

/// Counting up is atomic between processes, and one of many gets what is not there yet.
#[test]
fn heavy_processes_count_and_race() {
    let env = env();
    env.expect(0, &["stack", "list"]);
    let command = |arguments: &[&str]| {
        let mut command = env.command();
        command.args(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command
    };
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let mut counting: Vec<_> = (0..25).map(|_| command(&["state", "increment", "n"])).collect();
            let mut taking = command(&["state", "set", "leader", &format!("node-{n}"), "--if-absent"]);
            std::thread::spawn(move || {
                assert!(counting.iter_mut().all(|c| c.status().unwrap().success()));
                usize::from(taking.status().unwrap().success())
            })
        })
        .collect();
    let winners: usize = racers.into_iter().map(|racer| racer.join().unwrap()).sum();
    assert_eq!(env.expect(0, &["state", "get", "n"]).stdout, "200\n");
    assert_eq!(winners, 1);
}

#[test]
fn what_is_swapped_gets_an_end_or_keeps_it() {
    let env = env();
    let entry = || -> serde_json::Value {
        let shown = env.expect(0, &["state", "show", "leader", "-o", "json"]);
        serde_json::from_str(&shown.stdout).unwrap()
    };
    env.expect(0, &["state", "set", "leader", "a", "--if-absent", "--ttl", "1h"]);
    let first = entry()["expires_at"].clone();
    assert!(first.is_string(), "{first}");
    env.expect(6, &["state", "set", "leader", "b", "--if-absent", "--ttl", "9h"]);
    env.expect(0, &["state", "set", "leader", "b", "--if-value", "a"]);
    assert_eq!((entry()["value"].as_str(), &entry()["expires_at"]), (Some("b"), &first));
    env.expect(0, &["state", "set", "leader", "c", "--if-value", "b", "--ttl", "2h"]);
    assert_ne!(entry()["expires_at"], first);
    env.expect(0, &["undo"]);
    assert_eq!((entry()["value"].as_str(), &entry()["expires_at"]), (Some("b"), &first));
    // Once its time is over there is none, and the next one takes it.
    env.expect(0, &["state", "set", "leader", "d", "--if-value", "b", "--ttl", "0s"]);
    env.expect(7, &["state", "get", "leader"]);
    env.write(
        "elect.sloth",
        "task(\"t\", { run = function()\n    assert(state.compare_swap(\"leader\", nil, \"e\", \"1h\"))\n    \
         assert(not state.compare_swap(\"leader\", nil, \"f\", \"1h\"))\nend })\n",
    );
    env.expect(0, &["run", "elect.sloth"]);
    assert!(entry()["expires_at"].is_string(), "{}", entry());
    env.write(
        "bad.sloth",
        "task(\"t\", { run = function() state.compare_swap(\"leader\", \"e\", \"g\", {ttl = true}) end })\n",
    );
    let bad = env.expect(1, &["run", "bad.sloth"]);
    assert!(bad.says("time to live of `state.compare_swap` must be a duration"), "{}", bad.text());
}

#[test]
fn what_several_append_at_once_is_all_there() {
    let env = env();
    let children: Vec<_> = (0..4)
        .map(|n| {
            let program = format!(
                "workflow({{ name = \"w{n}\" }})\ntask(\"t\", {{ run = function()\n    for i = 1, 25 do state.append(\"log\", {n} * 100 + i) \
                 end\nend }})\n"
            );
            env.write(format!("w{n}.sloth"), &program);
            env.command().args(["run".to_owned(), format!("w{n}.sloth")]).stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let log: Vec<i64> = serde_json::from_str(&env.expect(0, &["state", "get", "log"]).stdout).unwrap();
    assert_eq!(log.iter().collect::<std::collections::BTreeSet<_>>().len(), 100, "{log:?}");
}
