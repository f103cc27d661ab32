//! Backups and restores that are killed, under load, and on a full disk: what counts as a copy is one.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::{Bench, Dice, amount, text};

/// A database that takes a while to copy: some MiB of contents that do not become shorter.
fn filled() -> Bench {
    let bench = Bench::new();
    let files = bench.path("files");
    bench.write(
        "big.sloth",
        &format!(
            r#"workflow({{ name = "big" }})
task({{ name = "t", run = function()
  file.directory({{ path = "{0}" }})
  for i = 1, 40 do file.copy({{ src = "{1}/" .. i, path = "{0}/" .. i }}) end
end }})
"#,
            files.display(),
            bench.path("sources").display()
        ),
    );
    let mut dice = Dice::new(7);
    for i in 1..=40 {
        let noise: Vec<u8> = (0..8192).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).collect();
        let path = bench.write(&format!("sources/{i}"), "");
        std::fs::write(path, noise).unwrap();
    }
    bench.expect(0, &["run", "-f", "big.sloth"]);
    bench
}

fn left_over(dir: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(".part-") || name.contains(".restore-")).collect()
}

#[test]
fn heavy_a_killed_backup_leaves_nothing_that_passes_for_one() {
    let bench = filled();
    let begun = std::time::Instant::now();
    bench.expect(0, &["backup", "create", "first.db"]);
    let whole = begun.elapsed();
    let kills = amount("SLOTH_TEST_BACKUP_KILLS", 60);
    let mut dice = Dice::new(11);
    let (mut killed, mut finished, mut unfinished) = (0, 0, 0);
    std::fs::create_dir(bench.path("out")).unwrap();
    for _ in 0..kills {
        let mut child = bench.spawn(&["backup", "create", "out/copy.db"]);
        std::thread::sleep(Duration::from_nanos(
            dice.below(u64::try_from(whole.as_nanos()).unwrap() * 5 / 4),
        ));
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        killed += u32::from(!ended);
        unfinished += u32::from(!left_over(&bench.path("out")).is_empty());
        if bench.path("out/copy.db").exists() {
            bench.expect(0, &["backup", "verify", "out/copy.db"]);
            finished += 1;
            std::fs::remove_file(bench.path("out/copy.db")).unwrap();
            std::fs::remove_file(bench.path("out/copy.db.sha256")).unwrap();
        } else {
            bench.expect(7, &["backup", "verify", "out/copy.db"]);
        }
    }
    println!("{killed} of {kills} killed, {unfinished} left something, {finished} were whole");
    assert!(killed > 0 && unfinished > 0, "no kill came in time: {killed}, {unfinished}");
    // Whoever comes next under the same name takes away what they left, the digest without a copy among it.
    bench.expect(0, &["backup", "create", "out/copy.db"]);
    bench.expect(0, &["backup", "verify", "out/copy.db"]);
    assert_eq!(left_over(&bench.path("out")), [""; 0]);
    bench.expect(0, &["doctor"]);
}

#[test]
fn heavy_a_killed_restore_leaves_the_one_or_the_other() {
    let bench = filled();
    bench.expect(0, &["backup", "create", "copy.db"]);
    let begun = std::time::Instant::now();
    bench.expect(0, &["backup", "restore", "copy.db", "--yes"]);
    let whole = begun.elapsed();
    let mut dice = Dice::new(13);
    let kills = amount("SLOTH_TEST_BACKUP_KILLS", 60) / 2;
    let (mut before, mut after) = (0, 0);
    for n in 0..kills {
        let marker = format!("k{n}");
        bench.expect(0, &["state", "set", &marker, "1"]);
        let mut child = bench.spawn(&["backup", "restore", "copy.db", "--yes"]);
        std::thread::sleep(Duration::from_nanos(
            dice.below(u64::try_from(whole.as_nanos()).unwrap() * 5 / 4),
        ));
        let _ = child.kill();
        child.wait().unwrap();
        bench.expect(0, &["doctor"]);
        bench.expect(0, &["audit", "verify"]);
        // What was restored does not know the value; what was there does.
        match bench.run(&["state", "get", &marker]).status.code() {
            Some(0) => before += 1,
            Some(7) => after += 1,
            other => panic!("{other:?}"),
        }
        // And it can be written, whichever it is.
        bench.expect(0, &["state", "set", "alive", "1"]);
        bench.expect(0, &["stack", "snapshot", "create", "big"]);
    }
    println!("{before} were as before, {after} were restored");
    assert!(before > 0 && after > 0, "all kills came at one side: {before}, {after}");
    bench.expect(0, &["backup", "restore", "copy.db", "--yes"]);
    assert_eq!(left_over(&bench.path("state")), [""; 0]);
}

