//! Resource calls and commands.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::rig::{World, body, request, run, run_with};

#[test]
fn arguments_in_every_shape() {
    let ran = body(
        r#"
file.copy({ src = "/a/b", dest = "/etc/a", mode = "0644" })
file.copy{ src = "/a/b", path = "/etc/b", mode = 600 }
file_ops.copy("/etc/c", { content = "x\n", mode = "u=rw,go=r" })
file.lineinfile("/etc/hosts", "10.0.0.1 db")
user.create("deploy", { shell = "/bin/bash", groups = {"sudo", "docker"}, uid = "1000" })
user.create({ username = "bob", groups = "sudo" })
pkg.install("nginx")
pkg.install({ "nginx", "curl" })
pkg.install({ packages = { "a", "b" }, state = "present" })
pkg.install({ name = "docker", version = 20.5 })
systemd.start("nginx")
systemd.ensure({ name = "nginx", state = "started", enabled = true, timeout = "1m30s" })
ssh.config("prod", { Hostname = "10.0.0.1", Port = 22 })
ssh.config({ host = "prod", options = { Port = 22 } })
"#,
    );
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"), @r#"
    file:/etc/a file.copy {"mode":"0644","path":"/etc/a","src":"/a/b"}
    file:/etc/b file.copy {"mode":"0600","path":"/etc/b","src":"/a/b"}
    file:/etc/c file.copy {"content":"x\n","mode":"0644","path":"/etc/c"}
    line:/etc/hosts file.lineinfile {"line":"10.0.0.1 db","path":"/etc/hosts"}
    user:deploy user.create {"groups":["sudo","docker"],"name":"deploy","shell":"/bin/bash","uid":1000}
    user:bob user.create {"groups":["sudo"],"name":"bob"}
    package:nginx pkg.install {"name":["nginx"]}
    package:nginx,curl pkg.install {"name":["nginx","curl"]}
    package:a,b pkg.install {"name":["a","b"],"state":"present"}
    package:docker pkg.install {"name":["docker"],"version":"20.5"}
    service:nginx systemd.start {"name":"nginx"}
    service:nginx systemd.ensure {"enabled":true,"name":"nginx","state":"started","timeout":90}
    ssh_host:prod ssh.config {"host":"prod","options":{"Hostname":"10.0.0.1","Port":22}}
    ssh_host:prod ssh.config {"host":"prod","options":{"Port":22}}
    "#);
}

