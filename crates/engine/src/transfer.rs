//! Stacks on their way to another database.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::digest::{Blob, Digest};
use sloth_core::event::EventType;
use sloth_core::id::StackId;
use sloth_core::operation::Operation;
use sloth_core::output::Output;
use sloth_core::past::{Past, PastVersion};
use sloth_core::recorded::{Origin, Recorded};
use sloth_core::stack::{Stack, VERSION_TAGS, check_name};
use sloth_core::store::{OperationRecord, Seal, StoreError, Txn, VersionAt, View, Wait};
use sloth_core::upstream::Upstream;
use sloth_core::value::{Map, Value, to_value};
use sloth_core::value_entry::ValueEntry;
use sloth_core::version::{Version, VersionKind, VersionNote};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::{stacks, values};

/// Everything one version of a stack is made of. Its history stays behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// Name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The user's version label.
    pub version_label: String,
    /// Workflow file of the last run.
    pub workflow_file: Option<String>,
    /// Workflow configuration of the last run.
    pub configuration: Map,
    /// Free pairs.
    pub metadata: Map,
    /// The version that was taken.
    pub version: Version,
    /// Records, by address.
    pub resources: Vec<Recorded>,
    /// Outputs, by name.
    pub outputs: Vec<Output>,
    /// Stacks it needs.
    pub upstreams: Vec<Upstream>,
    /// Contents the records name, now and before the stack, by digest.
    pub contents: Vec<Blob>,
    /// Contents they name that were never kept.
    pub missing: Vec<Digest>,
}

/// What a stack says of itself, besides what belongs to its versions.
#[derive(serde::Serialize, serde::Deserialize)]
struct Face {
    description: String,
    version_label: String,
    workflow_file: Option<String>,
    configuration: Map,
    metadata: Map,
}

impl Face {
    fn of(stack: &Stack) -> Self {
        Self {
            description: stack.description.clone(),
            version_label: stack.version_label.clone(),
            workflow_file: stack.workflow_file.clone(),
            configuration: stack.configuration.clone(),
            metadata: stack.metadata.clone(),
        }
    }
    fn on(self, stack: Stack) -> Stack {
        Stack {
            description: self.description,
            version_label: self.version_label,
            workflow_file: self.workflow_file,
            configuration: self.configuration,
            metadata: self.metadata,
            ..stack
        }
    }
}

