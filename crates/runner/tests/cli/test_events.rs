use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use sloth_core::event::EventType;

use super::{env, ran_site};

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
    crate::assert_snapshot!(env.story());
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

/// Fields of the data of an event, and what else has to be said of it, per type. A type that is not here does not compile;
/// one that [`everything_happens`] does not provoke fails.
const fn said(kind: EventType) -> (&'static str, &'static [&'static str]) {
    use EventType as T;
    match kind {
        T::Custom => ("task", &["name", "data"]),
        T::DriftDetected => ("stack", &["resources"]),
        T::DriftFixed | T::LockExpired => ("stack", &[]),
        T::HookFailed => ("actor", &["hook", "event", "type", "error"]),
        T::LockAcquired | T::LockForceReleased | T::LockReleased => ("stack", &[]),
        T::OutputChanged => ("stack", &["name", "value"]),
        T::ResourceCreated | T::ResourceUpdated | T::ResourceDeleted => ("resource", &["action"]),
        T::ResourceFailed | T::ResourceOrphaned => ("resource", &[]),
        T::SnapshotCreated | T::SnapshotDeleted | T::SnapshotRestored => ("stack", &[]),
        T::StackCreated | T::StackDeleted | T::StackDestroyed | T::StackUpdated => ("stack", &[]),
        T::StackExecutionStarted | T::StackExecutionCompleted | T::StackExecutionFailed => ("run_id", &[]),
        T::TaskCompleted | T::TaskFailed | T::TaskSkipped | T::TaskStarted => ("task", &[]),
    }
}

/// Commands and runs that bring about an event of every type.
fn everything_happens(env: &sloth_testkit::env::TestEnv) {
    let root = super::root(env);
    let run = |file: &str| env.run(&["run", file, "--var", &root]).code;
    assert_eq!(run("site.sloth"), 0);
    env.write("site/page.txt", "edited\n");
    env.expect(3, &["stack", "drift", "site"]);
    env.expect(0, &["stack", "drift", "fix", "site", "--yes"]);
    env.expect(0, &["stack", "snapshot", "create", "site"]);
    env.expect(0, &["stack", "new", "later"]);
    env.expect(0, &["run", "site.sloth", "--var", &root, "--var", "title=new"]);
    env.expect(0, &["stack", "snapshot", "restore", "site", "v1", "--yes"]);
    env.expect(0, &["stack", "snapshot", "delete", "site", "v2", "--yes"]);
    env.expect(0, &["stack", "rename", "later", "other"]);
    env.expect(0, &["stack", "delete", "other", "--yes"]);
    let acquire = ["stack", "lock", "acquire", "site", "--reason", "r", "--ttl"];
    env.expect(0, &[&acquire[..], &["1h"]].concat());
    env.expect(0, &["stack", "lock", "release", "site"]);
    env.expect(0, &[&acquire[..], &["1h"]].concat());
    env.expect(0, &["stack", "lock", "force-release", "site", "--reason", "r", "--yes"]);
    env.expect(0, &[&acquire[..], &["1s"]].concat());
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    env.expect(0, &[&acquire[..], &["1h"]].concat());
    env.expect(0, &["stack", "lock", "release", "site"]);
    // One that sends an event, leaves a resource behind, and fails with a task that another one needs.
    env.write(
        "bad.sloth",
        "workflow({ name = \"site\" })\ntask(\"a\", { run = function()\n    event.dispatch(\"deployed\", { n = 1 })\nend })\n",
    );
    assert_eq!(run("bad.sloth"), 0);
    env.write(
        "worse.sloth",
        "workflow({ name = \"site\" })\ntask(\"a\", { run = function()\n    file.content({ path = values.root .. \"/page.txt/x\", \
         content = \"x\" })\nend })\ntask(\"b\", { depends_on = \"a\", run = function() end })\n",
    );
    assert_eq!(run("worse.sloth"), 1);
    env.expect(0, &["stack", "destroy", "site", "--yes"]);
}

#[test]
fn every_type_of_event_happens_and_reaches_a_hook() {
    let env = super::site();
    // The second hook fails for good at once, which is an event itself.
    std::fs::create_dir(env.path("told")).unwrap();
    env.expect(0, &["hook", "add", "all", "--event", "*", "--shell", "cat > told/$SLOTH_EVENT_ID"]);
    env.expect(
        0,
        &["hook", "add", "broken", "--event", "stack.destroyed", "--retries", "0", "--shell", "exit 3"],
    );
    everything_happens(&env);
    env.expect(0, &["hook", "deliver"]);
    let files = std::fs::read_dir(env.path("told")).unwrap();
    let read =
        |file: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(file.unwrap().path()).unwrap();
    let told: Vec<serde_json::Value> = files.map(|file| serde_json::from_str(&read(file)).unwrap()).collect();
    let mut wrong = Vec::new();
    for kind in EventType::ALL {
        let (about, fields) = said(*kind);
        let of = |e: &&serde_json::Value| EventType::parse(e["type"].as_str().unwrap()) == Some(*kind);
        let mut all = told.iter().filter(of).peekable();
        if all.peek().is_none() {
            wrong.push(format!("{} did not reach the hook", kind.as_str()));
        }
        for event in all {
            for field in ["id", "timestamp", "severity", "source", "actor", "message", about] {
                if event[field].as_str().is_none_or(str::is_empty) {
                    wrong.push(format!("{} says no {field}: {event}", kind.as_str()));
                }
            }
            for field in fields {
                if event["data"].get(field).is_none_or(serde_json::Value::is_null) {
                    wrong.push(format!("{} has no {field} in its data: {event}", kind.as_str()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What the hook was told is what is stored; stacks that were renamed or are gone since have another name.
    let stored = env.expect(0, &["events", "list", "-n", "0", "-o", "json"]).stdout;
    let known = |event: &serde_json::Value| [&event["id"], &event["type"], &event["data"]].map(Clone::clone);
    let stored: Vec<serde_json::Value> = serde_json::from_str(&stored).unwrap();
    let stored: Vec<_> = stored.iter().map(known).collect();
    for event in &told {
        assert!(stored.contains(&known(event)), "{event}");
    }
}
