//! Where stacks, versions and leases are kept: the [`Store`](sloth_core::store::Store) port on SQLite and PostgreSQL.
//!
//! [`open`] gives a store for a [`Location`]. The nouns have one file each, with their statements and row mapping;
//! `sql` is how they talk to a database, `session` holds the one view and transaction, `connection` the settings of every
//! connection, `schema` the tables.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files directly"))]

mod address;
mod backup;
mod blobs;
mod check;
mod connection;
mod copy;
mod drift;
mod events;
mod failure;
mod files;
mod handlers;
mod hooks;
mod journal;
mod leases;
mod location;
mod mark;
mod named;
mod operations;
mod outputs;
mod process;
mod resources;
mod restore;
mod retention;
mod runs;
mod schema;
mod server;
mod session;
mod shared;
mod sql;
mod sqlite;
mod stacks;
mod sum;
mod upstreams;
mod values;
mod versions;

pub mod import;

pub use address::{Host, Secret, ServerAddress, Tls};
pub use copy::{Copied, CopyRequest, copy};
pub use files::{FileSystem, file_system_verdict};
pub use location::{BadLocation, Location};
pub use restore::{RestoreRequest, Restored, open_backup, restore, verify};
pub use server::ServerStore;
pub use sqlite::{OpenOptions, SqliteStore, open, open_existing};
