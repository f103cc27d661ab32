//! One connection to a PostgreSQL server, with the statements prepared on it, and values on their way through it.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use postgres::types::{Format, IsNull, Type};
use postgres::{Client, SimpleQueryMessage};
use sloth_core::store::Wait;

use super::refusal::Refusal;
use crate::sql::{self, Error, Params, Sink, Value};

/// So many prepared statements are kept by a connection.
const STATEMENTS: usize = 256;
/// Stands before what replaces a zero byte, which no text of PostgreSQL can hold, and before itself. It is no character,
/// so that texts hardly ever contain it.
const ESCAPE: char = '\u{FDD0}';

/// Where a connection is between `BEGIN` and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Every statement is a transaction of its own.
    Outside,
    /// In a transaction.
    Open,
    /// In one that can only be rolled back.
    Failed,
}

/// One connection.
pub struct Link {
    client: RefCell<Client>,
    statements: RefCell<HashMap<Box<str>, postgres::Statement>>,
    stage: Cell<Stage>,
    wait: Cell<Option<Wait>>,
    lost: Cell<bool>,
    /// The value of `synchronous_commit` that waits for the disk.
    durable: String,
    /// The process of the server that works for it.
    pid: i32,
    /// Has it been compared with the mark of this host?
    pub(super) marked: Cell<bool>,
}

impl Link {
    pub(super) fn new(client: Client, durable: &str, pid: i32) -> Self {
        Self {
            client: RefCell::new(client),
            statements: RefCell::default(),
            stage: Cell::new(Stage::Outside),
            wait: Cell::new(None),
            lost: Cell::new(false),
            durable: durable.to_owned(),
            pid,
            marked: Cell::new(false),
        }
    }

    /// Notes what an error means for the connection.
    fn failed(&self, error: &postgres::Error) -> Error {
        if self.stage.get() == Stage::Open {
            self.stage.set(Stage::Failed);
        }
        let refusal = Refusal::of(error);
        if refusal.is_lost() {
            self.lost.set(true);
        }
        Error::Server(Box::new(refusal))
    }

    /// Is it of no use any more?
    pub fn is_lost(&self) -> bool {
        self.lost.get() || self.client.borrow().is_closed()
    }

    /// Is a transaction open that can still be committed?
    pub fn is_open(&self) -> bool {
        self.stage.get() == Stage::Open
    }

    /// The process of the server that works for it.
    pub(super) const fn pid(&self) -> i32 {
        self.pid
    }

