use crate::{ran_site, root};

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
    insta::assert_snapshot!(env.story());
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
    insta::assert_snapshot!(env.story());
}
