//! Executions that a program writes by hand: what somebody else did, told through `state.create_workflow` and what follows
//! it. Each is a run of its own, with lease, events, version and operation, and touches no machine.

use std::sync::{Arc, PoisonError};

use sloth_core::address::{Address, HostName};
use sloth_core::body::{CallError, Scope as _, WorkflowStep};
use sloth_core::run::{RunStatus, TaskCounts};
use sloth_core::stack::check_name;
use sloth_core::value::{Map, Value};
use sloth_core::version::VersionKind;

use crate::error::EngineError;
use crate::run::{finish, record_report};
use crate::scope_body::UnitScope;
use crate::session::{Session, store_failed};
use crate::stacks;

/// The operation in the log and in the list of runs.
const OPERATION: &str = "workflow";

fn refused(error: EngineError) -> CallError {
    match error {
        EngineError::Store(error) => store_failed(&error),
        other => CallError::Refused(other.to_string()),
    }
}

impl Session {
    fn is_own(&self, named: &str) -> bool {
        let stack = self.stack();
        named == stack.id.as_str() || named == stack.name
    }
    fn add_metadata(&self, metadata: Map) {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).metadata.extend(metadata);
    }
    fn written(&self, named: &str) -> Option<Arc<Self>> {
        let all = self.handwritten.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().find(|session| session.is_own(named)).cloned()
    }
}

/// See [`sloth_core::body::Scope::workflow_begin`].
pub(crate) fn begin(unit: &UnitScope, name: &str, metadata: Map) -> Result<String, CallError> {
    let session = &unit.session;
    session.gate()?;
    if session.is_own(name) {
        session.add_metadata(metadata);
        return Ok(session.stack_id.to_string());
    }
    check_name(name).map_err(|why| CallError::Refused(format!("{why}; nothing was changed")))?;
    let there = stacks::named(&*session.view()?, name).map_err(|e| store_failed(&e))?;
    let listed = unit.effect(&format!("an execution of workflow `{name}`, written by hand"))?;
    if listed == sloth_core::body::Permission::Listed {
        return Ok(there.map_or_else(|| name.to_owned(), |stack| stack.id.to_string()));
    }
    if session.written(name).is_some() {
        let why = format!("this run is writing an execution of `{name}` already; complete it first");
        return Err(CallError::Refused(why));
    }
    let stack = match there {
        Some(stack) => stack,
        None => {
            let new = stacks::NewStack { name: name.to_owned(), ..stacks::NewStack::default() };
            stacks::make(&session.ctx, new, false).map_err(refused)?
        }
    };
    let (other, _) = Session::begin(&session.ctx, &stack, OPERATION, None).map_err(|error| match error {
        EngineError::Lease(error) => {
            CallError::Refused(format!("workflow `{name}` cannot be written: {error}"))
        }
        other => refused(other),
    })?;
    other.add_metadata(metadata);
    let mut all = session.handwritten.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(stack.id.clone(), Arc::new(other));
    Ok(stack.id.to_string())
}

/// See [`sloth_core::body::Scope::workflow_step`].
pub(crate) fn step(unit: &UnitScope, id: &str, step: WorkflowStep) -> Result<bool, CallError> {
    let session = &unit.session;
    session.gate()?;
    let own = session.is_own(id);
    if !own && session.planning {
        let what = match &step {
            WorkflowStep::Resource(entry) => format!("{}:{}", entry.kind, entry.name),
            WorkflowStep::Output(output) => format!("output `{}`", output.name),
            WorkflowStep::Complete => "completed".to_owned(),
            WorkflowStep::Fail(_) => "failed".to_owned(),
        };
        unit.effect(&format!("workflow `{id}`: {what}"))?;
        return Ok(true);
    }
    let there = if own { Arc::clone(session) } else { written_here(session, id)? };
    let scope = UnitScope { session: Arc::clone(&there), task: unit.task.clone(), host: unit.host.clone() };
    match step {
        WorkflowStep::Resource(entry) => {
            if !own {
                // What is said later holds.
                let address = Address::new(HostName::local(), entry.kind.clone(), entry.name.clone());
                there.ledger().declared.remove(&address);
            }
            let scope = if own { scope } else { UnitScope { host: HostName::local(), ..scope } };
            scope.register(entry)?;
        }
        WorkflowStep::Output(output) => scope.output_set(output)?,
        WorkflowStep::Complete | WorkflowStep::Fail(_) if own => {}
        WorkflowStep::Complete => end(session, &there, None)?,
        WorkflowStep::Fail(why) => end(session, &there, Some(&why))?,
    }
    Ok(!own)
}

fn written_here(session: &Session, id: &str) -> Result<Arc<Session>, CallError> {
    session.written(id).ok_or_else(|| {
        CallError::Refused(format!(
            "no execution of a workflow `{id}` is being written in this run; begin one with `state.create_workflow`"
        ))
    })
}

/// The last commit of one. It is out of the way of others even when that fails.
fn end(session: &Session, there: &Arc<Session>, error: Option<&str>) -> Result<(), CallError> {
    session.handwritten.lock().unwrap_or_else(PoisonError::into_inner).remove(&there.stack_id);
    let status = if error.is_some() { RunStatus::Failed } else { RunStatus::Completed };
    let mut report = record_report(there, status, error.map(str::to_owned));
    let (stack, tasks) = (there.stack(), TaskCounts::default());
    finish(there, stack, status, tasks, error, VersionKind::Run, None, Value::Null, &mut report)
        .map_err(|error| crate::session::commit_failed(&error))
}

/// Ends what a run began to write and did not complete: it failed. Says what could not even be ended.
pub(crate) fn end_open(session: &Session) {
    let open: Vec<Arc<Session>> = {
        let mut all = session.handwritten.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all).into_values().collect()
    };
    for there in open {
        if let Err(error) = end(session, &there, Some("the run ended before it was completed")) {
            let text =
                format!("the execution of workflow `{}` could not be ended: {error}", there.stack().name);
            session.ctx.notice(sloth_core::event::Severity::Warning, &text);
        }
    }
}
