//! Taking back what a run changed, and taking resources over from another stack.

use sloth_core::address::Address;
use sloth_core::change::{Action, Change, Reason};
use sloth_core::diff::Diff;
use sloth_core::recorded::Recorded;
use sloth_core::store::{OperationRecord, Seal, VersionAt, Wait};
use sloth_core::version::{VersionKind, VersionNote};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::ledger::Performed;
use crate::perform::{Leave, Work};
use crate::report::UndoStep;
use crate::session::Session;

/// Puts back what this run changed, newest first. Steps that fail are reported as stuck and the rest goes on.
pub(crate) fn take_back(session: &Session) -> Vec<UndoStep> {
    let performed = std::mem::take(&mut session.ledger().performed);
    performed.into_iter().rev().map(|step| take_back_one(session, &step)).collect()
}

fn take_back_one(session: &Session, step: &Performed) -> UndoStep {
    let address = step.address.clone();
    let stuck = |change: Change, why: String| UndoStep { address: address.clone(), change, stuck: Some(why) };
    let registered = session.is_registered(&address);
    let (spec, blobs) = match (&step.before, registered) {
        (None, _) | (_, true) => (None, Vec::new()),
        (Some(state), false) => match session.wish_for(&address, Some(state)) {
            Ok((spec, blobs)) => (Some(spec), blobs),
            Err(why) => {
                return stuck(Change::new(Action::Blocked, Reason::NotKept(why.clone()), Diff::none()), why);
            }
        },
    };
    let current = match session.known(&address) {
        Ok(current) => current,
        Err(error) => {
            let why = error.to_string();
            return stuck(Change::new(Action::Blocked, Reason::Unreadable(why.clone()), Diff::none()), why);
        }
    };
    let seen = match session.look(&address, spec.as_ref(), &blobs, current.as_deref()) {
        Ok(seen) => seen,
        Err(error) => {
            let why = error.to_string();
            return stuck(Change::new(Action::Blocked, Reason::Unreadable(why.clone()), Diff::none()), why);
        }
    };
    let action = match (&spec, &seen.state, registered) {
        (_, _, true) => Action::Forget,
        (None, None, _) => Action::Forget,
        (None, Some(_), _) => Action::Delete,
        (Some(_), None, _) => Action::Create,
        (Some(_), Some(_), _) if seen.diff.is_empty() => Action::Refresh,
        (Some(_), Some(_), _) if seen.diff.replaces() => Action::Replace,
        (Some(_), Some(_), _) => Action::Update,
    };
    let change = Change::new(action, Reason::Undoing, seen.diff.clone());
    let leave = step.old.as_deref().map_or(Leave::Nothing, |old| Leave::Record(Box::new(old.clone())));
    let (module, operation) = current
        .as_ref()
        .or(step.old.as_ref())
        .map_or_else(Default::default, |r: &std::sync::Arc<Recorded>| {
            (r.module.clone(), r.operation.clone())
        });
    let live = if registered { step.old.as_ref().and_then(|o| o.state.clone()) } else { seen.state };
    let done = session.carry_out(Work {
        task: "",
        address: address.clone(),
        module,
        operation,
        change: change.clone(),
        spec,
        blobs,
        live,
        options: sloth_core::desired::Options::default(),
        leave,
    });
    UndoStep { address, change, stuck: done.err().map(|e| e.to_string()) }
}

/// Moves the record of a resource out of another stack, as one edit of that stack. The caller records it anew.
pub(crate) fn take_over(
    ctx: &Context,
    owner: &str,
    address: &Address,
) -> Result<Option<Recorded>, EngineError> {
    let stack = crate::stacks::find(&*ctx.store.view()?, owner)?;
    let lease = HeldLease::take(ctx, &stack.id, "take over")?;
    let mut txn = ctx.store.begin(crate::stacks::intent(ctx, &stack, &lease, "take over", Wait::Durable))?;
    let recorded = txn.resource_get(&stack.id, address, VersionAt::Head)?;
    txn.resource_remove(address)?;
    let note = VersionNote {
        kind: VersionKind::Edit,
        description: format!("{address} was taken over by another stack"),
        created_by: None,
        run: None,
        successful: true,
        always: false,
    };
    txn.commit(Seal::Version(note, OperationRecord::default()))?;
    Ok(recorded)
}
