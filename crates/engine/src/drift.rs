//! Looking for what moved away from the record. Writes nothing to any machine.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::address::{Address, HostName};
use sloth_core::change::Reason;
use sloth_core::clock::Timestamp;
use sloth_core::drift::{DriftHistory, DriftStatus, Finding, Resolution, Settled};
use sloth_core::event::{EventType, Severity};
use sloth_core::lease::LeaseError;
use sloth_core::machine::{Machine, Sight};
use sloth_core::observed::{ProbeError, Seen};
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::recorded_body::{BadRecord, RecordedBody};
use sloth_core::stack::Stack;
use sloth_core::store::{Seal, StoreError, VersionAt, View, Wait};

use crate::context::Context;
use crate::error::EngineError;
use crate::ignores::Ignored;
use crate::lease::HeldLease;
use crate::scope_body::FUNCTIONS;

/// Resources below which looking on several threads costs more than it gains.
const PARALLEL_FROM: usize = 256;
/// Resources looked at in one go: what was seen is kept no longer than that.
const BATCH: usize = 128;

/// What a detection found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DriftReport {
    /// Stack.
    pub stack: String,
    /// One per recorded resource, by address.
    pub findings: Vec<Finding>,
    /// When.
    pub detected_at: Timestamp,
}

impl DriftReport {
    /// Findings that are not as recorded and not ignored.
    #[must_use]
    pub fn drifted(&self) -> usize {
        self.findings.iter().filter(|f| is_open(f, DriftStatus::Drifted)).count()
    }
    /// Findings that could not be read and are not ignored.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.findings.iter().filter(|f| is_open(f, DriftStatus::Unknown)).count()
    }
}

fn is_open(finding: &Finding, status: DriftStatus) -> bool {
    finding.status == status && finding.resolution == Resolution::Pending
}

/// Reads every recorded resource and compares it with the record. The findings are stored, contents with a text diff,
/// unless somebody else holds the stack; then they are only reported. What is ignored is not compared, or listed as ignored when that is all of it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn detect(ctx: &Context, stack: &str) -> Result<DriftReport, EngineError> {
    let (stack, bodies, ignored) = {
        let view = ctx.store.view()?;
        let stack = crate::stacks::find(&*view, stack)?;
        let mut bodies = Vec::new();
        view.resource_bodies(&stack.id, VersionAt::Head, &mut |body| bodies.push(body))?;
        let ignored = Ignored::of(&*view, &stack.id)?;
        (stack, bodies, ignored)
    };
    let detected_at = ctx.clock.now();
    let bodies: Vec<&RecordedBody> = bodies.iter().collect();
    let mut findings = findings(ctx, &bodies, &|recorded| ignored.narrowed(ctx, recorded))?;
    let by_hand = findings.iter().any(|f| f.status == DriftStatus::NotCheckable);
    let reported = if by_hand { ctx.store.view()?.drift_latest(&stack.id)? } else { Vec::new() };
    let reported: BTreeMap<_, _> = reported.into_iter().map(|f| (f.address.clone(), f)).collect();
    for (finding, body) in findings.iter_mut().zip(&bodies) {
        // Nobody can be asked about it here, so what was reported of it is all that is known.
        if finding.status == DriftStatus::NotCheckable
            && let Some(reported) = reported.get(&finding.address)
            && crate::by_hand::stands(reported, &opened(ctx, body)?)
        {
            *finding = reported.clone();
        }
        let open = matches!(finding.status, DriftStatus::Drifted | DriftStatus::Unknown);
        if open && let Some(ignore) = ignored.whole(&finding.address) {
            finding.resolution = Resolution::Ignored;
            let with = "drift ignore".to_owned();
            finding.settled = Some(Settled { by: ignore.by.clone(), at: ignore.at, with });
        }
    }
    crate::contents::explain_findings(ctx, &mut findings)?;
    let report = DriftReport { stack: stack.name.clone(), findings, detected_at };
    store(ctx, &stack, &report)?;
    Ok(report)
}