impl Carried {
    /// Without the pairs that stand for versions, which stay behind.
    fn face(&self) -> Face {
        let kept = self.metadata.iter().filter(|(key, _)| *key != VERSION_TAGS);
        Face {
            description: self.description.clone(),
            version_label: self.version_label.clone(),
            workflow_file: self.workflow_file.clone(),
            configuration: self.configuration.clone(),
            metadata: kept.map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }
}

/// Takes a version of a stack out. Changes nothing.
///
/// # Errors
/// There is no such version, or the store failed.
pub fn export(ctx: &Context, stack: &Stack, at: VersionAt) -> Result<Carried, EngineError> {
    let view = ctx.store.view()?;
    let resources = view.resource_list(&stack.id, at)?;
    let outputs = view.output_list(&stack.id, at)?;
    let upstreams = view.upstream_list(&stack.id, at)?;
    drop(view);
    let mut named = BTreeSet::new();
    for recorded in resources.iter().filter(|r| !r.is_registered()) {
        let Some(machine) = ctx.machine(recorded.address.host()) else { continue };
        let before = match &recorded.origin {
            Origin::Present { state } => Some(state),
            Origin::Absent => None,
        };
        for state in [recorded.state.as_ref(), before].into_iter().flatten() {
            let (kind, id) = (recorded.address.kind(), recorded.address.id());
            // A type nobody knows here names no contents that could be found.
            if let Ok((_, digests)) = machine.wish_for(kind, id, Some(state)) {
                named.extend(digests);
            }
        }
    }
    let (mut contents, mut missing) = (Vec::new(), Vec::new());
    for digest in named {
        match ctx.store.blobs().get(&digest)? {
            Some(blob) => contents.push(blob),
            None => missing.push(digest),
        }
    }
    Ok(Carried {
        name: stack.name.clone(),
        description: stack.description.clone(),
        version_label: stack.version_label.clone(),
        workflow_file: stack.workflow_file.clone(),
        configuration: stack.configuration.clone(),
        metadata: stack.metadata.clone(),
        version: match at {
            VersionAt::Head => stack.head,
            VersionAt::Number(version) => version,
        },
        resources,
        outputs,
        upstreams,
        contents,
        missing,
    })
}

/// What of the needs of a stack from elsewhere can be kept here: those on stacks that are here, by id or by name. The names
/// of the others come second; the next run notes anew what it reads.
///
/// # Errors
/// The store failed.
pub fn needs_here(
    view: &dyn View,
    upstreams: &[Upstream],
) -> Result<(Vec<Upstream>, Vec<String>), EngineError> {
    let (mut here, mut elsewhere) = (BTreeMap::new(), Vec::new());
    for upstream in upstreams {
        let found = match view.stack_get(&upstream.id)? {
            Some(found) => Some(found),
            None => stacks::named(view, &upstream.name)?,
        };
        match found {
            Some(found) => {
                here.insert(found.id.clone(), Upstream { id: found.id, ..upstream.clone() });
            }
            None => elsewhere.push(upstream.name.clone()),
        }
    }
    Ok((here.into_values().collect(), elsewhere))
}

/// Makes a stack of what was taken out of another one, or of another program's state. Touches no machine. One operation,
/// undoable.
///
/// # Errors
/// The name is taken or cannot be one, or the store failed.
pub fn import(ctx: &Context, carried: &Carried, name: &str) -> Result<Stack, EngineError> {
    let now = ctx.clock.now();
    let description = format!("imported from `{}` at {}", carried.name, carried.version);
    let stack = carried.face().on(Stack::fresh(name, now));
    let id = stack.id.clone();
    let note = edit(description.clone());
    let (upstreams, _) = needs_here(&*ctx.store.view()?, &carried.upstreams)?;
    let (resources, outputs) = (carried.resources.clone(), carried.outputs.clone());
    let version = PastVersion { note, at: now, resources, outputs, upstreams };
    let past = Past { stack, versions: vec![version], runs: Vec::new(), findings: Vec::new() };
    ctx.store.blobs().put(&carried.contents, Wait::Fast)?;
    plant(ctx, "stack import", &[(past, description)], &[])?;
    ctx.store
        .view()?
        .stack_get(&id)?
        .ok_or_else(|| EngineError::NoSuchStack { name: name.to_owned(), nearest: None })
}

/// Puts what was taken out of another stack, or of another program's state, in the place of what a stack has on record: as a
/// new version, in front of the history. Touches no machine. One operation, undoable.
///
/// # Errors
/// Somebody holds the stack, it is not as it was in `stack` any more, or the store failed. Nothing was changed then.
pub fn replace(ctx: &Context, carried: &Carried, stack: &Stack) -> Result<Version, EngineError> {
    ctx.store.blobs().put(&carried.contents, Wait::Fast)?;
    let (upstreams, _) = needs_here(&*ctx.store.view()?, &carried.upstreams)?;
    let lease = HeldLease::take(ctx, &stack.id, "stack import")?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, stack, &lease, "stack import", Wait::Durable))?;
    let now = txn.stack_get(&stack.id)?;
    if now.is_none_or(|now| now.head != stack.head) {
        let text = format!("stack `{}` was changed in the meantime; nothing was changed by this", stack.name);
        return Err(StoreError::Conflict(text).into());
    }
    let found = Replaced { stack: stack.id.clone(), head: stack.head, face: Face::of(stack) };
    put_whole(&mut *txn, stack, &carried.resources, &carried.outputs, &upstreams)?;
    let mut face = carried.face();
    if let Some(tags) = stack.metadata.get(VERSION_TAGS) {
        face.metadata.insert(VERSION_TAGS.to_owned(), tags.clone());
    }
    txn.stack_update(&face.on(Stack { updated_at: ctx.clock.now(), ..stack.clone() }))?;
    let description = format!("replaced by `{}` at {}", carried.name, carried.version);
    txn.event_append(Some(&stack.id), &stacks::event(ctx, EventType::StackUpdated, &description))?;
    let record = OperationRecord { undo: serde_json::json!({ REPLACED: to_value(&found) }), undoes: None };
    let done = txn.commit(Seal::Version(edit(description), record))?;
    Ok(done.version.unwrap_or(stack.head))
}

