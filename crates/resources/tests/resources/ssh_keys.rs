//! `authorized_keys`: strange files, hostile users, many at once.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sloth_core::machine::{Applied, ApplyError, Machine, Step, Unwatched};
use sloth_resources::LocalMachine;
use sloth_resources::os::memory::Memory;
use sloth_resources::os::rooted::Rooted;
use sloth_resources::os::traced::Traced;
use sloth_resources::os::{Look, Put, Rights, Touch, Want};

use crate::support::{Files, bring_about, declare_all, look, machine, root};

const FILE: &str = "/root/.ssh/authorized_keys";
/// Somebody who is neither us nor anybody else.
const UID: u32 = 54_321;

/// A key that nobody has the other half of.
fn key(seed: &str) -> String {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0 ".to_vec();
    blob.extend(Sha256::digest(seed));
    format!("ssh-ed25519 {}", base64(&blob))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A root directory in which `deploy` lives.
fn house() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home/deploy");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::create_dir_all(dir.path().join("etc")).unwrap();
    let line = format!("root:x:0:0::/root:/bin/sh\ndeploy:x:{UID}:{UID}::/home/deploy:/bin/sh\n");
    std::fs::write(dir.path().join("etc/passwd"), line).unwrap();
    std::fs::write(dir.path().join("etc/group"), format!("deploy:x:{UID}:\n")).unwrap();
    for open in [dir.path(), &dir.path().join("home"), &home] {
        std::fs::set_permissions(open, PermissionsExt::from_mode(0o755)).unwrap();
    }
    chown(&home, Some(UID), Some(UID)).unwrap();
    (dir, home)
}

fn below(dir: &Path) -> Arc<LocalMachine> {
    machine(Arc::new(Rooted::new(dir.to_str().unwrap())))
}

/// One wish after another.
fn wish(host: &dyn Machine, args: &Value) -> Result<Applied, ApplyError> {
    let mut last = Err(ApplyError::failed("nothing", "was wished"));
    for one in declare_all("ssh.authorized_key", args, &Files::default()).unwrap() {
        last = bring_about(host, "authorized_key", &one.id, &one.spec, &[]);
    }
    last
}

/// All wishes of a call at once, as a run does it.
fn together(host: &dyn Machine, args: &Value) -> Vec<Result<Applied, ApplyError>> {
    let steps: Vec<Step> = declare_all("ssh.authorized_key", args, &Files::default())
        .unwrap()
        .into_iter()
        .map(|one| Step {
            kind: "authorized_key".to_owned(),
            live: look(host, "authorized_key", &one.id, Some(&one.spec), &[]).state,
            id: one.id,
            spec: Some(one.spec),
            replace: false,
            blobs: Vec::new(),
        })
        .collect();
    host.apply_together(&steps, &Unwatched)
}

fn memory(content: &[u8]) -> Arc<Traced> {
    let memory = Memory::memory();
    for dir in ["/root", "/root/.ssh"] {
        memory.mkdir(dir, Rights::default()).unwrap();
    }
    memory.put(FILE, &Put::new(content, Rights::default())).unwrap();
    Arc::new(Traced::new(Arc::new(memory)))
}

fn bytes(os: &dyn Touch) -> Vec<u8> {
    os.read(FILE, u64::MAX, false).unwrap().unwrap().to_vec()
}

