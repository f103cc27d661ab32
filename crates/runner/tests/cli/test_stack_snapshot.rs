use super::{ran_site, root};

#[test]
fn versions_are_listed_compared_and_restored() {
    let env = ran_site();
    let first = env.inventory(env.path("site"));
    env.tell(&[
        "stack",
        "snapshot",
        "create",
        "site",
        "--description",
        "Before v2.0 upgrade",
        "--creator",
        "admin",
    ]);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=second"]);
    env.tell(&["stack", "snapshot", "list", "site", "-n", "2", "--as", "ann"]);
    env.tell(&["stack", "snapshot", "compare", "site", "v1", "3"]);
    env.tell(&["stack", "snapshot", "show", "site", "site@1"]);
    env.tell(&["stack", "snapshot", "restore", "site", "v2"]);
    assert_eq!(env.read("site/page.txt"), "second\n");
    env.expect(0, &["stack", "snapshot", "restore", "site", "v2", "--dry-run"]);
    assert_eq!(env.read("site/page.txt"), "second\n");
    env.expect(0, &["stack", "snapshot", "restore", "site", "v2", "--force"]);
    assert_eq!(env.inventory(env.path("site")), first);
    env.expect(0, &["stack", "drift", "detect", "site"]);
    let warned = env.expect(0, &["plan", "site.sloth", "--var", &root(&env)]);
    assert!(warned.says("newer"), "{}", warned.text());
    crate::assert_snapshot!(env.story());
}

#[test]
fn the_record_alone_can_go_back() {
    let env = ran_site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=second"]);
    env.expect(0, &["stack", "snapshot", "restore", "site", "1", "--state-only", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "second\n");
    env.expect(3, &["stack", "drift", "detect", "site"]);
}

#[test]
fn wrong_versions_are_refused() {
    let env = ran_site();
    env.expect(0, &["stack", "new", "other"]);
    env.tell(&["stack", "snapshot", "show", "site", "newest"]);
    env.tell(&["stack", "snapshot", "show", "site", "other@1"]);
    env.tell(&["stack", "snapshot", "restore", "site", "v99", "--yes"]);
    env.expect(7, &["stack", "resources", "site", "--at", "v7"]);
    env.expect(0, &["stack", "resources", "site", "--at", "v1"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn the_past_is_read_with_at() {
    let env = ran_site();
    let more = "\ntask(\"more\", { run = function() file.content({ path = root .. \"/more.txt\", content = \"m\", depends_on = \"file:\" .. root .. \"/page.txt\" }) stack.set_output(\"more\", 1) end })\n";
    env.write("site.sloth", &(env.read("site.sloth") + more));
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    let count = |at: &[&str]| -> serde_json::Value {
        let shown = env.expect(0, &[&["stack", "show", "site", "-o", "json"], at].concat()).stdout;
        serde_json::from_str(&shown).unwrap()
    };
    let (now, then) = (count(&[]), count(&["--at", "site@1"]));
    assert_eq!((&now["resource_count"], &now["state_version"]), (&4.into(), &2.into()));
    assert_eq!((&then["resource_count"], &then["state_version"]), (&3.into(), &1.into()));
    assert!(now["outputs"].get("more").is_some() && then["outputs"].get("more").is_none());
    for verb in ["show", "order", "check", "graph"] {
        let now = env.expect(0, &["stack", "deps", verb, "site"]);
        let then = env.expect(0, &["stack", "deps", verb, "site", "--at", "v1"]);
        assert!(verb == "check" || (now.says("more.txt") && !then.says("more.txt")), "{}", then.text());
        env.expect(7, &["stack", "deps", verb, "site", "--at", "3"]);
    }
    env.expect(7, &["stack", "show", "site", "--at", "9"]);
    env.expect(2, &["stack", "show", "site", "--at", "yesterday"]);
    env.expect(0, &["stack", "snapshot", "create", "site"]);
    env.expect(0, &["stack", "snapshot", "delete", "site", "v1", "--yes"]);
    for verb in [&["stack", "show"][..], &["stack", "resources"], &["stack", "output"], &["stack", "export"]]
    {
        let gone = env.expect(7, &[verb, &["site", "--at", "v1"]].concat());
        assert!(gone.says("does not keep v1"), "{}", gone.text());
    }
}
