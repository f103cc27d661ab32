//! Everything this crate promises, on the real system and in memory.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod cases;
mod commands;
mod random;
mod real_types;
mod safety;
mod speed;
mod support;
