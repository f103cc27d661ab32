//! What every crate's tests share: laws that each implementation of a port must pass, doubles, and the environment in
//! which commands are tested. Used from `tests/` binaries only.

pub mod arrows;
pub mod document;
pub mod env;
pub mod legacy;
pub mod machine;
pub mod memory_store;
pub mod postgres;
pub mod program;
pub mod resource_laws;
pub mod store_laws;
