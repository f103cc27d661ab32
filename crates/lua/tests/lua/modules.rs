//! Modules of the language.

use std::sync::Arc;

use sloth_core::value::Value;

use crate::rig::{TestCatalog, World, body, request, run_with};

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
fn requests_in_every_form() {
    insta::assert_snapshot!(said(
        r#"
local r = http.get("http://example.org/200", { ["X-Key"] = "v" })
print(r.status_code, r.status, r.success, r.changed, r.json.method, r.json.url, json.encode(r.json.headers), r.headers["X-A"][2], r.headers["Content-Type"])
print(http.get("http://example.org/404").success, http.get("http://silent.org/"))
print(http.get({ url = "http://example.org/", query = { q = "a b", n = { 1, 2 } }, timeout = "5s", follow = false }).json.url)
local r = http.post("http://example.org/201", '{"a":1}', { ["X-Key"] = "v" })
print(r.status_code, r.changed, r.json.body, json.encode(r.json.headers))
print(http.put("http://example.org/", "text").json.body, http.patch({ url = "http://example.org/", json = { b = 2 } }).json.body)
print(http.post("http://example.org/", { form = { ["a b"] = "c&d" }, read_only = true }).json.body)
print(http.request({ method = "delete", url = "http://example.org/204", auth = { user = "u", password = "p" } }).json.headers[2][2])
print(http.head("http://example.org/", { auth = { bearer = "t" }, delegate_to = "web1" }).json.headers[2][2])
print(net.http_get("http://example.org/418"))
print(select(4, net.http_post("http://silent.org/", "x")))
for _, bad in {
	function() http.get("ftp://x") end,
	function() http.get("http://a b/") end,
	function() http.get("http://u:p@x/") end,
	function() http.get("http://x/", { headers = { ["A\nB"] = "x" } }) end,
	function() http.get("http://x/", { headers = { A = "x\r\nB: y" } }) end,
	function() http.get("http://x/", { timeout = "soon" }) end,
	function() http.get("http://x/", { folow = false, timeout = 1 }) end,
	function() http.post("http://x/", { body = "a", json = {} }) end,
	function() http.get() end,
	function() http.request({ method = "GET\r\n", url = "http://x/" }) end,
	function() http.get("http://x/500", { raise = true }) end,
	function() http.get("http://silent.org/", { raise = true }) end,
	function() http.get("http://x/", { auth = { user = "u" } }) end,
	function() http.client() end,
} do
	print(select(2, pcall(bad)).message)
end
print(select(2, pcall(http.get, "http://x/503", { raise = true })).status_code)
"#
    ));
}

#[test]
fn while_planning_only_reading_requests_are_sent() {
    let world = Arc::new(World::default());
    world.planning.store(true, std::sync::atomic::Ordering::SeqCst);
    let code = r#"task("t", { run = function()
print(http.get("http://example.org/200").status)
local r = http.post("http://example.org/", "x")
print(r.planned, r.success, r.status_code, r.body == "")
print(http.post("http://example.org/", "x", { read_only = true }).status)
print(net.wait_for({ host = "db", port = 5432 }))
end })"#;
    let ran = run_with(request("t.sloth", code), &world, 1);
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn ports_and_names() {
    insta::assert_snapshot!(said(
        r#"
print(net.port_check("db", 5432), net.port_check("db", 1))
print(network.port_check({ port = 80, delegate_to = "web1" }))
print(json.encode(net.port_scan("db", { 1, 2, 3 })))
print(table.concat(net.resolve("db"), " "), net.dns_lookup("nowhere"))
print(net.wait_for("db", 5432, "1s"), net.wait_for({ port = 1, state = "closed" }))
print(net.wait_for({ url = "http://example.org/200" }))
for _, bad in {
	function() net.wait_for({ host = "db", port = 1, timeout = "30ms", interval = "1s" }) end,
	function() net.wait_for({ url = "http://example.org/503", timeout = "10ms", interval = "1s" }) end,
	function() net.port_check("db") end,
	function() net.port_check("db", 70000) end,
	function() net.port_check("db", "x") end,
	function() net.port_scan("db", { "a" }) end,
	function() net.ping("-f") end,
	function() net.wait_for({ url = "http://x/", port = 1 }) end,
	function() net.wait_for({ port = 1, state = "ajar" }) end,
	function() net.resolve("x", "MX") end,
	function() net.whois("x") end,
} do
	print(select(2, pcall(bad)).message)
end
print(net.wait_for({ port = 1, timeout = "20ms", interval = "1s", ignore_errors = true }))
"#
    ));
}

