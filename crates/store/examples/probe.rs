//! Measures the store: `cargo run --release -p sloth-store --example probe`. Prints medians; writes to a directory that
//! is removed again.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use sloth_core::actor::Actor;
use sloth_core::clock::{Clock, FixedClock, Timestamp};
use sloth_core::digest::Blob;
use sloth_core::event::{Event, EventType, Severity};
use sloth_core::id::RunId;
use sloth_core::journal::Intention;
use sloth_core::lease::Lease;
use sloth_core::recorded::Recorded;
use sloth_core::store::{Intent, OperationRecord, Seal, Store, VersionAt, Wait};
use sloth_core::value::Value;
use sloth_store::{Location, OpenOptions, SqliteStore};
use sloth_testkit::store_laws as laws;

fn median(name: &str, times: usize, mut work: impl FnMut(usize)) {
    let mut processor = Duration::ZERO;
    let mut all: Vec<Duration> = (0..times)
        .map(|n| {
            let (start, busy) = (Instant::now(), cpu());
            work(n);
            processor += cpu().saturating_sub(busy);
            start.elapsed()
        })
        .collect();
    all.sort();
    let processor = micros(processor) / times as f64;
    println!(
        "{name:<58} {:>10.1} µs   (best {:.1}, processor {processor:.1})",
        micros(all[times / 2]),
        micros(all[0])
    );
}

/// Processor time of this thread, which other work on the machine hardly changes.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap(), u32::try_from(now.tv_nsec).unwrap())
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

fn event() -> Event {
    Event {
        kind: EventType::ResourceCreated,
        severity: Severity::Info,
        at: Timestamp::from_nanos(1),
        run: Some(RunId::from_stored("019a0000-0000-7000-8000-000000000000")),
        task: Some("install".to_owned()),
        address: Some(laws::record("r00001", 1).address),
        message: "created".to_owned(),
        payload: Value::Null,
    }
}

/// One run's worth of records, made beforehand.
fn records(count: i64, round: i64) -> Vec<Recorded> {
    (0..count).map(|n| laws::record(&format!("srv/data/r{n:05}"), round)).collect()
}

fn fill(store: &dyn Store, lease: &Lease, records: &[Recorded], event: &Event, wait: Wait) {
    let mut txn = store.begin(Intent { wait, ..laws::intent(lease, None) }).unwrap();
    for record in records {
        txn.resource_put(record).unwrap();
        txn.event_append(Some(&lease.stack), event).unwrap();
    }
    txn.commit(laws::version()).unwrap();
}

