//! What earlier runs left behind when they died, settled by looking at the machine.

use std::collections::{BTreeSet, HashMap};

use sloth_core::address::Address;
use sloth_core::command::CommandOutput;
use sloth_core::desired::Options;
use sloth_core::digest::Blob;
use sloth_core::id::RunId;
use sloth_core::journal::{OpenStep, Subject};
use sloth_core::machine::Sight;
use sloth_core::observed::Seen;
use sloth_core::recorded::{Condition, Origin, Recorded};
use sloth_core::run::RunStatus;
use sloth_core::stack::{Stack, StackStatus};
use sloth_core::store::{OperationRecord, PendingHandler, Seal, Store, VersionAt, Wait};
use sloth_core::value::{Value, to_value};
use sloth_core::version::{VersionKind, VersionNote};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::report::RecoveredStep;

/// Commands of runs that died, by their place in the program: those that ended are not run again, those of which nothing
/// is known wait for a person.
#[derive(Default)]
pub(crate) struct Replay {
    commands: HashMap<String, Replayed>,
    runs: BTreeSet<RunId>,
    unknown: BTreeSet<RunId>,
}

pub(crate) struct Replayed {
    pub id: String,
    /// `None`: it began and nobody knows more.
    pub output: Option<CommandOutput>,
}

impl Replay {
    /// The earlier fate of a command, once.
    pub fn take(&mut self, key: &str) -> Option<Replayed> {
        self.commands.remove(key)
    }
    /// Is there a step nobody can look up, and nobody has decided about?
    pub fn is_stuck(&self) -> bool {
        !self.unknown.is_empty()
    }
    /// Runs whose journal ends with this one: all but those with a step nobody decided about.
    pub fn finished_runs(&self) -> Vec<RunId> {
        self.runs.difference(&self.unknown).cloned().collect()
    }
}

/// `run-end:step`: the last eight characters of the run's id, which differ between runs of the same moment.
pub(crate) fn step_id(run: &RunId, seq: u64) -> String {
    let text = run.as_str();
    let tail = text.len().saturating_sub(8);
    format!("{}:{seq}", text.get(tail..).unwrap_or(text))
}

enum Verdict {
    /// The effect happened; the record gets this state.
    Adopted(Option<Value>),
    NotBegun,
    /// Something happened, but not all of it.
    Partial(Option<Value>),
    /// Cannot be read now.
    Unknown,
}

struct Settled {
    step: OpenStep,
    verdict: Verdict,
    blobs: Vec<Blob>,
}

/// Settles everything earlier runs of this stack left open. Needs the lease.
pub(crate) fn recover(
    ctx: &Context,
    stack: &Stack,
    lease: &HeldLease,
) -> Result<(Replay, Vec<RecoveredStep>), EngineError> {
    let steps = ctx.store.journal().open_steps(&stack.id)?;
    let died = stack.status == StackStatus::Running;
    if steps.is_empty() && !died && !ctx.store.view()?.version_pending(&stack.id)? {
        return Ok((Replay::default(), Vec::new()));
    }
    let mut replay = Replay::default();
    let mut report = Vec::new();
    let mut settled = Vec::new();
    let mut with_commands = BTreeSet::new();
    let fates = Fates::of(&*ctx.store, stack, &steps)?;
    let telling = telling(&steps, &fates);
    for step in steps {
        replay.runs.insert(step.run.clone());
        if fates.is_over(&step) {
            continue;
        }
        match &step.intention.subject {
            Subject::Command { key, .. } => {
                with_commands.insert(step.run.clone());
                if !telling.contains(&place(&step)) {
                    continue;
                }
                let id = step_id(&step.run, step.intention.seq);
                let output = step
                    .finished
                    .clone()
                    .map(|o| o.and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default());
                let verdict = if output.is_some() { "done" } else { "unknown" };
                if output.is_none() {
                    replay.unknown.insert(step.run.clone());
                }
                report.push(RecoveredStep { id: id.clone(), title: step.intention.title(), verdict });
                replay.commands.insert(key.clone(), Replayed { id, output });
            }
            Subject::Resource { .. } => {
                let (verdict, blobs) = judge(ctx, &step);
                let word = match verdict {
                    Verdict::Adopted(_) => "adopted",
                    Verdict::NotBegun => "not begun",
                    Verdict::Partial(_) => "partial",
                    Verdict::Unknown => "unknown",
                };
                if matches!(verdict, Verdict::Unknown) {
                    replay.unknown.insert(step.run.clone());
                }
                report.push(RecoveredStep {
                    id: step_id(&step.run, step.intention.seq),
                    title: step.intention.title(),
                    verdict: word,
                });
                settled.push(Settled { step, verdict, blobs });
            }
        }
    }
    commit(ctx, stack, lease, &settled)?;
    let journal = ctx.store.journal();
    for item in &settled {
        if !matches!(item.verdict, Verdict::Unknown) {
            journal.resolve(&item.step.run, item.step.intention.seq)?;
        }
    }
    for run in replay.runs.clone() {
        if !with_commands.contains(&run) && !replay.unknown.contains(&run) {
            journal.close(&run)?;
            replay.runs.remove(&run);
        }
    }
    Ok((replay, report))
}

