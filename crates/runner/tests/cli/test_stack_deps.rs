use sloth_testkit::env::TestEnv;

use super::{env, ran_site};

/// Two registered resources, a directory with a file in it, and a line in that file.
const APP: &str = r#"
workflow({ name = "app" })
task("all", { run = function()
    local root = values.root
    stack.resource({ type = "network", name = "front" })
    stack.resource({ type = "app", name = "shop", depends_on = { "network:front", "queue:jobs" } })
    file.directory({ path = root })
    file.content({ path = root .. "/conf", content = "a=1\n", depends_on = { "app:shop" } })
    file.lineinfile({ path = root .. "/conf", line = "b=2" })
end })
"#;

/// A circle of three, one resource that needs itself, and one that waits for them.
const ROUND: &str = r#"
workflow({ name = "round" })
task("all", { run = function()
    stack.resource({ type = "thing", name = "c", depends_on = { "thing:a" } })
    stack.resource({ type = "thing", name = "b", depends_on = { "thing:c" } })
    stack.resource({ type = "thing", name = "a", depends_on = { "thing:b" } })
    stack.resource({ type = "thing", name = "0-waits", depends_on = { "thing:a" } })
    stack.resource({ type = "thing", name = "own", depends_on = { "thing:own" } })
end })
"#;

fn ran(name: &str, text: &str) -> TestEnv {
    let env = env();
    env.write(name, text);
    env.expect(0, &["run", name, "--var", &format!("root={}", env.path("app").display())]);
    env
}

fn json(env: &TestEnv, code: i32, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&env.expect(code, &[arguments, &["-o", "json"]].concat()).stdout).unwrap()
}

