//! `run`, `plan` and `apply`: wishes come from a program.

use std::collections::BTreeSet;
use std::sync::Arc;

use sloth_core::address::{Address, HostName};
use sloth_core::body::Program;
use sloth_core::event::{EventType, Severity};
use sloth_core::graph::TaskGraph;
use sloth_core::plan::{PLAN_FORMAT, Plan, PlanSource, PlanStep};
use sloth_core::recorded::Recorded;
use sloth_core::recorded_body::RecordedBody;
use sloth_core::run::{RunStatus, TaskCounts};
use sloth_core::stack::{Stack, StackStatus};
use sloth_core::store::{OperationRecord, StackMatch};
use sloth_core::value::{Map, Value, to_value};
use sloth_core::version::{VersionKind, VersionNote};
use sloth_core::workflow::{OnFailure, Workflow};

use crate::conduct::{Conduct, Ending};
use crate::context::Context;
use crate::error::EngineError;
use crate::order::creation_order;
use crate::perform::{Guarded, digest_of};
use crate::report::{RecoveredStep, RunReport, UndoStep};
use crate::scope::ScopeRequest;
use crate::session::{self, Session};
use crate::stacks;

pub use crate::resume::{Decision, OpenStepInfo, open_steps, settle_step};

/// How to run a program.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// Stack; the workflow's name when none is given.
    pub stack: Option<String>,
    /// Only say what would happen.
    pub planning: bool,
    /// While planning: list only what would change, without what a saved plan is checked against. Such a plan is for
    /// showing and is not sealed.
    pub brief: bool,
    /// Which part.
    pub scope: ScopeRequest,
    /// Remove orphans; the workflow decides when none is given.
    pub prune: Option<bool>,
    /// How many tasks at once; the workflow decides when none is given.
    pub parallel: Option<u32>,
    /// Values and variables the program was loaded with, for saved plans.
    pub values: Value,
}

/// Runs a program, or plans it.
///
/// # Errors
/// It could not even begin, or the state could not be written at the end. Failures of tasks are in the report.
pub fn run(ctx: &Context, program: &mut dyn Program, request: &RunRequest) -> Result<RunReport, EngineError> {
    drive(ctx, program, request, None)
}

/// Performs exactly the changes of a saved plan.
///
/// # Errors
/// [`EngineError::StalePlan`] when anything it touches has moved; then nothing was changed.
pub fn apply(ctx: &Context, program: &mut dyn Program, plan: &Plan) -> Result<RunReport, EngineError> {
    let PlanSource::Workflow { file, digest, scope, values } = &plan.source else {
        return Err(EngineError::Refused("this plan was not made from a workflow".to_owned()));
    };
    if program.workflow().digest != *digest {
        return Err(EngineError::StalePlan {
            what: file.clone(),
            why: "has changed since the plan was made".to_owned(),
        });
    }
    let prune = scope.get("prune").and_then(Value::as_bool).unwrap_or(false);
    let scope: ScopeRequest = serde_json::from_value(scope.clone())
        .map_err(|e| EngineError::Refused(format!("the plan's scope cannot be read: {e}")))?;
    let request = RunRequest {
        stack: Some(plan.stack.clone()),
        planning: false,
        brief: false,
        scope,
        prune: Some(prune),
        parallel: None,
        values: values.clone(),
    };
    drive(ctx, program, &request, Some(plan))
}