/// What is known of the runs that left steps behind.
struct Fates {
    /// Came to their end and could not clear their journal: their commands are nothing to continue from. A run that failed
    /// is not among them: it keeps its journal where it waits for a person.
    ended: BTreeSet<RunId>,
    /// Were continued by a run that completed: what they had done is done.
    continued: BTreeSet<RunId>,
}

impl Fates {
    fn of(store: &dyn Store, stack: &Stack, steps: &[OpenStep]) -> Result<Self, EngineError> {
        let view = store.view()?;
        let mut fates = Self { ended: BTreeSet::new(), continued: BTreeSet::new() };
        let ids: BTreeSet<&RunId> = steps.iter().map(|s| &s.run).collect();
        if ids.is_empty() {
            return Ok(fates);
        }
        // Newest first, in the order in which they began. Their times would not do: clocks are set back.
        let runs = view.run_list(&stack.id, 64)?;
        let completed = runs.iter().position(|r| r.status == RunStatus::Completed);
        for id in ids {
            let Some(run) = view.run_get(id)? else { continue };
            if !matches!(run.status, RunStatus::Running | RunStatus::Crashed | RunStatus::Failed) {
                fates.ended.insert(id.clone());
            }
            let place = runs.iter().position(|r| r.id == *id).unwrap_or(usize::MAX);
            if completed.is_some_and(|at| at < place) {
                fates.continued.insert(id.clone());
            }
        }
        Ok(fates)
    }
    /// Is this a command that no later run has to know about?
    fn is_over(&self, step: &OpenStep) -> bool {
        let command = matches!(step.intention.subject, Subject::Command { .. });
        command
            && (self.ended.contains(&step.run)
                || (step.finished.is_some() && self.continued.contains(&step.run)))
    }
}

fn place(step: &OpenStep) -> (RunId, u64) {
    (step.run.clone(), step.intention.seq)
}

/// The steps that tell what became of commands, one for each command. A run that continues another one notes once more which
/// commands had ended; when it dies while noting, the older note still tells.
fn telling(steps: &[OpenStep], fates: &Fates) -> BTreeSet<(RunId, u64)> {
    let mut found: HashMap<&str, &OpenStep> = HashMap::new();
    for step in steps.iter().filter(|step| !fates.is_over(step)) {
        let Subject::Command { key, .. } = &step.intention.subject else { continue };
        let known = found.entry(key).or_insert(step);
        if known.finished.is_none() {
            *known = step;
        }
    }
    found.into_values().map(place).collect()
}

/// Finds out what became of a resource step by looking.
fn judge(ctx: &Context, step: &OpenStep) -> (Verdict, Vec<Blob>) {
    let Subject::Resource { address, spec, before, .. } = &step.intention.subject else {
        return (Verdict::Unknown, Vec::new());
    };
    let Some(machine) = ctx.machine(address.host()) else { return (Verdict::Unknown, Vec::new()) };
    let mut blobs = step.captured.clone();
    let mut keep = |state: Option<&Value>| {
        if let Some(state) = state
            && let Ok(found) = machine.capture(address.kind(), address.id(), state)
        {
            blobs.extend(found.blobs);
        }
    };
    if let Some(state) = &step.finished {
        keep(state.as_ref());
        return (Verdict::Adopted(state.clone()), blobs);
    }
    machine.tidy(address.kind(), address.id());
    let sight =
        Sight { kind: address.kind(), id: address.id(), spec: spec.as_ref(), blobs: &[], recorded: None };
    let Ok(Some(Ok(seen))) = machine.observe(&[sight]).map(|mut found| found.pop()) else {
        return (Verdict::Unknown, blobs);
    };
    let Seen { state, diff, .. } = seen;
    let reached = if spec.is_some() { diff.is_empty() } else { state.is_none() };
    if reached {
        keep(state.as_ref());
        (Verdict::Adopted(state), blobs)
    } else if state == *before {
        (Verdict::NotBegun, blobs)
    } else {
        keep(state.as_ref());
        (Verdict::Partial(state), blobs)
    }
}

