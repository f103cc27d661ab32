//! Several processes on one database, some of which are killed while they hold the lease.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use sloth_core::lease::LeaseRequest;
use sloth_core::store::{Intent, Store as _, VersionAt, Wait};
use sloth_core::version::Version;
use sloth_store::{Location, SqliteStore};
use sloth_testkit::store_laws::{self as laws, intent, record, request};

use crate::support::{clock, options, place};

const PATH: &str = "SLOTH_STORE_TEST_DATABASE";
const WORKER: &str = "SLOTH_STORE_TEST_WORKER";
const EACH: u64 = 5;

/// Not a test of its own: what [`heavy_processes_take_turns`] starts many times.
#[test]
fn worker() {
    let (Ok(path), Ok(worker)) = (std::env::var(PATH), std::env::var(WORKER)) else { return };
    let number: u64 = worker.parse().unwrap();
    let store = SqliteStore::open(&Location::file(&path), &options(&clock())).unwrap();
    let stack = store.view().unwrap().stack_list().unwrap().remove(0);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap().parse().unwrap();
    for round in 0..EACH {
        let mut wait = LeaseRequest {
            wait: Duration::from_secs(120),
            ..request(&stack.id, &format!("worker {number}"))
        };
        wait.actor.pid = std::process::id();
        wait.actor.pid_start = start;
        let lease = store.leases().acquire(&wait, &|| false).unwrap();
        // Whoever is inside has this file; two at once would find it there.
        let inside = PathBuf::from(format!("{path}.inside"));
        let marker = std::fs::OpenOptions::new().write(true).create_new(true).open(&inside);
        assert!(marker.is_ok(), "two at once");
        let wait = if round % 2 == 0 { Wait::Durable } else { Wait::Fast };
        let mut txn = store.begin(Intent { wait, ..intent(&lease, None) }).unwrap();
        let address = record("a", 0).address;
        let now = txn.resource_get(&stack.id, &address, VersionAt::Head).unwrap();
        let number_now = now.map_or(0, |r| r.spec["number"].as_i64().unwrap());
        txn.resource_put(&record("a", number_now + 1)).unwrap();
        txn.commit(laws::version()).unwrap();
        std::fs::remove_file(&inside).unwrap();
        if number % 4 == 3 && round == EACH - 1 {
            // Dies with the lease in its hand.
            std::process::abort();
        }
        store.leases().release(&lease).unwrap();
    }
}

fn spawn(path: &Path, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::worker", "--nocapture"])
        .env(PATH, path)
        .env(WORKER, number.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn heavy_processes_take_turns() {
    const PROCESSES: u64 = 24;
    let (_dir, path) = place();
    let clock = clock();
    let store = SqliteStore::open(&Location::file(&path), &options(&clock)).unwrap();
    let mut txn = store.begin(laws::no_stack()).unwrap();
    let f = laws::Fixture {
        store: Box::new(SqliteStore::open(&Location::file(&path), &options(&clock)).unwrap()),
        clock,
        reopen: Box::new(|| panic!("not used")),
        keep: Box::new(()),
    };
    let stack = laws::stack(&f, "web");
    txn.stack_insert(&stack).unwrap();
    txn.commit(laws::pending()).unwrap();
    let children: Vec<(u64, Child)> = (0..PROCESSES).map(|n| (n, spawn(&path, n))).collect();
    for (number, child) in children {
        let output = child.wait_with_output().unwrap();
        let expected = number % 4 != 3;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), expected, "worker {number}: {said}");
    }
    let view = store.view().unwrap();
    let last = view.resource_get(&stack.id, &record("a", 0).address, VersionAt::Head).unwrap().unwrap();
    assert_eq!(last.spec["number"], PROCESSES * EACH, "a change was lost");
    assert_eq!(view.stack_get(&stack.id).unwrap().unwrap().head, Version(PROCESSES * EACH));
    drop(view);
    let severe: Vec<_> = store.check(true).unwrap().into_iter().filter(|f| f.severe).collect();
    assert!(severe.is_empty(), "{severe:?}");
    assert!(store.leases().acquire(&request(&stack.id, "after all"), &|| false).is_ok());
}
