//! Drift findings: one set per detection, of which the newest counts. And what people want to be ignored of it.

use sloth_core::address::Address;
use sloth_core::clock::Timestamp;
use sloth_core::drift::{DriftIgnore, DriftStatus, Finding, Resolution, Settled};
use sloth_core::id::StackId;
use sloth_core::store::{ReadDrift, StoreError, WriteDrift};
use sloth_core::value::{Value, canonical, to_value};

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::sql::{And, OptionalExtension as _, Row, params};

/// The word a plain enum is stored as.
fn word<T: serde::Serialize>(item: &T) -> String {
    match to_value(item) {
        Value::String(text) => text,
        other => canonical(&other),
    }
}

fn from_word<T: serde::de::DeserializeOwned>(text: String) -> Outcome<T> {
    Ok(serde_json::from_value(Value::String(text))?)
}

fn finding(row: &Row<'_>) -> Outcome<Finding> {
    let value = |at: usize| -> Outcome<Option<Value>> {
        let text: Option<String> = row.get(at)?;
        Ok(text.map(|t| serde_json::from_str(&t)).transpose()?)
    };
    Ok(Finding {
        address: address_of(&row.get::<_, String>(0)?)?,
        status: from_word::<DriftStatus>(row.get(1)?)?,
        expected: value(2)?,
        actual: value(3)?,
        diff: serde_json::from_str(&row.get::<_, String>(4)?)?,
        reason: serde_json::from_str(&row.get::<_, String>(5)?)?,
        detected_at: Timestamp::from_nanos(row.get(6)?),
        resolution: from_word::<Resolution>(row.get(7)?)?,
        since: Timestamp::from_nanos(row.get(8)?),
        looks: u64::try_from(row.get::<_, i64>(9)?).unwrap_or(1),
        settled: settled(row)?,
    })
}

fn settled(row: &Row<'_>) -> Outcome<Option<Settled>> {
    let Some(by) = row.get::<_, Option<String>>(10)? else { return Ok(None) };
    Ok(Some(Settled { by, at: Timestamp::from_nanos(row.get(11)?), with: row.get(12)? }))
}

fn address_of(text: &str) -> Outcome<Address> {
    text.parse().map_err(|_| Failure::bad(format!("`{text}` is not an address")))
}

/// So many findings of a stack are kept, and all of the newest detection.
const REMEMBERED: i64 = 10_000;

const COLUMNS: &str = "address, status, expected, actual, diff, reason, detected_at, resolution, since, looks, settled_by, \
                       settled_at, settled_with";

const RESOLVE: &str = "UPDATE drift_findings SET resolution = 'resolved', settled_by = ?3, settled_at = ?4, \
                       settled_with = ?5 \
                       WHERE stack = ?1 AND address = ?2 AND resolution <> 'resolved' AND status <> 'clean'";

/// What was clean says nothing any more once there is a newer look, and old history is not kept for ever.
const FORGET: [&str; 2] = [
    "DELETE FROM drift_findings WHERE stack = ?1 AND detection = ?2 AND status = 'clean'",
    "DELETE FROM drift_findings WHERE stack = ?1 AND detection <= ?2 AND detection < (SELECT detection FROM \
     drift_findings WHERE stack = ?1 ORDER BY detection DESC LIMIT 1 OFFSET ?3)",
];

/// Takes a finding along into the next detection, if nothing about it is new.
const CONTINUE: &str = "UPDATE drift_findings SET detection = ?3, expected = ?7, actual = ?8, reason = ?9, \
                        looks = looks + CASE WHEN detected_at = ?10 THEN 0 ELSE 1 END, detected_at = ?10, \
                        settled_by = ?11, settled_at = ?12, settled_with = ?13 \
                        WHERE stack = ?1 AND address = ?2 AND detection = ?3 - 1 AND status = ?4 AND diff = ?5 \
                        AND resolution = ?6";

const PUT: &str = "INSERT INTO drift_findings (stack, address, detection, status, diff, resolution, expected, actual, \
                   reason, detected_at, settled_by, settled_at, settled_with, since, looks) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
                   ON CONFLICT (stack, detection, address) DO UPDATE SET status = excluded.status, \
                   expected = excluded.expected, actual = excluded.actual, diff = excluded.diff, \
                   reason = excluded.reason, detected_at = excluded.detected_at, resolution = excluded.resolution, \
                   settled_by = excluded.settled_by, settled_at = excluded.settled_at, \
                   settled_with = excluded.settled_with, since = excluded.since, looks = excluded.looks";

