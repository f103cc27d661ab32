//! Key-value state: typed values under free-text keys.

use std::collections::BTreeMap;
use std::time::Duration;

use sloth_core::body::{CallError, ValueChange};
use sloth_core::clock::Timestamp;
use sloth_core::plan::PlanStep;
use sloth_core::store::{Intent, OperationRecord, Seal, Txn, Wait};
use sloth_core::value::{Value, to_value};
use sloth_core::value_entry::ValueEntry;

use crate::context::Context;
use crate::error::EngineError;
use crate::session::{Session, store_failed};

/// What became of a change that a person asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Altered {
    /// The entry as it is now; `None` when it is gone.
    Done(Option<ValueEntry>),
    /// It did not have the expected value, and was not changed: what is there.
    Other(Option<ValueEntry>),
}

/// Changes one value for a person. One operation, undoable.
///
/// # Errors
/// The key or the value cannot be used, or the store failed.
pub fn alter(ctx: &Context, scope: &str, key: &str, change: ValueChange) -> Result<Altered, EngineError> {
    check_key(key).map_err(EngineError::Refused)?;
    let verb = match &change {
        ValueChange::Set(..) | ValueChange::Swap(..) => "state set",
        ValueChange::Increment(_) => "state increment",
        ValueChange::Delete => "state delete",
        ValueChange::Clear => "state clear",
    };
    let deletes = matches!(change, ValueChange::Delete);
    let swaps = matches!(change, ValueChange::Swap(..));
    let mut txn = ctx.store.begin(intent(ctx, verb, Wait::Durable))?;
    let before = txn.value_get(scope, key)?;
    if deletes && before.is_none() {
        return Ok(Altered::Other(None));
    }
    let after = apply(ctx, &mut *txn, scope, key, change).map_err(|e| EngineError::Refused(e.to_string()))?;
    if swaps && after.is_none() {
        return Ok(Altered::Other(before));
    }
    txn.commit(Seal::Operation(undo_of(&[(key, before)], scope)))?;
    Ok(Altered::Done(after.filter(|_| !deletes)))
}

/// Removes every value of a scope whose key begins like this. One operation, undoable. Returns how many there were.
///
/// # Errors
/// The store failed.
pub fn clear(ctx: &Context, scope: &str, prefix: &str) -> Result<usize, EngineError> {
    let mut txn = ctx.store.begin(intent(ctx, "state clear", Wait::Durable))?;
    let entries = txn.value_list(Some(scope), prefix)?;
    if entries.is_empty() {
        return Ok(0);
    }
    for entry in &entries {
        txn.value_remove(scope, &entry.key)?;
    }
    let before: Vec<(&str, Option<ValueEntry>)> =
        entries.iter().map(|e| (e.key.as_str(), Some(e.clone()))).collect();
    txn.commit(Seal::Operation(undo_of(&before, scope)))?;
    Ok(entries.len())
}

/// A value to bring in.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Key.
    pub key: String,
    /// Value.
    pub value: Value,
    /// Gone after this time.
    pub expires_at: Option<Timestamp>,
}

/// What an import did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportReport {
    /// New keys.
    pub created: usize,
    /// Keys that had another value.
    pub changed: usize,
    /// Keys that had this value.
    pub unchanged: usize,
    /// Keys that were not brought in, because their time is over.
    pub expired: usize,
    /// Keys that were there and are not in the import.
    pub removed: usize,
}

/// Brings in values, all or none. With `replace`, values of the scope that are not among them go. One operation, undoable.
///
/// # Errors
/// A key cannot be used, or the store failed.
pub fn import(
    ctx: &Context,
    scope: &str,
    values: &[Imported],
    replace: bool,
    dry_run: bool,
) -> Result<ImportReport, EngineError> {
    for value in values {
        check_key(&value.key).map_err(EngineError::Refused)?;
    }
    let mut report = ImportReport::default();
    let mut txn = ctx.store.begin(intent(ctx, "state import", Wait::Durable))?;
    let mut there: BTreeMap<String, ValueEntry> =
        txn.value_list(Some(scope), "")?.into_iter().map(|e| (e.key.clone(), e)).collect();
    let mut before: Vec<(&str, Option<ValueEntry>)> = Vec::new();
    let now = ctx.clock.now();
    for value in values {
        let old = there.remove(&value.key);
        if value.expires_at.is_some_and(|at| at <= now) {
            report.expired += 1;
            if let Some(old) = old {
                there.insert(value.key.clone(), old);
            }
            continue;
        }
        match &old {
            None => report.created += 1,
            Some(old) if old.value == value.value && old.expires_at == value.expires_at => {
                report.unchanged += 1;
                continue;
            }
            Some(_) => report.changed += 1,
        }
        txn.value_put(&fresh(ctx, scope, &value.key, value.value.clone(), value.expires_at, old.as_ref()))?;
        before.push((&value.key, old));
    }
    if replace {
        for (key, entry) in &there {
            txn.value_remove(scope, key)?;
            before.push((key, Some(entry.clone())));
            report.removed += 1;
        }
    }
    if !dry_run && !before.is_empty() {
        txn.commit(Seal::Operation(undo_of(&before, scope)))?;
    }
    Ok(report)
}

/// A value as an operation found it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Before {
    scope: String,
    /// Which.
    pub key: String,
    before: Option<ValueEntry>,
}

/// Puts values back to what an operation found.
pub(crate) fn restore(ctx: &Context, values: Vec<Before>, undoes: u64) -> Result<(), EngineError> {
    let mut txn = ctx.store.begin(intent(ctx, "undo", Wait::Durable))?;
    let found = put_back(&mut *txn, values)?;
    let undo = serde_json::json!({ FOUND: to_value(&found) });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes: Some(undoes) }))?;
    Ok(())
}

