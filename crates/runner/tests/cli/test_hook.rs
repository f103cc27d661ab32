use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sloth_testkit::env::TestEnv;

use super::{env, ran_site, root};

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    serde_json::from_str(&env.expect(0, arguments).stdout).unwrap()
}

/// A program that appends what it gets to `name`, and may fail.
fn program(env: &TestEnv, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = env.write(name, &format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn lines(env: &TestEnv, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(env.path(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What a web server was sent.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// Reads one request and answers with the text that is next; the last one for ever.
fn answer(stream: impl std::io::Read + std::io::Write, answers: &[&str], got: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    let mut request = Request::default();
    let mut line = String::new();
    // Who does not trust a certificate says nothing.
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.trim_end().split_once(": ").unwrap();
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    let mut all = got.lock().unwrap();
    let answer = answers[all.len().min(answers.len() - 1)];
    all.push(request);
    drop(all);
    let _ = reader.get_mut().write_all(answer.as_bytes());
    let _ = reader.get_mut().flush();
}

/// A web server that answers with one text after the other, the last one for ever.
pub fn server(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let got: Arc<Mutex<Vec<Request>>> = Arc::default();
    let all = Arc::clone(&got);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), answers, &all);
        }
    });
    (url, got)
}

/// Somebody who signs certificates, and the file that says to trust them.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// A web server that shows a certificate for `name`, which may have run out.
    fn server(&self, name: &str, over: bool) -> (String, Arc<Mutex<Vec<Request>>>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        if over {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/hook", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<Request>>> = Arc::default();
        let all = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                answer(rustls::StreamOwned::new(connection, stream.unwrap()), &[BAD, OK], &all);
            }
        });
        (url, got)
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const BAD: &str = "HTTP/1.1 500 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy";
const AWAY: &str =
    "HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn programs_scripts_and_lines_are_told() {
    let env = env();
    env.write(
        "told.sloth",
        "log.info(event.type, event.stack)\nfunction on_event() return true, 'thanks' end\n",
    );
    let tell = program(
        &env,
        "tell",
        "cat >> told.jsonl; echo >> told.jsonl; echo $1 $SLOTH_EVENT_TYPE $SLOTH_STACK",
    );
    env.tell(&["hook", "add", "script", "--event", "stack.*", "--file", "told.sloth", "-d", "says it"]);
    env.expect(0, &["hook", "add", "tell", "--event", "stack.created", "--file", &tell, "--", "a b"]);
    env.tell(&["hook", "add", "line", "-e", "*", "--shell", "cat > last.json; echo said"]);
    env.tell(&["stack", "new", "web"]);
    env.tell(&["hook", "list"]);
    env.tell(&["hook", "logs", "tell"]);
    env.tell(&["hook", "show", "script", "--history"]);
    let told = lines(&env, "told.jsonl");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["type"], &told[0]["stack"]), (&"stack.created".into(), &"web".into()));
    let event = json(&env, &["events", "list", "-o", "json"]);
    let event = &event.as_array().unwrap()[0];
    assert_eq!(&told[0], event, "hooks get what `events` shows");
    assert_eq!((&event["actor"], &event["source"]), (&"tester".into(), &"sloth-runner".into()));
    assert_eq!(lines(&env, "last.json")[0]["id"], event["id"]);
    let logs = json(&env, &["hook", "logs", "tell", "-o", "json"]);
    assert_eq!(logs[0]["output"], "a b stack.created web\n");
    crate::assert_snapshot!(env.story());
}

