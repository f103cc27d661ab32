//! Tags: words by which people group stacks, and words that stand for versions. Both are part of the stack, not of its
//! versions.

use sloth_core::event::EventType;
use sloth_core::stack::{Stack, TAGS, VERSION_TAGS, check_tag, check_version_tag};
use sloth_core::store::{OperationRecord, Seal, Wait};
use sloth_core::value::{Value, to_value};
use sloth_core::version::Version;

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::stacks;

/// Gives a stack a tag. One operation, undoable. Returns whether it is new.
///
/// # Errors
/// It cannot be a tag, there is no such stack, somebody holds it, or the store failed.
pub fn add(ctx: &Context, stack: &str, tag: &str) -> Result<bool, EngineError> {
    check_tag(tag)?;
    change(ctx, stack, "stack tags add", TAGS, |stack| {
        let mut tags = stack.tags();
        let at = tags.binary_search_by(|t| t.as_str().cmp(tag)).err()?;
        tags.insert(at, tag.to_owned());
        Some(to_value(&tags))
    })
}

/// Takes a tag away. One operation, undoable. Returns whether it was there.
///
/// # Errors
/// There is no such stack, somebody holds it, or the store failed.
pub fn remove(ctx: &Context, stack: &str, tag: &str) -> Result<bool, EngineError> {
    change(ctx, stack, "stack tags remove", TAGS, |stack| {
        let tags = stack.tags();
        let left: Vec<&String> = tags.iter().filter(|t| *t != tag).collect();
        (left.len() < tags.len()).then(|| to_value(&left))
    })
}

/// Gives a version a tag, which stands for it from then on and keeps it from being removed. A tag that stood for another
/// version moves. One operation, undoable. Returns whether anything changed.
///
/// # Errors
/// It cannot be such a tag, there is no such stack or version, somebody holds the stack, or the store failed.
pub fn add_to_version(ctx: &Context, stack: &str, tag: &str, version: Version) -> Result<bool, EngineError> {
    check_version_tag(tag)?;
    let found = stacks::find(&*ctx.store.view()?, stack)?;
    if ctx.store.view()?.version_get(&found.id, version)?.is_none() {
        return Err(EngineError::NoSuchVersion { stack: found.name, version, head: found.head });
    }
    change(ctx, stack, "stack tags add", VERSION_TAGS, |stack| {
        let mut tags = stack.version_tags();
        (tags.insert(tag.to_owned(), version) != Some(version)).then(|| to_value(&tags))
    })
}

/// Takes a tag away from the version it stands for. One operation, undoable. Returns that version.
///
/// # Errors
/// There is no such stack, somebody holds it, or the store failed.
pub fn remove_from_version(ctx: &Context, stack: &str, tag: &str) -> Result<Option<Version>, EngineError> {
    let mut stood_for = None;
    change(ctx, stack, "stack tags remove", VERSION_TAGS, |stack| {
        let mut tags = stack.version_tags();
        stood_for = tags.remove(tag);
        stood_for.map(|_| to_value(&tags))
    })?;
    Ok(stood_for)
}

/// What tagging a version changes in its stack, and how it is taken back; for a version that is being made.
pub(crate) fn with_version_tags(
    stack: &Stack,
    tags: &[String],
    version: Version,
) -> (Stack, OperationRecord) {
    let mut all = stack.version_tags();
    all.extend(tags.iter().map(|tag| (tag.clone(), version)));
    let undo = undo(stack, VERSION_TAGS);
    (tagged(stack, VERSION_TAGS, Some(to_value(&all))), undo)
}

fn undo(stack: &Stack, key: &str) -> OperationRecord {
    let were = stack.metadata.get(key).cloned().unwrap_or(Value::Null);
    let undo = serde_json::json!({ "tags": { "stack": stack.id.as_str(), "key": key, "were": were } });
    OperationRecord { undo, undoes: None }
}

fn tagged(stack: &Stack, key: &str, tags: Option<Value>) -> Stack {
    let mut stack = stack.clone();
    let none = |tags: &Value| match tags {
        Value::Array(tags) => tags.is_empty(),
        Value::Object(tags) => tags.is_empty(),
        other => other.is_null(),
    };
    match tags.filter(|tags| !none(tags)) {
        Some(tags) => stack.metadata.insert(key.to_owned(), tags),
        None => stack.metadata.remove(key),
    };
    stack
}

/// `change` says what the tags are to be; nothing when they are so already.
fn change(
    ctx: &Context,
    stack: &str,
    verb: &str,
    key: &str,
    change: impl FnOnce(&Stack) -> Option<Value>,
) -> Result<bool, EngineError> {
    let id = stacks::find(&*ctx.store.view()?, stack)?.id;
    let lease = HeldLease::take(ctx, &id, "tags")?;
    // Read again: somebody may have changed it before the lease was granted.
    let stack = stacks::find(&*ctx.store.view()?, id.as_str())?;
    let Some(after) = change(&stack) else { return Ok(false) };
    write(ctx, &tagged(&stack, key, Some(after)), &lease, verb, undo(&stack, key))?;
    Ok(true)
}

/// Puts the tags back that an operation found. Returns what was done.
///
/// # Errors
/// Somebody holds the stack, or the store failed.
pub(crate) fn restore(
    ctx: &Context,
    stack: &Stack,
    key: &str,
    were: Value,
    undoes: u64,
) -> Result<String, EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, "undo")?;
    let stack = stacks::find(&*ctx.store.view()?, stack.id.as_str())?;
    let record = OperationRecord { undo: Value::Null, undoes: Some(undoes) };
    write(ctx, &tagged(&stack, key, Some(were)), &lease, "undo", record)?;
    Ok(format!("the tags of stack `{}` are as they were", stack.name))
}

fn write(
    ctx: &Context,
    stack: &Stack,
    lease: &HeldLease,
    verb: &str,
    record: OperationRecord,
) -> Result<(), EngineError> {
    let mut txn = ctx.store.begin(stacks::intent(ctx, stack, lease, verb, Wait::Durable))?;
    txn.stack_update(&Stack { updated_at: ctx.clock.now(), ..stack.clone() })?;
    let of_versions = stack.version_tags().into_iter().map(|(tag, version)| format!("{tag} = {version}"));
    let all: Vec<String> = stack.tags().into_iter().chain(of_versions).collect();
    let message = if all.is_empty() { "no tags".to_owned() } else { format!("tags: {}", all.join(", ")) };
    txn.event_append(Some(&stack.id), &stacks::event(ctx, EventType::StackUpdated, &message))?;
    txn.commit(Seal::Operation(record))?;
    Ok(())
}
