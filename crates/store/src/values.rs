//! Key-value state.

use std::time::Duration;

use sloth_core::clock::Timestamp;
use sloth_core::store::{ReadValues, StoreError, WriteValues};
use sloth_core::value::canonical;
use sloth_core::value_entry::ValueEntry;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::sql::{Connection, OptionalExtension as _, Row, params};
use crate::sum::Sum;

const COLUMNS: &str = "scope, key, value, created_at, updated_at, expires_at, revision";

fn entry(row: &Row<'_>) -> Outcome<ValueEntry> {
    let value = row.get_ref(2)?.as_str().map_err(|_| Failure::bad("a value is not text"))?;
    Ok(ValueEntry {
        scope: row.get(0)?,
        key: row.get(1)?,
        value: serde_json::from_str(value)?,
        created_at: Timestamp::from_nanos(row.get(3)?),
        updated_at: Timestamp::from_nanos(row.get(4)?),
        expires_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_nanos),
        revision: row.get(6)?,
    })
}

/// The sum over an entry without its age and its revision, which the statement that writes it adds.
fn sum(entry: &ValueEntry, text: &str) -> i64 {
    Sum::default()
        .text(&entry.scope)
        .text(&entry.key)
        .text(text)
        .number(entry.updated_at.as_nanos())
        .maybe_number(entry.expires_at.map(Timestamp::as_nanos))
        .end()
}

/// Calls with each entry that is not what was written, for checking.
pub fn damaged(conn: Connection<'_>, mut each: impl FnMut(&ValueEntry)) -> Outcome<()> {
    let mut ask =
        conn.prepare_cached(&format!("SELECT {COLUMNS}, sum FROM state_values ORDER BY key, scope"))?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        let entry = entry(&row)?;
        let revision = i64::try_from(entry.revision).unwrap_or(i64::MAX).wrapping_mul(1_000_003);
        let grown = entry.created_at.as_nanos().wrapping_add(revision);
        let right = sum(&entry, row.get_ref(2)?.as_str().unwrap_or_default()).wrapping_add(grown);
        if row.get::<_, Option<i64>>(7)?.is_some_and(|sum| sum != right) {
            each(&entry);
        }
    }
    Ok(())
}

