//! Stacks, snapshots and people's locks: changes of the record that need no machine.

use std::collections::BTreeMap;
use std::time::Duration;

use sloth_core::address::Address;
use sloth_core::diff::Diff;
use sloth_core::event::{Event, EventType, Severity};
use sloth_core::id::LockId;
use sloth_core::lease::{Lease, LeaseInfo, LeaseKind, LeaseRequest};
use sloth_core::output::Output;
use sloth_core::stack::{Stack, check_version_tag};
use sloth_core::store::{Intent, OperationRecord, Seal, StackMatch, StoreError, View, Wait};
use sloth_core::suggest::nearest;
use sloth_core::value::Value;
use sloth_core::version::{Version, VersionInfo, VersionKind, VersionNote};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;

/// Finds a stack by name, id, or unique beginning of an id.
///
/// # Errors
/// There is none, or there are several.
pub fn find(view: &dyn View, text: &str) -> Result<Stack, EngineError> {
    match view.stack_find(text)? {
        StackMatch::One(stack) => Ok(*stack),
        StackMatch::Many(names) => Err(EngineError::AmbiguousStack { text: text.to_owned(), names }),
        StackMatch::None => {
            let all = view.stack_list()?;
            let near = nearest(text, all.iter().map(|s| s.name.as_str())).map(str::to_owned);
            Err(EngineError::NoSuchStack { name: text.to_owned(), nearest: near })
        }
    }
}

/// The stack of exactly this name, if there is one.
///
/// # Errors
/// The store failed.
pub fn named(view: &dyn View, name: &str) -> Result<Option<Stack>, StoreError> {
    Ok(match view.stack_find(name)? {
        StackMatch::One(found) if found.name == name => Some(*found),
        _ => None,
    })
}

/// A stack to make.
#[derive(Clone, Debug, Default)]
pub struct NewStack {
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The user's version label.
    pub version_label: String,
    /// File its runs use.
    pub workflow_file: Option<String>,
}

/// Makes a stack.
///
/// # Errors
/// The name is unusable or taken.
pub fn create(ctx: &Context, new: NewStack) -> Result<Stack, EngineError> {
    make(ctx, new, true)
}

/// What a stack is before anything happened to it.
pub(crate) fn fresh(ctx: &Context, new: NewStack) -> Stack {
    Stack {
        description: new.description,
        version_label: new.version_label,
        workflow_file: new.workflow_file,
        ..Stack::fresh(new.name, ctx.clock.now())
    }
}

/// Makes a stack; `logged` when a person asked for it, not when a run needs it.
pub(crate) fn make(ctx: &Context, new: NewStack, logged: bool) -> Result<Stack, EngineError> {
    crate::transfer::check_free(&*ctx.store.view()?, &new.name)?;
    let stack = fresh(ctx, new);
    let mut txn = ctx.store.begin(Intent {
        actor: ctx.actor.clone(),
        verb: "stack create".to_owned(),
        arguments: ctx.arguments.clone(),
        stack: None,
        base: None,
        wait: if logged { Wait::Durable } else { Wait::Fast },
    })?;
    txn.stack_insert(&stack)?;
    txn.event_append(
        Some(&stack.id),
        &event(ctx, EventType::StackCreated, &format!("stack `{}` created", stack.name)),
    )?;
    let undo = serde_json::json!({ "created": stack.id.as_str() });
    if logged {
        txn.commit(Seal::Operation(OperationRecord { undo, undoes: None }))?;
    } else {
        txn.commit(Seal::Pending)?;
    }
    Ok(stack)
}

/// Puts a stack's record into the trash. Touches no machine; `undo` brings it back.
///
/// # Errors
/// Somebody holds the stack, or the store failed.
pub fn delete(ctx: &Context, stack: &Stack) -> Result<(), EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, "delete")?;
    let mut txn = ctx.store.begin(intent(ctx, stack, &lease, "stack delete", Wait::Durable))?;
    txn.event_append(
        Some(&stack.id),
        &event(ctx, EventType::StackDeleted, &format!("stack `{}` deleted", stack.name)),
    )?;
    txn.stack_trash(&stack.id)?;
    let undo = serde_json::json!({ "trashed": stack.id.as_str() });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes: None }))?;
    Ok(())
}

/// Gives a stack another name. One operation, undoable.
///
/// # Errors
/// The name cannot be used or is taken, somebody holds the stack, or the store failed.
pub fn rename(ctx: &Context, stack: &Stack, name: &str) -> Result<(), EngineError> {
    rename_as(ctx, stack, name, None)
}

