//! Carrying events to hooks after the commit that wrote them.
//!
//! Deliveries are claimed in one short transaction, carried out by threads, and settled in another, so that no
//! transaction is open while a hook works. A process that dies in between loses nothing: its claims are due again at
//! once when it is certainly gone, and at the end of their lease otherwise. The hook may then see the event a second
//! time, with the same id.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sloth_core::event::{Event, EventType, Severity, StoredEvent};
use sloth_core::hook::{Attempt, Courier, Delivery, Hook, Parcel, Receipt, Verdict};
use sloth_core::store::{Seal, StackMatch, Wait};
use sloth_core::value::{Value, to_value};

use crate::context::Context;
use crate::error::EngineError;
use crate::hooks;

/// So much of what a hook says is kept, in bytes.
const OUTPUT: usize = 1024;
/// A claim outlives the timeout of its hook by this much, which is time to write down what came of it.
const SLACK: Duration = Duration::from_secs(30);
/// So many attempts are written down at once.
const BATCH: usize = 256;
/// First time that a failed delivery is put off; it doubles each time.
const BACKOFF: Duration = Duration::from_secs(2);
/// Longest time it is put off.
const LONGEST: Duration = Duration::from_secs(3600);

/// How much is done at once, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most hooks at work at the same time.
    pub workers: usize,
    /// Most deliveries claimed at the same time.
    pub queue: usize,
    /// After this long nothing new is begun, and how long one attempt may take unless its hook says otherwise.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { workers: 100, queue: 1000, timeout: Duration::from_secs(30) }
    }
}

/// What a round of deliveries came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Taken by their hooks.
    pub delivered: u64,
    /// Failed, and tried again later.
    pub failed: u64,
    /// Failed for the last time.
    pub dead: u64,
    /// What went wrong, one line for each hook.
    pub failures: BTreeMap<String, String>,
}

/// What a delivery is about, made ready for a thread.
struct Job {
    delivery: Delivery,
    hook: Hook,
    event: Value,
}

/// Delivers what is due now. What becomes due in the meantime, except that a hook was given up, is left for the next
/// one who delivers: a hook that causes events cannot keep a command going.
///
/// # Errors
/// The store failed. What was delivered and not written down yet is delivered again.
pub fn deliver(ctx: &Context, courier: &dyn Courier, limits: Limits) -> Result<Delivered, EngineError> {
    let end = Instant::now() + limits.timeout;
    let mut done = Delivered::default();
    let mut known = 0;
    for _ in 0..2 {
        let last = newest(ctx)?;
        if last == known && known > 0 {
            break;
        }
        known = last;
        let gave_up = done.dead;
        while !ctx.stop.asked() && Instant::now() < end {
            let jobs = claim(ctx, last, limits)?;
            if jobs.is_empty() {
                break;
            }
            carry(ctx, courier, limits, end, jobs, &mut done)?;
        }
        if done.dead == gave_up {
            break;
        }
    }
    Ok(done)
}

fn newest(ctx: &Context) -> Result<u64, EngineError> {
    Ok(ctx.store.begin(hooks::intent(ctx, "hooks", Wait::Fast))?.delivery_last()?)
}

fn claim(ctx: &Context, last: u64, limits: Limits) -> Result<Vec<Job>, EngineError> {
    let mut txn = ctx.store.begin(hooks::intent(ctx, "hooks", Wait::Fast))?;
    let hooks: BTreeMap<String, Hook> =
        txn.hook_list()?.into_iter().map(|state| (state.hook.name.clone(), state.hook)).collect();
    let slowest =
        hooks.values().filter_map(|hook| hook.timeout).max().unwrap_or_default().max(limits.timeout);
    let claimed = txn.delivery_claim(last, slowest + limits.timeout + SLACK, limits.queue as u64)?;
    let mut jobs = Vec::with_capacity(claimed.len());
    for delivery in claimed {
        match (hooks.get(&delivery.hook), &delivery.event) {
            (Some(hook), Some(event)) => {
                let event = document(event);
                jobs.push(Job { hook: hook.clone(), event, delivery });
            }
            // Nothing is left to be told.
            _ => {
                txn.delivery_end(&delivery, Verdict::Delivered, None)?;
            }
        }
    }
    txn.commit(Seal::Pending)?;
    Ok(jobs)
}

