//! Outputs, with the same history by row as resources.

use sloth_core::id::StackId;
use sloth_core::output::Output;
use sloth_core::store::{ReadOutputs, StoreError, VersionAt, WriteOutputs};

use crate::failure::{Failure, Outcome};
use crate::session::{Net, Part, Scope, Session};
use crate::sql::{OptionalExtension as _, params};
use crate::versions::output_body;

const LIST_NEWEST: &str = "SELECT body FROM output_rows WHERE stack = ?1 ORDER BY name";
const LIST_AT: &str = "SELECT body, name FROM output_rows WHERE stack = ?1 AND from_version <= ?2 \
                       UNION ALL \
                       SELECT body, name FROM output_history \
                         WHERE stack = ?1 AND to_version > ?2 AND from_version <= ?2 \
                       ORDER BY name";
const INSERT: &str = "INSERT INTO output_rows (stack, name, from_version, digest, body) VALUES (?1, ?2, ?3, ?4, ?5) \
                      ON CONFLICT (stack, name) DO NOTHING";
const FIND: &str = "SELECT from_version, digest FROM output_rows WHERE stack = ?1 AND name = ?2";
const END: &str = "INSERT INTO output_history (stack, to_version, name, from_version, digest, body) \
                   SELECT stack, ?3, name, from_version, digest, body FROM output_rows WHERE stack = ?1 AND name = ?2";
const REPLACE: &str =
    "UPDATE output_rows SET from_version = ?3, digest = ?4, body = ?5 WHERE stack = ?1 AND name = ?2";
const REMOVE: &str = "DELETE FROM output_rows WHERE stack = ?1 AND name = ?2";
const ENDED_NOW: &str =
    "SELECT EXISTS (SELECT 1 FROM output_history WHERE stack = ?1 AND to_version = ?2 AND name = ?3)";
const ENDED_SAME: &str = "SELECT EXISTS (SELECT 1 FROM output_history \
                          WHERE stack = ?1 AND to_version = ?2 AND name = ?3 AND digest = ?4)";
const BRING_BACK: &str = "INSERT INTO output_rows (stack, name, from_version, digest, body) \
                          SELECT stack, name, from_version, digest, body FROM output_history \
                            WHERE stack = ?1 AND to_version = ?2 AND name = ?3 \
                          ON CONFLICT (stack, name) DO UPDATE SET from_version = excluded.from_version, \
                            digest = excluded.digest, body = excluded.body";
const UNEND: &str = "DELETE FROM output_history WHERE stack = ?1 AND to_version = ?2 AND name = ?3";

impl Session<'_> {
    /// All outputs of a stack at one point.
    pub fn list_outputs(&self, stack: &StackId, at: VersionAt) -> Outcome<Vec<Output>> {
        let Some(row) = self.stack(stack)? else { return Ok(Vec::new()) };
        let conn = self.conn()?;
        let (mut ask, version) = match self.scope(&row, at)? {
            None => return Ok(Vec::new()),
            Some(Scope::Newest) => (conn.prepare_cached(LIST_NEWEST)?, None),
            Some(Scope::At(version)) => (conn.prepare_cached(LIST_AT)?, Some(version)),
        };
        let mut rows = match version {
            None => ask.query([row.num])?,
            Some(version) => ask.query(params![row.num, version])?,
        };
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().map_err(|_| Failure::bad("an output is not text"))?;
            out.push(serde_json::from_str(text)?);
        }
        Ok(out)
    }

    fn put_output(&mut self, output: &Output) -> Outcome<()> {
        let (conn, writing, stack) = self.target()?;
        let (text, digest) = output_body(output);
        let (num, next, name) = (stack.num, stack.next(), &output.name);
        let key = (Part::Output, name.clone());
        if (stack.pending || writing.changes.contains_key(&key))
            && conn
                .prepare_cached(ENDED_SAME)?
                .query_row(params![num, next, name, digest.as_bytes()], |row| row.get::<_, bool>(0))?
        {
            conn.prepare_cached(BRING_BACK)?.execute(params![num, next, name])?;
            conn.prepare_cached(UNEND)?.execute(params![num, next, name])?;
            writing.changes.insert(key, Net::Nothing);
            return Ok(());
        }
        let row = params![num, name, next, digest.as_bytes(), text];
        if conn.prepare_cached(INSERT)?.execute(row)? == 0 {
            let (from, old): (u64, [u8; 32]) = conn
                .prepare_cached(FIND)?
                .query_row(params![num, name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if old == *digest.as_bytes() {
                return Ok(());
            }
            if from < next {
                conn.prepare_cached(END)?.execute(params![num, name, next])?;
            }
            conn.prepare_cached(REPLACE)?.execute(row)?;
        }
        writing.changes.insert(key, Net::Written(digest));
        Ok(())
    }

    fn remove_output(&mut self, name: &str) -> Outcome<bool> {
        let (conn, writing, stack) = self.target()?;
        let (num, next) = (stack.num, stack.next());
        let from = conn
            .prepare_cached(FIND)?
            .query_row(params![num, name], |row| row.get::<_, u64>(0))
            .optional()?;
        let Some(from) = from else { return Ok(false) };
        let ended_now = || -> Outcome<bool> {
            Ok(conn.prepare_cached(ENDED_NOW)?.query_row(params![num, next, name], |row| row.get(0))?)
        };
        let net = if from < next {
            conn.prepare_cached(END)?.execute(params![num, name, next])?;
            Net::Removed
        } else if ended_now()? {
            Net::Removed
        } else {
            Net::Nothing
        };
        conn.prepare_cached(REMOVE)?.execute(params![num, name])?;
        writing.changes.insert((Part::Output, name.to_owned()), net);
        Ok(true)
    }
}

impl ReadOutputs for Session<'_> {
    fn output_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Output>, StoreError> {
        self.shared.told(self.list_outputs(stack, at))
    }
}

impl WriteOutputs for Session<'_> {
    fn output_put(&mut self, output: &Output) -> Result<(), StoreError> {
        let done = self.put_output(output);
        self.shared.told(done)
    }
    fn output_remove(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = self.remove_output(name);
        self.shared.told(done)
    }
}
