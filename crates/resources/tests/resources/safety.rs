//! What a managed file must never suffer: wider rights for a moment, lost attributes, a write through somebody else's
//! link, a half-written or unchecked content.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, RenameFlags, XattrFlags};
use serde_json::{Value, json};
use sloth_core::digest::Blob;
use sloth_core::machine::{Applied, ApplyError, Machine};

use crate::support::{bring_about, file, look, real, root};

const NOBODY: u32 = 65534;

#[expect(clippy::needless_pass_by_value, reason = "calls read better")]
fn put(path: &str, content: &str, more: Value) -> Result<Applied, ApplyError> {
    let (spec, blobs) = file(content, &more);
    bring_about(&*real(), "file", path, &spec, &blobs)
}

fn refusal(result: Result<Applied, ApplyError>) -> String {
    result.expect_err("it was not refused").to_string()
}

/// Names in a directory, to find leftovers.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn tempdir() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    (dir, path)
}

/// Becomes another user on this thread only; the C library would change all threads.
fn become_nobody() {
    for call in [libc::SYS_setresgid, libc::SYS_setresuid] {
        let (id, code) = (libc::c_long::from(NOBODY), 0);
        // SAFETY: plain numbers go in; only this thread's credentials change.
        assert_eq!(unsafe { libc::syscall(call, id, id, id) }, code);
    }
}

#[test]
fn a_new_file_is_never_wider_than_wished() {
    let (dir, base) = tempdir();
    rustix::process::umask(Mode::empty());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for entry in std::fs::read_dir(dir.path()).unwrap().flatten() {
                    if let Ok(meta) = entry.metadata() {
                        assert_eq!(meta.permissions().mode() & 0o177, 0, "{:?}", entry.file_name());
                    }
                }
            }
        });
        for i in 0..200 {
            put(&format!("{base}/f{i}"), "secret", json!({"mode": "0600"})).unwrap();
        }
        for i in 0..200 {
            put(&format!("{base}/f{i}"), "secret again", json!({"mode": "0400"})).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(names(dir.path()).len(), 200, "something was left over");
}

#[test]
fn a_replaced_file_keeps_what_nobody_mentioned() {
    let (_dir, base) = tempdir();
    let path = format!("{base}/conf");
    std::fs::write(&path, "old").unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4750)).unwrap();
    let xattr = rustix::fs::setxattr(&path, "user.note", b"kept", XattrFlags::empty()).is_ok();
    // version 2; owner rwx, user 1 r, group r-x, mask r-x, others nothing
    let acl: &[u8] = &[
        2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 1, 0, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255,
        16, 0, 5, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
    ];
    let name = "system.posix_acl_access";
    let with_acl = rustix::fs::setxattr(&path, name, acl, XattrFlags::empty()).is_ok();
    let before = std::fs::metadata(&path).unwrap();
    put(&path, "new", json!({})).unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    assert_ne!(before.ino(), after.ino(), "it was not replaced");
    assert_eq!(
        (before.mode(), before.uid(), before.gid()),
        (after.mode(), after.uid(), after.gid()),
        "{:o} became {:o}",
        before.mode(),
        after.mode()
    );
    let mut value = [0u8; 256];
    if xattr {
        let length = rustix::fs::getxattr(&path, "user.note", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"kept");
    }
    if with_acl {
        let length = rustix::fs::getxattr(&path, name, &mut value[..]).unwrap();
        assert_eq!(&value[..length], acl);
    } else {
        println!("SKIPPED: no access control lists here");
    }
}

#[test]
fn a_file_with_several_names_is_left_alone() {
    let (_dir, base) = tempdir();
    let (one, two) = (format!("{base}/one"), format!("{base}/two"));
    std::fs::write(&one, "old").unwrap();
    std::fs::hard_link(&one, &two).unwrap();
    assert!(refusal(put(&two, "new", json!({}))).contains("hard links"));
    assert!(refusal(put(&two, "old", json!({"mode": "0600"}))).contains("hard links"));
    assert_eq!(std::fs::read_to_string(&one).unwrap(), "old");
    put(&two, "new", json!({"in_place": true})).unwrap();
    assert_eq!(std::fs::read_to_string(&one).unwrap(), "new");
}

