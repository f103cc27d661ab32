use std::os::unix::fs::PermissionsExt as _;

use super::{ran_site, root};

#[test]
fn a_lock_admits_its_owner_and_nobody_else() {
    let mut env = ran_site();
    env.tell(&["stack", "lock", "status", "site"]);
    env.tell(&[
        "stack",
        "lock",
        "acquire",
        "site",
        "--reason",
        "Deploying v2.0.0",
        "--locked-by",
        "deploy-bot",
    ]);
    let kept: Vec<_> = std::fs::read_dir(env.home().join("locks")).unwrap().flatten().collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);

    let own = env.home().to_string_lossy().into_owned();
    env.set("SLOTH_RUNNER_DATA_DIR", &env.path("somebody-else").to_string_lossy());
    let refused = env.expect(4, &["run", "site.sloth", "--var", &root(&env)]);
    assert!(refused.says("locked by `deploy-bot`") && refused.says("Deploying v2.0.0"), "{}", refused.text());
    env.tell(&["stack", "lock", "acquire", "site"]);
    env.tell(&["stack", "lock", "release", "site", "--unlocked-by", "ann"]);
    env.tell(&["stack", "lock", "status", "site"]);
    env.expect(0, &["stack", "show", "site"]);
    env.expect(0, &["plan", "site.sloth", "--var", &root(&env)]);

    env.set("SLOTH_RUNNER_DATA_DIR", &own);
    env.tell(&["stack", "lock", "release", "site", "--unlocked-by", "deploy-bot"]);
    env.tell(&["stack", "lock", "release", "site"]);
    crate::assert_snapshot!(env.story());
}

#[test]
fn a_lock_id_opens_and_ends() {
    let mut env = ran_site();
    let ran = env.expect(0, &["stack", "lock", "acquire", "site", "-o", "json"]);
    let lock: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let id = lock["locks"][0]["lock_id"].as_str().unwrap().to_owned();
    env.set("SLOTH_RUNNER_DATA_DIR", &env.path("elsewhere").to_string_lossy());
    env.expect(4, &["stack", "snapshot", "create", "site"]);
    env.expect(0, &["stack", "snapshot", "create", "site", "--lock-id", &id]);
    let status = env.expect(0, &["stack", "lock", "status", "site", "-o", "json"]);
    assert!(!status.stdout.contains(&id), "the id is for its owner");
    env.expect(0, &["stack", "lock", "release", "site", "--lock-id", &id]);
    env.expect(0, &["stack", "snapshot", "create", "site"]);
}

#[test]
fn force_needs_a_reason_and_a_yes() {
    let env = ran_site();
    env.expect(0, &["stack", "lock", "acquire", "site", "--locked-by", "ann"]);
    env.expect(2, &["stack", "lock", "force-release", "site", "--yes"]);
    env.expect(2, &["stack", "lock", "force-release", "site", "--reason", " ", "--yes"]);
    env.expect(2, &["stack", "lock", "force-release", "site", "--reason", "on holiday"]);
    env.tell(&["stack", "lock", "force-unlock", "site", "--reason", "on holiday", "--force"]);
    assert!(env.expect(0, &["op", "log", "-n", "1"]).says("force"));
    env.expect(7, &["stack", "lock", "force-release", "site", "--reason", "again", "--yes"]);
    crate::assert_snapshot!(env.story());
}
