use crate::ran_site;

#[test]
fn everything_that_was_done_is_in_the_log_without_secrets() {
    let env = ran_site();
    env.expect(0, &["--as", "ann", "state", "set", "token", "s3cr3t"]);
    env.expect(0, &["--as", "ann", "stack", "snapshot", "create", "site", "-d", "before"]);
    env.tell(&["op", "log", "--limit", "2"]);
    let ran = env.expect(0, &["op", "log", "-o", "json"]);
    assert!(!ran.stdout.contains("s3cr3t") && !ran.stdout.contains("root=/"), "{}", ran.stdout);
    let log: Vec<serde_json::Value> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log[2]["verb"], "run");
    insta::assert_snapshot!(env.story());
}