pub(crate) fn rename_as(
    ctx: &Context,
    stack: &Stack,
    name: &str,
    undoes: Option<u64>,
) -> Result<(), EngineError> {
    crate::transfer::check_free(&*ctx.store.view()?, name)?;
    let lease = HeldLease::take(ctx, &stack.id, "rename")?;
    let verb = if undoes.is_some() { "undo" } else { "stack rename" };
    let mut txn = ctx.store.begin(intent(ctx, stack, &lease, verb, Wait::Durable))?;
    txn.stack_update(&Stack { name: name.to_owned(), updated_at: ctx.clock.now(), ..stack.clone() })?;
    let message = format!("stack `{}` is called `{name}` now", stack.name);
    txn.event_append(Some(&stack.id), &event(ctx, EventType::StackUpdated, &message))?;
    let undo = serde_json::json!({ "renamed": { "stack": stack.id.as_str(), "from": stack.name } });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes }))?;
    Ok(())
}

/// Makes a version on request, also when nothing changed since the last one, with tags that stand for it.
///
/// # Errors
/// A tag cannot be one, no such stack, somebody holds it, or the store failed.
pub fn snapshot_create(
    ctx: &Context,
    stack: &str,
    description: &str,
    creator: Option<&str>,
    tags: &[String],
) -> Result<VersionInfo, EngineError> {
    tags.iter().try_for_each(|tag| check_version_tag(tag))?;
    let stack = find(&*ctx.store.view()?, stack)?;
    let lease = HeldLease::take(ctx, &stack.id, "snapshot")?;
    // Read again: somebody may have changed it before the lease was granted.
    let stack = find(&*ctx.store.view()?, stack.id.as_str())?;
    let version = snapshot(ctx, &stack, &lease, description, creator, tags)?;
    crate::retention::after_change(ctx, &stack, intent(ctx, &stack, &lease, "retention", Wait::Fast));
    let info = ctx.store.view()?.version_get(&stack.id, version)?;
    info.ok_or_else(|| EngineError::Refused("the snapshot was made but cannot be read back".to_owned()))
}

pub(crate) fn snapshot(
    ctx: &Context,
    stack: &Stack,
    lease: &HeldLease,
    description: &str,
    creator: Option<&str>,
    tags: &[String],
) -> Result<Version, EngineError> {
    let mut txn = ctx.store.begin(intent(ctx, stack, lease, "snapshot create", Wait::Durable))?;
    txn.event_append(Some(&stack.id), &event(ctx, EventType::SnapshotCreated, description))?;
    let note = VersionNote {
        kind: VersionKind::Snapshot,
        description: description.to_owned(),
        created_by: creator.map(str::to_owned),
        run: None,
        successful: true,
        always: true,
    };
    let mut record = OperationRecord::default();
    if !tags.is_empty() {
        let (tagged, undo) = crate::tags::with_version_tags(stack, tags, stack.head.next());
        txn.stack_update(&tagged)?;
        record = undo;
    }
    let done = txn.commit(Seal::Version(note, record))?;
    done.version.ok_or_else(|| EngineError::Refused("the store made no version of the snapshot".to_owned()))
}

/// What differs between two versions.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Comparison {
    /// Stack.
    pub stack: String,
    /// Older side as asked.
    pub from: Version,
    /// Newer side as asked.
    pub to: Version,
    /// In `to` only.
    pub added: Vec<Address>,
    /// In `from` only.
    pub removed: Vec<Address>,
    /// In both, with what differs: `from` and `to` of each attribute are those versions' values.
    pub changed: Vec<(Address, Diff)>,
    /// Outputs that differ: name, old, new.
    pub outputs: Vec<(String, Option<Value>, Option<Value>)>,
    /// In both and equal.
    pub unchanged: usize,
}

