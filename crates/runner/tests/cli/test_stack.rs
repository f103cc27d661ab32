use super::{env, ran_site, site};

#[test]
fn stacks_are_made_listed_shown_and_forgotten() {
    let env = env();
    env.tell(&["stack", "list"]);
    env.tell(&["stack", "new", "production", "--description", "The real thing"]);
    env.tell(&["stack", "create", "production"]);
    env.expect(0, &["stack", "create", "staging"]);
    env.tell(&["stack", "list"]);
    env.tell(&["stack", "list", "--status", "failed"]);
    env.tell(&["stack", "delete", "staging"]);
    env.tell(&["stack", "delete", "staging", "--force"]);
    env.expect(7, &["stack", "delete", "staging", "--yes"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_stack_that_ran_shows_everything() {
    let env = ran_site();
    env.tell(&["stack", "list"]);
    env.tell(&["stack", "show", "site"]);
    env.tell(&["stack", "resources", "site"]);
    env.tell(&["stack", "output", "site"]);
    env.tell(&["stack", "output", "site", "page"]);
    env.tell(&["stack", "output", "site", "page", "-o", "json"]);
    env.tell(&["stack", "output", "site", "pgae"]);
    env.tell(&["stack", "history", "site"]);
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&env.expect(0, arguments).stdout).unwrap()
    };
    let stack = json(&["stack", "show", "site", "-o", "json"]);
    assert_eq!(stack["format"], "sloth-runner/1");
    let id = stack["id"].as_str().unwrap().to_owned();
    assert_eq!(json(&["stack", "show", &id, "-o", "json"])["name"], "site");
    assert_eq!(json(&["stack", "show", &id[..20], "-o", "json"])["name"], "site");
    let resources = json(&["stack", "resources", "site", "--type", "file", "-o", "json"]);
    assert_eq!(resources.as_array().unwrap().len(), 3);
    for field in [
        "id",
        "stack_id",
        "type",
        "name",
        "module",
        "properties",
        "dependencies",
        "state",
        "checksum",
        "created_at",
        "updated_at",
        "last_applied",
        "error_message",
        "metadata",
    ] {
        assert!(resources[0].get(field).is_some(), "{field}");
    }
    crate::assert_snapshot!(env.story());
}

#[test]
fn deleting_a_stack_with_resources_keeps_the_files() {
    let env = ran_site();
    env.tell(&["stack", "delete", "site"]);
    env.expect(0, &["stack", "delete", "site", "--auto-approve"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    crate::assert_snapshot!(env.story());
}

#[test]
fn destroying_removes_the_files_and_puts_originals_back() {
    let env = site();
    env.write("site/notes.txt", "mine\n");
    let before = env.inventory(env.path("site"));
    env.expect(0, &["run", "site.sloth", "--var", &super::root(&env)]);
    assert_eq!(env.read("site/notes.txt"), "one\ntwo\n");
    let refused = env.expect(2, &["stack", "destroy", "site"]);
    assert!(refused.says("- delete") && refused.says("--yes"), "{}", refused.text());
    env.expect(0, &["stack", "destroy", "site", "--dry-run"]);
    env.expect(0, &["stack", "destroy", "site", "--yes"]);
    assert_eq!(env.inventory(env.path("site")), before);
    env.expect(7, &["stack", "show", "site"]);
}

/// A file that was made for a line goes with it, unless somebody else wrote into it.
#[test]
fn files_made_for_a_line_or_a_block_go_with_it() {
    let env = env();
    env.write(
        "lines.sloth",
        r#"
        workflow({ name = "lines" })
        task("all", { run = function()
            file.lineinfile({ path = values.root .. "/one", line = "hello", create = true })
            file.blockinfile({ path = values.root .. "/two", block = "a\nb", create = true })
            file.lineinfile({ path = values.root .. "/three", line = "ours", create = true })
            file.lineinfile({ path = values.root .. "/four", line = "ours", create = true })
        end })
        "#,
    );
    env.write("out/four", "");
    let root = format!("root={}", env.path("out").display());
    env.expect(0, &["run", "lines.sloth", "--var", &root]);
    env.write("out/three", "ours\ntheirs\n");
    env.expect(0, &["run", "lines.sloth", "--var", &root]);
    env.expect(0, &["stack", "drift", "detect", "lines"]);
    env.expect(0, &["stack", "destroy", "lines", "--yes"]);
    let read = |name: &str| std::fs::read_to_string(env.path(name)).ok();
    let left = ["out/one", "out/two", "out/three", "out/four"].map(read);
    assert_eq!(left, [None, None, Some("theirs\n".to_owned()), Some(String::new())]);
    // And once more, after taking it all back.
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(read("out/one").as_deref(), Some("hello\n"));
    env.expect(0, &["stack", "destroy", "lines", "--yes"]);
    assert_eq!(read("out/one"), None);
}

#[test]
fn a_stack_gets_another_name_and_its_old_one_back() {
    let env = ran_site();
    env.expect(0, &["stack", "new", "taken"]);
    env.tell(&["stack", "rename", "site", "taken"]);
    env.tell(&["stack", "rename", "site", "-x"]);
    env.tell(&["stack", "rename", "site", "a/b"]);
    env.tell(&["stack", "rename", "nobody", "x"]);
    env.tell(&["stack", "rename", "site", "home"]);
    env.expect(7, &["stack", "show", "site"]);
    assert!(env.expect(0, &["stack", "resources", "home"]).says("page.txt"));
    assert!(env.expect(0, &["stack", "history", "home"]).says("completed"));
    env.expect(0, &["stack", "drift", "detect", "home"]);
    let again = env.expect(0, &["run", "site.sloth", "--stack", "home", "--var", &super::root(&env)]);
    assert!(again.says("0 created"), "{}", again.text());
    let renamed = || {
        let log: serde_json::Value =
            serde_json::from_str(&env.expect(0, &["op", "log", "-n", "0", "-o", "json"]).stdout).unwrap();
        let found = log.as_array().unwrap().iter().find(|o| o["verb"] == "stack rename").unwrap();
        found["seq"].to_string()
    };
    env.tell(&["undo", "--op", &renamed()]);
    env.expect(0, &["stack", "show", "site"]);
    env.expect(0, &["stack", "rename", "site", "home"]);
    // Somebody else has the old name by now.
    env.expect(0, &["stack", "new", "site"]);
    env.tell(&["undo", "--op", &renamed()]);
    env.expect(0, &["doctor"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_stack_is_carried_to_another_database() {
    let env = ran_site();
    env.write("site/notes.txt", "mine\n");
    env.expect(0, &["run", "site.sloth", "--var", &super::root(&env)]);
    env.expect(0, &["stack", "export", "site", "site.json"]);
    let exported = env.read("site.json");
    assert_eq!(env.expect(0, &["stack", "export", "site"]).stdout, exported);
    let other = env.path("other/stacks.db").display().to_string();
    let there = |code, arguments: &[&str]| {
        let mut all = vec!["--db", other.as_str()];
        all.extend(arguments);
        env.expect(code, &all)
    };
    let dry = there(0, &["stack", "import", "site.json", "--dry-run"]);
    assert!(dry.says("3 resources, 1 output"), "{}", dry.text());
    there(7, &["stack", "show", "site"]);
    there(0, &["stack", "import", "site.json"]);
    there(0, &["stack", "drift", "detect", "site"]);
    let again = there(0, &["run", "site.sloth", "--var", &super::root(&env)]);
    assert!(again.says("0 created, 0 updated"), "{}", again.text());
    // What is there is what was taken, and the contents came along.
    let line = |text: &str| {
        text.lines().filter(|l| !l.contains("\"version\": ") && !l.contains("\"digest\": ")).count()
    };
    assert_eq!(line(&there(0, &["stack", "export", "site"]).stdout), line(&exported));
    env.write("site/page.txt", "lost\n");
    there(0, &["stack", "drift", "fix", "site", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    there(6, &["stack", "import", "site.json"]);
    there(0, &["stack", "import", "site.json", "--name", "copy"]);
    there(0, &["undo", "--yes"]);
    there(7, &["stack", "show", "copy"]);
    there(0, &["doctor"]);
    for (from, to, why) in [
        ("\"hello", "\"hullo", ""),
        ("\"version\": 2", "\"version\": 3", "changed after it was written"),
        ("sloth-runner-stack/1", "sloth-runner-stack/9", "which is not"),
        ("\"resources\"", "\"sources\"", ""),
    ] {
        let forged = exported.replacen(from, to, 1);
        if forged == exported {
            continue;
        }
        env.write("forged.json", &forged);
        let refused = there(5, &["stack", "import", "forged.json", "--name", "forged"]);
        assert!(refused.says(why) && refused.says("nothing was changed"), "{why}: {}", refused.text());
    }
    env.write("forged.json", "[]");
    there(5, &["stack", "import", "forged.json"]);
    there(7, &["stack", "import", "missing.json"]);
    there(7, &["stack", "show", "forged"]);
}