#[test]
fn data_of_every_sort() {
    insta::assert_snapshot!(said(
        r#"
print(data.toml_encode({ a = 1, t = { x = { 1, 2 }, y = "z" } }))
local t = data.toml_decode('a = 1\nd = 2026-01-02\n[t]\nx = [1.5, "y"]')
print(json.encode(t))
print(data.yaml_to_json("a: [1, x]"), data.json_to_yaml('{"a":[1]}'))
print(data.json_validate("{}"), data.json_validate("{"))
local ok, rows = data.csv_parse('a,b\n1,"x, y"\n')
print(json.encode(ok), json.encode(rows))
print(json.encode(data.csv_parse("a;b\n1;2", { separator = ";", header = true })))
print(data.csv_generate({ { 1, "a,b" }, { true, "c" } }))
print(json.encode(data.deep_merge({ a = { b = 1, c = 2 }, l = { 1, 2 } }, { a = { c = 3 }, l = { 9 } })))
print(json.encode(data.flatten({ a = { b = 1, c = { 2, 3 } } })), json.encode(data.unflatten({ ["a.b"] = 1 })))
local doc = { a = { b = { 1, { c = "deep" } } } }
print(data.get_path(doc, "a.b.2.c"), data.get_path(doc, "a.x.y"), data.get_path(doc, "a/b/1", "/"))
print(json.encode(data.set_path(doc, "a.new.x", 5)))
for _, bad in {
	function() data.toml_encode({ 1 }) end,
	function() data.toml_decode("a = ") end,
	function() data.csv_parse('"a') end,
	function() data.csv_parse("a", "ab") end,
	function() data.csv_generate({ 1 }) end,
	function() data.set_path({ a = 1 }, "a.b", 2) end,
	function() data.xml_decode("<a/>") end,
} do
	print(select(2, pcall(bad)).message)
end
"#
    ));
}