/// What a stack was before it was replaced.
#[derive(serde::Serialize, serde::Deserialize)]
struct Replaced {
    stack: StackId,
    head: Version,
    #[serde(flatten)]
    face: Face,
}

/// Key of [`Replaced`] in what an operation keeps for its undoing.
pub(crate) const REPLACED: &str = "replaced";

/// Takes back what [`replace`] did, as one more version. Touches no machine.
pub(crate) fn put_back(ctx: &Context, operation: &Operation) -> Result<String, EngineError> {
    let refuse =
        |why: String| EngineError::NotUndoable { seq: operation.seq, verb: operation.verb.clone(), why };
    let kept = operation.undo.get(REPLACED).cloned().unwrap_or_default();
    let was: Replaced =
        serde_json::from_value(kept).map_err(|e| refuse(format!("what it found cannot be read: {e}")))?;
    let lease = HeldLease::take(ctx, &was.stack, "undo")?;
    let stack = ctx.store.view()?.stack_get(&was.stack)?;
    let stack = stack.ok_or_else(|| refuse("its stack is gone".to_owned()))?;
    if Some(stack.head) != operation.after {
        let (name, head, was) = (&stack.name, stack.head, was.head);
        return Err(refuse(format!(
            "stack `{name}` has moved on to {head} since; `stack state rollback {name} {was}` goes back"
        )));
    }
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "undo", Wait::Durable))?;
    let at = VersionAt::Number(was.head);
    let resources = txn.resource_list(&stack.id, at)?;
    let (outputs, upstreams) = (txn.output_list(&stack.id, at)?, txn.upstream_list(&stack.id, at)?);
    put_whole(&mut *txn, &stack, &resources, &outputs, &upstreams)?;
    txn.stack_update(&was.face.on(Stack { updated_at: ctx.clock.now(), ..stack.clone() }))?;
    let record = OperationRecord { undo: Value::Null, undoes: Some(operation.seq) };
    txn.commit(Seal::Version(edit(format!("as at {}", was.head)), record))?;
    Ok(format!("stack `{}` is as it was at {}", stack.name, was.head))
}

fn edit(description: String) -> VersionNote {
    VersionNote {
        kind: VersionKind::Edit,
        description,
        created_by: None,
        run: None,
        successful: true,
        always: true,
    }
}

/// Makes the pending version consist of exactly this.
fn put_whole(
    txn: &mut dyn Txn,
    stack: &Stack,
    resources: &[Recorded],
    outputs: &[Output],
    upstreams: &[Upstream],
) -> Result<(), EngineError> {
    let before = txn.resource_list(&stack.id, VersionAt::Head)?;
    let mut gone: BTreeMap<String, &Recorded> =
        before.iter().map(|known| (known.address.to_string(), known)).collect();
    for recorded in resources {
        let known = gone.remove(&recorded.address.to_string());
        if known.is_none_or(|known| known.digest() != recorded.digest()) {
            txn.resource_put(recorded)?;
        }
    }
    for known in gone.into_values() {
        txn.resource_remove(&known.address)?;
    }
    let known = txn.output_list(&stack.id, VersionAt::Head)?;
    for output in known.iter().filter(|known| !outputs.iter().any(|o| o.name == known.name)) {
        txn.output_remove(&output.name)?;
    }
    for output in outputs.iter().filter(|output| !known.contains(output)) {
        txn.output_put(output)?;
    }
    let known = txn.upstream_list(&stack.id, VersionAt::Head)?;
    for upstream in known.iter().filter(|known| !upstreams.iter().any(|u| u.id == known.id)) {
        txn.upstream_remove(&upstream.id)?;
    }
    for upstream in upstreams.iter().filter(|upstream| !known.contains(upstream)) {
        txn.upstream_put(upstream)?;
    }
    Ok(())
}

/// Can a stack be made under this name?
///
/// # Errors
/// It is taken or cannot be one, or the store failed.
pub fn check_free(view: &dyn View, name: &str) -> Result<(), EngineError> {
    check_name(name)?;
    match stacks::named(view, name)? {
        Some(_) => Err(EngineError::StackExists(name.to_owned())),
        None => Ok(()),
    }
}

