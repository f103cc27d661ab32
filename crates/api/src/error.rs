//! Why something was not done.

use sloth_core::store::StoreError;
use sloth_engine::EngineError;
use sloth_lua::LoadError;
use sloth_store::BadLocation;

/// Why something was not done. The words say what was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text names no database.
    #[error(transparent)]
    Location(#[from] BadLocation),
    /// The database cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A verb was refused or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A workflow file cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}
