//! Users and groups beside useradd(8) and its relatives: the same call on the same files leads to the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sloth_resources::os::rooted::Rooted;

use crate::support::{self, Files, bring_about, declare, machine};

const FILES: [&str; 6] = ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"];

/// The files of a small machine, in a directory.
fn prepare(dir: &Path) {
    let etc = dir.join("etc");
    std::fs::create_dir_all(etc.join("default")).unwrap();
    std::fs::create_dir_all(etc.join("skel")).unwrap();
    std::fs::create_dir_all(dir.join("home")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(etc.join(name), text).unwrap();
    write(
        "passwd",
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nann:x:1000:1000:Ann:/home/ann:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\n",
    );
    write(
        "shadow",
        "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nann:$6$salt$abcdefghijkl:19000:0:99999:7:::\nbob:!:19000:0:99999:7:::\n",
    );
    write("group", "root:x:0:\ndaemon:x:1:\nsudo:x:27:ann\nops:x:800:ann,bob\nann:x:1000:\nbob:x:1001:\n");
    write("gshadow", "root:*::\ndaemon:*::\nsudo:*::ann\nops:!::ann,bob\nann:!::\nbob:!::\n");
    write("subuid", "ann:100000:65536\n");
    write("subgid", "ann:100000:65536\n");
    write(
        "login.defs",
        "UMASK 022\nPASS_MAX_DAYS 99999\nPASS_MIN_DAYS 0\nPASS_WARN_AGE 7\nUID_MIN 1000\nUID_MAX 60000\nSYS_UID_MIN 100\nSYS_UID_MAX 999\nGID_MIN 1000\nGID_MAX 60000\nSYS_GID_MIN 100\nSYS_GID_MAX 999\nSUB_UID_MIN 100000\nSUB_UID_MAX 600100000\nSUB_UID_COUNT 65536\nSUB_GID_MIN 100000\nSUB_GID_MAX 600100000\nSUB_GID_COUNT 65536\nUSERGROUPS_ENAB yes\n",
    );
    write("default/useradd", "SHELL=/bin/sh\n");
}

fn files(dir: &Path) -> BTreeMap<&'static str, String> {
    FILES.iter().map(|name| (*name, std::fs::read_to_string(dir.join("etc").join(name)).unwrap())).collect()
}

/// One call of ours, and the same in the words of shadow-utils.
struct Pair {
    call: &'static str,
    args: Value,
    theirs: Vec<String>,
}

fn compare(pairs: &[Pair]) {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    prepare(ours.path());
    prepare(theirs.path());
    let host = machine(Arc::new(Rooted::new(ours.path().to_str().unwrap())));
    for Pair { call, args, theirs: line } in pairs {
        let declared = declare(call, args, &Files::default()).unwrap();
        let kind = support::operation(&*sloth_resources::catalog(), call).kind;
        bring_about(&*host, kind, &declared.id, &declared.spec, &[]).unwrap();
        let (program, rest) = line.split_first().unwrap();
        let output = Command::new(program).arg("--prefix").arg(theirs.path()).args(rest).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line:?}: {said}");
        let (mine, reference) = (files(ours.path()), files(theirs.path()));
        assert_eq!(mine, reference, "`{call}` {args} beside {line:?}");
    }
}

fn there() -> bool {
    let found = ["useradd", "usermod", "userdel", "groupadd"]
        .iter()
        .all(|program| Command::new(program).arg("--help").output().is_ok_and(|o| o.status.success()));
    if !found {
        println!("SKIPPED: shadow-utils are not installed");
    }
    found && support::root("useradd")
}

fn words(program: &str, options: &[&str]) -> Vec<String> {
    std::iter::once(&program).chain(options).map(|word| (*word).to_owned()).collect()
}

#[test]
fn users_are_written_as_useradd_writes_them() {
    if !there() {
        return;
    }
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let mut dice = |sides: u32| -> u32 {
        use proptest::strategy::{Strategy, ValueTree};
        (0..sides).new_tree(&mut runner).unwrap().current()
    };
    let mut tried = 0;
    for round in 0..40 {
        let mut pairs = Vec::new();
        for nth in 0..4 {
            let name = format!("u{round}x{nth}");
            let mut args = json!({"name": name});
            let mut theirs = vec!["useradd".to_owned()];
            let mut give = |key: &str, value: Value, option: &[&str]| {
                args[key] = value;
                theirs.extend(option.iter().map(|word| (*word).to_owned()));
            };
            let home = dice(3);
            let system = home == 0;
            match home {
                0 => give("system", json!(true), &["-r"]),
                1 => give("create_home", json!(true), &["-m"]),
                _ => give("create_home", json!(false), &["-M"]),
            }
            if dice(3) == 0 {
                let uid = (2000 + round * 10 + nth).to_string();
                give("uid", json!(uid), &["-u", &uid]);
            }
            match dice(4) {
                0 => give("group", json!("ops"), &["-g", "ops"]),
                1 => give("group", json!("800"), &["-g", "800"]),
                _ => {}
            }
            match dice(4) {
                0 => give("groups", json!(["sudo"]), &["-G", "sudo"]),
                1 => give("groups", json!(["ops", "sudo"]), &["-G", "ops,sudo"]),
                _ => {}
            }
            if dice(2) == 0 {
                give("comment", json!("Some One"), &["-c", "Some One"]);
            }
            if dice(2) == 0 {
                give("shell", json!("/bin/bash"), &["-s", "/bin/bash"]);
            }
            if dice(3) == 0 {
                give("home", json!("/srv/x"), &["-d", "/srv/x"]);
            }
            // useradd leaves the expiry of a system user out, even when it is asked for.
            if dice(3) == 0 && !system {
                give("expires", json!("2031-05-06"), &["-e", "2031-05-06"]);
            }
            if dice(3) == 0 {
                give("password", json!("$6$salt$mnopqrstuvwx"), &["-p", "$6$salt$mnopqrstuvwx"]);
            }
            theirs.push(name);
            pairs.push(Pair { call: "user.create", args, theirs });
            tried += 1;
        }
        compare(&pairs);
    }
    assert!(tried >= 160, "only {tried} users");
}

