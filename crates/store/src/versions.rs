//! Versions: how one is born, and the history of a stack.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sloth_core::clock::Timestamp;
use sloth_core::digest::Digest;
use sloth_core::id::{RunId, StackId};
use sloth_core::store::{ReadVersions, StoreError, VersionAt};
use sloth_core::version::{Snapshot, Version, VersionInfo, VersionKind, VersionNote};

use crate::failure::{Failure, Outcome};
use crate::named::{OUTPUTS, UPSTREAMS};
use crate::session::{Changes, Net, Part, Session, StackRow, Writing, digest_of};
use crate::sql::{self, Connection, OptionalExtension as _, Row, params};

/// What a commit does to the head of a stack.
pub struct Made {
    /// The version that is born, if one is.
    pub version: Option<Version>,
    pub head: u64,
    pub hash: Digest,
    pub pending: bool,
    pub count: i64,
}

/// Changes of the pending version, those of earlier commits included.
pub fn all_changes<'c>(
    conn: Connection<'_>,
    stack: &StackRow,
    mine: &'c Changes,
) -> Outcome<Cow<'c, Changes>> {
    if !stack.pending && mine.values().all(|net| *net != Net::Nothing) {
        return Ok(Cow::Borrowed(mine));
    }
    let mut all = Changes::new();
    if stack.pending {
        let sql = "SELECT kind, name, digest FROM pending_changes WHERE stack = ?1";
        let mut ask = conn.prepare_cached(sql)?;
        let mut rows = ask.query([stack.num])?;
        while let Some(row) = rows.next()? {
            let kind = row.get_ref(0)?.as_str().map_err(|_| Failure::bad("a pending change has no kind"))?;
            let part = Part::parse(kind)
                .ok_or_else(|| Failure::bad(format!("a pending change is of the unknown kind `{kind}`")))?;
            let net = match row.get::<_, Option<[u8; 32]>>(2)? {
                Some(digest) => Net::Written(digest_of(&digest)?),
                None => Net::Removed,
            };
            all.insert((part, row.get(1)?), net);
        }
    }
    all.extend(mine.iter().map(|(key, net)| (key.clone(), *net)));
    all.retain(|_, net| *net != Net::Nothing);
    Ok(Cow::Owned(all))
}

/// Remembers the changes of a commit that seals nothing. Says whether a version is pending now.
pub fn keep_pending(conn: Connection<'_>, stack: &StackRow, mine: &Changes) -> Outcome<bool> {
    if mine.is_empty() {
        return Ok(stack.pending);
    }
    let put = "INSERT INTO pending_changes (stack, kind, name, digest) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (stack, kind, name) DO UPDATE SET digest = excluded.digest";
    let drop = "DELETE FROM pending_changes WHERE stack = ?1 AND kind = ?2 AND name = ?3";
    let mut put = conn.prepare_cached(put)?;
    for ((part, name), net) in mine {
        match net {
            Net::Written(digest) => {
                put.execute(params![stack.num, part.as_str(), name, digest.as_bytes()])?;
            }
            Net::Removed => {
                put.execute(params![stack.num, part.as_str(), name, None::<&[u8]>])?;
            }
            Net::Nothing => {
                conn.prepare_cached(drop)?.execute(params![stack.num, part.as_str(), name])?;
            }
        }
    }
    let any = "SELECT EXISTS (SELECT 1 FROM pending_changes WHERE stack = ?1)";
    Ok(conn.prepare_cached(any)?.query_row([stack.num], |row| row.get(0))?)
}

