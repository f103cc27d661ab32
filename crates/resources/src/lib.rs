//! What can be managed on a machine.
//!
//! * [`catalog()`] lists every resource type with its operations and turns arguments into wishes.
//! * [`LocalMachine`] is a host behind the port [`Machine`](sloth_core::machine::Machine).
//! * [`resource`] is the port for authors: one file below [`types`] per type, written against [`os`] and nothing else.

pub mod catalog;
pub mod facts;
pub mod inquiry;
pub mod local;
pub mod os;
pub mod provider;
pub mod resource;
mod template;
pub mod types;

pub use catalog::catalog;
pub use local::{LocalMachine, MachineOptions};