fn main() {
    let base = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let dir = tempfile::tempdir_in(base).unwrap();
    let path = dir.path().join("state/stacks.db");
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(1_700_000_000_000_000_000)));
    let options = OpenOptions { clock: Arc::clone(&clock) as Arc<dyn Clock>, read_only: false, create: true };
    let open = |read_only| {
        SqliteStore::open(&Location::file(&path), &OpenOptions { read_only, ..options.clone() }).unwrap()
    };
    let start = Instant::now();
    drop(open(false));
    println!("create a database {:.1} µs", micros(start.elapsed()));
    let store = open(false);
    let mut txn = store
        .begin(Intent {
            actor: Actor::named("probe"),
            verb: "probe".to_owned(),
            arguments: vec![],
            stack: None,
            base: None,
            wait: Wait::Durable,
        })
        .unwrap();
    let mut stacks = Vec::new();
    for name in ["big", "small", "huge"] {
        let mut stack = laws_stack(&clock, name);
        stack.name = name.to_owned();
        txn.stack_insert(&stack).unwrap();
        stacks.push(stack);
    }
    txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    let lease = |n: usize| store.leases().acquire(&laws::request(&stacks[n].id, "probe"), &|| false).unwrap();
    let (big, small, huge) = (lease(0), lease(1), lease(2));

    let happened = event();
    for (name, wait) in [("durable", Wait::Durable), ("fast", Wait::Fast)] {
        for n in 0..5 {
            let stack = laws_stack(&clock, &format!("{name}{n}"));
            let mut txn = store.begin(laws::fast(laws::no_stack())).unwrap();
            txn.stack_insert(&stack).unwrap();
            txn.commit(Seal::Pending).unwrap();
            let lease = store.leases().acquire(&laws::request(&stack.id, "probe"), &|| false).unwrap();
            let made = records(5000, 1);
            let (start, busy) = (Instant::now(), cpu());
            fill(&store, &lease, &made, &happened, wait);
            println!("processor {:.2} ms", micros(cpu().saturating_sub(busy)) / 1e3);
            println!(
                "write 5000 new records + 5000 events + seal, {name}: {:.2} ms",
                micros(start.elapsed()) / 1e3
            );
        }
        for round in 0..2 {
            let made = records(5000, round + if wait == Wait::Fast { 10 } else { 0 });
            let start = Instant::now();
            fill(&store, &big, &made, &happened, wait);
            println!(
                "write 5000 records + 5000 events + seal, {name}, round {round}: {:.2} ms",
                micros(start.elapsed()) / 1e3
            );
        }
    }
    fill(&store, &small, &records(100, 0), &happened, Wait::Durable);
    fill(&store, &huge, &records(10_000, 0), &happened, Wait::Durable);
    median("list 5000 records (view)", 30, |_| {
        let found = store.view().unwrap().resource_list(&big.stack, VersionAt::Head).unwrap();
        assert_eq!(found.len(), 5000);
    });
    median("snapshot of version 1 of 4, 5000 records", 5, |_| {
        let view = store.view().unwrap();
        assert!(view.version_snapshot(&big.stack, sloth_core::version::Version(1)).unwrap().is_some());
    });
    for (name, lease) in [("100", &small), ("10000", &huge)] {
        median(&format!("one change in a stack of {name}, durable"), 200, |n| {
            let mut txn = store.begin(laws::intent(lease, None)).unwrap();
            txn.resource_put(&laws::record("srv/data/r00050", n as i64 + 100)).unwrap();
            txn.event_append(Some(&lease.stack), &event()).unwrap();
            txn.commit(laws::version()).unwrap();
        });
    }
    median("one change, pending, fast", 500, |n| {
        let mut txn = store.begin(laws::fast(laws::intent(&small, None))).unwrap();
        txn.resource_put(&laws::record("srv/data/r00051", n as i64 + 100)).unwrap();
        txn.commit(Seal::Pending).unwrap();
    });
    let extra = laws_stack(&clock, "lease");
    let mut txn = store.begin(laws::no_stack()).unwrap();
    txn.stack_insert(&extra).unwrap();
    txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    median("acquire and release a process lease", 500, |_| {
        let lease = store.leases().acquire(&laws::request(&extra.id, "probe"), &|| false).unwrap();
        store.leases().release(&lease).unwrap();
    });
    let blobs: Vec<Blob> =
        (0..200u32).map(|n| Blob::new(format!("content {n} ").repeat(40).into_bytes())).collect();
    median("put 200 contents of 440 bytes, known", 20, |_| store.blobs().put(&blobs, Wait::Fast).unwrap());
    let run = RunId::generate(clock.now());
    let steps: Vec<Intention> = (0..20_000).map(laws::step).collect();
    store.journal().begin(&big.stack, &run, &laws::step(99_999), &[], Wait::Durable).unwrap();
    let state = laws::record("x", 1).state;
    let start = Instant::now();
    for step in &steps {
        store.journal().begin(&big.stack, &run, step, &[], Wait::Durable).unwrap();
    }
    println!("journal begin (probe) {:.2} µs", micros(start.elapsed()) / 20_000.0);
    let start = Instant::now();
    for step in &steps {
        store.journal().finish(&run, step.seq, state.as_ref()).unwrap();
    }
    println!("journal finish (probe) {:.2} µs", micros(start.elapsed()) / 20_000.0);
    median("journal close", 1, |_| store.journal().close(&run).unwrap());
    median("journal begin (command, durable)", 200, |n| {
        store.journal().begin(&big.stack, &run, &laws::command(n as u64), &[], Wait::Durable).unwrap();
    });
    store.journal().close(&run).unwrap();
    drop(store);
    let wal = std::fs::metadata(dir.path().join("state/stacks.db-wal")).unwrap().len();
    println!("log {} KiB", wal >> 10);
    median("open + stack list + close", 50, |_| {
        let store = open(true);
        assert_eq!(store.view().unwrap().stack_list().unwrap().len(), 14);
    });
    median("open + begin + drop + close", 50, |_| {
        let store = open(false);
        drop(store.begin(laws::no_stack()).unwrap());
    });
    let conn = rusqlite::Connection::open(&path).unwrap();
    let frames = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |r| r.get::<_, i64>(1)).unwrap();
    drop(conn);
    println!("pages of log to read when opening: {frames}");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    median("open + stack list + close, empty log", 50, |_| {
        let store = open(true);
        assert_eq!(store.view().unwrap().stack_list().unwrap().len(), 14);
    });
    median("bare SQLite: open + schema + close, empty log", 50, |_| {
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.query_row("SELECT count(*) FROM stacks", [], |r| r.get::<_, i64>(0)).unwrap();
    });
    let store = open(false);
    let start = Instant::now();
    let found = store.check(true).unwrap();
    println!("deep check {:.1} ms, {} findings", micros(start.elapsed()) / 1e3, found.len());
    for finding in found {
        println!("  {finding:?}");
    }
}

fn laws_stack(clock: &Arc<FixedClock>, name: &str) -> sloth_core::stack::Stack {
    use sloth_core::stack::Stack;
    Stack::fresh(name, clock.now())
}