fn drive(
    ctx: &Context,
    program: &mut dyn Program,
    request: &RunRequest,
    saved: Option<&Plan>,
) -> Result<RunReport, EngineError> {
    let workflow = program.workflow().clone();
    let graph = TaskGraph::build(&workflow.tasks)?;
    let chosen = request.scope.tasks(&workflow, &graph)?;
    hosts_are_known(ctx, &workflow, &chosen)?;
    let name = request.stack.clone().unwrap_or_else(|| workflow.name.clone());
    let (stack, known) = stack_for(ctx, &name, &workflow, request.planning)?;
    if let Some(version) = stack.rolled_back_to {
        let text = format!(
            "stack `{}` was taken back to {version}; the workflow may be newer and brings it forward again",
            stack.name
        );
        ctx.notice(Severity::Warning, &text);
    }
    crate::upstreams::declared_are_there(&*ctx.store.view()?, &stack, &workflow)?;
    let operation = if saved.is_some() { "apply" } else { "run" };
    let (mut session, recovered) = if request.planning {
        (Session::plan(ctx, stack, "plan")?, Vec::new())
    } else {
        // A saved plan may be refused, and then nothing of it is kept.
        let program = session::Program { workflow: &workflow, tells: saved.is_none() };
        Session::begin(ctx, &stack, operation, Some(program))?
    };
    session.brief = request.brief;
    let base = session.stack().head;
    if let Some(plan) = saved
        && let Err(error) = check_plan(&session, plan)
    {
        // Nothing was touched: the run is recorded as one that did nothing.
        finish_untouched(&session, &error)?;
        return Err(error);
    }
    if workflow.config.create_snapshot && !request.planning && base != sloth_core::version::Version::ZERO {
        if let Some(lease) = &session.lease {
            stacks::snapshot(ctx, &session.stack(), lease, "Auto-snapshot", Some("system"), &[])?;
        }
        session.refresh_head()?;
    }
    if workflow.config.detect_drift
        && !request.planning
        && let Err(error) = tell_drift(&session)
    {
        finish_untouched(&session, &error)?;
        return Err(error);
    }
    if let Err(error) = session.declare_upstreams(&workflow) {
        // They were there a moment ago.
        let error = EngineError::Refused(error.to_string());
        if !request.planning {
            finish_untouched(&session, &error)?;
        }
        return Err(error);
    }
    if request.planning {
        tell_stale(&session)?;
    }
    session.scope = request.scope.clone();
    session.ledger().keep_performed = workflow.config.on_failure == OnFailure::Rollback;
    session.guard = saved.map(|plan| Guarded::new(&plan.steps));
    let session = Arc::new(session);
    let parallel =
        usize::try_from(request.parallel.unwrap_or(workflow.config.max_parallel_tasks)).unwrap_or(1);
    let conduct = Conduct::new(Arc::clone(&session), &workflow, graph, chosen, parallel);
    let outcome = program.execute(&conduct);
    let mut ending = conduct.ending();
    crate::handwritten::end_open(&session);
    if let Err(error) = outcome {
        ending.failed = true;
        ending.complete = false;
        ending.error.get_or_insert(error.0);
    }
    let interrupted = ctx.stop.asked();
    let mut orphans = Vec::new();
    let whole = ending.complete && !request.scope.is_partial() && !interrupted;
    if whole {
        let prune = request.prune.unwrap_or(workflow.config.prune);
        orphans = leave_or_prune(&session, prune, &mut ending);
    }
    let undone = if ending.failed && workflow.config.on_failure == OnFailure::Rollback && !request.planning {
        crate::rewind::take_back(&session)
    } else {
        Vec::new()
    };
    if request.planning {
        return Ok(plan_report(&session, &workflow, request, ending, orphans, known));
    }
    session.settle_upstreams(whole && !ending.failed);
    close(&session, &workflow, ending, orphans, undone, recovered, interrupted)
}

/// Every host a chosen task names has to be there before anything begins.
fn hosts_are_known(ctx: &Context, workflow: &Workflow, chosen: &BTreeSet<usize>) -> Result<(), EngineError> {
    for task in chosen.iter().map(|&at| &workflow.tasks[at]) {
        for host in &task.delegate_to {
            if ctx.machine(&HostName::new(host.as_str())).is_none() {
                let text = format!(
                    "task `{}` ({}) is delegated to host `{host}`, which is not known",
                    task.name, task.span
                );
                return Err(EngineError::Refused(text));
            }
        }
    }
    Ok(())
}

/// What moved away from the record since the last run, told before the run puts it right.
fn tell_drift(session: &Session) -> Result<(), EngineError> {
    let bodies = session.ledger().records.bodies();
    let bodies: Vec<&RecordedBody> = bodies.iter().map(AsRef::as_ref).collect();
    let mut drifted: Vec<String> = crate::drift::findings(&session.ctx, &bodies, &|_| None)?
        .into_iter()
        .filter(|f| f.status == sloth_core::drift::DriftStatus::Drifted)
        .map(|f| format!("{} ({})", f.address, f.diff.names().join(", ")))
        .collect();
    drifted.sort_unstable();
    for line in drifted {
        session.ctx.notice(Severity::Warning, &format!("changed outside since the last run: {line}"));
    }
    Ok(())
}

/// What the stack was made with and is not so any more.
fn tell_stale(session: &Session) -> Result<(), EngineError> {
    for stale in crate::upstreams::stale(&*session.ctx.store.view()?, &session.stack_id)? {
        let text = format!("stack `{}` is stale: {}", session.stack().name, stale.sentence());
        session.ctx.notice(Severity::Warning, &text);
    }
    Ok(())
}

