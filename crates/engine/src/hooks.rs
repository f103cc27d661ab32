//! Hooks as people change them: who is told about events.

use sloth_core::event::EventType;
use sloth_core::hook::{Hook, HookState, check_name, pattern_matches};
use sloth_core::store::{Intent, OperationRecord, Seal, StoreError, Txn, View, Wait};
use sloth_core::suggest::nearest;
use sloth_core::value::{Value, to_value};

use crate::context::Context;
use crate::error::EngineError;

/// A hook by its name.
///
/// # Errors
/// There is none, or the store failed.
pub fn find(view: &dyn View, name: &str) -> Result<HookState, EngineError> {
    let all = view.hook_list()?;
    all.iter().find(|state| state.hook.name == name).cloned().ok_or_else(|| EngineError::NoSuchHook {
        name: name.to_owned(),
        nearest: nearest(name, all.iter().map(|s| s.hook.name.as_str())).map(str::to_owned),
    })
}

/// Is there any event that this pattern means? The error is the nearest type there is, if any is near.
///
/// # Errors
/// No type of event is meant.
pub fn check_pattern(pattern: &str) -> Result<(), Option<&'static str>> {
    let names = || EventType::ALL.iter().map(|kind| kind.as_str());
    let custom = pattern.strip_prefix("custom.").is_some_and(|name| !name.is_empty());
    if custom || names().any(|name| pattern_matches(pattern, name)) {
        return Ok(());
    }
    Err(nearest(pattern, names()))
}

/// Makes a hook. One operation, undoable.
///
/// # Errors
/// The name cannot be used or is taken, or the store failed.
pub fn add(ctx: &Context, hook: &Hook) -> Result<(), EngineError> {
    check_name(&hook.name)?;
    let mut txn = begin(ctx, "hook add")?;
    if txn.hook_list()?.iter().any(|state| state.hook.name == hook.name) {
        return Err(EngineError::HookExists(hook.name.clone()));
    }
    txn.hook_put(hook)?;
    seal(txn, &hook.name, None, None)
}

/// Switches a hook on or off. One operation, undoable. Returns whether that changed anything.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn enable(ctx: &Context, name: &str, on: bool) -> Result<bool, EngineError> {
    let mut txn = begin(ctx, if on { "hook enable" } else { "hook disable" })?;
    let was = find(&*txn, name)?.hook;
    if was.enabled == on {
        return Ok(false);
    }
    txn.hook_put(&Hook { enabled: on, updated_at: ctx.clock.now(), ..was.clone() })?;
    seal(txn, name, Some(&was), None)?;
    Ok(true)
}

/// Removes a hook, with what is owed to it. One operation; undoing brings the hook back, not what was owed.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn remove(ctx: &Context, name: &str) -> Result<(), EngineError> {
    let mut txn = begin(ctx, "hook delete")?;
    let was = find(&*txn, name)?.hook;
    txn.hook_remove(name)?;
    seal(txn, name, Some(&was), None)
}

/// Puts a hook back to what an operation found. Returns what was done.
pub(crate) fn restore(ctx: &Context, name: &str, was: &Value, undoes: u64) -> Result<String, EngineError> {
    let mut txn = begin(ctx, "undo")?;
    let now = txn.hook_list()?.into_iter().map(|s| s.hook).find(|hook| hook.name == name);
    let what = if was.is_null() {
        txn.hook_remove(name)?;
        format!("hook `{name}` is gone again")
    } else {
        let hook: Hook = serde_json::from_value(was.clone())
            .map_err(|e| EngineError::Refused(format!("what was there cannot be read: {e}")))?;
        txn.hook_put(&hook)?;
        format!("hook `{name}` is as it was")
    };
    seal(txn, name, now.as_ref(), Some(undoes))?;
    Ok(what)
}

/// Makes deliveries that were given up due again: of one hook, or of all. One operation. Returns how many.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn redeliver_dead(ctx: &Context, name: Option<&str>) -> Result<u64, EngineError> {
    let mut txn = begin(ctx, "hook redeliver")?;
    if let Some(name) = name {
        find(&*txn, name)?;
    }
    let count = txn.delivery_revive(name)?;
    if count > 0 {
        txn.commit(Seal::Operation(OperationRecord::default()))?;
    }
    Ok(count)
}

/// Owes events to hooks anew, whether they took them before or not: to one hook, or to every enabled one whose pattern
/// and stack fit. One operation. Returns to which hooks each event goes.
///
/// # Errors
/// There is no such hook, or the store failed.
pub fn redeliver(
    ctx: &Context,
    events: &[sloth_core::event::StoredEvent],
    name: Option<&str>,
) -> Result<Vec<(String, Vec<String>)>, EngineError> {
    let mut txn = begin(ctx, "events redeliver")?;
    let hooks: Vec<Hook> = match name {
        Some(name) => vec![find(&*txn, name)?.hook],
        None => txn.hook_list()?.into_iter().map(|state| state.hook).collect(),
    };
    let mut out = Vec::with_capacity(events.len());
    let mut any = false;
    for stored in events {
        let stack = match &stored.stack {
            Some(text) => Some(crate::stacks::find(&*txn, text)?.id),
            None => None,
        };
        let failed = stored.event.payload.get("hook").and_then(Value::as_str);
        let kind = stored.event.type_name();
        let mut told = Vec::new();
        for hook in &hooks {
            // A hook that is named is told whatever it usually waits for.
            if (name.is_some() || hook.wants(&kind, stack.as_ref(), failed))
                && txn.delivery_add(&hook.name, stored.id.as_str())?
            {
                told.push(hook.name.clone());
                any = true;
            }
        }
        out.push((stored.id.to_string(), told));
    }
    if any {
        txn.commit(Seal::Operation(OperationRecord::default()))?;
    }
    Ok(out)
}

/// Removes events from before a time, as [`event_clean`](sloth_core::store::WriteEvents::event_clean) says. One operation,
/// not undoable. Returns how many went.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn clean_events(
    ctx: &Context,
    stack: Option<&str>,
    before: sloth_core::clock::Timestamp,
    dry_run: bool,
) -> Result<u64, EngineError> {
    let mut txn = begin(ctx, "events cleanup")?;
    let id = stack.map(|text| crate::stacks::find(&*txn, text)).transpose()?.map(|stack| stack.id);
    let gone = txn.event_clean(id.as_ref(), before)?;
    if gone > 0 && !dry_run {
        let undo = serde_json::json!({ "collected": { "events": gone } });
        txn.commit(Seal::Operation(OperationRecord { undo, undoes: None }))?;
    }
    Ok(gone)
}

fn begin<'c>(ctx: &'c Context, verb: &str) -> Result<Box<dyn Txn + 'c>, StoreError> {
    ctx.store.begin(intent(ctx, verb, Wait::Durable))
}

pub(crate) fn intent(ctx: &Context, verb: &str, wait: Wait) -> Intent {
    Intent {
        actor: ctx.actor.clone(),
        verb: verb.to_owned(),
        arguments: ctx.arguments.clone(),
        stack: None,
        base: None,
        wait,
    }
}

fn seal(
    txn: Box<dyn Txn + '_>,
    name: &str,
    was: Option<&Hook>,
    undoes: Option<u64>,
) -> Result<(), EngineError> {
    let undo = serde_json::json!({ "hook": { "name": name, "was": was.map(to_value) } });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes }))?;
    Ok(())
}
