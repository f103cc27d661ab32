//! Forgetting versions: one by its number, old ones by a policy, and what nobody needs after them.

use std::time::Duration;

use sloth_core::event::{Event, EventType, Severity};
use sloth_core::retention::{Collected, Holds, Keep, Policy, decide};
use sloth_core::stack::Stack;
use sloth_core::store::{Intent, OperationRecord, Seal, Txn, View, Wait};
use sloth_core::value::Value;
use sloth_core::version::{Version, VersionInfo};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::session::Session;
use crate::stacks;

/// The history of a stack, newest first, and why each version stays; those without a reason go.
pub type Verdicts = Vec<(VersionInfo, Option<Keep>)>;

/// What a policy says. Changes nothing, and says what [`collect`] would do at the same time.
///
/// # Errors
/// The store failed.
pub fn look(ctx: &Context, view: &dyn View, stack: &Stack, policy: Policy) -> Result<Verdicts, EngineError> {
    let history = view.version_list(&stack.id, 0)?;
    // Tags may have come since the caller looked.
    let fresh = view.stack_get(&stack.id)?;
    let holds = Holds::of(fresh.as_ref().unwrap_or(stack));
    let said = decide(&history, &holds, policy, ctx.clock.now());
    Ok(history.into_iter().zip(said).map(|(info, (_, keep))| (info, keep)).collect())
}

fn gone(verdicts: &[(VersionInfo, Option<Keep>)]) -> Vec<Version> {
    verdicts.iter().filter(|(_, keep)| keep.is_none()).map(|(info, _)| info.version).collect()
}

/// What a collection did to one stack.
#[derive(Clone, Debug)]
pub struct Done {
    /// The policy's word on each version.
    pub verdicts: Verdicts,
    /// What went with those that went.
    pub collected: Collected,
    /// Who kept contents from being collected.
    pub hindered: Option<String>,
    /// Place in the operation log; none when there was nothing to do.
    pub operation: Option<u64>,
}

/// Removes the versions of a stack that a policy lets go, and for good what only they showed. With `contents`, contents
/// that nothing in the whole store names any more go, too. One operation, which cannot be undone; none when there was
/// nothing to do. Touches no machine.
///
/// # Errors
/// Somebody holds the stack, or the store failed.
pub fn collect(ctx: &Context, stack: &Stack, policy: Policy, contents: bool) -> Result<Done, EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, "gc")?;
    // Nobody changes the stack any more; it is looked at as it is now.
    let stack = ctx.store.view()?.stack_get(&stack.id)?.unwrap_or_else(|| stack.clone());
    let intent = stacks::intent(ctx, &stack, &lease, "stack gc", Wait::Durable);
    collect_under(ctx, &stack, intent, policy, contents, Value::Null)
}

fn collect_under(
    ctx: &Context,
    stack: &Stack,
    intent: Intent,
    policy: Policy,
    contents: bool,
    automatic: Value,
) -> Result<Done, EngineError> {
    let verdicts = look(ctx, &*ctx.store.view()?, stack, policy)?;
    let versions = gone(&verdicts);
    let mut txn = ctx.store.begin(intent)?;
    remove(ctx, &mut *txn, stack, &versions)?;
    let mut collected = txn.history_collect(&stack.id)?;
    let mut hindered = None;
    if contents {
        match txn.contents_collect()? {
            Ok(more) => collected += more,
            Err(who) => hindered = Some(who),
        }
    }
    if versions.is_empty() && collected.is_empty() {
        return Ok(Done { verdicts, collected, hindered, operation: None });
    }
    let mut undo = serde_json::json!({ "removed": versions, "collected": collected });
    if let (Value::Object(undo), Value::Bool(_)) = (&mut undo, &automatic) {
        undo.insert("automatic".to_owned(), automatic);
    }
    let done = txn.commit(Seal::Operation(OperationRecord { undo, undoes: None }))?;
    Ok(Done { verdicts, collected, hindered, operation: done.operation.map(|(seq, _)| seq) })
}

fn remove(ctx: &Context, txn: &mut dyn Txn, stack: &Stack, versions: &[Version]) -> Result<(), EngineError> {
    if versions.is_empty() {
        return Ok(());
    }
    txn.version_remove(&stack.id, versions)?;
    let message = match versions {
        [one] => format!("{one} of stack `{}` removed", stack.name),
        many => format!("{} versions of stack `{}` removed", many.len(), stack.name),
    };
    let event = Event {
        payload: serde_json::json!({ "versions": versions }),
        ..stacks::event(ctx, EventType::SnapshotDeleted, &message)
    };
    txn.event_append(Some(&stack.id), &event)?;
    Ok(())
}

