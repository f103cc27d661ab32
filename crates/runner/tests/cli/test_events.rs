use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::{env, ran_site};

#[test]
fn events_are_listed_counted_and_shown() {
    let env = ran_site();
    env.expect(0, &["stack", "new", "other"]);
    env.tell(&["events", "list", "--stack", "site"]);
    env.tell(&["stack", "events", "site", "-n", "2"]);
    env.tell(&["events", "list", "--type", "stack.*", "-n", "3"]);
    env.tell(&["events", "list", "--type", "stack.creatd"]);
    env.tell(&["events", "list", "--severity", "loud"]);
    env.expect(7, &["events", "list", "--stack", "nobody"]);
    env.tell(&["events", "list", "--severity", "error"]);
    env.tell(&["events", "stats"]);
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&env.expect(0, arguments).stdout).unwrap()
    };
    let all = json(&["events", "list", "-n", "0", "-o", "json"]);
    let all = all.as_array().unwrap();
    let of_site: Vec<u64> =
        all.iter().filter(|e| e["stack"] == "site").map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(of_site, (1..=of_site.len() as u64).collect::<Vec<_>>(), "without gaps");
    let id = all[0]["id"].as_str().unwrap();
    assert_eq!(json(&["events", "show", id, "-o", "json"])["message"], all[0]["message"]);
    env.expect(7, &["events", "show", "ffffffff"]);
    env.expect(7, &["events", "show", ""]);
    let run = all.iter().find_map(|e| e["run_id"].as_str()).unwrap();
    let of_run = json(&["events", "list", "--run", run, "-o", "json"]);
    assert!(of_run.as_array().unwrap().iter().all(|e| e["run_id"] == run));
    assert_eq!(json(&["events", "list", "--since", "0s", "-o", "json"]), serde_json::json!([]));
    assert_eq!(json(&["events", "stats", "--since", "1h", "-o", "json"])["total"], all.len());
    insta::assert_snapshot!(env.story());
}

#[test]
fn events_are_watched_as_they_happen() {
    let env = env();
    env.expect(0, &["stack", "new", "before"]);
    let mut watcher = env
        .command()
        .args(["events", "watch", "--count", "2", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(watcher.stderr.take().unwrap());
    let mut line = String::new();
    talk.read_line(&mut line).unwrap();
    assert!(line.contains("watching"), "{line}");
    env.expect(0, &["stack", "new", "one"]);
    env.expect(0, &["stack", "new", "two"]);
    let lines: Vec<String> =
        BufReader::new(watcher.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(watcher.wait().unwrap().success());
    let seen: Vec<serde_json::Value> = lines.iter().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<&str> = seen.iter().map(|e| e["stack"].as_str().unwrap()).collect();
    assert_eq!(names, ["one", "two"]);
}

/// The events of a run are told once each, although their times and numbers are in different orders.
#[test]
fn a_watched_run_is_told_once() {
    let env = ran_site();
    let watcher = env
        .command()
        .args(["events", "watch", "--since", "1h", "--stack", "site", "-o", "json", "--count", "12"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    env.expect(0, &["stack", "snapshot", "create", "site"]);
    let output = watcher.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut numbers: Vec<u64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
}

#[test]
fn a_watcher_nobody_reads_ends() {
    let env = env();
    env.expect(0, &["stack", "new", "before"]);
    let mut watcher = env
        .command()
        .args(["events", "watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(watcher.stderr.take().unwrap()).read_line(&mut line).unwrap();
    drop(watcher.stdout.take());
    env.expect(0, &["stack", "new", "one"]);
    env.expect(0, &["stack", "new", "two"]);
    watcher.wait().unwrap();
}
