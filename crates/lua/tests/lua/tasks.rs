//! What the task runner does around a body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sloth_core::body::UnitEnding;
use sloth_core::value::{Map, Value};

use crate::rig::{World, body, request, run, run_with};

fn succeeded(message: Option<&str>, outputs: &[(&str, Value)]) -> UnitEnding {
    UnitEnding::Succeeded {
        message: message.map(str::to_owned),
        outputs: outputs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect::<Map>(),
    }
}

#[test]
fn what_a_body_returns() {
    for (code, ending) in [
        ("", succeeded(None, &[])),
        ("return", succeeded(None, &[])),
        ("return true", succeeded(None, &[])),
        ("return true, 'done'", succeeded(Some("done"), &[])),
        (
            "return true, 'done', { url = 'x', n = 3 }",
            succeeded(Some("done"), &[("n", Value::from(3)), ("url", Value::from("x"))]),
        ),
        ("return { a = 1 }", succeeded(None, &[("a", Value::from(1))])),
        (
            "return { success = true, message = 'm' }",
            succeeded(Some("m"), &[("message", Value::from("m")), ("success", Value::from(true))]),
        ),
        ("return 'text'", succeeded(Some("text"), &[])),
    ] {
        assert_eq!(body(code).ending("t"), &ending, "{code}");
    }
    for (code, why) in [
        ("return false", "it returned false"),
        ("return false, 'why'", "why"),
        ("return nil, 'why'", "why"),
        ("return { success = false, error = 'why' }", "why"),
        ("return { success = false }", "it returned `success = false`"),
        ("return exec.run('false')", "no luck"),
        ("error('boom')", "boom"),
        ("error({ message = 'boom' })", "boom"),
        ("error()", "an error without a message"),
        ("local x = nil; x.y = 1", "attempt to index nil with 'y'"),
        ("return true, 'x', { f = print }", "a function cannot be kept at `f`"),
    ] {
        let message = body(code).failure("t");
        assert!(message.contains(why), "{code}: {message}");
    }
}