/// What is known after a thread is done with a job.
struct Outcome {
    delivery: Delivery,
    /// Hook, when it began, how long it took and what came of it; nothing when its time did not come.
    tried: Option<(Hook, sloth_core::clock::Timestamp, Duration, Receipt)>,
}

/// Carries claimed deliveries out and writes down what came of them.
fn carry(
    ctx: &Context,
    courier: &dyn Courier,
    limits: Limits,
    end: Instant,
    jobs: Vec<Job>,
    done: &mut Delivered,
) -> Result<(), EngineError> {
    let workers = limits.workers.clamp(1, jobs.len().max(1));
    let queue = Mutex::new(VecDeque::from(jobs));
    let (tell, hear) = mpsc::channel::<Outcome>();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (tell, queue) = (tell.clone(), &queue);
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(Job { delivery, hook, event }) = job else { return };
                    let tried = (Instant::now() < end && !ctx.stop.asked()).then(|| {
                        let (at, began) = (ctx.clock.now(), Instant::now());
                        let timeout = hook.timeout.unwrap_or(limits.timeout);
                        let parcel =
                            Parcel { hook: &hook, event: &event, attempt: delivery.attempt, timeout };
                        let receipt = courier.deliver(&parcel);
                        (hook.clone(), at, began.elapsed(), receipt)
                    });
                    if tell.send(Outcome { delivery, tried }).is_err() {
                        return;
                    }
                }
            };
            // Fewer threads than wanted are enough as long as there is one.
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        drop(tell);
        while let Ok(first) = hear.recv() {
            let more = std::iter::from_fn(|| hear.try_recv().ok()).take(BATCH);
            let batch: Vec<Outcome> = std::iter::once(first).chain(more).collect();
            settle(ctx, &batch, done)?;
        }
        Ok(())
    })
}

fn settle(ctx: &Context, batch: &[Outcome], done: &mut Delivered) -> Result<(), EngineError> {
    let mut txn = ctx.store.begin(hooks::intent(ctx, "hooks", Wait::Fast))?;
    for Outcome { delivery, tried } in batch {
        let Some((hook, at, duration, receipt)) = tried else {
            txn.delivery_end(delivery, Verdict::Untried, None)?;
            continue;
        };
        let verdict = match &receipt.error {
            None => Verdict::Delivered,
            Some(_) if delivery.attempt > hook.retries => Verdict::Dead,
            Some(_) => Verdict::Retry(ctx.clock.now().plus(put_off(delivery))),
        };
        let kind = delivery.event.as_ref().map(|e| e.event.type_name().into_owned()).unwrap_or_default();
        let event = delivery.event.as_ref().map(|e| e.id.to_string()).unwrap_or_default();
        let attempt = Attempt {
            hook: hook.name.clone(),
            event,
            kind,
            attempt: delivery.attempt,
            at: *at,
            duration: *duration,
            outcome: match verdict {
                Verdict::Delivered => "delivered",
                Verdict::Dead => "dead",
                _ => "failed",
            }
            .to_owned(),
            status: receipt.status,
            error: receipt.error.as_deref().map(beginning),
            output: beginning(&receipt.output),
        };
        let ours = txn.delivery_end(delivery, verdict, Some(&attempt))?;
        match verdict {
            Verdict::Delivered => done.delivered += 1,
            Verdict::Dead => done.dead += 1,
            _ => done.failed += 1,
        }
        if let Some(error) = &attempt.error {
            let what = match verdict {
                Verdict::Dead => format!("{error}; given up after {}", count(delivery.attempt)),
                _ => format!("{error}; it is tried again later"),
            };
            done.failures.insert(
                hook.name.clone(),
                format!("hook `{}` failed on `{}`: {what}", hook.name, attempt.kind),
            );
        }
        if ours && verdict == Verdict::Dead {
            give_up(ctx, &mut *txn, delivery, &attempt)?;
        }
    }
    txn.commit(Seal::Pending)?;
    Ok(())
}

