//! Every law on a PostgreSQL server, and what holds for a server only.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sloth_core::actor::Actor;
use sloth_core::clock::{Clock, FixedClock, Timestamp};
use sloth_core::store::{CommitError, Committed, Intent, OperationRecord, Seal, Store, StoreError, Wait};
use sloth_core::value_entry::ValueEntry;
use sloth_store::{Location, OpenOptions, ServerStore};
use sloth_testkit::postgres::{Cluster, shared};
use sloth_testkit::store_laws::Fixture;

use crate::support::{clock, options};

fn open(url: &str, options: &OpenOptions) -> ServerStore {
    let location: Location = url.parse().unwrap();
    ServerStore::open(location.server().unwrap(), options).unwrap()
}

/// A new store on the server.
fn fixture(server: &Cluster) -> Fixture {
    let url = server.url();
    let clock: Arc<FixedClock> = clock();
    let store = open(&url, &options(&clock));
    let again = options(&clock);
    Fixture {
        store: Box::new(store),
        clock,
        reopen: Box::new(move || Box::new(open(&url, &again))),
        keep: Box::new(()),
    }
}

mod laws {
    sloth_testkit::store_laws!(super::found);
}

fn found() -> Option<Fixture> {
    shared().map(fixture)
}

/// Writes one value as one operation.
fn put(store: &dyn Store, key: &str, text: &str) -> Result<Committed, CommitError> {
    let intent = Intent {
        actor: Actor::named("t"),
        verb: "state set".to_owned(),
        arguments: Vec::new(),
        stack: None,
        base: None,
        wait: Wait::Durable,
    };
    let mut txn = store.begin(intent)?;
    txn.value_put(&ValueEntry {
        scope: "s".to_owned(),
        key: key.to_owned(),
        value: text.into(),
        created_at: sloth_core::clock::Timestamp::from_nanos(1),
        updated_at: sloth_core::clock::Timestamp::from_nanos(1),
        expires_at: None,
        revision: 1,
    })?;
    txn.commit(Seal::Operation(OperationRecord::default()))
}

fn keys(store: &dyn Store) -> Vec<String> {
    store.view().unwrap().value_list(None, "").unwrap().into_iter().map(|entry| entry.key).collect()
}

#[test]
fn names_with_zero_bytes_survive() {
    let Some(server) = shared() else { return };
    let f = fixture(server);
    for key in ["a\0b", "\u{FDD0}0", "a"] {
        put(&*f.store, key, "x").unwrap();
        assert_eq!(f.store.view().unwrap().value_get("s", key).unwrap().unwrap().key, key);
    }
    assert_eq!(keys(&*f.store).len(), 3);
    assert_eq!(f.store.check(true).unwrap(), []);
}

/// The clock of a host that is wrong by so many seconds.
struct Wrong(i64);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap() + self.0 * 1_000_000_000)
    }
    fn boottime(&self) -> i64 {
        self.now().as_nanos()
    }
    fn boot_id(&self) -> String {
        format!("host {}", self.0)
    }
}

#[test]
fn locks_of_values_do_not_end_early_where_clocks_differ() {
    let Some(server) = shared() else { return };
    let url = server.url();
    let host = |off: i64| open(&url, &OpenOptions { clock: Arc::new(Wrong(off)), ..options(&clock()) });
    let intent = || Intent {
        actor: Actor::named("t"),
        verb: "state lock".to_owned(),
        arguments: Vec::new(),
        stack: None,
        base: None,
        wait: Wait::Fast,
    };
    let lock = |store: &dyn Store, name: &str, holder: &str| -> bool {
        let mut txn = store.begin(intent()).unwrap();
        let taken = txn.value_lock(name, holder, Duration::from_secs(60)).unwrap();
        txn.commit(Seal::Pending).unwrap();
        taken
    };
    let day = 24 * 60 * 60;
    let (behind, right, ahead) = (host(-day), host(0), host(day));
    assert!(lock(&behind, "a", "behind"));
    assert!(!lock(&right, "a", "right"), "it was taken a moment ago, whatever time its holder thinks it is");
    assert!(lock(&right, "b", "right"));
    assert!(!lock(&ahead, "b", "ahead"));
    for store in [&behind, &right, &ahead] {
        assert_eq!(store.view().unwrap().value_locks().unwrap().len(), 2);
    }
}

