//! How the nouns talk to a database: the names and shapes of `rusqlite`, with one text of SQL for every engine.
//!
//! Statements are written for SQLite, with parameters `?1`, `?2` …, and with nothing that only one engine
//! knows: what has to differ is a method here. Dispatch is static and values are borrowed, so that the way through costs
//! SQLite nothing.

mod sqlite;
mod value;

pub(crate) use value::params;
pub use value::{And, FromSql, Owned, Params, Sink, ToSql, Value};

use crate::server::{self, Link};

/// What a database said no to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite did.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A PostgreSQL server did, or the way to it.
    #[error(transparent)]
    Server(Box<server::Refusal>),
    /// There is no row.
    #[error("there is no such row")]
    NoRows,
    /// A column holds another kind of value.
    #[error("a column holds {found} and not {wanted}")]
    Kind {
        /// What is there.
        found: &'static str,
        /// What was written.
        wanted: &'static str,
    },
    /// A number or a digest does not fit.
    #[error("a number is out of range")]
    Number,
    /// Text is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
}

pub type Result<T> = std::result::Result<T, Error>;

/// Turns the lack of a row into `None`.
pub trait OptionalExtension<T> {
    /// The row, if there is one.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(Error::NoRows) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A connection, lent.
#[derive(Clone, Copy)]
pub enum Connection<'c> {
    /// To an SQLite database.
    Sqlite(&'c rusqlite::Connection),
    /// To a PostgreSQL server.
    Server(&'c Link),
}

impl<'c> From<&'c rusqlite::Connection> for Connection<'c> {
    fn from(conn: &'c rusqlite::Connection) -> Self {
        Self::Sqlite(conn)
    }
}

impl<'c> Connection<'c> {
    /// Gives a statement, compiled at its first use on this connection.
    pub fn prepare_cached(self, sql: &str) -> Result<Statement<'c>> {
        match self {
            Self::Sqlite(conn) => Ok(Statement::Sqlite(conn.prepare_cached(sql)?)),
            Self::Server(link) => Ok(Statement::Server(link.prepare(sql)?)),
        }
    }

    /// Runs a statement and says how many rows it changed.
    pub fn execute<P: Params>(self, sql: &str, params: P) -> Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    /// The first row of an answer; [`Error::NoRows`] when there is none.
    pub fn query_row<T, P: Params>(
        self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }

    /// Begins to look at one picture of the database, that of now.
    pub fn begin_view(self) -> Result<()> {
        match self {
            Self::Sqlite(conn) => {
                conn.prepare_cached("BEGIN")?.execute([])?;
                // The picture is taken by the first read, so that is done here.
                Ok(conn.prepare_cached("PRAGMA user_version")?.query_row([], |_| Ok(()))?)
            }
            Self::Server(link) => link.begin_view(),
        }
    }

    /// Is no transaction open? One that was begun can end by itself, when the disk is full for instance.
    pub fn is_autocommit(self) -> bool {
        match self {
            Self::Sqlite(conn) => conn.is_autocommit(),
            Self::Server(link) => !link.is_open(),
        }
    }

    /// The last number that this column of a table was given by the database itself, as far as that is remembered beyond
    /// the rows.
    pub fn last_number(self, table: &str, column: &str) -> Result<i64> {
        match self {
            Self::Sqlite(conn) => Ok(sqlite::last_number(conn, table)?),
            Self::Server(link) => link.last_number(table, column),
        }
    }

    /// Lets the database go on behind this number and behind the rows that are there.
    pub fn number_from(self, table: &str, column: &str, last: i64) -> Result<()> {
        match self {
            Self::Sqlite(conn) => Ok(sqlite::number_from(conn, table, last)?),
            Self::Server(link) => link.number_from(table, column, last),
        }
    }

    /// What time it is where the database is, in nanoseconds since 1970, when that is another clock than ours.
    pub fn time(self) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(_) => Ok(None),
            Self::Server(link) => link.time().map(Some),
        }
    }
}

/// A compiled statement.
pub enum Statement<'c> {
    /// On SQLite.
    Sqlite(rusqlite::CachedStatement<'c>),
    /// On PostgreSQL.
    Server(server::Statement<'c>),
}

#[expect(clippy::needless_pass_by_value, reason = "`[a, b]` is written at the call, as with `rusqlite`")]
impl Statement<'_> {
    /// Runs it and says how many rows it changed.
    pub fn execute<P: Params>(&mut self, params: P) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => {
                sqlite::bind(statement, &params)?;
                Ok(statement.raw_execute()?)
            }
            Self::Server(statement) => statement.execute(&params),
        }
    }

    /// Asks it.
    pub fn query<P: Params>(&mut self, params: P) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => {
                sqlite::bind(statement, &params)?;
                Ok(Rows::Sqlite(statement.raw_query()))
            }
            Self::Server(statement) => Ok(Rows::Server(statement.query(&params)?)),
        }
    }

    /// The first row of the answer; [`Error::NoRows`] when there is none.
    pub fn query_row<T, P: Params>(
        &mut self,
        params: P,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.query(params)?.next()? {
            Some(row) => read(&row),
            None => Err(Error::NoRows),
        }
    }

    /// All rows of the answer, each as something else.
    pub fn query_map<T, P: Params, F: FnMut(&Row<'_>) -> Result<T>>(
        &mut self,
        params: P,
        read: F,
    ) -> Result<Mapped<'_, F>> {
        Ok(Mapped { rows: self.query(params)?, read })
    }
}

/// The rows of an answer.
pub enum Rows<'s> {
    /// From SQLite, as they are found.
    Sqlite(rusqlite::Rows<'s>),
    /// From PostgreSQL, all of them at once.
    Server(server::Rows),
}

impl Rows<'_> {
    /// The next one.
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
            Self::Server(rows) => Ok(rows.next().map(Row::Server)),
        }
    }
}

/// Rows, each made into something else.
pub struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for Mapped<'_, F> {
    type Item = Result<T>;
    fn next(&mut self) -> Option<Result<T>> {
        match self.rows.next() {
            Ok(Some(row)) => Some((self.read)(&row)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// One row.
#[derive(Clone, Copy)]
pub enum Row<'r> {
    /// From SQLite.
    Sqlite(&'r rusqlite::Row<'r>),
    /// From PostgreSQL.
    Server(&'r server::Row),
}

/// Place of a column, counted from 0.
pub trait Place {
    /// As a number.
    fn place(self) -> usize;
}

impl Place for usize {
    fn place(self) -> usize {
        self
    }
}

impl<'r> Row<'r> {
    /// The value of a column, read.
    pub fn get<I: Place, T: FromSql>(&self, at: I) -> Result<T> {
        T::from_sql(self.get_ref(at)?)
    }

    /// The value of a column where it is.
    pub fn get_ref<I: Place>(&self, at: I) -> Result<Value<'r>> {
        match self {
            Self::Sqlite(row) => sqlite::value(row, at.place()),
            Self::Server(row) => row.value(at.place()),
        }
    }
}

/// The parameter of `LIMIT` for a limit of which 0 means none.
pub fn limit(limit: u64) -> i64 {
    if limit == 0 { i64::MAX } else { i64::try_from(limit).unwrap_or(i64::MAX) }
}