/// The stack of a run; made when it is not there. While planning it is only imagined.
fn stack_for(
    ctx: &Context,
    name: &str,
    workflow: &Workflow,
    planning: bool,
) -> Result<(Stack, bool), EngineError> {
    match ctx.store.view()?.stack_find(name)? {
        StackMatch::One(stack) => return Ok((*stack, true)),
        StackMatch::Many(names) => return Err(EngineError::AmbiguousStack { text: name.to_owned(), names }),
        StackMatch::None => {}
    }
    let new = stacks::NewStack {
        name: name.to_owned(),
        description: workflow.description.clone(),
        version_label: workflow.version.clone(),
        workflow_file: Some(workflow.file.clone()),
    };
    if !planning {
        return Ok((stacks::make(ctx, new, false)?, false));
    }
    sloth_core::stack::check_name(name)?;
    let imagined = stacks::fresh(ctx, new);
    Ok((imagined, false))
}

/// Is everything a saved plan touches as it was?
fn check_plan(session: &Session, plan: &Plan) -> Result<(), EngineError> {
    let stale = |what: &Address, why: &str| {
        Err(EngineError::StalePlan { what: what.to_string(), why: why.to_owned() })
    };
    if let Some(id) = &plan.stack_id
        && *id != session.stack().id
    {
        let what = format!("stack `{}`", plan.stack);
        return Err(EngineError::StalePlan {
            what,
            why: "is another one than the plan was made for".to_owned(),
        });
    }
    for step in &plan.steps {
        let PlanStep::Resource { address, change, live, recorded, spec, .. } = step else { continue };
        if !change.action.records() {
            continue;
        }
        let record = session.ledger().records.get(address)?;
        if record.as_ref().map(|r| r.digest()) != *recorded {
            return stale(address, "has another record than when the plan was made");
        }
        if record.as_ref().is_some_and(|r| r.is_registered())
            || is_functions(spec.as_ref())
            || step_is_registered(step)
        {
            continue;
        }
        match session.look(address, None, &[], None) {
            Ok(seen) if digest_of(seen.state.as_ref()) == *live => {}
            // What an earlier step of the same plan brings about cannot be there yet.
            Ok(_) if earlier_step_makes(plan, address) => {}
            Ok(_) => return stale(address, "has changed on the host since the plan was made"),
            Err(error) => return stale(address, &format!("cannot be read now: {error}")),
        }
    }
    Ok(())
}

fn step_is_registered(step: &PlanStep) -> bool {
    matches!(step, PlanStep::Resource { operation, .. } if operation == sloth_core::recorded::REGISTERED)
}

fn is_functions(spec: Option<&Value>) -> bool {
    spec.is_some_and(|s| s.get(crate::scope_body::FUNCTIONS).and_then(Value::as_bool) == Some(true))
}

/// A line in a file that the same plan writes looks different before that file is written.
fn earlier_step_makes(plan: &Plan, address: &Address) -> bool {
    let path = address.id().split('#').next().unwrap_or_default();
    plan.steps.iter().any(|step| match step {
        PlanStep::Resource { address: other, change, .. } => {
            other != address
                && change.action.touches()
                && other.host() == address.host()
                && other.id().split('#').next() == Some(path)
        }
        PlanStep::Command { .. } | PlanStep::Effect { .. } => true,
        PlanStep::Handler { .. } | PlanStep::Output { .. } => false,
    }) && address.kind() != "file"
}

/// Recorded resources that a complete run no longer declares: shown, or removed in reverse order.
fn leave_or_prune(session: &Session, prune: bool, ending: &mut Ending) -> Vec<Address> {
    let mut gone: Vec<std::sync::Arc<Recorded>> = Vec::new();
    {
        let ledger = session.ledger();
        for address in ledger.records.addresses().filter(|address| !ledger.declared.contains_key(address)) {
            match ledger.records.get(address) {
                Ok(Some(recorded)) if !recorded.task.is_empty() => gone.push(recorded),
                Ok(_) => {}
                Err(error) => {
                    ending.failed = true;
                    ending.error.get_or_insert_with(|| error.to_string());
                }
            }
        }
    }
    gone.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.address.cmp(&b.address)));
    let order = creation_order(gone.iter().map(|recorded| &**recorded));
    let mut left = Vec::new();
    for at in order.into_iter().rev() {
        let recorded = &gone[at];
        if !prune {
            let message = format!("{} is no longer declared", recorded.address);
            session.emit(
                EventType::ResourceOrphaned,
                Severity::Warning,
                None,
                Some(&recorded.address),
                &message,
                Value::Null,
            );
            left.push(recorded.address.clone());
            continue;
        }
        if let Err(error) = remove(session, recorded) {
            ending.failed = true;
            ending.error.get_or_insert_with(|| error.to_string());
            left.push(recorded.address.clone());
        }
    }
    left.reverse();
    left
}

