//! The same tests once more, with the state on a PostgreSQL server. It is the same program, so fewer rounds do.

use crate::bench::Bench;

/// One in so many rounds is enough.
const PART: u64 = 8;
/// Every failpoint is passed several times; so many are passed over.
#[cfg(feature = "failpoints")]
const STEP: usize = 8;

/// A place that keeps its state on a server. Without a server, that is said, and it is a file as everywhere else.
fn bench() -> Bench {
    sloth_testkit::postgres::shared().map_or_else(Bench::new, Bench::on)
}

#[path = "hooks.rs"]
mod hooks;
#[path = "kill.rs"]
mod kill;
#[path = "locks.rs"]
mod locks;
#[path = "shared.rs"]
mod shared;
