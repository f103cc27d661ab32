//! Leases: one process and one person per stack, a fair queue, and the number that makes a late writer harmless.
//!
//! Time is the boot clock, which neither jumps nor stops while the host sleeps; another boot id means that every
//! process of then is gone. A person's lock outlives the boot: in another one its wall-clock end counts.
//!
//! On a server, which many hosts share, time is the server's clock, and a process is known to be gone only by those who
//! see the same processes.

use std::time::{Duration, Instant};

use sloth_core::actor::Actor;
use sloth_core::clock::Timestamp;
use sloth_core::event::{Event, EventType, Severity};
use sloth_core::id::{LockId, StackId};
use sloth_core::lease::{Fence, Lease, LeaseError, LeaseInfo, LeaseKind, LeaseRequest};
use sloth_core::store::{Leases, OperationRecord, Wait};
use sloth_core::value::Value;
use sloth_core::version::Version;

use crate::failure::{Failure, Outcome};
use crate::session::stack_row;
use crate::shared::Shared;
use crate::sql::{self, Connection, OptionalExtension as _, Row, params};
use crate::{events, hooks, mark, operations, process};

/// The first in the queue looks so often.
const HEAD_PAUSE: Duration = Duration::from_millis(1);
/// Those behind look less often, up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// A waiter says so often that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A waiter that has not said so for this long is not there.
const WAITER_LIFE: Duration = Duration::from_secs(5);

const COLUMNS: &str = "kind, lock_id, locked_by, operation, reason, host, pid, pid_start, pid_space, boot_id, \
                       locked_at, renewed_at, expires_at, renewed_boot, expires_boot, ttl, fence";

/// A row of `leases`.
#[derive(Clone, Debug)]
struct Held {
    kind: LeaseKind,
    id: LockId,
    locked_by: String,
    operation: String,
    reason: String,
    place: Place,
    locked_at: i64,
    renewed_at: i64,
    expires_at: i64,
    renewed_boot: i64,
    expires_boot: i64,
    ttl: i64,
    fence: u64,
}

/// Where a process is.
#[derive(Clone, Debug)]
struct Place {
    host: String,
    pid: u32,
    pid_start: u64,
    pid_space: i64,
    boot: String,
}

impl Place {
    /// Can pids of that place be compared with ours?
    fn pids_compare(&self, here: &Here) -> bool {
        self.boot == here.boot && self.pid_space == here.pid_space
    }
    /// Can clocks of that place be compared with ours?
    fn clocks_compare(&self, here: &Here) -> bool {
        here.common || self.pids_compare(here)
    }
    /// Is the process certainly gone?
    fn is_gone(&self, here: &Here) -> bool {
        (!here.common && self.boot != here.boot)
            || (self.pids_compare(here) && process::is_gone(self.pid, self.pid_start))
    }
}

/// Where and when we are.
struct Here {
    boot: String,
    pid_space: i64,
    now: Timestamp,
    /// On the clock that leases are measured with.
    boottime: i64,
    /// Do all hosts measure with one clock?
    common: bool,
}

/// A row of `waiters`.
struct Waiter {
    ticket: i64,
    name: String,
    operation: String,
    presents: Option<String>,
    place: Place,
    seen: i64,
}

impl Waiter {
    fn is_gone(&self, here: &Here) -> bool {
        here.boottime.saturating_sub(self.seen) > nanos(WAITER_LIFE) || self.place.is_gone(here)
    }
}

/// A person's lock outlives the boot; that of a process does not.
const fn wait_for(kind: LeaseKind) -> Wait {
    match kind {
        LeaseKind::Process => Wait::Fast,
        LeaseKind::Person => Wait::Durable,
    }
}

fn nanos(d: Duration) -> i64 {
    i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)
}

/// The place that begins at a column.
fn place(row: &Row<'_>, at: usize) -> sql::Result<Place> {
    Ok(Place {
        host: row.get(at)?,
        pid: row.get(at + 1)?,
        pid_start: row.get(at + 2)?,
        pid_space: row.get(at + 3)?,
        boot: row.get(at + 4)?,
    })
}