/// Key of what an operation found of values, in what it keeps for its undoing.
pub(crate) const FOUND: &str = "values";

/// Makes values what an operation found. Returns what was there instead.
pub(crate) fn put_back(txn: &mut dyn Txn, values: Vec<Before>) -> Result<Vec<Before>, EngineError> {
    let mut found = Vec::with_capacity(values.len());
    for Before { scope, key, before } in values {
        let now = txn.value_get(&scope, &key)?;
        match &before {
            Some(entry) => txn.value_put(entry)?,
            None => {
                txn.value_remove(&scope, &key)?;
            }
        }
        found.push(Before { scope, key, before: now });
    }
    Ok(found)
}

/// Sets values as they are given, times included. Returns what was there before.
///
/// # Errors
/// A key cannot be used, or the store failed.
pub(crate) fn put_all(txn: &mut dyn Txn, entries: &[ValueEntry]) -> Result<Vec<Before>, EngineError> {
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        check_key(&entry.key).map_err(EngineError::Refused)?;
        let before = txn.value_get(&entry.scope, &entry.key)?;
        txn.value_put(entry)?;
        found.push(Before { scope: entry.scope.clone(), key: entry.key.clone(), before });
    }
    Ok(found)
}

fn undo_of(values: &[(&str, Option<ValueEntry>)], scope: &str) -> OperationRecord {
    let found = |(key, before): &(&str, Option<ValueEntry>)| Before {
        scope: scope.to_owned(),
        key: (*key).to_owned(),
        before: before.clone(),
    };
    let values: Vec<Before> = values.iter().map(found).collect();
    OperationRecord { undo: serde_json::json!({ FOUND: to_value(&values) }), undoes: None }
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

/// Can this be a key?
///
/// # Errors
/// Says why not.
pub fn check_key(key: &str) -> Result<(), String> {
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
    expires_at: Option<Timestamp>,
    before: Option<&ValueEntry>,
) -> ValueEntry {
    let now = ctx.clock.now();
    ValueEntry {
        scope: scope.to_owned(),
        key: key.to_owned(),
        value,
        created_at: before.map_or(now, |b| b.created_at),
        updated_at: now,
        expires_at,
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

fn check_change(key: &str, change: &ValueChange) -> Result<(), CallError> {
    check_key(key).or_else(|why| {
        if matches!(change, ValueChange::Clear) { Ok(()) } else { Err(CallError::Refused(why)) }
    })
}

/// A change asked for by user code.
pub(crate) fn change(
    session: &Session,
    task: &str,
    scope: &str,
    key: &str,
    change: ValueChange,
) -> Result<Option<ValueEntry>, CallError> {
    check_change(key, &change)?;
    if session.planning {
        return predict(session, task, scope, key, change);
    }
    if let Some(guard) = &session.guard {
        guard.admit_effect(&effect_text(key, &change))?;
    }
    let result = change_now(&session.ctx, scope, key, change)?;
    session.ledger().touched_machine = true;
    Ok(result)
}

/// A change asked for by user code, made at once.
pub(crate) fn change_now(
    ctx: &Context,
    scope: &str,
    key: &str,
    change: ValueChange,
) -> Result<Option<ValueEntry>, CallError> {
    check_change(key, &change)?;
    let mut txn = ctx.store.begin(intent(ctx, "state", Wait::Fast)).map_err(|e| store_failed(&e))?;
    let result = apply(ctx, &mut *txn, scope, key, change)?;
    txn.commit(Seal::Pending).map_err(|e| CallError::Store(e.to_string()))?;
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
    // A counter that is counted up goes when it was going to.
    let keeps = before.as_ref().and_then(|b| b.expires_at);
    let end = |ttl| Ok::<_, CallError>(seconds(ttl)?.map(|ttl| ctx.clock.now().plus(ttl)));
    let (value, expires_at) = match change {
        ValueChange::Set(value, ttl) => (value, end(ttl)?),
        ValueChange::Increment(by) => (increment(key, before.as_ref().map(|b| &b.value), by)?, keeps),
        ValueChange::Swap(expected, value, ttl) => {
            if before.as_ref().map(|b| &b.value) != expected.as_ref() {
                return Ok(None);
            }
            (value, end(ttl)?.or(keeps))
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
    let entry = fresh(ctx, scope, key, value, expires_at, before.as_ref());
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
        ValueChange::Swap(expected, value, _) => {
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
    lock_now(&session.ctx, name, holder, life)
}

pub(crate) fn lock_now(ctx: &Context, name: &str, holder: &str, life: f64) -> Result<bool, CallError> {
    let life = seconds(Some(life))?.unwrap_or_default();
    let mut txn = ctx.store.begin(intent(ctx, "state lock", Wait::Fast)).map_err(|e| store_failed(&e))?;
    let taken = txn.value_lock(name, holder, life).map_err(|e| store_failed(&e))?;
    txn.commit(Seal::Pending).map_err(|e| CallError::Store(e.to_string()))?;
    Ok(taken)
}

/// Gives a named lock back.
pub(crate) fn unlock(session: &Session, name: &str, holder: &str) -> Result<bool, CallError> {
    if session.planning {
        return Ok(true);
    }
    unlock_now(&session.ctx, name, holder)
}

pub(crate) fn unlock_now(ctx: &Context, name: &str, holder: &str) -> Result<bool, CallError> {
    let mut txn = ctx.store.begin(intent(ctx, "state unlock", Wait::Fast)).map_err(|e| store_failed(&e))?;
    let given = txn.value_unlock(name, holder).map_err(|e| store_failed(&e))?;
    txn.commit(Seal::Pending).map_err(|e| CallError::Store(e.to_string()))?;
    Ok(given)
}
