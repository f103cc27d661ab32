//! Tests that kill, contend and fill disks: the real binary, real processes, real signals.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod backup;
mod bench;
mod disk;
mod hooks;
mod kill;
mod locks;
mod shared;
