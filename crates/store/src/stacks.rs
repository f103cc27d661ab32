//! Stacks.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::clock::Timestamp;
use sloth_core::digest::Digest;
use sloth_core::id::StackId;
use sloth_core::past::Past;
use sloth_core::recorded_body::RecordedBody;
use sloth_core::stack::{Stack, StackStatus};
use sloth_core::store::{
    ReadStacks, StackMatch, StoreError, WriteDrift as _, WriteOutputs as _, WriteRuns as _, WriteStacks,
    WriteUpstreams as _,
};
use sloth_core::value::{Map, canonical, to_value};
use sloth_core::version::Version;

use crate::failure::{Failure, Outcome};
use crate::session::{Net, Session, StackRow};
use crate::sql::{self, And, Connection, OptionalExtension as _, Row, params};
use crate::sum::Sum;
use crate::versions;

const COLUMNS: &str = "id, name, description, version, status, head, workflow_file, configuration, metadata, \
                       created_at, updated_at, completed_at, last_run_at, execution_count, last_duration, last_error, \
                       rolled_back_to";
/// Shortest beginning of an id that stands for it.
const PREFIX: usize = 4;

fn map(text: &str) -> Outcome<Map> {
    if text == "{}" { Ok(Map::new()) } else { Ok(serde_json::from_str(text)?) }
}

fn stack(row: &Row<'_>) -> Outcome<Stack> {
    let status: String = row.get(4)?;
    let text = |at: usize| -> Outcome<Map> {
        map(row.get_ref(at)?.as_str().map_err(|_| Failure::bad("a stack's configuration is not text"))?)
    };
    let time = |at: usize| -> Outcome<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_nanos))
    };
    Ok(Stack {
        id: StackId::from_stored(row.get::<_, String>(0)?),
        name: row.get(1)?,
        description: row.get(2)?,
        version_label: row.get(3)?,
        status: StackStatus::parse(&status)
            .ok_or_else(|| Failure::bad(format!("`{status}` is not a status of a stack")))?,
        head: Version(row.get(5)?),
        workflow_file: row.get(6)?,
        configuration: text(7)?,
        metadata: text(8)?,
        created_at: Timestamp::from_nanos(row.get(9)?),
        updated_at: Timestamp::from_nanos(row.get(10)?),
        completed_at: time(11)?,
        last_run_at: time(12)?,
        execution_count: row.get(13)?,
        last_duration: row.get(14)?,
        last_error: row.get(15)?,
        rolled_back_to: row.get::<_, Option<u64>>(16)?.map(Version),
    })
}

/// The sum over what is written of a stack, while it is not in the trash.
pub fn sum(stack: &Stack) -> i64 {
    Sum::default()
        .text(stack.id.as_str())
        .text(&stack.name)
        .text(&stack.description)
        .text(&stack.version_label)
        .text(stack.status.as_str())
        .maybe_text(stack.workflow_file.as_deref())
        .text(&canonical(&to_value(&stack.configuration)))
        .text(&canonical(&to_value(&stack.metadata)))
        .number(stack.created_at.as_nanos())
        .number(stack.updated_at.as_nanos())
        .maybe_number(stack.completed_at.map(Timestamp::as_nanos))
        .maybe_number(stack.last_run_at.map(Timestamp::as_nanos))
        .number(i64::try_from(stack.execution_count).unwrap_or(i64::MAX))
        .number(i64::try_from(stack.last_duration).unwrap_or(i64::MAX))
        .maybe_text(stack.last_error.as_deref())
        .maybe_number(stack.rolled_back_to.map(|v| i64::try_from(v.0).unwrap_or(i64::MAX)))
        .end()
}

/// All stacks, whether each is in the trash, and the sum it has, for checking.
pub fn all(conn: Connection<'_>) -> Outcome<Vec<(Stack, bool, Option<i64>)>> {
    let mut ask =
        conn.prepare_cached(&format!("SELECT {COLUMNS}, deleted_at IS NOT NULL, sum FROM stacks"))?;
    let mut rows = ask.query([])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push((stack(&row)?, row.get(17)?, row.get(18)?));
    }
    Ok(out)
}

/// What is written of a stack, `?1` to `?17` of both statements. The head is moved by sealing only; a new stack begins its
/// chain with `?18`.
fn write(conn: Connection<'_>, sql: &str, stack: &Stack, new: bool) -> sql::Result<usize> {
    let row = params![
        stack.id.as_str(),
        stack.name,
        stack.description,
        stack.version_label,
        stack.status.as_str(),
        stack.workflow_file,
        canonical(&to_value(&stack.configuration)),
        canonical(&to_value(&stack.metadata)),
        stack.created_at.as_nanos(),
        stack.updated_at.as_nanos(),
        stack.completed_at.map(Timestamp::as_nanos),
        stack.last_run_at.map(Timestamp::as_nanos),
        stack.execution_count,
        stack.last_duration,
        stack.last_error,
        stack.rolled_back_to.map(|v| v.0),
        sum(stack),
    ];
    let mut put = conn.prepare_cached(sql)?;
    if new { put.execute(And(row, Digest::ZERO.as_bytes())) } else { put.execute(row) }
}

