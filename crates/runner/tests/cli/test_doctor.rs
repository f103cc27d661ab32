use crate::{env, ran_site};

#[test]
fn a_sound_database_is_sound() {
    let env = ran_site();
    let ran = env.expect(0, &["doctor", "--deep", "-o", "json"]);
    let doctor: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&doctor["format"], &doctor["sound"]), (&"sloth-runner/1".into(), &true.into()));
    assert!(env.expect(0, &["doctor"]).stdout.ends_with("0 problems found\n"));
}

#[test]
fn an_empty_place_is_sound() {
    let env = env();
    env.tell(&["doctor"]);
    assert!(!env.db().exists());
    insta::assert_snapshot!(env.story());
}
