//! The facade on SQLite. Everything here is a name for what `rusqlite` does; values are borrowed from the library.

use rusqlite::types::{ToSqlOutput, ValueRef};

use super::{Error, Params, Result, Sink, Value};

/// A value on its way into SQLite.
struct Bound<'v>(Value<'v>);

impl rusqlite::ToSql for Bound<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

struct Binding<'b, 'c> {
    statement: &'b mut rusqlite::Statement<'c>,
    bound: usize,
}

impl<'p> Sink<'p> for Binding<'_, '_> {
    #[inline]
    fn put(&mut self, value: Value<'p>) -> Result<()> {
        self.bound += 1;
        Ok(self.statement.raw_bind_parameter(self.bound, Bound(value))?)
    }
}

/// Binds all parameters. A statement with another number of them is not run.
pub fn bind<P: Params>(statement: &mut rusqlite::Statement<'_>, params: &P) -> Result<()> {
    let mut binding = Binding { statement, bound: 0 };
    params.bind(&mut binding)?;
    let (bound, wanted) = (binding.bound, binding.statement.parameter_count());
    if bound == wanted { Ok(()) } else { Err(rusqlite::Error::InvalidParameterCount(bound, wanted).into()) }
}

/// The value of a column.
#[inline]
pub fn value<'r>(row: &'r rusqlite::Row<'_>, at: usize) -> Result<Value<'r>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).map_err(|_| Error::Utf8)?),
        ValueRef::Blob(bytes) => Value::Bytes(bytes),
        ValueRef::Real(_) => return Err(Error::Kind { found: "a fraction", wanted: "what was written" }),
    })
}

/// The last number given to a table with `AUTOINCREMENT`; of others only their rows know.
pub fn last_number(conn: &rusqlite::Connection, table: &str) -> rusqlite::Result<i64> {
    let ask = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
    conn.query_row(ask, [table], |row| row.get(0))
}

/// Raises it; rows that were put in have done so before.
pub fn number_from(conn: &rusqlite::Connection, table: &str, last: i64) -> rusqlite::Result<()> {
    let counts = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 AND sql LIKE '%AUTOINCREMENT%'";
    if last == 0 || conn.query_row(counts, [table], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let raise = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
    if conn.execute(raise, rusqlite::params![table, last])? == 0 {
        conn.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
            rusqlite::params![table, last],
        )?;
    }
    Ok(())
}
