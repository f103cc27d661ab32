//! A migration from an older program is killed.

use std::time::Duration;

/// Whenever a migration is killed, there is nothing of it or all of it, and doing it again ends with all of it.
#[test]
fn heavy_a_killed_migration_leaves_all_or_nothing() {
    use sloth_testkit::{env::TestEnv, legacy};
    let env = TestEnv::new(env!("CARGO_BIN_EXE_sloth-runner"));
    if !legacy::sqlite(&env.path("stacks.db"), &(legacy::STACKS.to_owned() + legacy::EXTENDED))
        || !legacy::sqlite(&env.path("state.db"), &(legacy::VALUES.to_owned() + legacy::WORKFLOWS))
    {
        println!("skipped: sqlite3 is not there");
        return;
    }
    let count = |db: &str| {
        let lines = |arguments: &[&str], what: &str| {
            let all: Vec<&str> = ["--db", db].into_iter().chain(arguments.iter().copied()).collect();
            env.expect(0, &all).stdout.matches(what).count()
        };
        (
            lines(&["stack", "list", "-o", "json"], "\"resource_version\""),
            lines(&["state", "list", "-o", "json"], "\"key\""),
        )
    };
    let command = ["stack", "migrate", "--source", "stacks.db", "--source", "state.db"];
    let whole = {
        let all: Vec<&str> = ["--db", "whole.db"].into_iter().chain(command).collect();
        env.expect(0, &all);
        count("whole.db")
    };
    assert!(whole.0 >= 5 && whole.1 > 300, "{whole:?}");
    let (mut none, mut done) = (0, 0);
    let mut pause = Duration::from_millis(2);
    for round in 0..60 {
        let db = format!("round{round}.db");
        let mut child = env
            .command()
            .args(["--db", &db])
            .args(command)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(pause);
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        let left = count(&db);
        match left {
            (0, 0) => none += 1,
            left => {
                assert_eq!(left, whole, "round {round}, killed after {pause:?}");
                done += 1;
            }
        }
        let all: Vec<&str> = ["--db", &db].into_iter().chain(command).collect();
        env.expect(0, &all);
        assert_eq!(count(&db), whole, "round {round}");
        // As long as it takes here, and around the instant of the commit.
        pause = if left == (0, 0) && !ended { pause * 5 / 4 } else { pause * 9 / 10 };
    }
    assert!(none > 0 && done > 0, "killed {none} times before and {done} times after the commit");
    let left = std::fs::read_dir(env.work()).unwrap().flatten();
    let copies = left.filter(|e| e.file_name().to_string_lossy().starts_with("legacy-copy")).count();
    assert_eq!(copies, 0, "copies of the dead are removed");
}
