//! Where tests begin. It stands beside an `env`, which says where the state is kept.

use sloth_testkit::env::TestEnv;

use super::env;

/// A workflow whose second task goes on until the file `go` is there, and tells in `waiting` that it began.
pub const SLOW: &str = r#"
task("one", { run = function() file.content({ path = values.root .. "/one", content = "1" }) end })
task("wait", { depends_on = "one", run = function()
    exec.run("echo ran >> \"$R/waiting\"; while [ ! -e \"$R/go\" ]; do sleep 0.05; done", { env = { R = values.root } })
end })
task("two", { depends_on = "wait", run = function() file.content({ path = values.root .. "/two", content = "2" }) end })
"#;

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
