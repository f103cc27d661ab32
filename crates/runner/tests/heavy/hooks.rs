//! Events reach hooks at least once, whoever dies in between and however many deliver at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::bench::{Bench, amount};

/// Ids of events that a hook wrote down, and how often.
fn told(bench: &Bench, name: &str) -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(bench.path(name)).unwrap_or_default();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        *all.entry(line.to_owned()).or_default() += 1;
    }
    all
}

fn ids(bench: &Bench, kind: &str) -> Vec<String> {
    let list = bench.json(&["events", "list", "--type", kind, "-n", "0", "-o", "json"]);
    list.as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn heavy_killed_deliverers_lose_nothing() {
    let kills = amount("SLOTH_TEST_HOOK_KILLS", 60) / super::PART;
    let bench = super::bench();
    let here = bench.dir.path().display().to_string();
    bench.expect(0, &["stack", "new", "web"]);
    let line = format!("sleep 0.02; echo $SLOTH_EVENT_ID >> {here}/told");
    bench.expect(0, &["hook", "add", "h", "--event", "stack.updated", "--shell", &line]);
    for n in 0..kills {
        let mut child = bench.spawn(&["stack", "tags", "add", "web", &format!("t{n}")]);
        // From before the commit to long after it; a server needs more time than a file.
        std::thread::sleep(Duration::from_millis((5 + n * 7 % 60) * super::PART.min(4)));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let end = Instant::now() + Duration::from_secs(60);
    while bench.json(&["hook", "show", "h", "-o", "json"])["waiting"] != 0 {
        assert!(Instant::now() < end, "something stays");
        bench.expect(0, &["hook", "deliver"]);
    }
    let (events, told) = (ids(&bench, "stack.updated"), told(&bench, "told"));
    assert!(events.len() as u64 > kills / 6, "{} of {kills} wrote their event", events.len());
    let missing: Vec<_> = events.iter().filter(|id| !told.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(told.keys().all(|id| events.contains(id)), "nothing that did not happen was told");
    println!("{kills} kills, {} events, {} deliveries", events.len(), told.values().sum::<u32>());
    bench.expect(0, &["doctor"]);
}

#[test]
fn heavy_two_deliverers_share_the_work() {
    let events = amount("SLOTH_TEST_HOOK_EVENTS", 1000);
    let bench = super::bench();
    let here = bench.dir.path().display().to_string();
    for n in 1..=3 {
        let line = format!("echo $SLOTH_EVENT_ID >> {here}/told-{n}");
        let name = format!("h{n}");
        bench.expect(0, &["hook", "add", &name, "--event", "custom.*", "--shell", &line]);
    }
    bench.write(
        "many.sloth",
        &format!("task(\"t\", {{ run = function() for i = 1, {events} do event.dispatch(\"n\", {{ i = i }}) end end }})"),
    );
    let run = bench.command(&["run", "many.sloth"]).env("SLOTH_RUNNER_HOOK", "none").output().unwrap();
    assert!(run.status.success());
    let began = Instant::now();
    let children: Vec<_> = (0..2).map(|_| bench.spawn(&["hook", "deliver"])).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let took = began.elapsed();
    while bench.json(&["hook", "list", "-o", "json"]).as_array().unwrap().iter().any(|h| h["waiting"] != 0) {
        bench.expect(0, &["hook", "deliver"]);
    }
    let all = ids(&bench, "custom.n");
    assert_eq!(all.len() as u64, events);
    for n in 1..=3 {
        let told = told(&bench, &format!("told-{n}"));
        assert_eq!(told.len() as u64, events, "h{n}");
        assert!(told.values().all(|times| *times == 1), "no attempt is made by two at once");
    }
    println!("{} deliveries by two processes in {took:?}", 3 * events);
}
