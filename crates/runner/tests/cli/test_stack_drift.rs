use std::os::unix::fs::PermissionsExt as _;

use super::ran_site;

#[test]
fn drift_is_found_shown_and_fixed() {
    let env = ran_site();
    env.tell(&["stack", "drift", "show", "site"]);
    env.tell(&["stack", "drift", "detect", "site"]);
    env.write("site/page.txt", "hello\nedited by hand\n");
    std::fs::set_permissions(env.path("site/notes.txt"), std::fs::Permissions::from_mode(0o600)).unwrap();
    env.tell(&["stack", "drift", "site"]);
    env.tell(&["stack", "resources", "site", "--state", "drift"]);
    assert!(env.expect(0, &["stack", "drift", "show", "site"]).says("Expected:"));
    let only = format!("file:{}", env.path("site/notes.txt").display());
    env.expect(2, &["stack", "drift", "fix", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--only", &only, "--auto-approve"]);
    assert_eq!(env.read("site/page.txt"), "hello\nedited by hand\n");
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    env.expect(0, &["stack", "drift", "detect", "site"]);
    env.tell(&["stack", "drift", "fix", "site"]);
    env.expect(7, &["stack", "drift", "fix", "site", "--only", "file:/nowhere", "--yes"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn looking_writes_nothing_to_the_machine() {
    let env = ran_site();
    std::fs::remove_file(env.path("site/page.txt")).unwrap();
    let before = env.inventory(env.path("site"));
    env.expect(3, &["stack", "drift", "detect", "site", "-o", "json"]);
    assert_eq!(env.inventory(env.path("site")), before);
}

#[test]
fn drift_in_json_has_the_field_names_of_old() {
    let env = ran_site();
    env.write("site/page.txt", "x");
    let ran = env.expect(3, &["stack", "drift", "detect", "site", "-o", "json"]);
    let drift: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = drift["findings"].as_array().unwrap().iter().find(|f| f["is_drifted"] == true).unwrap();
    for field in [
        "id",
        "stack_id",
        "resource_id",
        "detected_at",
        "expected_state",
        "actual_state",
        "drifted_fields",
        "resolution_status",
    ] {
        assert!(found.get(field).is_some(), "{field}");
    }
    assert_eq!(found["resolution_status"], "pending");
}

#[test]
fn a_directory_instead_of_a_file_is_drift_and_a_stranger_is_not() {
    let env = ran_site();
    env.write("site/stranger.txt", "not ours");
    env.expect(0, &["stack", "drift", "site"]);
    std::fs::remove_file(env.path("site/page.txt")).unwrap();
    std::fs::create_dir(env.path("site/page.txt")).unwrap();
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(7, &["stack", "drift", "siet"]);
}

#[test]
fn what_was_found_is_taken_into_the_record() {
    let env = ran_site();
    env.write("site/page.txt", "edited by hand\n");
    std::fs::remove_file(env.path("site/notes.txt")).unwrap();
    env.tell(&["stack", "drift", "detect", "site"]);
    env.tell(&["stack", "drift", "accept", "site"]);
    let tree = env.inventory(env.path("site"));
    let only = format!("file:{}", env.path("site/page.txt").display());
    env.tell(&["stack", "drift", "accept", "site", "--only", &only, "--dry-run"]);
    env.tell(&["stack", "drift", "accept", "site", "--only", &only, "--yes"]);
    env.tell(&["stack", "drift", "show", "site"]);
    env.expect(3, &["stack", "drift", "detect", "site"]);
    env.tell(&["stack", "drift", "accept", "site", "--yes"]);
    env.tell(&["stack", "drift", "detect", "site"]);
    assert_eq!(env.inventory(env.path("site")), tree, "accepting touches no machine");
    assert!(env.expect(0, &["stack", "resources", "site"]).says("page.txt"));
    // Taking it back changes the record and not the machine.
    env.tell(&["undo", "--yes"]);
    assert_eq!(env.inventory(env.path("site")), tree);
    env.expect(3, &["stack", "drift", "detect", "site"]);
    env.expect(0, &["stack", "drift", "accept", "site", "--yes"]);
    env.expect(0, &["stack", "drift", "detect", "site"]);
    // The accepted content is kept: it can be brought back after it is lost.
    env.write("site/page.txt", "lost\n");
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "edited by hand\n");
    env.tell(&["stack", "drift", "accept", "site"]);
    env.expect(7, &["stack", "drift", "accept", "site", "--only", "file:/nowhere", "--yes"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn an_ignored_mode_is_not_drift_and_content_still_is() {
    let env = ran_site();
    let page = format!("file:{}", env.path("site/page.txt").display());
    let mode = format!("{page}.mode");
    let chmod = |bits| {
        std::fs::set_permissions(env.path("site/page.txt"), std::fs::Permissions::from_mode(bits)).unwrap();
    };
    let bits = || std::fs::metadata(env.path("site/page.txt")).unwrap().permissions().mode() & 0o7777;
    chmod(0o600);
    env.expect(3, &["stack", "drift", "site"]);
    env.tell(&["stack", "drift", "ignores", "site"]);
    env.tell(&["stack", "drift", "ignore", "site", &mode, "--reason", "the image sets it"]);
    env.tell(&["stack", "drift", "site"]);
    env.tell(&["stack", "drift", "fix", "site"]);
    env.write("site/page.txt", "edited by hand\n");
    env.tell(&["stack", "drift", "site"]);
    env.tell(&["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!((env.read("site/page.txt").as_str(), bits()), ("hello\n", 0o600));
    // The record was not told of the mode, so that it is known again when nobody ignores it any more.
    env.tell(&["stack", "drift", "ignore", "site", &mode, "--remove"]);
    let ran = env.expect(3, &["stack", "drift", "site", "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = found["findings"].as_array().unwrap().iter().find(|f| f["is_drifted"] == true).unwrap();
    assert_eq!(found["drifted_fields"], serde_json::json!(["mode"]));
    assert_eq!(found["expected_state"]["mode"], "0644");
    env.tell(&["undo"]);
    env.expect(0, &["stack", "drift", "site"]);
    env.tell(&["stack", "drift", "ignores", "site"]);
    // Accepting takes the content and leaves the mode as recorded.
    env.write("site/page.txt", "accepted\n");
    env.expect(0, &["stack", "drift", "accept", "site", "--yes"]);
    env.expect(0, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "ignore", "site", &mode, "--remove"]);
    let ran = env.expect(3, &["stack", "drift", "site"]);
    assert!(ran.says("mode: 0600 → 0644") && !ran.says("accepted"), "{}", ran.text());
    env.expect(0, &["stack", "drift", "ignore", "site", &mode, "--reason", "again"]);
    // What is gone is made as it was, with everything.
    std::fs::remove_file(env.path("site/page.txt")).unwrap();
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!((env.read("site/page.txt").as_str(), bits()), ("accepted\n", 0o644));
    // A run knows nothing of it.
    chmod(0o600);
    env.expect(0, &["run", "site.sloth", "--var", &super::root(&env)]);
    assert_eq!((env.read("site/page.txt").as_str(), bits()), ("hello\n", 0o644));
    crate::assert_snapshot!(env.story());
}

#[test]
fn what_has_to_be_made_anew_gets_ignored_attributes_too() {
    let env = ran_site();
    let notes = env.path("site/notes.txt");
    let mode = format!("file:{}.mode", notes.display());
    env.expect(0, &["stack", "drift", "ignore", "site", &mode, "--reason", "x"]);
    let bits = || std::fs::metadata(&notes).unwrap().permissions().mode() & 0o7777;
    std::fs::remove_file(&notes).unwrap();
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!((env.read("site/notes.txt").as_str(), bits()), ("one\ntwo\n", 0o640));
    std::fs::remove_file(&notes).unwrap();
    std::os::unix::fs::symlink("page.txt", &notes).unwrap();
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!((env.read("site/notes.txt").as_str(), bits()), ("one\ntwo\n", 0o640));
    assert_eq!(env.read("site/page.txt"), "hello\n");
}

#[test]
fn ignored_content_is_neither_put_back_nor_recorded() {
    let env = ran_site();
    let notes = format!("file:{}", env.path("site/notes.txt").display());
    let content = format!("{notes}.content");
    env.expect(0, &["stack", "drift", "ignore", "site", &content, "--reason", "grows"]);
    env.write("site/notes.txt", "three\n");
    std::fs::set_permissions(env.path("site/notes.txt"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(env.expect(3, &["stack", "drift", "site"]).says("mode: 0600 → 0640"));
    let ran = env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert!(ran.says("no new version"), "the record is what it was: {}", ran.text());
    assert_eq!(env.read("site/notes.txt"), "three\n");
    env.expect(0, &["stack", "drift", "site"]);
    std::fs::set_permissions(env.path("site/notes.txt"), std::fs::Permissions::from_mode(0o600)).unwrap();
    env.expect(0, &["stack", "drift", "accept", "site", "--yes"]);
    env.expect(0, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "ignore", "site", &content, "--remove"]);
    let ran = env.expect(3, &["stack", "drift", "site"]);
    assert!(ran.says("+one") && !ran.says("mode:"), "{}", ran.text());
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!(env.read("site/notes.txt"), "one\ntwo\n");
    env.expect(0, &["doctor"]);
}

#[test]
fn a_resource_ignored_as_a_whole_is_listed_and_left_alone() {
    let env = ran_site();
    let page = format!("file:{}", env.path("site/page.txt").display());
    let notes = format!("file:{}", env.path("site/notes.txt").display());
    env.write("site/page.txt", "edited by hand\n");
    env.tell(&[
        "stack",
        "drift",
        "ignore",
        "site",
        &page,
        "--reason",
        "experiments",
        "--until",
        "2090-01-31T12:00:00Z",
    ]);
    env.tell(&["stack", "drift", "site"]);
    env.tell(&["stack", "drift", "ignores", "site"]);
    env.expect(0, &["stack", "drift", "show", "site"]);
    assert!(env.expect(0, &["stack", "resources", "site", "--state", "drift"]).says("0 resources"));
    env.tell(&["stack", "drift", "fix", "site", "--only", &page, "--yes"]);
    env.expect(0, &["stack", "drift", "accept", "site", "--yes"]);
    std::fs::remove_file(env.path("site/notes.txt")).unwrap();
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "edited by hand\n");
    assert_eq!(env.read("site/notes.txt"), "one\ntwo\n");
    let ran = env.expect(0, &["stack", "drift", "detect", "site", "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["drifted"], &found["ignored"]), (&0.into(), &1.into()));
    let ignored = found["findings"].as_array().unwrap().iter().find(|f| f["is_drifted"] == true).unwrap();
    assert_eq!(ignored["resolution_status"], "ignored");
    env.tell(&["undo", "--op", "999"]);
    env.expect(0, &["stack", "drift", "ignore", "site", &page, "--remove"]);
    env.expect(3, &["stack", "drift", "site"]);
    // What nobody knows, and what cannot be.
    let typo = page.replace("page.txt", "pgae.txt");
    env.tell(&["stack", "drift", "ignore", "site", &typo, "--reason", "x"]);
    env.tell(&["stack", "drift", "ignore", "site", &format!("{typo}.mode"), "--reason", "x"]);
    env.tell(&["stack", "drift", "ignore", "site", &format!("{page}.mdoe"), "--reason", "x"]);
    env.tell(&["stack", "drift", "ignore", "site", &notes, "--remove"]);
    env.expect(2, &["stack", "drift", "ignore", "site", &page]);
    env.expect(2, &["stack", "drift", "ignore", "site", &page, "--reason", " "]);
    env.expect(2, &["stack", "drift", "ignore", "site", &page, "--reason", "x", "--until", "soon"]);
    env.expect(2, &["stack", "drift", "ignore", "site", &page, "--reason", "x", "--remove"]);
    env.expect(7, &["stack", "drift", "ignore", "siet", &page, "--reason", "x"]);
    env.expect(7, &["stack", "drift", "ignores", "siet"]);
    assert!(env.expect(0, &["stack", "drift", "ignores", "site"]).says("Total: 0 ignored"));
    crate::assert_snapshot!(env.story());
}

#[test]
fn what_is_ignored_ends_at_its_time() {
    let env = ran_site();
    let page = format!("file:{}", env.path("site/page.txt").display());
    env.write("site/page.txt", "edited by hand\n");
    for over in ["0s", "2001-01-01T00:00:00Z"] {
        let ran =
            env.expect(0, &["stack", "drift", "ignore", "site", &page, "--reason", "x", "--until", over]);
        assert!(ran.says("its time is over already"), "{}", ran.text());
        assert!(env.expect(0, &["stack", "drift", "ignores", "site"]).says("Total: 0 ignored"));
        env.expect(3, &["stack", "drift", "site"]);
        env.expect(7, &["stack", "drift", "ignore", "site", &page, "--remove"]);
    }
    env.expect(0, &["stack", "drift", "ignore", "site", &page, "--reason", "x", "--until", "400d"]);
    env.expect(0, &["stack", "drift", "site"]);
    // A later wish replaces it, and undoing that brings it back.
    env.expect(0, &["stack", "drift", "ignore", "site", &page, "--reason", "y", "--until", "0s"]);
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["undo"]);
    env.expect(0, &["stack", "drift", "site"]);
    env.expect(0, &["undo", "--op", "2"]);
}

#[test]
fn a_reason_is_shown_safely() {
    let env = ran_site();
    let page = format!("file:{}", env.path("site/page.txt").display());
    let hostile = "\u{1b}[31mred\u{202e}\nTotal: 7 ignored'; DROP TABLE stacks; --";
    let ran = env.expect(0, &["stack", "drift", "ignore", "site", &page, "--reason", hostile]);
    assert!(!ran.says("\u{1b}") && !ran.says("\u{202e}"), "{}", ran.text());
    let ran = env.expect(0, &["stack", "drift", "ignores", "site"]);
    assert!(!ran.says("\u{1b}") && !ran.says("\u{202e}"), "{}", ran.text());
    assert!(!ran.stdout.lines().any(|line| line.starts_with("Total: 7")), "{}", ran.text());
    let ran = env.expect(0, &["stack", "drift", "fix", "site", "--only", &page, "--yes"]);
    assert!(!ran.says("\u{1b}") && ran.says("is ignored"), "{}", ran.text());
    let ran = env.expect(0, &["stack", "drift", "ignores", "site", "-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(listed["ignores"][0]["reason"], hostile);
    assert_eq!(listed["ignores"][0]["attribute"], serde_json::Value::Null);
    env.expect(0, &["stack", "drift", "ignores", "site", "-o", "yaml"]);
}

#[test]
fn what_is_compared_as_a_whole_is_ignored_as_a_whole() {
    let env = super::env();
    env.write("hosts", "a\n");
    let path = env.path("hosts").display().to_string();
    let program = format!(
        "workflow({{ name = \"lines\" }})\ntask(\"one\", {{ run = function()\n    file.line({{ path = {path:?}, line = \"b\" }})\nend }})\n"
    );
    env.write("lines.sloth", &program);
    env.expect(0, &["run", "lines.sloth"]);
    let ran = env.expect(0, &["stack", "resources", "lines", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let kind = list[0]["type"].as_str().unwrap();
    let address = format!("{kind}:{}", list[0]["name"].as_str().unwrap());
    let ran =
        env.expect(1, &["stack", "drift", "ignore", "lines", &format!("{address}.line"), "--reason", "x"]);
    assert!(ran.says("only the whole resource can be ignored"), "{}", ran.text());
    env.write("hosts", "a\n");
    env.expect(3, &["stack", "drift", "lines"]);
    env.expect(0, &["stack", "drift", "ignore", "lines", &address, "--reason", "x"]);
    env.expect(0, &["stack", "drift", "lines"]);
}

#[test]
fn the_history_tells_what_ended_how_and_what_comes_back() {
    let env = ran_site();
    let page = format!("file:{}", env.path("site/page.txt").display());
    let notes = format!("file:{}", env.path("site/notes.txt").display());
    let spoil = |what: &str| env.write("site/page.txt", what);
    env.tell(&["stack", "drift", "history", "site"]);
    // Put right by a fix, of a changed content that two looks saw.
    spoil("first\n");
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--yes", "--as", "ann"]);
    // Gone by itself.
    spoil("second\n");
    env.expect(3, &["stack", "drift", "site"]);
    spoil("hello\n");
    env.expect(0, &["stack", "drift", "site", "--as", "bob"]);
    // Put right by a run.
    spoil("third\n");
    env.tell(&["stack", "drift", "site"]);
    env.expect(0, &["run", "site.sloth", "--var", &super::root(&env), "--as", "cid"]);
    assert!(env.expect(0, &["stack", "resources", "site", "--state", "drift"]).says("0 resources"));
    env.tell(&["stack", "drift", "show", "site"]);
    // Taken into the record, and ignored.
    spoil("fourth\n");
    std::fs::remove_file(env.path("site/notes.txt")).unwrap();
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "accept", "site", "--only", &page, "--yes", "--as", "dan"]);
    env.expect(0, &["stack", "drift", "ignore", "site", &notes, "--reason", "later", "--as", "eve"]);
    env.expect(0, &["stack", "drift", "site"]);
    env.tell(&["stack", "drift", "history", "site"]);
    env.tell(&["stack", "drift", "show", "site"]);
    env.tell(&["stack", "drift", "history", "site", "--only", &notes]);
    env.tell(&["stack", "drift", "history", "site", "--only", &notes.replace("notes", "nots")]);
    env.expect(7, &["stack", "drift", "history", "siet"]);
    env.expect(2, &["stack", "drift", "history", "site", "--only", "nothing"]);
    let ran = env.expect(0, &["stack", "drift", "history", "site", "-o", "json"]);
    let history: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let page = history["resources"].as_array().unwrap().iter().find(|r| r["resource_id"] == page).unwrap();
    let ends: Vec<(&str, &str)> = page["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["settled"]["by"].as_str().unwrap(), f["settled"]["with"].as_str().unwrap()))
        .collect();
    let run = ("cid", "run");
    assert_eq!(ends, [("ann", "drift fix"), ("bob", "drift detect"), run, ("dan", "drift accept")]);
    assert_eq!(page["returns"], 3);
    assert_eq!(page["findings"][0]["times_seen"], 2);
    crate::assert_snapshot!(env.story());
}

#[test]
fn the_last_look_is_shown_with_the_text_it_saw() {
    let env = ran_site();
    env.write("site/page.txt", "hello\nedited by hand\n");
    env.expect(3, &["stack", "drift", "site"]);
    // What is shown is what was seen then, not what is so now.
    env.write("site/page.txt", "something else\n");
    let ran = env.expect(0, &["stack", "drift", "show", "site"]);
    assert!(ran.says("-edited by hand") && !ran.says("something else"), "{}", ran.text());
}