/// Removes one recorded resource, or puts back what was there before.
fn remove(session: &Session, recorded: &Recorded) -> Result<(), sloth_core::body::CallError> {
    let item = crate::goal::leaving(session, recorded);
    if session.planning {
        session.ledger().steps.push(item.step());
    }
    session.carry_out(item.work())?;
    Ok(())
}

fn plan_report(
    session: &Session,
    workflow: &Workflow,
    request: &RunRequest,
    ending: Ending,
    orphans: Vec<Address>,
    known: bool,
) -> RunReport {
    let stack = session.stack();
    let prune = request.prune.unwrap_or(workflow.config.prune);
    let mut scope = request.scope.to_stored();
    scope["prune"] = Value::Bool(prune);
    let mut plan = {
        let mut ledger = session.ledger();
        let mut outputs = Vec::new();
        for (name, output) in &ledger.outputs {
            let before = ledger.outputs_before.get(name);
            if before != Some(output) {
                outputs.push(PlanStep::Output {
                    name: name.clone(),
                    from: before.map(|o| o.value.clone()).filter(|_| !output.sensitive),
                    to: Some(output.value.clone()).filter(|_| !output.sensitive),
                    sensitive: output.sensitive,
                });
            }
        }
        ledger.steps.extend(outputs);
        Plan {
            format: PLAN_FORMAT.to_owned(),
            stack_id: known.then(|| stack.id.clone()),
            stack: stack.name.clone(),
            base: stack.head,
            source: PlanSource::Workflow {
                file: workflow.file.clone(),
                digest: workflow.digest.clone(),
                values: request.values.clone(),
                scope,
            },
            steps: std::mem::take(&mut ledger.steps),
            created_at: session.started_at,
            created_by: session.ctx.actor.name.clone(),
            program: session.ctx.program.clone(),
            notes: Map::new(),
            digest: sloth_core::digest::Digest::ZERO,
        }
    };
    if !session.brief {
        plan = plan.sealed();
    }
    let status = if ending.failed { RunStatus::Failed } else { RunStatus::Completed };
    let mut report = base_report(session, ending, status);
    report.orphans = orphans;
    report.planned = true;
    report.plan = Some(plan);
    report
}

fn base_report(session: &Session, ending: Ending, status: RunStatus) -> RunReport {
    let stack = session.stack();
    let mut ledger = session.ledger();
    RunReport {
        run: if session.planning { String::new() } else { session.run.to_string() },
        operation: session.operation.clone(),
        stack: stack.name.clone(),
        status,
        planned: session.planning,
        started_at: session.started_at,
        duration: session.ctx.clock.now().since(session.started_at),
        tasks: ending.reports,
        task_counts: ending.counts,
        counts: ledger.counts,
        changes: std::mem::take(&mut ledger.changes),
        orphans: Vec::new(),
        handlers: ending.handlers,
        handlers_pending: ledger.handlers.iter().map(|h| h.name.clone()).collect(),
        recovered: Vec::new(),
        undone: Vec::new(),
        base: stack.head,
        version: None,
        error: ending.error,
        needs_person: false,
        plan: None,
    }
}

fn close(
    session: &Session,
    workflow: &Workflow,
    ending: Ending,
    orphans: Vec<Address>,
    undone: Vec<UndoStep>,
    recovered: Vec<RecoveredStep>,
    interrupted: bool,
) -> Result<RunReport, EngineError> {
    let status = match (ending.failed, interrupted, undone.is_empty()) {
        (_, true, _) => RunStatus::Interrupted,
        (true, false, false) => RunStatus::RolledBack,
        (true, false, true) => RunStatus::Failed,
        (false, false, _) => RunStatus::Completed,
    };
    let stuck = undone.iter().any(|u| u.stuck.is_some());
    let error = ending.error.clone();
    let counts = ending.counts;
    let mut report = base_report(session, ending, status);
    report.orphans = orphans;
    report.undone = undone;
    report.needs_person = stuck || recovered.iter().any(|r| r.verdict == "unknown");
    report.recovered = recovered;
    let mut stack = session.stack();
    session::remember(&mut stack, workflow);
    stack.configuration = to_value(&workflow.config).as_object().cloned().unwrap_or_default();
    if !workflow.version.is_empty() {
        stack.version_label.clone_from(&workflow.version);
    }
    if !workflow.description.is_empty() {
        stack.description.clone_from(&workflow.description);
    }
    stack.rolled_back_to = None;
    finish(
        session,
        stack,
        status,
        counts,
        error.as_deref(),
        VersionKind::Run,
        Some(&workflow.digest),
        Value::Null,
        &mut report,
    )?;
    Ok(report)
}