/// The canonical content of a version: what it is about, who says so, and what it changes.
pub fn content(id: &str, info: &VersionInfo, changes: &Changes) -> Outcome<String> {
    let mut text = String::with_capacity(256 + changes.len() * 112);
    let part = |text: &mut String, part: Part| -> Outcome<()> {
        let mut first = true;
        for ((_, name), net) in changes.iter().filter(|((p, _), _)| *p == part) {
            if !std::mem::take(&mut first) {
                text.push(',');
            }
            text.push('[');
            text.push_str(&serde_json::to_string(name)?);
            match net {
                Net::Written(digest) => {
                    text.push_str(",\"");
                    push_hex(text, digest);
                    text.push_str("\"]");
                }
                Net::Removed | Net::Nothing => text.push_str(",null]"),
            }
        }
        Ok(())
    };
    text.push_str("{\"changes\":[");
    part(&mut text, Part::Resource)?;
    let _ = write!(text, "],\"created_at\":{}", info.created_at.as_nanos());
    let _ = write!(text, ",\"created_by\":{}", serde_json::to_string(&info.created_by)?);
    let _ = write!(text, ",\"description\":{}", serde_json::to_string(&info.description)?);
    let _ = write!(text, ",\"kind\":\"{}\",\"outputs\":[", info.kind.as_str());
    part(&mut text, Part::Output)?;
    let _ = write!(text, "],\"run\":{}", serde_json::to_string(&info.run)?);
    let _ = write!(text, ",\"stack\":{}", serde_json::to_string(id)?);
    let _ = write!(text, ",\"successful\":{}", info.successful);
    // Left out when empty: older programs did not know it, and their links stay what they are.
    if changes.keys().any(|(p, _)| *p == Part::Upstream) {
        text.push_str(",\"upstreams\":[");
        part(&mut text, Part::Upstream)?;
        text.push(']');
    }
    let _ = write!(text, ",\"version\":{}}}", info.version.0);
    Ok(text)
}

fn push_hex(text: &mut String, digest: &Digest) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in digest.as_bytes() {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Seals the pending version, if there is anything to seal.
pub fn make(
    conn: Connection<'_>,
    writing: &Writing,
    stack: &StackRow,
    id: &StackId,
    changes: &Changes,
    note: &VersionNote,
    at: Timestamp,
) -> Outcome<Made> {
    if stack.pending {
        conn.prepare_cached("DELETE FROM pending_changes WHERE stack = ?1")?.execute([stack.num])?;
    }
    if changes.is_empty() && !note.always {
        let stay = Made {
            version: None,
            head: stack.head,
            hash: stack.head_hash,
            pending: false,
            count: stack.count,
        };
        return Ok(stay);
    }
    let next = stack.next();
    let of = |wanted: fn(&Net) -> bool| {
        changes.iter().filter(|((part, _), net)| *part == Part::Resource && wanted(net)).count() as u64
    };
    let (written, removed) =
        (of(|net| matches!(net, Net::Written(_))), of(|net| matches!(net, Net::Removed)));
    let mut info = VersionInfo {
        version: Version(next),
        kind: note.kind,
        created_at: at,
        created_by: note.created_by.clone().unwrap_or_else(|| writing.intent.actor.name.clone()),
        description: note.description.clone(),
        run: note.run.clone(),
        prev_hash: stack.head_hash,
        hash: Digest::ZERO,
        written,
        removed,
        successful: note.successful,
    };
    info.hash = info.prev_hash.link(content(id.as_str(), &info, changes)?.as_bytes());
    insert(conn, stack.num, &info)?;
    // Of the records that this version ends, those it does not remove were replaced; the rest of what it writes is new.
    let ended: i64 = conn
        .prepare_cached("SELECT count(*) FROM resource_history WHERE stack = ?1 AND to_version = ?2")?
        .query_row(params![stack.num, next], |row| row.get(0))?;
    let count = stack.count + i64::try_from(written).unwrap_or(i64::MAX) - ended;
    Ok(Made { version: Some(Version(next)), head: next, hash: info.hash, pending: false, count })
}

fn insert(conn: Connection<'_>, stack: i64, info: &VersionInfo) -> Outcome<()> {
    let sql = "INSERT INTO versions (stack, version, kind, created_at, created_by, description, run, successful, \
               written, removed, prev_hash, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    conn.prepare_cached(sql)?.execute(params![
        stack,
        info.version.0,
        info.kind.as_str(),
        info.created_at.as_nanos(),
        info.created_by,
        info.description,
        info.run.as_ref().map(RunId::as_str),
        info.successful,
        info.written,
        info.removed,
        info.prev_hash.as_bytes(),
        info.hash.as_bytes(),
    ])?;
    Ok(())
}

const COLUMNS: &str = "version, kind, created_at, created_by, description, run, successful, written, removed, \
                       prev_hash, hash";

/// One row, from the columns of [`COLUMNS`].
fn info(row: &Row<'_>) -> Outcome<VersionInfo> {
    let kind: String = row.get(1)?;
    Ok(VersionInfo {
        version: Version(row.get(0)?),
        kind: VersionKind::parse(&kind)
            .ok_or_else(|| Failure::bad(format!("`{kind}` is not a kind of version")))?,
        created_at: Timestamp::from_nanos(row.get(2)?),
        created_by: row.get(3)?,
        description: row.get(4)?,
        run: row.get::<_, Option<String>>(5)?.map(RunId::from_stored),
        prev_hash: digest_of(&row.get::<_, [u8; 32]>(9)?)?,
        hash: digest_of(&row.get::<_, [u8; 32]>(10)?)?,
        written: row.get(7)?,
        removed: row.get(8)?,
        successful: row.get(6)?,
    })
}

