//! Looking for what moved away from the record. Writes nothing to any machine.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::address::HostName;
use sloth_core::change::Reason;
use sloth_core::clock::Timestamp;
use sloth_core::diff::Diff;
use sloth_core::drift::{DriftStatus, Finding, Resolution};
use sloth_core::event::{EventType, Severity};
use sloth_core::lease::LeaseError;
use sloth_core::machine::{Machine, Sight};
use sloth_core::observed::{ProbeError, Seen};
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::stack::Stack;
use sloth_core::store::{Seal, VersionAt, Wait};

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

/// Reads every recorded resource and compares it with the record. The findings are stored unless somebody else holds the
/// stack; then they are only reported. What is ignored is not compared, or listed as ignored when that is all of it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn detect(ctx: &Context, stack: &str) -> Result<DriftReport, EngineError> {
    let (stack, mut records, ignored, reported) = {
        let view = ctx.store.view()?;
        let stack = crate::stacks::find(&*view, stack)?;
        let records = view.resource_list(&stack.id, VersionAt::Head)?;
        let ignored = Ignored::of(&*view, &stack.id)?;
        let by_hand = records.iter().any(Recorded::is_registered);
        let reported = if by_hand { view.drift_latest(&stack.id)? } else { Vec::new() };
        let reported: BTreeMap<_, _> = reported.into_iter().map(|f| (f.address.clone(), f)).collect();
        (stack, records, ignored, reported)
    };
    for recorded in &mut records {
        if let Some(narrowed) = ignored.narrowed(ctx, recorded) {
            *recorded = narrowed;
        }
    }
    let detected_at = ctx.clock.now();
    let mut findings = findings(ctx, &records);
    for (finding, recorded) in findings.iter_mut().zip(&records) {
        // Nobody can be asked about it here, so what was reported of it is all that is known.
        if finding.status == DriftStatus::NotCheckable
            && let Some(reported) = reported.get(&finding.address)
            && crate::by_hand::stands(reported, recorded)
        {
            *finding = reported.clone();
        }
        let open = matches!(finding.status, DriftStatus::Drifted | DriftStatus::Unknown);
        if open && ignored.whole(&finding.address).is_some() {
            finding.resolution = Resolution::Ignored;
        }
    }
    let report = DriftReport { stack: stack.name.clone(), findings, detected_at };
    store(ctx, &stack, &report)?;
    Ok(report)
}

/// One finding per record.
pub(crate) fn findings(ctx: &Context, records: &[Recorded]) -> Vec<Finding> {
    let at = ctx.clock.now();
    let mut found: Vec<Option<Finding>> = records.iter().map(|_| None).collect();
    let mut by_host: BTreeMap<&HostName, Vec<usize>> = BTreeMap::new();
    for (index, recorded) in records.iter().enumerate() {
        if recorded.is_registered() || recorded.spec.get(FUNCTIONS).is_some() {
            found[index] = Some(finding(recorded, None, at));
        } else {
            by_host.entry(recorded.address.host()).or_default().push(index);
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let mut jobs = Vec::new();
        for (host, indices) in by_host {
            let machine = ctx.machine(host).map(AsRef::as_ref);
            let chunk =
                if indices.len() < PARALLEL_FROM { indices.len() } else { indices.len().div_ceil(threads) };
            for part in indices.chunks(chunk.max(1)) {
                let part = part.to_vec();
                jobs.push(scope.spawn(move || {
                    let look = |batch: &[usize]| match machine {
                        Some(machine) => look_at(machine, records, batch, at),
                        None => cannot(records, batch, &format!("host `{host}` is not known"), at),
                    };
                    let found: Vec<Finding> = part.chunks(BATCH).flat_map(look).collect();
                    (part, found)
                }));
            }
        }
        for job in jobs {
            if let Ok((part, answers)) = job.join() {
                for (index, answer) in part.into_iter().zip(answers) {
                    found[index] = Some(answer);
                }
            }
        }
    });
    let lost = |recorded| {
        let why = ProbeError::new(String::new(), "the look ended in a panic");
        finding(recorded, Some(Err(why)), at)
    };
    found.into_iter().zip(records).map(|(f, recorded)| f.unwrap_or_else(|| lost(recorded))).collect()
}

fn look_at(machine: &dyn Machine, records: &[Recorded], batch: &[usize], at: Timestamp) -> Vec<Finding> {
    let sight = |&index: &usize| {
        let recorded = &records[index];
        Sight {
            kind: recorded.address.kind(),
            id: recorded.address.id(),
            spec: Some(&recorded.spec),
            blobs: &[],
            recorded: Some(recorded.state.as_ref()),
        }
    };
    let sights: Vec<Sight<'_>> = batch.iter().map(sight).collect();
    match machine.observe(&sights) {
        Ok(seen) => {
            batch.iter().zip(seen).map(|(&index, seen)| finding(&records[index], Some(seen), at)).collect()
        }
        Err(gone) => cannot(records, batch, &gone.to_string(), at),
    }
}

/// The findings where nothing could be asked.
fn cannot(records: &[Recorded], batch: &[usize], why: &str, at: Timestamp) -> Vec<Finding> {
    let unknown = |&index: &usize| {
        let recorded: &Recorded = &records[index];
        finding(recorded, Some(Err(ProbeError::new(recorded.address.to_string(), why))), at)
    };
    batch.iter().map(unknown).collect()
}

/// `seen` is `None` for a resource no machine can be asked about.
fn finding(recorded: &Recorded, seen: Option<Result<Seen, ProbeError>>, detected_at: Timestamp) -> Finding {
    let mut finding = Finding {
        address: recorded.address.clone(),
        status: DriftStatus::Clean,
        expected: None,
        actual: None,
        diff: Diff::none(),
        reason: Reason::InLine,
        detected_at,
        resolution: Resolution::Pending,
    };
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
