//! Hooks, what is owed to them, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use sloth_core::actor::Actor;
use sloth_core::clock::Timestamp;
use sloth_core::event::Event;
use sloth_core::hook::{Attempt, Delivery, Hook, HookState, Verdict};
use sloth_core::id::StackId;
use sloth_core::store::{ReadHooks, StoreError, WriteHooks};
use sloth_core::value::{Value, canonical, to_value};

use crate::events;
use crate::failure::{Failure, Outcome};
use crate::process;
use crate::session::Session;
use crate::shared::Shared;
use crate::sql::{Connection, OptionalExtension as _, params};

/// So many attempts of each hook are kept.
const KEPT: i64 = 1000;
/// Nothing is put off for longer; what seems to be was written before the clock was set back.
const FARTHEST: Duration = Duration::from_secs(2 * 86_400);

/// Hooks that are told something.
pub fn enabled(conn: Connection<'_>) -> Outcome<Vec<Hook>> {
    let mut ask = conn.prepare_cached("SELECT body FROM hooks WHERE enabled = 1 ORDER BY name")?;
    let mut rows = ask.query([])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(serde_json::from_str(&row.get::<_, String>(0)?)?);
    }
    Ok(out)
}

/// Owes an event that was just written to everybody who wants it.
pub fn owe(
    shared: &Shared,
    conn: Connection<'_>,
    hooks: &[Hook],
    (num, seq): (i64, u64),
    stack: Option<&StackId>,
    event: &Event,
) -> Outcome<()> {
    if hooks.is_empty() {
        return Ok(());
    }
    shared.stir();
    let kind = event.type_name();
    let failed = event.payload.get("hook").and_then(Value::as_str);
    for hook in hooks.iter().filter(|hook| hook.wants(&kind, stack, failed)) {
        add(conn, &hook.name, num, seq, shared.now())?;
    }
    Ok(())
}

fn add(conn: Connection<'_>, hook: &str, stack: i64, seq: u64, at: Timestamp) -> Outcome<()> {
    let sql = "INSERT INTO hook_deliveries (hook, stack, seq, attempts, due_at, dead) VALUES (?1, ?2, ?3, 0, ?4, 0)";
    conn.prepare_cached(sql)?.execute(params![hook, stack, seq, at.as_nanos()])?;
    Ok(())
}

/// The first event of a stack that a hook has not taken yet.
pub fn first_owed(conn: Connection<'_>, stack: i64) -> Outcome<Option<u64>> {
    let sql = "SELECT min(seq) FROM hook_deliveries WHERE stack = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([stack], |row| row.get(0))?)
}

/// Names a process so that others can tell whether it is still there.
fn token_of(shared: &Shared, actor: &Actor) -> String {
    let (boot, space) = (shared.clock.boot_id(), process::pid_space());
    format!("{}\t{boot}\t{space}\t{}\t{}", actor.host, actor.pid, actor.pid_start)
}