#[test]
fn dependencies_are_shown_checked_and_ordered() {
    let env = ran("app.sloth", APP);
    env.tell(&["stack", "deps", "show", "app"]);
    env.tell(&["stack", "deps", "show", "app", "app:shop"]);
    env.tell(&["stack", "deps", "show", "app", "app:shp"]);
    env.tell(&["stack", "deps", "show", "app", "shop"]);
    env.tell(&["stack", "deps", "check", "app"]);
    env.tell(&["stack", "deps", "order", "app"]);
    env.tell(&["stack", "deps", "check", "ap"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn programs_read_the_same() {
    let env = ran("app.sloth", APP);
    let shown = json(&env, 0, &["stack", "deps", "show", "app", "app:shop"]);
    assert_eq!(shown["format"], "sloth-runner/1");
    let [shop] = &shown["resources"].as_array().unwrap()[..] else { panic!("{shown}") };
    assert_eq!(shop["depends_on"], serde_json::json!([{"address": "network:front", "kind": "explicit"}]));
    assert_eq!(shop["missing"], serde_json::json!(["queue:jobs"]));
    let conf = format!("file:{}", env.path("app/conf").display());
    assert_eq!(shop["dependents"], serde_json::json!([{"address": conf, "kind": "explicit"}]));

    let checked = json(&env, 0, &["stack", "deps", "analyze", "app"]);
    assert_eq!((&checked["valid"], &checked["dependencies"]), (&true.into(), &5.into()));
    assert_eq!(checked["missing"], serde_json::json!([{"address": "app:shop", "depends_on": "queue:jobs"}]));

    let ordered = json(&env, 0, &["stack", "deps", "order", "app"]);
    let order: Vec<&str> = ordered["order"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
    let place = |name: &str| order.iter().position(|o| *o == name).unwrap();
    assert!(place("network:front") < place("app:shop") && place("app:shop") < place(&conf), "{order:?}");
    assert_eq!(ordered["groups"][1], serde_json::json!(["app:shop"]));
    let yaml = env.expect(0, &["stack", "deps", "order", "app", "-o", "yaml"]);
    assert!(yaml.stdout.starts_with("format: sloth-runner/1\n"), "{}", yaml.text());
}

#[test]
fn circles_are_told_with_their_path_and_end_with_5() {
    let env = ran("round.sloth", ROUND);
    env.tell(&["stack", "deps", "check", "round"]);
    env.tell(&["stack", "deps", "order", "round"]);
    env.tell(&["stack", "deps", "show", "round", "thing:own"]);
    let checked = json(&env, 5, &["stack", "deps", "check", "round"]);
    assert_eq!(checked["cycles"][0]["path"], serde_json::json!(["thing:a", "thing:b", "thing:c", "thing:a"]));
    assert_eq!(checked["cycles"][1]["path"], serde_json::json!(["thing:own", "thing:own"]));
    // It can still be removed.
    env.expect(0, &["stack", "destroy", "round", "--yes"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_stack_without_resources_has_nothing_to_show() {
    let env = ran_site();
    env.expect(0, &["stack", "new", "empty"]);
    for verb in ["show", "check", "order"] {
        env.tell(&["stack", "deps", verb, "empty"]);
    }
    crate::assert_snapshot!(env.story());
}

#[test]
fn graphs_are_drawn_in_several_languages() {
    let env = ran("app.sloth", APP);
    env.tell(&["stack", "deps", "graph", "app"]);
    env.tell(&["stack", "deps", "graph", "app", "--format", "mermaid"]);
    env.tell(&["stack", "deps", "graph", "app", "--format", "dot"]);
    env.tell(&["stack", "deps", "graph", "app", "--format", "bmp"]);
    env.tell(&["stack", "deps", "graph", "app", "--output", "app.bmp"]);
    env.tell(&["stack", "deps", "graph", "app", "--output", "app.sloth/no.dot"]);
    env.tell(&["stack", "deps", "graph", "app", "--format", "dot", "-o", "json"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_graph_goes_into_a_file_in_one_step() {
    let env = ran("app.sloth", APP);
    let stdout = |format: &str| env.expect(0, &["stack", "deps", "graph", "app", "--format", format]).stdout;
    env.write("app.mmd", "old");
    for (file, format) in [("app.mmd", "mermaid"), ("app.DOT", "dot"), ("app.txt", "tree")] {
        let ran = env.expect(0, &["stack", "deps", "graph", "app", "--output", file]);
        assert!(ran.stdout.is_empty() && ran.stderr == format!("drawn as `{file}`\n"), "{}", ran.text());
        assert_eq!(env.read(file), stdout(format));
    }
    env.expect(0, &["stack", "deps", "graph", "app", "-o", "plain", "--format", "dot"]);
    assert_eq!(env.read("plain"), stdout("dot"));
    let left: Vec<_> = std::fs::read_dir(env.work()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
    std::fs::create_dir(env.path("dir.dot")).unwrap();
    let refused = env.expect(1, &["stack", "deps", "graph", "app", "--output", "dir.dot"]);
    assert!(refused.says("could not write the picture to `dir.dot`"), "{}", refused.text());
}

#[test]
fn nodes_and_edges_are_data_too() {
    let env = ran("round.sloth", ROUND);
    let graph = json(&env, 0, &["stack", "deps", "graph", "round"]);
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 5);
    assert_eq!(
        graph["edges"][0],
        serde_json::json!({"from": "thing:0-waits", "to": "thing:a", "kind": "explicit", "cycle": false})
    );
    assert_eq!(graph["edges"].as_array().unwrap().iter().filter(|e| e["cycle"] == true).count(), 4);
    // Before the command's name it says the same.
    let first = env.expect(0, &["-o", "json", "stack", "deps", "graph", "round"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&first.stdout).unwrap(), graph);
    let yaml = env.expect(0, &["stack", "deps", "graph", "round", "--output", "yaml"]);
    assert!(yaml.stdout.starts_with("format: sloth-runner/1\n"), "{}", yaml.text());
    assert!(env.expect(0, &["stack", "deps", "graph", "round"]).says("thing:own (explicit, circle"));
}

#[test]
fn pictures_are_drawn_without_other_programs() {
    let env = ran("round.sloth", ROUND);
    env.expect(0, &["stack", "deps", "graph", "round", "--output", "round.svg"]);
    let svg = env.read("round.svg");
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    for name in ["thing:a", "thing:b", "thing:c", "thing:own", "thing:0-waits"] {
        assert!(svg.contains(&format!(">{name}</text>")), "{name}");
    }
    assert_eq!(env.expect(0, &["stack", "deps", "graph", "round", "--format", "svg"]).stdout, svg);

    env.expect(0, &["stack", "deps", "graph", "round", "--output", "round.png"]);
    let png = std::fs::read(env.path("round.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    let size = format!(" width=\"{}\" height=\"{}\" ", side(16), side(20));
    assert!(svg.contains(&size), "{size}");
    let piped = env.command().args(["stack", "deps", "graph", "round", "--format", "png"]).output().unwrap();
    assert!(piped.status.success() && piped.stdout == png);
}
