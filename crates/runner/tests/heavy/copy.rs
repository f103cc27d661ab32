//! A copy of the whole store is killed: the source is as it was or closed, the target empty or whole, and doing it again
//! ends with all of it at the target.

use std::time::Duration;

use sloth_testkit::postgres::{self, Cluster};

use crate::bench::{Bench, Dice, amount, text};

fn killed(new_target: impl Fn(&Bench) -> String) {
    let rounds = amount("SLOTH_TEST_COPIES", 25);
    let mut dice = Dice::new(11);
    let (mut killed, mut closed, mut took) = (0, 0, Duration::from_millis(150));
    for round in 0..rounds {
        let bench = Bench::new();
        bench.write(
            "many.sloth",
            r#"
            workflow({ name = "many" })
            task("t", function()
                for i = 1, 300 do
                    stack.resource({ type = "data", name = "r" .. i, properties = { rev = values.rev } })
                end
                state.set("n", values.rev)
            end)
            "#,
        );
        for rev in ["rev=1", "rev=2"] {
            bench.expect(0, &["run", "-f", "many.sloth", "--var", rev]);
        }
        let before = bench.expect(0, &["stack", "export", "many"]);
        let target = new_target(&bench);
        let copy = ["state", "copy", "--to", &target, "--yes"];
        let begun = std::time::Instant::now();
        let mut child = bench.spawn(&copy);
        std::thread::sleep(Duration::from_micros(dice.below(u64::try_from(took.as_micros()).unwrap())));
        child.kill().unwrap();
        let ended = child.wait().unwrap().success();
        if ended {
            took = begun.elapsed();
        }
        killed += u64::from(!ended);
        let source = bench.run(&["state", "set", "m", "1"]);
        if !source.status.success() {
            assert!(text(&source).contains("it was moved to"), "round {round}: {}", text(&source));
            closed += 1;
        } else if !bench.run(&copy).status.success() {
            // What came to the source after a copy that was whole is not in it, and nothing is thrown away.
            let refused = text(&bench.run(&copy));
            assert!(refused.contains("there is something in it already"), "round {round}: {refused}");
            bench.expect(0, &["state", "copy", "--to", "another.db", "--yes"]);
            assert_eq!(bench.expect(0, &["--db", "another.db", "stack", "export", "many"]), before);
            continue;
        }
        let at = |line: &[&str]| bench.expect(0, &[&["--db", &target], line].concat());
        assert_eq!(at(&["stack", "export", "many"]), before, "round {round}");
        at(&["doctor", "--deep"]);
        at(&["audit", "verify"]);
        at(&["run", "-f", "many.sloth", "--var", "rev=3"]);
    }
    println!("killed {killed} of {rounds}; {closed} sources were closed then");
    assert!(killed * 2 > rounds && closed < rounds, "killed {killed} of {rounds}");
}

#[test]
fn heavy_a_killed_copy_to_a_file_is_done_again() {
    killed(|bench| bench.path("second/stacks.db").display().to_string());
}

#[test]
fn heavy_a_killed_copy_to_a_server_is_done_again() {
    let Some(server) = postgres::shared() else { return };
    killed(|_| Cluster::url(server));
}
