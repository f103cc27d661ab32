//! Stacks seen as executions of their workflows. Reads only.

use std::collections::BTreeMap;
use std::time::Duration;

use sloth_core::address::Address;
use sloth_core::clock::Timestamp;
use sloth_core::execution::{ExecutionStatus, ResourceAction, Said};
use sloth_core::output::Output;
use sloth_core::recorded::Recorded;
use sloth_core::run::{Run, RunStatus};
use sloth_core::stack::Stack;
use sloth_core::store::{VersionAt, View};
use sloth_core::value::Value;
use sloth_core::version::{Version, VersionInfo, VersionKind};

use crate::error::EngineError;

/// One execution of a stack's workflow: the newest, or the one that made a version.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The stack, as it is now.
    pub stack: Stack,
    /// The version it made, or the newest there is; 0 when there is none.
    pub version: Version,
    /// How it stands.
    pub status: ExecutionStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed.
    pub error: Option<String>,
}

/// A resource as an execution left it.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// The record.
    pub recorded: Recorded,
    /// What the execution did to it.
    pub action: ResourceAction,
    /// How it is: `applied`, `pending`, `failed`, `deleted`, or what was said of it.
    pub status: String,
    /// Its attributes.
    pub attributes: Value,
}

/// The newest execution of a stack.
#[must_use]
pub fn newest(stack: Stack) -> Execution {
    let status = ExecutionStatus::from(stack.status);
    let running = status == ExecutionStatus::Running;
    Execution {
        version: stack.head,
        status,
        started_at: stack.last_run_at.unwrap_or(stack.created_at),
        completed_at: stack.completed_at.filter(|_| !running),
        duration: if running { Duration::ZERO } else { Duration::from_nanos(stack.last_duration) },
        error: stack.last_error.clone(),
        stack,
    }
}

/// The execution that made a version.
///
/// # Errors
/// The stack has no such version, or the store failed.
pub fn at(view: &dyn View, stack: Stack, version: Version) -> Result<Execution, EngineError> {
    let Some(info) = view.version_get(&stack.id, version)? else {
        return Err(EngineError::NoSuchVersion { stack: stack.name, version, head: stack.head });
    };
    let run = info.run.as_ref().map(|id| view.run_get(id)).transpose()?.flatten();
    Ok(match run {
        Some(run) => {
            let status = match info.kind {
                VersionKind::Restore if run.status == RunStatus::Completed => ExecutionStatus::RolledBack,
                _ => run.status.into(),
            };
            Execution { status, version, ..of_run(stack, run) }
        }
        None => of_version(stack, &info),
    })
}

/// Every execution of a stack, newest first, whether it made a version or not.
///
/// # Errors
/// The store failed.
pub fn all(view: &dyn View, stack: &Stack) -> Result<Vec<Execution>, EngineError> {
    let runs = view.run_list(&stack.id, 0)?;
    Ok(runs.into_iter().map(|run| of_run(stack.clone(), run)).collect())
}

fn of_run(stack: Stack, run: Run) -> Execution {
    Execution {
        stack,
        version: run.version.unwrap_or(Version::ZERO),
        status: run.status.into(),
        started_at: run.started_at,
        completed_at: run.completed_at,
        duration: run.completed_at.map_or(Duration::ZERO, |end| end.since(run.started_at)),
        error: run.error,
    }
}

/// A version that no run made: it was there at once.
fn of_version(stack: Stack, info: &VersionInfo) -> Execution {
    let status = match (info.kind, info.successful) {
        (_, false) => ExecutionStatus::Failed,
        (VersionKind::Restore, true) => ExecutionStatus::RolledBack,
        (_, true) => ExecutionStatus::Success,
    };
    Execution {
        stack,
        version: info.version,
        status,
        started_at: info.created_at,
        completed_at: Some(info.created_at),
        duration: Duration::ZERO,
        error: None,
    }
}

/// The resources of a stack at a version by address, with what that version did to each; those it removed come last.
///
/// # Errors
/// The store failed.
pub fn resources(view: &dyn View, stack: &Stack, version: Version) -> Result<Vec<Tracked>, EngineError> {
    let at = if version == stack.head { VersionAt::Head } else { VersionAt::Number(version) };
    let now = view.resource_list(&stack.id, at)?;
    let mut before: BTreeMap<Address, Recorded> = BTreeMap::new();
    if let Some(previous) = previous(view, stack, version)? {
        let list = view.resource_list(&stack.id, VersionAt::Number(previous))?;
        before.extend(list.into_iter().map(|recorded| (recorded.address.clone(), recorded)));
    }
    let mut out = Vec::with_capacity(now.len());
    for recorded in now {
        let earlier = before.remove(&recorded.address);
        let (said, attributes) = Said::of(&recorded);
        let seen = match earlier {
            None => ResourceAction::Create,
            Some(earlier) if earlier.digest() == recorded.digest() => ResourceAction::Noop,
            Some(_) => ResourceAction::Update,
        };
        let (action, status) = (said.action.unwrap_or(seen), said.status_of(recorded.condition));
        out.push(Tracked { recorded, action, status, attributes });
    }
    for recorded in before.into_values() {
        let (_, attributes) = Said::of(&recorded);
        let (action, status) = (ResourceAction::Delete, "deleted".to_owned());
        out.push(Tracked { recorded, action, status, attributes });
    }
    Ok(out)
}

