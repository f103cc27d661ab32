use sloth_testkit::env::TestEnv;

use super::{ran_site, root, site};

#[test]
fn undo_takes_back_values_stacks_and_runs() {
    let env = ran_site();
    env.expect(0, &["state", "set", "k", "1"]);
    env.expect(0, &["state", "set", "k", "2"]);
    env.tell(&["undo"]);
    assert_eq!(env.expect(0, &["state", "get", "k"]).stdout, "1\n");
    env.expect(0, &["stack", "delete", "site", "--yes"]);
    env.expect(7, &["stack", "show", "site"]);
    env.expect(0, &["undo"]);
    env.expect(0, &["stack", "show", "site"]);

    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=changed"]);
    assert_eq!(env.read("site/page.txt"), "changed\n");
    let refused = env.expect(2, &["undo"]);
    assert!(refused.says("--yes") && refused.says("site/page.txt"), "{}", refused.text());
    assert_eq!(env.read("site/page.txt"), "changed\n");
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    crate::assert_snapshot!(env.story());
}

#[test]
fn the_first_run_of_a_stack_can_be_taken_back() {
    let env = site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env.expect(0, &["undo", "--yes"]);
    assert!(!env.path("site").exists(), "{}", env.inventory(env.path("site")));
    env.expect(7, &["stack", "show", "site"]);

    // A stack that was made before stays, with nothing in it.
    env.expect(0, &["stack", "new", "site"]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env.expect(0, &["undo", "--yes"]);
    assert!(!env.path("site").exists());
    assert!(env.expect(0, &["stack", "resources", "site", "-o", "json"]).stdout.trim() == "[]");
    assert_eq!(env.expect(0, &["stack", "output", "site", "-o", "json"]).stdout.matches("page").count(), 0);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    env.expect(0, &["audit", "verify"]);
}

#[test]
fn what_changed_nothing_is_passed_over() {
    let env = ran_site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=changed"]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=changed"]);
    env.expect(0, &["stack", "lock", "acquire", "site", "--reason", "a look"]);
    env.expect(0, &["stack", "lock", "release", "site"]);
    env.expect(0, &["undo", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    // Named, it is refused.
    let refused = env.expect(1, &["undo", "--op", "3", "--yes"]);
    assert!(
        refused.says("it changed nothing") && refused.says("hint: see `sloth-runner op log`"),
        "{}",
        refused.text()
    );
}

#[test]
fn what_cannot_be_undone_says_why() {
    let env = ran_site();
    env.expect(7, &["undo", "--op", "99"]);
    env.expect(0, &["state", "set", "k", "1"]);
    let number = env.expect(0, &["op", "log", "-n", "1", "-o", "json"]);
    let log: serde_json::Value = serde_json::from_str(&number.stdout).unwrap();
    let number = log[0]["seq"].to_string();
    env.expect(0, &["undo", "--op", &number]);
    let ran = env.expect(1, &["undo", "--op", &number]);
    assert!(ran.says("was undone already"), "{}", ran.text());
}

/// Everything that is kept and everything on the machine, without numbers that only grow.
fn picture(env: &TestEnv) -> String {
    let plain = |text: &str| -> String {
        let grows = |line: &&str| {
            ["\"version\":", "\"digest\":", "\"updated_at\":"]
                .iter()
                .any(|key| line.trim_start().starts_with(key))
        };
        text.lines().filter(|line| !grows(line)).map(|line| format!("{line}\n")).collect()
    };
    let stacks: serde_json::Value =
        serde_json::from_str(&env.expect(0, &["stack", "list", "-o", "json"]).stdout).unwrap();
    let mut all = plain(&env.expect(0, &["state", "export"]).stdout);
    all += &plain(&env.expect(0, &["hook", "list", "-o", "json"]).stdout);
    for stack in stacks.as_array().unwrap() {
        let name = stack["name"].as_str().unwrap();
        all += &plain(&env.expect(0, &["stack", "export", name]).stdout);
        // Which of the first versions are there; later ones are what undoing makes.
        all += &format!("v1: {}\n", env.run(&["stack", "snapshot", "show", name, "v1"]).code);
    }
    format!("{all}{:#?}", env.inventory(env.path("site")))
}

#[test]
fn every_change_can_be_taken_back() {
    let changed = |env: &TestEnv| {
        env.write("site.sloth", &env.read("site.sloth").replace("hello", "goodbye"));
    };
    let edited = |env: &TestEnv| {
        env.write("site/page.txt", "by hand\n");
    };
    let nothing = |_: &TestEnv| {};
    let hooked = |env: &TestEnv| {
        env.expect(0, &["hook", "add", "h", "--event", "custom.x", "--shell", "true"]);
    };
    let exported = |env: &TestEnv| {
        env.expect(0, &["state", "export", "values.json"]);
        env.expect(0, &["stack", "export", "site", "site.json"]);
        env.expect(0, &["state", "set", "n", "7"]);
    };
    let foreign = |env: &TestEnv| {
        env.write("network.tfstate", include_str!("foreign/network.tfstate"));
        env.write("shop.json", include_str!("foreign/shop.pulumi.json"));
    };
    let two = |env: &TestEnv| {
        changed(env);
        env.expect(0, &["run", "site.sloth", "--var", &root(env)]);
    };
    let three = |env: &TestEnv| {
        two(env);
        env.expect(0, &["stack", "snapshot", "create", "site"]);
    };
    type Before<'a> = &'a dyn Fn(&TestEnv);
    let cases: &[(&[&str], Before<'_>)] = &[
        (&["run", "site.sloth", "--var", "ROOT"], &changed),
        (&["stack", "snapshot", "restore", "site", "v1", "--yes"], &two),
        (&["stack", "destroy", "site", "--yes"], &nothing),
        (&["stack", "delete", "site", "--force"], &nothing),
        (&["stack", "new", "other"], &nothing),
        (&["stack", "rename", "site", "home"], &nothing),
        (&["stack", "snapshot", "delete", "site", "v1", "--yes"], &three),
        (&["stack", "import", "site.json", "--name", "copy"], &exported),
        (&["stack", "import", "site.json", "--overwrite"], &|env| {
            exported(env);
            two(env);
            env.expect(0, &["stack", "tags", "add", "site", "later"]);
        }),
        (&["stack", "import", "terraform", "network.tfstate"], &foreign),
        (&["stack", "import", "terraform", "newer.tfstate", "--stack", "network"], &|env| {
            foreign(env);
            env.expect(0, &["stack", "import", "terraform", "network.tfstate"]);
            let newer = env.read("network.tfstate").replace("\"serial\": 42", "\"serial\": 45");
            env.write("newer.tfstate", &newer.replace("10.0.0.0/16", "10.8.0.0/16"));
        }),
        (&["stack", "import", "pulumi", "shop.json"], &foreign),
        (&["stack", "tags", "add", "site", "x"], &nothing),
        (&["stack", "tags", "add", "site", "x", "--version", "1"], &nothing),
        (&["stack", "tags", "remove", "site", "old"], &|env| {
            env.expect(0, &["stack", "tags", "add", "site", "old"]);
        }),
        (&["stack", "snapshot", "create", "site", "--tag", "x"], &nothing),
        (&["state", "workflow", "import", "workflow.json", "--name", "copy"], &|env| {
            env.expect(0, &["state", "workflow", "export", "site", "workflow.json"]);
        }),
        (&["state", "workflow", "restore", "site.json", "--force"], &|env| {
            env.expect(0, &["state", "workflow", "backup", "site", "-d", "kept"]);
            let file = std::fs::read_dir(env.path("kept")).unwrap().next().unwrap().unwrap().path();
            std::fs::rename(file, env.path("site.json")).unwrap();
            two(env);
        }),
        (&["state", "workflow", "delete", "site", "--force"], &nothing),
        (&["stack", "drift", "accept", "site", "--yes"], &edited),
        (&["hook", "add", "h", "--event", "custom.x", "--shell", "true"], &nothing),
        (&["hook", "disable", "h"], &hooked),
        (&["hook", "enable", "h"], &|env| {
            hooked(env);
            env.expect(0, &["hook", "disable", "h"]);
        }),
        (&["hook", "delete", "h", "--yes"], &hooked),
        (&["state", "set", "n", "2"], &nothing),
        (&["state", "set", "new", "2"], &nothing),
        (&["state", "increment", "n"], &nothing),
        (&["state", "delete", "n", "--yes"], &nothing),
        (&["state", "clear", "--yes"], &nothing),
        (&["state", "import", "values.json", "--replace"], &exported),
    ];
    for (command, before) in cases {
        let env = ran_site();
        env.expect(0, &["state", "set", "n", "1"]);
        env.expect(0, &["state", "set", "text", "x", "--ttl", "1d"]);
        before(&env);
        let was = picture(&env);
        let var = root(&env);
        let command: Vec<&str> =
            command.iter().map(|word| if *word == "ROOT" { var.as_str() } else { word }).collect();
        env.expect(0, &command);
        assert_ne!(picture(&env), was, "{command:?} changes nothing");
        env.expect(0, &["undo", "--yes"]);
        assert_eq!(picture(&env), was, "{command:?} was not taken back");
        env.expect(0, &["doctor"]);
        env.expect(0, &["audit", "verify"]);
    }
}
