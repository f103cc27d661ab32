//! The disk fails, is full, or may not be written: clear errors, nothing acknowledged is missing, and it goes on afterwards.

use std::path::Path;
use std::process::Command;

use crate::bench::{Bench, inventory, text};

const PROGRAM: &str = r#"workflow({ name = "disk" })
task({ name = "t", run = function()
  file.directory({ path = ROOT .. "/d" })
  for i = 1, 6 do file.content({ path = ROOT .. "/d/f" .. i, content = "content " .. i .. "\n" }) end
  file.content({ path = ROOT .. "/old", content = "ours\n" })
end })
"#;

fn prepare(bench: &Bench, root: &Path) {
    std::fs::create_dir_all(root).unwrap();
    std::fs::write(root.join("old"), "theirs\n").unwrap();
    bench.write("disk.sloth", &PROGRAM.replace("ROOT", &format!("\"{}\"", root.display())));
}

/// After an error: the store is whole, and a run without faults converges to what an undisturbed one leaves.
fn recovers(bench: &Bench, root: &Path, what: &str) {
    bench.expect(0, &["run", "-f", "disk.sloth"]);
    for i in 1..=6 {
        assert_eq!(
            std::fs::read_to_string(root.join(format!("d/f{i}"))).unwrap(),
            format!("content {i}\n"),
            "{what}"
        );
    }
    assert_eq!(bench.left_to_do("disk.sloth"), [""; 0], "{what}: a further run would change something");
    bench.expect(0, &["doctor"]);
    bench.expect(0, &["stack", "destroy", "disk", "--yes"]);
    assert_eq!(
        std::fs::read_to_string(root.join("old")).unwrap(),
        "theirs\n",
        "{what}: the original is lost"
    );
    assert_eq!(
        inventory(root).into_keys().collect::<Vec<_>>(),
        [Path::new("old")],
        "{what}: something is left behind"
    );
}

fn has(program: &str) -> bool {
    Command::new(program).arg("-V").output().is_ok()
}

#[test]
fn heavy_every_write_and_flush_fails_once() {
    if !has("strace") {
        println!("SKIPPED: strace is not installed");
        return;
    }
    let mut faults = 0;
    for (call, error) in [
        ("fdatasync", "EIO"),
        ("fsync", "EIO"),
        ("pwrite64", "EIO"),
        ("pwrite64", "ENOSPC"),
        ("write", "ENOSPC"),
        ("linkat,renameat,rename,renameat2", "EIO"),
    ] {
        for nth in 1..=40 {
            let bench = Bench::new();
            let root = bench.path("root");
            prepare(&bench, &root);
            bench.expect(0, &["stack", "new", "disk"]);
            let log = bench.path("trace");
            let run = bench.command(&["run", "-f", "disk.sloth"]);
            let mut traced = Command::new("strace");
            traced
                .args(["-f", "-qq", "-o"])
                .arg(&log)
                .arg("-e")
                .arg(format!("inject={call}:error={error}:when={nth}"));
            traced
                .arg(run.get_program())
                .args(run.get_args())
                .env_clear()
                .envs(run.get_envs().filter_map(|(k, v)| Some((k, v?))));
            traced.current_dir(bench.dir.path()).stdin(std::process::Stdio::null());
            let output = traced.output().unwrap();
            let hit = std::fs::read_to_string(&log).unwrap().contains("(INJECTED)");
            let what = format!("{call} #{nth} {error}");
            if !hit {
                break;
            }
            faults += 1;
            let said = text(&output);
            assert!(!said.contains("panicked"), "{what}\n{said}");
            if output.status.code() == Some(0) {
                // Acknowledged although something failed: then it must all be there.
                let list = bench.json(&["stack", "resources", "disk", "-o", "json"]);
                assert_eq!(list.as_array().map(Vec::len), Some(8), "{what}\n{said}\n{list}");
            }
            recovers(&bench, &root, &what);
        }
    }
    println!("{faults} faults injected");
    assert!(faults >= 30, "only {faults} faults were met: the injection does not inject");
}

#[test]
fn heavy_the_state_directory_is_full() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: mounting needs root");
        return;
    }
    let mut failures = 0;
    for kib in [160, 256, 384, 512, 768, 1024] {
        let bench = Bench::new();
        let root = bench.path("root");
        prepare(&bench, &root);
        let state = bench.path("state");
        std::fs::create_dir(&state).unwrap();
        let size = format!("size={kib}k");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&state).status().unwrap();
        if !mounted.success() {
            println!("SKIPPED: mounting is not permitted here");
            return;
        }
        let output = bench.run(&["run", "-f", "disk.sloth"]);
        let said = text(&output);
        assert!(!said.contains("panicked"), "{kib} KiB\n{said}");
        if output.status.code() != Some(0) {
            failures += 1;
            assert!(said.contains("error:"), "{kib} KiB\n{said}");
        }
        let grown = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&state).status().unwrap();
        assert!(grown.success());
        let outcome = std::panic::catch_unwind(|| recovers(&bench, &root, &format!("{kib} KiB")));
        Command::new("umount").arg(&state).status().unwrap();
        outcome.unwrap();
    }
    assert!(failures > 0, "no size was small enough to fail");
}

#[test]
fn heavy_a_read_only_database_can_be_read_and_refuses_to_change() {
    let bench = Bench::new();
    let root = bench.path("root");
    prepare(&bench, &root);
    bench.expect(0, &["run", "-f", "disk.sloth"]);
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: mounting needs root");
        return;
    }
    let state = bench.path("state");
    let bind = Command::new("mount").arg("--bind").arg(&state).arg(&state).status().unwrap();
    if !bind.success() {
        println!("SKIPPED: mounting is not permitted here");
        return;
    }
    let ro = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&state).status().unwrap();
    let outcome = std::panic::catch_unwind(|| {
        assert!(ro.success());
        bench.expect(0, &["stack", "list"]);
        bench.expect(0, &["stack", "show", "disk"]);
        std::fs::write(root.join("old"), "edited\n").unwrap();
        let output = bench.run(&["stack", "drift", "detect", "disk"]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        let output = bench.run(&["run", "-f", "disk.sloth"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("stacks.db"), "{}", text(&output));
        assert_eq!(
            std::fs::read_to_string(root.join("old")).unwrap(),
            "edited\n",
            "the machine was touched without a record"
        );
    });
    Command::new("umount").arg(&state).status().unwrap();
    outcome.unwrap();
    recovers(&bench, &root, "read-only");
}
