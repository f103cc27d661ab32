//! What workflows do on the network, and what they ask of a host.

use crate::env;
use crate::test_hook::server;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"a\":[1,2]}";

#[test]
fn requests_that_change_something_are_planned_and_sent_once() {
    let (url, got) = server(&[OK]);
    let url = url.trim_end_matches("/hook").to_owned();
    let env = env();
    env.write(
        "web.sloth",
        r#"
task("ask", { run = function()
    local r = http.get(values.url .. "/status")
    log.info(r.status .. " " .. r.json.a[2])
    local made = http.post(values.url .. "/make", { json = { name = "x" }, raise = true })
    log.info(made.planned and "planned" or made.status .. " " .. made.body)
    exec.run("touch died; kill -9 $PPID", { creates = values.dir .. "/died", cwd = values.dir })
    log.info("after")
end })
"#,
    );
    let (url, dir) = (format!("url={url}"), format!("dir={}", env.work().display()));
    let with = |command| vec![command, "web.sloth", "--var", &url, "--var", &dir];
    let planned = env.expect(0, &with("plan"));
    assert!(planned.says("POST http://"), "{}", planned.text());
    assert!(planned.says("200 2") && planned.says("planned"), "{}", planned.text());
    assert_eq!(got.lock().unwrap().len(), 1, "planning asks and makes nothing");
    // It dies after the answer came, and does not send it again.
    env.run(&with("run"));
    assert_eq!(got.lock().unwrap().len(), 3);
    assert_eq!(got.lock().unwrap()[2].body, r#"{"name":"x"}"#);
    let ran = env.expect(0, &with("run"));
    assert!(ran.says("200 {\"a\":[1,2]}") && ran.says("after"), "{}", ran.text());
    let bodies: Vec<usize> = got.lock().unwrap().iter().map(|r| r.body.len()).collect();
    assert_eq!(bodies, [0, 0, 12, 0]);
}

#[test]
fn ports_are_waited_for_and_what_is_not_there_is_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("port={}", listener.local_addr().unwrap().port());
    let env = env();
    env.write(
        "ports.sloth",
        r#"
task("wait", { run = function()
    net.wait_for("127.0.0.1", values.port, "5s")
    log.info("open: " .. tostring(net.port_check("127.0.0.1", values.port)))
    log.info(net.resolve("127.0.0.1")[1])
    net.wait_for({ port = 1, timeout = "100ms", interval = "50ms" })
end })
"#,
    );
    let planned = env.expect(0, &["plan", "ports.sloth", "--var", &port]);
    assert!(planned.says("wait for 127.0.0.1:1 to be open"), "{}", planned.text());
    let ran = env.expect(1, &["run", "ports.sloth", "--var", &port]);
    assert!(ran.says("open: true") && ran.says("127.0.0.1"), "{}", ran.text());
    assert!(
        ran.says("waited 100ms for 127.0.0.1:1 to be open in vain: connection refused"),
        "{}",
        ran.text()
    );
    assert!(ran.says("ports.sloth:6"), "{}", ran.text());
}

#[test]
fn a_host_is_asked_and_asserted_about() {
    let env = env();
    env.write(
        "facts.sloth",
        r#"
task("look", { run = function()
    local path = values.dir .. "/made"
    log.info(facts.os.kernel .. " " .. tostring(facts.cpu.count > 0) .. " " .. facts.path("/").mode)
    file.content({ path = path, content = "one two", mode = "0600" })
    infra_test.file_mode(path, "600")
    infra_test.file_contains(path, "t.o$")
    infra_test.command_output_equals("cat " .. path, "one two")
    infra_test.file_size(path, 8)
end })
"#,
    );
    let dir = format!("dir={}", env.work().display());
    let planned = env.expect(0, &["plan", "facts.sloth", "--var", &dir]);
    assert!(planned.says("check file mode") && planned.says("Linux true 0"), "{}", planned.text());
    let ran = env.expect(1, &["run", "facts.sloth", "--var", &dir]);
    assert!(ran.says("has 7 bytes, not 8") && ran.says("facts.sloth:9"), "{}", ran.text());
}
