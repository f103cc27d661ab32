//! The guide to stacks and idempotency, line by line, and its programs as far as they touch nothing but the record.

use super::env;
use crate::replay::{deploy, replay};

const GUIDE: &str = r#"
workflow({ name = "web-server-setup", description = "Idempotent web server configuration" })

task({
    name = "look",
    run = function()
        print(stack.get_name() .. " " .. stack.get_status() .. " " .. #stack.get_id())
        stack.set_output("web_url", "https://example.com")
        print("url " .. stack.get_output("web_url"))
    end
})

task({
    name = "custom-setup",
    depends_on = {"look"},
    run = function()
        local status, res = stack.register_resource({
            type = "custom",
            name = "my-resource",
            module = "custom",
            properties = {
                setting1 = "value1",
                setting2 = "value2"
            }
        })
        print("status " .. status)
        if status == "unchanged" then
            print("Resource already configured")
            return
        end
        stack.update_resource("custom", "my-resource", {
            state = "applied"
        })
        if not stack.resource_exists("database", "mydb") then
            stack.register_resource({ type = "database", name = "mydb", module = "custom", properties = {version = "1.0"} })
            stack.update_resource("database", "mydb", { state = "failed", error = "Installation failed: permission denied" })
        end
        local resource = stack.get_resource("custom", "my-resource")
        print("Resource state:", resource.state)
        print("Last applied:", resource.last_applied)
    end
})
"#;

#[test]
fn every_command_line_works() {
    let env = env();
    replay(
        &env,
        &[],
        &[
            (0, "stack new my-infrastructure", "my-infrastructure"),
            (0, "stack list", "my-infrastructure"),
            (0, "stack show my-infrastructure", "created"),
            (2, "stack delete my-infrastructure", "add `--yes`"),
            (0, "stack delete my-infrastructure --yes", "deleted"),
            (0, "state set key value", ""),
            (0, "state get key", "value"),
            (0, "state list", "key"),
            (0, "state stats", "Total"),
            (0, "state delete key --yes", ""),
        ],
    );
    deploy(&env, "my-infrastructure", 1);
    env.write("my-infrastructure/prod.conf", "by hand\n");
    replay(
        &env,
        &[],
        &[
            (3, "stack drift my-infrastructure", "1 drifted"),
            (0, "stack resources my-infrastructure --state drift", "Total: 1 resource (1 drift)"),
            (0, "stack export my-infrastructure", "\"format\""),
            (0, "stack resources my-infrastructure", "Total: 2 resources"),
        ],
    );
    let other = env.path("other.db").display().to_string();
    replay(&env, &[("OTHER", &other)], &[(0, "--db OTHER stack list", "Total: 0 stacks")]);
}

#[test]
fn what_it_registers_is_not_done_twice() {
    let env = env();
    env.write("guide.sloth", GUIDE);
    replay(
        &env,
        &[],
        &[
            (0, "run guide.sloth", "status created"),
            (0, "run guide.sloth", "Resource already configured"),
            (0, "stack output web-server-setup web_url", "https://example.com"),
            (0, "stack resources web-server-setup --state failed", "mydb"),
            (0, "stack resources web-server-setup --state applied", "my-resource"),
        ],
    );
}
