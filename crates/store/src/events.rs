//! Events: one gapless history per stack, and one for what concerns no stack.

use std::fmt::Write as _;

use sloth_core::clock::Timestamp;
use sloth_core::event::{Event, EventType, Severity, StoredEvent};
use sloth_core::id::{EventId, RunId, StackId};
use sloth_core::store::{EventFilter, ReadEvents, StoreError, WriteEvents};
use sloth_core::value::{Value, canonical};

use crate::failure::{Failure, Outcome};
use crate::hooks;
use crate::session::{Session, stack_row};
use crate::sql::{self, Connection, OptionalExtension as _, Owned, Row, params};

/// Number under which events of no stack are kept.
const NO_STACK: i64 = 0;

const INSERT: &str = "INSERT INTO events (stack, seq, id, kind, severity, at, run, task, address, message, payload, actor) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const COLUMNS: &str = "seq, id, kind, severity, at, run, task, address, message, payload, actor";

/// The number the next event of a stack gets.
pub fn next_seq(conn: Connection<'_>, stack: i64) -> Outcome<u64> {
    let sql = "SELECT coalesce(max(seq), 0) + 1 FROM events WHERE stack = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([stack], |row| row.get(0))?)
}

/// Writes one event.
pub fn insert(
    conn: Connection<'_>,
    (stack, seq): (i64, u64),
    id: &[u8; 16],
    event: &Event,
    actor: &str,
) -> Outcome<()> {
    let kind = event.type_name();
    let payload = match &event.payload {
        Value::Null => None,
        value => Some(canonical(value)),
    };
    conn.prepare_cached(INSERT)?.execute(params![
        stack,
        seq,
        id,
        kind.as_ref(),
        rank(event.severity),
        event.at.as_nanos(),
        event.run.as_ref().map(RunId::as_str),
        event.task,
        event.address.as_ref().map(ToString::to_string),
        event.message,
        payload,
        actor,
    ])?;
    Ok(())
}

const fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
    }
}

fn stored(row: &Row<'_>, stack: Option<&str>) -> Outcome<StoredEvent> {
    let kind: String = row.get(2)?;
    let severity = match row.get::<_, i64>(3)? {
        0 => Severity::Info,
        1 => Severity::Warning,
        _ => Severity::Error,
    };
    let address: Option<String> = row.get(7)?;
    let payload: Option<String> = row.get(9)?;
    Ok(StoredEvent {
        seq: row.get(0)?,
        id: EventId::from_stored(id_text(&row.get::<_, [u8; 16]>(1)?)),
        stack: stack.map(str::to_owned),
        actor: row.get(10)?,
        event: Event {
            kind: EventType::parse(&kind)
                .ok_or_else(|| Failure::bad(format!("`{kind}` is not a type of event")))?,
            severity,
            at: Timestamp::from_nanos(row.get(4)?),
            run: row.get::<_, Option<String>>(5)?.map(RunId::from_stored),
            task: row.get(6)?,
            address: address
                .map(|text| text.parse().map_err(|_| Failure::bad(format!("`{text}` is not an address"))))
                .transpose()?,
            message: row.get(8)?,
            payload: payload.map_or(Ok(Value::Null), |text| serde_json::from_str(&text))?,
        },
    })
}