/// Refuses a name that another stack has. Whoever asks is the only one who writes, so it stays free until the end.
fn must_be_free(conn: Connection<'_>, name: &str, id: &StackId) -> Outcome<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM stacks WHERE name = ?1 AND deleted_at IS NULL AND id <> ?2)";
    if conn.prepare_cached(sql)?.query_row([name, id.as_str()], |row| row.get(0))? {
        return Err(taken(name));
    }
    Ok(())
}

fn taken(name: &str) -> Failure {
    Failure::conflict(format!("there is a stack `{name}` already"))
}

fn missing(id: &StackId) -> Failure {
    Failure::conflict(format!("there is no stack with id `{id}`"))
}

impl Session<'_> {
    fn one(&self, condition: &str, value: &str) -> Outcome<Option<Stack>> {
        let sql = format!("SELECT {COLUMNS} FROM stacks WHERE {condition}");
        let found = self.conn()?.prepare_cached(&sql)?.query_row([value], |row| Ok(stack(row))).optional()?;
        found.transpose()
    }

    fn find_stack(&self, text: &str) -> Outcome<StackMatch> {
        for condition in ["name = ?1 AND deleted_at IS NULL", "id = ?1 AND deleted_at IS NULL"] {
            if let Some(found) = self.one(condition, text)? {
                return Ok(StackMatch::One(Box::new(found)));
            }
        }
        if text.chars().count() < PREFIX {
            return Ok(StackMatch::None);
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM stacks \
             WHERE id >= ?1 AND id < ?2 AND deleted_at IS NULL ORDER BY name"
        );
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let after = format!("{text}{}", char::MAX);
        let mut rows = ask.query([text, &after])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(stack(&row)?);
        }
        Ok(match found.len() {
            0 => StackMatch::None,
            1 => found.pop().map_or(StackMatch::None, |only| StackMatch::One(Box::new(only))),
            _ => StackMatch::Many(found.into_iter().map(|s| s.name).collect()),
        })
    }

    fn list_stacks(&self) -> Outcome<Vec<Stack>> {
        let sql = format!("SELECT {COLUMNS} FROM stacks WHERE deleted_at IS NULL ORDER BY name");
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = ask.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(stack(&row)?);
        }
        Ok(out)
    }

    fn insert_stack(&mut self, stack: &Stack) -> Outcome<()> {
        if stack.head != Version::ZERO {
            return Err(Failure::conflict("a new stack has no versions"));
        }
        let (conn, writing, _) = self.change()?;
        let sql = "INSERT INTO stacks (id, name, description, version, status, workflow_file, configuration, metadata, \
                   created_at, updated_at, completed_at, last_run_at, execution_count, last_duration, last_error, \
                   rolled_back_to, sum, head, head_hash, fence, pending, resource_count, detection) VALUES (?1, ?2, ?3, \
                   ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0, ?18, 0, 0, 0, 0) ON CONFLICT DO NOTHING";
        if write(conn, sql, stack, true)? == 0 {
            return Err(taken(&stack.name));
        }
        writing.made.push((stack.id.clone(), stack.name.clone(), Version::ZERO));
        Ok(())
    }

    fn plant_stack(&mut self, past: &Past) -> Outcome<Version> {
        if self.change()?.1.intent.stack.is_some() {
            return Err(Failure::conflict("a stack with a history is made by a transaction of its own"));
        }
        let id = &past.stack.id;
        self.insert_stack(&past.stack)?;
        let row = self.stack(id)?.ok_or_else(|| missing(id))?;
        // Nobody else can see the stack yet, so its rows are written as if it were held.
        self.change()?.1.stack = Some(row);
        let planted = self.grow(past);
        let (conn, writing, _) = self.change()?;
        writing.changes.clear();
        let row = writing.stack.take();
        planted?;
        let row = row.ok_or_else(|| missing(id))?;
        let sql = "UPDATE stacks SET head = ?1, head_hash = ?2, resource_count = ?3 WHERE num = ?4";
        conn.prepare_cached(sql)?.execute(params![row.head, row.head_hash.as_bytes(), row.count, row.num])?;
        let head = Version(row.head);
        if let Some(made) = writing.made.iter_mut().find(|(made, ..)| made == id) {
            made.2 = head;
        }
        Ok(head)
    }

    /// Writes the history of the stack that the transaction pretends to hold, and moves its head along.
    fn grow(&mut self, past: &Past) -> Outcome<()> {
        let (mut addresses, mut names, mut needs) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for version in &past.versions {
            let (mut here, mut outputs, mut upstreams) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
            for recorded in &version.resources {
                self.put_resource(&RecordedBody::of(recorded))?;
                here.insert(recorded.address.to_string(), recorded.address.clone());
            }
            for output in &version.outputs {
                self.output_put(output)?;
                outputs.insert(output.name.as_str());
            }
            for upstream in &version.upstreams {
                self.upstream_put(upstream)?;
                upstreams.insert(&upstream.id);
            }
            for address in addresses.iter().filter(|(name, _)| !here.contains_key(*name)).map(|(_, a)| a) {
                self.remove_resource(address)?;
            }
            for name in names.difference(&outputs) {
                self.output_remove(name)?;
            }
            for id in needs.difference(&upstreams) {
                self.upstream_remove(id)?;
            }
            (addresses, names, needs) = (here, outputs, upstreams);
            let (conn, writing, stack) = self.target()?;
            writing.changes.retain(|_, net| *net != Net::Nothing);
            let made = versions::make(
                conn,
                writing,
                &stack,
                &past.stack.id,
                &writing.changes,
                &version.note,
                version.at,
            )?;
            writing.changes.clear();
            writing.stack =
                Some(StackRow { head: made.head, head_hash: made.hash, count: made.count, ..stack });
        }
        for run in &past.runs {
            self.run_put(run)?;
        }
        if !past.findings.is_empty() {
            self.drift_put(&past.stack.id, &past.findings)?;
        }
        Ok(())
    }

    fn update_stack(&mut self, stack: &Stack) -> Outcome<()> {
        self.require_hold(&stack.id)?;
        let (conn, writing, _) = self.change()?;
        if writing.stack.as_ref().is_none_or(|known| known.name != stack.name) {
            must_be_free(conn, &stack.name, &stack.id)?;
        }
        let sql = "UPDATE stacks SET name = ?2, description = ?3, version = ?4, status = ?5, workflow_file = ?6, \
                   configuration = ?7, metadata = ?8, created_at = ?9, updated_at = ?10, completed_at = ?11, \
                   last_run_at = ?12, execution_count = ?13, last_duration = ?14, last_error = ?15, \
                   rolled_back_to = ?16, \
                   sum = CASE WHEN deleted_at IS NULL THEN CAST(?17 AS BIGINT) ELSE -1 - CAST(?17 AS BIGINT) END WHERE id = ?1";
        let rows = write(conn, sql, stack, false)?;
        if rows == 1 { Ok(()) } else { Err(missing(&stack.id)) }
    }

    fn trash_stack(&mut self, id: &StackId) -> Outcome<()> {
        self.require_hold(id)?;
        let (conn, _, shared) = self.change()?;
        // The sum of a stack in the trash is the other one turned over.
        let sql = "UPDATE stacks SET deleted_at = coalesce(deleted_at, ?2), \
                   sum = CASE WHEN deleted_at IS NULL THEN -1 - sum ELSE sum END WHERE id = ?1";
        let rows = conn.prepare_cached(sql)?.execute(params![id.as_str(), shared.now().as_nanos()])?;
        if rows == 1 { Ok(()) } else { Err(missing(id)) }
    }

    fn untrash_stack(&mut self, id: &StackId) -> Outcome<()> {
        self.require_hold(id)?;
        let name = match self.stack(id)? {
            Some(row) => row.name,
            None => return Err(missing(id)),
        };
        let (conn, ..) = self.change()?;
        must_be_free(conn, &name, id)?;
        let sql = "UPDATE stacks SET deleted_at = NULL, \
                   sum = CASE WHEN deleted_at IS NULL THEN sum ELSE -1 - sum END WHERE id = ?1";
        conn.prepare_cached(sql)?.execute([id.as_str()])?;
        Ok(())
    }
}

