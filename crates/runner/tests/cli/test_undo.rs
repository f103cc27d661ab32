use crate::{ran_site, root};

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
    insta::assert_snapshot!(env.story());
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
