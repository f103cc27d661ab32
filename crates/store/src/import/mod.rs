//! What other programs left in SQLite databases, and what is written for them.

pub mod legacy;
pub mod script;