/// Lines of all sorts, none of which is the key `a`, and files made of them.
fn strange() -> Vec<Vec<u8>> {
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let prefix = a[..a.len() - 4].to_owned();
    let longer = format!("{a}AAAA");
    let texts = [
        String::new(),
        "\n".to_owned(),
        "\n\n\n".to_owned(),
        "# only a comment".to_owned(),
        format!("#{a}\n"),
        format!("# {a}\n"),
        format!("  \t# {a}\n"),
        b.clone(),
        format!("{b}\n"),
        format!("{b}\r\n"),
        format!("{b}\r\n{c}\n"),
        format!("{b}\r"),
        format!("{b} {a}\n"),
        format!("{b} comment with {a} in it\n"),
        format!("command=\"{a}\" {b}\n"),
        format!("command=\"echo \\\"{a}\\\"\" {b}\n"),
        format!("{prefix}\n"),
        format!("{longer}\n"),
        format!("x{a}\n"),
        format!("{}\n", a.replace("ssh-ed25519", "ssh-rsa")),
        format!("{}\n", a.replace(' ', "")),
        format!("{}\n", a.to_uppercase()),
        format!("one two three {a}\n"),
        format!("\"open {a}\n"),
        format!("command=\"open {a}\n"),
        format!("{b}\n{b}\n"),
        format!("{b} one\n{b} two\n"),
        format!("restrict {b}\n{b}\n"),
        format!("cert-authority {b} ca\n"),
        format!("cert-authority,principals=\"x,y\" {b}\n"),
        format!("from=\"10.0.0.0/8,!10.1.*\" {b} office\n"),
        format!("environment=\"A=b c\",no-pty {b}\n"),
        format!("expiry-time=\"20270101\" {b}\n"),
        format!("tunnel=\"0\",permitopen=\"h:1\" {b}\n"),
        format!("\t {b}\t\tfar   away  \n"),
        format!("{b} \u{1f980} ünï\n"),
        format!("{b} $HOME `id` ; rm -rf /\n"),
        format!("{b} \u{1b}[31mred\n"),
        format!("ssh-rsa {} broken\n", "A".repeat(4000)),
        "ssh-rsa AAAAB3NzaC1yc2EAAAA\n".to_owned(),
        "ssh-dss\n".to_owned(),
        "ssh-ed25519 \n".to_owned(),
        " ssh-ed25519\tnot-base64!\n".to_owned(),
        "+::::::\n".to_owned(),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n".to_owned(),
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: x\n".to_owned(),
        "<<<<<<< HEAD\n=======\n>>>>>>> x\n".to_owned(),
        "1024 37 1234567890 old@ssh1\n".to_owned(),
        format!("{}{b}\n", "# filler\n".repeat(10_000)),
        format!("{}\n", "x".repeat(100_000)),
        format!("{b} {}\n", "long ".repeat(20_000)),
        format!("\u{feff}{b}\n"),
        format!("\u{a0}{a}\n"),
        format!("{b}\u{b}{c}\n"),
    ];
    let mut files: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    for raw in
        [&b"\xff\xfe\n"[..], b"\0\n", b"\0\0\0", b"\xc3\n\xa9\n", b"caf\xe9 \xff\n", b"\n\r\n\r", b"\r\r\n"]
    {
        for with in [String::new(), format!("{b}\n"), format!("{b} c"), format!("{b}\r\n")] {
            files.push([with.as_bytes(), raw].concat());
        }
    }
    files
}

#[test]
fn what_is_no_business_of_ours_stays_byte_for_byte() {
    let (a, files) = (key("a"), strange());
    assert!(files.len() >= 80, "only {}", files.len());
    for before in files {
        let shown = String::from_utf8_lossy(&before[..before.len().min(200)]).into_owned();
        let os = memory(&before);
        let host = machine(Arc::clone(&os) as Arc<dyn Touch>);
        wish(&*host, &json!({"user": "root", "key": a})).unwrap();
        let with = bytes(&*os);
        let kept = before.strip_suffix(b"\n").unwrap_or(&before);
        assert!(with.starts_with(kept), "{shown:?} became something else");
        assert!(with.len() - before.len() <= a.len() + 2, "{shown:?}: more than a line came");
        let again = wish(&*host, &json!({"user": "root", "key": a})).unwrap();
        let lines = again.state.unwrap()["lines"].clone();
        assert_eq!(lines.as_array().unwrap().len(), 1, "{shown:?}");
        assert_eq!(lines[0].as_str().unwrap().trim_end(), a, "{shown:?}");
        assert_eq!(bytes(&*os), with, "{shown:?}");
        let gone = json!({"user": "root", "key": a, "state": "absent", "allow_empty": true});
        wish(&*host, &gone).unwrap();
        assert_eq!(bytes(&*os), before, "{shown:?}");
    }
}

