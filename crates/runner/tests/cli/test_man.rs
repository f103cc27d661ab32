use crate::env;

#[test]
fn the_page_of_a_command_is_printed() {
    let env = env();
    let ran = env.expect(0, &["man"]);
    assert!(ran.stdout.contains(".TH sloth-runner 1") && ran.stdout.contains("sloth\\-runner\\-stack(1)"));
    let ran = env.expect(0, &["man", "stack", "lock", "acquire"]);
    assert!(ran.stdout.contains(".TH sloth-runner-stack-lock-acquire 1"), "{}", ran.text());
    assert!(
        ran.stdout.contains(".SH EXAMPLES\n  sloth\\-runner stack lock acquire production"),
        "{}",
        ran.text()
    );
    let page: serde_json::Value =
        serde_json::from_str(&env.expect(0, &["man", "run", "-o", "json"]).stdout).unwrap();
    assert_eq!(page["name"], "sloth-runner-run");
    env.tell(&["man", "stack", "lok"]);
    env.tell(&["man", "nonsense"]);
    assert!(!env.db().exists());
    insta::assert_snapshot!(env.story());
}

#[test]
fn all_pages_are_written() {
    let env = env();
    let ran = env.expect(0, &["man", "--out", "man/man1"]);
    let count = std::fs::read_dir(env.path("man/man1")).unwrap().count();
    assert!(count > 30 && ran.stdout == format!("{count} pages written to `man/man1`\n"), "{}", ran.text());
    let page = env.read("man/man1/sloth-runner-stack-lock-acquire.1");
    assert_eq!(page, env.expect(0, &["man", "stack", "lock", "acquire"]).stdout);
    env.expect(0, &["man", "--out", "man/man1"]);
    env.write("file", "");
    env.expect(1, &["man", "--out", "file/below"]);
    env.expect(2, &["man", "run", "--out", "man"]);
}
