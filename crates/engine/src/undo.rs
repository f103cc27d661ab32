//! Undoing: the log says what an operation found, and who did it takes it back. What touched machines becomes a goal, to be
//! shown first.

use sloth_core::id::StackId;
use sloth_core::operation::Operation;
use sloth_core::store::{OperationRecord, Seal, Wait};
use sloth_core::value::Value;
use sloth_core::version::Version;

use crate::context::Context;
use crate::error::EngineError;
use crate::goal::{ACCEPT, Goal, Prepared, prepare_for};
use crate::lease::HeldLease;
use crate::{hooks, ignores, retention, stacks, tags, transfer, values};

/// What undoing takes.
pub enum Undo {
    /// Changes to machines, to be shown first.
    Plan(Box<Prepared>),
    /// It is done; what was done.
    Done(String),
}

/// Undoes the newest operation that changed something and was not undone yet, or a given one.
///
/// # Errors
/// There is none, or it cannot be undone.
pub fn undo(ctx: &Context, seq: Option<u64>) -> Result<Undo, EngineError> {
    let log = ctx.store.view()?.operation_list(0)?;
    let undone: Vec<u64> = log.iter().filter_map(|o| o.undoes).collect();
    let operation = match seq {
        Some(seq) => {
            log.iter().find(|o| o.seq == seq).ok_or_else(|| EngineError::NoSuchOperation(seq.to_string()))?
        }
        None => log
            .iter()
            .find(|o| {
                o.undoes.is_none()
                    && !undone.contains(&o.seq)
                    && o.changed_something()
                    && !retention::is_automatic(&o.undo)
            })
            .ok_or_else(|| EngineError::NoSuchOperation("left".to_owned()))?,
    };
    let refuse = |why: &str| EngineError::NotUndoable {
        seq: operation.seq,
        verb: operation.verb.clone(),
        why: why.to_owned(),
    };
    if undone.contains(&operation.seq) {
        return Err(refuse("it was undone already"));
    }
    if operation.undo.get(transfer::PLANTED).is_some() {
        return Ok(Undo::Done(transfer::uproot(ctx, operation)?));
    }
    if operation.undo.get(transfer::REPLACED).is_some() {
        return Ok(Undo::Done(transfer::put_back(ctx, operation)?));
    }
    if let Some(values) = operation.undo.get(values::FOUND) {
        let values: Vec<values::Before> = serde_json::from_value(values.clone())
            .map_err(|e| refuse(&format!("what it found cannot be read: {e}")))?;
        let what = match values.as_slice() {
            [one] => format!("value `{}` is as it was", one.key),
            all => format!("{} values are as they were", all.len()),
        };
        values::restore(ctx, values, operation.seq)?;
        return Ok(Undo::Done(format!("{what} before operation {}", operation.seq)));
    }
    if let Some(hook) = operation.undo.get("hook") {
        let name = hook.get("name").and_then(Value::as_str).unwrap_or_default();
        let was = hook.get("was").unwrap_or(&Value::Null);
        let what = hooks::restore(ctx, name, was, operation.seq)?;
        return Ok(Undo::Done(format!("{what}, as before operation {}", operation.seq)));
    }
    if let Some(found) = operation.undo.get("drift_ignore") {
        let found = serde_json::from_value(found.clone())
            .map_err(|e| refuse(&format!("what it found cannot be read: {e}")))?;
        let what = ignores::restore(ctx, found, operation.seq)?;
        return Ok(Undo::Done(format!("{what}, as before operation {}", operation.seq)));
    }
    if let Some(tags) = operation.undo.get("tags") {
        let id = tags.get("stack").and_then(Value::as_str).unwrap_or_default();
        let stack = ctx.store.view()?.stack_get(&StackId::from_stored(id))?;
        let stack = stack.ok_or_else(|| refuse("its stack is gone"))?;
        let (Some(key), Some(were)) = (tags.get("key").and_then(Value::as_str), tags.get("were")) else {
            return Err(refuse("what it found cannot be read"));
        };
        return Ok(Undo::Done(tags::restore(ctx, &stack, key, were.clone(), operation.seq)?));
    }
    if let Some(kept) = operation.undo.get("kept").and_then(Value::as_str) {
        return Err(refuse(&format!("restore the copy kept before it instead, `{kept}`")));
    }
    if operation.undo.get("copied_from").is_some() {
        return Err(refuse("a store that was copied here is moved on with `state copy`"));
    }
    if operation.undo.get("collected").is_some() {
        return Err(refuse("what it removed is gone for good"));
    }
    if let Some(removed) = operation.undo.get("removed") {
        let versions: Vec<Version> = serde_json::from_value(removed.clone())
            .map_err(|e| refuse(&format!("what it removed cannot be read: {e}")))?;
        let stack = operation.stack.as_ref().map(|(id, _)| StackId::from_stored(id.as_str()));
        let stack = stack.map(|id| ctx.store.view()?.stack_get(&id)).transpose()?.flatten();
        let stack = stack.ok_or_else(|| refuse("its stack is gone"))?;
        retention::bring_back(ctx, &stack, &versions, operation.seq)?;
        let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
        return Ok(Undo::Done(format!("{} of stack `{}` is back", names.join(", "), stack.name)));
    }
    if let Some(renamed) = operation.undo.get("renamed") {
        let text = |name: &str| renamed.get(name).and_then(Value::as_str).unwrap_or_default();
        let stack = ctx.store.view()?.stack_get(&StackId::from_stored(text("stack")))?;
        let stack = stack.ok_or_else(|| refuse("its stack is gone"))?;
        stacks::rename_as(ctx, &stack, text("from"), Some(operation.seq))?;
        return Ok(Undo::Done(format!("stack `{}` is called `{}` again", stack.name, text("from"))));
    }
    if let Some(id) = operation.undo.get("created").and_then(Value::as_str) {
        return undo_creation(ctx, &StackId::from_stored(id), operation.seq, false, &refuse);
    }
    if let Some(id) = operation.undo.get("imported").and_then(Value::as_str) {
        return undo_creation(ctx, &StackId::from_stored(id), operation.seq, true, &refuse);
    }
    let trashed = operation.undo.get("trashed").and_then(Value::as_str).map(StackId::from_stored);
    if let Some(id) = &trashed {
        untrash(ctx, id, operation.seq, operation.before == operation.after)?;
    }
    let Some((id, name)) = &operation.stack else { return Err(refuse("it changed nothing that is kept")) };
    match (operation.before, operation.after) {
        (Some(before), Some(after)) if before != after => {
            let stack = ctx
                .store
                .view()?
                .stack_get(&StackId::from_stored(id.as_str()))?
                .ok_or_else(|| refuse("its stack is gone"))?;
            if stack.head != after && trashed.is_none() {
                let instead = match before {
                    Version::ZERO => "destroy it".to_owned(),
                    _ => format!("restore {before}"),
                };
                let (name, head) = (&stack.name, stack.head);
                return Err(refuse(&format!(
                    "stack `{name}` has moved on to {head} since; {instead} instead"
                )));
            }
            let record_only = operation.verb == ACCEPT;
            // A stack that nobody but this run made goes with it.
            let made = |o: &Operation| {
                ["created", "imported"]
                    .iter()
                    .any(|key| o.undo.get(key).and_then(Value::as_str) == Some(id.as_str()))
            };
            let goal = match before {
                Version::ZERO if !log.iter().any(made) => Goal::Nothing,
                _ => Goal::Version(before),
            };
            Ok(Undo::Plan(Box::new(prepare_for(ctx, stack, goal, Some(operation.seq), record_only)?)))
        }
        _ if trashed.is_some() => Ok(Undo::Done(format!("stack `{name}` is back"))),
        _ => Err(refuse("it changed nothing")),
    }
}

