use crate::env;

#[test]
fn the_version_is_told_without_a_database() {
    let env = env();
    env.tell(&["version"]);
    env.tell(&["version", "-o", "json"]);
    let ran = env.expect(0, &["--version"]);
    assert_eq!(ran.stdout, concat!("sloth-runner ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(!env.db().exists(), "no database was made");
    insta::assert_snapshot!(env.story());
}
