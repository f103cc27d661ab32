use std::process::{Command, Stdio};
use std::time::Duration;

use sloth_core::digest::Digest;
use sloth_testkit::env::TestEnv;

use crate::{env, ran_site, root};

/// A circle, and a dependency on what is not there.
const ROUND: &str = r#"
workflow({ name = "round" })
task("all", { run = function()
    stack.resource({ type = "thing", name = "a", depends_on = { "thing:b", "queue:jobs" } })
    stack.resource({ type = "thing", name = "b", depends_on = { "thing:a" } })
    exec.run("echo ran >> ran")
end })
"#;

fn json(env: &TestEnv, code: i32, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&env.expect(code, &[arguments, &["-o", "json"]].concat()).stdout).unwrap()
}

/// Codes of everything found, with their severities.
fn codes(validation: &serde_json::Value) -> Vec<String> {
    let stacks = validation["stacks"].as_array().unwrap().iter();
    let all = stacks
        .flat_map(|s| s["findings"].as_array().unwrap())
        .chain(validation["findings"].as_array().unwrap());
    all.map(|f| format!("{} {}", f["severity"].as_str().unwrap(), f["code"].as_str().unwrap())).collect()
}

#[test]
fn a_sound_stack_is_said_to_be_valid() {
    let env = ran_site();
    env.tell(&["stack", "validate", "site"]);
    env.tell(&["stack", "validate", "check", "site"]);
    env.tell(&["stack", "validate", "all"]);
    env.tell(&["stack", "validate", "sit"]);
    env.tell(&["stack", "validate"]);
    env.tell(&["stack", "validate", "site", "other"]);
    env.expect(0, &["stack", "new", "check"]);
    env.expect(0, &["stack", "validate", "check"]);
    let found = json(&env, 0, &["stack", "validate", "site"]);
    assert_eq!((&found["format"], &found["valid"]), (&"sloth-runner/1".into(), &true.into()));
    assert_eq!((&found["stacks"][0]["stack"], &found["stacks"][0]["resources"]), (&"site".into(), &3.into()));
    assert_eq!(found, json(&env, 0, &["stack", "validate", "check", "site"]));
    let yaml = env.expect(0, &["stack", "validate", "all", "-o", "yaml"]);
    assert!(yaml.stdout.starts_with("format: sloth-runner/1\nvalid: true\n"), "{}", yaml.text());
    insta::assert_snapshot!(env.story());
}

