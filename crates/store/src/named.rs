//! Small things of a stack that have a name, with the same history by row as resources: outputs, and stacks it needs.

use sloth_core::digest::Digest;
use sloth_core::id::StackId;
use sloth_core::store::VersionAt;
use sloth_core::value::{Value, canonical};

use crate::failure::{Failure, Outcome};
use crate::session::{Net, Part, Scope, Session};
use crate::sql::{OptionalExtension as _, params};

/// The statements for one pair of tables.
pub struct Tables {
    part: Part,
    list_newest: &'static str,
    list_at: &'static str,
    insert: &'static str,
    find: &'static str,
    end: &'static str,
    replace: &'static str,
    remove: &'static str,
    ended_now: &'static str,
    ended_same: &'static str,
    bring_back: &'static str,
    unend: &'static str,
}

macro_rules! tables {
    ($part:expr, $rows:literal, $history:literal) => {
        Tables {
            part: $part,
            list_newest: concat!("SELECT body FROM ", $rows, " WHERE stack = ?1 ORDER BY name"),
            list_at: concat!(
                "SELECT body, name FROM ",
                $rows,
                " WHERE stack = ?1 AND from_version <= ?2 UNION ALL SELECT body, name FROM ",
                $history,
                " WHERE stack = ?1 AND to_version > ?2 AND from_version <= ?2 ORDER BY name"
            ),
            insert: concat!(
                "INSERT INTO ",
                $rows,
                " (stack, name, from_version, digest, body) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (stack, name) DO NOTHING"
            ),
            find: concat!("SELECT from_version, digest FROM ", $rows, " WHERE stack = ?1 AND name = ?2"),
            end: concat!(
                "INSERT INTO ",
                $history,
                " (stack, to_version, name, from_version, digest, body) \
                 SELECT stack, ?3, name, from_version, digest, body FROM ",
                $rows,
                " WHERE stack = ?1 AND name = ?2"
            ),
            replace: concat!(
                "UPDATE ",
                $rows,
                " SET from_version = ?3, digest = ?4, body = ?5 WHERE stack = ?1 AND name = ?2"
            ),
            remove: concat!("DELETE FROM ", $rows, " WHERE stack = ?1 AND name = ?2"),
            ended_now: concat!(
                "SELECT EXISTS (SELECT 1 FROM ",
                $history,
                " WHERE stack = ?1 AND to_version = ?2 AND name = ?3)"
            ),
            ended_same: concat!(
                "SELECT EXISTS (SELECT 1 FROM ",
                $history,
                " WHERE stack = ?1 AND to_version = ?2 AND name = ?3 AND digest = ?4)"
            ),
            bring_back: concat!(
                "INSERT INTO ",
                $rows,
                " (stack, name, from_version, digest, body) SELECT stack, name, from_version, digest, body FROM ",
                $history,
                " WHERE stack = ?1 AND to_version = ?2 AND name = ?3 ON CONFLICT (stack, name) DO UPDATE SET \
                 from_version = excluded.from_version, digest = excluded.digest, body = excluded.body"
            ),
            unend: concat!("DELETE FROM ", $history, " WHERE stack = ?1 AND to_version = ?2 AND name = ?3"),
        }
    };
}

/// Outputs, by name.
pub const OUTPUTS: &Tables = &tables!(Part::Output, "output_rows", "output_history");
/// Stacks that are needed, by id.
pub const UPSTREAMS: &Tables = &tables!(Part::Upstream, "upstream_rows", "upstream_history");

/// The stored text of something, and its digest.
pub fn body(value: &Value) -> (String, Digest) {
    let text = canonical(value);
    let digest = Digest::of(text.as_bytes());
    (text, digest)
}

impl Session<'_> {
    /// All of a stack at one point.
    pub fn list_named<T: serde::de::DeserializeOwned>(
        &self,
        tables: &Tables,
        stack: &StackId,
        at: VersionAt,
    ) -> Outcome<Vec<T>> {
        let Some(row) = self.stack(stack)? else { return Ok(Vec::new()) };
        let conn = self.conn()?;
        let (mut ask, version) = match self.scope(&row, at)? {
            None => return Ok(Vec::new()),
            Some(Scope::Newest) => (conn.prepare_cached(tables.list_newest)?, None),
            Some(Scope::At(version)) => (conn.prepare_cached(tables.list_at)?, Some(version)),
        };
        let mut rows = match version {
            None => ask.query([row.num])?,
            Some(version) => ask.query(params![row.num, version])?,
        };
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().map_err(|_| Failure::bad("a row's body is not text"))?;
            out.push(serde_json::from_str(text)?);
        }
        Ok(out)
    }

    /// Inserts or replaces one, into the pending version.
    pub fn put_named(&mut self, tables: &Tables, name: &str, value: &Value) -> Outcome<()> {
        let (conn, writing, stack) = self.target()?;
        let (text, digest) = body(value);
        let (num, next) = (stack.num, stack.next());
        let key = (tables.part, name.to_owned());
        if (stack.pending || writing.changes.contains_key(&key))
            && conn
                .prepare_cached(tables.ended_same)?
                .query_row(params![num, next, name, digest.as_bytes()], |row| row.get::<_, bool>(0))?
        {
            conn.prepare_cached(tables.bring_back)?.execute(params![num, next, name])?;
            conn.prepare_cached(tables.unend)?.execute(params![num, next, name])?;
            writing.changes.insert(key, Net::Nothing);
            return Ok(());
        }
        let row = params![num, name, next, digest.as_bytes(), text];
        if conn.prepare_cached(tables.insert)?.execute(row)? == 0 {
            let (from, old): (u64, [u8; 32]) = conn
                .prepare_cached(tables.find)?
                .query_row(params![num, name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if old == *digest.as_bytes() {
                return Ok(());
            }
            if from < next {
                conn.prepare_cached(tables.end)?.execute(params![num, name, next])?;
            }
            conn.prepare_cached(tables.replace)?.execute(row)?;
        }
        writing.changes.insert(key, Net::Written(digest));
        Ok(())
    }

    /// Ends one, in the pending version. Says whether there was one.
    pub fn remove_named(&mut self, tables: &Tables, name: &str) -> Outcome<bool> {
        let (conn, writing, stack) = self.target()?;
        let (num, next) = (stack.num, stack.next());
        let from = conn
            .prepare_cached(tables.find)?
            .query_row(params![num, name], |row| row.get::<_, u64>(0))
            .optional()?;
        let Some(from) = from else { return Ok(false) };
        let ended_now = || -> Outcome<bool> {
            let mut ask = conn.prepare_cached(tables.ended_now)?;
            Ok(ask.query_row(params![num, next, name], |row| row.get(0))?)
        };
        let net = if from < next {
            conn.prepare_cached(tables.end)?.execute(params![num, name, next])?;
            Net::Removed
        } else if ended_now()? {
            Net::Removed
        } else {
            Net::Nothing
        };
        conn.prepare_cached(tables.remove)?.execute(params![num, name])?;
        writing.changes.insert((tables.part, name.to_owned()), net);
        Ok(true)
    }
}
