//! Modules of the language.

use std::sync::Arc;

use sloth_core::value::Value;

use crate::rig::{World, body, request, run_with};

/// Statements, and all that was said and done.
fn said(code: &str) -> String {
    let ran = body(code);
    ran.all_good();
    ran.said().join("\n")
}

#[test]
fn log_and_print() {
    insta::assert_snapshot!(said(
        r#"
print("a", 1, nil, true, { 1, 2 }, { b = 1, a = 2 })
log.info("text", 3)
log.warn("w") log.error("e") log.debug("d") log.success("s")
log.table({ b = 1 }, "title")
io.write("no newline yet ") io.write("now\nand")
"#
    ));
}

#[test]
fn json_and_conversion() {
    insta::assert_snapshot!(said(
        r#"
print(json.encode({ b = { 1, 2.5, 3.0 }, a = {}, list = json.array(), t = json.decode("[]"), n = json.null }))
local v = json.decode('{"list":[],"null":null,"n":1.0,"nested":{"x":[1,{"y":2}]}}')
print(json.encode(v), v.null == json.null, #v.nested.x)
for _, bad in { { 1, 2, a = 3 }, { 1, nil, 3 }, { f = print }, { x = { y = 0/0 } }, { [1.5] = 1 }, { deep = { [true] = 1 } } } do
	local ok, e = pcall(json.encode, bad)
	print(e.message)
end
local t = {} t.t = t
print(select(2, pcall(json.encode, t)).message)
print(pcall(json.decode, "{"))
print(data.yaml_decode("a: [1, x]\nb: {}").a[2], crypto.sha256("x"):sub(1, 8))
print(strings.trim("  a "), strings.join(strings.split("a,b", ","), "+"), template.render("{{ a }}!", { a = 1 }))
"#
    ));
}

#[test]
fn values_keep_their_lists_and_cannot_be_changed() {
    let mut req = request(
        "t.sloth",
        r#"
local port = values and values.port or 80
task("t", { run = function()
	print(port, #values.hosts, values.hosts[2], Values.db.name, values.missing, vars.env)
	for i, h in ipairs(values.hosts) do print(i, h) end
	print(json.encode(values))
	print(pcall(function() values.hosts[1] = "x" end))
end })
"#,
    );
    req.values = serde_json::json!({ "hosts": ["a", "b"], "db": { "name": "x", "empty": [] }, "port": 8080 });
    req.vars.insert("env".to_owned(), Value::from("prod"));
    req.vars.insert("db.name".to_owned(), Value::from("override"));
    let ran = run_with(req, &Arc::new(World::default()), 1);
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn the_stack() {
    insta::assert_snapshot!(said(
        r#"
print(stack.get_name(), stack.get_id(), stack.get_status())
stack.set_output("url", "http://x")
stack.set_output("key", "s3cret", { sensitive = true })
print(stack.get_output("url"), stack.get_output("none"), stack.get_output("none", 7))
print(stack.output_of("net", "vpc"))
print(pcall(stack.depends_on, "nowhere"))
local how, r = stack.register_resource({ type = "package", name = "nginx", module = "pkg", properties = { version = "1.18" }, dependencies = { "a" } })
print(how, r.state, r.checksum:sub(1, 8), r.last_applied, r.id)
stack.update_resource("package", "nginx", { state = "applied" })
local how, r = stack.register_resource({ type = "package", name = "nginx", module = "pkg", properties = { version = "1.18" } })
print(how, r.state, r.last_applied, r.properties.version, r.changed)
stack.update_resource("package", "nginx", { state = "failed", error = "no space" })
print(stack.register_resource({ type = "package", name = "nginx", module = "pkg", properties = { version = "1.18" } }))
print(stack.resource_exists("package", "nginx"), stack.resource_exists("package", "x"), stack.get_resource("package", "x"))
print(stack.resource({ type = "data", name = "d1", properties = { a = 1 }, depends_on = "package:nginx" }))
print(#stack.resources(), #stack.resources("data"), stack.delete_resource("data", "d1"), stack.delete_resource("data", "d1"))
event.dispatch("deployed", { version = 2 })
"#
    ));
}

#[test]
fn the_state() {
    insta::assert_snapshot!(said(
        r#"
local state = require("state")
state.set("deployment:version", "v1.2.3")
state.set("n", 5)
state.set("list", { 1, 2 })
print(state.get("deployment:version"), state.get("n") + 1, #state.get("list"), state.get("none"), state.get("none", "default"))
print(state.increment("n"), state.increment("n", 10), state.decrement("n"), state.increment("new"))
print(state.exists("n"), state.has("x"), table.concat(state.keys(), " "), state.keys("deploy")[1])
print(state.compare_swap("n", 15, 16), state.compare_swap("n", 15, 17), state.get("n"))
print(state.append("log", "a"), state.append("log", "b"), state.list_push("queue", 1), state.list_pop("queue"), state.list_length("queue"))
print(state.list("l"))
state.delete("n") state.clear("deploy")
print(state.stats().total_keys)
state.lock("deploy", "me", 300)
print(state.try_lock("deploy", "you", 1), state.unlock("deploy", "you"), state.unlock("deploy", "me"))
print(state.with_lock("x", function() return "inside" end, 5))
print(state.lock("busy", "a", 5), pcall(state.lock, "busy", "b", 0.1))
local id = state.create_workflow{ name = "w" }
state.add_resource(id, { type = "docker_container", name = "web", action = "create", status = "running", attributes = { image = "x" } })
state.set_output(id, "url", "http://localhost")
state.complete_workflow(id)
id = state.create_workflow{ name = "own", metadata = { environment = "production" } }
state.add_resource(id, { type = "vm", name = "a", attributes = { action = "theirs" }, depends_on = "vm:b" })
print(pcall(state.fail_workflow, id, "no room"))
print(state.fail_workflow("id-of-w", "no luck"))
for _, bad in ipairs({
    function() state.create_workflow{} end,
    function() state.create_workflow{ name = "w", metdata = {} } end,
    function() state.create_workflow{ name = "w", metadata = "x" } end,
    function() state.add_resource(id, { type = "vm" }) end,
    function() state.add_resource(id, { type = "vm", name = "a", action = "explode" }) end,
    function() state.add_resource({ type = "vm", name = "a" }) end,
}) do
    print(pcall(bad))
end
"#
    ));
}

#[test]
fn os_and_io() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"task("t", {{ run = function()
local path = "{0}/a.txt"
local f = assert(io.open(path, "w"))
f:write("one\n", 2, "\nthree")
f:close()
for line in io.lines(path) do print(line) end
local f = io.open(path)
print(f:read("*l"), f:read("*n"), f:read("*a"), f:read("*l"))
f:close()
print(pcall(f.read, f))
local f <const> = nil
end }})"#,
        dir.path().display()
    )
    .replace("local f <const> = nil\n", "");
    let code = text.replace(
        "end })",
        &format!(
            r#"
local a = io.open("{0}/a.txt", "a") a:write("!") -- never closed
print(io.open("{0}/none"))
print(io.popen("echo piped"):read("*l"))
print(os.execute("false"), os.execute("true"))
print(os.date("!%Y-%m-%d %H:%M:%S", 0), os.date("!*t", 86400).day, type(os.time()), os.time({{ year = 2026, month = 1, day = 1 }}) > 0)
print(os.getenv("SURELY_NOT_SET"), type(os.clock()), os.tmpname() ~= os.tmpname())
print(os.rename("{0}/a.txt", "{0}/b.txt"), os.remove("{0}/none"))
print(pcall(io.open, "x", "q"))
end }})"#,
            dir.path().display()
        ),
    );
    let ran = run_with(request("t.sloth", &code), &Arc::new(World::default()), 1);
    ran.all_good();
    let said = ran.said().join("\n").replace(&*dir.path().to_string_lossy(), "DIR");
    insta::assert_snapshot!(said);
    let _ = std::fs::read_to_string(dir.path().join("b.txt")).unwrap();
}

