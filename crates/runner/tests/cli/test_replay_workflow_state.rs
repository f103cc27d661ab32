//! The document about workflow state, line by line.

use serde_json::Value;

use super::env;
use crate::replay::{deploy, one, replay};

#[test]
fn every_command_line_works() {
    let env = env();
    deploy(&env, "deploy-prod", 5);
    deploy(&env, "my-workflow", 1);
    deploy(&env, "prod-infra", 1);
    deploy(&env, "prod", 1);
    let shown = env.expect(0, &["state", "workflow", "show", "deploy-prod", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let id = shown["id"].as_str().unwrap();
    let names = [("abc123", id), ("<id>", id), ("<old-workflow-id>", "my-workflow")];
    replay(
        &env,
        &names,
        &[
            (0, "state workflow list", "NAME         VERSION  STATUS   STARTED"),
            (0, "state workflow list", "Total: 4 workflows"),
            (0, "state workflow list --name my-workflow", "Total: 1 workflow"),
            (0, "state workflow list --status success", "deploy-prod"),
            (0, "state workflow list -o json", "\"duration_seconds\""),
            (0, "state workflow show deploy-prod", "Workflow: deploy-prod (v5)"),
            (0, "state workflow show deploy-prod", "environment: production"),
            (0, "state workflow show deploy-prod", "load_balancer_ip = 192.168.1.100"),
            (0, "state workflow show abc123 -o json", "\"name\": \"deploy-prod\""),
            (0, "state workflow versions abc123", "Total: 5 versions"),
            (0, "state workflow versions abc123", "state workflow rollback deploy-prod VERSION"),
            (0, "state workflow versions abc123 -o json", "\"created_by\""),
            // There is no terminal to ask on.
            (2, "state workflow rollback abc123 3", "add `--yes`"),
            (0, "state workflow rollback abc123 3 --force", "v6"),
        ],
    );
    assert_eq!(env.read("deploy-prod/prod.conf"), "n = 3\n");
    env.write("deploy-prod/prod.conf", "by hand\n");
    replay(
        &env,
        &names,
        &[
            (3, "state workflow drift abc123", "Drift Detection: deploy-prod"),
            (3, "state workflow drift abc123", "RESOURCE TYPE     RESOURCE ID"),
            (3, "state workflow drift abc123 -o json", "\"is_drifted\": true"),
            (0, "state workflow resources abc123", "Workflow Resources: deploy-prod"),
            (0, "state workflow resources abc123", "Actions:"),
            (0, "state workflow resources abc123 --type docker_container", "Total: 1 resource"),
            (0, "state workflow resources abc123 -o json", "\"action\""),
            (0, "state workflow outputs abc123", "Workflow Outputs: deploy-prod"),
            (0, "state workflow outputs abc123 -o json", "\"deployment_url\": \"https://example.com/3\""),
        ],
    );
    // Use cases.
    let infrastructure = format!(
        "task(\"site\", {{ run = function() file.content({{ path = \"{}\", content = \"up\\n\" }}) end }})",
        env.path("infrastructure.txt").display()
    );
    env.write("infrastructure.sloth", &infrastructure);
    replay(
        &env,
        &names,
        &[
            (0, "run infrastructure.sloth", "1 created"),
            (0, "state workflow show infrastructure", "Workflow: infrastructure (v1)"),
            (0, "state workflow drift infrastructure", "0 drifted"),
        ],
    );
    env.write("infrastructure.txt", "edited\n");
    replay(
        &env,
        &names,
        &[
            (3, "state workflow drift infrastructure", "infrastructure.txt"),
            (0, "run infrastructure.sloth", "1 updated"),
            (0, "state workflow drift infrastructure", "0 drifted"),
            (0, "state workflow list --name deploy-prod", "Total: 1 workflow"),
            (0, "state workflow list --all --name deploy-prod", "Total: 6 executions"),
            (0, "state workflow show deploy-prod-v5", "Workflow: deploy-prod (v5)"),
            (2, "state workflow rollback deploy-prod-v5 4", "add `--yes`"),
            (0, "state workflow rollback deploy-prod-v5 4 --force", "v7"),
            (0, "state workflow versions <id>", "Total: 7 versions"),
            (0, "state workflow drift prod-infra", "0 drifted"),
            (0, "state list", "KEY"),
        ],
    );
    assert_eq!(env.read("deploy-prod/prod.conf"), "n = 4\n");
    // What goes into a file is JSON and nothing else.
    for line in ["state workflow show <id> -o json", "state workflow show prod -o json"] {
        let ran = one(&env, &names, 0, line, "");
        assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok(), "{}", ran.text());
    }
    replay(
        &env,
        &names,
        &[
            (2, "state workflow delete <old-workflow-id>", "add `--yes`"),
            (0, "state workflow delete <old-workflow-id> --force", "deleted"),
            (0, "state workflow delete abc123 --force", "stack `deploy-prod` deleted"),
            (7, "state workflow show deploy-prod", "there is no stack"),
        ],
    );
}
