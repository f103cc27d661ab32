//! A PostgreSQL server that goes away, and hosts that go away from it: what was done is done once, and the next run
//! finishes what was begun, wherever it comes from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sloth_testkit::postgres;

use crate::bench::{Bench, Dice, amount, text};

/// The number that a value has now.
fn count(bench: &Bench) -> u64 {
    bench.expect(0, &["state", "get", "n"]).trim().parse().unwrap()
}

/// While somebody does this, processes count; each says whether it was counted, and what they say is what is there.
fn counted_while(bench: &Bench, seconds: u64, harm: impl Fn(&mut Dice) + Sync) {
    let end = Instant::now() + Duration::from_secs(seconds);
    bench.expect(0, &["state", "set", "n", "0"]);
    let going = AtomicBool::new(true);
    let (done, not, unknown) = std::thread::scope(|scope| {
        let counters: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (mut done, mut not, mut unknown) = (0, 0, 0);
                    while Instant::now() < end {
                        let output = bench.run(&["state", "increment", "n"]);
                        match output.status.code() {
                            Some(0) => done += 1,
                            Some(8) => unknown += 1,
                            Some(1) => {
                                not += 1;
                                std::thread::sleep(Duration::from_millis(50));
                            }
                            _ => panic!("{}", text(&output)),
                        }
                        assert!(!text(&output).contains("panicked"), "{}", text(&output));
                    }
                    (done, not, unknown)
                })
            })
            .collect();
        let harming = scope.spawn(|| {
            let mut dice = Dice::new(7);
            while going.load(Ordering::SeqCst) {
                harm(&mut dice);
            }
        });
        let add = |a: (u64, u64, u64), b: (u64, u64, u64)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
        let sum = counters.into_iter().map(|c| c.join().unwrap()).fold((0, 0, 0), add);
        going.store(false, Ordering::SeqCst);
        harming.join().unwrap();
        sum
    });
    println!("{done} were counted, {not} were not, {unknown} unknown");
    assert!(done > 10, "{done} were counted, {not} not, {unknown} unknown");
    let n = count(bench);
    assert!((done..=done + unknown).contains(&n), "{n} is there; {done} were counted, {unknown} unknown");
    bench.expect(0, &["audit", "verify"]);
    bench.expect(0, &["doctor", "--deep"]);
}

#[test]
fn heavy_connections_that_are_ended_lose_nothing_that_was_said() {
    let Some(server) = postgres::own() else { return };
    let bench = Bench::on(&server);
    counted_while(&bench, amount("SLOTH_TEST_SECONDS", 10), |dice| {
        // Those of the program; the administrator's is not among them.
        server.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name LIKE 'sloth-runner%' AND random() < 0.5",
        );
        std::thread::sleep(Duration::from_millis(10 + dice.below(60)));
    });
}

#[test]
fn heavy_a_server_that_crashes_loses_nothing_that_was_said() {
    let Some(server) = postgres::own() else { return };
    let bench = Bench::on(&server);
    counted_while(&bench, amount("SLOTH_TEST_SECONDS", 15), |dice| {
        std::thread::sleep(Duration::from_millis(300 + dice.below(1200)));
        server.crash();
    });
}

/// A run of ten files and a command that takes a while.
fn slow(bench: &Bench, root: &std::path::Path) {
    let root = root.display();
    bench.write(
        "slow.sloth",
        &format!(
            r#"
            workflow({{ name = "slow" }})
            task("t", function()
                for n = 1, 10 do
                    file.content({{ path = "{root}/" .. n, content = "is " .. n .. "\n" }})
                    exec.run("sleep 0.02; echo " .. n .. " >> {root}/log", {{ creates = "{root}/made" .. n }})
                end
            end)
            "#
        ),
    );
}

#[test]
fn heavy_a_run_that_died_is_finished_from_another_host() {
    let Some(server) = postgres::shared() else { return };
    let mut dice = Dice::new(3);
    let mut resumed = 0;
    for round in 0..amount("SLOTH_TEST_ROUNDS", 8) {
        let (first, tree) = (Bench::on(server), tempfile::tempdir().unwrap());
        // Only the server is common: not the home, not the directory with marks, not the file.
        let second = Bench::beside(&first);
        slow(&first, tree.path());
        slow(&second, tree.path());
        let mut child = first.spawn(&["run", "-f", "slow.sloth"]);
        let begun = Instant::now();
        while !tree.path().join("1").exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(dice.below(300)));
        child.kill().unwrap();
        child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..3 {
            let output = second.run(&["run", "-f", "slow.sloth", "--lock-wait", "30s"]);
            if output.status.success() {
                break;
            }
            let open = second.json(&["resume", "slow", "--list", "-o", "json"]);
            resumed += 1;
            for step in open.as_array().unwrap().iter().filter(|s| s["unknown"] == true) {
                second.expect(0, &["resume", "slow", "--adopt", step["id"].as_str().unwrap()]);
            }
        }
        for n in 1..=10 {
            let content = std::fs::read_to_string(tree.path().join(n.to_string())).unwrap();
            assert_eq!(content, format!("is {n}\n"), "round {round}");
        }
        let log = std::fs::read_to_string(tree.path().join("log")).unwrap();
        let versions = first.json(&["stack", "snapshot", "list", "slow", "-o", "json"]);
        assert_eq!(versions, second.json(&["stack", "snapshot", "list", "slow", "-o", "json"]));
        println!(
            "round {round}: {} commands, {} versions",
            log.lines().count(),
            versions.as_array().unwrap().len()
        );
        first.expect(0, &["doctor", "--deep"]);
        second.expect(0, &["audit", "verify"]);
    }
    println!("{resumed} times a person was asked");
}
