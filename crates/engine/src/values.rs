//! Key-value state: typed values under free-text keys.

use std::time::Duration;

use sloth_core::body::{CallError, ValueChange};
use sloth_core::plan::PlanStep;
use sloth_core::store::{Intent, OperationRecord, Seal, Txn, Wait};
use sloth_core::value::{Value, to_value};
use sloth_core::value_entry::ValueEntry;

use crate::context::Context;
use crate::error::EngineError;
use crate::session::{Session, store_failed};

/// Sets a value for a person. One operation, undoable.
///
/// # Errors
/// The key is unusable, or the store failed.
pub fn set(
    ctx: &Context,
    scope: &str,
    key: &str,
    value: Value,
    ttl: Option<Duration>,
) -> Result<ValueEntry, EngineError> {
    check_key(key).map_err(EngineError::Refused)?;
    let mut txn = ctx.store.begin(intent(ctx, "state set", Wait::Durable))?;
    let before = txn.value_get(scope, key)?;
    let entry = fresh(ctx, scope, key, value, ttl, before.as_ref());
    txn.value_put(&entry)?;
    txn.commit(Seal::Operation(undo_of(scope, key, before.as_ref())))?;
    Ok(entry)
}

/// Deletes a value for a person. Returns whether there was one.
///
/// # Errors
/// The store failed.
pub fn delete(ctx: &Context, scope: &str, key: &str) -> Result<bool, EngineError> {
    let mut txn = ctx.store.begin(intent(ctx, "state delete", Wait::Durable))?;
    let before = txn.value_get(scope, key)?;
    if before.is_none() {
        return Ok(false);
    }
    txn.value_remove(scope, key)?;
    txn.commit(Seal::Operation(undo_of(scope, key, before.as_ref())))?;
    Ok(true)
}

/// Puts a value back to what an operation found.
pub(crate) fn restore(
    ctx: &Context,
    scope: &str,
    key: &str,
    before: Option<ValueEntry>,
    undoes: u64,
) -> Result<(), EngineError> {
    let mut txn = ctx.store.begin(intent(ctx, "undo", Wait::Durable))?;
    let now = txn.value_get(scope, key)?;
    match before {
        Some(entry) => txn.value_put(&entry)?,
        None => {
            txn.value_remove(scope, key)?;
        }
    }
    let mut record = undo_of(scope, key, now.as_ref());
    record.undoes = Some(undoes);
    txn.commit(Seal::Operation(record))?;
    Ok(())
}

fn undo_of(scope: &str, key: &str, before: Option<&ValueEntry>) -> OperationRecord {
    let undo = serde_json::json!({ "value": { "scope": scope, "key": key, "before": before.map(to_value) } });
    OperationRecord { undo, undoes: None }
}

fn intent(ctx: &Context, verb: &str, wait: Wait) -> Intent {
    Intent {
        actor: ctx.actor.clone(),
        verb: verb.to_owned(),
        arguments: ctx.arguments.clone(),
        stack: None,
        base: None,
        wait,
    }
}

fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > 1024 || key.chars().any(char::is_control) {
        return Err(format!(
            "`{}` cannot be a key: 1 to 1024 bytes without control characters",
            key.escape_debug()
        ));
    }
    Ok(())
}

fn fresh(
    ctx: &Context,
    scope: &str,
    key: &str,
    value: Value,
    ttl: Option<Duration>,
    before: Option<&ValueEntry>,
) -> ValueEntry {
    let now = ctx.clock.now();
    ValueEntry {
        scope: scope.to_owned(),
        key: key.to_owned(),
        value,
        created_at: before.map_or(now, |b| b.created_at),
        updated_at: now,
        expires_at: ttl.map(|ttl| now.plus(ttl)),
        revision: before.map_or(1, |b| b.revision + 1),
    }
}

pub(crate) fn predicted_get(
    session: &Session,
    scope: &str,
    key: &str,
) -> Result<Option<ValueEntry>, CallError> {
    let place = (scope.to_owned(), key.to_owned());
    if let Some(predicted) = session.ledger().values.get(&place) {
        return Ok(predicted.clone().map(|value| fresh(&session.ctx, scope, key, value, None, None)));
    }
    session.view()?.value_get(scope, key).map_err(|e| store_failed(&e))
}