#[test]
fn webhooks_are_signed_tried_again_and_given_up() {
    let env = env();
    let (url, got) = server(&[BAD, AWAY, OK]);
    env.write("key", "top secret\n");
    env.expect(
        0,
        &[
            "hook",
            "add",
            "web",
            "--event",
            "stack.created",
            "--url",
            &url,
            "--secret-file",
            "key",
            "--retries",
            "1",
        ],
    );
    let failed = env.expect(0, &["stack", "new", "one"]);
    assert!(
        failed.says("hook `web` failed on `stack.created`: status 500; it is tried again later"),
        "{}",
        failed.text()
    );
    let request = got.lock().unwrap()[0].clone();
    let stamp = request.header("X-Sloth-Timestamp").to_owned();
    let signed = sloth_resources::os::http::hmac_sha256(
        b"top secret",
        &[stamp.as_bytes(), b".", request.body.as_bytes()],
    );
    assert_eq!(request.header("X-Sloth-Signature"), format!("sha256={signed}"));
    let event: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(request.header("X-Sloth-Event-Id"), event["id"].as_str().unwrap());

    // The retry has to become due.
    let waiting = |env: &TestEnv| json(env, &["hook", "show", "web", "-o", "json"])["waiting"].clone();
    while waiting(&env) != 0 {
        env.expect(0, &["hook", "deliver"]);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let shown = json(&env, &["hook", "show", "web", "--history", "-o", "json"]);
    assert_eq!((&shown["dead"], &shown["run_count"]), (&1.into(), &2.into()), "{shown}");
    assert_eq!(
        (&shown["history"][1]["status"], &shown["history"][1]["outcome"]),
        (&302.into(), &"dead".into())
    );
    assert!(!shown.to_string().contains("top secret") && shown["secret"].as_str().unwrap().ends_with("/key"));
    let failures = json(&env, &["events", "list", "--type", "hook.failed", "-o", "json"]);
    assert_eq!((&failures[0]["data"]["hook"], &failures[0]["stack"]), (&"web".into(), &"one".into()));

    env.expect(0, &["hook", "redeliver", "web"]);
    let shown = json(&env, &["hook", "show", "web", "-o", "json"]);
    assert_eq!((&shown["dead"], &shown["waiting"]), (&0.into(), &0.into()));
    let id = event["id"].as_str().unwrap();
    let again = json(&env, &["events", "redeliver", id, "-o", "json"]);
    assert_eq!(again[0]["hooks"][0], "web");
    let all = got.lock().unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|r| r.header("X-Sloth-Event-Id") == id), "it is the same event each time");
    let log = env.expect(0, &["op", "log", "-o", "json"]).stdout
        + &env.expect(0, &["hook", "list", "-o", "json"]).stdout;
    assert!(!log.contains("top secret"), "{log}");
}

#[test]
fn webhooks_trust_whom_this_host_trusts() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let mut env = env();
    let trusted = env.write("ca.pem", &ours.pem);
    env.set("SSL_CERT_FILE", &trusted.to_string_lossy());
    env.set("SSL_CERT_DIR", "");
    let (good, got) = ours.server("127.0.0.1", false);
    let bad = [
        ("foreign", theirs.server("127.0.0.1", false), "UnknownIssuer"),
        ("expired", ours.server("127.0.0.1", true), "expired"),
        ("elsewhere", ours.server("127.0.0.2", false), "not valid for"),
    ];
    let add = |name: &str, url: &str| {
        let event = ["--event", "stack.created", "--retries", "1"];
        env.expect(0, &[&["hook", "add", name, "--url", url][..], &event].concat());
    };
    add("good", &good);
    for (name, (url, _), _) in &bad {
        add(name, url);
    }
    env.expect(0, &["stack", "new", "web"]);
    let waiting = |name: &str| json(&env, &["hook", "show", name, "-o", "json"])["waiting"].clone();
    while ["good", "foreign", "expired", "elsewhere"].iter().any(|name| waiting(name) != 0) {
        env.expect(0, &["hook", "deliver"]);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // Refused by the server first, and taken when it is tried again.
    let outcomes = |name: &str| -> Vec<String> {
        let logs = json(&env, &["hook", "logs", name, "-o", "json"]);
        let all = logs.as_array().unwrap().iter();
        all.map(|log| format!("{} {}", log["outcome"], log["status"])).collect()
    };
    let mut tries = outcomes("good");
    tries.sort();
    assert_eq!(tries, ["\"delivered\" 200", "\"failed\" 500"]);
    let sent = got.lock().unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].header("X-Sloth-Event-Id"), sent[1].header("X-Sloth-Event-Id"));
    for (name, (_, got), why) in &bad {
        let mut tries = outcomes(name);
        tries.sort();
        assert_eq!(tries, ["\"dead\" null", "\"failed\" null"], "{name}");
        assert!(got.lock().unwrap().is_empty(), "{name}: nothing is told to whoever cannot be trusted");
        let logs = json(&env, &["hook", "logs", name, "-o", "json"]);
        let error = logs[0]["error"].as_str().unwrap();
        assert!(error.contains(why), "{name}: {error}");
    }
}

