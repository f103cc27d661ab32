//! Tags of stacks: words by which people group them. Part of the stack, not of its versions.

use sloth_core::event::EventType;
use sloth_core::stack::Stack;
use sloth_core::store::{OperationRecord, Seal, Wait};
use sloth_core::value::Value;

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::stacks;

/// Metadata key under which a stack keeps its tags.
const TAGS: &str = "tags";

/// Longest tag, in characters.
const LIMIT: usize = 255;

/// The tags of a stack, in alphabetical order.
#[must_use]
pub fn of(stack: &Stack) -> Vec<String> {
    let all = stack.metadata.get(TAGS).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Gives a stack a tag. One operation, undoable. Returns whether it is new.
///
/// # Errors
/// It cannot be a tag, there is no such stack, somebody holds it, or the store failed.
pub fn add(ctx: &Context, stack: &str, tag: &str) -> Result<bool, EngineError> {
    check(tag)?;
    change(ctx, stack, "stack tags add", |tags| {
        let place = tags.binary_search_by(|t| t.as_str().cmp(tag));
        place.map_err(|at| tags.insert(at, tag.to_owned())).is_err()
    })
}

/// Takes a tag away. One operation, undoable. Returns whether it was there.
///
/// # Errors
/// There is no such stack, somebody holds it, or the store failed.
pub fn remove(ctx: &Context, stack: &str, tag: &str) -> Result<bool, EngineError> {
    change(ctx, stack, "stack tags remove", |tags| {
        let before = tags.len();
        tags.retain(|t| t != tag);
        tags.len() < before
    })
}

fn check(tag: &str) -> Result<(), EngineError> {
    let why = match tag.chars().count() {
        0 => "a tag cannot be empty".to_owned(),
        n if n > LIMIT => format!("a tag has at most {LIMIT} characters, this one has {n}"),
        _ if tag.chars().any(|c| c.is_control() || c == ',') => {
            "a tag has no control characters and no commas".to_owned()
        }
        _ if tag.starts_with('-') => "a tag does not begin with `-`".to_owned(),
        _ => return Ok(()),
    };
    Err(EngineError::Refused(format!("{why}; nothing was changed")))
}

fn change(
    ctx: &Context,
    stack: &str,
    verb: &str,
    change: impl FnOnce(&mut Vec<String>) -> bool,
) -> Result<bool, EngineError> {
    let id = stacks::find(&*ctx.store.view()?, stack)?.id;
    let lease = HeldLease::take(ctx, &id, "tags")?;
    // Read again: somebody may have changed it before the lease was granted.
    let stack = stacks::find(&*ctx.store.view()?, id.as_str())?;
    let before = of(&stack);
    let mut after = before.clone();
    if !change(&mut after) {
        return Ok(false);
    }
    write(
        ctx,
        &stack,
        &lease,
        verb,
        &after,
        OperationRecord {
            undo: serde_json::json!({ "tags": { "stack": id.as_str(), "were": before } }),
            undoes: None,
        },
    )?;
    Ok(true)
}

/// Puts the tags back that an operation found. Returns what was done.
pub(crate) fn restore(
    ctx: &Context,
    stack: &Stack,
    were: &[String],
    undoes: u64,
) -> Result<String, EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, "undo")?;
    let stack = stacks::find(&*ctx.store.view()?, stack.id.as_str())?;
    let record = OperationRecord { undo: Value::Null, undoes: Some(undoes) };
    write(ctx, &stack, &lease, "undo", were, record)?;
    Ok(format!("the tags of stack `{}` are as they were", stack.name))
}

fn write(
    ctx: &Context,
    stack: &Stack,
    lease: &HeldLease,
    verb: &str,
    tags: &[String],
    record: OperationRecord,
) -> Result<(), EngineError> {
    let mut metadata = stack.metadata.clone();
    if tags.is_empty() {
        metadata.remove(TAGS);
    } else {
        metadata.insert(TAGS.to_owned(), Value::from(tags.to_vec()));
    }
    let mut txn = ctx.store.begin(stacks::intent(ctx, stack, lease, verb, Wait::Durable))?;
    txn.stack_update(&Stack { metadata, updated_at: ctx.clock.now(), ..stack.clone() })?;
    let message = if tags.is_empty() { "no tags".to_owned() } else { format!("tags: {}", tags.join(", ")) };
    txn.event_append(Some(&stack.id), &stacks::event(ctx, EventType::StackUpdated, &message))?;
    txn.commit(Seal::Operation(record))?;
    Ok(())
}
