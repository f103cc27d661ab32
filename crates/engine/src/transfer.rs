//! Stacks on their way to another database.

use std::collections::BTreeSet;

use sloth_core::digest::{Blob, Digest};
use sloth_core::event::EventType;
use sloth_core::output::Output;
use sloth_core::recorded::{Origin, Recorded};
use sloth_core::stack::{Stack, VERSION_TAGS};
use sloth_core::store::{OperationRecord, Seal, StackMatch, VersionAt, Wait};
use sloth_core::value::Map;
use sloth_core::version::{Version, VersionKind, VersionNote};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::stacks::{self, NewStack};

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
    /// Contents the records name, now and before the stack, by digest.
    pub contents: Vec<Blob>,
    /// Contents they name that were never kept.
    pub missing: Vec<Digest>,
}

/// Takes a version of a stack out. Changes nothing.
///
/// # Errors
/// There is no such version, or the store failed.
pub fn export(ctx: &Context, stack: &Stack, at: VersionAt) -> Result<Carried, EngineError> {
    let view = ctx.store.view()?;
    let resources = view.resource_list(&stack.id, at)?;
    let outputs = view.output_list(&stack.id, at)?;
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
        contents,
        missing,
    })
}

/// Makes a stack of what was taken out of another one. Touches no machine. One operation, undoable.
///
/// # Errors
/// The name is taken by a stack that holds something, cannot be one, or the store failed.
pub fn import(ctx: &Context, carried: &Carried, name: &str) -> Result<Stack, EngineError> {
    let there = match ctx.store.view()?.stack_find(name)? {
        StackMatch::One(found) if found.name == name => Some(found),
        _ => None,
    };
    let stack = match there {
        // What an import that died leaves behind.
        Some(stack) if stack.head == Version::ZERO && stack.execution_count == 0 => *stack,
        Some(stack) => return Err(EngineError::StackExists(stack.name)),
        None => {
            let new = NewStack { name: name.to_owned(), ..NewStack::default() };
            stacks::make(ctx, new, false)?
        }
    };
    // Whoever collects contents that nothing names waits for those who hold a stack.
    let lease = HeldLease::take(ctx, &stack.id, "import")?;
    ctx.store.blobs().put(&carried.contents, Wait::Fast)?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "stack import", Wait::Durable))?;
    txn.stack_update(&Stack {
        description: carried.description.clone(),
        version_label: carried.version_label.clone(),
        workflow_file: carried.workflow_file.clone(),
        configuration: carried.configuration.clone(),
        metadata: {
            // They stand for versions that stay behind.
            let kept = carried.metadata.iter().filter(|(key, _)| *key != VERSION_TAGS);
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        },
        updated_at: ctx.clock.now(),
        ..stack.clone()
    })?;
    for recorded in &carried.resources {
        txn.resource_put(recorded)?;
    }
    for output in &carried.outputs {
        txn.output_put(output)?;
    }
    let description = format!("imported from `{}` at {}", carried.name, carried.version);
    txn.event_append(Some(&stack.id), &stacks::event(ctx, EventType::StackUpdated, &description))?;
    let note = VersionNote {
        kind: VersionKind::Edit,
        description,
        created_by: None,
        run: None,
        successful: true,
        always: true,
    };
    let undo = serde_json::json!({ "imported": stack.id.as_str() });
    txn.commit(Seal::Version(note, OperationRecord { undo, undoes: None }))?;
    let made = ctx.store.view()?.stack_get(&stack.id)?;
    Ok(made.unwrap_or(stack))
}
