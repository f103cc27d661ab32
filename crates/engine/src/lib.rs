//! Plan and apply: the verbs that bring machines in line and remember it.
//!
//! Every verb is the same three movements with another desired side: look, [`decide`](sloth_core::decide::decide),
//! and perform. `run` takes its wishes from a program; [`goal`] takes them from the store (rollback, drift fix,
//! destroy, undo); `on_failure = "rollback"` takes them from what the run itself captured.

pub mod by_hand;
pub mod contents;
pub mod context;
pub mod drift;
pub mod error;
pub mod executions;
pub mod failpoint;
pub mod goal;
pub mod hook_scope;
pub mod hooks;
pub mod ignores;
pub mod lease;
pub mod migrate;
pub mod outbox;
pub mod report;
pub mod retention;
pub mod run;
pub mod scope;
pub mod stacks;
pub mod tags;
pub mod transfer;
pub mod undo;
pub mod upstreams;
pub mod validate;
pub mod values;

mod conduct;
mod handwritten;
mod ledger;
mod order;
mod perform;
mod records;
mod resume;
mod rewind;
mod scope_body;
mod session;

pub use context::{Context, Stop};
pub use error::EngineError;
pub use report::RunReport;
