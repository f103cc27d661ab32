//! One database, many processes: nothing is lost, nobody sees half of anything, and readers do not wait.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::bench::{amount, text};

#[test]
fn heavy_counting_processes_lose_nothing() {
    let (processes, times) = (16, amount("SLOTH_TEST_INCREMENTS", 1000));
    let bench = super::bench();
    bench.write(
        "count.sloth",
        r#"
        workflow({ name = "count" })
        task("count", function()
            for _ = 1, values.times do
                state.increment("n")
            end
        end)
        "#,
    );
    bench.expect(0, &["stack", "list"]);
    let children: Vec<_> = (0..processes)
        .map(|n| {
            let (stack, times) = (format!("count-{n}"), format!("times={times}"));
            bench.spawn(&["run", "-f", "count.sloth", "--stack", &stack, "--var", &times])
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(bench.expect(0, &["state", "get", "n"]), format!("{}\n", processes * times));
    bench.expect(0, &["doctor"]);
}

#[test]
fn heavy_readers_see_one_version_and_never_wait() {
    let (resources, readers) = (amount("SLOTH_TEST_RESOURCES", 10_000), 50);
    let bench = super::bench();
    bench.write(
        "big.sloth",
        &format!(
            r#"
            workflow({{ name = "big" }})
            task("all", function()
                for i = 1, {resources} do
                    stack.resource({{ type = "data", name = "r" .. i, properties = {{ rev = values.rev }} }})
                end
            end)
            "#
        ),
    );
    bench.expect(0, &["run", "-f", "big.sloth", "--var", "rev=1"]);
    let running = AtomicBool::new(true);
    let (old, new, during) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (bench, running) = (&bench, &running);
                scope.spawn(move || {
                    let (mut old, mut new, mut during) = (0, 0, 0);
                    for _ in (worker..readers).step_by(4) {
                        let before = running.load(Ordering::SeqCst);
                        let output = bench.run(&["stack", "resources", "big", "-o", "json"]);
                        assert!(output.status.success(), "{}", text(&output));
                        let seen: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
                        assert_eq!(seen.len() as u64, resources);
                        let rev = &seen[0]["properties"]["rev"];
                        assert!(seen.iter().all(|r| r["properties"]["rev"] == *rev), "two versions at once");
                        old += u64::from(*rev == 1);
                        new += u64::from(*rev != 1);
                        during += u64::from(before);
                    }
                    (old, new, during)
                })
            })
            .collect();
        bench.expect(0, &["run", "-f", "big.sloth", "--var", "rev=2"]);
        running.store(false, Ordering::SeqCst);
        let add = |a: (u64, u64, u64), b: (u64, u64, u64)| (a.0 + b.0, a.1 + b.1, a.2 + b.2);
        workers.into_iter().map(|w| w.join().unwrap()).fold((0, 0, 0), add)
    });
    println!("{old} saw the old version, {new} the new one; {during} began while it was made");
    assert!(old > 0 && during > 0, "nobody read while the version was made");
    let last = bench.json(&["stack", "resources", "big", "-o", "json"]);
    assert!(last.as_array().unwrap().iter().all(|r| r["properties"]["rev"] == 2));
}
