use serde_json::{Value, json};

use super::{ran_site, root};

#[test]
fn stacks_and_versions_have_tags() {
    let env = ran_site();
    env.write("site.sloth", &env.read("site.sloth").replace("hello", "goodbye"));
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env.tell(&["stack", "tags", "add", "site", "production"]);
    env.tell(&["stack", "tags", "add", "site", "production"]);
    env.tell(&["stack", "tags", "add", "site", "before-goodbye", "--version", "v1"]);
    env.tell(&["stack", "snapshot", "create", "site", "--description", "as it is", "--tags", "release,eu"]);
    env.tell(&["stack", "tags", "list", "site"]);
    env.tell(&["stack", "snapshot", "list", "site"]);
    env.tell(&["stack", "tags", "remove", "site", "prodution"]);
    env.tell(&["stack", "tags", "remove", "site", "eu"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_tag_is_read_wherever_a_version_is_named() {
    let env = ran_site();
    env.write("site.sloth", &env.read("site.sloth").replace("hello", "goodbye"));
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env.expect(0, &["stack", "state", "tags", "add", "site", "first", "--version", "1"]);
    env.expect(0, &["stack", "state", "tags", "list", "site"]);
    for named in ["first", "@first", "site@first"] {
        let shown = env.expect(0, &["stack", "snapshot", "show", "site", named, "-o", "json"]).stdout;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["version"], &shown["tags"]), (&json!(1), &json!(["first"])), "{named}");
    }
    let compared = env.expect(0, &["stack", "snapshot", "compare", "site", "first", "v2"]);
    assert!(compared.says("page.txt"), "{}", compared.text());
    let ran = env.expect(2, &["stack", "snapshot", "show", "site", "firts"]);
    assert!(ran.says("did you mean the tag `first`?"), "{}", ran.text());
    let ran = env.expect(2, &["stack", "snapshot", "show", "site", "other@first"]);
    assert!(ran.says("is a version of stack `other`"), "{}", ran.text());
    env.expect(0, &["stack", "snapshot", "restore", "site", "site@first", "--yes"]);
    assert_eq!(env.read("site/page.txt"), "hello\n");
    let ran = env.expect(6, &["stack", "snapshot", "delete", "site", "first", "--yes"]);
    assert!(ran.says("tagged first"), "{}", ran.text());
}

#[test]
fn what_cannot_be_a_tag_is_refused() {
    let env = ran_site();
    let add = |more: &[&str]| env.run(&[&["stack", "tags", "add", "site"], more].concat());
    for bad in ["", "a,b", "a\nb", "\u{1b}[31m", &"x".repeat(256)] {
        let ran = add(&[bad]);
        assert!(ran.code == 2 && ran.says("nothing was changed"), "{bad:?}: {}", ran.text());
    }
    for bad in ["5", "v5", "site@1", "site-v1"] {
        let ran = add(&[bad, "--version", "1"]);
        assert!(ran.code == 2 && ran.says("could be read as a version"), "{bad:?}: {}", ran.text());
        env.expect(2, &["stack", "snapshot", "create", "site", "--tag", bad]);
    }
    assert_eq!(add(&["x", "--version", "9"]).code, 7);
    assert_eq!(env.run(&["stack", "tags", "add", "nothing", "x"]).code, 7);
    assert_eq!(env.expect(0, &["stack", "tags", "list", "site", "-o", "json"]).stdout, "[]\n");
    // Odd and harmless.
    for odd in ["🦥", "\"quoted\"", "../x", "with blanks"] {
        assert_eq!(add(&[odd]).code, 0, "{odd}");
        env.expect(0, &["stack", "state", "tags", "remove", "site", odd]);
    }
}