#[test]
fn results_serve_both_conventions() {
    let ran = body(
        r#"
local r = file.copy{ dest = "/etc/new", content = "x" }
print(r.changed, r.action, r.address, r.name, #r.diff, r.path)
print(r)
print("-> " .. r)
local ok, msg = file.copy{ dest = "/etc/same", content = "x" }
print(ok.changed, msg)
local ok2, res = file.copy{ dest = "/etc/old", content = "x" }
print(res.changed, res.diff[1].name, res.diff[1].from, res.diff[1].to)
if ok and not ok.changed then print("nothing to do") end
local skipped = file.copy{ dest = "/etc/x", content = "x", when = false }
print(skipped.changed, skipped)
"#,
    );
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"), @r#"
    file:/etc/new file.copy {"content":"x","path":"/etc/new"}
    print: true	create	file:/etc/new	/etc/new	0	/etc/new
    print: file:/etc/new created (new)
    print: -> file:/etc/new created (new)
    file:/etc/same file.copy {"content":"x","path":"/etc/same"}
    print: false	file:/etc/same unchanged (in line)
    file:/etc/old file.copy {"content":"x","path":"/etc/old"}
    print: true	mode	0600	0644
    print: nothing to do
    print: false	file.copy skipped (`when` is false)
    "#);
}

#[test]
fn results_are_tables_however_they_are_looked_at() {
    let ran = body(
        r#"
local function new(name) return (file.copy{ dest = "/etc/" .. name, content = "x", mode = "0600" }) end
local function keys(list) table.sort(list) return table.concat(list, " ") end
local names = {}
for k, v in pairs(new("pairs")) do table.insert(names, k) end
print(keys(names))
names = {}
for k, v in new("iter") do table.insert(names, k) end
print(keys(names))
print(type(new("type")), #new("length"), typeof(new("type2")))
print(json.encode(new("json")))
print(json.encode({ nested = { new("nested") } }))
print(table.freeze(new("frozen")).message, new("attribute").mode, new("nothing").nothing)
print(tostring(table.clone(new("clone"))), new("equal") == new("equal"))
state.set("kept", new("kept"))
local late = new("late")
late.message = "mine"
print(late.address, late.message)
print(pcall(pairs, nil))
local ok, e = pcall(function() for k in pairs(nil) do end end)
print(e)
"#,
    );
    ran.all_good();
    let said = ran.said().into_iter().filter(|line| !line.contains(" file.copy "));
    let said: Vec<String> = said.map(|line| line.replace('\t', " | ")).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    print: action address attributes changed diff message name
    print: action address attributes changed diff message name
    print: table | 0 | table
    print: {"action":"create","address":"file:/etc/json","attributes":{"content":"x","mode":"0600","path":"/etc/json"},"changed":true,"diff":{},"message":"file:/etc/json created (new)","name":"/etc/json"}
    print: {"nested":[{"action":"create","address":"file:/etc/nested","attributes":{"content":"x","mode":"0600","path":"/etc/nested"},"changed":true,"diff":{},"message":"file:/etc/nested created (new)","name":"/etc/nested"}]}
    print: file:/etc/frozen created (new) | 0600 | nil
    print: file:/etc/clone created (new) | false
    print: file:/etc/late | mine
    print: false | invalid argument #1 to 'pairs' (table expected, got nil)
    print: test.sloth:21: invalid argument #1 to 'pairs' (table expected, got nil)
    "#);
}

#[test]
fn failures_raise_values_with_fields() {
    let ran = body(
        r#"
local ok, e = pcall(file.copy, { dest = "/etc/fail", content = "x" })
print(ok, e.kind, e.address, e.message)
local ok, e = pcall(function()
	file.copy{ dest = "/etc/fail", content = "x" }
end)
print(e)
local v, why = file.copy{ dest = "/etc/fail", content = "x", ignore_errors = true }
print(v, why)
local ok, e = pcall(error, { code = 7 })
print(ok, e.code)
file.copy{ dest = "/etc/fail", content = "x" }
"#,
    );
    insta::assert_snapshot!(ran.said().join("\n"), @r#"
    file:/etc/fail file.copy {"content":"x","path":"/etc/fail"}
    print: false	apply	file:/etc/fail	file:/etc/fail: writing /etc/fail: permission denied
    file:/etc/fail file.copy {"content":"x","path":"/etc/fail"}
    print: test.sloth:6: file:/etc/fail: writing /etc/fail: permission denied
    file:/etc/fail file.copy {"content":"x","path":"/etc/fail"}
    print: nil	file:/etc/fail: writing /etc/fail: permission denied
    print: false	7
    file:/etc/fail file.copy {"content":"x","path":"/etc/fail"}
    "#);
    insta::assert_snapshot!(ran.failure("t"));
}

#[test]
fn options_of_the_call() {
    let ran = body(
        r#"
file.copy{ dest = "/a", content = "x", notify = "restart nginx", protect = true, keep = true, sensitive = true, take_over = true, depends_on = { "file:/b" } }
local r = pkg.install{ name = "nginx", delegate_to = "web1" }
file.copy{ dest = "/c", content = "x", depends_on = r }
local all = pkg.install{ name = "curl", delegate_to = { "web1", "web2" } }
print(all.changed, all.results.web2.address, all)
"#,
    );
    ran.all_good();
    let mut lines = ran.said();
    lines[3..5].sort();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    file:/a file.copy {"content":"x","path":"/a"} {"depends_on":["file:/b"],"keep":true,"notify":["restart nginx"],"protect":true,"sensitive":true,"take_over":true}
    web1/package:nginx pkg.install {"name":["nginx"]}
    file:/c file.copy {"content":"x","path":"/c"} {"depends_on":["web1/package:nginx"]}
    web1/package:curl pkg.install {"name":["curl"]}
    web2/package:curl pkg.install {"name":["curl"]}
    print: true	web2/package:curl	web1/package:curl created (new); web2/package:curl created (new)
    "#);
}

#[test]
fn custom_resources_are_functions_of_the_script() {
    let ran = body(
        r#"
local swap
local r = custom.resource{
	name = "swap",
	probe = function() return swap end,
	apply = function() swap = { size = "1G" } end,
}
print(r.changed, swap.size, r.size)
print(custom{ name = "swap", probe = function() return swap end, apply = function() end }.changed)
local ok, e = pcall(custom, { name = "x", probe = function() return nil, "cannot look" end, apply = function() end })
print(ok, e.message)
local ok, e = pcall(custom, { name = "x", probe = function() error("boom") end, apply = function() end })
print(ok, e.message)
"#,
    );
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"), @r#"
    probe null
    print: true	1G	1G
    probe {"size":"1G"}
    print: false
    print: false	custom:x: custom: cannot look
    print: false	custom:x: custom: test.sloth:13: boom
    "#);
}

#[test]
fn commands() {
    let ran = body(
        r#"
local r = exec.run("echo hello", { cwd = "/srv", env = { A = "1", N = 2 }, user = "app" })
print(r.stdout, r.exit_code, r.success, r.changed, r.output == r.stdout)
print(r:match("h(%w+)"), "[" .. r .. "]", #r, r:upper())
local out, err, failed = exec.run("false")
print(out == "", err, failed)
print(exec.run("false").success, exec.sh("echo x"):gsub("%s+$", ""))
print(pcall(exec.run, "false", { raise = true }))
print(exec.run({ "echo", "a b" }), exec.run("cat", { stdin = "typed" }))
print(exec.run({ cmd = "echo table", workdir = "/x" }))
local g = exec.run("echo guarded", { creates = "/opt/app" })
print(g.changed, g.success, g.stdout)
print(exec.run("echo no", { when = false }).skipped)
"#,
    );
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn planning_lists_and_does_nothing() {
    let world = Arc::new(World::default());
    world.planning.store(true, Ordering::SeqCst);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.txt");
    let text = format!(
        r#"task("t", {{ run = function()
local r = exec.run("rm -rf /")
print(r.planned, r.success, r.stdout == "")
print(exec.run("echo read", {{ read_only = true }}))
print(os.execute("reboot"))
local f = io.open("{0}", "w")
f:write("content")
f:close()
print(os.remove("{0}"))
print(io.popen("echo x"):read("*a") == "")
print(fs.exists("{0}"))
end, retries = 3 }})"#,
        file.display()
    );
    let ran = run_with(request("test.sloth", &text), &world, 1);
    ran.all_good();
    assert!(!file.exists());
    let said = ran.said().join("\n").replace(&*dir.path().to_string_lossy(), "DIR");
    insta::assert_snapshot!(said);
}

#[test]
fn a_relative_source_starts_at_the_workflow_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf")).unwrap();
    std::fs::write(dir.path().join("conf/a.txt"), "hello").unwrap();
    let text = r#"task("t", { run = function()
file.copy{ src = "conf/a.txt", dest = "/etc/a" }
file.copy{ src = "conf/missing.txt", dest = "/etc/a" }
end })"#;
    let name = dir.path().join("deploy.sloth");
    let ran = run_with(request(&name.to_string_lossy(), text), &Arc::new(World::default()), 1);
    assert!(ran.said()[0].contains(r#""src":"hello""#), "{:?}", ran.said());
    let message = ran.failure("t").replace(&*dir.path().to_string_lossy(), "DIR");
    insta::assert_snapshot!(message);
}

#[test]
fn what_needs_a_task_says_so_at_load_time() {
    let error = sloth_lua::load(request("test.sloth", "pkg.install(\"nginx\")")).unwrap_err();
    insta::assert_snapshot!(error.render(false));
    let _ = run("task('t', { run = 'echo x' })").all_good();
}

#[test]
fn units_are_restarted_and_asked_about() {
    let ran = body(
        r#"
systemd.restart("nginx")
systemd.reload({ name = "nginx", timeout = "5s" })
systemd.daemon_reload()
local active, word = systemd.is_active("nginx")
print(active, word)
print(systemd.is_enabled{ name = "nginx", delegate_to = "web1" })
print(systemd.status("nginx").active)
print(pcall(systemd.restart))
print(pcall(systemd.restart, "a b"))
"#,
    );
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"), @r"
    $ systemctl restart -- nginx
    $ systemctl reload -- nginx
    $ systemctl daemon-reload
    $ systemctl is-active -- nginx (reads)
    print: true	
    web1 $ systemctl is-enabled -- nginx (reads)
    print: true	
    $ systemctl show --property=Id,Description,LoadState,ActiveState,SubState,UnitFileState,MainPID,Result -- nginx (reads)
    print: false
    print: false	test.sloth:10: `systemd.restart` needs the name of a unit
    print: false	test.sloth:11: no unit can be called `a b`
    ");
}