/// What undoing needs to know of a stack that was planted.
#[derive(serde::Serialize, serde::Deserialize)]
struct Planted {
    stack: StackId,
    head: Version,
}

/// Makes stacks with their history, each with the words its first event says, and sets values: all of it, or nothing. One
/// operation, undoable.
///
/// # Errors
/// A name is taken or cannot be one, a key cannot be one, or the store failed.
pub fn plant(
    ctx: &Context,
    verb: &str,
    pasts: &[(Past, String)],
    values: &[ValueEntry],
) -> Result<(), EngineError> {
    let view = ctx.store.view()?;
    for (past, _) in pasts {
        check_free(&*view, &past.stack.name)?;
    }
    drop(view);
    let mut txn = ctx.store.begin(values::intent(ctx, verb, Wait::Durable))?;
    let mut planted = Vec::with_capacity(pasts.len());
    for (past, words) in pasts {
        let id = &past.stack.id;
        planted.push(Planted { stack: id.clone(), head: txn.stack_plant(past)? });
        txn.event_append(Some(id), &stacks::event(ctx, EventType::StackCreated, words))?;
    }
    let before = values::put_all(&mut *txn, values)?;
    let undo = serde_json::json!({ PLANTED: to_value(&planted), values::FOUND: to_value(&before) });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes: None }))?;
    Ok(())
}

/// Key of [`Planted`] in what an operation keeps for its undoing.
pub(crate) const PLANTED: &str = "planted";

/// Takes back what [`plant`] did. A stack on which something was done since keeps everything as it is. Dying on the way
/// leaves stacks in the trash that the next attempt finds there.
pub(crate) fn uproot(ctx: &Context, operation: &Operation) -> Result<String, EngineError> {
    let refuse =
        |why: String| EngineError::NotUndoable { seq: operation.seq, verb: operation.verb.clone(), why };
    let kept = |key: &str| operation.undo.get(key).cloned().unwrap_or_else(|| Value::Array(Vec::new()));
    let unreadable = |e: serde_json::Error| refuse(format!("what it found cannot be read: {e}"));
    let planted: Vec<Planted> = serde_json::from_value(kept(PLANTED)).map_err(unreadable)?;
    let found: Vec<values::Before> = serde_json::from_value(kept(values::FOUND)).map_err(unreadable)?;
    let mut held = Vec::with_capacity(planted.len());
    for one in &planted {
        let lease = HeldLease::take(ctx, &one.stack, "undo")?;
        let stack = ctx.store.view()?.stack_get(&one.stack)?;
        let stack = stack.ok_or_else(|| refuse("a stack of it is gone".to_owned()))?;
        if stack.head != one.head {
            return Err(refuse(format!("stack `{}` has moved on since; delete it instead", stack.name)));
        }
        held.push((stack, lease));
    }
    for (stack, lease) in held.iter().skip(1) {
        let mut txn = ctx.store.begin(stacks::intent(ctx, stack, lease, "undo", Wait::Durable))?;
        txn.stack_trash(&stack.id)?;
        txn.commit(Seal::Pending)?;
    }
    // The last one takes the values along and is the operation.
    let intent = match held.first() {
        Some((stack, lease)) => stacks::intent(ctx, stack, lease, "undo", Wait::Durable),
        None => values::intent(ctx, "undo", Wait::Durable),
    };
    let mut txn = ctx.store.begin(intent)?;
    if let Some((stack, _)) = held.first() {
        txn.stack_trash(&stack.id)?;
    }
    let count = found.len();
    values::put_back(&mut *txn, found)?;
    txn.commit(Seal::Operation(OperationRecord { undo: Value::Null, undoes: Some(operation.seq) }))?;
    let mut gone: Vec<String> = held.iter().map(|(stack, _)| format!("`{}`", stack.name)).collect();
    let stacks = match gone.as_slice() {
        [] => String::new(),
        [one] => format!("stack {one} is gone again"),
        _ => {
            let last = gone.pop().unwrap_or_default();
            format!("stacks {} and {last} are gone again", gone.join(", "))
        }
    };
    let values = match count {
        0 => String::new(),
        1 => "1 value is as it was".to_owned(),
        n => format!("{n} values are as they were"),
    };
    let both = if stacks.is_empty() || values.is_empty() { "" } else { "; " };
    Ok(format!("{stacks}{both}{values}"))
}