/// What happens to the next `COMMIT` on the way.
const PASS: u8 = 0;
const CUT_BEFORE: u8 = 1;
const CUT_AFTER: u8 = 2;

/// A way to the server that can be cut.
struct Way {
    dir: tempfile::TempDir,
    cut: Arc<AtomicU8>,
}

impl Way {
    fn to(server: &Cluster) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = server.socket();
        let listener = UnixListener::bind(dir.path().join(socket.file_name().unwrap())).unwrap();
        let cut = Arc::new(AtomicU8::new(PASS));
        let seen = Arc::clone(&cut);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&socket)) else { return };
                let cut = Arc::clone(&seen);
                std::thread::spawn(move || carry(client, server, &cut));
            }
        });
        Self { dir, cut }
    }

    fn url(&self, server: &Cluster) -> String {
        server.url().replace(&server.place(&server.socket_dir()), &server.place(self.dir.path()))
    }
}

fn carry(mut client: UnixStream, mut server: UnixStream, cut: &AtomicU8) {
    let (mut back_from, mut back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let answers = std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
    let mut bytes = [0; 65536];
    while let Ok(n @ 1..) = client.read(&mut bytes) {
        let how = if bytes[..n].windows(7).any(|w| w == b"COMMIT\0") {
            cut.swap(PASS, Ordering::SeqCst)
        } else {
            PASS
        };
        if how == CUT_AFTER {
            // Nobody hears the answer.
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
        if how != CUT_BEFORE {
            let _ = server.write_all(&bytes[..n]);
        }
        if how == CUT_AFTER {
            // The server has to have read it before its way is cut, too.
            std::thread::sleep(Duration::from_millis(50));
        }
        if how != PASS {
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = server.shutdown(std::net::Shutdown::Both);
    let _ = answers.join();
}

#[test]
fn a_connection_lost_in_the_middle_of_a_commit_leaves_no_doubt() {
    let Some(server) = shared() else { return };
    let way = Way::to(server);
    let store = open(&way.url(server), &options(&clock()));
    assert_eq!(put(&store, "first", "x").unwrap().operation.unwrap().0, 1);
    way.cut.store(CUT_BEFORE, Ordering::SeqCst);
    let lost = put(&store, "second", "x").unwrap_err();
    assert!(
        matches!(&lost, CommitError::Store(StoreError::Io { why, .. }) if why.contains("nothing of it was")),
        "{lost}"
    );
    assert_eq!(keys(&store), ["first"]);
    way.cut.store(CUT_AFTER, Ordering::SeqCst);
    // The answer is lost and the change is not: it counts, once.
    assert_eq!(put(&store, "third", "x").unwrap().operation.unwrap().0, 2);
    assert_eq!(way.cut.load(Ordering::SeqCst), PASS, "nothing was cut");
    assert_eq!(keys(&store), ["first", "third"]);
    assert_eq!(store.check(true).unwrap(), []);
}

#[test]
fn a_journal_that_somebody_closed_stays_closed() {
    let Some(server) = shared() else { return };
    let f = fixture(server);
    let other = (f.reopen)();
    let stack = sloth_testkit::store_laws::stack(&f, "web");
    let run = sloth_core::id::RunId::generate(sloth_core::clock::Timestamp::from_nanos(1));
    let step = sloth_testkit::store_laws::step;
    f.store.journal().begin(&stack.id, &run, &step(1), &[], Wait::Fast).unwrap();
    assert_eq!(other.journal().open_steps(&stack.id).unwrap().len(), 1, "another host sees it");
    other.journal().close(&run).unwrap();
    assert!(matches!(f.store.journal().finish(&run, 1, None), Err(StoreError::Conflict(_))));
    assert!(other.journal().open_steps(&stack.id).unwrap().is_empty());
}
