#![doc = include_str!("../../../docs/en/api-reference.md")]

mod clock;
mod courier;
mod error;
pub mod git;
mod person;
mod program;
mod sloth;
mod stack;

pub use clock::SystemClock;
pub use courier::{HostCourier, INSIDE};
pub use error::Error;
pub use person::actor;
pub use program::{Loaded, load, remembered};
pub use sloth::{RunFile, Sloth, this_host};
pub use stack::StackHandle;

pub use serde_json::json;
pub use sloth_core::address::Address;
pub use sloth_core::drift::{DriftStatus, Finding};
pub use sloth_core::output::Output;
pub use sloth_core::recorded::Recorded;
pub use sloth_core::run::RunStatus;
pub use sloth_core::stack::{Stack, StackStatus};
pub use sloth_core::value::Value;
pub use sloth_core::version::{Version, VersionInfo};
pub use sloth_engine::stacks::{Comparison, LockOptions, NewStack};
pub use sloth_engine::{Context, RunReport};