/// What was found of a stack over time, or of one of its resources, by address.
///
/// # Errors
/// The resource is neither recorded nor was anything ever found of it, or the store failed.
pub fn history(
    view: &dyn View,
    stack: &Stack,
    address: Option<&Address>,
) -> Result<Vec<DriftHistory>, EngineError> {
    let found = DriftHistory::of(view.drift_history(&stack.id, address)?);
    if let (Some(address), []) = (address, &found[..])
        && view.resource_get(&stack.id, address, VersionAt::Head)?.is_none()
    {
        let all = view.resource_list(&stack.id, VersionAt::Head)?;
        let names = all.iter().map(|r| r.address.to_string());
        return Err(EngineError::no_resource(stack.name.clone(), address, names));
    }
    Ok(found)
}

fn opened(ctx: &Context, body: &RecordedBody) -> Result<Recorded, EngineError> {
    let damaged = |error: BadRecord| StoreError::Damaged {
        location: ctx.store.location(),
        what: format!("the record of `{}`: {error}", body.address()),
    };
    Ok(body.record().map_err(damaged)?)
}

/// One finding per record. `narrowed` says which attributes of a record are looked at, if not all.
///
/// # Errors
/// A record is damaged.
pub(crate) fn findings(
    ctx: &Context,
    bodies: &[&RecordedBody],
    narrowed: &(dyn Fn(&Recorded) -> Option<Recorded> + Sync),
) -> Result<Vec<Finding>, EngineError> {
    let at = ctx.clock.now();
    let mut found: Vec<Option<Finding>> = bodies.iter().map(|_| None).collect();
    let mut by_host: BTreeMap<&HostName, Vec<usize>> = BTreeMap::new();
    for (index, body) in bodies.iter().enumerate() {
        by_host.entry(body.address().host()).or_default().push(index);
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let look = |machine: Option<&dyn Machine>, host: &HostName, batch: &[usize]| -> Result<_, EngineError> {
        let open = |index: &usize| -> Result<_, EngineError> {
            let recorded = opened(ctx, bodies[*index])?;
            Ok(narrowed(&recorded).unwrap_or(recorded))
        };
        let records = batch.iter().map(open).collect::<Result<Vec<Recorded>, _>>()?;
        Ok(match machine {
            Some(machine) => look_at(machine, &records, at),
            None => cannot(&records, &format!("host `{host}` is not known"), at),
        })
    };
    let answers: Vec<Result<Vec<(usize, Finding)>, EngineError>> = std::thread::scope(|scope| {
        let mut jobs = Vec::new();
        for (host, indices) in by_host {
            let machine = ctx.machine(host).map(AsRef::as_ref);
            let chunk =
                if indices.len() < PARALLEL_FROM { indices.len() } else { indices.len().div_ceil(threads) };
            for part in indices.chunks(chunk.max(1)) {
                let (part, look) = (part.to_vec(), &look);
                jobs.push(scope.spawn(move || {
                    let mut found = Vec::with_capacity(part.len());
                    for batch in part.chunks(BATCH) {
                        found.extend(batch.iter().copied().zip(look(machine, host, batch)?));
                    }
                    Ok(found)
                }));
            }
        }
        jobs.into_iter().filter_map(|job| job.join().ok()).collect()
    });
    for answer in answers {
        for (index, finding) in answer? {
            found[index] = Some(finding);
        }
    }
    let lost = |body: &RecordedBody| {
        let why = ProbeError::new(String::new(), "the look ended in a panic");
        Ok(finding(&opened(ctx, body)?, Some(Err(why)), at))
    };
    found.into_iter().zip(bodies).map(|(f, body)| f.map_or_else(|| lost(body), Ok)).collect()
}

/// Has a record nothing a machine could be asked about?
fn only_in_the_record(recorded: &Recorded) -> bool {
    recorded.is_registered() || recorded.spec.get(FUNCTIONS).is_some()
}

fn look_at(machine: &dyn Machine, records: &[Recorded], at: Timestamp) -> Vec<Finding> {
    let asked: Vec<&Recorded> = records.iter().filter(|recorded| !only_in_the_record(recorded)).collect();
    let sights: Vec<Sight<'_>> = asked
        .iter()
        .map(|recorded| Sight {
            kind: recorded.address.kind(),
            id: recorded.address.id(),
            spec: Some(&recorded.spec),
            blobs: &[],
            recorded: Some(recorded.state.as_ref()),
        })
        .collect();
    match machine.observe(&sights) {
        Ok(seen) => {
            let mut seen = seen.into_iter();
            let one = |recorded: &Recorded| {
                let seen = if only_in_the_record(recorded) { None } else { seen.next() };
                finding(recorded, seen, at)
            };
            records.iter().map(one).collect()
        }
        Err(gone) => cannot(records, &gone.to_string(), at),
    }
}

/// The findings where nothing could be asked.
fn cannot(records: &[Recorded], why: &str, at: Timestamp) -> Vec<Finding> {
    let unknown = |recorded: &Recorded| {
        let why = || Some(Err(ProbeError::new(recorded.address.to_string(), why)));
        finding(recorded, if only_in_the_record(recorded) { None } else { why() }, at)
    };
    records.iter().map(unknown).collect()
}

/// `seen` is `None` for a resource no machine can be asked about.
fn finding(recorded: &Recorded, seen: Option<Result<Seen, ProbeError>>, detected_at: Timestamp) -> Finding {
    let address = recorded.address.clone();
    let mut finding = Finding::new(address, DriftStatus::Clean, Reason::InLine, detected_at);
    match seen {
        None => finding.status = DriftStatus::NotCheckable,
        Some(Err(error)) => {
            finding.status = DriftStatus::Unknown;
            finding.reason = Reason::Unreadable(error.to_string());
        }
        Some(Ok(seen)) => {
            let moved = if seen.diff.is_empty() { seen.since } else { seen.diff };
            if moved.is_empty() {
                return finding;
            }
            finding.status = DriftStatus::Drifted;
            finding.actual = seen.state.filter(|_| !recorded.options.sensitive);
            finding.reason =
                if recorded.condition == Condition::Applied { Reason::External } else { Reason::Unfinished };
            finding.diff = if recorded.options.sensitive { moved.redacted() } else { moved };
        }
    }
    if !recorded.options.sensitive {
        finding.expected = recorded.state.clone();
    }
    finding
}

/// What is not clean, and what was not clean the last time; thousands of clean findings would say nothing.
fn worth_keeping(ctx: &Context, stack: &Stack, report: &DriftReport) -> Result<Vec<Finding>, EngineError> {
    let before: BTreeSet<_> = ctx
        .store
        .view()?
        .drift_latest(&stack.id)?
        .into_iter()
        .filter(|f| f.status != DriftStatus::Clean)
        .map(|f| f.address)
        .collect();
    let keep = |f: &&Finding| f.status != DriftStatus::Clean || before.contains(&f.address);
    Ok(report.findings.iter().filter(keep).cloned().collect())
}

fn store(ctx: &Context, stack: &Stack, report: &DriftReport) -> Result<(), EngineError> {
    let mut quick = ctx.clone();
    quick.lock_wait = std::time::Duration::ZERO;
    let lease = match HeldLease::take(&quick, &stack.id, "drift detect") {
        Ok(lease) => lease,
        Err(LeaseError::Held(info)) => {
            let text = format!("the findings were not stored: the stack is locked by `{}`", info.locked_by);
            ctx.notice(Severity::Warning, &text);
            return Ok(());
        }
        // A store that cannot be written to does not keep anybody from looking.
        Err(error) => {
            ctx.notice(Severity::Warning, &format!("the findings were not stored: {error}"));
            return Ok(());
        }
    };
    let findings = worth_keeping(ctx, stack, report)?;
    let mut txn = ctx.store.begin(crate::stacks::intent(ctx, stack, &lease, "drift detect", Wait::Fast))?;
    txn.drift_put(&stack.id, &findings)?;
    let drifted = report.drifted();
    if drifted > 0 {
        let message = format!("{drifted} of {} resources drifted", report.findings.len());
        let mut event = crate::stacks::event(ctx, EventType::DriftDetected, &message);
        event.severity = Severity::Warning;
        let names: Vec<String> = report
            .findings
            .iter()
            .filter(|f| is_open(f, DriftStatus::Drifted))
            .map(|f| f.address.to_string())
            .collect();
        event.payload = serde_json::json!({ "resources": names });
        txn.event_append(Some(&stack.id), &event)?;
        ctx.sink.signal(&sloth_core::sink::Signal::Event(&event));
    }
    txn.commit(Seal::Pending)?;
    Ok(())
}