impl ReadStacks for Session<'_> {
    fn stack_find(&self, text: &str) -> Result<StackMatch, StoreError> {
        self.shared.told(self.find_stack(text))
    }
    fn stack_get(&self, id: &StackId) -> Result<Option<Stack>, StoreError> {
        self.shared.told(self.one("id = ?1", id.as_str()))
    }
    fn stack_list(&self) -> Result<Vec<Stack>, StoreError> {
        self.shared.told(self.list_stacks())
    }
}

impl WriteStacks for Session<'_> {
    fn stack_insert(&mut self, stack: &Stack) -> Result<(), StoreError> {
        let done = self.insert_stack(stack);
        self.shared.told(done)
    }
    fn stack_plant(&mut self, past: &Past) -> Result<Version, StoreError> {
        let done = self.plant_stack(past);
        self.shared.told(done)
    }
    fn stack_update(&mut self, stack: &Stack) -> Result<(), StoreError> {
        let done = self.update_stack(stack);
        self.shared.told(done)
    }
    fn stack_trash(&mut self, id: &StackId) -> Result<(), StoreError> {
        let done = self.trash_stack(id);
        self.shared.told(done)
    }
    fn stack_untrash(&mut self, id: &StackId) -> Result<(), StoreError> {
        let done = self.untrash_stack(id);
        self.shared.told(done)
    }
}