fn held(row: &Row<'_>) -> sql::Result<Held> {
    let kind: String = row.get(0)?;
    Ok(Held {
        kind: if kind == "person" { LeaseKind::Person } else { LeaseKind::Process },
        id: LockId::from_stored(row.get::<_, String>(1)?),
        locked_by: row.get(2)?,
        operation: row.get(3)?,
        reason: row.get(4)?,
        place: place(row, 5)?,
        locked_at: row.get(10)?,
        renewed_at: row.get(11)?,
        expires_at: row.get(12)?,
        renewed_boot: row.get(13)?,
        expires_boot: row.get(14)?,
        ttl: row.get(15)?,
        fence: row.get(16)?,
    })
}

/// All rows of a stack, the person's lock first.
fn rows_of(conn: Connection<'_>, stack: i64) -> Outcome<Vec<Held>> {
    let sql = format!("SELECT {COLUMNS} FROM leases WHERE stack = ?1 ORDER BY kind");
    let mut ask = conn.prepare_cached(&sql)?;
    let rows = ask.query_map([stack], held)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn queue_of(conn: Connection<'_>, stack: i64) -> Outcome<Vec<Waiter>> {
    let sql = "SELECT ticket, name, operation, presents, host, pid, pid_start, pid_space, boot_id, seen FROM waiters \
               WHERE stack = ?1 ORDER BY ticket";
    let mut ask = conn.prepare_cached(sql)?;
    let rows = ask.query_map([stack], |row| {
        Ok(Waiter {
            ticket: row.get(0)?,
            name: row.get(1)?,
            operation: row.get(2)?,
            presents: row.get(3)?,
            place: place(row, 4)?,
            seen: row.get(9)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Held {
    /// Has it ended, as far as can be told without watching?
    fn ended(&self, here: &Here) -> bool {
        if !here.common && self.place.boot != here.boot {
            return self.kind == LeaseKind::Process || self.expires_at <= here.now.as_nanos();
        }
        if self.kind == LeaseKind::Process {
            if !self.place.clocks_compare(here) {
                return false;
            }
            return self.expires_boot <= here.boottime || self.place.is_gone(here);
        }
        self.expires_boot <= here.boottime
    }

    fn info(&self, queue: &[Waiter], here: &Here) -> LeaseInfo {
        LeaseInfo {
            id: self.id.clone(),
            kind: self.kind,
            locked_by: self.locked_by.clone(),
            operation: self.operation.clone(),
            reason: self.reason.clone(),
            host: self.place.host.clone(),
            pid: self.place.pid,
            locked_at: Timestamp::from_nanos(self.locked_at),
            renewed_at: Timestamp::from_nanos(self.renewed_at),
            expires_at: Timestamp::from_nanos(self.expires_at),
            fence: Fence(self.fence),
            queue: queue.iter().filter(|w| !w.is_gone(here)).map(|w| w.name.clone()).collect(),
        }
    }
}

/// Watches a holder whose pids and clocks cannot be compared with ours.
#[derive(Default)]
struct Watched(Option<(LockId, i64, Instant)>);

impl Watched {
    /// Has this very lease stood still for longer than its ttl?
    fn stands_still(&mut self, held: &Held) -> bool {
        match &self.0 {
            Some((id, renewed, since)) if *id == held.id && *renewed == held.renewed_boot => {
                let life = Duration::from_nanos(u64::try_from(held.ttl).unwrap_or(0));
                since.elapsed() > life + Duration::from_secs(1)
            }
            _ => {
                self.0 = Some((held.id.clone(), held.renewed_boot, Instant::now()));
                false
            }
        }
    }
}

/// What a look at a stack's leases says to somebody who wants one.
#[derive(Clone, Copy)]
enum Verdict {
    Free,
    /// Somebody holds it, at this place of the rows.
    Held(usize),
    /// Somebody came before, at this place of the queue.
    Behind(usize),
}

impl Verdict {
    /// Who is in the way.
    fn info(self, rows: &[Held], queue: &[Waiter], here: &Here) -> Option<LeaseInfo> {
        match self {
            Self::Free => None,
            Self::Held(at) => rows.get(at).map(|held| held.info(queue, here)),
            Self::Behind(at) => queue.get(at).map(|waiter| LeaseInfo {
                id: LockId::from_stored(format!("waiting-{}", waiter.ticket)),
                kind: LeaseKind::Process,
                locked_by: waiter.name.clone(),
                operation: waiter.operation.clone(),
                reason: "waiting".to_owned(),
                host: waiter.place.host.clone(),
                pid: waiter.place.pid,
                locked_at: here.now,
                renewed_at: here.now,
                expires_at: here.now,
                fence: Fence(0),
                queue: queue.iter().filter(|w| !w.is_gone(here)).map(|w| w.name.clone()).collect(),
            }),
        }
    }
}

/// Who holds a stack's process lease now, for a writer that lost it.
pub fn holder(shared: &Shared, conn: Connection<'_>, stack: i64) -> Outcome<Option<LeaseInfo>> {
    let here = here(shared, conn)?;
    let rows = rows_of(conn, stack)?;
    let found = rows.iter().find(|h| h.kind == LeaseKind::Process).or_else(|| rows.first());
    Ok(found.map(|held| held.info(&[], &here)))
}

fn here(shared: &Shared, conn: Connection<'_>) -> Outcome<Here> {
    let server = shared.server_time(conn)?;
    Ok(Here {
        boot: shared.clock.boot_id(),
        pid_space: process::pid_space(),
        now: server.map_or_else(|| shared.now(), Timestamp::from_nanos),
        boottime: server.unwrap_or_else(|| shared.clock.boottime()),
        common: shared.is_common(),
    })
}

impl Shared {
    fn stack_num(&self, conn: Connection<'_>, stack: &StackId) -> Outcome<i64> {
        match stack_row(conn, stack)? {
            Some(row) => Ok(row.num),
            None => Err(Failure::conflict(format!("there is no stack with id `{stack}`"))),
        }
    }

    /// May this request have the lease, with these rows and this queue?
    fn judge(
        request: &LeaseRequest,
        ticket: Option<i64>,
        rows: &[Held],
        queue: &[Waiter],
        here: &Here,
        watched: &mut Watched,
    ) -> Verdict {
        let presents = request.presents.as_ref();
        let mut person = None;
        for (at, held) in rows.iter().enumerate() {
            if held.ended(here) {
                continue;
            }
            let rides = held.kind == LeaseKind::Person
                && request.kind == LeaseKind::Process
                && presents == Some(&held.id);
            if rides {
                person = Some(held);
            } else if held.kind == LeaseKind::Person
                || held.place.clocks_compare(here)
                || !watched.stands_still(held)
            {
                return Verdict::Held(at);
            }
        }
        // Those who came before are served before, if they can be served at all now.
        let first = queue.iter().position(|w| {
            ticket.is_none_or(|mine| w.ticket < mine)
                && person.is_none_or(|p| w.presents.as_deref() == Some(p.id.as_str()))
                && !w.is_gone(here)
        });
        first.map_or(Verdict::Free, Verdict::Behind)
    }

    /// Looks, and takes what is free, in one transaction.
    fn try_take(
        &self,
        request: &LeaseRequest,
        ticket: Option<i64>,
        watched: &mut Watched,
    ) -> Outcome<Result<Lease, LeaseError>> {
        let mut lent = self.lend(wait_for(request.kind))?;
        let conn = lent.conn()?;
        let begun = self.clock.boottime();
        let here = here(self, conn)?;
        let num = self.stack_num(conn, &request.stack)?;
        let rows = rows_of(conn, num)?;
        let queue = queue_of(conn, num)?;
        let verdict = Self::judge(request, ticket, &rows, &queue, &here, watched);
        if let Some(info) = verdict.info(&rows, &queue, &here) {
            return Ok(Err(LeaseError::Held(Box::new(info))));
        }
        if let Some(full) = full(conn, request, num, &here)? {
            return Ok(Err(full));
        }
        for ended in rows.iter().filter(|held| held.ended(&here)) {
            conn.prepare_cached("DELETE FROM leases WHERE stack = ?1 AND lock_id = ?2")?
                .execute(params![num, ended.id.as_str()])?;
            let event = Event {
                kind: EventType::LockExpired,
                severity: Severity::Warning,
                at: here.now,
                run: None,
                task: None,
                address: None,
                message: format!("the lease of `{}` for `{}` ended", ended.locked_by, ended.operation),
                payload: Value::Null,
            };
            tell(self, conn, (num, &request.stack), &event, &request.actor.name)?;
        }
        let lease = self.grant(conn, request, num, &here, begun)?;
        let gone = queue.iter().filter(|w| Some(w.ticket) == ticket || w.is_gone(&here));
        for waiter in gone {
            conn.prepare_cached("DELETE FROM waiters WHERE ticket = ?1")?.execute([waiter.ticket])?;
        }
        if request.kind == LeaseKind::Process {
            self.commit(&mut lent)?;
            return Ok(Ok(lease));
        }
        let what = format!("locked by `{}`: {}", request.actor.name, request.operation);
        let said = Said {
            kind: EventType::LockAcquired,
            actor: &request.actor,
            verb: "stack lock acquire",
            arguments: &[request.operation.clone(), request.reason.clone()],
            message: what,
        };
        let position = said.write(self, conn, num, &request.stack)?;
        self.commit(&mut lent)?;
        position.mark(self);
        Ok(Ok(lease))
    }

    /// Grants it. `begun` is our own clock when we had not asked yet, from which we count how long we may believe to hold it.
    fn grant(
        &self,
        conn: Connection<'_>,
        request: &LeaseRequest,
        num: i64,
        here: &Here,
        begun: i64,
    ) -> Outcome<Lease> {
        let sql = "UPDATE stacks SET fence = fence + 1 WHERE num = ?1 RETURNING fence";
        let fence: u64 = conn.prepare_cached(sql)?.query_row([num], |row| row.get(0))?;
        let id = LockId::generate(here.now);
        let ttl = nanos(request.ttl);
        let expires_boot = here.boottime.saturating_add(ttl);
        if request.kind == LeaseKind::Person {
            // Nobody else holds anything now: what is still written there was watched to its end.
            conn.prepare_cached("DELETE FROM leases WHERE stack = ?1")?.execute([num])?;
        }
        let sql = "INSERT INTO leases (stack, kind, lock_id, locked_by, operation, reason, host, pid, \
                   pid_start, pid_space, boot_id, locked_at, renewed_at, expires_at, renewed_boot, expires_boot, ttl, \
                   fence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, ?14, ?15, ?16, ?17) \
                   ON CONFLICT (stack, kind) DO UPDATE SET lock_id = excluded.lock_id, locked_by = excluded.locked_by, \
                   operation = excluded.operation, reason = excluded.reason, host = excluded.host, pid = excluded.pid, \
                   pid_start = excluded.pid_start, pid_space = excluded.pid_space, boot_id = excluded.boot_id, \
                   locked_at = excluded.locked_at, renewed_at = excluded.renewed_at, expires_at = excluded.expires_at, \
                   renewed_boot = excluded.renewed_boot, expires_boot = excluded.expires_boot, ttl = excluded.ttl, \
                   fence = excluded.fence";
        conn.prepare_cached(sql)?.execute(params![
            num,
            request.kind.as_str(),
            id.as_str(),
            request.actor.name,
            request.operation,
            request.reason,
            request.actor.host,
            request.actor.pid,
            request.actor.pid_start,
            here.pid_space,
            here.boot,
            here.now.as_nanos(),
            here.now.plus(request.ttl).as_nanos(),
            here.boottime,
            expires_boot,
            ttl,
            fence,
        ])?;
        Ok(Lease {
            stack: request.stack.clone(),
            id,
            kind: request.kind,
            fence: Fence(fence),
            ttl: request.ttl,
            expires_boot: begun.saturating_add(ttl),
        })
    }

    fn enqueue(&self, request: &LeaseRequest) -> Outcome<i64> {
        self.write(Wait::Fast, |conn| {
            let here = here(self, conn)?;
            let num = self.stack_num(conn, &request.stack)?;
            let sql = "INSERT INTO waiters (stack, name, operation, presents, host, pid, pid_start, pid_space, boot_id, \
                       seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING ticket";
            let row = params![
                num,
                request.actor.name,
                request.operation,
                request.presents.as_ref().map(LockId::as_str),
                request.actor.host,
                request.actor.pid,
                request.actor.pid_start,
                here.pid_space,
                here.boot,
                here.boottime,
            ];
            Ok(conn.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
        })
    }

    fn leave_queue(&self, ticket: i64) -> Outcome<()> {
        self.write(Wait::Fast, |conn| {
            conn.prepare_cached("DELETE FROM waiters WHERE ticket = ?1")?.execute([ticket])?;
            Ok(())
        })
    }

    /// Says that a waiter is still there; puts it back when somebody took it for dead.
    fn still_here(&self, ticket: i64) -> Outcome<bool> {
        self.write(Wait::Fast, |conn| {
            let boottime = here(self, conn)?.boottime;
            let sql = "UPDATE waiters SET seen = ?2 WHERE ticket = ?1";
            Ok(conn.prepare_cached(sql)?.execute(params![ticket, boottime])? == 1)
        })
    }

    fn take(&self, request: &LeaseRequest, cancelled: &dyn Fn() -> bool) -> Result<Lease, LeaseError> {
        let told = |failure: Failure| LeaseError::Store(self.tell(failure));
        let mut watched = Watched::default();
        let mut why = match self.try_take(request, None, &mut watched).map_err(told)? {
            Ok(lease) => return Ok(lease),
            Err(why) => why,
        };
        if request.wait.is_zero() || cancelled() {
            return Err(why);
        }
        let end = Instant::now() + request.wait;
        let mut ticket = self.enqueue(request).map_err(told)?;
        let mut said = Instant::now();
        loop {
            if said.elapsed() >= HEARTBEAT {
                said = Instant::now();
                if !self.still_here(ticket).map_err(told)? {
                    ticket = self.enqueue(request).map_err(told)?;
                }
            }
            let (free, ahead) = match self.read(|conn| self.look(conn, request, ticket, &mut watched)) {
                Ok(answer) => answer,
                Err(failure) if failure.is_busy() => (false, 1),
                Err(failure) => return Err(told(failure)),
            };
            if free {
                match self.try_take(request, Some(ticket), &mut watched) {
                    Ok(Ok(lease)) => return Ok(lease),
                    Ok(Err(now)) => why = now,
                    Err(failure) if failure.is_busy() => {}
                    Err(failure) => return Err(told(failure)),
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || cancelled() {
                self.leave_queue(ticket).map_err(told)?;
                return Err(match why {
                    LeaseError::Held(info) => LeaseError::Held(self.current(request, info)),
                    other => other,
                });
            }
            let pause = HEAD_PAUSE * u32::try_from(1 + ahead * 5).unwrap_or(u32::MAX);
            std::thread::sleep(pause.min(LONGEST_PAUSE).min(left));
        }
    }

    /// Who holds it at the end of waiting; the last known when that cannot be asked.
    fn current(&self, request: &LeaseRequest, known: Box<LeaseInfo>) -> Box<LeaseInfo> {
        match self.list(&request.stack) {
            Ok(found) => found.into_iter().next().map_or(known, Box::new),
            Err(_) => known,
        }
    }

    /// Looks without locking anything: is it free for us, and how many are ahead?
    fn look(
        &self,
        conn: Connection<'_>,
        request: &LeaseRequest,
        ticket: i64,
        watched: &mut Watched,
    ) -> Outcome<(bool, usize)> {
        let here = here(self, conn)?;
        let num = self.stack_num(conn, &request.stack)?;
        let queue = queue_of(conn, num)?;
        let ahead = queue.iter().filter(|w| w.ticket < ticket).count();
        // Far back it is not worth asking the system about everybody in front.
        if ahead > 8 {
            return Ok((false, ahead));
        }
        let rows = rows_of(conn, num)?;
        let verdict = Self::judge(request, Some(ticket), &rows, &queue, &here, watched);
        Ok((matches!(verdict, Verdict::Free) && full(conn, request, num, &here)?.is_none(), ahead))
    }

    fn list(&self, stack: &StackId) -> Outcome<Vec<LeaseInfo>> {
        self.read(|conn| {
            let here = here(self, conn)?;
            let Some(row) = stack_row(conn, stack)? else { return Ok(Vec::new()) };
            let queue = queue_of(conn, row.num)?;
            let rows = rows_of(conn, row.num)?;
            Ok(rows.iter().filter(|held| !held.ended(&here)).map(|held| held.info(&queue, &here)).collect())
        })
    }

    fn lengthen(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let begun = self.clock.boottime();
        let renewed = self.write(wait_for(lease.kind), |conn| {
            let here = here(self, conn)?;
            let expires_boot = here.boottime.saturating_add(nanos(lease.ttl));
            let num = match stack_row(conn, &lease.stack)? {
                Some(row) => row.num,
                None => return Ok(None),
            };
            let rows = rows_of(conn, num)?;
            let mine = rows.iter().find(|h| h.kind == lease.kind && h.id == lease.id);
            // A process lease that ran out but that nobody else got is still ours; a person's lock that ran out is gone.
            if mine.is_none_or(|held| held.kind == LeaseKind::Person && held.ended(&here)) {
                return Ok(None);
            }
            let sql = "UPDATE leases SET renewed_at = ?1, expires_at = ?2, renewed_boot = ?3, expires_boot = ?4, \
                       ttl = ?5, boot_id = ?6 WHERE stack = ?7 AND kind = ?8 AND lock_id = ?9 AND fence = ?10";
            let rows = conn.prepare_cached(sql)?.execute(params![
                here.now.as_nanos(),
                here.now.plus(lease.ttl).as_nanos(),
                here.boottime,
                expires_boot,
                nanos(lease.ttl),
                here.boot,
                num,
                lease.kind.as_str(),
                lease.id.as_str(),
                lease.fence.0,
            ])?;
            Ok((rows == 1).then_some(begun.saturating_add(nanos(lease.ttl))))
        });
        match renewed {
            Ok(Some(expires_boot)) => Ok(Lease { expires_boot, ..lease.clone() }),
            Ok(None) => Err(LeaseError::Lost),
            Err(failure) => Err(LeaseError::Store(self.tell(failure))),
        }
    }

    fn give_back(&self, lease: &Lease) -> Outcome<()> {
        self.write(Wait::Fast, |conn| {
            let sql = "DELETE FROM leases WHERE kind = ?1 AND lock_id = ?2 \
                       AND stack = (SELECT num FROM stacks WHERE id = ?3)";
            let key = params![lease.kind.as_str(), lease.id.as_str(), lease.stack.as_str()];
            conn.prepare_cached(sql)?.execute(key)?;
            Ok(())
        })
    }

    fn give_back_person(
        &self,
        stack: &StackId,
        id: Option<&LockId>,
        by: &str,
    ) -> Result<LeaseInfo, LeaseError> {
        let told = |failure: Failure| LeaseError::Store(self.tell(failure));
        let mut lent = self.lend(Wait::Durable).map_err(told)?;
        let conn = lent.conn().map_err(told)?;
        let here = here(self, conn).map_err(told)?;
        let Some(row) = stack_row(conn, stack).map_err(told)? else { return Err(LeaseError::NotLocked) };
        let queue = queue_of(conn, row.num).map_err(told)?;
        let rows = rows_of(conn, row.num).map_err(told)?;
        let person = rows.iter().find(|h| h.kind == LeaseKind::Person && !h.ended(&here));
        let Some(held) = person else { return Err(LeaseError::NotLocked) };
        let info = held.info(&queue, &here);
        let (owner, asked) = match id {
            Some(id) => (*id == held.id, id.as_str()),
            None => (by == held.locked_by, by),
        };
        if !owner {
            return Err(LeaseError::NotOwner { info: Box::new(info), asked: asked.to_owned() });
        }
        let end = |lent: &mut crate::shared::Lent<'_>| -> Outcome<()> {
            let conn = lent.conn()?;
            conn.prepare_cached("DELETE FROM leases WHERE stack = ?1 AND kind = 'person'")?
                .execute([row.num])?;
            let said = Said {
                kind: EventType::LockReleased,
                actor: &Actor::named(by),
                verb: "stack lock release",
                arguments: &[],
                message: format!("lock of `{}` released", info.locked_by),
            };
            let position = said.write(self, conn, row.num, stack)?;
            self.commit(lent)?;
            position.mark(self);
            Ok(())
        };
        end(&mut lent).map_err(told)?;
        Ok(info)
    }

    fn force(&self, stack: &StackId, by: &Actor, reason: &str) -> Result<Vec<LeaseInfo>, LeaseError> {
        let told = |failure: Failure| LeaseError::Store(self.tell(failure));
        let work = || -> Outcome<Option<Vec<LeaseInfo>>> {
            let mut lent = self.lend(Wait::Durable)?;
            let conn = lent.conn()?;
            let here = here(self, conn)?;
            let Some(row) = stack_row(conn, stack)? else { return Ok(None) };
            let rows = rows_of(conn, row.num)?;
            if rows.is_empty() {
                return Ok(None);
            }
            let queue = queue_of(conn, row.num)?;
            let infos: Vec<LeaseInfo> =
                rows.iter().filter(|h| !h.ended(&here)).map(|h| h.info(&queue, &here)).collect();
            conn.prepare_cached("UPDATE stacks SET fence = fence + 1 WHERE num = ?1")?.execute([row.num])?;
            conn.prepare_cached("DELETE FROM leases WHERE stack = ?1")?.execute([row.num])?;
            if infos.is_empty() {
                self.commit(&mut lent)?;
                return Ok(None);
            }
            let holders: Vec<&str> = infos.iter().map(|i| i.locked_by.as_str()).collect();
            let said = Said {
                kind: EventType::LockForceReleased,
                actor: by,
                verb: "stack lock force-release",
                arguments: &[reason.to_owned()],
                message: format!("taken from `{}` by `{}`: {reason}", holders.join("`, `"), by.name),
            };
            let position = said.write(self, conn, row.num, stack)?;
            self.commit(&mut lent)?;
            position.mark(self);
            Ok(Some(infos))
        };
        work().map_err(told)?.ok_or(LeaseError::NotLocked)
    }
}

/// What a change of locks leaves in the history.
struct Said<'a> {
    kind: EventType,
    actor: &'a Actor,
    verb: &'a str,
    arguments: &'a [String],
    message: String,
}

/// Writes an event of a transaction of its own, and owes it to hooks.
fn tell(
    shared: &Shared,
    conn: Connection<'_>,
    (num, stack): (i64, &StackId),
    event: &Event,
    actor: &str,
) -> Outcome<()> {
    let seq = events::next_seq(conn, num)?;
    events::insert(conn, (num, seq), &events::fresh_id(event.at), event, actor)?;
    hooks::owe(shared, conn, &hooks::enabled(conn)?, (num, seq), Some(stack), event)
}

/// Where the operation log stands after it.
struct Position {
    lineage: String,
    seq: u64,
    hash: sloth_core::digest::Digest,
}

impl Position {
    fn mark(&self, shared: &Shared) {
        // The change is kept, whatever becomes of the mark: it only proves less then.
        if let Some(marked) = shared.marked() {
            let _ = mark::write(marked, &self.lineage, self.seq, &self.hash, false);
        }
    }
}

impl Said<'_> {
    fn write(self, shared: &Shared, conn: Connection<'_>, num: i64, stack: &StackId) -> Outcome<Position> {
        let at = shared.now();
        let row = stack_row(conn, stack)?
            .ok_or_else(|| Failure::conflict(format!("there is no stack with id `{stack}`")))?;
        let event = Event {
            kind: self.kind,
            severity: if self.kind == EventType::LockForceReleased {
                Severity::Warning
            } else {
                Severity::Info
            },
            at,
            run: None,
            task: None,
            address: None,
            message: self.message,
            payload: Value::Null,
        };
        tell(shared, conn, (num, stack), &event, &self.actor.name)?;
        let (seq, _, hash) = operations::append(
            conn,
            operations::Entry {
                at,
                actor: self.actor,
                verb: self.verb,
                arguments: self.arguments,
                stack: Some((stack.as_str().to_owned(), row.name)),
                before: Some(Version(row.head)),
                after: Some(Version(row.head)),
                record: OperationRecord::default(),
            },
        )?;
        Ok(Position { lineage: mark::position(conn)?.0, seq, hash })
    }
}

/// Are as many runs going on in other stacks as the request allows?
fn full(conn: Connection<'_>, request: &LeaseRequest, num: i64, here: &Here) -> Outcome<Option<LeaseError>> {
    let Some(most) = request.most else { return Ok(None) };
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT name FROM stacks WHERE num = stack) FROM leases \
         WHERE kind = 'process' AND stack <> ?1"
    );
    let mut ask = conn.prepare_cached(&sql)?;
    let mut rows = ask.query([num])?;
    let mut stacks: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let held = held(&row)?;
        if LeaseRequest::is_run(&held.operation) && !held.ended(here) {
            stacks.push(row.get(17)?);
        }
    }
    stacks.sort_unstable();
    Ok((stacks.len() >= usize::try_from(most).unwrap_or(usize::MAX))
        .then_some(LeaseError::Full { most, stacks }))
}

/// Everything that is written down: name of the stack, lease, and whether it has ended.
fn all(shared: &Shared, conn: Connection<'_>) -> Outcome<Vec<(String, Held, bool)>> {
    let here = here(shared, conn)?;
    let sql = format!("SELECT {COLUMNS}, (SELECT name FROM stacks WHERE num = leases.stack) FROM leases");
    let mut ask = conn.prepare_cached(&sql)?;
    let mut rows = ask.query([])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        let held = held(&row)?;
        let ended = held.ended(&here);
        out.push((row.get(17)?, held, ended));
    }
    Ok(out)
}

/// Leases that have ended and are still written down, for checking: stack, kind, holder.
pub fn stale(shared: &Shared, conn: Connection<'_>) -> Outcome<Vec<(String, LeaseKind, String)>> {
    let stale = all(shared, conn)?.into_iter().filter(|(.., ended)| *ended);
    Ok(stale.map(|(stack, held, _)| (stack, held.kind, held.locked_by)).collect())
}

/// Leases that hold: stack, holder, what for.
pub fn in_force(shared: &Shared, conn: Connection<'_>) -> Outcome<Vec<(String, String, String)>> {
    let holding = all(shared, conn)?.into_iter().filter(|(.., ended)| !ended);
    let told = |(stack, held, _): (String, Held, bool)| {
        let what = if held.reason.is_empty() { held.operation } else { held.reason };
        (stack, held.locked_by, what)
    };
    Ok(holding.map(told).collect())
}

/// Somebody who is at work on another stack than this one: stack and holder. A person's lock is no work.
pub fn at_work(
    shared: &Shared,
    conn: Connection<'_>,
    except: Option<&str>,
) -> Outcome<Option<(String, String)>> {
    let working = all(shared, conn)?.into_iter().find(|(stack, held, ended)| {
        !ended && held.kind == LeaseKind::Process && Some(stack.as_str()) != except
    });
    Ok(working.map(|(stack, held, _)| (stack, held.locked_by)))
}

/// Number of waiters that are still there.
pub fn waiting(conn: Connection<'_>) -> Outcome<u64> {
    Ok(conn.query_row("SELECT count(*) FROM waiters", [], |row| row.get(0)).optional()?.unwrap_or(0))
}

impl Leases for Shared {
    fn acquire(&self, request: &LeaseRequest, cancelled: &dyn Fn() -> bool) -> Result<Lease, LeaseError> {
        self.take(request, cancelled)
    }
    fn renew(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.lengthen(lease)
    }
    fn release(&self, lease: &Lease) -> Result<(), LeaseError> {
        self.give_back(lease).map_err(|failure| LeaseError::Store(self.tell(failure)))
    }
    fn release_person(
        &self,
        stack: &StackId,
        id: Option<&LockId>,
        by: &str,
    ) -> Result<LeaseInfo, LeaseError> {
        self.give_back_person(stack, id, by)
    }
    fn status(&self, stack: &StackId) -> Result<Vec<LeaseInfo>, LeaseError> {
        self.list(stack).map_err(|failure| LeaseError::Store(self.tell(failure)))
    }
    fn force_release(&self, stack: &StackId, by: &Actor, reason: &str) -> Result<Vec<LeaseInfo>, LeaseError> {
        self.force(stack, by, reason)
    }
}
