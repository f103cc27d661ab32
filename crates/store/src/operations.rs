//! The operation log: a chain over the whole store.

use sloth_core::actor::Actor;
use sloth_core::clock::Timestamp;
use sloth_core::digest::Digest;
use sloth_core::id::OperationId;
use sloth_core::operation::Operation;
use sloth_core::store::{OperationRecord, ReadOperations, StoreError};
use sloth_core::value::{Value, canonical, to_value};
use sloth_core::version::Version;

use crate::failure::Outcome;
use crate::session::{Session, digest_of};
use crate::sql::{self, Connection, OptionalExtension as _, Row, params};

/// What is to be logged.
pub struct Entry<'a> {
    pub at: Timestamp,
    pub actor: &'a Actor,
    pub verb: &'a str,
    pub arguments: &'a [String],
    pub stack: Option<(String, String)>,
    pub before: Option<Version>,
    pub after: Option<Version>,
    pub record: OperationRecord,
}

const COLUMNS: &str = "seq, id, at, actor, verb, arguments, stack_id, stack_name, before, after, undo, undoes, \
                       prev_hash, hash";

/// Adds the next entry and returns its place, its id and its link.
pub fn append(conn: Connection<'_>, entry: Entry<'_>) -> Outcome<(u64, OperationId, Digest)> {
    let last = conn
        .prepare_cached("SELECT seq, hash FROM operations ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()?;
    let (seq, prev_hash) = match last {
        Some((seq, hash)) => (seq + 1, digest_of(&hash)?),
        None => (1, Digest::ZERO),
    };
    let mut operation = Operation {
        seq,
        id: OperationId::generate(entry.at),
        at: entry.at,
        actor: entry.actor.clone(),
        verb: entry.verb.to_owned(),
        arguments: entry.arguments.to_vec(),
        stack: entry.stack,
        before: entry.before,
        after: entry.after,
        undo: entry.record.undo,
        undoes: entry.record.undoes,
        prev_hash,
        hash: Digest::ZERO,
    };
    operation.hash = operation.link();
    let sql = "INSERT INTO operations (seq, id, at, actor, verb, arguments, stack_id, stack_name, before, after, undo, \
               undoes, prev_hash, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    conn.prepare_cached(sql)?.execute(params![
        operation.seq,
        operation.id.as_str(),
        operation.at.as_nanos(),
        canonical(&to_value(&operation.actor)),
        operation.verb,
        canonical(&to_value(&operation.arguments)),
        operation.stack.as_ref().map(|(id, _)| id),
        operation.stack.as_ref().map(|(_, name)| name),
        operation.before.map(|v| v.0),
        operation.after.map(|v| v.0),
        canonical(&operation.undo),
        operation.undoes,
        operation.prev_hash.as_bytes(),
        operation.hash.as_bytes(),
    ])?;
    Ok((operation.seq, operation.id, operation.hash))
}

type Raw = (Operation, String, String, String, [u8; 32], [u8; 32]);

fn raw(row: &Row<'_>) -> sql::Result<Raw> {
    let id: Option<String> = row.get(6)?;
    let name: Option<String> = row.get(7)?;
    let operation = Operation {
        seq: row.get(0)?,
        id: OperationId::from_stored(row.get::<_, String>(1)?),
        at: Timestamp::from_nanos(row.get(2)?),
        actor: Actor::named(""),
        verb: row.get(4)?,
        arguments: Vec::new(),
        stack: id.zip(name),
        before: row.get::<_, Option<u64>>(8)?.map(Version),
        after: row.get::<_, Option<u64>>(9)?.map(Version),
        undo: Value::Null,
        undoes: row.get(11)?,
        prev_hash: Digest::ZERO,
        hash: Digest::ZERO,
    };
    Ok((operation, row.get(3)?, row.get(5)?, row.get(10)?, row.get(12)?, row.get(13)?))
}

fn whole((operation, actor, arguments, undo, prev_hash, hash): Raw) -> Outcome<Operation> {
    Ok(Operation {
        actor: serde_json::from_str(&actor)?,
        arguments: serde_json::from_str(&arguments)?,
        undo: serde_json::from_str(&undo)?,
        prev_hash: digest_of(&prev_hash)?,
        hash: digest_of(&hash)?,
        ..operation
    })
}

/// All entries in order, for checking.
pub fn all(conn: Connection<'_>, mut each: impl FnMut(Operation)) -> Outcome<()> {
    let mut ask = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM operations ORDER BY seq"))?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        each(whole(raw(&row)?)?);
    }
    Ok(())
}

impl Session<'_> {
    fn list_operations(&self, limit: u64) -> Outcome<Vec<Operation>> {
        let limit = sql::limit(limit);
        let sql = format!("SELECT {COLUMNS} FROM operations ORDER BY seq DESC LIMIT ?1");
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = ask.query([limit])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(whole(raw(&row)?)?);
        }
        Ok(out)
    }
    fn get_operation(&self, seq: u64) -> Outcome<Option<Operation>> {
        let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
        let sql = format!("SELECT {COLUMNS} FROM operations WHERE seq = ?1");
        let found = self.conn()?.prepare_cached(&sql)?.query_row([seq], raw).optional()?;
        found.map(whole).transpose()
    }
}

impl ReadOperations for Session<'_> {
    fn operation_list(&self, limit: u64) -> Result<Vec<Operation>, StoreError> {
        self.shared.told(self.list_operations(limit))
    }
    fn operation_get(&self, seq: u64) -> Result<Option<Operation>, StoreError> {
        self.shared.told(self.get_operation(seq))
    }
}
