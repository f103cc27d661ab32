//! Which store is meant: a path or an URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::address::ServerAddress;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An SQLite database file on this host.
    Sqlite(PathBuf),
    /// A schema in a database of a PostgreSQL server.
    Postgres(Box<ServerAddress>),
}

/// Text that names no store this program can open. Says nothing of an URL that could be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Nothing at all.
    #[error("the database location is empty")]
    Empty,
    /// An URL of a PostgreSQL server that cannot be used.
    #[error("the PostgreSQL URL {0}")]
    Postgres(String),
    /// An URL of another kind.
    #[error(
        "`{0}://` is not a kind of database this program knows; give a path, `sqlite://PATH` or `postgres://HOST/DATABASE`"
    )]
    Scheme(String),
}

impl Location {
    /// A database file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }
    /// The file, when it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
    /// The server, when it is on one.
    #[must_use]
    pub fn server(&self) -> Option<&ServerAddress> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server),
        }
    }
    /// The server, to complete what its URL leaves open.
    pub fn server_mut(&mut self) -> Option<&mut ServerAddress> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server),
        }
    }
    /// Is there something at this place? Says nothing about whether it can be opened; a server is taken to be there.
    #[must_use]
    pub fn exists(&self) -> bool {
        match self {
            Self::Sqlite(path) => std::fs::symlink_metadata(path).is_ok(),
            Self::Postgres(_) => true,
        }
    }

    /// Is there nothing yet, and nothing that says that there was something? A server has to be asked.
    pub(crate) fn is_vacant(&self) -> bool {
        match self {
            Self::Sqlite(path) => ["", "-wal", ".mark"]
                .iter()
                .all(|suffix| std::fs::symlink_metadata(crate::files::beside(path, suffix)).is_err()),
            Self::Postgres(_) => false,
        }
    }
}

impl FromStr for Location {
    type Err = BadLocation;
    fn from_str(text: &str) -> Result<Self, BadLocation> {
        if text.is_empty() {
            return Err(BadLocation::Empty);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Sqlite(PathBuf::from(text)));
        };
        match scheme {
            "sqlite" | "file" if rest.is_empty() => Err(BadLocation::Empty),
            "sqlite" | "file" => Ok(Self::Sqlite(PathBuf::from(rest))),
            "postgres" | "postgresql" => {
                let server = ServerAddress::parse(rest).map_err(BadLocation::Postgres)?;
                Ok(Self::Postgres(Box::new(server)))
            }
            other if other.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '-') => {
                Err(BadLocation::Scheme(other.to_owned()))
            }
            _ => Ok(Self::Sqlite(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_paths_or_urls() {
        for (text, path) in [
            ("/var/x.db", "/var/x.db"),
            ("x.db", "x.db"),
            ("sqlite:///var/x.db", "/var/x.db"),
            ("sqlite://x.db", "x.db"),
            ("odd/a b://c", "odd/a b://c"),
        ] {
            assert_eq!(text.parse::<Location>().unwrap(), Location::file(path), "{text}");
        }
        assert_eq!("".parse::<Location>(), Err(BadLocation::Empty));
        assert_eq!("sqlite://".parse::<Location>(), Err(BadLocation::Empty));
        let server: Location = "postgres:///ops".parse().unwrap();
        assert_eq!((server.to_string().as_str(), server.path()), ("postgres:///ops", None));
        let refused = "postgres://u:secret@h/db?sslmode=require".parse::<Location>().unwrap_err();
        assert!(!refused.to_string().contains("secret"), "{refused}");
        assert_eq!("mysql://h/db".parse::<Location>(), Err(BadLocation::Scheme("mysql".to_owned())));
    }
}