impl Session<'_> {
    fn resolve_drift(&mut self, id: &StackId, addresses: &[Address]) -> Outcome<()> {
        self.require_hold(id)?;
        let now = self.shared.now().as_nanos();
        let (conn, writing, stack) = self.target()?;
        let mut resolve = conn.prepare_cached(RESOLVE)?;
        let (who, verb) = (&writing.intent.actor.name, &writing.intent.verb);
        for address in addresses {
            resolve.execute(params![stack.num, address.to_string(), who, now, verb])?;
        }
        Ok(())
    }

    fn latest_drift(&self, stack: &StackId) -> Outcome<Vec<Finding>> {
        let Some(stack) = self.stack(stack)? else { return Ok(Vec::new()) };
        let sql = format!(
            "SELECT {COLUMNS} FROM drift_findings \
             WHERE stack = ?1 AND detection = (SELECT detection FROM stacks WHERE num = ?1) ORDER BY address"
        );
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = ask.query([stack.num])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(finding(&row)?);
        }
        Ok(out)
    }

    fn drift_over_time(&self, stack: &StackId, address: Option<&Address>) -> Outcome<Vec<Finding>> {
        let Some(stack) = self.stack(stack)? else { return Ok(Vec::new()) };
        let of = if address.is_some() { "AND address = ?2" } else { "" };
        let sql = format!(
            "SELECT {COLUMNS} FROM drift_findings WHERE stack = ?1 {of} AND status <> 'clean' ORDER BY detection, address"
        );
        let mut ask = self.conn()?.prepare_cached(&sql)?;
        let mut rows = match address {
            Some(address) => ask.query(params![stack.num, address.to_string()])?,
            None => ask.query([stack.num])?,
        };
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(finding(&row)?);
        }
        Ok(out)
    }

    fn list_ignores(&self, stack: &StackId) -> Outcome<Vec<DriftIgnore>> {
        let Some(stack) = self.stack(stack)? else { return Ok(Vec::new()) };
        let sql = "SELECT address, attribute, reason, ignored_by, ignored_at, until FROM drift_ignores \
                   WHERE stack = ?1 AND (until IS NULL OR until > ?2) ORDER BY address, attribute";
        let mut ask = self.conn()?.prepare_cached(sql)?;
        let mut rows = ask.query(params![stack.num, self.shared.now().as_nanos()])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(DriftIgnore {
                address: address_of(&row.get::<_, String>(0)?)?,
                attribute: Some(row.get::<_, String>(1)?).filter(|name| !name.is_empty()),
                reason: row.get(2)?,
                by: row.get(3)?,
                at: Timestamp::from_nanos(row.get(4)?),
                until: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_nanos),
            });
        }
        Ok(out)
    }

    fn put_ignore(&mut self, id: &StackId, ignore: &DriftIgnore) -> Outcome<()> {
        self.require_hold(id)?;
        let now = self.shared.now().as_nanos();
        let (conn, _, stack) = self.target()?;
        // Nobody reads what has ended; without this it would stay for ever.
        conn.prepare_cached("DELETE FROM drift_ignores WHERE stack = ?1 AND until <= ?2")?
            .execute(params![stack.num, now])?;
        let put = "INSERT INTO drift_ignores (stack, address, attribute, reason, ignored_by, ignored_at, until) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                   ON CONFLICT (stack, address, attribute) DO UPDATE SET reason = excluded.reason, \
                   ignored_by = excluded.ignored_by, ignored_at = excluded.ignored_at, until = excluded.until";
        conn.prepare_cached(put)?.execute(params![
            stack.num,
            ignore.address.to_string(),
            ignore.attribute.as_deref().unwrap_or_default(),
            ignore.reason,
            ignore.by,
            ignore.at.as_nanos(),
            ignore.until.map(Timestamp::as_nanos),
        ])?;
        Ok(())
    }

    fn remove_ignore(&mut self, id: &StackId, address: &Address, attribute: Option<&str>) -> Outcome<bool> {
        self.require_hold(id)?;
        let now = self.shared.now().as_nanos();
        let (conn, _, stack) = self.target()?;
        let sql = "DELETE FROM drift_ignores WHERE stack = ?1 AND address = ?2 AND attribute = ?3 \
                   RETURNING until IS NULL OR until > ?4";
        let found = conn
            .prepare_cached(sql)?
            .query_row(params![stack.num, address.to_string(), attribute.unwrap_or_default(), now], |row| {
                row.get::<_, bool>(0)
            })
            .optional()?;
        Ok(found.unwrap_or(false))
    }

    fn put_drift(&mut self, id: &StackId, findings: &[Finding]) -> Outcome<()> {
        self.require_hold(id)?;
        let now = self.shared.now().as_nanos();
        let (conn, writing, stack) = self.target()?;
        let detection: Option<i64> = conn
            .prepare_cached("UPDATE stacks SET detection = detection + 1 WHERE num = ?1 RETURNING detection")?
            .query_row([stack.num], |row| row.get(0))
            .optional()?;
        let detection = detection.ok_or_else(|| Failure::bad("the stack of the transaction is gone"))?;
        conn.prepare_cached(FORGET[0])?.execute(params![stack.num, detection - 1])?;
        // Looking every minute must not fill the disk with what was found long ago.
        conn.prepare_cached(FORGET[1])?.execute(params![stack.num, detection - 1, REMEMBERED - 1])?;
        let (who, verb) = (&writing.intent.actor.name, &writing.intent.verb);
        for finding in findings {
            let address = finding.address.to_string();
            if finding.status == DriftStatus::Clean {
                conn.prepare_cached(RESOLVE)?.execute(params![stack.num, address, who, now, verb])?;
            }
            let settled = finding.settled.as_ref();
            let columns = params![
                stack.num,
                address,
                detection,
                word(&finding.status),
                canonical(&to_value(&finding.diff)),
                word(&finding.resolution),
                finding.expected.as_ref().map(canonical),
                finding.actual.as_ref().map(canonical),
                canonical(&to_value(&finding.reason)),
                finding.detected_at.as_nanos(),
                settled.map(|s| &s.by),
                settled.map(|s| s.at.as_nanos()),
                settled.map(|s| &s.with),
            ];
            let goes_on =
                finding.status != DriftStatus::Clean && conn.prepare_cached(CONTINUE)?.execute(columns)? > 0;
            if !goes_on {
                let looks = i64::try_from(finding.looks).unwrap_or(i64::MAX);
                conn.prepare_cached(PUT)?.execute(And(And(columns, finding.since.as_nanos()), looks))?;
            }
        }
        Ok(())
    }
}