/// Says that a hook was given up; not when that is what it should have been told, so that failures do not breed.
fn give_up(
    ctx: &Context,
    txn: &mut dyn sloth_core::store::Txn,
    delivery: &Delivery,
    attempt: &Attempt,
) -> Result<(), EngineError> {
    let Some(of) = delivery.event.as_ref().filter(|e| e.event.kind != EventType::HookFailed) else {
        return Ok(());
    };
    let stack = match &of.stack {
        Some(name) => match txn.stack_find(name)? {
            StackMatch::One(stack) => Some(stack.id),
            _ => None,
        },
        None => None,
    };
    let error = attempt.error.clone().unwrap_or_default();
    let event = Event {
        kind: EventType::HookFailed,
        severity: Severity::Error,
        at: ctx.clock.now(),
        run: of.event.run.clone(),
        task: None,
        address: None,
        message: format!("hook `{}` was given up after {}: {error}", attempt.hook, count(attempt.attempt)),
        payload: serde_json::json!({
            "hook": attempt.hook,
            "event": attempt.event,
            "type": attempt.kind,
            "attempts": attempt.attempt,
            "error": error,
        }),
    };
    txn.event_append(stack.as_ref(), &event)?;
    Ok(())
}

fn count(attempts: u32) -> String {
    if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") }
}

/// Twice as long each time, and up to half of it longer or shorter, so that what failed together does not come back
/// together. The number of the delivery is chance enough.
fn put_off(delivery: &Delivery) -> Duration {
    let whole = BACKOFF.saturating_mul(1 << (delivery.attempt - 1).min(16)).min(LONGEST);
    let mixed = delivery.num.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(delivery.attempt);
    let part = u32::try_from(mixed.rotate_left(17) % 1000).unwrap_or(0);
    whole / 2 + whole * part / 1000
}

/// The first KiB of a text.
fn beginning(text: &str) -> String {
    if text.len() <= OUTPUT {
        return text.to_owned();
    }
    text[..text.floor_char_boundary(OUTPUT)].to_owned()
}

/// An event as hooks and programs get it.
#[must_use]
pub fn document(stored: &StoredEvent) -> Value {
    let event = &stored.event;
    serde_json::json!({
        "id": stored.id.as_str(),
        "seq": stored.seq,
        "type": event.type_name(),
        "timestamp": event.at.rfc3339(),
        "severity": event.severity.as_str(),
        "source": stored.source(),
        "actor": stored.actor,
        "stack": stored.stack,
        "run_id": event.run.as_ref().map(ToString::to_string),
        "task": event.task,
        "resource": event.address.as_ref().map(ToString::to_string),
        "message": event.message,
        "data": to_value(&event.payload),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(num: u64, attempt: u32) -> Delivery {
        Delivery { num, token: String::new(), hook: "h".to_owned(), event: None, attempt }
    }

    #[test]
    fn retries_are_put_off_longer_and_longer_and_not_together() {
        for attempt in 1..40 {
            let whole = BACKOFF.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST);
            for num in 0..100 {
                let time = put_off(&delivery(num, attempt));
                assert!(time >= whole / 2 && time < whole * 3 / 2, "{attempt} {num} {time:?}");
            }
        }
        let times: std::collections::BTreeSet<Duration> =
            (0..100).map(|num| put_off(&delivery(num, 3))).collect();
        assert!(times.len() > 80, "{}", times.len());
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = format!("{}ü", "x".repeat(OUTPUT - 1));
        assert_eq!(beginning(&text), "x".repeat(OUTPUT - 1));
        assert_eq!(beginning("short"), "short");
    }
}