/// The version before one, of those that are kept.
fn previous(view: &dyn View, stack: &Stack, version: Version) -> Result<Option<Version>, EngineError> {
    let near = Version(version.0.saturating_sub(1));
    if near == Version::ZERO {
        return Ok(None);
    }
    if view.version_get(&stack.id, near)?.is_some() {
        return Ok(Some(near));
    }
    let kept = view.version_list(&stack.id, 0)?;
    Ok(kept.iter().map(|info| info.version).find(|v| *v < version))
}

/// The outputs of a stack at a version, by name.
///
/// # Errors
/// The store failed.
pub fn outputs(view: &dyn View, stack: &Stack, version: Version) -> Result<Vec<Output>, EngineError> {
    let at = if version == stack.head { VersionAt::Head } else { VersionAt::Number(version) };
    Ok(view.output_list(&stack.id, at)?)
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The name holds this.
    pub name: Option<String>,
    /// This status.
    pub status: Option<ExecutionStatus>,
    /// It has a resource of this type.
    pub resource_type: Option<String>,
    /// It failed, or one of its resources did.
    pub has_errors: bool,
    /// Most results; 0 means all.
    pub limit: usize,
}

/// The newest execution of each stack that fits, newest first.
///
/// # Errors
/// The store failed.
pub fn search(view: &dyn View, wanted: &Search) -> Result<Vec<Execution>, EngineError> {
    let mut stacks = view.stack_list()?;
    if let Some(part) = &wanted.name {
        stacks.retain(|stack| stack.name.contains(part.as_str()));
    }
    let mut found: Vec<Execution> = stacks.into_iter().map(newest).collect();
    found.retain(|e| wanted.status.is_none_or(|status| status == e.status));
    found.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| a.stack.name.cmp(&b.stack.name)));
    let most = if wanted.limit == 0 { usize::MAX } else { wanted.limit };
    let mut fits = Vec::new();
    for execution in found {
        if fits.len() == most {
            break;
        }
        if wanted.resource_type.is_some() || wanted.has_errors {
            let (mut has_type, mut has_error) = (false, execution.error.is_some());
            view.resource_texts(&execution.stack.id, VersionAt::Head, &mut |recorded| {
                has_type |= wanted.resource_type.as_deref() == Some(recorded.address.kind());
                has_error |= recorded.error.is_some();
            })?;
            let wrong = execution.status == ExecutionStatus::Failed || has_error;
            if (wanted.resource_type.is_some() && !has_type) || (wanted.has_errors && !wrong) {
                continue;
            }
        }
        fits.push(execution);
    }
    Ok(fits)
}

/// A stack that is old, and why it has to stay, if it has to.
#[derive(Clone, Debug)]
pub struct Old {
    /// Its newest execution.
    pub execution: Execution,
    /// Why it stays.
    pub stays: Option<String>,
}

/// Stacks in which nothing has happened since a time. One that looks after something real stays: its record is the only
/// way back to it. So does one that is running or tagged, and with `keep_successful` one that succeeded.
///
/// # Errors
/// The store failed.
pub fn old(view: &dyn View, since: Timestamp, keep_successful: bool) -> Result<Vec<Old>, EngineError> {
    let mut found = Vec::new();
    for stack in view.stack_list()?.into_iter().filter(|stack| stack.updated_at < since) {
        let mut real = 0_u64;
        view.resource_texts(&stack.id, VersionAt::Head, &mut |recorded| {
            real += u64::from(recorded.operation != sloth_core::recorded::REGISTERED);
        })?;
        let execution = newest(stack);
        let stays = match execution.status {
            _ if real == 1 => Some("it looks after 1 real resource".to_owned()),
            _ if real > 1 => Some(format!("it looks after {real} real resources")),
            ExecutionStatus::Running => Some("it is running".to_owned()),
            _ if !crate::upstreams::dependents(view, &execution.stack.id)?.is_empty() => {
                Some("other stacks depend on it".to_owned())
            }
            ExecutionStatus::Success if keep_successful => Some("it succeeded".to_owned()),
            _ if !execution.stack.tags().is_empty() || !execution.stack.version_tags().is_empty() => {
                Some("it is tagged".to_owned())
            }
            _ => None,
        };
        found.push(Old { execution, stays });
    }
    Ok(found)
}
