//! The `.sloth` language: Luau with the words `task`, `workflow`, `group`, `handler` and `import`, and one function for
//! every operation of the catalog.
//!
//! [`load`] executes a file once to collect what it declares. The result is a [`LuaProgram`], which the engine drives
//! through [`Program`](sloth_core::body::Program): tasks and goroutines are coroutines of one Lua state, and every effect
//! goes through the [`Scope`](sloth_core::body::Scope) of its unit. Scripts are bounded by [`Limits`], which they cannot
//! evade. What the language needs of the controller beyond a scope is the [`HostLayer`].

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files directly"))]

mod args;
mod convert;
mod declare;
pub mod definitions;
mod diagnostic;
mod fault;
mod hook;
mod host;
mod limits;
mod loader;
mod modules;
mod natives;
mod options;
mod prelude;
mod program;
mod refused;
mod reply;
mod scheduler;
mod shared;
mod span;

pub use diagnostic::{Diagnostic, LoadError};
pub use hook::{HookScript, run_hook};
pub use host::{HostLayer, PathInfo, RealHost};
pub use limits::Limits;
pub use loader::{LoadRequest, SourceText, load};
pub use program::LuaProgram;
