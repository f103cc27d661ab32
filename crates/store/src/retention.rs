//! Forgetting: versions that are removed, old records no version shows, contents nothing names.
//!
//! A removed version keeps its row, and what it changed keeps its digests; both are links of the chain. Only what takes
//! the room goes, the text of old records and the contents.

use std::collections::BTreeSet;

use sloth_core::digest::Digest;
use sloth_core::id::StackId;
use sloth_core::retention::{Collected, digests_in};
use sloth_core::store::{StoreError, WriteVersions};
use sloth_core::version::Version;

use crate::failure::{Failure, Outcome};
use crate::session::{Session, StackRow};
use crate::sql::{Connection, OptionalExtension as _, params};
use crate::{blobs, leases};

/// What no version shows any more, of the tables that hold what ended.
const NOT_SHOWN: &str = "stack = ?1 AND body <> '' AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.stack = ?1 \
                         AND v.removed_at IS NULL AND v.version >= from_version AND v.version < to_version)";
const ENDED: [&str; 3] = ["resource_history", "output_history", "upstream_history"];

/// Every text in which something names contents.
const NAMING: [&str; 9] = [
    "SELECT body FROM resource_rows",
    "SELECT body FROM resource_history WHERE body <> ''",
    "SELECT body FROM output_rows",
    "SELECT body FROM output_history WHERE body <> ''",
    "SELECT undo FROM operations",
    "SELECT intention || ' ' || captured FROM journal_steps",
    "SELECT expected FROM drift_findings WHERE expected IS NOT NULL",
    "SELECT actual FROM drift_findings WHERE actual IS NOT NULL",
    "SELECT program FROM runs WHERE program IS NOT NULL",
];

/// Was it removed?
pub fn is_removed(conn: Connection<'_>, stack: i64, version: u64) -> Outcome<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM versions WHERE stack = ?1 AND version = ?2 AND removed_at IS NOT NULL)";
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    Ok(conn.prepare_cached(sql)?.query_row(params![stack, version], |row| row.get(0))?)
}

fn none(stack: &StackRow, version: Version) -> Failure {
    Failure::conflict(format!("stack `{}` has no version {version}", stack.name))
}

impl Session<'_> {
    fn remove_versions(&mut self, id: &StackId, versions: &[Version]) -> Outcome<()> {
        self.require_hold(id)?;
        let now = self.shared.now().as_nanos();
        let (conn, _, stack) = self.target()?;
        let sql =
            "UPDATE versions SET removed_at = coalesce(removed_at, ?3) WHERE stack = ?1 AND version = ?2";
        let mut remove = conn.prepare_cached(sql)?;
        for version in versions {
            if version.0 == stack.head {
                return Err(Failure::conflict(format!(
                    "{version} is the newest version of stack `{}`, which is not removed",
                    stack.name
                )));
            }
            let number = i64::try_from(version.0).map_err(|_| none(&stack, *version))?;
            if remove.execute(params![stack.num, number, now])? == 0 {
                return Err(none(&stack, *version));
            }
        }
        Ok(())
    }

    fn bring_back_versions(&mut self, id: &StackId, versions: &[Version]) -> Outcome<()> {
        self.require_hold(id)?;
        let (conn, _, stack) = self.target()?;
        let put = "UPDATE versions SET removed_at = NULL WHERE stack = ?1 AND version = ?2";
        for version in versions {
            let number = i64::try_from(version.0).map_err(|_| none(&stack, *version))?;
            for table in ENDED {
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM {table} WHERE stack = ?1 AND to_version > ?2 \
                     AND from_version <= ?2 AND body = '')"
                );
                let gone: bool =
                    conn.prepare_cached(&sql)?.query_row(params![stack.num, number], |row| row.get(0))?;
                if gone {
                    return Err(Failure::conflict(format!(
                        "what {version} of stack `{}` showed was collected since, so it cannot come back",
                        stack.name
                    )));
                }
            }
            if conn.prepare_cached(put)?.execute(params![stack.num, number])? == 0 {
                return Err(none(&stack, *version));
            }
        }
        Ok(())
    }

    fn collect_history(&mut self, id: &StackId) -> Outcome<Collected> {
        self.require_hold(id)?;
        let (conn, _, stack) = self.target()?;
        let mut done = Collected::default();
        let removed = "SELECT EXISTS (SELECT 1 FROM versions WHERE stack = ?1 AND removed_at IS NOT NULL)";
        if !conn.prepare_cached(removed)?.query_row([stack.num], |row| row.get::<_, bool>(0))? {
            return Ok(done);
        }
        for table in ENDED {
            let count = format!(
                "SELECT count(*), CAST(coalesce(sum(length(body)), 0) AS BIGINT) FROM {table} WHERE {NOT_SHOWN}"
            );
            let (records, bytes): (u64, u64) =
                conn.prepare_cached(&count)?.query_row([stack.num], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if records > 0 {
                conn.prepare_cached(&format!("UPDATE {table} SET body = '' WHERE {NOT_SHOWN}"))?
                    .execute([stack.num])?;
                done += Collected { records, contents: 0, bytes };
            }
        }
        Ok(done)
    }

    fn collect_contents(&mut self) -> Outcome<Result<Collected, String>> {
        let shared = self.shared;
        let (conn, writing, _) = self.change()?;
        let mine = writing.stack.as_ref().map(|stack| stack.name.clone());
        if let Some((stack, holder)) = leases::at_work(shared, conn, mine.as_deref())? {
            return Ok(Err(format!("`{holder}` is at work on stack `{stack}`")));
        }
        let mut named = BTreeSet::new();
        for sql in NAMING {
            let mut ask = conn.prepare_cached(sql)?;
            let mut rows = ask.query([])?;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str().map_err(|_| Failure::bad("a stored text is none"))?;
                digests_in(text.as_bytes(), &mut named);
            }
        }
        shared.logs.each_content(|bytes| digests_in(bytes, &mut named))?;
        let mut spare: Vec<Digest> = Vec::new();
        blobs::all(conn, |digest| {
            if !named.contains(&digest) {
                spare.push(digest);
            }
        })?;
        let mut done = Collected::default();
        let sql = "DELETE FROM blobs WHERE digest = ?1 RETURNING length(data)";
        for digest in spare {
            let bytes: Option<u64> =
                conn.prepare_cached(sql)?.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
            done += Collected { records: 0, contents: 1, bytes: bytes.unwrap_or(0) };
        }
        Ok(Ok(done))
    }
}

impl WriteVersions for Session<'_> {
    fn version_remove(&mut self, stack: &StackId, versions: &[Version]) -> Result<(), StoreError> {
        let done = self.remove_versions(stack, versions);
        self.shared.told(done)
    }
    fn version_bring_back(&mut self, stack: &StackId, versions: &[Version]) -> Result<(), StoreError> {
        let done = self.bring_back_versions(stack, versions);
        self.shared.told(done)
    }
    fn history_collect(&mut self, stack: &StackId) -> Result<Collected, StoreError> {
        let done = self.collect_history(stack);
        self.shared.told(done)
    }
    fn contents_collect(&mut self) -> Result<Result<Collected, String>, StoreError> {
        let done = self.collect_contents();
        self.shared.told(done)
    }
}