#[test]
fn a_list_is_one_write_and_others_go_when_they_are_not_listed() {
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let before = format!("# ours\n{c} old\nbroken line\n{a} ann\n");
    let os = memory(before.as_bytes());
    let host = machine(Arc::clone(&os) as Arc<dyn Touch>);
    let _ = os.take();
    let done = together(&*host, &json!({"user": "root", "keys": [a, b], "exclusive": true}));
    let writes: Vec<String> = os.take().into_iter().filter(|call| call.starts_with("put ")).collect();
    assert_eq!(writes, [format!("put {FILE}")]);
    let states: Vec<Option<Value>> = done.into_iter().map(|d| d.unwrap().state).collect();
    assert_eq!(states.len(), 3);
    assert_eq!(String::from_utf8(bytes(&*os)).unwrap(), format!("# ours\nbroken line\n{a} ann\n{b}\n"));
    // What is told is what is there.
    for (one, state) in declare_all(
        "ssh.authorized_key",
        &json!({"user": "root", "keys": [a, b], "exclusive": true}),
        &Files::default(),
    )
    .unwrap()
    .iter()
    .zip(&states)
    {
        let seen = look(&*host, "authorized_key", &one.id, Some(&one.spec), &[]);
        assert!(seen.diff.is_empty(), "{}: {:?}", one.id, seen.diff);
        assert_eq!(&seen.state, state, "{}", one.id);
    }
    // The removed one comes back where it was.
    let others = json!({"alone": false, "at": [2], "lines": [format!("{c} old")], "path": FILE});
    let (back, _) = host.wish_for("authorized_key", "root#others", Some(&others)).unwrap();
    bring_about(&*host, "authorized_key", "root#others", &back, &[]).unwrap();
    assert_eq!(
        String::from_utf8(bytes(&*os)).unwrap(),
        format!("# ours\n{c} old\nbroken line\n{a} ann\n{b}\n")
    );
    // Going back to that there were none removes none that nobody listed.
    let (none, _) = host.wish_for("authorized_key", "root#others", None).unwrap();
    bring_about(&*host, "authorized_key", "root#others", &none, &[]).unwrap();
    assert!(String::from_utf8(bytes(&*os)).unwrap().contains(&c));
}

#[test]
fn the_last_key_is_not_removed_by_destroying() {
    let a = key("a");
    let os = memory(format!("{a} ann\n").as_bytes());
    let host = machine(Arc::clone(&os) as Arc<dyn Touch>);
    let one = declare_all("ssh.authorized_key", &json!({"user": "root", "key": a}), &Files::default())
        .unwrap()
        .remove(0);
    let live = look(&*host, "authorized_key", &one.id, Some(&one.spec), &[]).state;
    let step = Step {
        kind: "authorized_key".to_owned(),
        id: one.id,
        spec: None,
        replace: false,
        blobs: Vec::new(),
        live,
    };
    let left = host.apply(&step, &Unwatched).unwrap();
    assert!(left.state.is_some() && left.notes[0].contains("the last one"), "{left:?}");
    assert_eq!(bytes(&*os), format!("{a} ann\n").into_bytes());
}

#[test]
fn a_home_belongs_to_its_user() {
    if !root("acting as another user") {
        return;
    }
    let (dir, home) = house();
    let host = below(dir.path());
    let applied = wish(&*host, &json!({"user": "deploy", "key": key("a")})).unwrap();
    assert_eq!(applied.notes, Vec::<String>::new());
    for (path, mode) in [(home.join(".ssh"), 0o700), (home.join(".ssh/authorized_keys"), 0o600)] {
        let meta = std::fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (UID, UID, mode), "{}", path.display());
    }
    // A directory of somebody else is not written with our rights.
    chown(home.join(".ssh"), Some(0), Some(0)).unwrap();
    let error = wish(&*host, &json!({"user": "deploy", "key": key("b")})).unwrap_err().to_string();
    assert!(error.to_lowercase().contains("permission denied"), "{error}");
    assert_eq!(rustix::process::geteuid().as_raw(), 0);
    assert!(std::fs::write(home.join("still-root"), "").is_ok(), "we are still who we were");
}

