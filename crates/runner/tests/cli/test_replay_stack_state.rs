//! The specification of stack state, line by line.

use super::env;
use crate::replay::{deploy, replay};

/// As the specification writes it.
const DEPLOY: &str = r#"
local deploy = task("deploy_app")
    :description("Deploy application with state management")
    :command(function()
        -- State is automatically managed
        state.set("deployment_version", "v2.0.0")
        state.set("deployed_at", os.time())

        -- Deploy logic here
        exec.run("kubectl apply -f deployment.yaml")

        return true, "Deployment successful"
    end)
    :build()

workflow.define("production_deploy")
    :description("Production deployment with locking")
    :version("2.0.0")
    :tasks({deploy})
    :config({
        timeout = "30m",
        require_lock = true,  -- Automatic locking
        create_snapshot = true  -- Auto-snapshot before execution
    })
"#;

#[test]
fn every_command_line_works() {
    let env = env();
    deploy(&env, "my-stack", 6);
    deploy(&env, "production-stack", 1);
    deploy(&env, "app-stack", 1);
    env.write("dsl.sloth", DEPLOY);
    env.expect(0, &["run", "dsl.sloth", "--stack", "production"]);
    env.write("deploy.sloth", &DEPLOY.replace("production_deploy", "deploy"));
    assert_eq!(env.expect(0, &["state", "get", "deployment_version"]).stdout, "v2.0.0\n");
    replay(
        &env,
        &[],
        &[
            (0, "stack create db-stack", "db-stack"),
            (0, "stack create frontend-stack", "frontend-stack"),
            (0, "stack list", "NAME"),
            (0, "stack list", "Total: 6 stacks"),
            (0, "stack show my-stack", "Stack: my-stack"),
            (0, "stack output my-stack", "load_balancer_ip = 192.168.1.100"),
            (
                0,
                "stack snapshot create my-stack --description \"Before v2.0 upgrade\" --creator \"admin\"",
                "v7",
            ),
            (0, "stack snapshot list my-stack", "Before v2.0 upgrade"),
            (0, "stack snapshot show my-stack v5", "Snapshot v5 of stack: my-stack"),
            (0, "stack snapshot compare my-stack v4 v5", "prod.conf"),
            (2, "stack snapshot restore my-stack v5", "add `--yes`"),
            (0, "stack snapshot restore my-stack v5 --yes", "v8"),
            (0, "stack snapshot delete my-stack v2 --yes", "v2"),
        ],
    );
    assert_eq!(env.read("my-stack/prod.conf"), "n = 5\n");
    env.write("production-stack/prod.conf", "by hand\n");
    replay(
        &env,
        &[],
        &[
            (3, "stack drift detect production-stack", "1 drifted"),
            (0, "stack drift show production-stack", "Expected:"),
            (0, "stack drift fix production-stack --auto-approve", "1 updated"),
            (0, "stack drift detect production-stack", "0 drifted"),
            (0, "stack deps show app-stack", "app-stack"),
            (0, "stack deps graph app-stack --output deps.png", ""),
            (0, "stack deps check app-stack", ""),
            (0, "stack deps analyze app-stack", ""),
            (0, "stack deps order db-stack app-stack frontend-stack", "app-stack"),
        ],
    );
    assert!(std::fs::read(env.path("deps.png")).unwrap().starts_with(b"\x89PNG"));
    replay(
        &env,
        &[],
        &[
            (0, "stack validate production-stack", "production-stack"),
            (0, "stack validate check production-stack", "production-stack"),
            (0, "stack validate all", ""),
            (0, "run deploy --file deploy.sloth --stack production-stack --validate", ""),
        ],
    );
}

#[test]
fn a_deployment_is_protected_by_a_lock() {
    let env = env();
    deploy(&env, "production-stack", 1);
    env.write("deploy.sloth", &DEPLOY.replace("production_deploy", "deploy"));
    let acquire =
        "stack lock acquire production-stack --reason \"Deploying v2.0.0\" --locked-by \"deploy-bot\"";
    replay(
        &env,
        &[],
        &[
            (0, acquire, "deploy-bot"),
            (0, "stack lock status production-stack", "Status: LOCKED"),
            (0, "stack lock status production-stack", "Deploying v2.0.0"),
            (0, "run deploy --file deploy.sloth --stack production-stack", ""),
            (0, "stack lock release production-stack --unlocked-by \"deploy-bot\"", "released"),
            (0, "stack lock status production-stack", "UNLOCKED"),
            (0, acquire, ""),
            (0, "stack lock force-release production-stack --reason \"an emergency\" --yes", ""),
            (0, acquire, ""),
            (0, "stack lock force-unlock production-stack --reason \"another\" --yes", ""),
            (0, "stack destroy production-stack --yes", ""),
            (7, "stack show production-stack", ""),
        ],
    );
    assert!(!env.path("production-stack/prod.conf").exists());
}
