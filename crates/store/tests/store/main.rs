//! Every law, for every store; and what holds for SQLite only.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod damage;
mod processes;
mod server;
mod sqlite_only;
mod statements;
mod support;

/// The specification obeys its own laws.
mod memory {
    use std::sync::Arc;

    use sloth_core::clock::{FixedClock, Timestamp};
    use sloth_testkit::memory_store::MemoryStore;
    use sloth_testkit::store_laws::Fixture;

    fn fixture() -> Fixture {
        let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(1_700_000_000_000_000_000)));
        let store = MemoryStore::new(Arc::clone(&clock) as Arc<_>);
        let again = store.reopen();
        Fixture {
            store: Box::new(store),
            clock,
            reopen: Box::new(move || Box::new(again.reopen())),
            keep: Box::new(()),
        }
    }

    sloth_testkit::store_laws!(self::fixture);
}

mod sqlite {
    sloth_testkit::store_laws!(crate::support::fixture);
}