fn undo_creation(
    ctx: &Context,
    id: &StackId,
    seq: u64,
    imported: bool,
    refuse: &dyn Fn(&str) -> EngineError,
) -> Result<Undo, EngineError> {
    let view = ctx.store.view()?;
    let stack = view.stack_get(id)?.ok_or_else(|| refuse("its stack is gone"))?;
    if imported && stack.head > Version(1) {
        return Err(refuse("the stack has moved on since; delete it instead"));
    }
    if !imported && view.resource_count(id)? > 0 {
        return Err(refuse("the stack has resources by now; destroy it instead"));
    }
    drop(view);
    let lease = HeldLease::take(ctx, id, "undo")?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "undo", Wait::Durable))?;
    txn.stack_trash(id)?;
    txn.commit(Seal::Operation(OperationRecord { undo: Value::Null, undoes: Some(seq) }))?;
    Ok(Undo::Done(format!("stack `{}` is gone again", stack.name)))
}

fn untrash(ctx: &Context, id: &StackId, seq: u64, whole: bool) -> Result<(), EngineError> {
    let stack = ctx
        .store
        .view()?
        .stack_get(id)?
        .ok_or_else(|| EngineError::NoSuchStack { name: id.to_string(), nearest: None })?;
    let lease = HeldLease::take(ctx, id, "undo")?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "undo", Wait::Durable))?;
    txn.stack_untrash(id)?;
    let seal = if whole {
        Seal::Operation(OperationRecord { undo: Value::Null, undoes: Some(seq) })
    } else {
        Seal::Pending
    };
    txn.commit(seal)?;
    Ok(())
}
