//! The binary is killed with SIGKILL at every failpoint and at random instants; the next run converges, nothing that was
//! there before is forgotten, and no command without a guard runs twice unless a person said so.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Dice, amount, inventory, text};

/// Forty steps of every sort: new files, files that were there before, modes, links, lines, a removal, guarded and
/// unguarded commands.
fn program(root: &Path) -> String {
    let root = root.display();
    let mut tasks = String::new();
    let mut last = String::new();
    for group in 0..5 {
        let needs = if last.is_empty() { String::new() } else { format!("depends_on = {{\"{last}\"}}, ") };
        tasks.push_str(&format!(
            r#"
task({{ name = "group{group}", {needs}run = function()
  local d = "{root}/d{group}"
  file.directory({{ path = d, mode = "0750" }})
  file.content({{ path = d .. "/new.conf", content = "new {group}\n", mode = "0640" }})
  file.content({{ path = "{root}/old{group}.conf", content = "ours {group}\n" }})
  exec.run("echo begin{group} >> {root}/../log")
  file.symlink({{ path = d .. "/link", target = "new.conf" }})
  file.lineinfile({{ path = "{root}/hosts", line = "10.0.0.{group} host{group}" }})
  file.absent({{ path = "{root}/gone{group}" }})
  exec.run("echo end{group} >> {root}/../log", {{ env = {{ GROUP = "{group}" }} }})
end }})
"#
        ));
        last = format!("group{group}");
    }
    format!("workflow({{ name = \"forty\" }})\n{tasks}")
}

fn prepare() -> Bench {
    let bench = super::bench();
    for group in 0..5 {
        bench.write(&format!("root/old{group}.conf"), &format!("theirs {group}\n"));
        bench.write(&format!("root/gone{group}"), "shall go\n");
    }
    bench.write("root/hosts", "127.0.0.1 localhost\n");
    bench.write("log", "");
    let text = program(&bench.path("root"));
    bench.write("forty.sloth", &text);
    bench
}

fn log_lines(bench: &Bench) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for line in std::fs::read_to_string(bench.path("log")).unwrap().lines() {
        *lines.entry(line.to_owned()).or_insert(0) += 1;
    }
    lines
}

/// Commands outlive the program that started them; a person who decides waits for them to end.
fn commands_ended(bench: &Bench) {
    let here = bench.dir.path().to_str().unwrap().as_bytes().to_vec();
    let begin = Instant::now();
    loop {
        let alive = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            command.starts_with(b"/bin/sh\0-c") && command.windows(here.len()).any(|part| part == here)
        });
        if !alive {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "a command does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs until it succeeds; steps nobody can look up are decided by looking at the log, as a person would.
fn converge(bench: &Bench, what: &str) {
    for _ in 0..12 {
        let output = bench.run(&["run", "-f", "forty.sloth", "--lock-wait", "20s"]);
        if output.status.success() {
            return;
        }
        let open = bench.json(&["resume", "forty", "--list", "-o", "json"]);
        let steps = open.as_array().unwrap_or_else(|| panic!("{what}: {open}\n{}", text(&output))).clone();
        commands_ended(bench);
        let unknown: Vec<_> = steps.iter().filter(|s| s["unknown"] == true).collect();
        assert!(!unknown.is_empty(), "{what}: failed without an open question\n{}", text(&output));
        for step in unknown {
            let title = step["title"].as_str().unwrap();
            let word =
                title.split_whitespace().find(|w| w.starts_with("begin") || w.starts_with("end")).unwrap();
            // It happened when it is there once more than runs have come to their end.
            let happened = log_lines(bench).get(word).copied().unwrap_or(0) > bench.completed_runs("forty");
            let decision = if happened { "--adopt" } else { "--redo" };
            bench.expect(0, &["resume", "forty", decision, step["id"].as_str().unwrap()]);
        }
    }
    panic!("{what}: did not converge");
}

fn check(
    bench: &Bench,
    wanted: &BTreeMap<std::path::PathBuf, crate::bench::Thing>,
    before: &BTreeMap<std::path::PathBuf, crate::bench::Thing>,
    what: &str,
) {
    converge(bench, what);
    assert_eq!(
        inventory(&bench.path("root")),
        *wanted,
        "{what}: the tree is not what an uninterrupted run leaves"
    );
    let lines = log_lines(bench);
    // Each run that came to its end ran each command once, counting what it took over from runs that died.
    let runs = bench.completed_runs("forty");
    for group in 0..5 {
        for word in ["begin", "end"] {
            assert_eq!(
                lines.get(&format!("{word}{group}")),
                Some(&runs),
                "{what}: `{word}{group}` in {lines:?}, {runs} runs"
            );
        }
    }
    assert_eq!(bench.left_to_do("forty.sloth"), [""; 0], "{what}: a further run would change something");
    bench.expect(0, &["doctor"]);
    bench.expect(0, &["stack", "drift", "detect", "forty"]);
    bench.expect(0, &["stack", "destroy", "forty", "--yes"]);
    assert_eq!(
        inventory(&bench.path("root")),
        *before,
        "{what}: destroy does not bring back what was there before"
    );
}

struct Known {
    wanted: BTreeMap<std::path::PathBuf, crate::bench::Thing>,
    before: BTreeMap<std::path::PathBuf, crate::bench::Thing>,
    took: Duration,
}

fn uninterrupted() -> Known {
    let bench = prepare();
    let before = inventory(&bench.path("root"));
    let start = Instant::now();
    bench.expect(0, &["run", "-f", "forty.sloth"]);
    let took = start.elapsed();
    let wanted = inventory(&bench.path("root"));
    check(&bench, &wanted, &before, "uninterrupted");
    Known { wanted, before, took }
}

#[test]
#[cfg(feature = "failpoints")]
fn heavy_killed_at_every_failpoint() {
    let known = uninterrupted();
    let mut kills = 0;
    for name in sloth_engine::failpoint::ALL {
        for hit in (1..=64).step_by(super::STEP) {
            let bench = prepare();
            let at = format!("{name}:{hit}");
            let output =
                bench.command(&["run", "-f", "forty.sloth"]).env("SLOTH_FAILPOINT", &at).output().unwrap();
            if output.status.success() {
                assert!(hit > 1, "failpoint `{name}` was never passed");
                break;
            }
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&output.status),
                Some(9),
                "{at}\n{}",
                text(&output)
            );
            kills += 1;
            check(&bench, &known.wanted, &known.before, &at);
        }
    }
    println!("killed at {kills} failpoints");
    assert!(kills * super::STEP >= 150, "only {kills} kills: the program does not pass its failpoints");
}

#[test]
fn heavy_killed_at_random_instants() {
    let known = uninterrupted();
    let rounds = amount("SLOTH_TEST_KILLS", 160) / super::PART;
    let seed = amount("SLOTH_TEST_SEED", u64::from(std::process::id()));
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let mut killed = 0;
    for round in 0..rounds {
        let bench = prepare();
        // Kill up to three runs in a row: recovering may be killed too.
        for _ in 0..=dice.below(3) {
            let mut child = bench.spawn(&["run", "-f", "forty.sloth", "--lock-wait", "20s"]);
            let span = u64::try_from(known.took.as_micros()).unwrap() * 13 / 10;
            std::thread::sleep(Duration::from_micros(dice.below(span)));
            child.kill().unwrap();
            if std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()) == Some(9) {
                killed += 1;
            }
        }
        check(&bench, &known.wanted, &known.before, &format!("seed {seed} round {round}"));
    }
    println!("killed {killed} times");
    assert!(killed * 2 >= rounds, "only {killed} of {rounds} runs were still alive to be killed");
}