fn id_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Session<'_> {
    fn list_events(&self, filter: &EventFilter) -> Outcome<Vec<StoredEvent>> {
        let conn = self.conn()?;
        let stacks: Vec<(i64, Option<String>)> = match &filter.stack {
            Some(id) => match self.stack(id)? {
                Some(row) => vec![(row.num, Some(row.name))],
                None => return Ok(Vec::new()),
            },
            None => {
                let mut ask = conn.prepare_cached("SELECT num, name FROM stacks")?;
                let rows = ask.query_map([], |row| Ok((row.get(0)?, Some(row.get(1)?))))?;
                std::iter::once(Ok((NO_STACK, None))).chain(rows).collect::<Result<_, _>>()?
            }
        };
        let mut out: Vec<(i64, StoredEvent)> = Vec::new();
        for (num, name) in stacks {
            let found = of_stack(conn, num, name.as_deref(), filter)?;
            out.extend(found.into_iter().map(|event| (num, event)));
        }
        if filter.stack.is_none() {
            out.sort_by(|(a_num, a), (b_num, b)| (a.event.at, a_num, a.seq).cmp(&(b.event.at, b_num, b.seq)));
        }
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        if limit > 0 && out.len() > limit {
            out.drain(..out.len() - limit);
        }
        Ok(out.into_iter().map(|(_, event)| event).collect())
    }

    fn append_event(&mut self, stack: Option<&StackId>, event: &Event) -> Outcome<()> {
        let num = match (stack, self.change()?.1) {
            (None, _) => NO_STACK,
            (Some(id), writing) => match (&writing.intent.stack, &writing.stack) {
                (Some((held, ..)), Some(row)) if held == id => row.num,
                _ => {
                    let row = stack_row(self.conn()?, id)?;
                    row.ok_or_else(|| Failure::conflict(format!("there is no stack with id `{id}`")))?.num
                }
            },
        };
        let (conn, writing, shared) = self.change()?;
        let seq = match writing.event_seqs.get(&num) {
            Some(next) => *next,
            None => next_seq(conn, num)?,
        };
        let id = writing.next_event_id(shared);
        insert(conn, (num, seq), &id, event, &writing.intent.actor.name)?;
        writing.event_seqs.insert(num, seq + 1);
        if writing.hooks.is_none() {
            writing.hooks = Some(hooks::enabled(conn)?);
        }
        hooks::owe(shared, conn, writing.hooks.as_deref().unwrap_or_default(), (num, seq), stack, event)
    }

    fn clean_events(&mut self, stack: Option<&StackId>, before: Timestamp) -> Outcome<u64> {
        let only = match stack {
            Some(id) => match stack_row(self.conn()?, id)? {
                Some(row) => Some(row.num),
                None => return Ok(0),
            },
            None => None,
        };
        let (conn, ..) = self.change()?;
        let mut ask = conn.prepare_cached(
            "SELECT DISTINCT stack FROM events WHERE CAST(?1 AS BIGINT) IS NULL OR stack = ?1",
        )?;
        let all = ask.query_map([only], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
        let mut gone = 0;
        for num in all {
            // Times need not be in the order of numbers; what goes is everything before the first that stays.
            let sql = "SELECT max(seq), min(CASE WHEN at >= ?2 THEN seq END) FROM events WHERE stack = ?1";
            let (last, young): (u64, Option<u64>) = conn
                .prepare_cached(sql)?
                .query_row(params![num, before.as_nanos()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let owed = hooks::first_owed(conn, num)?;
            let keep = [Some(last), young, owed].into_iter().flatten().min().unwrap_or(last);
            gone += conn
                .prepare_cached("DELETE FROM events WHERE stack = ?1 AND seq < ?2")?
                .execute(params![num, keep])? as u64;
        }
        Ok(gone)
    }
}

/// Matching events of one stack, oldest first.
fn of_stack(
    conn: Connection<'_>,
    num: i64,
    name: Option<&str>,
    filter: &EventFilter,
) -> Outcome<Vec<StoredEvent>> {
    let mut sql = format!("SELECT {COLUMNS} FROM events WHERE stack = ?1");
    let mut values = vec![Owned::from(num)];
    let mut with = |condition: &str, value: Owned| {
        values.push(value);
        let _ = write!(sql, "{condition} ?{}", values.len());
    };
    if let (Some(after), Some(_)) = (filter.after, &filter.stack) {
        with(" AND seq >", Owned::from(i64::try_from(after).unwrap_or(i64::MAX)));
    }
    match filter.kind.as_deref().map(|kind| (kind, kind.strip_suffix('*'))) {
        Some((_, Some(family))) => {
            with(
                " AND substr(kind, 1,",
                Owned::from(i64::try_from(family.chars().count()).unwrap_or(i64::MAX)),
            );
            with(") =", Owned::from(family.to_owned()));
        }
        Some((kind, None)) => {
            with(" AND kind =", Owned::from(kind.to_owned()));
        }
        None => {}
    }
    if let Some(run) = &filter.run {
        with(" AND run =", Owned::from(run.as_str().to_owned()));
    }
    if let Some(severity) = filter.severity {
        with(" AND severity >=", Owned::from(rank(severity)));
    }
    if let Some(since) = filter.since {
        with(" AND at >=", Owned::from(since.as_nanos()));
    }
    with(" ORDER BY seq DESC LIMIT", Owned::from(sql::limit(filter.limit)));
    let mut ask = conn.prepare_cached(&sql)?;
    let mut rows = ask.query(values)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(stored(&row, name)?);
    }
    out.reverse();
    Ok(out)
}

/// One event.
pub fn get(conn: Connection<'_>, num: i64, seq: u64) -> Outcome<Option<StoredEvent>> {
    let name = conn
        .prepare_cached("SELECT name FROM stacks WHERE num = ?1")?
        .query_row([num], |row| row.get::<_, String>(0))
        .optional()?;
    let sql = format!("SELECT {COLUMNS} FROM events WHERE stack = ?1 AND seq = ?2");
    let mut ask = conn.prepare_cached(&sql)?;
    let mut rows = ask.query(params![num, seq])?;
    rows.next()?.map(|row| stored(&row, name.as_deref())).transpose()
}

/// Where an event of this id is: number of its stack and its own.
pub fn place(conn: Connection<'_>, id: &str) -> Outcome<Option<(i64, u64)>> {
    let Some(id) = id_bytes(id) else { return Ok(None) };
    let sql = "SELECT stack, seq FROM events WHERE id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn id_bytes(text: &str) -> Option<[u8; 16]> {
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    if hex.len() == 32 { Some(u128::from_str_radix(&hex, 16).ok()?.to_be_bytes()) } else { None }
}

/// The id under which an event of a transaction of its own is stored.
pub fn fresh_id(now: Timestamp) -> [u8; 16] {
    id_bytes(EventId::generate(now).as_str()).unwrap_or_default()
}

/// First gap in the history of each stack, for checking: number of the stack and the number that is missing.
pub fn first_gap(conn: Connection<'_>) -> Outcome<Option<(i64, i64)>> {
    let sql = "SELECT stack, seq + 1 FROM (\
                 SELECT stack, seq, lead(seq) OVER (PARTITION BY stack ORDER BY seq) AS next FROM events) AS pairs \
               WHERE next <> seq + 1 LIMIT 1";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

impl ReadEvents for Session<'_> {
    fn event_list(&self, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
        self.shared.told(self.list_events(filter))
    }
}

impl WriteEvents for Session<'_> {
    fn event_append(&mut self, stack: Option<&StackId>, event: &Event) -> Result<(), StoreError> {
        let done = self.append_event(stack, event);
        self.shared.told(done)
    }
    fn event_clean(&mut self, stack: Option<&StackId>, before: Timestamp) -> Result<u64, StoreError> {
        let done = self.clean_events(stack, before);
        self.shared.told(done)
    }
}
