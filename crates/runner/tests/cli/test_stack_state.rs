use super::{ran_site, root};

/// Each older spelling prints what the newer one prints.
#[test]
fn the_older_words_do_the_same() {
    let env = ran_site();
    env.write("site.sloth", &env.read("site.sloth").replace("hello", "goodbye"));
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    for (older, newer) in [
        (&["stack", "state", "list"][..], &["stack", "list"][..]),
        (&["stack", "state", "show", "site"], &["stack", "show", "site"]),
        (&["stack", "state", "versions", "site"], &["stack", "snapshot", "list", "site"]),
        (
            &["stack", "state", "diff", "site", "--from", "1", "--to", "v2"],
            &["stack", "snapshot", "compare", "site", "v1", "v2"],
        ),
        (
            &["stack", "state", "diff", "site", "--from", "1"],
            &["stack", "snapshot", "compare", "site", "v1", "v2"],
        ),
        (
            &["stack", "state", "drift", "site", "-o", "json"],
            &["stack", "drift", "detect", "site", "-o", "json"],
        ),
    ] {
        let (a, b) = (env.run(older), env.run(newer));
        let plain = |text: &str| text.split("\"detected_at\"").next().unwrap_or_default().to_owned();
        assert_eq!((a.code, plain(&a.stdout)), (b.code, plain(&b.stdout)), "{older:?}");
    }
}

#[test]
fn the_older_words_lock_snapshot_and_roll_back() {
    let env = ran_site();
    env.write("site.sloth", &env.read("site.sloth").replace("hello", "goodbye"));
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env.tell(&["stack", "state", "lock", "site", "--operation", "deploy", "--duration", "30m"]);
    env.tell(&["stack", "lock", "status", "site"]);
    env.tell(&["stack", "state", "unlock", "site"]);
    env.tell(&["stack", "state", "snapshot", "site", "--description", "before"]);
    env.expect(2, &["stack", "state", "rollback", "site", "--version", "1"]);
    env.expect(0, &["stack", "state", "rollback", "site", "--version", "v1", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    env.expect(2, &["stack", "state", "rollback", "site"]);
    env.tell(&["stack", "state", "activity", "site"]);
    let last = env.expect(0, &["stack", "state", "activity", "site", "-n", "1", "-o", "json"]).stdout;
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((last.as_array().unwrap().len(), &last[0]["verb"]), (1, &"restore".into()));
    crate::assert_snapshot!(env.story());
}
