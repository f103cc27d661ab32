use crate::{env, site};

#[test]
fn a_valid_file_is_shown_as_it_would_run() {
    let env = site();
    env.tell(&["check", "site.sloth"]);
    assert!(!env.db().exists(), "checking opens no database");
    insta::assert_snapshot!(env.story());
}

#[test]
fn what_is_wrong_has_a_place_and_a_hint() {
    let env = env();
    env.write("unknown.sloth", "task(\"a\", { depend_on = \"b\", run = function() end })\n");
    env.tell(&["check", "unknown.sloth"]);
    env.write("cycle.sloth", "task(\"a\", { depends_on = \"b\" })\ntask(\"b\", { depends_on = \"a\" })\n");
    env.tell(&["check", "cycle.sloth"]);
    env.write("syntax.sloth", "task(\"a\", {\n  run = function(\n})\n");
    let ran = env.expect(5, &["check", "syntax.sloth"]);
    assert!(ran.says("syntax.sloth:"), "{}", ran.text());
    env.write("values.yaml", "- just\n- a list\n");
    env.tell(&["check", "unknown.sloth", "-v", "values.yaml"]);
    insta::assert_snapshot!(env.story());
}

#[test]
fn what_the_go_program_had_and_this_one_has_not_is_named_before_anything_runs() {
    let env = env();
    env.write(
        "cloud.sloth",
        "task(\"a\", { run = function()\n  docker.run(\"nginx\")\n  local tf = require(\"terraform\")\n  data.xml_decode(\"<a/>\")\nend })\n",
    );
    env.tell(&["check", "cloud.sloth"]);
    env.expect(5, &["check", "cloud.sloth"]);
    // A name of the file's own is no use of such a module.
    env.write(
        "own.sloth",
        "local docker = { run = function() end }\ntask(\"a\", { run = function() docker.run() end })\n",
    );
    env.expect(0, &["check", "own.sloth"]);
    insta::assert_snapshot!(env.story());
}