/// Is the process of a token certainly gone?
fn is_gone(shared: &Shared, here: &Actor, token: &str) -> bool {
    let parts: Vec<&str> = token.split('\t').collect();
    let [host, boot, space, pid, start] = parts.as_slice() else { return false };
    if *host != here.host {
        return false;
    }
    if *boot != shared.clock.boot_id() {
        // Two hosts that share a server may have one name.
        return !shared.is_common();
    }
    *space == process::pid_space().to_string()
        && matches!((pid.parse(), start.parse()), (Ok(pid), Ok(start)) if process::is_gone(pid, start))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Session<'_> {
    fn list_hooks(&self) -> Outcome<Vec<HookState>> {
        let conn = self.conn()?;
        let mut owed: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        let mut ask =
            conn.prepare_cached("SELECT hook, dead, count(*) FROM hook_deliveries GROUP BY hook, dead")?;
        let mut rows = ask.query([])?;
        while let Some(row) = rows.next()? {
            let entry = owed.entry(row.get(0)?).or_default();
            if row.get::<_, i64>(1)? == 0 {
                entry.0 = row.get(2)?;
            } else {
                entry.1 = row.get(2)?;
            }
        }
        let mut ask = conn.prepare_cached("SELECT body, runs, last_run FROM hooks ORDER BY name")?;
        let mut rows = ask.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let hook: Hook = serde_json::from_str(&row.get::<_, String>(0)?)?;
            let (waiting, dead) = owed.get(&hook.name).copied().unwrap_or_default();
            let last_run = row.get::<_, Option<i64>>(2)?.map(Timestamp::from_nanos);
            out.push(HookState { hook, runs: row.get(1)?, last_run, waiting, dead });
        }
        Ok(out)
    }

    fn list_attempts(&self, hook: Option<&str>, limit: u64) -> Outcome<Vec<Attempt>> {
        let limit = if limit == 0 { i64::MAX } else { i64::try_from(limit).unwrap_or(i64::MAX) };
        let sql = "SELECT hook, event, kind, attempt, at, duration, outcome, status, error, output FROM hook_attempts \
                   WHERE CAST(?1 AS TEXT) IS NULL OR hook = ?1 ORDER BY at DESC, num DESC LIMIT ?2";
        let mut ask = self.conn()?.prepare_cached(sql)?;
        let mut rows = ask.query(params![hook, limit])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(Attempt {
                hook: row.get(0)?,
                event: row.get(1)?,
                kind: row.get(2)?,
                attempt: row.get(3)?,
                at: Timestamp::from_nanos(row.get(4)?),
                duration: Duration::from_nanos(row.get::<_, u64>(5)?),
                outcome: row.get(6)?,
                status: row.get(7)?,
                error: row.get(8)?,
                output: row.get(9)?,
            });
        }
        out.reverse();
        Ok(out)
    }

    fn put_hook(&mut self, hook: &Hook) -> Outcome<()> {
        let (conn, writing, shared) = self.change()?;
        shared.stir();
        writing.hooks = None;
        let sql = "INSERT INTO hooks (name, enabled, body, runs, last_run) VALUES (?1, ?2, ?3, 0, NULL) \
                   ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, body = excluded.body";
        conn.prepare_cached(sql)?.execute(params![
            hook.name,
            i64::from(hook.enabled),
            canonical(&to_value(hook))
        ])?;
        Ok(())
    }

    fn remove_hook(&mut self, name: &str) -> Outcome<bool> {
        let (conn, writing, _) = self.change()?;
        writing.hooks = None;
        conn.prepare_cached("DELETE FROM hook_deliveries WHERE hook = ?1")?.execute([name])?;
        Ok(conn.prepare_cached("DELETE FROM hooks WHERE name = ?1")?.execute([name])? > 0)
    }

    fn last_delivery(&mut self) -> Outcome<u64> {
        let (conn, ..) = self.change()?;
        let sql = "SELECT coalesce(max(num), 0) FROM hook_deliveries";
        Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    fn claim_deliveries(&mut self, last: u64, lease: Duration, limit: u64) -> Outcome<Vec<Delivery>> {
        let (conn, writing, shared) = self.change()?;
        let (now, actor) = (shared.now(), &writing.intent.actor);
        let mut ask =
            conn.prepare_cached("SELECT DISTINCT token FROM hook_deliveries WHERE token IS NOT NULL")?;
        let tokens = ask.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for token in tokens.iter().filter(|token| is_gone(shared, actor, token)) {
            conn.prepare_cached("UPDATE hook_deliveries SET token = NULL, due_at = ?1 WHERE token = ?2")?
                .execute(params![now.as_nanos(), token])?;
        }
        let sql = "SELECT d.num, d.hook, d.stack, d.seq, d.attempts FROM hook_deliveries d \
                   JOIN hooks h ON h.name = d.hook WHERE h.enabled = 1 AND d.dead = 0 AND d.num <= ?1 \
                   AND (d.due_at <= ?2 OR d.due_at > ?3) ORDER BY d.num LIMIT ?4";
        let mut ask = conn.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let horizon = now.plus(FARTHEST).as_nanos();
        let found = ask
            .query_map(params![last, now.as_nanos(), horizon, limit], |row| {
                Ok((
                    row.get::<_, u64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, u64>(3)?,
                    row.get::<_, u32>(4)?,
                ))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let token = token_of(shared, actor);
        let until = now.as_nanos().saturating_add(nanos(lease.min(FARTHEST / 2)));
        let mut out = Vec::with_capacity(found.len());
        for (num, hook, stack, seq, attempts) in found {
            conn.prepare_cached(
                "UPDATE hook_deliveries SET token = ?1, due_at = ?2, attempts = ?3 WHERE num = ?4",
            )?
            .execute(params![token, until, attempts + 1, num])?;
            let event = events::get(conn, stack, seq)?;
            out.push(Delivery { num, token: token.clone(), hook, event, attempt: attempts + 1 });
        }
        Ok(out)
    }

    fn end_delivery(
        &mut self,
        delivery: &Delivery,
        verdict: Verdict,
        attempt: Option<&Attempt>,
    ) -> Outcome<bool> {
        let (conn, _, shared) = self.change()?;
        let (now, of) = (shared.now().as_nanos(), delivery);
        let put_off = "UPDATE hook_deliveries SET token = NULL, due_at = ?1, dead = ?2, attempts = ?3 \
                       WHERE num = ?4 AND token = ?5 AND attempts = ?6";
        let put_off = |due: i64, dead: bool, attempts: u32| -> Outcome<usize> {
            let values = params![due, i64::from(dead), attempts, of.num, of.token, of.attempt];
            Ok(conn.prepare_cached(put_off)?.execute(values)?)
        };
        let ended = match verdict {
            Verdict::Delivered => conn
                .prepare_cached(
                    "DELETE FROM hook_deliveries WHERE num = ?1 AND token = ?2 AND attempts = ?3",
                )?
                .execute(params![of.num, of.token, of.attempt])?,
            Verdict::Retry(at) => put_off(at.as_nanos(), false, of.attempt)?,
            Verdict::Dead => put_off(now, true, of.attempt)?,
            Verdict::Untried => put_off(now, false, of.attempt.saturating_sub(1))?,
        };
        if let Some(attempt) = attempt {
            keep(conn, attempt)?;
        }
        Ok(ended > 0)
    }

    fn add_delivery(&mut self, hook: &str, event: &str) -> Outcome<bool> {
        let (conn, _, shared) = self.change()?;
        shared.stir();
        let known = conn
            .prepare_cached("SELECT 1 FROM hooks WHERE name = ?1")?
            .query_row([hook], |_| Ok(()))
            .optional()?;
        let Some((stack, seq)) = events::place(conn, event)? else { return Ok(false) };
        if known.is_none() {
            return Ok(false);
        }
        // What was given up is tried again instead of twice.
        conn.prepare_cached(
            "DELETE FROM hook_deliveries WHERE hook = ?1 AND stack = ?2 AND seq = ?3 AND dead = 1",
        )?
        .execute(params![hook, stack, seq])?;
        add(conn, hook, stack, seq, shared.now())?;
        Ok(true)
    }

    fn revive_deliveries(&mut self, hook: Option<&str>) -> Outcome<u64> {
        let (conn, _, shared) = self.change()?;
        shared.stir();
        let sql = "UPDATE hook_deliveries SET dead = 0, attempts = 0, due_at = ?1 \
                   WHERE dead = 1 AND (CAST(?2 AS TEXT) IS NULL OR hook = ?2)";
        Ok(conn.prepare_cached(sql)?.execute(params![shared.now().as_nanos(), hook])? as u64)
    }
}

/// Keeps an attempt, and the newest ones before it.
fn keep(conn: Connection<'_>, attempt: &Attempt) -> Outcome<()> {
    let sql = "SELECT coalesce(max(num), 0) + 1 FROM hook_attempts WHERE hook = ?1";
    let num: i64 = conn.prepare_cached(sql)?.query_row([&attempt.hook], |row| row.get(0))?;
    let sql = "INSERT INTO hook_attempts (hook, num, event, kind, attempt, at, duration, outcome, status, error, output) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    conn.prepare_cached(sql)?.execute(params![
        attempt.hook,
        num,
        attempt.event,
        attempt.kind,
        attempt.attempt,
        attempt.at.as_nanos(),
        nanos(attempt.duration),
        attempt.outcome,
        attempt.status,
        attempt.error,
        attempt.output,
    ])?;
    conn.prepare_cached("DELETE FROM hook_attempts WHERE hook = ?1 AND num <= ?2")?
        .execute(params![attempt.hook, num - KEPT])?;
    conn.prepare_cached("UPDATE hooks SET runs = runs + 1, last_run = ?1 WHERE name = ?2")?
        .execute(params![attempt.at.as_nanos(), attempt.hook])?;
    Ok(())
}

