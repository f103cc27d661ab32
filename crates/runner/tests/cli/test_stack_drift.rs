use std::os::unix::fs::PermissionsExt as _;

use crate::ran_site;

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
    insta::assert_snapshot!(env.story());
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
    insta::assert_snapshot!(env.story());
}