#[test]
fn a_pipe_is_left_alone_and_does_not_hold_us_up() {
    let (_dir, base) = tempdir();
    let path = format!("{base}/pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let seen = look(&*real(), "file", &path, None, &[]);
    assert_eq!(seen.state.unwrap()["kind"], "other");
    assert!(refusal(put(&path, "x", json!({}))).contains("force"));
    put(&path, "x", json!({"force": true})).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
}

#[test]
fn an_immutable_file_is_named_as_such() {
    let (_dir, base) = tempdir();
    let path = format!("{base}/fixed");
    std::fs::write(&path, "old").unwrap();
    let set =
        |flag: &str| Command::new("chattr").arg(flag).arg(&path).output().is_ok_and(|o| o.status.success());
    if !set("+i") {
        println!("SKIPPED: immutable files cannot be made here");
        return;
    }
    let refused = put(&path, "new", json!({}));
    assert!(set("-i"));
    assert!(refusal(refused).contains("immutable"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(names(Path::new(&base)), ["fixed"]);
}

#[test]
fn a_mount_point_is_written_into_or_left_alone() {
    if !root("mounting") {
        return;
    }
    let (_dir, base) = tempdir();
    let (source, path) = (format!("{base}/source"), format!("{base}/mounted"));
    std::fs::write(&source, "old").unwrap();
    std::fs::write(&path, "below").unwrap();
    if !Command::new("mount").args(["--bind", &source, &path]).output().is_ok_and(|o| o.status.success()) {
        println!("SKIPPED: mounting is not allowed here");
        return;
    }
    let refused = put(&path, "new", json!({}));
    let written = put(&path, "new", json!({"in_place": true}));
    assert!(Command::new("umount").arg(&path).status().unwrap().success());
    assert!(refusal(refused).contains("mounted"));
    written.unwrap();
    assert_eq!(std::fs::read_to_string(&source).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "below");
}

#[test]
fn a_full_disk_changes_nothing() {
    if !root("mounting") {
        return;
    }
    let (_dir, base) = tempdir();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none", &base]).output();
    if !mounted.is_ok_and(|o| o.status.success()) {
        println!("SKIPPED: mounting is not allowed here");
        return;
    }
    let path = format!("{base}/conf");
    let result = std::panic::catch_unwind(|| {
        put(&path, "old", json!({})).unwrap();
        let large = "x".repeat(1 << 20);
        assert!(refusal(put(&path, &large, json!({}))).contains("no space left"));
        assert!(refusal(put(&format!("{base}/new"), &large, json!({}))).contains("no space left"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(Path::new(&base)), ["conf"]);
        put(&path, "fits", json!({})).unwrap();
    });
    assert!(Command::new("umount").arg(&base).status().unwrap().success());
    result.unwrap();
}

/// A directory everybody may write, one of `nobody`'s in it, and a victim.
fn shared() -> (tempfile::TempDir, String, String) {
    let (dir, base) = tempdir();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let shared = format!("{base}/shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let victim = format!("{base}/victim");
    std::fs::create_dir(&victim).unwrap();
    (dir, shared, victim)
}

#[test]
fn another_users_link_is_not_followed() {
    if !root("acting for another user") {
        return;
    }
    let (_dir, shared, victim) = shared();
    let link = format!("{shared}/app");
    symlink(&victim, &link).unwrap();
    // Root's own link, even in a shared directory, is fine.
    put(&format!("{link}/mine"), "x", json!({})).unwrap();
    std::os::unix::fs::lchown(&link, Some(NOBODY), None).unwrap();
    for (path, more) in [
        (format!("{link}/conf"), json!({})),
        (format!("{link}/conf"), json!({"owner": "nobody"})),
        (format!("{link}/mine"), json!({})),
        (format!("{link}/mine"), json!({"follow": true})),
    ] {
        let refused = refusal(put(&path, "evil", more));
        assert!(refused.contains("another user") || refused.contains("somebody else"), "{refused}");
    }
    let machine = real();
    let absent = json!({"kind": "absent"});
    let refused = refusal(bring_about(&*machine, "file", &format!("{link}/mine"), &absent, &[]));
    assert!(refused.contains("another user"), "{refused}");
    assert_eq!(names(Path::new(&victim)), ["mine"]);
    assert_eq!(std::fs::read_to_string(format!("{victim}/mine")).unwrap(), "x");
    // The last component is never followed on writing: the link goes, its target stays.
    let last = format!("{shared}/last");
    symlink(format!("{victim}/mine"), &last).unwrap();
    std::os::unix::fs::lchown(&last, Some(NOBODY), None).unwrap();
    put(&last, "new", json!({})).unwrap();
    assert_eq!(std::fs::read_to_string(format!("{victim}/mine")).unwrap(), "x");
    assert!(std::fs::symlink_metadata(&last).unwrap().is_file());
}

#[test]
fn a_users_link_leads_within_what_is_the_users() {
    if !root("acting for another user") {
        return;
    }
    let (_dir, shared, victim) = shared();
    let home = format!("{shared}/home");
    std::fs::create_dir_all(format!("{home}/releases/42")).unwrap();
    symlink("releases/42", format!("{home}/current")).unwrap();
    symlink(&victim, format!("{home}/trap")).unwrap();
    for path in ["", "/releases", "/releases/42", "/current", "/trap"] {
        std::os::unix::fs::lchown(format!("{home}{path}"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    put(&format!("{home}/current/conf"), "x", json!({"owner": "nobody"})).unwrap();
    assert_eq!(std::fs::metadata(format!("{home}/releases/42/conf")).unwrap().uid(), NOBODY);
    let refused = refusal(put(&format!("{home}/trap/conf"), "x", json!({"owner": "nobody"})));
    assert!(refused.contains("somebody else"), "{refused}");
    let refused = refusal(put(&format!("{home}/current/other"), "x", json!({})));
    assert!(refused.contains("another user"), "{refused}");
    assert!(names(Path::new(&victim)).is_empty());
}

#[test]
fn links_of_the_system_work() {
    let (_dir, base) = tempdir();
    std::fs::create_dir(format!("{base}/run")).unwrap();
    symlink("run", format!("{base}/var")).unwrap();
    symlink(format!("{base}/var"), format!("{base}/a")).unwrap();
    put(&format!("{base}/a/x"), "x", json!({})).unwrap();
    assert_eq!(std::fs::read_to_string(format!("{base}/run/x")).unwrap(), "x");
    symlink("loop", format!("{base}/loop")).unwrap();
    assert!(refusal(put(&format!("{base}/loop/x"), "x", json!({}))).contains("too many "));
}

#[test]
fn swapping_a_directory_for_a_link_leads_nowhere() {
    if !root("acting for another user") {
        return;
    }
    let (_dir, shared, victim) = shared();
    std::fs::write(format!("{victim}/conf"), "canary").unwrap();
    std::fs::set_permissions(format!("{victim}/conf"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let before = std::fs::metadata(format!("{victim}/conf")).unwrap();
    let (dir, link) = (format!("{shared}/dir"), format!("{shared}/link"));
    std::fs::create_dir(&dir).unwrap();
    symlink(&victim, &link).unwrap();
    for path in [&dir, &link] {
        std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let stop = AtomicBool::new(false);
    let (mut done, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            become_nobody();
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let machine = real();
        for i in 0..2000 {
            let path = format!("{dir}/conf");
            let (spec, blobs) = file(&format!("evil {i}"), &json!({"mode": "0644"}));
            let seen = machine
                .observe(&[sloth_core::machine::Sight {
                    kind: "file",
                    id: &path,
                    spec: Some(&spec),
                    blobs: &[],
                    recorded: None,
                }])
                .unwrap()
                .remove(0);
            let Ok(seen) = seen else { continue };
            let step = sloth_core::machine::Step {
                kind: "file".to_owned(),
                id: path,
                spec: Some(spec),
                replace: false,
                blobs,
                live: seen.state,
            };
            match machine.apply(&step, &sloth_core::machine::Unwatched) {
                Ok(_) => done += 1,
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    println!("{done} written, {refused} refused");
    let after = std::fs::metadata(format!("{victim}/conf")).unwrap();
    assert_eq!(std::fs::read_to_string(format!("{victim}/conf")).unwrap(), "canary");
    assert_eq!((before.mode(), before.uid(), before.ino()), (after.mode(), after.uid(), after.ino()));
    assert_eq!(names(Path::new(&victim)), ["conf"]);
}

#[test]
fn removing_a_tree_stays_in_the_tree() {
    let (_dir, base) = tempdir();
    std::fs::create_dir_all(format!("{base}/tree/sub")).unwrap();
    std::fs::create_dir(format!("{base}/outside")).unwrap();
    std::fs::write(format!("{base}/outside/a"), "a").unwrap();
    symlink("../../outside", format!("{base}/tree/sub/link")).unwrap();
    let absent = json!({"kind": "absent", "force": true});
    bring_about(&*real(), "file", &format!("{base}/tree"), &absent, &[]).unwrap();
    assert_eq!(names(Path::new(&base)), ["outside"]);
    assert_eq!(names(Path::new(&format!("{base}/outside"))), ["a"]);
}

#[test]
fn what_is_not_accepted_does_not_go_live() {
    let (dir, base) = tempdir();
    let path = format!("{base}/conf");
    put(&path, "good\n", json!({"validate": "grep -q good %s"})).unwrap();
    let before = std::fs::metadata(&path).unwrap().ino();
    for (validate, message) in [
        ("grep -q good %s", "exit"),
        ("echo no such option >&2; false %s", "no such option"),
        ("printf good > %s", "changed the file"),
        ("chmod 0777 %s", "changed the file"),
        ("kill -9 $$; cat %s", "137"),
    ] {
        let refused = refusal(put(&path, "bad\n", json!({"validate": validate})));
        let fits = refused.contains(message) || (message == "exit" && refused.contains("ended with 1"));
        assert!(fits && refused.contains("nothing was changed"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "good\n");
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(names(dir.path()), ["conf"]);
    }
    assert!(
        refusal(put(&format!("{base}/new"), "bad", json!({"validate": "grep -q good %s"}))).contains("grep")
    );
    assert_eq!(names(dir.path()), ["conf"]);
}

#[test]
fn a_copy_of_the_replaced_file_is_complete() {
    let (dir, base) = tempdir();
    let path = format!("{base}/conf");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for in_place in [false, true] {
        std::fs::write(&path, "old").unwrap();
        let applied =
            put(&path, "new", json!({"backup": true, "in_place": in_place, "mode": "0644"})).unwrap();
        let note = &applied.notes[0];
        let copy = note.split('`').nth(1).unwrap();
        assert_eq!(std::fs::read_to_string(copy).unwrap(), "old");
        assert_eq!(std::fs::metadata(copy).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::metadata(copy).unwrap().nlink(), 1);
        std::fs::remove_file(copy).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(names(dir.path()), ["conf"]);
}

#[test]
fn a_file_we_may_not_read_is_not_guessed_at() {
    if !root("becoming another user") {
        return;
    }
    let (dir, base) = tempdir();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{base}/secret");
    std::fs::write(&path, "s").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::thread::spawn(move || {
        become_nobody();
        let (spec, blobs) = file("s", &json!({}));
        let sight = sloth_core::machine::Sight {
            kind: "file",
            id: &path,
            spec: Some(&spec),
            blobs: &blobs,
            recorded: None,
        };
        let seen = real().observe(&[sight]).unwrap().remove(0);
        assert!(seen.unwrap_err().why.contains("permission denied"));
    })
    .join()
    .unwrap();
}

#[test]
fn a_tree_comes_back_with_everything() {
    let (_dir, base) = tempdir();
    let path = format!("{base}/tree");
    std::fs::create_dir_all(format!("{path}/a/b")).unwrap();
    std::fs::write(format!("{path}/a/b/c"), [0u8, 159, 10]).unwrap();
    std::fs::write(format!("{path}/d"), "d").unwrap();
    std::fs::set_permissions(format!("{path}/d"), std::fs::Permissions::from_mode(0o2711)).unwrap();
    symlink("a/b", format!("{path}/l")).unwrap();
    let machine = real();
    let absent = json!({"kind": "absent", "force": true});
    let seen = look(&*machine, "file", &path, Some(&absent), &[]);
    let state = seen.state.unwrap();
    let captured = machine.capture("file", &path, &state).unwrap();
    bring_about(&*machine, "file", &path, &absent, &[]).unwrap();
    assert!(!Path::new(&path).exists());
    let (wish, named) = machine.wish_for("file", &path, Some(&state)).unwrap();
    assert_eq!(named, captured.blobs.iter().map(Blob::digest).collect::<Vec<_>>());
    bring_about(&*machine, "file", &path, &wish, &captured.blobs).unwrap();
    assert_eq!(std::fs::read(format!("{path}/a/b/c")).unwrap(), [0u8, 159, 10]);
    assert_eq!(std::fs::metadata(format!("{path}/d")).unwrap().mode() & 0o7777, 0o2711);
    assert_eq!(std::fs::read_link(format!("{path}/l")).unwrap(), Path::new("a/b"));
    assert!(look(&*machine, "file", &path, Some(&wish), &[]).diff.is_empty());
}

#[test]
fn threads_may_write_at_once() {
    let (dir, base) = tempdir();
    let machine = real();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (machine, base) = (Arc::clone(&machine), base.clone());
            scope.spawn(move || {
                for i in 0..50 {
                    let (spec, blobs) = file(&format!("{thread} {i}"), &json!({}));
                    // Own files always succeed; the shared one may have moved, and then says so.
                    bring_about(&*machine, "file", &format!("{base}/{thread}-{i}"), &spec, &blobs).unwrap();
                    match bring_about(&*machine, "file", &format!("{base}/shared"), &spec, &blobs) {
                        Ok(_) | Err(ApplyError::Moved(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            });
        }
    });
    assert_eq!(names(dir.path()).len(), 201);
    machine.settle().unwrap();
    let stat = rustix::fs::statat(CWD, format!("{base}/shared"), AtFlags::empty()).unwrap();
    assert_eq!(stat.st_nlink, 1);
}

#[test]
fn an_effect_meant_for_something_else_does_not_happen() {
    use sloth_resources::os::memory::Memory;
    use sloth_resources::os::real::Real;
    use sloth_resources::os::{Expect, OsError, Put, Rights, Touch, Want};

    let (_dir, base) = tempdir();
    let memory = Memory::memory();
    memory.mkdir("/d", Rights::default()).unwrap();
    for (os, base) in [(&Real::new() as &dyn Touch, base.as_str()), (&memory, "/d")] {
        let path = format!("{base}/conf");
        let put = |content: &'static [u8], expect| {
            os.put(&path, &Put { expect, ..Put::new(content, Rights::default()) })
        };
        put(b"one", Expect::Nothing).unwrap();
        let one = os.entry(&path, Want::default()).unwrap().unwrap().meta.stamp;
        put(b"two", Expect::This(one)).unwrap();
        let stale = Expect::This(one);
        let rights = Rights { mode: Some(0o600), ..Rights::default() };
        let moved = Err(OsError::Moved(path.clone()));
        for expect in [stale, Expect::Nothing] {
            assert_eq!(put(b"three", expect).map(drop), moved);
            assert_eq!(os.link(&path, "x", Rights::default(), expect).map(drop), moved);
            assert_eq!(os.rights(&path, rights, expect, false).map(drop), moved);
            assert_eq!(os.remove(&path, expect), moved);
            assert_eq!(os.remove_tree(&path, expect), moved);
        }
        assert_eq!(os.mkdir(&path, rights).map(drop), moved);
        assert_eq!(&*os.read(&path, 10, false).unwrap().unwrap(), b"two");
        assert_eq!(os.list(base).unwrap(), ["conf"]);
        put(b"three", Expect::Whatever).unwrap();
    }
}

#[test]
fn shared_memory_holds_files_like_any_other() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        println!("SKIPPED: there is no /dev/shm");
        return;
    };
    let path = format!("{}/conf", dir.path().display());
    let applied = put(&path, "x", json!({})).unwrap();
    assert_eq!(look(&*real(), "file", &path, None, &[]).state, applied.state);
    assert_eq!(look(&*real(), "file", "/dev/null", None, &[]).state.unwrap()["kind"], "other");
}
