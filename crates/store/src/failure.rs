//! The one error inside this crate, turned into words of the port at its border.

use rusqlite::ErrorCode;
use sloth_core::store::StoreError;

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

/// What SQLite calls it.
fn code_of(error: &sql::Error) -> Option<ErrorCode> {
    match error {
        sql::Error::Sqlite(error) => error.sqlite_error_code(),
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
    /// Was it the name of something that has to be unique?
    pub fn is_unique(&self) -> bool {
        matches!(self, Self::Sql(e) if code_of(e) == Some(ErrorCode::ConstraintViolation))
    }
    /// Did another connection hold the lock for too long?
    pub fn is_busy(&self) -> bool {
        let code = match self {
            Self::Sql(e) => code_of(e),
            _ => None,
        };
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }
    /// Did the disk fail, so that the connection must not be trusted any more?
    pub fn is_disk(&self) -> bool {
        match self {
            Self::File(..) => true,
            Self::Sql(e) => matches!(
                code_of(e),
                Some(
                    ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseCorrupt
                        | ErrorCode::NotADatabase
                        | ErrorCode::DiskFull
                        | ErrorCode::ReadOnly
                )
            ),
            _ => false,
        }
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
                match code_of(&error) {
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                        StoreError::Busy { location, why: "another process kept it locked".to_owned() }
                    }
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                        StoreError::Damaged { location, what: why }
                    }
                    Some(ErrorCode::ConstraintViolation) => StoreError::Damaged {
                        location,
                        what: format!("a row contradicts the rules of its table: {why}"),
                    },
                    Some(_) => StoreError::Io { location, why },
                    None => StoreError::Damaged { location, what: why },
                }
            }
        }
    }
}
