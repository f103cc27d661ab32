//! The journal of a run as rows on a server. Each row holds whole records and says how many bytes come before it, so
//! that two who write the journal of one run notice each other.

use sloth_core::id::{RunId, StackId};
use sloth_core::store::Wait;

use crate::failure::{Failure, Outcome};
use crate::server::Pool;
use crate::sql::{Connection, params};

/// Whose journals.
#[derive(Clone, Copy)]
pub enum Of<'a> {
    Everybody,
    Stack(&'a StackId),
    Run(&'a RunId),
}

/// Journals, in order of runs: the run, its stack, and the bytes.
pub fn read(pool: &Pool, of: Of<'_>) -> Outcome<Vec<(RunId, StackId, Vec<u8>)>> {
    let (sql, key) = match of {
        Of::Everybody => ("SELECT run, stack_id, data FROM journal_records ORDER BY run, pos", None),
        Of::Stack(stack) => (
            "SELECT run, stack_id, data FROM journal_records WHERE stack_id = ?1 ORDER BY run, pos",
            Some(stack.as_str()),
        ),
        Of::Run(run) => (
            "SELECT run, stack_id, data FROM journal_records WHERE run = ?1 ORDER BY run, pos",
            Some(run.as_str()),
        ),
    };
    let (link, found) = pool.with(|link| {
        let mut ask = Connection::Server(link).prepare_cached(sql)?;
        let mut rows = match key {
            Some(key) => ask.query([key])?,
            None => ask.query([])?,
        };
        let mut out: Vec<(RunId, StackId, Vec<u8>)> = Vec::new();
        while let Some(row) = rows.next()? {
            let run: String = row.get(0)?;
            let data: Vec<u8> = row.get(2)?;
            match out.last_mut() {
                Some((last, _, bytes)) if last.as_str() == run => bytes.extend(data),
                _ => {
                    out.push((RunId::from_stored(run), StackId::from_stored(row.get::<_, String>(1)?), data));
                }
            }
        }
        Ok(out)
    })?;
    pool.keep(link);
    Ok(found)
}

/// Adds a row at this place. Asking twice for the same is the same, so a lost connection does no harm.
pub fn append(pool: &Pool, run: &RunId, stack: &StackId, at: u64, data: &[u8], wait: Wait) -> Outcome<()> {
    // A journal that somebody else has closed stays closed.
    let sql = "INSERT INTO journal_records (run, pos, stack_id, data) \
               SELECT CAST(?1 AS TEXT), CAST(?2 AS BIGINT), CAST(?3 AS TEXT), CAST(?4 AS BYTEA) \
               WHERE CAST(?2 AS BIGINT) = 0 \
                 OR EXISTS (SELECT 1 FROM journal_records WHERE run = CAST(?1 AS TEXT) AND pos = 0) \
               ON CONFLICT (run, pos) DO UPDATE SET data = excluded.data WHERE journal_records.data = excluded.data";
    let (link, rows) = pool.with(|link| {
        link.commits_with(wait)?;
        let mut put = Connection::Server(link).prepare_cached(sql)?;
        Ok(put.execute(params![run.as_str(), at, stack.as_str(), data])?)
    })?;
    pool.keep(link);
    if rows == 1 {
        return Ok(());
    }
    Err(Failure::conflict(format!("the journal of run `{run}` was closed or continued by somebody else")))
}

/// Removes everything from this place on.
pub fn cut(pool: &Pool, run: &RunId, from: u64) -> Outcome<()> {
    let (link, _) = pool.with(|link| {
        link.commits_with(Wait::Fast)?;
        let mut cut = Connection::Server(link)
            .prepare_cached("DELETE FROM journal_records WHERE run = ?1 AND pos >= ?2")?;
        Ok(cut.execute(params![run.as_str(), from])?)
    })?;
    pool.keep(link);
    Ok(())
}
