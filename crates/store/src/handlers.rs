//! Handlers that were notified and have not run yet.

use sloth_core::clock::Timestamp;
use sloth_core::id::StackId;
use sloth_core::store::{PendingHandler, ReadHandlers, StoreError, WriteHandlers};

use crate::failure::Outcome;
use crate::session::Session;
use crate::sql::params;

impl Session<'_> {
    fn list_handlers(&self, stack: &StackId) -> Outcome<Vec<PendingHandler>> {
        let Some(stack) = self.stack(stack)? else { return Ok(Vec::new()) };
        let sql = "SELECT name, queued_by, queued_at FROM handlers WHERE stack = ?1 ORDER BY pos";
        let mut ask = self.conn()?.prepare_cached(sql)?;
        let rows = ask.query_map([stack.num], |row| {
            Ok(PendingHandler {
                name: row.get(0)?,
                queued_by: row.get(1)?,
                queued_at: Timestamp::from_nanos(row.get(2)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn queue_handler(&mut self, handler: &PendingHandler) -> Outcome<()> {
        let (conn, _, stack) = self.target()?;
        let sql = "INSERT INTO handlers (stack, name, queued_by, queued_at) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (stack, name) DO NOTHING";
        conn.prepare_cached(sql)?.execute(params![
            stack.num,
            handler.name,
            handler.queued_by,
            handler.queued_at.as_nanos()
        ])?;
        Ok(())
    }

    fn end_handler(&mut self, name: &str) -> Outcome<()> {
        let (conn, _, stack) = self.target()?;
        conn.prepare_cached("DELETE FROM handlers WHERE stack = ?1 AND name = ?2")?
            .execute(params![stack.num, name])?;
        Ok(())
    }
}

impl ReadHandlers for Session<'_> {
    fn handler_list(&self, stack: &StackId) -> Result<Vec<PendingHandler>, StoreError> {
        self.shared.told(self.list_handlers(stack))
    }
}

impl WriteHandlers for Session<'_> {
    fn handler_queue(&mut self, handler: &PendingHandler) -> Result<(), StoreError> {
        let done = self.queue_handler(handler);
        self.shared.told(done)
    }
    fn handler_done(&mut self, name: &str) -> Result<(), StoreError> {
        let done = self.end_handler(name);
        self.shared.told(done)
    }
}
