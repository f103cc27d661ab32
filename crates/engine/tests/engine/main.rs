//! The engine with a scripted machine, a program of closures and the store in memory.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod by_hand;
mod crash;
mod fidelity;
mod goals;
mod house;
mod plans;
mod runs;
