//! What stacks need of each other: noted, drawn, ordered, and known to be stale.

use sloth_testkit::env::TestEnv;

use super::env;

const DB: &str = r#"
workflow({ name = "db-stack" })
task("all", { run = function()
    stack.resource({ type = "database", name = "main" })
    if values.url ~= "none" then
        stack.set_output("url", values.url or "postgres://one")
    end
    stack.set_output("password", values.password or "hunter2", { sensitive = true })
    stack.set_output("port", 5432)
end })
"#;

const APP: &str = r#"
workflow({ name = "app-stack" })
task("all", { run = function()
    stack.output_of("db-stack", "password")
    stack.set_output("at", stack.output_of("db-stack", "url", "nowhere"))
    stack.resource({ type = "app", name = "shop" })
    if values.fail == "yes" then
        error("no luck")
    end
end })
"#;

const FRONT: &str = r#"
workflow({ name = "frontend-stack", config = { depends_on = { "app-stack" } } })
task("all", { run = function() stack.depends_on("db-stack") end })
"#;

const ALONE: &str = r#"
workflow({ name = "alone" })
task("all", { run = function() stack.set_output("x", 1) end })
"#;

fn three() -> TestEnv {
    let env = env();
    for (name, text) in [("db.sloth", DB), ("app.sloth", APP), ("front.sloth", FRONT), ("alone.sloth", ALONE)]
    {
        env.write(name, text);
    }
    env.expect(0, &["run", "db.sloth"]);
    env.expect(0, &["run", "app.sloth"]);
    env.expect(0, &["run", "front.sloth"]);
    env.expect(0, &["run", "alone.sloth"]);
    env
}

fn json(env: &TestEnv, code: i32, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&env.expect(code, &[arguments, &["-o", "json"]].concat()).stdout).unwrap()
}

fn stale(env: &TestEnv, stack: &str) -> Vec<String> {
    let shown = json(env, 0, &["stack", "show", stack]);
    let all = shown["stale"].as_array().cloned().unwrap_or_default();
    all.iter().map(|s| s["output"].as_str().unwrap_or("-").to_owned()).collect()
}

fn set(env: &TestEnv, values: &[&str]) {
    let mut arguments = vec!["run", "db.sloth"];
    for value in values {
        arguments.extend(["--var", value]);
    }
    env.expect(0, &arguments);
}

#[test]
fn dependencies_between_stacks_are_shown_drawn_checked_and_ordered() {
    let env = three();
    env.tell(&["stack", "deps", "show", "app-stack"]);
    env.tell(&["stack", "deps", "graph", "app-stack"]);
    env.tell(&["stack", "deps", "graph", "app-stack", "--resources"]);
    env.tell(&["stack", "deps", "graph", "app-stack", "--format", "mermaid"]);
    env.tell(&["stack", "deps", "graph", "app-stack", "--output", "deps.png"]);
    env.tell(&["stack", "deps", "check", "app-stack"]);
    env.tell(&["stack", "deps", "order", "frontend-stack", "alone", "db-stack", "app-stack"]);
    env.tell(&["stack", "deps", "order", "frontend-stack", "db-stack", "frontend-stack"]);
    env.tell(&["stack", "deps", "order", "frontend-stack", "dbstack"]);
    env.tell(&["stack", "deps", "order", "frontend-stack", "db-stack", "--at", "v1"]);
    assert!(std::fs::read(env.path("deps.png")).unwrap().starts_with(b"\x89PNG"));
    crate::assert_snapshot!(env.story());
}

