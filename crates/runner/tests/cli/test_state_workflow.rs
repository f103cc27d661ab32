use serde_json::{Value, json};
use sloth_testkit::env::TestEnv;

use super::{env, ran_site, root};

/// A site in three versions: made, changed, and without its notes.
fn three_versions() -> TestEnv {
    let env = ran_site();
    env.write("site.sloth", &env.read("site.sloth").replace("hello", "goodbye"));
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    let text = env.read("site.sloth");
    let (before, _) = text.split_once("task(\"notes\"").unwrap();
    env.write("site.sloth", before);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--prune"]);
    env
}

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    let ran = env.expect(0, &[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}\n{}", ran.text()))
}

#[test]
fn executions_are_listed_and_shown() {
    let env = three_versions();
    env.expect(0, &["stack", "new", "empty"]);
    env.tell(&["state", "workflow", "list"]);
    env.tell(&["state", "workflow", "list", "--all"]);
    env.tell(&["state", "workflow", "show", "site"]);
    env.tell(&["state", "workflow", "show", "site-v2"]);
    env.tell(&["state", "workflow", "versions", "site"]);
    env.tell(&["state", "workflow", "resources", "site-v1"]);
    env.tell(&["state", "workflow", "resources", "site", "--type", "file"]);
    env.tell(&["state", "workflow", "outputs", "site"]);
    env.tell(&["state", "workflow", "drift", "site"]);
    env.tell(&["state", "workflow", "show", "site@9"]);
    env.tell(&["state", "workflow", "show", "sitte"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_workflow_is_named_by_name_id_prefix_and_version() {
    let env = three_versions();
    env.expect(0, &["state", "workflow", "tags", "add", "site", "first", "--version", "1"]);
    let id = json(&env, &["state", "workflow", "show", "site"])["id"].as_str().unwrap().to_owned();
    for name in ["site".to_owned(), id.clone(), id[..13].to_owned()] {
        assert_eq!(json(&env, &["state", "workflow", "show", &name])["version"], 3, "{name}");
        for (suffix, version) in [("-v1", 1), ("@2", 2), ("@v2", 2), ("@first", 1)] {
            let named = format!("{name}{suffix}");
            let shown = json(&env, &["state", "workflow", "show", &named]);
            assert_eq!((&shown["version"], &shown["name"]), (&json!(version), &json!("site")), "{named}");
            assert_eq!(shown["status"], "success");
        }
    }
    // A stack whose own name looks like a version of another one is itself.
    env.expect(0, &["stack", "new", "site-v2"]);
    assert_eq!(json(&env, &["state", "workflow", "show", "site-v2"])["status"], "pending");
    env.expect(7, &["state", "workflow", "show", "nothing-v1"]);
    env.expect(7, &["state", "workflow", "show", "site-v9"]);
    env.expect(2, &["state", "workflow", "show", "site@last"]);
}

#[test]
fn the_fields_are_those_of_older_programs() {
    let env = three_versions();
    let shown = json(&env, &["state", "workflow", "show", "site"]);
    for field in [
        "id",
        "name",
        "version",
        "status",
        "started_at",
        "completed_at",
        "duration_seconds",
        "metadata",
        "resources",
        "outputs",
        "error_msg",
        "locked_by",
    ] {
        assert!(shown.get(field).is_some(), "{field} is missing: {shown}");
    }
    let actions: Vec<(&str, &str)> = shown["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["action"].as_str().unwrap(), r["status"].as_str().unwrap()))
        .collect();
    assert_eq!(actions, [("noop", "applied"), ("noop", "applied"), ("delete", "deleted")]);
    let before = json(&env, &["state", "workflow", "resources", "site@2"]);
    let actions: Vec<&str> =
        before.as_array().unwrap().iter().map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["noop", "noop", "update"], "{before}");
    let versions = json(&env, &["state", "workflow", "versions", "site"]);
    assert_eq!(versions.as_array().unwrap().len(), 3);
    assert_eq!(versions[0]["id"], format!("{}-v3", shown["id"].as_str().unwrap()));
}

#[test]
fn failures_are_found() {
    let env = ran_site();
    env.write("bad.sloth", "task(\"t\", { run = function() stack.register_resource({ type = \"vm\", name = \"a\", properties = {} }) error(\"no luck\") end })");
    env.expect(1, &["run", "bad.sloth"]);
    let names = |arguments: &[&str]| -> Vec<String> {
        let found = json(&env, arguments);
        found.as_array().unwrap().iter().map(|w| w["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["state", "workflow", "search"]), ["bad", "site"]);
    assert_eq!(names(&["state", "workflow", "search", "--has-errors"]), ["bad"]);
    assert_eq!(names(&["state", "workflow", "search", "--resource-type", "file"]), ["site"]);
    assert_eq!(names(&["state", "workflow", "search", "--name", "it"]), ["site"]);
    assert_eq!(names(&["state", "workflow", "search", "--limit", "1"]), ["bad"]);
    assert_eq!(names(&["state", "workflow", "list", "--status", "failed"]), ["bad"]);
    assert_eq!(names(&["state", "workflow", "list", "--status", "completed"]), ["site"]);
    let shown = json(&env, &["state", "workflow", "show", "bad"]);
    assert_eq!(shown["status"], "failed");
    assert!(shown["error_msg"].as_str().unwrap().contains("no luck"), "{shown}");
    env.expect(2, &["state", "workflow", "list", "--status", "fine"]);
}

#[test]
fn going_back_and_forgetting_are_those_of_stacks() {
    let env = three_versions();
    env.expect(2, &["state", "workflow", "rollback", "site", "1"]);
    let ran = env.expect(0, &["state", "workflow", "rollback", "site", "1", "--dry-run"]);
    assert!(ran.says("notes.txt") && env.read("site/page.txt") == "goodbye\n", "{}", ran.text());
    env.expect(0, &["state", "workflow", "rollback", "site-v3", "1", "--force"]);
    assert_eq!(
        (env.read("site/page.txt"), env.read("site/notes.txt")),
        ("hello\n".into(), "one\ntwo\n".into())
    );
    let shown = json(&env, &["state", "workflow", "show", "site"]);
    assert_eq!((&shown["version"], &shown["status"]), (&json!(4), &json!("rolled_back")));
    let diff = env.expect(0, &["state", "workflow", "diff", "site", "2", "3"]);
    assert!(diff.says("notes.txt"), "{}", diff.text());
    assert!(env.expect(0, &["state", "workflow", "diff", "site", "1"]).says("0 added, 0 removed, 0 changed"));
    env.expect(2, &["state", "workflow", "delete", "site"]);
    env.expect(0, &["state", "workflow", "delete", "site", "--force"]);
    env.expect(7, &["state", "workflow", "show", "site"]);
    env.expect(0, &["undo"]);
    env.expect(0, &["state", "workflow", "show", "site"]);
}

#[test]
fn pruning_spares_what_looks_after_something() {
    let env = ran_site();
    for name in ["old", "tagged", "gone"] {
        env.expect(0, &["stack", "new", name]);
    }
    env.expect(0, &["state", "workflow", "tags", "add", "tagged", "x"]);
    let list = json(&env, &["state", "workflow", "prune", "--older-than", "0s", "--dry-run"]);
    let stays: Vec<(&str, bool)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["name"].as_str().unwrap(), w["stays"].is_string()))
        .collect();
    assert_eq!(stays, [("gone", false), ("old", false), ("site", true), ("tagged", true)]);
    env.expect(0, &["state", "workflow", "prune", "--older-than", "30", "--force"]);
    assert_eq!(json(&env, &["stack", "list"]).as_array().unwrap().len(), 4, "nothing is that old");
    env.expect(2, &["state", "workflow", "prune", "--older-than", "0s"]);
    let ran = env.expect(0, &["state", "workflow", "prune", "--older-than", "0s", "--force"]);
    assert!(
        ran.says("it looks after 3 real resources") && ran.says("2 workflows forgotten"),
        "{}",
        ran.text()
    );
    assert_eq!(json(&env, &["stack", "list"]).as_array().unwrap().len(), 2);
    env.expect(0, &["undo"]);
    env.expect(0, &["undo"]);
    assert_eq!(json(&env, &["stack", "list"]).as_array().unwrap().len(), 4);
    env.expect(2, &["state", "workflow", "prune", "--older-than", "soon"]);
}

#[test]
fn tags_are_those_of_the_stack() {
    let env = ran_site();
    env.expect(0, &["state", "workflow", "tags", "add", "site", "production"]);
    env.expect(0, &["state", "workflow", "tags", "list", "site"]);
    assert_eq!(
        json(&env, &["stack", "tags", "list", "site"]),
        json!([{"tag": "production", "version": null}])
    );
    assert_eq!(json(&env, &["state", "workflow", "show", "site"])["tags"], json!(["production"]));
    env.expect(0, &["state", "workflow", "tags", "remove", "site", "production"]);
    assert_eq!(json(&env, &["stack", "tags", "list", "site"]), json!([]));
}

#[test]
fn an_export_holds_everything_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let env = three_versions();
    env.expect(0, &["state", "workflow", "tags", "add", "site", "production"]);
    env.expect(0, &["state", "workflow", "export", "site", "site.json"]);
    let mode = std::fs::metadata(env.path("site.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let document: Value = serde_json::from_str(&env.read("site.json")).unwrap();
    assert_eq!(document["state"]["name"], "site");
    assert_eq!(document["versions"].as_array().unwrap().len(), 3);
    assert_eq!(document["tags"], json!(["production"]));
    assert_eq!(document["exported_by"], "tester");
    assert_eq!(document["stack"]["resources"].as_array().unwrap().len(), 2);
    env.expect(1, &["state", "workflow", "export", "site", "/proc/nowhere/x.json"]);
}

#[test]
fn odd_names_are_shown_safely() {
    let env = env();
    env.write("odd.sloth", r#"task("t", { run = function()
        stack.register_resource({ type = "vm", name = "a\27[31m\n\"🦥\"", module = "m", properties = { x = "\27[2J" } })
        stack.set_output("o\n1", "a\27[31mb")
    end })"#);
    env.expect(0, &["run", "odd.sloth", "--stack", "o\"d🦥 ..%s"]);
    for verb in ["show", "resources", "outputs", "versions"] {
        let ran = env.expect(0, &["state", "workflow", verb, "o\"d🦥 ..%s"]);
        assert!(!ran.stdout.contains('\u{1b}'), "{verb}: {}", ran.text());
    }
    for name in ["../x", "a\nb", "\u{1b}[31m", "", "🦥", "-v5", "@"] {
        let ran = env.run(&["state", "workflow", "show", "--", name]);
        assert!(ran.code == 7 || ran.code == 2, "{name:?}: {}", ran.text());
        assert!(!ran.stderr.contains('\u{1b}') && !ran.says("panicked"), "{name:?}: {}", ran.text());
    }
}

/// The example of the older documents, with the container it speaks of.
const BY_HAND: &str = r#"
local state = require('state')
local container = { id = "c0ffee" }
task("deploy", { run = function()
    local workflow_id = state.create_workflow{
        name = "my-deployment",
        metadata = { environment = "production", user = "deploy" }
    }
    state.add_resource(workflow_id, {
        type = "docker_container",
        name = "web-server",
        action = "create",
        status = "running",
        attributes = { image = "nginx:latest", ports = {"80:80"} }
    })
    state.set_output(workflow_id, "container_id", container.id)
    state.set_output(workflow_id, "url", "http://localhost")
    if values.fail then
        state.fail_workflow(workflow_id, "the image is broken")
    elseif not values.forget then
        state.complete_workflow(workflow_id)
    end
end })
"#;

#[test]
fn an_execution_is_written_by_hand() {
    let env = env();
    env.write("hand.sloth", BY_HAND);
    let plan = env.expect(0, &["plan", "hand.sloth"]);
    assert!(plan.says("an execution of workflow `my-deployment`, written by hand"), "{}", plan.text());
    assert!(plan.says("docker_container:web-server"), "{}", plan.text());
    env.expect(7, &["state", "workflow", "show", "my-deployment"]);
    env.expect(0, &["run", "hand.sloth"]);
    env.tell(&["state", "workflow", "show", "my-deployment"]);
    env.tell(&["state", "workflow", "resources", "my-deployment"]);
    env.tell(&["state", "workflow", "versions", "my-deployment"]);
    env.tell(&["stack", "events", "my-deployment"]);
    crate::assert_snapshot!(env.story());
    let shown = json(&env, &["state", "workflow", "show", "my-deployment"]);
    assert_eq!(shown["resources"][0]["attributes"], json!({"image": "nginx:latest", "ports": ["80:80"]}));
    assert_eq!(shown["metadata"], json!({"environment": "production", "user": "deploy"}));
    assert_eq!(shown["locked_by"], Value::Null);

    // The same once more is an execution and no version.
    env.expect(0, &["run", "hand.sloth"]);
    assert_eq!(json(&env, &["state", "workflow", "versions", "my-deployment"]).as_array().unwrap().len(), 1);
    let all = json(&env, &["state", "workflow", "list", "--all", "--name", "my-deployment"]);
    assert_eq!(all.as_array().unwrap().len(), 2);
    env.expect(0, &["doctor"]);
    env.expect(0, &["audit", "verify"]);
}

#[test]
fn what_is_not_completed_failed() {
    let env = env();
    env.write("hand.sloth", BY_HAND);
    env.expect(0, &["run", "hand.sloth", "--var", "fail=true"]);
    let shown = json(&env, &["state", "workflow", "show", "my-deployment"]);
    assert_eq!((&shown["status"], &shown["error_msg"]), (&json!("failed"), &json!("the image is broken")));
    assert_eq!(shown["resources"].as_array().unwrap().len(), 1, "what was said is kept: {shown}");
    env.expect(0, &["run", "hand.sloth", "--var", "forget=true"]);
    let shown = json(&env, &["state", "workflow", "show", "my-deployment"]);
    assert_eq!(shown["error_msg"], "the run ended before it was completed");
    assert_eq!((&shown["status"], &shown["locked_by"]), (&json!("failed"), &Value::Null));
    env.expect(0, &["run", "hand.sloth"]);
    assert_eq!(json(&env, &["state", "workflow", "show", "my-deployment"])["status"], "success");
}

#[test]
fn writing_by_hand_needs_the_lease() {
    let env = env();
    env.write("hand.sloth", BY_HAND);
    env.expect(0, &["run", "hand.sloth"]);
    env.expect(0, &["--as", "ben", "stack", "lock", "acquire", "my-deployment", "--locked-by", "ben"]);
    let ran = env.expect(1, &["run", "hand.sloth", "--var", "fail=true"]);
    assert!(ran.says("workflow `my-deployment` cannot be written") && ran.says("ben"), "{}", ran.text());
    assert_eq!(json(&env, &["state", "workflow", "show", "my-deployment"])["status"], "success");
}

#[test]
fn steps_of_nothing_are_refused() {
    let env = env();
    for (code, says) in [
        (r#"state.add_resource("x", { type = "vm", name = "a" })"#, "no execution of a workflow `x`"),
        (r#"state.complete_workflow("x")"#, "no execution of a workflow `x`"),
        (r#"state.create_workflow{ name = "a/b" }"#, "cannot contain `/`"),
        (r#"state.create_workflow{ name = "w" } state.create_workflow{ name = "w" }"#, "complete it first"),
        (
            r#"state.add_resource(state.create_workflow{ name = "w" }, { type = "a b", name = "x" })"#,
            "address",
        ),
        (r#"state.fail_workflow(state.create_workflow{ name = "bad" }, "on purpose")"#, "on purpose"),
    ] {
        env.write(
            "bad.sloth",
            &format!("workflow({{ name = \"bad\" }}) task(\"t\", {{ run = function() {code} end }})"),
        );
        let ran = env.expect(1, &["run", "bad.sloth"]);
        assert!(ran.says(says), "{code}: {}", ran.text());
    }
    env.expect(0, &["doctor"]);
}

#[test]
fn a_handwritten_execution_is_taken_back() {
    let env = env();
    env.write("hand.sloth", BY_HAND);
    env.expect(0, &["run", "hand.sloth"]);
    env.write("hand.sloth", &BY_HAND.replace("running", "stopped"));
    env.expect(0, &["run", "hand.sloth"]);
    let status = || json(&env, &["state", "workflow", "resources", "my-deployment"])[0]["status"].clone();
    assert_eq!(status(), "stopped");
    let log = json(&env, &["op", "log"]);
    let operation = log.as_array().unwrap().iter().find(|o| o["verb"] == "workflow").unwrap();
    env.expect(0, &["undo", "--op", &operation["seq"].to_string(), "--yes"]);
    assert_eq!(status(), "running");
}

#[test]
fn an_export_comes_back_as_it_was() {
    let env = three_versions();
    env.expect(0, &["state", "workflow", "tags", "add", "site", "production"]);
    let was = json(&env, &["stack", "export", "site"]);
    env.expect(0, &["state", "workflow", "export", "site", "site.json"]);
    env.expect(6, &["state", "workflow", "import", "site.json"]);
    env.expect(0, &["stack", "delete", "site", "--yes"]);
    env.expect(0, &["state", "workflow", "import", "site.json", "--dry-run"]);
    env.expect(7, &["stack", "show", "site"]);
    env.expect(0, &["state", "workflow", "import", "site.json"]);
    let is = json(&env, &["stack", "export", "site"]);
    for part in ["resources", "outputs", "contents", "stack"] {
        assert_eq!(is[part], was[part], "{part}");
    }
    // It goes on with the real files.
    env.expect(0, &["stack", "drift", "detect", "site"]);
    env.expect(0, &["undo"]);
    env.expect(7, &["stack", "show", "site"]);
}

#[test]
fn what_is_shown_as_json_can_be_imported() {
    let env = env();
    env.write("hand.sloth", BY_HAND);
    env.expect(0, &["run", "hand.sloth"]);
    let was = json(&env, &["state", "workflow", "show", "my-deployment"]);
    env.write("prod-state.json", &was.to_string());
    env.expect(0, &["state", "workflow", "import", "prod-state.json", "--name", "copy"]);
    let is = json(&env, &["state", "workflow", "show", "copy"]);
    for part in ["type", "name", "action", "status", "attributes", "dependencies"] {
        assert_eq!(is["resources"][0][part], was["resources"][0][part], "{part}");
    }
    assert_eq!(is["outputs"], was["outputs"]);
    assert_eq!(is["metadata"]["environment"], "production");
    assert_eq!(is["metadata"]["imported"]["status"], "success");
    // And what that shows, once more.
    env.write("again.json", &is.to_string());
    env.expect(0, &["state", "workflow", "import", "again.json", "--name", "again"]);
    assert_eq!(json(&env, &["state", "workflow", "show", "again"])["outputs"], was["outputs"]);

    // A file of the older program.
    let old = r#"{"state": {"id": "abc", "name": "deploy-prod", "version": 5, "status": "failed", "error_msg": "x",
        "metadata": null, "outputs": {"url": "https://example.com"}, "resources": [
        {"id": "r1", "type": "nginx_config", "name": "prod.conf", "action": "update", "status": "failed", "attributes": null}]},
        "versions": [], "tags": ["b", "a"], "exported_at": "2025-10-10T14:30:15-03:00", "exported_by": "admin"}"#;
    env.write("old.json", old);
    env.expect(0, &["state", "workflow", "import", "old.json"]);
    let is = json(&env, &["state", "workflow", "show", "deploy-prod"]);
    assert_eq!((&is["tags"], &is["resources"][0]["status"]), (&json!(["a", "b"]), &json!("failed")));
    env.expect(0, &["doctor"]);
}

#[test]
fn a_backup_brings_a_workflow_back() {
    let env = three_versions();
    let export = |env: &TestEnv| env.expect(0, &["stack", "export", "site"]).stdout;
    let plain = |text: &str| -> Value {
        let mut value: Value = serde_json::from_str(text).unwrap();
        for key in ["version", "digest"] {
            value[key] = Value::Null;
        }
        value
    };
    let was = plain(&export(&env));
    env.expect(0, &["state", "workflow", "backup", "site", "-d", "kept"]);
    env.expect(0, &["state", "workflow", "backup", "site", "--directory", "kept"]);
    let files: Vec<_> = std::fs::read_dir(env.path("kept")).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "nothing is overwritten: {files:?}");
    for file in &files {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    let file = files[0].to_str().unwrap();
    // Without a directory it is beside the database.
    let told = env.expect(0, &["state", "workflow", "backup", "site"]);
    assert!(told.says("/backups/"), "{}", told.text());
    // It is there: that has to be allowed.
    let refused = env.expect(6, &["state", "workflow", "restore", file]);
    assert!(refused.says("nothing was changed") || refused.says("exists"), "{}", refused.text());
    env.expect(0, &["state", "workflow", "restore", file, "--force"]);
    assert_eq!(plain(&export(&env)), was);
    // It is gone: it is made again.
    env.expect(0, &["state", "workflow", "delete", "site", "--force"]);
    env.expect(0, &["state", "workflow", "restore", file]);
    assert_eq!(plain(&export(&env)), was);
    env.expect(0, &["state", "workflow", "import", file, "-f"]);
    env.expect(7, &["state", "workflow", "backup", "nobody"]);
    env.write("file", "");
    let refused = env.expect(1, &["state", "workflow", "backup", "site", "-d", "file"]);
    assert!(refused.says("could not"), "{}", refused.text());
    env.expect(0, &["doctor"]);
}

#[test]
fn broken_files_are_refused_with_their_place() {
    let env = env();
    let one = |resource: &str| format!(r#"{{"name": "w", "resources": [{resource}]}}"#);
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "it is not JSON"),
        ("{".to_owned(), "line 1 column 1"),
        ("[]".to_owned(), "it is not a workflow"),
        ("null".to_owned(), "it is not a workflow"),
        ("{}".to_owned(), "missing field `name`"),
        (r#"{"name": 5}"#.to_owned(), "line 1 column 10"),
        (r#"{"name": "w", "version": -1}"#.to_owned(), "line 1"),
        (r#"{"name": "w", "resources": {}}"#.to_owned(), "line 1"),
        (r#"{"name": "w", "outputs": []}"#.to_owned(), "line 1"),
        (r#"{"name": "w", "status": "fine"}"#.to_owned(), "there is no status `fine`"),
        (r#"{"name": "w", "tags": ["a,b"]}"#.to_owned(), "no commas"),
        (r#"{"state": {"name": "w"}, "stack": {"format": "x"}}"#.to_owned(), "its `stack`"),
        (r#"{"state": 5}"#.to_owned(), "it is not a workflow"),
        (one(r#"{"type": "vm"}"#), "missing field `name`"),
        (
            one(r#"{"type": "vm", "name": "a", "action": "explode"}"#),
            "`resources[0]`: there is no action `explode`",
        ),
        (one(r#"{"type": "a b", "name": "a"}"#), "`resources[0]`"),
        (
            one(r#"{"type": "vm", "name": "a"}, {"type": "vm", "name": "a"}"#),
            "`resources[1]`: vm:a is there already",
        ),
        (one(r#"{"type": "vm", "name": "a", "attributes": 5}"#), "line 1"),
    ];
    for (text, says) in cases {
        env.write("bad.json", &text);
        let ran = env.expect(5, &["state", "workflow", "import", "bad.json"]);
        assert!(ran.says(says) && ran.says("nothing was changed"), "{text}: {}", ran.text());
    }
    env.write("bad.json", r#"{"name": "a/b"}"#);
    env.expect(2, &["state", "workflow", "import", "bad.json"]);
    env.expect(7, &["state", "workflow", "import", "missing.json"]);
    assert_eq!(json(&env, &["stack", "list"]), json!([]));
}