pub(crate) fn predicted_list(
    session: &Session,
    scope: &str,
    prefix: &str,
) -> Result<Vec<ValueEntry>, CallError> {
    let mut entries = session.view()?.value_list(Some(scope), prefix).map_err(|e| store_failed(&e))?;
    if session.planning {
        let predicted = session.ledger().values.clone();
        entries.retain(|e| !predicted.contains_key(&(e.scope.clone(), e.key.clone())));
        for ((s, key), value) in predicted {
            if s == scope
                && key.starts_with(prefix)
                && let Some(value) = value
            {
                entries.push(fresh(&session.ctx, scope, &key, value, None, None));
            }
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(entries)
}

/// A change asked for by user code.
pub(crate) fn change(
    session: &Session,
    task: &str,
    scope: &str,
    key: &str,
    change: ValueChange,
) -> Result<Option<ValueEntry>, CallError> {
    check_key(key).or_else(|why| {
        if matches!(change, ValueChange::Clear) { Ok(()) } else { Err(CallError::Refused(why)) }
    })?;
    if session.planning {
        return predict(session, task, scope, key, change);
    }
    if let Some(guard) = &session.guard {
        guard.admit_effect(&effect_text(key, &change))?;
    }
    let ctx = &session.ctx;
    let mut txn = ctx.store.begin(intent(ctx, "state", Wait::Fast)).map_err(|e| store_failed(&e))?;
    let result = apply(ctx, &mut *txn, scope, key, change)?;
    txn.commit(Seal::Pending).map_err(|e| CallError::Store(e.to_string()))?;
    session.ledger().touched_machine = true;
    Ok(result)
}

fn apply(
    ctx: &Context,
    txn: &mut dyn Txn,
    scope: &str,
    key: &str,
    change: ValueChange,
) -> Result<Option<ValueEntry>, CallError> {
    let failed = |e: sloth_core::store::StoreError| store_failed(&e);
    let before = txn.value_get(scope, key).map_err(failed)?;
    let (value, ttl) = match change {
        ValueChange::Set(value, ttl) => (value, seconds(ttl)?),
        ValueChange::Increment(by) => (increment(key, before.as_ref().map(|b| &b.value), by)?, None),
        ValueChange::Swap(expected, value) => {
            if before.as_ref().map(|b| &b.value) != expected.as_ref() {
                return Ok(None);
            }
            (value, None)
        }
        ValueChange::Delete => {
            txn.value_remove(scope, key).map_err(failed)?;
            return Ok(before);
        }
        ValueChange::Clear => {
            for entry in txn.value_list(Some(scope), key).map_err(failed)? {
                txn.value_remove(scope, &entry.key).map_err(failed)?;
            }
            return Ok(None);
        }
    };
    let entry = fresh(ctx, scope, key, value, ttl, before.as_ref());
    txn.value_put(&entry).map_err(failed)?;
    Ok(Some(entry))
}

fn predict(
    session: &Session,
    task: &str,
    scope: &str,
    key: &str,
    change: ValueChange,
) -> Result<Option<ValueEntry>, CallError> {
    let what = effect_text(key, &change);
    let before = predicted_get(session, scope, key)?;
    let clearing = matches!(change, ValueChange::Clear);
    let (after, result) = match change {
        ValueChange::Set(value, _) => (Some(value), true),
        ValueChange::Increment(by) => (Some(increment(key, before.as_ref().map(|b| &b.value), by)?), true),
        ValueChange::Swap(expected, value) => {
            if before.as_ref().map(|b| &b.value) != expected.as_ref() {
                return Ok(None);
            }
            (Some(value), true)
        }
        ValueChange::Delete | ValueChange::Clear => (None, false),
    };
    let cleared = if clearing { predicted_list(session, scope, key)? } else { Vec::new() };
    let mut ledger = session.ledger();
    if clearing {
        for entry in cleared {
            ledger.values.insert((scope.to_owned(), entry.key), None);
        }
    } else {
        ledger.values.insert((scope.to_owned(), key.to_owned()), after.clone());
    }
    ledger.steps.push(PlanStep::Effect { task: task.to_owned(), what });
    drop(ledger);
    Ok(match after {
        Some(value) if result => Some(fresh(&session.ctx, scope, key, value, None, before.as_ref())),
        _ => before,
    })
}

fn effect_text(key: &str, change: &ValueChange) -> String {
    match change {
        ValueChange::Set(..) => format!("set value `{key}`"),
        ValueChange::Increment(_) => format!("increment value `{key}`"),
        ValueChange::Swap(..) => format!("swap value `{key}`"),
        ValueChange::Delete => format!("delete value `{key}`"),
        ValueChange::Clear => format!("clear values `{key}*`"),
    }
}

fn seconds(ttl: Option<f64>) -> Result<Option<Duration>, CallError> {
    match ttl {
        None => Ok(None),
        Some(s) => Duration::try_from_secs_f64(s)
            .map(Some)
            .map_err(|_| CallError::Refused(format!("{s} seconds is no time to live"))),
    }
}

fn increment(key: &str, before: Option<&Value>, by: f64) -> Result<Value, CallError> {
    let start = match before {
        None => 0.0,
        Some(value) => {
            value.as_f64().ok_or_else(|| CallError::Refused(format!("value `{key}` is not a number")))?
        }
    };
    let sum = start + by;
    if !sum.is_finite() {
        return Err(CallError::Refused(format!("value `{key}` would not be a number any more")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be a whole number a double holds exactly"
    )]
    let whole = (sum.fract() == 0.0 && sum.abs() < 9_007_199_254_740_992.0).then_some(sum as i64);
    Ok(whole.map_or_else(|| Value::from(sum), Value::from))
}

/// A named lock of the key-value state.
pub(crate) fn lock(session: &Session, name: &str, holder: &str, life: f64) -> Result<bool, CallError> {
    if session.planning {
        return Ok(true);
    }
    let life = seconds(Some(life))?.unwrap_or_default();
    let ctx = &session.ctx;
    let mut txn = ctx.store.begin(intent(ctx, "state lock", Wait::Fast)).map_err(|e| store_failed(&e))?;
    let taken = txn.value_lock(name, holder, ctx.clock.now().plus(life)).map_err(|e| store_failed(&e))?;
    txn.commit(Seal::Pending).map_err(|e| CallError::Store(e.to_string()))?;
    Ok(taken)
}

/// Gives a named lock back.
pub(crate) fn unlock(session: &Session, name: &str, holder: &str) -> Result<bool, CallError> {
    if session.planning {
        return Ok(true);
    }
    let ctx = &session.ctx;
    let mut txn = ctx.store.begin(intent(ctx, "state unlock", Wait::Fast)).map_err(|e| store_failed(&e))?;
    let given = txn.value_unlock(name, holder).map_err(|e| store_failed(&e))?;
    txn.commit(Seal::Pending).map_err(|e| CallError::Store(e.to_string()))?;
    Ok(given)
}
