//! Every resource type. The list is alphabetical.

use crate::provider::{Erased, Provider};

mod accounts;
mod args;
pub mod authorized_key;
pub mod block;
pub mod custom;
mod edit;
pub mod exec;
pub mod file;
pub mod group;
mod home;
pub mod known_host;
pub mod line;
pub mod package;
pub mod permissions;
pub mod replacement;
pub mod service;
pub mod setting;
pub mod user;

pub use edit::Position;

// How a wish is written of which the usual one is for presence.
const fn yes() -> bool {
    true
}
fn is_yes(present: &bool) -> bool {
    *present
}

/// Every type, by name.
#[must_use]
pub fn all() -> &'static [&'static dyn Provider] {
    static ALL: &[&dyn Provider] = &[
        &Erased(authorized_key::AuthorizedKey),
        &Erased(block::Block),
        &Erased(custom::Custom),
        &Erased(exec::Exec),
        &Erased(file::File),
        &Erased(group::Group),
        &Erased(known_host::KnownHost),
        &Erased(line::Line),
        &Erased(package::Package),
        &Erased(permissions::Permissions),
        &Erased(replacement::Replacement),
        &Erased(service::Service),
        &Erased(setting::Setting),
        &Erased(user::User),
    ];
    ALL
}

/// A type by name.
#[must_use]
pub fn find(kind: &str) -> Option<&'static dyn Provider> {
    all().iter().find(|p| p.kind().name == kind).copied()
}
