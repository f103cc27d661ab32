//! Every resource type. The list is alphabetical.

use crate::provider::{Erased, Provider};

pub mod file;

/// Every type, by name.
#[must_use]
pub fn all() -> &'static [&'static dyn Provider] {
    static ALL: &[&dyn Provider] = &[&Erased(file::File)];
    ALL
}

/// A type by name.
#[must_use]
pub fn find(kind: &str) -> Option<&'static dyn Provider> {
    all().iter().find(|p| p.kind().name == kind).copied()
}
