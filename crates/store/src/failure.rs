//! The one error inside this crate, turned into words of the port at its border.

use rusqlite::ErrorCode;
use sloth_core::store::StoreError;

use crate::server::Meaning;
use crate::sql;

/// What went wrong inside. [`Failure::at`] says it with the place.
#[derive(Debug)]
pub enum Failure {
    /// The database said no.
    Sql(sql::Error),
    /// A stored row cannot be what we wrote.
    Bad(String),
    /// The system said no, to what.
    File(String, std::io::Error),
    /// Already said in words of the port.
    Store(StoreError),
}

pub type Outcome<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error.into())
    }
}
impl From<sql::Error> for Failure {
    fn from(error: sql::Error) -> Self {
        Self::Sql(error)
    }
}
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Bad(format!("a stored value is not what was written: {error}"))
    }
}

impl From<sloth_core::recorded_body::BadRecord> for Failure {
    fn from(error: sloth_core::recorded_body::BadRecord) -> Self {
        Self::Bad(error.to_string())
    }
}

/// What the engine's refusal means; nothing when the engine refused nothing.
fn meaning(error: &sql::Error) -> Option<Meaning> {
    match error {
        sql::Error::Sqlite(error) => error.sqlite_error_code().map(|code| match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Meaning::Busy,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Meaning::Damaged,
            ErrorCode::ConstraintViolation => Meaning::Rule,
            ErrorCode::SystemIoFailure | ErrorCode::DiskFull | ErrorCode::ReadOnly => Meaning::Broken,
            _ => Meaning::Other,
        }),
        sql::Error::Server(refusal) => Some(refusal.meaning()),
        _ => None,
    }
}

impl Failure {
    /// A row that contradicts what this program writes.
    pub fn bad(what: impl Into<String>) -> Self {
        Self::Bad(what.into())
    }
    /// A name that is taken or an object that is not there.
    pub fn conflict(what: impl Into<String>) -> Self {
        Self::Store(StoreError::Conflict(what.into()))
    }
    /// Did another connection hold the lock for too long?
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Sql(e) => meaning(e) == Some(Meaning::Busy),
            _ => false,
        }
    }
    /// Did the disk or the way to the server fail, so that the connection must not be trusted any more?
    pub fn is_disk(&self) -> bool {
        match self {
            Self::File(..) => true,
            Self::Sql(e) => matches!(meaning(e), Some(Meaning::Broken | Meaning::Damaged)) || self.is_lost(),
            _ => false,
        }
    }
    /// Is the connection to the server gone?
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Sql(sql::Error::Server(refusal)) if refusal.is_lost())
    }
    /// Could the server not be reached?
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Store(StoreError::Io { .. })) || self.is_lost()
    }
    /// In words of the port.
    pub fn at(self, location: &str) -> StoreError {
        let location = location.to_owned();
        match self {
            Self::Store(error) => error,
            Self::Bad(what) => StoreError::Damaged { location, what },
            Self::File(what, error) => StoreError::Io { location, why: format!("{what}: {error}") },
            Self::Sql(error) => {
                let why = error.to_string();
                match meaning(&error) {
                    Some(Meaning::Busy) => {
                        StoreError::Busy { location, why: "another process kept it locked".to_owned() }
                    }
                    Some(Meaning::Damaged) => StoreError::Damaged { location, what: why },
                    Some(Meaning::Rule) => StoreError::Damaged {
                        location,
                        what: format!("a row contradicts the rules of its table: {why}"),
                    },
                    Some(Meaning::Forbidden) => StoreError::Refused { location, why },
                    Some(Meaning::Broken | Meaning::Other) => StoreError::Io { location, why },
                    None => StoreError::Damaged { location, what: why },
                }
            }
        }
    }
}