    /// Gives a statement, prepared at its first use on this connection.
    pub fn prepare(&self, sql: &str) -> sql::Result<Statement<'_>> {
        if let Some(known) = self.statements.borrow().get(sql) {
            return Ok(Statement { link: self, statement: known.clone() });
        }
        let text = with_dollars(sql);
        let prepared = self.client.borrow_mut().prepare(&text).map_err(|e| self.failed(&e))?;
        let mut kept = self.statements.borrow_mut();
        if kept.len() >= STATEMENTS {
            kept.clear();
        }
        kept.insert(sql.into(), prepared.clone());
        Ok(Statement { link: self, statement: prepared })
    }

    /// Runs statements without parameters, all in one round trip, and gives the rows of all of them as text.
    pub fn batch(&self, sql: &str) -> sql::Result<Vec<Vec<Option<String>>>> {
        let answer = self.client.borrow_mut().simple_query(sql).map_err(|e| self.failed(&e))?;
        let rows = answer.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Begins to look at one picture of the database, that of now.
    pub fn begin_view(&self) -> sql::Result<()> {
        // The picture is taken by the first question.
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT 1")?;
        self.stage.set(Stage::Open);
        Ok(())
    }

    /// Makes commits wait for the disk, or not.
    fn settle(&self, wait: Wait) -> String {
        if self.wait.get() == Some(wait) {
            return String::new();
        }
        match wait {
            Wait::Durable => format!("SET synchronous_commit = {}; ", self.durable),
            Wait::Fast => "SET synchronous_commit = off; ".to_owned(),
        }
    }

    /// Makes statements that are transactions of their own wait for the disk, or not.
    pub fn commits_with(&self, wait: Wait) -> sql::Result<()> {
        let set = self.settle(wait);
        if !set.is_empty() {
            self.batch(&set)?;
            self.wait.set(Some(wait));
        }
        Ok(())
    }

    /// Begins a transaction of the one who writes, and gives the first row the statement `lock` answers with.
    pub(super) fn begin(&self, wait: Wait, lock: &str) -> sql::Result<Vec<Option<String>>> {
        let sql = format!(
            "{}BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; \
             SET LOCAL idle_in_transaction_session_timeout = '30s'; {lock}",
            self.settle(wait)
        );
        let answer = self.batch(&sql);
        if answer.is_err() {
            // How far it came is not known.
            self.wait.set(None);
            self.stage.set(Stage::Failed);
        }
        let rows = answer?;
        self.wait.set(Some(wait));
        self.stage.set(Stage::Open);
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// Does what is committed now wait for the disk?
    pub(super) fn waits(&self) -> bool {
        self.wait.get() != Some(Wait::Fast)
    }

    /// Makes a transaction so.
    pub(super) fn commit(&self) -> sql::Result<()> {
        self.batch("COMMIT")?;
        self.stage.set(Stage::Outside);
        Ok(())
    }

    /// Ends a transaction as if it had not been, if one is open. False when the connection cannot be used any more.
    pub fn rest(&self) -> bool {
        if self.stage.get() != Stage::Outside && !self.lost.get() && self.batch("ROLLBACK").is_ok() {
            self.stage.set(Stage::Outside);
        }
        self.stage.get() == Stage::Outside && !self.is_lost()
    }

    /// The last number given to a column that numbers itself.
    pub fn last_number(&self, table: &str, column: &str) -> sql::Result<i64> {
        let sql = format!(
            "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence('{table}', '{column}') AS regclass)), 0)"
        );
        let rows = self.batch(&sql)?;
        let last = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        last.unwrap_or("0").parse().map_err(|_| Error::Number)
    }

    /// Lets it go on behind this number and behind the rows.
    pub fn number_from(&self, table: &str, column: &str, last: i64) -> sql::Result<()> {
        let sql = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), highest) \
             FROM (SELECT greatest(max({column}), {last}) AS highest FROM {table}) found WHERE highest > 0"
        );
        self.batch(&sql).map(|_| ())
    }

    /// The server's clock.
    pub fn time(&self) -> sql::Result<i64> {
        // Counted in microseconds, as the server does.
        let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) * 1000";
        let rows = self.prepare(sql)?.query(&[] as &[&dyn sql::ToSql; 0])?;
        let row = rows.rows.first().ok_or(Error::NoRows)?;
        sql::FromSql::from_sql(row.value(0)?)
    }
}

/// `?1` as PostgreSQL writes it.
fn with_dollars(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        let parameter = c == '?' && chars.peek().is_some_and(char::is_ascii_digit);
        out.push(if parameter { '$' } else { c });
    }
    out
}

/// A prepared statement.
pub struct Statement<'c> {
    link: &'c Link,
    statement: postgres::Statement,
}

impl Statement<'_> {
    fn bound<'p, P: Params>(&self, params: &'p P) -> sql::Result<Vec<Wire<'p>>> {
        let mut binding = Binding(Vec::new());
        params.bind(&mut binding)?;
        let (bound, wanted) = (binding.0.len(), self.statement.params().len());
        if bound == wanted {
            Ok(binding.0)
        } else {
            Err(Error::Server(Box::new(Refusal::ours(format!(
                "{bound} parameters for a statement with {wanted}"
            )))))
        }
    }

    /// Runs it and says how many rows it changed.
    pub fn execute<P: Params>(&self, params: &P) -> sql::Result<usize> {
        let bound = self.bound(params)?;
        let bound: Vec<&(dyn postgres::types::ToSql + Sync)> = bound.iter().map(|wire| wire as _).collect();
        let answer = self.link.client.borrow_mut().execute(&self.statement, &bound);
        let rows = answer.map_err(|e| self.link.failed(&e))?;
        usize::try_from(rows).map_err(|_| Error::Number)
    }

    /// Asks it.
    pub fn query<P: Params>(&self, params: &P) -> sql::Result<Rows> {
        let bound = self.bound(params)?;
        let bound: Vec<&(dyn postgres::types::ToSql + Sync)> = bound.iter().map(|wire| wire as _).collect();
        let answer = self.link.client.borrow_mut().query(&self.statement, &bound);
        let rows = answer.map_err(|e| self.link.failed(&e))?;
        Ok(Rows { rows: rows.into_iter().map(Row::read).collect::<sql::Result<_>>()?, next: 0 })
    }
}