/// The last commit of any run, and what the stack and the report say afterwards.
#[expect(clippy::too_many_arguments, reason = "one place where every run ends")]
pub(crate) fn finish(
    session: &Session,
    mut stack: Stack,
    status: RunStatus,
    counts: TaskCounts,
    error: Option<&str>,
    kind: VersionKind,
    program: Option<&str>,
    undo: Value,
    report: &mut RunReport,
) -> Result<(), EngineError> {
    let failed = status != RunStatus::Completed;
    let (event, severity, word) = if failed {
        (EventType::StackExecutionFailed, Severity::Error, "failed")
    } else {
        (EventType::StackExecutionCompleted, Severity::Info, "completed")
    };
    let duration = session.ctx.clock.now().since(session.started_at);
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let payload =
        serde_json::json!({ "duration_ns": nanos, "counts": report.counts, "tasks": counts, "error": error });
    session.emit(event, severity, None, None, &format!("{} {word}", session.operation), payload);
    stack.status = match status {
        RunStatus::Completed if kind == VersionKind::Restore => StackStatus::RolledBack,
        RunStatus::Completed => StackStatus::Completed,
        RunStatus::RolledBack => StackStatus::RolledBack,
        RunStatus::Running | RunStatus::Failed | RunStatus::Interrupted | RunStatus::Crashed => {
            StackStatus::Failed
        }
    };
    stack.completed_at = Some(session.ctx.clock.now());
    stack.execution_count += 1;
    stack.last_duration = nanos;
    stack.last_error = error.map(str::to_owned);
    let caller = session.note();
    let note = VersionNote {
        kind,
        description: caller.description.unwrap_or_else(|| describe(session, report)),
        created_by: caller.creator,
        run: Some(session.run.clone()),
        successful: !failed,
        always: false,
    };
    let next = session.wrote_rows().then(|| stack.head.next());
    let row = session.run_row(status, counts, next, error, program);
    let done = session.seal(stack, &row, note, OperationRecord { undo, undoes: caller.undoes })?;
    report.version = done.version;
    crate::retention::after_run(session);
    report.duration = session.ctx.clock.now().since(session.started_at);
    crate::failpoint::pass("before-release");
    Ok(())
}

fn describe(session: &Session, report: &RunReport) -> String {
    let c = &report.counts;
    let mut parts = Vec::new();
    for (n, word) in [
        (c.created, "created"),
        (c.updated, "updated"),
        (c.deleted, "deleted"),
        (c.recorded, "recorded"),
        (c.failed, "failed"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    if parts.is_empty() {
        session.operation.clone()
    } else {
        format!("{}: {}", session.operation, parts.join(", "))
    }
}

/// Ends a run that was refused before it touched anything.
pub(crate) fn finish_untouched(session: &Session, error: &EngineError) -> Result<(), EngineError> {
    let ending = Ending {
        reports: Vec::new(),
        counts: TaskCounts::default(),
        handlers: Vec::new(),
        error: Some(error.to_string()),
        complete: false,
        failed: true,
    };
    let mut report = base_report(session, ending, RunStatus::Failed);
    let stack = session.stack();
    finish(
        session,
        stack,
        RunStatus::Failed,
        TaskCounts::default(),
        Some(&error.to_string()),
        VersionKind::Run,
        None,
        Value::Null,
        &mut report,
    )
}

/// An empty report for verbs without tasks.
pub(crate) fn record_report(session: &Session, status: RunStatus, error: Option<String>) -> RunReport {
    let failed = status != RunStatus::Completed;
    let ending = Ending {
        reports: Vec::new(),
        counts: TaskCounts::default(),
        handlers: Vec::new(),
        error,
        complete: !failed,
        failed,
    };
    base_report(session, ending, status)
}
