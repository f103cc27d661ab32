//! Tests that kill, contend and fill disks: the real binary, real processes, real signals.
#![expect(
    clippy::duplicate_mod,
    reason = "tests of what does not depend on where the state is kept exist twice"
)]
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod backup;
mod bench;
mod copy;
mod disk;
mod hooks;
mod kill;
mod locks;
mod migration;
mod on_a_server;
mod server;
mod shared;

/// One in so many rounds is enough, where there are rounds.
const PART: u64 = 1;
/// Every failpoint is passed several times; each of them counts.
#[cfg(feature = "failpoints")]
const STEP: usize = 1;

/// A place that keeps its state in a file.
fn bench() -> bench::Bench {
    bench::Bench::new()
}
