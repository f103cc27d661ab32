//! What a person or another program writes into the record themselves: resources somebody else looks after, outputs, and
//! drift that somebody else saw. Touches no machine.

use std::sync::Arc;

use sloth_core::address::Address;
use sloth_core::body::{Registered, Registration};
use sloth_core::change::{Action, Change, Reason};
use sloth_core::clock::Timestamp;
use sloth_core::desired::Desired;
use sloth_core::diff::Diff;
use sloth_core::drift::{DriftStatus, Finding};
use sloth_core::event::{EventType, Severity};
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Origin, REGISTERED, Recorded};
use sloth_core::store::{OperationRecord, Seal, VersionAt, Wait};
use sloth_core::value::{Map, Value};
use sloth_core::version::{Version, VersionKind, VersionNote};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::stacks;

/// Changes of the record that become one version.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Resources to register; those known under the same address are changed.
    pub register: Vec<Registration>,
    /// Resources to forget.
    pub forget: Vec<Address>,
    /// Outputs to set.
    pub outputs: Vec<Output>,
    /// Why, for the history.
    pub description: String,
}

/// Writes an edit into the record. One operation, undoable. Returns the version it made; `None` when everything was so
/// already.
///
/// # Errors
/// There is no such stack or resource, an address belongs to a real resource, somebody holds the stack, or the store failed.
pub fn edit(ctx: &Context, stack: &str, edit: Edit) -> Result<Option<Version>, EngineError> {
    let stack = stacks::find(&*ctx.store.view()?, stack)?;
    let lease = HeldLease::take(ctx, &stack.id, "edit")?;
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "edit", Wait::Durable))?;
    let now = ctx.clock.now();
    let mut events = Vec::new();
    for entry in edit.register {
        let applied = entry.applied;
        let desired = wish(entry)?;
        let known = txn.resource_get(&stack.id, &desired.address, VersionAt::Head)?.map(Arc::new);
        let booked = book(&desired, known.as_ref(), applied, "", now).map_err(EngineError::Refused)?;
        let Some((verdict, change, recorded)) = booked else { continue };
        let (kind, done) = match verdict {
            Registered::Created => (EventType::ResourceCreated, "created"),
            _ => (EventType::ResourceUpdated, "updated"),
        };
        let message = format!("{} {done} by hand", recorded.address);
        let payload = serde_json::json!({ "action": change.action, "attributes": change.diff.names() });
        events.push((kind, Some(recorded.address.clone()), message, payload));
        txn.resource_put(&recorded)?;
    }
    for address in &edit.forget {
        if !txn.resource_remove(address)? {
            let (stack, address) = (stack.name, address.to_string());
            return Err(EngineError::NoSuchResource { stack, address, nearest: None });
        }
        let message = format!("{address} is forgotten");
        events.push((EventType::StackUpdated, Some(address.clone()), message, Value::Null));
    }
    let outputs = txn.output_list(&stack.id, VersionAt::Head)?;
    for output in edit.outputs.into_iter().filter(|o| !outputs.contains(o)) {
        let shown = if output.sensitive { Value::from("(sensitive)") } else { output.value.clone() };
        let payload = serde_json::json!({ "name": output.name, "value": shown });
        events.push((EventType::OutputChanged, None, format!("output `{}` changed", output.name), payload));
        txn.output_put(&output)?;
    }
    if events.is_empty() {
        return Ok(None);
    }
    for (kind, address, message, payload) in events {
        let event = sloth_core::event::Event { address, payload, ..stacks::event(ctx, kind, &message) };
        txn.event_append(Some(&stack.id), &event)?;
    }
    let note = VersionNote {
        kind: VersionKind::Edit,
        description: edit.description,
        created_by: None,
        run: None,
        successful: true,
        always: false,
    };
    Ok(txn.commit(Seal::Version(note, OperationRecord::default()))?.version)
}

/// Refuses an address that nobody could type as it is printed; the error says so.
pub(crate) fn can_be_typed(address: &Address) -> Result<(), String> {
    let text = address.to_string();
    match text.parse::<Address>() {
        Ok(read) if read == *address => Ok(()),
        _ => Err(format!("`{text}` cannot be the address of a resource; nothing was changed")),
    }
}

/// What a registration wishes, with an address that can be typed.
fn wish(entry: Registration) -> Result<Desired, EngineError> {
    let address = Address::local(entry.kind, entry.name);
    can_be_typed(&address).map_err(EngineError::Refused)?;
    let mut options = entry.options;
    options.depends_on = entry.dependencies;
    Ok(Desired {
        address,
        module: entry.module,
        operation: REGISTERED.to_owned(),
        spec: entry.properties,
        blobs: Vec::new(),
        options,
        span: None,
    })
}

/// The record of a resource that somebody else looks after, as it is for the first time; `error` says why it failed.
///
/// # Errors
/// Kind and name make no address.
pub fn recorded(entry: Registration, error: Option<String>, now: Timestamp) -> Result<Recorded, EngineError> {
    let applied = entry.applied;
    let desired = wish(entry)?;
    let booked = book(&desired, None, applied, "", now).map_err(EngineError::Refused)?;
    let (_, _, recorded) = booked.ok_or_else(|| EngineError::Refused("nothing was registered".to_owned()))?;
    let condition = if error.is_some() { Condition::Failed } else { recorded.condition };
    Ok(Recorded { error, condition, ..recorded })
}

