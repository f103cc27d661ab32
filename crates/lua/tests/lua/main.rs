//! The language: files in, workflows, effects and messages out.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod calls;
mod concurrency;
mod corpus;
mod hostile;
mod modules;
mod rig;
mod tasks;
