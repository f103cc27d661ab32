//! Runs.

use sloth_core::clock::Timestamp;
use sloth_core::id::{RunId, StackId};
use sloth_core::run::{Run, RunStatus, TaskCounts};
use sloth_core::store::{ReadRuns, StoreError, WriteRuns};
use sloth_core::value::{canonical, to_value};
use sloth_core::version::Version;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::sql::{self, OptionalExtension as _, Row, params};

const COLUMNS: &str = "id, operation, status, started_at, completed_at, actor, task_count, success_count, \
                       failure_count, skipped_count, counts, version, error_message, program";

fn run(row: &Row<'_>) -> Outcome<Run> {
    let status: String = row.get(2)?;
    let counts = row.get_ref(10)?.as_str().map_err(|_| Failure::bad("a run's counts are not text"))?;
    Ok(Run {
        id: RunId::from_stored(row.get::<_, String>(0)?),
        operation: row.get(1)?,
        status: RunStatus::parse(&status)
            .ok_or_else(|| Failure::bad(format!("`{status}` is not a status of a run")))?,
        started_at: Timestamp::from_nanos(row.get(3)?),
        completed_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_nanos),
        actor: row.get(5)?,
        tasks: TaskCounts {
            total: row.get(6)?,
            succeeded: row.get(7)?,
            failed: row.get(8)?,
            skipped: row.get(9)?,
        },
        counts: serde_json::from_str(counts)?,
        version: row.get::<_, Option<u64>>(11)?.map(Version),
        error: row.get(12)?,
        program: row.get(13)?,
    })
}

impl Session<'_> {
    fn list_runs(&self, stack: &StackId, limit: u64) -> Outcome<Vec<Run>> {
        let Some(stack) = self.stack(stack)? else { return Ok(Vec::new()) };
        let limit = sql::limit(limit);
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE stack = ?1 ORDER BY pos DESC LIMIT ?2");
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = ask.query(params![stack.num, limit])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(run(&row)?);
        }
        Ok(out)
    }

    fn get_run(&self, id: &RunId) -> Outcome<Option<Run>> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
        let found =
            self.conn()?.prepare_cached(&sql)?.query_row([id.as_str()], |row| Ok(run(row))).optional()?;
        found.transpose()
    }

    fn put_run(&mut self, run: &Run) -> Outcome<()> {
        let (conn, _, stack) = self.target()?;
        let sql = "INSERT INTO runs (stack, id, operation, status, started_at, completed_at, actor, task_count, \
                   success_count, failure_count, skipped_count, counts, version, error_message, program) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
                   ON CONFLICT (id) DO UPDATE SET operation = excluded.operation, status = excluded.status, \
                   started_at = excluded.started_at, completed_at = excluded.completed_at, actor = excluded.actor, \
                   task_count = excluded.task_count, success_count = excluded.success_count, \
                   failure_count = excluded.failure_count, skipped_count = excluded.skipped_count, \
                   counts = excluded.counts, version = excluded.version, error_message = excluded.error_message, \
                   program = excluded.program WHERE runs.stack = excluded.stack";
        let rows = conn.prepare_cached(sql)?.execute(params![
            stack.num,
            run.id.as_str(),
            run.operation,
            run.status.as_str(),
            run.started_at.as_nanos(),
            run.completed_at.map(Timestamp::as_nanos),
            run.actor,
            run.tasks.total,
            run.tasks.succeeded,
            run.tasks.failed,
            run.tasks.skipped,
            canonical(&to_value(&run.counts)),
            run.version.map(|v| v.0),
            run.error,
            run.program,
        ])?;
        if rows == 1 {
            Ok(())
        } else {
            Err(Failure::conflict(format!("run `{}` belongs to another stack", run.id)))
        }
    }
}

impl ReadRuns for Session<'_> {
    fn run_list(&self, stack: &StackId, limit: u64) -> Result<Vec<Run>, StoreError> {
        self.shared.told(self.list_runs(stack, limit))
    }
    fn run_get(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.shared.told(self.get_run(id))
    }
}

impl WriteRuns for Session<'_> {
    fn run_put(&mut self, run: &Run) -> Result<(), StoreError> {
        let done = self.put_run(run);
        self.shared.told(done)
    }
}