/// The rows of an answer.
pub struct Rows {
    rows: Vec<Row>,
    next: usize,
}

impl Rows {
    /// The next one.
    pub fn next(&mut self) -> Option<&Row> {
        self.next += 1;
        self.rows.get(self.next - 1)
    }
}

/// One row: as it came, and the texts that stand for others.
pub struct Row {
    row: postgres::Row,
    plain: Vec<(usize, String)>,
}

impl Row {
    fn read(row: postgres::Row) -> sql::Result<Self> {
        let mut plain = Vec::new();
        for at in 0..row.len() {
            if let Value::Text(text) = cell(&row, at)?
                && text.contains(ESCAPE)
            {
                plain.push((at, unescaped(text)));
            }
        }
        Ok(Self { row, plain })
    }

    /// The value of a column.
    pub fn value(&self, at: usize) -> sql::Result<Value<'_>> {
        match self.plain.iter().find(|(column, _)| *column == at) {
            Some((_, text)) => Ok(Value::Text(text)),
            None => cell(&self.row, at),
        }
    }
}

fn cell(row: &postgres::Row, at: usize) -> sql::Result<Value<'_>> {
    let raw: Raw<'_> = row.try_get(at).map_err(|e| Error::Server(Box::new(Refusal::of(&e))))?;
    raw.0
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, '1']),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != ESCAPE {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('0') => out.push('\0'),
            Some('1') => out.push(ESCAPE),
            // Somebody else wrote it.
            Some(other) => out.extend([ESCAPE, other]),
            None => out.push(ESCAPE),
        }
    }
    out
}

/// Takes the parameters of a statement.
struct Binding<'p>(Vec<Wire<'p>>);

impl<'p> Sink<'p> for Binding<'p> {
    fn put(&mut self, value: Value<'p>) -> sql::Result<()> {
        self.0.push(Wire(value));
        Ok(())
    }
}

/// A value on its way to the server.
#[derive(Debug)]
struct Wire<'v>(Value<'v>);

type Sent = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl postgres::types::ToSql for Wire<'_> {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> Sent {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) if *ty == Type::INT4 => i32::try_from(number)?.to_sql(ty, out),
            Value::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Value::Text(text) if *ty == Type::TEXT => escaped(text).to_sql(ty, out),
            Value::Bytes(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            other => {
                Err(format!("{other:?} was given where the statement has a parameter of type {ty}").into())
            }
        }
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    fn to_sql_checked(&self, ty: &Type, out: &mut bytes::BytesMut) -> Sent {
        self.to_sql(ty, out)
    }
    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }
}

/// A value on its way from the server; what no column of ours can hold is an error where it is asked for.
struct Raw<'r>(sql::Result<Value<'r>>);

impl<'r> postgres::types::FromSql<'r> for Raw<'r> {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let number = |number: i64| Ok(Value::Int(number));
        Ok(Self(match *ty {
            Type::INT8 => number(i64::from_sql(ty, raw)?),
            Type::INT4 => number(i32::from_sql(ty, raw)?.into()),
            Type::BOOL => number(bool::from_sql(ty, raw)?.into()),
            Type::TEXT => Ok(Value::Text(<&str>::from_sql(ty, raw)?)),
            Type::BYTEA => Ok(Value::Bytes(raw)),
            _ => Err(Error::Kind { found: "something of another type", wanted: "what was written" }),
        }))
    }
    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Ok(Value::Null)))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_as_the_server_wants_them() {
        assert_eq!(
            with_dollars("SELECT ?1, ?12 WHERE a = '?' AND b = ?1"),
            "SELECT $1, $12 WHERE a = '?' AND b = $1"
        );
    }

    #[test]
    fn zero_bytes_survive() {
        for text in ["", "plain", "\0", "a\0b", "\u{FDD0}", "\u{FDD0}0", "\0\u{FDD0}\0", "\u{FDD0}\u{FDD0}1"]
        {
            let kept = escaped(text);
            assert!(!kept.contains('\0'));
            assert_eq!(unescaped(&kept), text, "{text:?}");
        }
        assert_eq!(unescaped("\u{FDD0}x\u{FDD0}"), "\u{FDD0}x\u{FDD0}");
    }
}
