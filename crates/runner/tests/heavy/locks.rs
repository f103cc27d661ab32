//! Many processes want one stack: never two at once, nobody starves, and a holder that slept too long is refused.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bench::{amount, text};

#[test]
fn heavy_contending_processes_never_overlap_and_all_are_served() {
    let processes = amount("SLOTH_TEST_PROCESSES", 32);
    let seconds = amount("SLOTH_TEST_SECONDS", 20) / super::PART.min(2);
    let bench = super::bench();
    let here = bench.dir.path().display().to_string();
    // `mkdir` is atomic: it fails when another process is inside.
    let program = format!(
        r#"workflow({{ name = "one" }})
task({{ name = "t", run = function()
  exec.run("mkdir {here}/inside || {{ echo overlap >> {here}/overlaps; exit 1; }}; echo $WHO >> {here}/served; rmdir {here}/inside", {{ raise = true }})
end }})
"#
    );
    bench.write("one.sloth", &program);
    bench.expect(0, &["stack", "new", "one"]);
    let end = Instant::now() + Duration::from_secs(seconds);
    let refused: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processes)
            .map(|number| {
                let bench = &bench;
                scope.spawn(move || {
                    let mut refused = 0;
                    while Instant::now() < end {
                        let output = bench
                            .command(&["run", "-f", "one.sloth", "--lock-wait", "60s"])
                            .env("WHO", number.to_string())
                            .output()
                            .unwrap();
                        match output.status.code() {
                            Some(0) => {}
                            Some(4) => refused += 1,
                            _ => panic!("process {number}: {}", text(&output)),
                        }
                    }
                    refused
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    assert!(!bench.path("overlaps").exists(), "two processes were inside at once");
    let served = std::fs::read_to_string(bench.path("served")).unwrap();
    let grants = served.lines().count();
    let mut per_process = vec![0u64; usize::try_from(processes).unwrap()];
    for line in served.lines() {
        per_process[line.parse::<usize>().unwrap()] += 1;
    }
    println!(
        "{grants} grants, {refused} refusals, fewest {} most {}",
        per_process.iter().min().unwrap(),
        per_process.iter().max().unwrap()
    );
    assert_eq!(refused, 0, "nobody waits a minute here");
    assert!(per_process.iter().all(|&n| n > 0), "somebody was never served: {per_process:?}");
    bench.expect(0, &["doctor"]);
}

#[test]
fn heavy_a_holder_that_slept_past_its_lease_is_refused() {
    let bench = super::bench();
    let here = bench.dir.path().display().to_string();
    bench.write("config.yaml", "stacks:\n  lease_ttl: 2s\n");
    let slow = format!(
        r#"workflow({{ name = "one" }})
task({{ name = "slow", run = function()
  file.content({{ path = "{here}/first", content = "slow\n" }})
  exec.run("touch {here}/sleeping; sleep 0.3")
  file.content({{ path = "{here}/second", content = "slow\n" }})
end }})
"#
    );
    bench.write("slow.sloth", &slow);
    let quick = format!(
        r#"workflow({{ name = "one" }})
task({{ name = "quick", run = function() file.content({{ path = "{here}/quick", content = "quick\n" }}) end }})
"#
    );
    bench.write("quick.sloth", &quick);
    let child = bench
        .command(&["--config", "config.yaml", "run", "-f", "slow.sloth"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !bench.path("sleeping").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the slow run never came to its command");
        std::thread::sleep(Duration::from_millis(2));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // Alive and on this host: its lease has to end by time.
    let output = bench.run(&["--config", "config.yaml", "run", "-f", "quick.sloth", "--lock-wait", "20s"]);
    // 8: it succeeded, and asks a person about the command whose end nobody knows.
    assert_eq!(output.status.code(), Some(8), "{}", text(&output));
    let versions = bench.json(&["stack", "snapshot", "list", "one", "-o", "json"]);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_ne!(
        output.status.code(),
        Some(0),
        "the old holder went on as if nothing had happened\n{}",
        text(&output)
    );
    assert!(text(&output).contains("lease"), "{}", text(&output));
    assert!(!bench.path("second").exists(), "the old holder began a step after its lease was gone");
    let after = bench.json(&["stack", "snapshot", "list", "one", "-o", "json"]);
    assert_eq!(versions, after, "the old holder's write was accepted");
    bench.expect(0, &["doctor"]);
    // Whoever comes next finds the stack usable.
    let output = bench.run(&["--config", "config.yaml", "run", "-f", "quick.sloth"]);
    assert!(matches!(output.status.code(), Some(0 | 8)), "{}", text(&output));
    assert_eq!(bench.left_to_do("quick.sloth"), [""; 0]);
}