/// Compares two versions of a stack. Contents are compared by digest; the caller may add text diffs from the content store.
///
/// # Errors
/// A version does not exist, or the store failed.
pub fn compare(
    view: &dyn View,
    stack: &Stack,
    from: Version,
    to: Version,
) -> Result<Comparison, EngineError> {
    let side = |version: Version| -> Result<(BTreeMap<Address, Value>, Vec<Output>), EngineError> {
        if version == Version::ZERO {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let snapshot = view.version_snapshot(&stack.id, version)?.ok_or_else(|| {
            EngineError::NoSuchVersion { stack: stack.name.clone(), version, head: stack.head }
        })?;
        let states =
            snapshot.resources.into_iter().map(|r| (r.address, r.state.unwrap_or_else(absent))).collect();
        Ok((states, snapshot.outputs))
    };
    let (old, old_outputs) = side(from)?;
    let (new, new_outputs) = side(to)?;
    let mut result = Comparison {
        stack: stack.name.clone(),
        from,
        to,
        added: new.keys().filter(|a| !old.contains_key(*a)).cloned().collect(),
        removed: old.keys().filter(|a| !new.contains_key(*a)).cloned().collect(),
        changed: Vec::new(),
        outputs: Vec::new(),
        unchanged: 0,
    };
    for (address, before) in &old {
        let Some(after) = new.get(address) else { continue };
        let diff = Diff::between(before, after);
        if diff.is_empty() { result.unchanged += 1 } else { result.changed.push((address.clone(), diff)) }
    }
    let value = |outputs: &[Output], name: &str| {
        outputs
            .iter()
            .find(|o| o.name == name)
            .map(|o| if o.sensitive { Value::from("(sensitive)") } else { o.value.clone() })
    };
    let mut names: Vec<&str> = old_outputs.iter().chain(&new_outputs).map(|o| o.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let same = old_outputs.iter().find(|o| o.name == name) == new_outputs.iter().find(|o| o.name == name);
        if !same {
            result.outputs.push((name.to_owned(), value(&old_outputs, name), value(&new_outputs, name)));
        }
    }
    Ok(result)
}

fn absent() -> Value {
    serde_json::json!({ "kind": "absent" })
}

/// How a person wants a stack locked.
#[derive(Clone, Debug)]
pub struct LockOptions {
    /// Free text.
    pub reason: String,
    /// Holder, when other than the caller.
    pub locked_by: Option<String>,
    /// What for.
    pub operation: String,
    /// Life of the lock.
    pub ttl: Duration,
}

/// Locks a stack for a person.
///
/// # Errors
/// Somebody else holds it, or there is no such stack.
pub fn lock_acquire(ctx: &Context, stack: &str, options: LockOptions) -> Result<Lease, EngineError> {
    let stack = find(&*ctx.store.view()?, stack)?;
    let mut actor = ctx.actor.clone();
    if let Some(name) = options.locked_by {
        actor.name = name;
    }
    let request = LeaseRequest {
        stack: stack.id,
        kind: LeaseKind::Person,
        actor,
        operation: options.operation,
        reason: options.reason,
        ttl: options.ttl,
        presents: ctx.presents.clone(),
        wait: ctx.lock_wait,
        most: None,
    };
    let stop = ctx.stop.clone();
    Ok(ctx.store.leases().acquire(&request, &|| stop.asked())?)
}

/// Gives a person's lock back.
///
/// # Errors
/// It is not locked, or belongs to somebody else.
pub fn lock_release(
    ctx: &Context,
    stack: &str,
    lock_id: Option<&LockId>,
    unlocked_by: &str,
) -> Result<LeaseInfo, EngineError> {
    let stack = find(&*ctx.store.view()?, stack)?;
    Ok(ctx.store.leases().release_person(&stack.id, lock_id, unlocked_by)?)
}

/// Takes every lease of a stack away.
///
/// # Errors
/// It is not locked.
pub fn force_release(ctx: &Context, stack: &str, reason: &str) -> Result<Vec<LeaseInfo>, EngineError> {
    let stack = find(&*ctx.store.view()?, stack)?;
    Ok(ctx.store.leases().force_release(&stack.id, &ctx.actor, reason)?)
}

pub(crate) fn intent(ctx: &Context, stack: &Stack, lease: &HeldLease, verb: &str, wait: Wait) -> Intent {
    let (lock, fence) = lease.proof();
    Intent {
        actor: ctx.actor.clone(),
        verb: verb.to_owned(),
        arguments: ctx.arguments.clone(),
        stack: Some((stack.id.clone(), lock, fence)),
        base: None,
        wait,
    }
}

pub(crate) fn event(ctx: &Context, kind: EventType, message: &str) -> Event {
    Event {
        kind,
        severity: Severity::Info,
        at: ctx.clock.now(),
        run: None,
        task: None,
        address: None,
        message: message.to_owned(),
        payload: Value::Null,
    }
}

/// Forgets one resource: the record goes, the machine stays as it is. One operation, undoable. Returns whether there was one.
///
/// # Errors
/// Somebody holds the stack, or the store failed.
pub fn forget(ctx: &Context, stack: &Stack, address: &Address) -> Result<bool, EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, "forget")?;
    let mut txn = ctx.store.begin(intent(ctx, stack, &lease, "forget", Wait::Durable))?;
    if !txn.resource_remove(address)? {
        return Ok(false);
    }
    let message = format!("{address} is forgotten");
    txn.event_append(Some(&stack.id), &event(ctx, EventType::StackUpdated, &message))?;
    let note = VersionNote {
        kind: VersionKind::Edit,
        description: message,
        created_by: None,
        run: None,
        successful: true,
        always: false,
    };
    txn.commit(Seal::Version(note, OperationRecord::default()))?;
    Ok(true)
}