#[test]
fn programs_read_the_same() {
    let env = three();
    let shown = json(&env, 0, &["stack", "deps", "show", "app-stack"]);
    let [db] = &shown["stacks"]["depends_on"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!((&db["stack"], &db["declared"]), (&"db-stack".into(), &false.into()));
    assert_eq!(db["outputs"], serde_json::json!(["password", "url"]));
    assert_eq!(shown["stacks"]["dependents"][0]["stack"], "frontend-stack");
    let ordered =
        json(&env, 0, &["stack", "deps", "order", "frontend-stack", "alone", "db-stack", "app-stack"]);
    assert_eq!(ordered["order"], serde_json::json!(["alone", "db-stack", "app-stack", "frontend-stack"]));
    assert_eq!(
        ordered["groups"],
        serde_json::json!([["alone", "db-stack"], ["app-stack"], ["frontend-stack"]])
    );
    // By way of a stack that is not named.
    let ordered = json(&env, 0, &["stack", "deps", "order", "frontend-stack", "app-stack", "db-stack"]);
    assert_eq!(ordered["order"], serde_json::json!(["db-stack", "app-stack", "frontend-stack"]));
    let drawn = json(&env, 0, &["stack", "deps", "graph", "app-stack"]);
    assert_eq!(drawn["edges"].as_array().unwrap().len(), 3, "{drawn}");
    let checked = json(&env, 0, &["stack", "deps", "check", "app-stack"]);
    assert_eq!((&checked["valid"], &checked["stack_cycle"]), (&true.into(), &serde_json::Value::Null));
}

#[test]
fn a_stack_is_stale_until_it_runs_again() {
    let env = three();
    assert_eq!(stale(&env, "app-stack"), [""; 0]);
    set(&env, &["url=postgres://two"]);
    env.tell(&["stack", "list"]);
    env.tell(&["stack", "show", "app-stack"]);
    env.tell(&["plan", "app.sloth"]);
    env.tell(&["stack", "validate", "app-stack"]);
    env.tell(&["stack", "deps", "show", "app-stack"]);
    assert_eq!(stale(&env, "app-stack"), ["url"]);
    assert_eq!(stale(&env, "frontend-stack"), [""; 0], "it read nothing");
    // Neither a failed nor a partial run follows what was read.
    env.expect(1, &["run", "app.sloth", "--var", "fail=yes"]);
    assert_eq!(stale(&env, "app-stack"), ["url"]);
    env.expect(0, &["run", "app.sloth", "--task", "all"]);
    assert_eq!(stale(&env, "app-stack"), ["url"]);
    env.expect(0, &["run", "app.sloth"]);
    assert_eq!(stale(&env, "app-stack"), [""; 0]);
    let before = json(&env, 0, &["stack", "show", "app-stack"]);
    env.expect(0, &["run", "app.sloth"]);
    assert_eq!(json(&env, 0, &["stack", "show", "app-stack"])["state_version"], before["state_version"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn outputs_that_go_come_or_are_secret_are_noticed() {
    let env = three();
    set(&env, &["password=hunter3"]);
    assert_eq!(stale(&env, "app-stack"), ["password"]);
    let shown = env.expect(0, &["stack", "show", "app-stack", "-o", "json"]);
    assert!(!shown.says("hunter"), "{}", shown.text());
    set(&env, &[]);
    assert_eq!(stale(&env, "app-stack"), [""; 0], "it is what it was");
    env.expect(0, &["stack", "delete", "db-stack", "--yes", "--despite-dependents"]);
    assert_eq!(stale(&env, "app-stack"), ["-"]);
    env.expect(0, &["run", "db.sloth", "--var", "url=none"]);
    assert_eq!(stale(&env, "app-stack"), ["-"], "a new stack of the same name is another one");
    env.expect(0, &["run", "app.sloth"]);
    assert_eq!(stale(&env, "app-stack"), [""; 0]);
    set(&env, &["url=postgres://back"]);
    assert_eq!(stale(&env, "app-stack"), ["url"]);
}

#[test]
fn what_goes_back_needs_what_it_needed_then() {
    let env = three();
    set(&env, &["url=postgres://two"]);
    env.expect(0, &["run", "app.sloth"]);
    assert_eq!(stale(&env, "app-stack"), [""; 0]);
    env.expect(0, &["stack", "snapshot", "restore", "app-stack", "v1", "--yes"]);
    assert_eq!(stale(&env, "app-stack"), ["url"]);
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(stale(&env, "app-stack"), [""; 0]);
    let then = json(&env, 0, &["stack", "deps", "show", "app-stack", "--at", "v1"]);
    assert_eq!(then["stacks"]["depends_on"][0]["stack"], "db-stack");
    assert_eq!(then["stacks"]["stale"], serde_json::json!([]));
}

#[test]
fn what_is_no_longer_read_is_no_longer_needed() {
    let env = three();
    env.write("app.sloth", "workflow({ name = \"app-stack\" })\ntask(\"a\", { run = function() end })\ntask(\"b\", { run = function() end })\n");
    env.expect(0, &["run", "app.sloth", "--task", "a"]);
    assert_eq!(
        json(&env, 0, &["stack", "deps", "show", "app-stack"])["stacks"]["depends_on"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    env.expect(0, &["run", "app.sloth"]);
    assert_eq!(
        json(&env, 0, &["stack", "deps", "show", "app-stack"])["stacks"]["depends_on"],
        serde_json::json!([])
    );
}

#[test]
fn a_stack_that_others_need_is_not_taken_away_in_silence() {
    let env = three();
    env.tell(&["stack", "destroy", "db-stack", "--dry-run"]);
    env.tell(&["stack", "delete", "db-stack", "--force"]);
    env.expect(6, &["stack", "destroy", "db-stack", "--yes"]);
    env.expect(6, &["state", "workflow", "delete", "db-stack", "--force"]);
    let pruned = env.expect(0, &["state", "workflow", "prune", "--older-than", "0s", "--dry-run"]);
    let stays = |line: &&str| line.contains("db-stack") && line.contains("other stacks depend on it");
    assert_eq!(pruned.stdout.lines().filter(stays).count(), 1, "{}", pruned.text());
    env.tell(&["stack", "show", "db-stack"]);
    env.tell(&["stack", "delete", "db-stack", "--despite-dependents"]);
    env.tell(&["stack", "delete", "db-stack", "--despite-dependents", "--force"]);
    env.tell(&["stack", "deps", "check", "app-stack"]);
    env.tell(&["stack", "deps", "graph", "app-stack"]);
    env.tell(&["stack", "validate", "app-stack"]);
    env.tell(&["run", "app.sloth"]);
    env.tell(&["run", "front.sloth"]);
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(stale(&env, "app-stack"), [""; 0]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn stacks_cannot_need_each_other_in_a_circle() {
    let env = three();
    env.write(
        "declares.sloth",
        &DB.replace("\"db-stack\" }", "\"db-stack\", config = { depends_on = \"frontend-stack\" } }"),
    );
    env.tell(&["run", "declares.sloth"]);
    env.tell(&["plan", "declares.sloth"]);
    env.write("reads.sloth", "workflow({ name = \"db-stack\" })\ntask(\"all\", { run = function()\n    stack.output_of(\"app-stack\", \"at\")\nend })\n");
    env.tell(&["run", "reads.sloth"]);
    env.write("self.sloth", "workflow({ name = \"me\", config = { depends_on = { \"me\" } } })\ntask(\"a\", { run = function() end })\n");
    env.tell(&["run", "self.sloth"]);
    env.write("slip.sloth", "workflow({ name = \"new\", config = { depends_on = { \"db-stak\" } } })\ntask(\"a\", { run = function() end })\n");
    env.tell(&["run", "slip.sloth"]);
    env.write("own.sloth", "workflow({ name = \"alone\" })\ntask(\"a\", { run = function()\n    stack.set_output(\"y\", stack.output_of(\"alone\", \"x\"))\nend })\n");
    env.expect(0, &["run", "own.sloth"]);
    env.tell(&["stack", "deps", "check", "db-stack"]);
    // A stack that goes back to what it was may close one all the same.
    env.write("app.sloth", "workflow({ name = \"app-stack\" })\ntask(\"all\", { run = function() end })\n");
    env.expect(0, &["run", "app.sloth"]);
    env.expect(0, &["run", "front.sloth"]);
    env.expect(0, &["run", "reads.sloth"]);
    env.expect(0, &["stack", "snapshot", "restore", "app-stack", "v1", "--yes"]);
    env.tell(&["stack", "deps", "check", "db-stack"]);
    env.tell(&["stack", "deps", "order", "db-stack", "app-stack"]);
    env.tell(&["stack", "deps", "graph", "db-stack"]);
    env.tell(&["stack", "validate", "db-stack"]);
    crate::assert_snapshot!(env.story());
}