#[test]
fn links_of_a_user_lead_only_to_what_is_the_users() {
    if !root("acting as another user") {
        return;
    }
    let canary = "the canary\n";
    // What the user put in the place of `.ssh` or of the file, and whether it may be followed.
    type Trap = fn(&Path, &Path);
    let traps: [(&str, bool, Trap); 8] = [
        ("a directory of root", false, |dir, home| symlink(dir.join("vault"), home.join(".ssh")).unwrap()),
        ("a directory anybody may write", false, |dir, home| {
            symlink(dir.join("tmp"), home.join(".ssh")).unwrap();
        }),
        ("a file of root", false, |dir, home| {
            std::fs::create_dir(home.join(".ssh")).unwrap();
            symlink(dir.join("vault/authorized_keys"), home.join(".ssh/authorized_keys")).unwrap();
        }),
        ("up and out", false, |_, home| symlink("../../vault", home.join(".ssh")).unwrap()),
        ("in a circle", false, |_, home| symlink(".ssh", home.join(".ssh")).unwrap()),
        ("nowhere", false, |_, home| symlink("/nowhere/at/all", home.join(".ssh")).unwrap()),
        ("a pipe", false, |_, home| {
            std::fs::create_dir(home.join(".ssh")).unwrap();
            let pipe = home.join(".ssh/authorized_keys");
            assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        }),
        ("a directory of the user", true, |_, home| {
            std::fs::create_dir(home.join("dotfiles")).unwrap();
            chown(home.join("dotfiles"), Some(UID), Some(UID)).unwrap();
            symlink("dotfiles", home.join(".ssh")).unwrap();
        }),
    ];
    for (name, follows, trap) in traps {
        let (dir, home) = house();
        std::fs::create_dir(dir.path().join("vault")).unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        std::fs::set_permissions(dir.path().join("tmp"), PermissionsExt::from_mode(0o777)).unwrap();
        std::fs::write(dir.path().join("vault/authorized_keys"), canary).unwrap();
        trap(dir.path(), &home);
        for one in std::fs::read_dir(&home).unwrap() {
            std::os::unix::fs::lchown(one.unwrap().path(), Some(UID), Some(UID)).unwrap();
        }
        let host = below(dir.path());
        let declared =
            declare_all("ssh.authorized_key", &json!({"user": "deploy", "key": key("a")}), &Files::default())
                .unwrap();
        let step = Step {
            kind: "authorized_key".to_owned(),
            id: declared[0].id.clone(),
            spec: Some(declared[0].spec.clone()),
            replace: false,
            blobs: Vec::new(),
            live: None,
        };
        let done = host.apply(&step, &Unwatched);
        assert_eq!(done.is_ok(), follows, "{name}: {done:?}");
        assert_eq!(
            std::fs::read_to_string(dir.path().join("vault/authorized_keys")).unwrap(),
            canary,
            "{name}"
        );
        assert_eq!(std::fs::read_dir(dir.path().join("vault")).unwrap().count(), 1, "{name}");
        assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0, "{name}");
        if follows {
            assert!(home.join("dotfiles/authorized_keys").exists(), "{name}");
        }
    }
}

#[test]
fn no_edit_of_many_at_once_is_lost() {
    let many = 500;
    let (dir, who) = match rustix::process::geteuid().is_root() {
        true => (house().0, "deploy"),
        false => {
            println!("SKIPPED: many edits at once are tried as root");
            return;
        }
    };
    let file = dir.path().join("home/deploy/.ssh/authorized_keys");
    let host = below(dir.path());
    let workers = 25;
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let host = &host;
            scope.spawn(move || {
                for at in (worker..many).step_by(workers) {
                    let args = json!({"user": who, "key": format!("{} n{at}", key(&at.to_string()))});
                    wish(&**host, &args).unwrap();
                    if at % 5 == 0 {
                        let gone = json!({"user": who, "key": key(&at.to_string()), "state": "absent", "allow_empty": true});
                        wish(&**host, &gone).unwrap();
                    }
                }
            });
        }
    });
    let text = std::fs::read_to_string(file).unwrap();
    let mut there: Vec<&str> = text.lines().collect();
    there.sort_unstable();
    let mut wished: Vec<String> =
        (0..many).filter(|at| at % 5 != 0).map(|at| format!("{} n{at}", key(&at.to_string()))).collect();
    wished.sort_unstable();
    assert_eq!(there, wished);
}

