//! The document about integrated state management, line by line. Left out here: the three lines of `stack migrate`, which
//! need the database of an older program.

use serde_json::Value;

use crate::env;
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