#[test]
fn heavy_backups_under_load_are_whole() {
    let bench = filled();
    let stop = AtomicBool::new(false);
    let rounds = amount("SLOTH_TEST_BACKUPS", 12);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (bench, stop) = (&bench, &stop);
                scope.spawn(move || {
                    let mut acknowledged = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        let ran = bench.run(&["state", "increment", &format!("n{writer}")]);
                        assert!(ran.status.success(), "{}", text(&ran));
                        acknowledged += 1;
                    }
                    acknowledged
                })
            })
            .collect();
        for round in 0..rounds {
            let known: Vec<u64> = (0..2).map(|w| number(&bench, w)).collect();
            let name = format!("b{round}.db");
            bench.expect(0, &["backup", "create", &name]);
            bench.expect(0, &["backup", "verify", &name]);
            // Everything acknowledged before it began is in it.
            let copy = Command::new(env!("CARGO_BIN_EXE_sloth-runner"))
                .args(["--db", bench.path(&name).to_str().unwrap(), "state", "list", "-o", "json"])
                .env("HOME", bench.dir.path())
                .output()
                .unwrap();
            let listed = String::from_utf8_lossy(&copy.stdout).into_owned();
            let values: serde_json::Value =
                serde_json::from_str(&listed).unwrap_or_else(|e| panic!("{e}: {}", text(&copy)));
            for (writer, known) in known.into_iter().enumerate() {
                let found = values.as_array().unwrap().iter().find(|v| v["key"] == format!("n{writer}"));
                let found = found.map_or(0, |v| v["value"].as_u64().unwrap());
                assert!(found >= known, "round {round}: {found} in the copy, {known} acknowledged before");
            }
        }
        stop.store(true, Ordering::Relaxed);
        for (writer, thread) in writers.into_iter().enumerate() {
            let acknowledged = thread.join().unwrap();
            assert!(acknowledged > 10, "{acknowledged} writes are no load");
            assert_eq!(number(&bench, writer), acknowledged);
        }
    });
}

fn number(bench: &Bench, writer: usize) -> u64 {
    let ran = bench.run(&["state", "get", &format!("n{writer}")]);
    if ran.status.success() { String::from_utf8_lossy(&ran.stdout).trim().parse().unwrap() } else { 0 }
}

#[test]
fn heavy_a_backup_on_a_full_disk_is_none() {
    let bench = filled();
    let full = bench.path("full");
    std::fs::create_dir(&full).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&full)
        .stderr(Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("SKIPPED: tmpfs cannot be mounted here");
        return;
    }
    let ran = bench.run(&["backup", "create", "full/copy.db"]);
    let left: Vec<_> = std::fs::read_dir(&full).unwrap().map(|e| e.unwrap().file_name()).collect();
    let unmounted = Command::new("umount").arg(&full).status();
    assert_eq!(ran.status.code(), Some(1), "{}", text(&ran));
    assert!(text(&ran).contains("full/copy.db"), "{}", text(&ran));
    assert!(left.is_empty(), "{left:?}");
    assert!(unmounted.is_ok_and(|status| status.success()));
    bench.expect(0, &["doctor"]);
    bench.expect(0, &["backup", "create", "full/copy.db"]);
}