#[test]
fn digests_randomness_and_passwords() {
    insta::assert_snapshot!(said(
        r#"
for _, name in { "md5", "sha1", "sha256", "sha384", "sha512" } do print(crypto[name]("abc"), crypto[name]("abc") == crypto.hash(name, "abc")) end
print(crypto.hmac("sha256", "key", "text"))
print(crypto.base64_encode("a\255"), crypto.base64_decode("YWI="), crypto.base64_decode("YWI_"):byte(3), crypto.hex_encode("ab"), crypto.hex_decode("6162"))
print(#crypto.random_bytes(8), #crypto.random_string(20), crypto.random_string(5, "x"), crypto.random_string() ~= crypto.random_string())
print(crypto.uuid():match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$") ~= nil)
local hash = crypto.password_hash("secret", { salt = "abc", rounds = 1000 })
print(hash, crypto.password_verify("secret", hash), crypto.password_verify("Secret", hash))
print(#crypto.password_hash("x"), crypto.password_verify("x", crypto.password_hash("x")), crypto.equal("a", "a"), crypto.equal("a", "b"))
for _, bad in {
	function() crypto.hash("crc", "x") end,
	function() crypto.random_bytes(0) end,
	function() crypto.random_string(1e9) end,
	function() crypto.random_string(5, "") end,
	function() crypto.password_hash("x", { salt = "a$b" }) end,
	function() crypto.password_hash("x", { rounds = 5 }) end,
	function() crypto.password_hash("x", { scheme = "md5" }) end,
	function() crypto.password_hash("a\0b") end,
	function() crypto.hex_decode("abc") end,
	function() crypto.bcrypt_hash("x") end,
} do
	print(select(2, pcall(bad)).message)
end
"#
    ));
}

#[test]
fn facts_are_read_once_until_something_moves() {
    insta::assert_snapshot!(said(
        r#"
print(facts.os.family, facts.os.version, facts.os.family, facts.cpu.count)
print(facts.on("web1").os.id, facts.get_platform({ agent = "web1" }).os, facts.get_hostname())
print(facts.get_disk({ mountpoint = "/home" }).total, #facts.get_disk(), facts.get_disk({ mountpoint = "/srv" }))
print(facts.get_network({ interface = "eth0" }).mtu, facts.network.interfaces[1].name, facts.get_user({ username = "root" }).uid)
print(facts.package("nginx").version, facts.get_package({ agent = "db", name = "vim" }).installed, facts.service("nginx").active)
print(facts.package("nginx").installed)
pkg.install("vim")
print(facts.package("nginx").installed, facts.cpu.count)
facts.refresh()
print(facts.cpu.count, facts.path("/etc/motd").mode)
local all = facts.get_all()
print(all.hostname, all.platform.os, all.cpus, all.memory)
print(facts.get_memory())
for _, bad in {
	function() return facts.memory end,
	function() return facts.discs end,
	function() return facts.package() end,
	function() return facts.get_user({ usernme = "x" }) end,
	function() facts.os = 1 end,
	function() facts.on() end,
} do
	print(tostring(select(2, pcall(bad))))
end
"#
    ));
}

#[test]
fn keys_that_let_in_are_told() {
    insta::assert_snapshot!(said(
        r#"
local keys, same = ssh.list_authorized_keys("deploy")
print(#keys, keys == same, keys[1].at, keys[1].type, keys[1].key, keys[1].comment, keys[1].options)
print(#ssh.list_authorized_keys{ user = "deploy", path = "/etc/keys" }, #ssh.list_authorized_keys{ file = "/etc/keys" })
print(#ssh.list_authorized_keys("deploy", { delegate_to = "web1" }), #ssh.list_authorized_keys{ user = "deploy", host = "localhost" })
print(ssh.list_authorized_keys("nobody"))
print(ssh.key_exists("deploy", "ssh-ed25519 AAAA x#y"))
print(ssh.key_exists{ username = "deploy", public_key = "ssh-ed25519 BBBB", delegate_to = "web1" })
print(ssh.key_exists("nobody", "ssh-ed25519 AAAA"))
for _, bad in {
	function() return ssh.list_authorized_keys() end,
	function() return ssh.list_authorized_keys{} end,
	function() return ssh.list_authorized_keys(true) end,
	function() return ssh.list_authorized_keys("deploy", "/etc/keys") end,
	function() return ssh.list_authorized_keys("deploy", { user = "ann" }) end,
	function() return ssh.list_authorized_keys{ usr = "deploy" } end,
	function() return ssh.list_authorized_keys("de\n\27[31mploy") end,
	function() return ssh.list_authorized_keys("deploy:/etc/shadow") end,
	function() return ssh.list_authorized_keys{ user = "../root" } end,
	function() return ssh.list_authorized_keys{ path = "keys" } end,
	function() return ssh.list_authorized_keys{ path = "/a#b" } end,
	function() return ssh.key_exists("deploy") end,
	function() return ssh.key_exists("deploy", {}) end,
	function() return ssh.key_exists("deploy#x", "ssh-ed25519 AAAA") end,
	function() return ssh.key_exists("deploy", "what is this, and why is it so very long that it is cut off?") end,
} do
	print(tostring(select(2, pcall(bad))))
end
"#
    ));
}

#[test]
fn assertions_hold_or_say_what_is_so() {
    insta::assert_snapshot!(said(
        r#"
local t = require("infra_test")
t.file_exists("/etc/motd") t.is_file("/etc/motd", "web1") t.file_absent("/none")
t.file_contains("/etc/motd", "hello") t.file_contains("/etc/motd", "world \\d+$|^hello")
t.file_mode("/etc/motd", "644") t.file_mode("/etc/motd", "0o644") t.file_mode("/etc/motd", "0644", "web1")
t.file_owner("/etc/motd", "root") t.file_owner("/etc/motd", 0) t.file_group("/etc/motd", "adm") t.file_size("/etc/motd", 5)
t.package_is_installed("nginx") t.package_version("nginx", "1.18") t.package_version("nginx", "1.18.0-6") t.package_version("nginx", "1:1")
t.service_is_running("nginx") t.port_is_listening(22) t.port_is_tcp(22)
t.process_is_running("java.*spring") t.process_count("init", 1) t.can_connect("db", 5432, 100)
t.command_succeeds("echo hi") t.command_fails("false") t.command_stdout_contains("echo hi there", "t.ere")
t.command_stderr_is_empty("echo x") t.command_output_equals("echo x", "x", "web1") t.ping("db", 2)
print("all hold")
for _, bad in {
	function() t.file_exists("/none") end,
	function() t.is_directory("/etc/motd") end,
	function() t.file_contains("/etc/motd", "nothing") end,
	function() t.file_contains("/none", "x") end,
	function() t.file_mode("/etc/motd", "600") end,
	function() t.file_mode("/etc/motd", "abc") end,
	function() t.file_owner("/none", "root") end,
	function() t.file_size("/etc/motd", 6) end,
	function() t.package_is_installed("vim") end,
	function() t.package_version("nginx", "1.1") end,
	function() t.package_version("vim", "9") end,
	function() t.service_is_enabled("nginx") end,
	function() t.service_is_running("apache2") end,
	function() t.port_is_udp(22) end,
	function() t.process_count("java", 2) end,
	function() t.process_is_running("postgres") end,
	function() t.can_connect("db", 1) end,
	function() t.command_succeeds("false") end,
	function() t.command_output_equals("echo x", "y") end,
	function() t.ping("-f") end,
	function() t.file_mode("/etc/motd") end,
	function() t.file_exist("/etc/motd") end,
} do
	print(select(2, pcall(bad)).message)
end
"#
    ));
    let world = Arc::new(World::default());
    world.planning.store(true, std::sync::atomic::Ordering::SeqCst);
    let code = r#"task("t", { run = function()
print(infra_test.file_exists("/none"), infra_test.command_succeeds("false"), infra_test.process_count("x", 2), infra_test.can_connect("db", 1))
end })"#;
    let ran = run_with(request("t.sloth", code), &world, 1);
    ran.all_good();
    insta::assert_snapshot!(ran.said().join("\n"));
}

#[test]
fn types_of_ones_own_check_their_parameters() {
    insta::assert_snapshot!(said(
        r#"
local vhost = custom.type({
	name = "vhost", id = "domain", doc = "A virtual host",
	params = {
		domain = { required = true },
		port = { type = "number", default = 80 },
		scheme = { values = { "http", "https" } },
		aliases = "list",
	},
	probe = 'cat "/etc/vhosts/$domain"',
	apply = 'echo "$port" > "/etc/vhosts/$domain"',
	delete = 'rm "/etc/vhosts/$domain"',
	expect = function(p) return tostring(p.port) end,
	cwd = "/",
})
local r = vhost({ domain = "a.org", port = 8080, aliases = { "b.org", "c.org" }, notify = { "reload" } })
print(r.changed, r.address)
vhost("d.org", { scheme = "https" })
vhost("$(touch x)")
local seen = {}
local thing = custom.type({ name = "thing", params = { size = "number" }, probe = function(p, live) seen.probe = p.name .. p.size return nil end, apply = function(p, live) seen.apply = p.size end })
thing("x", { size = 5 })
print(seen.probe, seen.apply)
for _, bad in {
	function() vhost("a.org", { prot = 80 }) end,
	function() vhost("a.org", { port = "80" }) end,
	function() vhost("a.org", { scheme = "ftp" }) end,
	function() vhost("a.org", { aliases = { a = 1 } }) end,
	function() vhost({ port = 80 }) end,
	function() vhost("a.org", 80) end,
	function() custom.type({ name = "a b", probe = "x", apply = "y" }) end,
	function() custom.type({ name = "a", probe = "x" }) end,
	function() custom.type({ name = "a", prob = "x", apply = "y" }) end,
	function() custom.type({ name = "a", probe = "x", apply = "y", params = { notify = "string" } }) end,
	function() custom.type({ name = "a", probe = "x", apply = "y", params = { PATH = "string" } }) end,
	function() custom.type({ name = "a", probe = "x", apply = "y", params = { p = "text" } }) end,
	function() custom.type({ name = "a", probe = "x", apply = "y", params = { p = { requird = true } } }) end,
	function() custom.type("a") end,
} do
	print(tostring(select(2, pcall(bad))))
end
"#
    ));
}

#[test]
fn what_is_not_there_any_more_is_said_with_its_replacement() {
    let ran = body("local ok = docker and true\ndocker.run('nginx')");
    assert!(ran.failure("t").contains("module `docker` is not part of this program"), "{}", ran.failure("t"));
    assert!(ran.failure("t").contains("hint: call its own command"), "{}", ran.failure("t"));
    let ran = body("require('terraform')");
    assert!(ran.failure("t").contains("hint: call `terraform` with `exec.run`"), "{}", ran.failure("t"));
    let ran = body("network.traceroute('x')");
    assert!(
        ran.failure("t").contains("`network.traceroute` is not part of this program"),
        "{}",
        ran.failure("t")
    );
    let program =
        sloth_lua::load(request("t.sloth", "task('t', { run = function() aws.s3() end })")).unwrap();
    let found: Vec<String> = program.refused().iter().map(|e| e.render(false)).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("t.sloth:1"), "{}", found[0]);
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

/// Every function of the language's own modules has a definition, and every definition a function.
#[test]
fn every_function_is_defined() {
    use std::collections::BTreeSet;

    let modules: BTreeSet<&str> = sloth_lua::definitions::DEFINITIONS.iter().map(|d| d.module).collect();
    // Those of Lua, those that are words, and those of the catalog alone.
    let others = [
        "_G",
        "bit32",
        "buffer",
        "coroutine",
        "debug",
        "file_ops",
        "group",
        "io",
        "math",
        "network",
        "os",
        "pkg",
        "string",
        "table",
        "user",
        "utf8",
        "values",
        "Values",
        "vars",
        "workflow",
    ];
    let ran = body(
        r#"
for name, module in getmetatable(_G).__index do
	if type(module) == "table" then
		for key, value in next, module do
			if type(value) == "function" then print(name .. "." .. key) end
		end
	end
end
"#,
    );
    let operations = [
        "custom.resource",
        "file.copy",
        "file.lineinfile",
        "file.template",
        "ssh.authorized_key",
        "ssh.config",
        "systemd.enable",
        "systemd.ensure",
        "systemd.start",
    ];
    let there: BTreeSet<String> = ran
        .said()
        .iter()
        .filter_map(|line| line.strip_prefix("print: ").map(str::to_owned))
        .filter(|name| !others.contains(&name.split('.').next().unwrap()) && !operations.contains(&&**name))
        .collect();
    let defined: BTreeSet<String> = sloth_lua::definitions::DEFINITIONS
        .iter()
        .flat_map(|d| d.names.iter().map(|name| format!("{}.{name}", d.module)))
        .collect();
    assert_eq!(there, defined);
    assert!(modules.len() > 15);
}

/// What is written for language servers is text they can read.
#[test]
fn definitions_are_lua() {
    use sloth_lua::definitions::{Editor, definitions};

    let text = definitions(Editor::LuaLs, &TestCatalog);
    let code = format!("{text}\ntask('t', {{ run = function() end }})");
    // It sets globals, which nothing but a language server does.
    let code = code.replace("\nvalues = {}", "").replace("\ntask = nil", "");
    run_with(request("sloth.lua", &code), &Arc::new(World::default()), 1).all_good();
    let luau = definitions(Editor::Luau, &TestCatalog);
    let depth = |open: char, close: char| luau.matches(open).count() == luau.matches(close).count();
    assert!(depth('{', '}') && depth('(', ')'));
    for used in luau.split("(options: ").skip(1).map(|rest| rest.split([')', ' ', '?']).next().unwrap()) {
        assert!(used == "{" || luau.contains(&format!("\nexport type {used} = {{\n")), "{used} is not there");
    }
    assert!(luau.contains("\ndeclare fs: {\n") && luau.contains("\ndeclare file_ops: {\n"));
    for word in [
        "and", "do", "else", "end", "false", "for", "if", "in", "local", "nil", "not", "or", "repeat", "true",
    ] {
        assert!(!luau.contains(&format!("\t{word}: ")), "{word} cannot be the name of a field");
    }
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
