//! The program as people use it: one file per command, plus the examples and the house rules.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "test code"
)]

mod bad_input;
mod replay;
mod test_accounts;
mod test_audit;
mod test_backup;
mod test_check;
mod test_completions;
mod test_config;
mod test_doctor;
mod test_documents;
mod test_events;
mod test_examples;
mod test_files;
mod test_hook;
mod test_house;
mod test_man;
mod test_network;
mod test_op;
mod test_output;
mod test_packages;
mod test_plan;
mod test_readme;
mod test_replay_idempotency;
mod test_replay_integrated_state;
mod test_replay_stack_guide;
mod test_replay_stack_state;
mod test_replay_workflow_state;
mod test_resume;
mod test_run;
mod test_services;
mod test_ssh;
mod test_stack;
mod test_stack_deps;
mod test_stack_drift;
mod test_stack_gc;
mod test_stack_interchange;
mod test_stack_lock;
mod test_stack_migrate;
mod test_stack_snapshot;
mod test_stack_state;
mod test_stack_tags;
mod test_stack_upstreams;
mod test_stack_validate;
mod test_state;
mod test_state_workflow;
mod test_terminal;
mod test_undo;
mod test_usage;
mod test_version;
mod throw_away;

use sloth_testkit::env::TestEnv;

/// A workflow whose second task goes on until the file `go` is there, and tells in `waiting` that it began.
pub const SLOW: &str = r#"
task("one", { run = function() file.content({ path = values.root .. "/one", content = "1" }) end })
task("wait", { depends_on = "one", run = function()
    exec.run("echo ran >> \"$R/waiting\"; while [ ! -e \"$R/go\" ]; do sleep 0.05; done", { env = { R = values.root } })
end })
task("two", { depends_on = "wait", run = function() file.content({ path = values.root .. "/two", content = "2" }) end })
"#;

/// A place to run this build of the program in.
pub fn env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_sloth-runner"))
}

/// A place with a workflow `site` that makes a directory and two files below `site/`.
pub fn site() -> TestEnv {
    let env = env();
    env.write("site.sloth", SITE);
    env
}

/// Runs `site` there.
pub fn ran_site() -> TestEnv {
    let env = site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    env
}

/// `root=…` for the workflow.
pub fn root(env: &TestEnv) -> String {
    format!("root={}", env.path("site").display())
}

const SITE: &str = r#"
local root = values.root
workflow({ name = "site", description = "A page and its notes" })
task("page", {
    run = function()
        file.directory({ path = root, mode = "0755" })
        file.content({ path = root .. "/page.txt", content = (values.title or "hello") .. "\n", mode = "0644" })
        stack.set_output("page", root .. "/page.txt")
    end,
})
task("notes", {
    depends_on = "page",
    tags = { "extra" },
    run = function()
        file.content({ path = root .. "/notes.txt", content = "one\ntwo\n", mode = "0640" })
    end,
})
"#;