#[test]
fn workflow_files_have_to_be_there_and_load() {
    let env = ran_site();
    env.expect(0, &["stack", "new", "empty"]);
    env.expect(
        0,
        &["run", "site.sloth", "--stack", "other", "--var", &format!("root={}", env.path("o").display())],
    );
    env.tell(&["stack", "validate", "empty"]);
    env.tell(&["stack", "validate", "other"]);
    env.write("site.sloth", "task(");
    env.tell(&["stack", "validate", "site"]);
    env.write("site.sloth", "task('a', { depends_on = 'b', run = function() end })\ntask('b', { depends_on = 'a', run = function() end })\n");
    env.tell(&["stack", "validate", "site"]);
    std::fs::remove_file(env.path("site.sloth")).unwrap();
    env.tell(&["stack", "validate", "site"]);
    env.tell(&["stack", "validate", "all"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn a_workflow_may_ask_to_be_validated() {
    let env = env();
    env.write("round.sloth", ROUND);
    env.expect(0, &["run", "round.sloth"]);
    env.expect(0, &["run", "round.sloth"]);
    env.write(
        "round.sloth",
        &ROUND.replace("name = \"round\"", "name = \"round\", config = { validate = true }"),
    );
    let ran = env.expect(5, &["run", "round.sloth"]);
    assert!(ran.says("stack `round` has 1 error; nothing was run"), "{}", ran.text());
    let ran = env.expect(5, &["run", "round.sloth", "--validate"]);
    assert_eq!(ran.text().matches("dependency-circle").count(), 1, "{}", ran.text());
}

#[test]
fn circles_are_errors_and_keep_a_validated_run_from_beginning() {
    let env = env();
    env.write("round.sloth", ROUND);
    env.expect(0, &["run", "round.sloth", "--validate"]);
    assert_eq!(env.read("ran"), "ran\n", "a stack that is not there yet is no obstacle");
    env.tell(&["stack", "validate", "round"]);
    env.tell(&["run", "round.sloth", "--validate"]);
    env.tell(&["run", "round", "--validate", "-q"]);
    assert_eq!(env.read("ran"), "ran\n", "nothing was run");
    let found = json(&env, 5, &["stack", "validate", "round"]);
    assert_eq!(codes(&found), ["error dependency-circle", "warning dependency-missing"]);
    assert_eq!(
        found["stacks"][0]["findings"][0]["about"],
        serde_json::json!({"kind": "resource", "name": "thing:a"})
    );
    assert_eq!(
        (&found["valid"], &found["errors"], &found["warnings"]),
        (&false.into(), &1.into(), &1.into())
    );
    insta::assert_snapshot!(env.story());
}

#[test]
fn a_validated_run_goes_on_when_there_is_no_error() {
    let env = ran_site();
    env.tell(&["run", "site.sloth", "--var", &root(&env), "--validate"]);
    env.tell(&["run", "site.sloth", "--var", &root(&env), "--stack", "a/b", "--validate"]);
    let ran = env.expect(0, &["run", "site", "--validate", "-o", "json"]);
    for line in ran.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    insta::assert_snapshot!(env.story());
}

#[test]
fn what_failed_and_what_waits_is_told() {
    let env = ran_site();
    std::fs::remove_file(env.path("site/page.txt")).unwrap();
    env.write("site/page.txt/in-the-way", "");
    env.expect(1, &["run", "site", "--validate"]);
    env.tell(&["stack", "validate", "site"]);
    env.write("blocked", "a file");
    env.write(
        "half.sloth",
        r#"
        workflow({ name = "half" })
        handler("reload", { run = function() exec.run("exit 3") end })
        task("all", { run = function()
            stack.register_resource({ type = "thing", name = "later", module = "shop" })
            file.content({ path = values.root .. "/conf", content = "a", notify = "reload" })
            file.content({ path = values.root .. "/blocked/conf", content = "a" })
        end })
        "#,
    );
    env.expect(1, &["run", "half.sloth", "--var", &format!("root={}", env.work().display())]);
    env.tell(&["stack", "validate", "half"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn a_configuration_that_is_not_valid_is_one_finding_of_many() {
    let env = ran_site();
    env.write("slip.yaml", "stacks:\n  lock_timout: 1h\n");
    env.tell(&["--config", "slip.yaml", "stack", "validate", "site"]);
    env.write("days.yaml", "stacks:\n  snapshot_retention: 30d\n");
    env.tell(&["--config", "days.yaml", "stack", "validate", "site"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn a_row_that_was_tampered_with_is_an_error_of_the_database_once() {
    let env = ran_site();
    env.expect(0, &["stack", "new", "empty"]);
    if !env.tamper("UPDATE resource_rows SET body = replace(body, '0640', '0666')") {
        return;
    }
    let notes = env.path("site/notes.txt");
    let found = json(&env, 5, &["stack", "validate", "all"]);
    let damaged: Vec<_> =
        found["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "row-damaged").collect();
    let [damaged] = &damaged[..] else { panic!("{found}") };
    assert_eq!((&damaged["severity"], &damaged["about"]["kind"]), (&"error".into(), &"database".into()));
    assert!(damaged["what"].as_str().unwrap().contains(&*notes.to_string_lossy()), "{damaged}");
    assert_eq!(json(&env, 5, &["stack", "validate", "site"])["valid"], false);
    env.expect(5, &["run", "site", "--validate"]);
}

#[test]
fn records_nobody_can_read_are_told_beside_the_broken_chain() {
    let env = ran_site();
    // A record whose own digest is right: only the chain gives it away.
    let forge = |from: &str, address: &str, change: &dyn Fn(&str) -> String| {
        let asked = Command::new("sqlite3")
            .arg(env.db())
            .arg(format!("SELECT body FROM resource_rows WHERE address LIKE '%{from}'"))
            .output();
        let Ok(asked) = asked else {
            println!("skipped: sqlite3 is not there");
            return false;
        };
        let body = change(String::from_utf8(asked.stdout).unwrap().trim());
        let digest = Digest::of(body.as_bytes()).hex();
        env.tamper(&format!(
            "UPDATE resource_rows SET address = '{address}', body = '{body}', digest = x'{digest}' \
                 WHERE address LIKE '%{from}'"
        ))
    };
    let whole = |name: &str| format!("file:{}", env.path(name).display());
    let (page, notes) = (whole("site/page.txt"), whole("site/notes.txt"));
    let forged = forge("notes.txt", "gadget:x", &|body| body.replace(&notes, "gadget:x"))
        && forge("page.txt", "web1/file:/p", &|body| body.replace(&page, "web1/file:/p"))
        && forge("/site", &whole("site"), &|body| body.replace("\"mode\"", "\"moode\""));
    if !forged {
        return;
    }
    let found = json(&env, 5, &["stack", "validate", "site"]);
    let codes = codes(&found);
    for code in ["error type-unknown", "error host-unknown", "error record-unreadable", "error chain-broken"]
    {
        assert!(codes.iter().any(|c| c == code), "{code}: {found:#}");
    }
}

#[test]
fn a_run_is_no_remains_of_one_until_it_is_killed() {
    let env = env();
    env.write(
        "slow.sloth",
        r#"task("wait", { run = function()
            exec.run("touch waiting; while [ -e waiting ] && [ ! -e go ]; do sleep 0.05; done")
        end })"#,
    );
    let mut child = env
        .command()
        .args(["run", "slow.sloth"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !env.path("waiting").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let found = json(&env, 0, &["stack", "validate", "slow"]);
    child.kill().unwrap();
    child.wait().unwrap();
    env.write("go", "");
    let codes_of = |found: &serde_json::Value| {
        codes(found).into_iter().filter(|code| !code.contains("workflow")).collect::<Vec<_>>()
    };
    assert_eq!(codes_of(&found), ["note stack-in-use"], "{found:#}");
    let found = json(&env, 0, &["stack", "validate", "slow"]);
    assert_eq!(codes_of(&found), ["warning step-open", "note lease-ended"], "{found:#}");
    let mend =
        found["stacks"][0]["findings"].as_array().unwrap().iter().find(|f| f["code"] == "step-open").unwrap();
    assert!(mend["mend"].as_str().unwrap().contains("sloth-runner resume slow --adopt"), "{mend}");
}

#[test]
fn nothing_is_written() {
    let env = ran_site();
    env.expect(0, &["stack", "lock", "acquire", "site", "--reason", "deploying"]);
    let state = || {
        let texts = [&["op", "log"][..], &["events", "list"], &["stack", "snapshot", "list", "site"]];
        (texts.map(|words| env.expect(0, words).stdout), env.inventory(env.work()))
    };
    let before = state();
    let found = json(&env, 0, &["stack", "validate", "site"]);
    assert_eq!(codes(&found), ["note stack-locked"], "{found:#}");
    env.expect(0, &["stack", "validate", "all"]);
    assert_eq!(state(), before);
}