impl ReadHooks for Session<'_> {
    fn hook_list(&self) -> Result<Vec<HookState>, StoreError> {
        self.shared.told(self.list_hooks())
    }
    fn hook_attempts(&self, hook: Option<&str>, limit: u64) -> Result<Vec<Attempt>, StoreError> {
        self.shared.told(self.list_attempts(hook, limit))
    }
}

impl WriteHooks for Session<'_> {
    fn hook_put(&mut self, hook: &Hook) -> Result<(), StoreError> {
        let done = self.put_hook(hook);
        self.shared.told(done)
    }
    fn hook_remove(&mut self, name: &str) -> Result<bool, StoreError> {
        let done = self.remove_hook(name);
        self.shared.told(done)
    }
    fn delivery_last(&mut self) -> Result<u64, StoreError> {
        let done = self.last_delivery();
        self.shared.told(done)
    }
    fn delivery_claim(
        &mut self,
        last: u64,
        lease: Duration,
        limit: u64,
    ) -> Result<Vec<Delivery>, StoreError> {
        let done = self.claim_deliveries(last, lease, limit);
        self.shared.told(done)
    }
    fn delivery_end(
        &mut self,
        delivery: &Delivery,
        verdict: Verdict,
        attempt: Option<&Attempt>,
    ) -> Result<bool, StoreError> {
        let done = self.end_delivery(delivery, verdict, attempt);
        self.shared.told(done)
    }
    fn delivery_add(&mut self, hook: &str, event: &str) -> Result<bool, StoreError> {
        let done = self.add_delivery(hook, event);
        self.shared.told(done)
    }
    fn delivery_revive(&mut self, hook: Option<&str>) -> Result<u64, StoreError> {
        let done = self.revive_deliveries(hook);
        self.shared.told(done)
    }
}

/// What there is about a hook that a check can look at: deliveries nobody can make, because hook or event are gone.
pub fn lost(conn: Connection<'_>) -> Outcome<u64> {
    let sql = "SELECT count(*) FROM hook_deliveries d WHERE NOT EXISTS (SELECT 1 FROM hooks WHERE name = d.hook) \
               OR NOT EXISTS (SELECT 1 FROM events WHERE stack = d.stack AND seq = d.seq)";
    conn.query_row(sql, [], |row| row.get(0)).map_err(Failure::from)
}