/// The numbers of those that were not removed.
pub fn kept(conn: Connection<'_>) -> Outcome<BTreeMap<i64, BTreeSet<u64>>> {
    let mut ask = conn.prepare_cached("SELECT stack, version FROM versions WHERE removed_at IS NULL")?;
    let mut rows = ask.query([])?;
    let mut out: BTreeMap<i64, BTreeSet<u64>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        out.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    Ok(out)
}

/// The history of a stack, oldest first, with what was removed, for checking.
pub fn all(conn: Connection<'_>, stack: i64) -> Outcome<Vec<VersionInfo>> {
    let sql = format!("SELECT {COLUMNS} FROM versions WHERE stack = ?1 ORDER BY version");
    let mut ask = conn.prepare_cached(&sql)?;
    let mut rows = ask.query([stack])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(info(&row)?);
    }
    Ok(out)
}

impl Session<'_> {
    fn list_versions(&self, stack: &StackId, limit: u64) -> Outcome<Vec<VersionInfo>> {
        let Some(stack) = self.stack(stack)? else { return Ok(Vec::new()) };
        let limit = sql::limit(limit);
        let sql = format!(
            "SELECT {COLUMNS} FROM versions WHERE stack = ?1 AND removed_at IS NULL \
                           ORDER BY version DESC LIMIT ?2"
        );
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = ask.query(params![stack.num, limit])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(info(&row)?);
        }
        Ok(out)
    }

    fn get_version(&self, stack: &StackId, version: Version) -> Outcome<Option<VersionInfo>> {
        let Some(stack) = self.stack(stack)? else { return Ok(None) };
        let Ok(number) = i64::try_from(version.0) else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM versions WHERE stack = ?1 AND version = ?2 AND removed_at IS NULL"
        );
        let found = self
            .conn()?
            .prepare_cached(&sql)?
            .query_row(params![stack.num, number], |row| Ok(info(row)))
            .optional()?;
        found.transpose()
    }

    fn oldest_version(&self, stack: &StackId) -> Outcome<Option<VersionInfo>> {
        let Some(stack) = self.stack(stack)? else { return Ok(None) };
        let sql = format!(
            "SELECT {COLUMNS} FROM versions WHERE stack = ?1 AND removed_at IS NULL ORDER BY version LIMIT 1"
        );
        let found =
            self.conn()?.prepare_cached(&sql)?.query_row([stack.num], |row| Ok(info(row))).optional()?;
        found.transpose()
    }

    fn snapshot(&self, stack: &StackId, version: Version) -> Outcome<Option<Snapshot>> {
        let Some(info) = self.get_version(stack, version)? else { return Ok(None) };
        let at = VersionAt::Number(version);
        Ok(Some(Snapshot {
            info,
            resources: self.list_resources(stack, at)?,
            outputs: self.list_named(OUTPUTS, stack, at)?,
            upstreams: self.list_named(UPSTREAMS, stack, at)?,
        }))
    }

    fn is_pending(&self, stack: &StackId) -> Outcome<bool> {
        let here = self.pending_here(stack);
        Ok(here || self.stack(stack)?.is_some_and(|row| row.pending))
    }
}

impl ReadVersions for Session<'_> {
    fn version_list(&self, stack: &StackId, limit: u64) -> Result<Vec<VersionInfo>, StoreError> {
        self.shared.told(self.list_versions(stack, limit))
    }
    fn version_get(&self, stack: &StackId, version: Version) -> Result<Option<VersionInfo>, StoreError> {
        self.shared.told(self.get_version(stack, version))
    }
    fn version_oldest(&self, stack: &StackId) -> Result<Option<VersionInfo>, StoreError> {
        self.shared.told(self.oldest_version(stack))
    }
    fn version_snapshot(&self, stack: &StackId, version: Version) -> Result<Option<Snapshot>, StoreError> {
        self.shared.told(self.snapshot(stack, version))
    }
    fn version_pending(&self, stack: &StackId) -> Result<bool, StoreError> {
        self.shared.told(self.is_pending(stack))
    }
}
