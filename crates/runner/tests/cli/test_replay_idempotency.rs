//! The document about state and idempotency, line by line, and its programs as far as they touch nothing but files.

use super::env;
use crate::replay::{one, replay};

const SETUP: &str = r#"
task({
    name = "create-config",
    run = function()
        file.copy({ src = values.dir .. "/templates/nginx.conf", dest = values.dir .. "/etc/nginx.conf", mode = "0644" })
        file.lineinfile({ path = values.dir .. "/etc/hosts", line = "192.168.1.100 myserver", state = "present" })
        local result = file.copy({ src = values.dir .. "/templates/nginx.conf", dest = values.dir .. "/etc/app.ini" })
        if result.changed then
            print("WARNING: Configuration was out of sync")
        end
    end
})
task({
    name = "critical-update",
    run = function()
        state.lock("deployment", "task-123", 300) -- 5 minute timeout
        state.unlock("deployment", "task-123")
        state.set("deployment:version", "v1.2.3")
        local version = state.get("deployment:version")
        print("version is " .. version)
        state.delete("user:create:deploy")
        state.lock("kept", "task-123", 300)
    end
})
"#;

#[test]
fn every_command_line_works() {
    let env = env();
    env.write("setup.sloth", SETUP);
    env.write("templates/nginx.conf", "worker_processes 1;\n");
    env.write("etc/hosts", "127.0.0.1 localhost\n");
    let dir = env.work().display().to_string();
    let names = [("DIR", dir.as_str()), ("/etc/nginx/nginx.conf", &*format!("{dir}/etc/nginx.conf"))];
    replay(
        &env,
        &names,
        &[
            (0, "state set user:john active", ""),
            (0, "run -f setup.sloth --var dir=DIR", "3 created"),
            (0, "run -f setup.sloth --var dir=DIR", "3 unchanged"),
            (0, "state list", "user:john"),
            (0, "state list", "deployment:version"),
            (0, "state list --agent mariaguica", "KEY"),
            (0, "state list file", "file:copy:"),
            (0, "state list --output json", "\"key\""),
            (0, "state show user:john", "active"),
            (0, "state show user:john --output json", "\"value\": \"active\""),
            (2, "state delete user:john", "add `--yes`"),
            (0, "state delete user:john --yes", ""),
            (7, "state show user:john", ""),
            (0, "state stats", "Total"),
            (0, "state stats --output json", ""),
            (0, "state list lock", "kept"),
            (0, "state delete file:copy:/etc/nginx/nginx.conf --yes", ""),
            (2, "state clear", "add `--yes`"),
            (0, "state clear --yes", ""),
        ],
    );
    // Forgotten and found again as it should be: nothing is written.
    one(&env, &names, 0, "run -f setup.sloth --var dir=DIR", "1 recorded");
    env.write("etc/app.ini", "edited\n");
    one(&env, &names, 0, "run -f setup.sloth --var dir=DIR", "Configuration was out of sync");
    assert_eq!(env.read("etc/hosts"), "127.0.0.1 localhost\n192.168.1.100 myserver\n");
}
