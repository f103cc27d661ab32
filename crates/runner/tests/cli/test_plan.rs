use super::{env, ran_site, root, site};

#[test]
fn a_plan_shows_everything_and_touches_nothing() {
    let env = site();
    env.write(
        "more.sloth",
        r#"
        task("all", { run = function()
            file.directory({ path = values.root, mode = "0755" })
            file.content({ path = values.root .. "/a", content = "a\n", notify = { "tell" } })
            local r = exec.run("date")
            if r.stdout == "x" then file.absent(values.root .. "/b") end
            stack.set_output("n", 5)
        end })
        handler("tell", function() end)
        "#,
    );
    env.tell(&["plan", "more.sloth", "--var", &root(&env)]);
    assert!(!env.path("site").exists());
    env.tell(&["run", "--dry-run", "site.sloth", "--var", &root(&env)]);
    assert!(!env.path("site").exists());
    crate::assert_snapshot!(env.story());
}

#[test]
fn exit_codes_tell_whether_there_are_changes() {
    let env = site();
    env.expect(3, &["plan", "site.sloth", "--var", &root(&env), "--detailed-exitcode"]);
    env.expect(0, &["plan", "site.sloth", "--var", &root(&env)]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env.expect(0, &["plan", "site", "--detailed-exitcode"]);
    env.tell(&["plan", "site"]);
    env.tell(&["plan", "site", "--var", "title=other"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_plan_of_a_file_named_in_any_way_is_performed() {
    let env = site();
    env.write("lib/words.lua", "return { title = 'from words' }\n");
    env.write("site.sloth", &format!("local words = require(\"lib.words\")\n{}", env.read("site.sloth")));
    let whole = env.path("site.sloth").to_string_lossy().into_owned();
    for (title, file) in [("one", "site.sloth"), ("two", "./site.sloth"), ("three", whole.as_str())] {
        let title_is = format!("title={title}");
        env.expect(0, &["plan", file, "--var", &root(&env), "--var", &title_is, "--out", "site.plan"]);
        env.expect(0, &["apply", "site.plan"]);
        assert_eq!(env.read("site/page.txt"), format!("{title}\n"));
    }
    env.expect(0, &["plan", "site.sloth", "--var", &root(&env), "--out", "site.plan"]);
    env.write("lib/words.lua", "return { title = 'other words' }\n");
    let refused = env.expect(6, &["apply", "site.plan"]);
    assert!(refused.says("site.sloth has changed since the plan was made"), "{}", refused.text());
}

#[test]
fn a_saved_plan_is_performed_exactly_or_refused() {
    let env = ran_site();
    env.expect(0, &["plan", "site", "--var", "title=planned", "--out", "site.plan"]);
    env.expect(0, &["apply", "site.plan"]);
    assert_eq!(env.read("site/page.txt"), "planned\n");

    env.expect(0, &["plan", "site", "--var", "title=again", "--out", "site.plan"]);
    env.write("site/page.txt", "somebody was faster\n");
    env.tell(&["apply", "site.plan"]);
    assert_eq!(env.read("site/page.txt"), "somebody was faster\n");

    env.expect(0, &["plan", "site", "--var", "title=again", "--out", "site.plan"]);
    let text = env.read("site.sloth");
    env.write("site.sloth", &format!("{text}\n-- changed\n"));
    env.expect(6, &["apply", "site.plan"]);
    env.write("site.sloth", &text);

    let plan = env.read("site.plan");
    env.write("site.plan", &plan.replacen("again", "evil!", 1));
    env.expect(5, &["apply", "site.plan"]);
    env.write("site.plan", "not a plan");
    env.tell(&["apply", "site.plan"]);
    env.expect(1, &["plan", "site", "--out", "/proc/nowhere/x.plan"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_task_that_fails_while_planning_makes_no_plan() {
    let env = env();
    env.write("bad.sloth", "task(\"t\", { run = function() error(\"no\") end })\n");
    let ran = env.expect(1, &["plan", "bad.sloth", "--out", "bad.plan"]);
    assert!(ran.says("the plan is not complete") && !env.path("bad.plan").exists(), "{}", ran.text());
}

#[test]
fn json_is_one_document() {
    let env = site();
    let ran = env.expect(0, &["plan", "site.sloth", "--var", &root(&env), "-o", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["format"], "sloth-runner/1");
    assert_eq!(plan["summary"]["create"], 3);
    assert_eq!(plan["steps"][0]["action"], "create");
    let ran = env.expect(0, &["plan", "site.sloth", "--var", &root(&env), "-o", "yaml"]);
    assert!(ran.stdout.starts_with("format: sloth-runner/1\n"), "{}", ran.stdout);
}
