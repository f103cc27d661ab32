//! The document about integrated state management, line by line.

use serde_json::Value;
use sloth_testkit::legacy;

use super::env;
use crate::replay::{deploy, one, replay};

#[test]
fn every_command_line_works() {
    let env = env();
    deploy(&env, "my-stack", 3);
    replay(
        &env,
        &[],
        &[
            (0, "stack state list", "my-stack"),
            (0, "stack state show my-stack", "Stack: my-stack"),
            (0, "stack state versions my-stack", "Total: 3 snapshots"),
            (0, "stack state snapshot my-stack --description \"Before deployment\"", "snapshot v4"),
            (2, "stack state rollback my-stack --version 3", "add `--yes`"),
            (0, "stack state rollback my-stack --version 2 --yes", "v5"),
            (0, "stack state diff my-stack --from 2 --to 3", "prod.conf"),
        ],
    );
    assert_eq!(env.read("my-stack/prod.conf"), "n = 2\n");
    env.write("my-stack/prod.conf", "by hand\n");
    replay(
        &env,
        &[],
        &[
            (3, "stack state drift my-stack", "1 drifted"),
            (3, "stack state drift my-stack --output json", "\"drifted_fields\""),
            (
                0,
                "stack state lock my-stack --operation \"deployment\" --who \"admin\" --duration 30m",
                "admin",
            ),
        ],
    );
    let status = one(&env, &[], 0, "stack lock status my-stack -o json", "deployment");
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let id = status["locks"][0]["lock_id"].as_str().unwrap_or_else(|| panic!("{status}"));
    replay(
        &env,
        &[("<lock-id>", id)],
        &[
            (0, "stack state unlock my-stack --lock-id <lock-id>", "released"),
            (0, "stack lock status my-stack", "UNLOCKED"),
            (0, "stack state tags add my-stack production", "tagged `production`"),
            (0, "stack state tags add my-stack critical", "tagged `critical`"),
            (0, "stack state tags list my-stack", "Total: 2 tags"),
            (0, "stack state activity my-stack --limit 20", "restore"),
        ],
    );
}

#[test]
fn an_older_database_is_taken_over() {
    let env = env();
    let old = env.home().join(".sloth-runner");
    std::fs::create_dir_all(&old).unwrap();
    if !legacy::sqlite(&old.join("state.db"), &(legacy::VALUES.to_owned() + legacy::WORKFLOWS)) {
        println!("skipped: sqlite3 is not there");
        return;
    }
    let (home, target) =
        (env.home().display().to_string(), env.path("target/stacks.db").display().to_string());
    let names = [("~", home.as_str()), ("/etc/sloth-runner/stacks.db", target.as_str())];
    let migrate = "stack migrate --source ~/.sloth-runner/state.db --target /etc/sloth-runner/stacks.db";
    replay(
        &env,
        &names,
        &[
            (0, "stack migrate --source ~/.sloth-runner/state.db --dry-run", "state.db"),
            (0, "stack migrate --source ~/.sloth-runner/state.db --generate-script migration.sql", ""),
            (0, migrate, "deploy"),
        ],
    );
    assert!(env.path("migration.sql").is_file());
    let list = one(&env, &names, 0, "--db /etc/sloth-runner/stacks.db stack list -o json", "");
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert!(!list.as_array().unwrap().is_empty(), "{list}");
}
