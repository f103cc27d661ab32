//! Facts from what systems of several distributions really write and say; one folder each below `tests/hosts`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::{Machine, Unwatched};
use sloth_core::value::Value;
use sloth_core::web::Errand;
use sloth_resources::facts::host;
use sloth_resources::os::memory::Memory;
use sloth_resources::os::{Look as _, Put, Rights, Touch, Want};

use crate::support::{machine, real};

/// Samples that are files, and where.
const FILES: &[(&str, &str)] = &[
    ("cpuinfo", "/proc/cpuinfo"),
    ("installed", "/lib/apk/db/installed"),
    ("meminfo", "/proc/meminfo"),
    ("mounts", "/proc/self/mounts"),
    ("os-release", "/etc/os-release"),
    ("passwd", "/etc/passwd"),
    ("route", "/proc/net/route"),
    ("stat", "/proc/1/stat"),
    ("status", "/var/lib/dpkg/status"),
    ("tcp", "/proc/net/tcp"),
    ("tcp6", "/proc/net/tcp6"),
    ("udp", "/proc/net/udp"),
];

fn put(os: &Memory, path: &str, content: &str) {
    let mut dir = String::new();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    for part in &parts[..parts.len() - 1] {
        dir = format!("{dir}/{part}");
        if os.entry(&dir, Want::default()).unwrap().is_none() {
            os.mkdir(&dir, Rights::default()).unwrap();
        }
    }
    let rights = Rights { mode: Some(0o644), ..Rights::default() };
    os.put(path, &Put { durable: false, ..Put::new(content.as_bytes(), rights) }).unwrap();
}

fn host_of(folder: &Path) -> Arc<dyn Machine> {
    let os = Memory::memory();
    let sample = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    for (name, path) in FILES {
        if let Some(text) = sample(name) {
            put(&os, path, &text);
        }
    }
    let says = |line: &str, text: String| {
        os.base().answer(line, CommandOutput { stdout: text, ..CommandOutput::default() });
    };
    let query = format!("rpm -qa --queryformat {}", host::RPM);
    let list = "systemctl list-units --type=service --all --plain --no-legend --no-pager --full";
    for (name, line, program) in [
        ("address", "ip -o address", ""),
        ("df", "df -P -T -k", ""),
        ("pacman", "pacman -Q", "/usr/bin/pacman"),
        ("rpm", &query, "/usr/bin/rpm"),
        ("units", list, "/run/systemd/system/x"),
    ] {
        if let Some(text) = sample(name) {
            says(line, text);
            if !program.is_empty() {
                put(&os, program, "");
            }
        }
    }
    if sample("rpm").is_some() {
        put(&os, "/usr/bin/dnf", "");
    }
    if sample("status").is_some() {
        put(&os, "/usr/bin/apt-get", "");
        put(&os, "/proc/1/cmdline", "init\0splash\0");
        put(&os, "/sys/class/dmi/id/sys_vendor", "QEMU\n");
        for (what, text) in [("address", "02:fc:00:00:00:01\n"), ("mtu", "1500\n"), ("operstate", "up\n")] {
            put(&os, &format!("/sys/class/net/eth0/{what}"), text);
        }
    }
    machine(Arc::new(os))
}

fn ask(machine: &dyn Machine, topic: &str) -> Result<Value, String> {
    let (topic, of) = topic.split_once(' ').map_or((topic, None), |(t, of)| (t, Some(of.to_owned())));
    let errand = Errand::Facts { topic: topic.to_owned(), of };
    let command = Command { read_only: true, errand: Some(Box::new(errand)), ..Command::default() };
    let output = machine.run(&command, &Unwatched).unwrap();
    if output.success() { Ok(serde_json::from_str(&output.stdout).unwrap()) } else { Err(output.stderr) }
}

/// Everything that is expected is there, in lists in the same order.
fn compare(what: &str, expected: &Value, found: &Value) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                compare(&format!("{what}.{key}"), value, found.get(key).unwrap_or(&Value::Null));
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            assert_eq!(expected.len(), found.len(), "{what}: {found:?}");
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{what}[{at}]"), expected, found);
            }
        }
        _ => assert_eq!(expected, found, "{what}"),
    }
}

