//! Every law on a PostgreSQL server, and what holds for a server only.
//!
//! `SLOTH_TEST_POSTGRES` names a server, such as `postgres://postgres@/test?host=/tmp/pg`; each test has a schema of its
//! own in it. Without the variable these tests say that they were skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sloth_core::clock::FixedClock;
use sloth_store::{Location, OpenOptions, ServerStore};
use sloth_testkit::store_laws::Fixture;

use crate::support::{clock, options};

/// Where the server is, if the tests have one.
fn server() -> Option<String> {
    let found = std::env::var("SLOTH_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if found.is_none() {
        println!("skipped: SLOTH_TEST_POSTGRES names no PostgreSQL server");
    }
    found
}

/// An URL with a schema that nobody else has.
fn schema_of_its_own(url: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let sign = if url.contains('?') { '&' } else { '?' };
    let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos());
    format!("{url}{sign}schema=t{pid}_{count}_{nanos}")
}

fn open(url: &str, options: &OpenOptions) -> ServerStore {
    let location: Location = url.parse().unwrap();
    ServerStore::open(location.server().unwrap(), options).unwrap()
}

/// A new store on the server.
fn fixture(url: &str) -> Fixture {
    let url = schema_of_its_own(url);
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
    server().map(|url| fixture(&url))
}