/// What registering a resource comes to: the verdict, the change, and the new record; `None` when it is so already.
///
/// # Errors
/// The address belongs to a real resource; the words say so.
pub(crate) fn book(
    desired: &Desired,
    known: Option<&Arc<Recorded>>,
    applied: bool,
    task: &str,
    now: Timestamp,
) -> Result<Option<(Registered, Change, Recorded)>, String> {
    if known.is_some_and(|k| !k.is_registered()) {
        return Err(format!(
            "{} is a real resource of this stack and cannot be registered by hand",
            desired.address
        ));
    }
    let same = |k: &Arc<Recorded>| {
        k.spec == desired.spec && k.condition == Condition::Applied && k.options == desired.options
    };
    if known.is_some_and(same) {
        return Ok(None);
    }
    let nothing = Value::Object(Map::new());
    let before = known.and_then(|k| k.state.as_ref()).unwrap_or(&nothing);
    let diff = Diff::between(before, &desired.spec);
    let (verdict, change) = match known {
        None => (Registered::Created, Change::new(Action::Create, Reason::New, diff)),
        Some(known) => {
            let reason = match known.condition {
                _ if !diff.is_empty() => Reason::Code,
                Condition::Pending => Reason::Pending,
                Condition::Applied => Reason::Declaration,
                _ => Reason::Unfinished,
            };
            (Registered::Changed, Change::new(Action::Update, reason, diff))
        }
    };
    let recorded = Recorded {
        address: desired.address.clone(),
        module: desired.module.clone(),
        operation: REGISTERED.to_owned(),
        spec: desired.spec.clone(),
        state: Some(desired.spec.clone()),
        origin: Origin::Absent,
        condition: if applied { Condition::Applied } else { Condition::Pending },
        error: None,
        options: desired.options.clone(),
        task: task.to_owned(),
        created_at: known.map_or(now, |k| k.created_at),
        updated_at: now,
    };
    Ok(Some((verdict, change, recorded)))
}

/// Takes down what somebody else saw of a resource that no machine here can be asked about. It is compared with
/// `expected`, or with the record when that is `None`, attribute by attribute. The finding stays until another one is
/// reported or the record changes.
///
/// # Errors
/// The stack has no such resource, a machine can be asked about it, somebody holds the stack, or the store failed.
pub fn report(
    ctx: &Context,
    stack: &str,
    address: &Address,
    expected: Option<Value>,
    actual: Value,
) -> Result<Finding, EngineError> {
    let stack = stacks::find(&*ctx.store.view()?, stack)?;
    let lease = HeldLease::take(ctx, &stack.id, "drift report")?;
    let (recorded, mut findings) = {
        let view = ctx.store.view()?;
        let Some(recorded) = view.resource_get(&stack.id, address, VersionAt::Head)? else {
            let all = view.resource_list(&stack.id, VersionAt::Head)?;
            let names = all.iter().map(|r| r.address.to_string());
            return Err(EngineError::no_resource(stack.name, address, names));
        };
        (recorded, view.drift_latest(&stack.id)?)
    };
    if !recorded.is_registered() {
        let why =
            format!("{address} is looked at by `stack drift detect` and not reported; nothing was changed");
        return Err(EngineError::Refused(why));
    }
    let expected = expected.or_else(|| recorded.state.clone()).unwrap_or(Value::Null);
    let diff = Diff::between(&actual, &expected);
    let drifted = !diff.is_empty();
    let secret = recorded.options.sensitive;
    let (status, reason) =
        if drifted { (DriftStatus::Drifted, Reason::External) } else { (DriftStatus::Clean, Reason::InLine) };
    let finding = Finding {
        expected: Some(expected).filter(|_| !secret),
        actual: Some(actual).filter(|_| drifted && !secret),
        diff: if secret { diff.redacted() } else { diff },
        ..Finding::new(address.clone(), status, reason, ctx.clock.now())
    };
    findings.retain(|f| f.address != *address);
    findings.push(finding.clone());
    let mut txn = ctx.store.begin(stacks::intent(ctx, &stack, &lease, "drift report", Wait::Durable))?;
    txn.drift_put(&stack.id, &findings)?;
    if drifted {
        let mut event = stacks::event(ctx, EventType::DriftDetected, &format!("{address} drifted"));
        event.severity = Severity::Warning;
        event.address = Some(address.clone());
        event.payload = serde_json::json!({ "resources": [address] });
        txn.event_append(Some(&stack.id), &event)?;
    }
    txn.commit(Seal::Pending)?;
    Ok(finding)
}

/// Does what somebody reported of a resource still stand, now that its record is this one?
pub(crate) fn stands(reported: &Finding, recorded: &Recorded) -> bool {
    let reported_so = matches!(reported.status, DriftStatus::Drifted | DriftStatus::Clean);
    recorded.is_registered() && reported_so && reported.detected_at >= recorded.updated_at
}