#[test]
fn hosts_of_many_distributions_are_understood() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hosts");
    let folders: BTreeSet<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(folders.len() >= 9);
    for folder in folders {
        let machine = host_of(&folder);
        let expected: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
        for (topic, expected) in expected.as_object().unwrap() {
            let what = format!("{} {topic}", folder.file_name().unwrap().to_string_lossy());
            match ask(&*machine, topic) {
                Ok(found) => compare(&what, expected, &found),
                Err(why) => panic!("{what}: {why}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_had_is_said() {
    let empty = machine(Arc::new(Memory::memory()));
    for (topic, why) in [
        ("memory", "there is no `/proc/meminfo`"),
        ("ports", "there is no `/proc/net/tcp`"),
        ("packages", "no package manager of this host is known"),
        ("services", "`systemctl list-units"),
        ("service a b", "no unit can be called `a b`"),
        ("path relative", "`relative` is not an absolute path"),
        ("package", "`package` needs the name of something"),
        ("weather", "nothing is known of `weather`"),
    ] {
        let said = ask(&*empty, topic).unwrap_err();
        assert!(said.contains(why), "{topic}: {said}");
    }
    assert_eq!(ask(&*empty, "os").unwrap()["family"], "unknown");
}

#[test]
fn keys_are_listed_the_way_sshd_reads_them() {
    let ann = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t3";
    let fingerprint = "SHA256:McwudyGmIjI7XCwlxQojSvCXCFe3CWnwQiePXJvyMUI";
    let bob = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t4";
    let os = Memory::memory();
    put(
        &os,
        "/keys",
        &format!("# {bob}\n\nrestrict,command=\"a # b\" {ann} ann's \u{1f511} #1\r\nssh-rsa broken\n"),
    );
    put(&os, "/none", "");
    let machine = machine(Arc::new(os));
    let listed = ask(&*machine, "authorized_keys /keys").unwrap();
    let key = serde_json::json!({
        "at": 3, "type": "ssh-ed25519", "key": ann, "fingerprint": fingerprint,
        "options": "restrict,command=\"a # b\"", "comment": "ann's \u{1f511} #1",
    });
    assert_eq!(listed, serde_json::json!({ "path": "/keys", "keys": [key] }));
    for none in ["/none", "/missing", "/missing/too"] {
        assert_eq!(
            ask(&*machine, &format!("authorized_keys {none}")).unwrap()["keys"],
            serde_json::json!([])
        );
    }
    let exists =
        |key: &str| ask(&*machine, &format!("authorized_key /keys#{key}")).unwrap()["exists"].clone();
    for there in [ann, fingerprint, &format!(" no-pty {ann} # other\n")] {
        assert_eq!(exists(there), true, "{there}");
    }
    for missing in [bob, &fingerprint.replace("Mc", "Mb")] {
        assert_eq!(exists(missing), false, "{missing}");
    }
    for no_key in ["", "ssh-ed25519 AAAA", "SHA256:x", "ann", &format!("{bob} bob\n{ann}"), "# a comment"] {
        assert_eq!(exists(no_key), Value::Null, "{no_key}");
    }
    for bad in ["nobody-like-this", "a b", "\u{1b}[31m", "..", "-x"] {
        let why = ask(&*machine, &format!("authorized_keys {bad}")).unwrap_err();
        assert!(
            !why.contains('\u{1b}') && (why.contains("no such user") || why.contains("is not a name")),
            "{why}"
        );
    }
}

#[test]
fn broken_texts_do_no_harm() {
    let samples =
        ["", "\0", "\n\n:::\n", "a b c d e f g h\n", "% % %\n%", "1 (", ")(", "x=\"", "ä=ö\\", "P:\n\nV:"];
    for text in samples {
        let _ = (host::variables(text), host::cpu(text), host::memory(text), host::mounts(text));
        let _ = (host::disks(text), host::addresses(text), host::gateway(text), host::units(text));
        let _ = (host::listening(text, "tcp"), host::rpm_packages(text), host::apk_packages(text));
        let _ = (host::pacman_packages(text), host::users(text), host::groups(text), host::process(text));
        let _ = (host::load(text), host::dpkg_packages(text.as_bytes()));
    }
}

#[test]
fn this_host_is_understood() {
    let machine = real();
    let os = ask(&*machine, "os").unwrap();
    assert!(!os["kernel_version"].as_str().unwrap().is_empty(), "{os}");
    assert!(ask(&*machine, "cpu").unwrap()["count"].as_u64().unwrap() > 0);
    assert!(ask(&*machine, "memory").unwrap()["total"].as_u64().unwrap() > 1 << 20);
    assert!(ask(&*machine, "processes").unwrap()["total"].as_u64().unwrap() > 0);
    assert!(ask(&*machine, "uptime").unwrap()["boot_time"].as_u64().unwrap() > 1_000_000_000);
    assert_eq!(ask(&*machine, "path /").unwrap()["is_dir"], true);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ports = ask(&*machine, "ports").unwrap();
    let own = ports.as_array().unwrap().iter().find(|p| p["port"] == port).unwrap();
    assert_eq!((own["protocol"].as_str(), own["address"].as_str()), (Some("tcp"), Some("127.0.0.1")));
    let interfaces = ask(&*machine, "network").unwrap();
    assert!(interfaces["interfaces"].as_array().unwrap().iter().any(|i| i["name"] == "lo"), "{interfaces}");
}