#[test]
fn bodies_get_this_params_deps_and_session() {
    let ran = run(r#"
local first = task("first"):run(function(this, params, deps, session)
	session.count = 1
	return true, "built", { version = "1.2", list = { 1, 2 } }
end):build()
task({
	name = "second",
	depends_on = first,
	delegate_to = "web1",
	workdir = "/srv/app",
	params = { color = "red" },
	run = function(this, params, deps, session)
		print(this.name, this.name(), this.host, this.agent.get(), this.agent)
		print(this.workdir, this.workdir.get(), this.workdir .. "/x", this.workdir())
		print(params.task_name, params.group_name, params.workdir, params.color)
		print(deps.first.version, #deps.first.list, session.count)
	end,
})
"#);
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn hooks_and_conditions_run_in_their_order() {
    let ran = run(r#"
task("a", {
	run_if = function(params, deps) print("run_if", params.task_name) return true end,
	abort_if = "false",
	pre_exec = function(params, deps) print("pre", params.task_name) end,
	run = function(this) print("run", this.name) return true, "msg", { x = 1 } end,
	post_exec = function(this, params, output) print("post", this.name, output.x) end,
	on_success = function(this, params, output) print("success", this.name, output.x) end,
	on_failure = function() print("never") end,
})
task("b", { run_if = "false", run = function() print("never") end })
task("c", { run_if = function() return false, "not today" end, run = function() print("never") end })
task("d", { run_if = true, run = function() return false, "bad" end, on_fail = function(this, params, info) print("failed", this.name, info.error, info.task_name) end })
task("e", { abort_if = function() return true, "enough" end })
task("f", { timeout = "50ms", run = function() time.sleep(9) end, on_timeout = function(this, params, info) print("timeout", info.error) end, on_failure = function() print("failure, too") end })
task("g", { pre_hook = function() return false, "not ready" end, run = function() print("never") end })
task("h", { run = function() end, post_hook = function() return false, "unhealthy" end, on_failure = function(this, _, info) print(info.error) end })
task("i", { run = function() end, on_success = function() error("hook broke") end })
"#);
    let mut lines = ran.said();
    for (name, ending) in &ran.endings {
        lines.push(match ending {
            UnitEnding::Succeeded { message, outputs } => format!("{name}: ok {message:?} {outputs:?}"),
            UnitEnding::Failed { message, span } => {
                format!(
                    "{name}: failed at {}: {}",
                    span.as_ref().map(ToString::to_string).unwrap_or_default(),
                    message.lines().next().unwrap()
                )
            }
            UnitEnding::Skipped { message } => format!("{name}: skipped {message}"),
            UnitEnding::Aborted { message } => format!("{name}: aborted {message}"),
        });
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn retries_try_again_and_wait_between() {
    let ran = run(r#"
local n = 0
task("a", { retries = 3, retry_delay = "10ms", run = function()
	n += 1
	if n < 3 then error("not yet") end
	return true, "at last"
end })
task("b"):retries(2, "fixed"):retry_delay(0.01):run(function() return false, "never" end)
task("c", { retries = 2, retry_delay = 0, timeout = "30ms", run = function() time.sleep(5) end })
"#);
    assert_eq!(ran.ending("a"), &succeeded(Some("at last"), &[]));
    assert!(ran.failure("b").starts_with("never"));
    assert!(ran.failure("c").starts_with("timed out after 30ms"));
    let tries = ran.said();
    assert_eq!(tries.len(), 6, "{tries:?}");
}

#[test]
fn shell_bodies_use_the_environment_of_the_task() {
    let ran = run(r#"
workflow("w"):config({ workdir = "/srv" }):env({ A = "1" })
task("a"):command("echo hi"):env({ B = 2 }):user("app")
task("b"):shell([[false]])
task("c"):workdir("/tmp"):run(function() exec.run("echo x", { cwd = "/own" }) end)
"#);
    assert_eq!(
        ran.ending("a"),
        &succeeded(
            None,
            &[("exit_code", Value::from(0)), ("stderr", Value::from("")), ("stdout", Value::from("hi\n"))]
        )
    );
    assert!(ran.failure("b").starts_with("`false` failed with exit code 1: no luck"), "{}", ran.failure("b"));
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn start_and_completion_hooks_and_handlers() {
    let ran = run(r#"
workflow.define("w")
	:on_start(function() print("start") return true end)
	:on_complete(function(success, results) print("complete", success, results.a.success, results.a.outputs.x) end)
handler("restart", function(this) print("handler", this.name) end)
handler "broken" (function() error("no") end)
task("a", { run = function() return { x = 1 } end })
"#);
    insta::assert_snapshot!(ran.said().join("\n"));
    assert!(matches!(ran.ending("Handler(\"restart\")"), UnitEnding::Succeeded { .. }));
    assert!(ran.failure("Handler(\"broken\")").starts_with("no"));
    assert_eq!(ran.workflow.handlers, ["restart", "broken"]);
}

#[test]
fn the_global_outputs_become_outputs_of_the_stack() {
    let ran = run(r#"
outputs = { url = "http://a", ports = { 80, 443 } }
task("a", { run = function() outputs.late = true end })
task("b", { run = function() end })
"#);
    ran.all_good();
    assert_eq!(ran.said(), ["output late = true", "output ports = [80,443]", r#"output url = "http://a""#]);
}

#[test]
fn a_host_can_be_chosen_by_a_function() {
    let ran = run(r#"
task("a", { delegate_to = function(params, deps) return { "web1", "web2" } end, run = function(this)
	pkg.install("nginx")
	print(this.host)
end })
"#);
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn independent_tasks_overlap_only_when_told() {
    let text = r#"
for i = 1, 4 do
	task("t" .. i, { run = function() file.copy{ dest = "/etc/slow" .. i, content = "x" } end })
end
"#;
    for (parallel, most) in [(1, 1), (4, 4)] {
        let world = Arc::new(World::default());
        run_with(request("t.sloth", text), &world, parallel).all_good();
        assert_eq!(world.most.load(Ordering::SeqCst), most);
    }
}

#[test]
fn a_program_can_run_twice() {
    let mut program =
        sloth_lua::load(request("t.sloth", "n = 0 task('a', { run = function() n += 1 print(n) end })"))
            .unwrap();
    let world = Arc::new(World::default());
    crate::rig::execute(&mut program, &world, 1).all_good();
    crate::rig::execute(&mut program, &world, 1).all_good();
    assert_eq!(world.lines(), ["print: 1", "print: 2"]);
}