impl ReadDrift for Session<'_> {
    fn drift_latest(&self, stack: &StackId) -> Result<Vec<Finding>, StoreError> {
        self.shared.told(self.latest_drift(stack))
    }
    fn drift_history(&self, stack: &StackId, address: Option<&Address>) -> Result<Vec<Finding>, StoreError> {
        self.shared.told(self.drift_over_time(stack, address))
    }
    fn drift_ignores(&self, stack: &StackId) -> Result<Vec<DriftIgnore>, StoreError> {
        self.shared.told(self.list_ignores(stack))
    }
}

impl WriteDrift for Session<'_> {
    fn drift_put(&mut self, stack: &StackId, findings: &[Finding]) -> Result<(), StoreError> {
        let done = self.put_drift(stack, findings);
        self.shared.told(done)
    }
    fn drift_resolve(&mut self, stack: &StackId, addresses: &[Address]) -> Result<(), StoreError> {
        let done = self.resolve_drift(stack, addresses);
        self.shared.told(done)
    }
    fn drift_ignore_put(&mut self, stack: &StackId, ignore: &DriftIgnore) -> Result<(), StoreError> {
        let done = self.put_ignore(stack, ignore);
        self.shared.told(done)
    }
    fn drift_ignore_remove(
        &mut self,
        stack: &StackId,
        address: &Address,
        attribute: Option<&str>,
    ) -> Result<bool, StoreError> {
        let done = self.remove_ignore(stack, address, attribute);
        self.shared.told(done)
    }
}