/// Removes one version. What it showed stays until [`collect`], so `undo` brings it back until then. One operation.
///
/// # Errors
/// It is protected, somebody holds the stack, or the store failed.
pub fn delete(ctx: &Context, stack: &Stack, version: Version) -> Result<(), EngineError> {
    refuse_protected(ctx, stack, version)?;
    let lease = HeldLease::take(ctx, &stack.id, "snapshot delete")?;
    let stack = ctx.store.view()?.stack_get(&stack.id)?.unwrap_or_else(|| stack.clone());
    refuse_protected(ctx, &stack, version)?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "snapshot delete", Wait::Durable))?;
    remove(ctx, &mut *txn, &stack, &[version])?;
    let undo = serde_json::json!({ "removed": [version] });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes: None }))?;
    Ok(())
}

/// Refuses a version that nobody may remove.
///
/// # Errors
/// It is one, there is no such version, or the store failed.
pub fn refuse_protected(ctx: &Context, stack: &Stack, version: Version) -> Result<(), EngineError> {
    let everything = Policy { keep: Some(0), older_than: None };
    let verdicts = look(ctx, &*ctx.store.view()?, stack, everything)?;
    match verdicts.into_iter().find(|(info, _)| info.version == version) {
        None => Err(EngineError::NoSuchVersion { stack: stack.name.clone(), version, head: stack.head }),
        Some((_, Some(keep))) if keep.is_protection() => {
            Err(EngineError::VersionProtected { stack: stack.name.clone(), version, why: keep.to_string() })
        }
        Some(_) => Ok(()),
    }
}

/// Brings removed versions back, for `undo`.
pub(crate) fn bring_back(
    ctx: &Context,
    stack: &Stack,
    versions: &[Version],
    undoes: u64,
) -> Result<(), EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, "undo")?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, stack, &lease, "undo", Wait::Durable))?;
    txn.version_bring_back(&stack.id, versions)?;
    txn.commit(Seal::Operation(OperationRecord { undo: Value::Null, undoes: Some(undoes) }))?;
    Ok(())
}

/// Whether an operation is one that a policy did by itself. Taking back the last operation passes over those.
pub(crate) fn is_automatic(undo: &Value) -> bool {
    undo.get("automatic") == Some(&Value::Bool(true))
}

/// Carries the configured retention out on a stack that was just changed, under the same lease. It can wait: a failure is
/// told and nothing more. Contents stay for `stack gc`, because other stacks may be at work.
pub(crate) fn after_change(ctx: &Context, stack: &Stack, intent: Intent) {
    let Some(age) = ctx.retention else { return };
    let intent = Intent { verb: "retention".to_owned(), arguments: Vec::new(), wait: Wait::Fast, ..intent };
    match due(ctx, stack, age) {
        Ok(false) => return,
        Ok(true) => {}
        Err(error) => return told(ctx, stack, &error),
    }
    let policy = Policy { keep: None, older_than: Some(age) };
    match collect_under(ctx, stack, intent, policy, false, Value::Bool(true)) {
        Ok(done) => {
            let count = gone(&done.verdicts).len();
            if count > 0 {
                let what = if count == 1 { "version" } else { "versions" };
                ctx.notice(
                    Severity::Info,
                    &format!("{count} old {what} of stack `{}` removed, as configured", stack.name),
                );
            }
        }
        Err(error) => told(ctx, stack, &error),
    }
}

/// Is the oldest version old enough to look at all of them?
fn due(ctx: &Context, stack: &Stack, age: Duration) -> Result<bool, EngineError> {
    let oldest = ctx.store.view()?.version_oldest(&stack.id)?;
    Ok(oldest.is_some_and(|info| ctx.clock.now().since(info.created_at) > age))
}

fn told(ctx: &Context, stack: &Stack, error: &EngineError) {
    ctx.notice(
        Severity::Warning,
        &format!("old versions of stack `{}` could not be removed: {error}", stack.name),
    );
}

/// The same after a run.
pub(crate) fn after_run(session: &Session) {
    if session.ctx.retention.is_some() {
        after_change(&session.ctx, &session.stack(), session.intent(Wait::Fast));
    }
}