/// Writes what was found out, and seals what the dead run had committed, as one version.
fn commit(ctx: &Context, stack: &Stack, lease: &HeldLease, settled: &[Settled]) -> Result<(), EngineError> {
    let now = ctx.clock.now();
    let blobs: Vec<Blob> = settled.iter().flat_map(|s| s.blobs.iter().cloned()).collect();
    ctx.store.blobs().put(&blobs, Wait::Fast)?;
    let mut txn = ctx.store.begin(crate::stacks::intent(ctx, stack, lease, "recover", Wait::Durable))?;
    let mut dead = None;
    for mut run in txn.run_list(&stack.id, 16)? {
        if run.status == RunStatus::Running {
            run.status = RunStatus::Crashed;
            run.completed_at = Some(now);
            run.error = Some("the program died; its open steps were settled by the next one".to_owned());
            dead.get_or_insert_with(|| run.id.clone());
            txn.run_put(&run)?;
        }
    }
    for item in settled {
        let Subject::Resource { address, module, operation, spec, before, options } =
            &item.step.intention.subject
        else {
            continue;
        };
        let (state, condition) = match &item.verdict {
            Verdict::Adopted(state) => (state, Condition::Applied),
            Verdict::Partial(state) => (state, Condition::Failed),
            Verdict::NotBegun | Verdict::Unknown => continue,
        };
        queue(&mut *txn, options, address, item)?;
        let old = txn.resource_get(&stack.id, address, VersionAt::Head)?;
        let Some(spec) = spec else {
            if condition == Condition::Applied {
                txn.resource_remove(address)?;
            }
            continue;
        };
        let origin = old.as_ref().map_or_else(|| Origin::of(before.as_ref()), |old| old.origin.clone());
        txn.resource_put(&Recorded {
            address: address.clone(),
            module: module.clone(),
            operation: operation.clone(),
            spec: spec.clone(),
            state: state.clone(),
            origin,
            condition,
            error: (condition == Condition::Failed)
                .then(|| "the program died in the middle of it".to_owned()),
            options: options.clone(),
            task: item.step.intention.task.clone(),
            created_at: old.map_or(now, |old| old.created_at),
            updated_at: now,
        })?;
    }
    let mut stack = stack.clone();
    if stack.status == StackStatus::Running {
        stack.status = StackStatus::Failed;
        stack.last_error = Some("the program died".to_owned());
        txn.stack_update(&stack)?;
    }
    let note = VersionNote {
        kind: VersionKind::Run,
        description: "interrupted run, settled".to_owned(),
        created_by: Some("system".to_owned()),
        run: dead,
        successful: false,
        always: false,
    };
    txn.commit(Seal::Version(note, OperationRecord::default()))?;
    Ok(())
}

fn queue(
    txn: &mut dyn sloth_core::store::Txn,
    options: &Options,
    address: &Address,
    item: &Settled,
) -> Result<(), EngineError> {
    for name in &options.notify {
        txn.handler_queue(&PendingHandler {
            name: name.clone(),
            queued_by: address.to_string(),
            queued_at: item.step.intention.at,
        })?;
    }
    Ok(())
}

/// An open step, for people.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OpenStepInfo {
    /// Id that decisions take.
    pub id: String,
    /// Run it belongs to.
    pub run: String,
    /// Task it belongs to.
    pub task: String,
    /// Address or command.
    pub title: String,
    /// When it began.
    pub at: sloth_core::clock::Timestamp,
    /// Ended, but its run did not.
    pub finished: bool,
    /// Only a person can tell whether it happened.
    pub unknown: bool,
}

/// Steps of dead runs that the next run will settle, continue from, or ask about.
///
/// # Errors
/// The store failed.
pub fn open_steps(ctx: &Context, stack: &Stack) -> Result<Vec<OpenStepInfo>, EngineError> {
    open_steps_in(&*ctx.store, stack)
}

/// [`open_steps`] for those who have nothing but a store.
pub(crate) fn open_steps_in(store: &dyn Store, stack: &Stack) -> Result<Vec<OpenStepInfo>, EngineError> {
    let steps = store.journal().open_steps(&stack.id)?;
    let fates = Fates::of(store, stack, &steps)?;
    let telling = telling(&steps, &fates);
    Ok(steps
        .into_iter()
        .filter(|step| match step.intention.subject {
            Subject::Command { .. } => telling.contains(&place(step)),
            Subject::Resource { .. } => true,
        })
        .map(|step| OpenStepInfo {
            id: step_id(&step.run, step.intention.seq),
            run: step.run.to_string(),
            task: step.intention.task.clone(),
            title: step.intention.title(),
            at: step.intention.at,
            finished: step.finished.is_some(),
            unknown: step.finished.is_none() && matches!(step.intention.subject, Subject::Command { .. }),
        })
        .collect())
}

/// A person's decision about a step nobody can look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It happened: do not run it again.
    Adopt,
    /// It did not happen, or may happen twice: the next run runs it.
    Redo,
    /// Drop it.
    Forget,
}

/// Settles one open step by decision.
///
/// # Errors
/// There is no such step, somebody holds the stack, or the store failed.
pub fn settle_step(ctx: &Context, stack: &Stack, id: &str, decision: Decision) -> Result<(), EngineError> {
    let _lease = HeldLease::take(ctx, &stack.id, "resume")?;
    let journal = ctx.store.journal();
    let step = journal
        .open_steps(&stack.id)?
        .into_iter()
        .find(|s| step_id(&s.run, s.intention.seq) == id)
        .ok_or_else(|| EngineError::Refused(format!("stack `{}` has no open step `{id}`", stack.name)))?;
    match decision {
        Decision::Adopt => {
            journal.finish(&step.run, step.intention.seq, Some(&to_value(&CommandOutput::default())))?;
        }
        Decision::Redo | Decision::Forget => journal.resolve(&step.run, step.intention.seq)?,
    }
    Ok(())
}