impl Session<'_> {
    fn get_value(&self, scope: &str, key: &str) -> Outcome<Option<ValueEntry>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM state_values WHERE scope = ?1 AND key = ?2 \
             AND (expires_at IS NULL OR expires_at > ?3)"
        );
        let now = self.shared.now().as_nanos();
        let found = self
            .conn()?
            .prepare_cached(&sql)?
            .query_row(params![scope, key, now], |row| Ok(entry(row)))
            .optional()?;
        found.transpose()
    }

    fn list_values(&self, scope: Option<&str>, prefix: &str) -> Outcome<Vec<ValueEntry>> {
        let one = if scope.is_some() { "scope = ?1" } else { "CAST(?1 AS TEXT) IS NULL" };
        let sql = format!(
            "SELECT {COLUMNS} FROM state_values WHERE {one} AND key >= ?2 AND substr(key, 1, ?3) = ?2 \
             AND (expires_at IS NULL OR expires_at > ?4) ORDER BY key, scope"
        );
        let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = ask.query(params![scope, prefix, length, self.shared.now().as_nanos()])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(entry(&row)?);
        }
        Ok(out)
    }

    fn list_value_locks(&self) -> Outcome<Vec<(String, String, Timestamp)>> {
        let sql = "SELECT name, holder, until FROM value_locks WHERE until > ?1 ORDER BY name";
        let mut ask = self.conn()?.prepare_cached(sql)?;
        let now = self.shared.time(self.conn()?)?;
        let rows = ask.query_map([now.as_nanos()], |row| {
            Ok((row.get(0)?, row.get(1)?, Timestamp::from_nanos(row.get(2)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn put_value(&mut self, entry: &ValueEntry) -> Outcome<()> {
        let (conn, _, shared) = self.change()?;
        let sql = "INSERT INTO state_values (scope, key, value, created_at, updated_at, expires_at, revision, sum) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, CAST(?8 AS BIGINT) + CAST(?4 AS BIGINT) + 1000003) \
                   ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, \
                   created_at = CASE WHEN state_values.expires_at <= ?7 THEN excluded.created_at \
                     ELSE state_values.created_at END, \
                   updated_at = excluded.updated_at, expires_at = excluded.expires_at, \
                   revision = state_values.revision + 1, \
                   sum = ?8 + CASE WHEN state_values.expires_at <= ?7 THEN excluded.created_at \
                     ELSE state_values.created_at END + (state_values.revision + 1) * 1000003";
        let text = canonical(&entry.value);
        conn.prepare_cached(sql)?.execute(params![
            entry.scope,
            entry.key,
            text,
            entry.created_at.as_nanos(),
            entry.updated_at.as_nanos(),
            entry.expires_at.map(Timestamp::as_nanos),
            shared.now().as_nanos(),
            sum(entry, &text),
        ])?;
        Ok(())
    }

    fn remove_value(&mut self, scope: &str, key: &str) -> Outcome<bool> {
        let (conn, _, shared) = self.change()?;
        let sql = "DELETE FROM state_values WHERE scope = ?1 AND key = ?2 \
                   RETURNING expires_at IS NULL OR expires_at > ?3";
        let found = conn
            .prepare_cached(sql)?
            .query_row(params![scope, key, shared.now().as_nanos()], |row| row.get::<_, bool>(0))
            .optional()?;
        Ok(found.unwrap_or(false))
    }

    fn lock_value(&mut self, name: &str, holder: &str, life: Duration) -> Outcome<bool> {
        let (conn, _, shared) = self.change()?;
        let now = shared.time(conn)?;
        let sql = "INSERT INTO value_locks (name, holder, until) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until \
                   WHERE value_locks.holder = excluded.holder OR value_locks.until <= ?4";
        let rows = conn.prepare_cached(sql)?.execute(params![
            name,
            holder,
            now.plus(life).as_nanos(),
            now.as_nanos()
        ])?;
        Ok(rows == 1)
    }

    fn unlock_value(&mut self, name: &str, holder: &str) -> Outcome<bool> {
        let (conn, _, shared) = self.change()?;
        let sql = "DELETE FROM value_locks WHERE name = ?1 AND holder = ?2 RETURNING until > ?3";
        let found = conn
            .prepare_cached(sql)?
            .query_row(params![name, holder, shared.time(conn)?.as_nanos()], |row| row.get::<_, bool>(0))
            .optional()?;
        Ok(found.unwrap_or(false))
    }
}

impl ReadValues for Session<'_> {
    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>, StoreError> {
        self.shared.told(self.get_value(scope, key))
    }
    fn value_list(&self, scope: Option<&str>, prefix: &str) -> Result<Vec<ValueEntry>, StoreError> {
        self.shared.told(self.list_values(scope, prefix))
    }
    fn value_locks(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        self.shared.told(self.list_value_locks())
    }
}

impl WriteValues for Session<'_> {
    fn value_put(&mut self, entry: &ValueEntry) -> Result<(), StoreError> {
        let done = self.put_value(entry);
        self.shared.told(done)
    }
    fn value_remove(&mut self, scope: &str, key: &str) -> Result<bool, StoreError> {
        let done = self.remove_value(scope, key);
        self.shared.told(done)
    }
    fn value_lock(&mut self, name: &str, holder: &str, life: Duration) -> Result<bool, StoreError> {
        let done = self.lock_value(name, holder, life);
        self.shared.told(done)
    }
    fn value_unlock(&mut self, name: &str, holder: &str) -> Result<bool, StoreError> {
        let done = self.unlock_value(name, holder);
        self.shared.told(done)
    }
}