#[test]
fn ssh_keygen_calls_keys_as_we_do() {
    let dir = tempfile::tempdir().unwrap();
    let text: String =
        ["a", "b", "c"].iter().map(|seed| format!("restrict {} {seed}\n", key(seed))).collect();
    let path = dir.path().join("keys");
    std::fs::write(&path, &text).unwrap();
    let Ok(output) = Command::new("ssh-keygen").arg("-lf").arg(&path).output() else {
        println!("SKIPPED: there is no ssh-keygen on this machine");
        return;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = said.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    let ours: Vec<String> =
        declare_all("ssh.authorized_key", &json!({"user": "root", "key": text}), &Files::default())
            .unwrap()
            .into_iter()
            .map(|one| one.id.split_once('#').unwrap().1.to_owned())
            .collect();
    assert_eq!(theirs, ours);
    assert_eq!(ours.len(), 3);
}

#[test]
fn a_plan_may_speak_of_a_user_who_is_yet_to_come() {
    let memory = Memory::memory();
    for dir in ["/etc", "/home"] {
        memory.mkdir(dir, Rights::default()).unwrap();
    }
    for (path, text) in
        [("/etc/passwd", "root:x:0:0::/root:/bin/sh\n"), ("/etc/group", "root:x:0:\n"), ("/etc/shadow", "")]
    {
        memory.put(path, &Put::new(text.as_bytes(), Rights::default())).unwrap();
    }
    let os = Arc::new(memory);
    let rehearsal = machine(Arc::clone(&os) as Arc<dyn Touch>) as Arc<dyn Machine>;
    let rehearsal = rehearsal.rehearse();
    let user = declare_all("user.create", &json!({"name": "deploy"}), &Files::default()).unwrap().remove(0);
    bring_about(&*rehearsal, "user", &user.id, &user.spec, &[]).unwrap();
    let applied = wish(&*rehearsal, &json!({"user": "deploy", "key": key("a")})).unwrap();
    assert_eq!(applied.state.unwrap()["path"], json!("/home/deploy/.ssh/authorized_keys"));
    assert!(os.entry("/home/deploy", Want::default()).unwrap().is_none());
}

#[test]
fn ssh_keygen_finds_hosts_where_we_put_them() {
    if Command::new("ssh-keygen").arg("--help").output().is_err() {
        println!("SKIPPED: there is no ssh-keygen on this machine");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known");
    let host = below(dir.path());
    let known = |args: Value| {
        let mut args = args;
        args["path"] = json!("/known");
        for one in declare_all("ssh.known_hosts", &args, &Files::default()).unwrap() {
            bring_about(&*host, "known_host", &one.id, &one.spec, &[]).unwrap();
        }
    };
    let finds = |name: &str| {
        let output = Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(&path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    known(json!({"host": "db", "key": key("a")}));
    known(json!({"host": "web", "key": key("b"), "hash": true}));
    known(json!({"host": "git", "port": 2222, "key": key("c"), "hash": true}));
    known(json!({"host": "*.example.org", "key": key("ca"), "marker": "cert-authority"}));
    for (name, seed) in [("db", "a"), ("web", "b"), ("[git]:2222", "c"), ("x.example.org", "ca")] {
        let found = finds(name);
        assert!(found.len() == 1 && found[0].contains(&key(seed)), "{name}: {found:?}");
    }
    for name in ["git", "example.org", "d"] {
        assert_eq!(finds(name), Vec::<String>::new(), "{name}");
    }
    // What ssh-keygen hashed is still found by us, and taken out.
    assert!(Command::new("ssh-keygen").arg("-H").arg("-f").arg(&path).output().unwrap().status.success());
    let hashed = std::fs::read_to_string(&path).unwrap();
    assert!(!hashed.lines().any(|line| line.starts_with("db ")), "{hashed}");
    known(json!({"host": "db", "key": key("a")}));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), hashed);
    known(json!({"host": "db", "state": "absent"}));
    assert_eq!(finds("db"), Vec::<String>::new());
    assert_eq!(finds("web").len(), 1);
}