#[test]
fn lua_5_1_spellings_work() {
    insta::assert_snapshot!(said(
        r#"
print(unpack({ 1, 2 }), table.getn({ 1, 2 }), math.pow(2, 3), math.mod(7, 4), string.gfind("a b", "%a")())
print(loadstring("return 1 + 1")(), load("syntax error here"))
math.randomseed(1)
local r = math.random(5, 6)
print(r >= 5 and r <= 6, math.huge > 1, math.floor(2.5), bit32.band(6, 3))
print(#table.pack(1, 2), select('#', 1, nil), type(_G), _VERSION ~= nil, collectgarbage("count") > 0)
local n = 0
n += 1
_G.through_g = 1
another = 2
print(through_g, _G.another)
print(`{n} interpolated`, require("exec") == exec, require("goroutine").map ~= nil)
"#
    ));
}

/// A list that must be complete: what the language offers, as users see it.
#[test]
fn every_global_and_function_is_listed() {
    insta::assert_snapshot!(said(
        r#"
local names = {}
local base = getmetatable(_G).__index
for name in base do
	table.insert(names, name)
end
table.sort(names)
for _, name in names do
	local v = base[name]
	if type(v) == "table" and name ~= "_G" and name ~= "values" and name ~= "Values" and name ~= "vars" then
		local inner = {}
		for k in next, v do table.insert(inner, k) end
		table.sort(inner)
		print(name .. ": " .. table.concat(inner, " "))
	else
		print(name)
	end
end
"#
    ));
}