#[test]
fn users_are_changed_as_usermod_changes_them() {
    if !there() {
        return;
    }
    let pair = |call, args, theirs| Pair { call, args, theirs };
    compare(&[
        pair(
            "user.modify",
            json!({"name": "bob", "shell": "/bin/zsh"}),
            words("usermod", &["-s", "/bin/zsh", "bob"]),
        ),
        pair("user.modify", json!({"name": "bob", "comment": "B"}), words("usermod", &["-c", "B", "bob"])),
        pair(
            "user.modify",
            json!({"name": "bob", "home": "/srv/b"}),
            words("usermod", &["-d", "/srv/b", "bob"]),
        ),
        pair(
            "user.modify",
            json!({"name": "bob", "group": "daemon"}),
            words("usermod", &["-g", "daemon", "bob"]),
        ),
        pair(
            "user.modify",
            json!({"name": "bob", "groups": ["sudo"], "append": true}),
            words("usermod", &["-aG", "sudo", "bob"]),
        ),
        pair(
            "user.modify",
            json!({"name": "bob", "groups": ["ann"]}),
            words("usermod", &["-G", "ann", "bob"]),
        ),
        pair("user.modify", json!({"name": "bob", "groups": []}), words("usermod", &["-G", "", "bob"])),
        pair("user.modify", json!({"name": "ann", "locked": true}), words("usermod", &["-L", "ann"])),
        pair("user.modify", json!({"name": "ann", "locked": false}), words("usermod", &["-U", "ann"])),
        pair(
            "user.modify",
            json!({"name": "ann", "expires": "2030-01-01"}),
            words("usermod", &["-e", "2030-01-01", "ann"]),
        ),
        pair("user.modify", json!({"name": "ann", "expires": "never"}), words("usermod", &["-e", "", "ann"])),
        pair(
            "user.modify",
            json!({"name": "ann", "password": "$6$salt$mnopqrstuvwx"}),
            words("usermod", &["-p", "$6$salt$mnopqrstuvwx", "ann"]),
        ),
        pair("group.create", json!({"name": "new"}), words("groupadd", &["new"])),
        pair("group.create", json!({"name": "sys", "system": true}), words("groupadd", &["-r", "sys"])),
        pair(
            "group.create",
            json!({"name": "num", "gid": "4000"}),
            words("groupadd", &["-g", "4000", "num"]),
        ),
        pair("user.delete", json!({"name": "ann"}), words("userdel", &["ann"])),
        pair("group.delete", json!({"name": "new"}), words("groupdel", &["new"])),
    ]);
}

#[test]
fn a_held_lock_is_waited_for() {
    use std::os::fd::AsRawFd;
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    let file = std::fs::File::create(dir.path().join("etc/.pwd.lock")).unwrap();
    // SAFETY: a zeroed `flock` is a valid one, and the descriptor is open.
    let held = unsafe {
        let mut all: libc::flock = std::mem::zeroed();
        all.l_type = i16::try_from(libc::F_WRLCK).unwrap();
        libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const all)
    };
    assert_eq!(held, 0);
    let root = dir.path().to_str().unwrap().to_owned();
    let (done, seen) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let host = machine(Arc::new(Rooted::new(root)));
            let declared = declare("group.create", &json!({"name": "late"}), &Files::default()).unwrap();
            bring_about(&*host, "group", &declared.id, &declared.spec, &[]).unwrap();
            done.send(()).unwrap();
        });
        let early = seen.recv_timeout(std::time::Duration::from_millis(300));
        assert!(early.is_err(), "it did not wait for the lock");
        assert!(!files(dir.path())["group"].contains("late"));
        drop(file);
        seen.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
    });
    assert!(files(dir.path())["group"].contains("late:x:1002:"));
}