#[test]
fn a_hook_changes_nothing_about_the_command() {
    let env = env();
    env.write("slow.sh", "");
    env.expect(
        0,
        &["hook", "add", "fails", "--event", "*", "--shell", "echo no >&2; exit 3", "--retries", "0"],
    );
    env.expect(
        0,
        &[
            "hook",
            "add",
            "hangs",
            "--event",
            "stack.created",
            "--shell",
            "sleep 60 & sleep 60",
            "--timeout",
            "300ms",
        ],
    );
    env.expect(0, &["hook", "add", "talks", "--event", "stack.created", "--shell", "yes | head -c 20000000"]);
    env.expect(
        0,
        &[
            "hook",
            "add",
            "hears",
            "--event",
            "hook.failed",
            "--shell",
            "cat >> failed.jsonl; echo >> failed.jsonl",
        ],
    );
    env.write("bad.lua", "local function f() error('boom') end\nf()\n");
    env.write("loop.lua", "while true do pcall(function() while true do end end) end\n");
    env.expect(0, &["hook", "add", "bad", "--event", "stack.created", "--file", "bad.lua"]);
    env.expect(
        0,
        &["hook", "add", "loop", "--event", "stack.created", "--file", "loop.lua", "--timeout", "300ms"],
    );
    let began = std::time::Instant::now();
    let ran = env.expect(0, &["stack", "new", "web"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(
        ran.says("hook `fails` failed on `stack.created`: exit status 3; given up after 1 attempt"),
        "{}",
        ran.text()
    );
    assert!(ran.says("hook `hangs`") && ran.says("it was killed after 300ms"), "{}", ran.text());
    assert!(ran.says("bad.lua:1") && ran.says("boom"), "{}", ran.text());
    assert!(ran.says("hook `loop`") && ran.says("timed out"), "{}", ran.text());
    let logs = json(&env, &["hook", "logs", "talks", "-o", "json"]);
    assert_eq!((logs[0]["output"].as_str().unwrap().len(), &logs[0]["outcome"]), (1024, &"delivered".into()));
    // `fails` waits for everything, is not told of its own failure, and `hears` is told once in the same command.
    let failed = lines(&env, "failed.jsonl");
    assert_eq!(failed.iter().map(|e| e["data"]["hook"].as_str().unwrap()).collect::<Vec<_>>(), ["fails"]);
    assert_eq!(
        json(&env, &["hook", "logs", "--only-failed", "-n", "0", "-o", "json"]).as_array().unwrap().len(),
        4
    );
    env.expect(0, &["doctor"]);
}

#[test]
fn scripts_live_in_the_sandbox_and_send_events() {
    let env = env();
    env.write(
        "s.lua",
        r#"
        state.increment("seen")
        assert(exec.run("echo hi").stdout == "hi\n")
        assert(not pcall(function() file.content({ path = "/tmp/never", content = "x" }) end))
        require("event").dispatch("heard", { of = event.type })
        "#,
    );
    env.expect(0, &["hook", "add", "s", "--event", "stack.created", "--file", "s.lua"]);
    let ran = env.expect(0, &["stack", "new", "web"]);
    assert!(!ran.says("failed"), "{}", ran.text());
    assert_eq!(env.expect(0, &["state", "get", "seen"]).stdout, "1\n");
    let heard = json(&env, &["events", "list", "--type", "custom.heard", "-o", "json"]);
    assert_eq!(
        (&heard[0]["type"], &heard[0]["data"]["data"]["of"]),
        (&"custom.heard".into(), &"stack.created".into())
    );
    let tested = json(&env, &["hook", "test", "s", "--data", "{\"a\": 1}", "-o", "json"]);
    assert_eq!(tested["success"], true);
    env.expect(2, &["hook", "test", "s", "--data", "[1]"]);
    assert_eq!(env.expect(0, &["state", "get", "seen"]).stdout, "2\n");
    env.write("s.lua", "function on_event() return false, 'not today' end");
    let failed = env.expect(1, &["hook", "test", "s"]);
    assert!(failed.says("not today"), "{}", failed.text());
}

#[test]
fn a_hook_that_runs_the_program_does_not_start_over() {
    let env = env();
    let program = env!("CARGO_BIN_EXE_sloth-runner");
    env.expect(
        0,
        &[
            "hook",
            "add",
            "again",
            "--event",
            "stack.*",
            "--shell",
            &format!("{program} stack tags add web x; {program} stack tags remove web x; echo done"),
        ],
    );
    env.expect(0, &["stack", "new", "web"]);
    let logs = json(&env, &["hook", "logs", "again", "-o", "json"]);
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    assert_eq!(logs[0]["outcome"], "delivered");
    let shown = json(&env, &["hook", "show", "again", "-o", "json"]);
    assert_eq!(shown["waiting"], 2, "the events it caused wait for the next command");
    env.expect(0, &["doctor"]);
}

#[test]
fn hooks_are_switched_off_bound_to_stacks_and_taken_back() {
    let env = env();
    env.expect(0, &["stack", "new", "web"]);
    let line = "cat >> told.jsonl; echo >> told.jsonl";
    env.expect(0, &["hook", "add", "w", "--event", "stack.updated", "--stack", "web", "--shell", line]);
    env.expect(0, &["stack", "new", "other"]);
    env.expect(0, &["stack", "tags", "add", "other", "x"]);
    assert_eq!(lines(&env, "told.jsonl").len(), 0);
    env.expect(0, &["stack", "tags", "add", "web", "x"]);
    assert_eq!(lines(&env, "told.jsonl").len(), 1);
    env.tell(&["hook", "disable", "w"]);
    env.tell(&["hook", "disable", "w"]);
    env.expect(0, &["stack", "tags", "add", "web", "y"]);
    assert_eq!(lines(&env, "told.jsonl").len(), 1);
    env.tell(&["undo"]);
    env.tell(&["undo"]);
    env.expect(0, &["stack", "tags", "add", "web", "z"]);
    assert!(lines(&env, "told.jsonl").len() > 1);
    env.tell(&["hook", "enable", "w"]);
    env.tell(&["hook", "delete", "w"]);
    env.tell(&["hook", "delete", "w", "--yes"]);
    env.tell(&["hook", "show", "w"]);
    env.expect(0, &["undo"]);
    assert_eq!(json(&env, &["hook", "list", "--stack", "web", "-o", "json"])[0]["name"], "w");
    assert_eq!(json(&env, &["hook", "list", "--stack", "other", "-o", "json"]), serde_json::json!([]));
    crate::assert_snapshot!(env.story());
}

#[test]
fn bad_hooks_are_refused() {
    let env = env();
    env.write("plain.txt", "");
    env.write("ok.sloth", "");
    let names = ["", "a b", "a\nb", "../x", "\u{1b}[31mred", "-x"];
    for name in names {
        let ran = env.run(&["hook", "add", "--event", "*", "--shell", "true", "--", name]);
        assert!(ran.code != 0 && !ran.stderr.contains('\u{1b}'), "{name:?}: {}", ran.text());
        let ran = env.run(&["hook", "add", name, "--event", "*", "--shell", "true"]);
        assert_eq!(ran.code, 2, "{name:?}: {}", ran.text());
    }
    for (code, arguments) in [
        (2, &["--event", "stack.creatd", "--shell", "true"][..]),
        (2, &["--event", "*"]),
        (2, &["--event", "*", "--shell", ""]),
        (2, &["--event", "*", "--shell", "a", "--url", "http://x"]),
        (7, &["--event", "*", "--file", "none.sloth"]),
        (5, &["--event", "*", "--file", "plain.txt"]),
        (5, &["--event", "*", "--file", "."]),
        (2, &["--event", "*", "--file", "ok.sloth", "--", "x"]),
        (2, &["--event", "*", "--url", "ftp://x"]),
        (2, &["--event", "*", "--url", "http://u:secret@h/"]),
        (2, &["--event", "*", "--url", "http://a b/"]),
        (7, &["--event", "*", "--url", "http://x/", "--secret-file", "none"]),
        (7, &["--event", "*", "--shell", "true", "--stack", "none"]),
        (2, &["--event", "*", "--shell", "true", "--timeout", "0s"]),
    ] {
        let mut all = vec!["hook", "add", "h"];
        all.extend(arguments);
        let ran = env.expect(code, &all);
        assert!(!ran.text().contains("secret@"), "{}", ran.text());
    }
    env.expect(0, &["hook", "add", "🦥", "--event", "*", "--shell", "printf '\\033[31mred\\n'"]);
    env.expect(6, &["hook", "add", "🦥", "--event", "*", "--shell", "true"]);
    env.expect(0, &["stack", "new", "web"]);
    assert!(!env.expect(0, &["hook", "logs"]).stdout.contains('\u{1b}'));
    for command in ["show", "enable", "disable", "test", "logs", "redeliver"] {
        env.expect(7, &["hook", command, "nobody"]);
    }
    env.expect(7, &["hook", "delete", "nobody", "--yes"]);
    env.expect(7, &["events", "redeliver", "ffff"]);
    assert_eq!(env.expect(0, &["events", "list", "--type", "hook.failed"]).code, 0);
    assert_eq!(json(&env, &["hook", "list", "-o", "json"]).as_array().unwrap().len(), 1);
}

#[test]
fn hooks_of_a_run_and_the_configuration() {
    let env = ran_site();
    env.expect(
        0,
        &[
            "hook",
            "add",
            "r",
            "--event",
            "*",
            "--shell",
            "told=$(cat); echo \"$told\" >> told.jsonl; sleep 0.2",
        ],
    );
    env.write("one.yaml", "hooks:\n  workers: 1\n  timeout: 50ms\n");
    let ran = env.expect(
        0,
        &["run", "site.sloth", "--var", &root(&env), "--var", "title=new", "--config", "one.yaml"],
    );
    // One worker and no time: the first attempt is cut short, and nothing else is begun.
    assert!(ran.says("it was killed after 50ms"), "{}", ran.text());
    let waiting = json(&env, &["hook", "show", "r", "-o", "json"])["waiting"].as_u64().unwrap();
    let events = json(&env, &["events", "list", "-n", "0", "-o", "json"]);
    assert!(waiting > 5, "{waiting}");
    env.expect(0, &["hook", "deliver"]);
    let left = json(&env, &["hook", "show", "r", "-o", "json"])["waiting"].as_u64().unwrap();
    assert!(left <= 1, "the failed one is put off: {left}");
    let told = lines(&env, "told.jsonl");
    assert!(told.len() as u64 >= waiting - 1);
    assert!(told.iter().all(|e| events.as_array().unwrap().contains(e)), "each is as it is shown");
    for text in
        ["hooks:\n  workers: 0\n", "hooks:\n  timeout: 0s\n", "hooks:\n  worker: 1\n", "hooks:\n  queue: x\n"]
    {
        env.write("bad.yaml", text);
        env.expect(5, &["config", "check", "bad.yaml"]);
    }
}

#[test]
fn old_events_are_cleaned_up() {
    let env = ran_site();
    env.expect(
        0,
        &[
            "hook",
            "add",
            "h",
            "--event",
            "stack.created",
            "--shell",
            "false",
            "--retries",
            "0",
            "--enabled",
            "false",
        ],
    );
    env.tell(&["events", "cleanup", "--older-than", "0s", "--dry-run"]);
    env.tell(&["events", "cleanup", "-H", "0"]);
    env.tell(&["events", "cleanup", "-H", "0", "--yes"]);
    let left = json(&env, &["events", "list", "-n", "0", "-o", "json"]);
    assert_eq!(left.as_array().unwrap().len(), 1);
    let seq = left[0]["seq"].as_u64().unwrap();
    env.expect(0, &["stack", "tags", "add", "site", "x"]);
    let now = json(&env, &["events", "list", "-n", "0", "-o", "json"]);
    assert_eq!(now[1]["seq"].as_u64().unwrap(), seq + 1, "numbers go on");
    env.expect(0, &["doctor"]);
    let number = json(&env, &["op", "log", "-o", "json"]);
    let op = number.as_array().unwrap().iter().find(|o| o["verb"] == "events cleanup").unwrap();
    let refused = env.expect(1, &["undo", "--op", &op["seq"].to_string()]);
    assert!(refused.says("gone for good"), "{}", refused.text());
    crate::assert_snapshot!(env.story());
}
