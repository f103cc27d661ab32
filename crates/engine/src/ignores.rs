//! Drift that people know of and do not want to hear of: whole resources, or attributes of them.
//!
//! An ignored attribute is left out by narrowing the recorded wish for the look, so that nothing compares it and nothing
//! brings it back. A run does not ask here: it brings about what the workflow wishes.

use std::collections::{BTreeMap, BTreeSet};

use sloth_core::address::Address;
use sloth_core::clock::Timestamp;
use sloth_core::drift::DriftIgnore;
use sloth_core::id::StackId;
use sloth_core::recorded::Recorded;
use sloth_core::stack::Stack;
use sloth_core::store::{OperationRecord, Seal, StoreError, VersionAt, View, Wait};
use sloth_core::suggest::nearest;
use sloth_core::value::{Value, to_value};

use crate::context::Context;
use crate::error::EngineError;
use crate::lease::HeldLease;
use crate::scope_body::FUNCTIONS;

/// Ignores a resource, or one attribute of it, named as `ADDRESS` or `ADDRESS.ATTRIBUTE`. One operation, undoable.
///
/// # Errors
/// It is not recorded, it has no such attribute, the attribute cannot be left out of a look, or somebody holds the stack.
pub fn ignore(
    ctx: &Context,
    stack: &str,
    what: &str,
    reason: &str,
    until: Option<Timestamp>,
) -> Result<DriftIgnore, EngineError> {
    if reason.trim().is_empty() {
        return Err(EngineError::Refused("the reason is empty; nothing was changed".to_owned()));
    }
    let (stack, address, attribute) = {
        let view = ctx.store.view()?;
        let stack = crate::stacks::find(&*view, stack)?;
        let records = view.resource_list(&stack.id, VersionAt::Head)?;
        let (recorded, attribute) = locate(ctx, &stack, &records, what)?;
        (stack, recorded.address.clone(), attribute)
    };
    let ignore = DriftIgnore {
        address,
        attribute,
        reason: reason.to_owned(),
        by: ctx.actor.name.clone(),
        at: ctx.clock.now(),
        until,
    };
    let place = Place { address: ignore.address.clone(), attribute: ignore.attribute.clone() };
    write(ctx, &stack, "drift ignore", place, Some(&ignore), None)?;
    Ok(ignore)
}

/// Takes back what [`ignore`] did. One operation, undoable. Returns what was ignored.
///
/// # Errors
/// It is not ignored, or somebody holds the stack.
pub fn heed(ctx: &Context, stack: &str, what: &str) -> Result<DriftIgnore, EngineError> {
    let (stack, ignores) = {
        let view = ctx.store.view()?;
        let stack = crate::stacks::find(&*view, stack)?;
        let ignores = view.drift_ignores(&stack.id)?;
        (stack, ignores)
    };
    // What a resource that is gone left behind can be taken back, too, so the list is asked and not the record.
    let split = what.rsplit_once('.');
    let named = |i: &&DriftIgnore| {
        split.is_some_and(|(base, name)| i.attribute.as_deref() == Some(name) && is_named(&i.address, base))
    };
    let same = |i: &&DriftIgnore| i.attribute.is_none() && is_named(&i.address, what);
    let Some(found) = ignores.iter().find(same).or_else(|| ignores.iter().find(named)) else {
        let names: Vec<String> = ignores.iter().map(name_of).collect();
        let near = nearest(what, names.iter().map(String::as_str));
        return Err(EngineError::NotIgnored {
            stack: stack.name,
            what: what.to_owned(),
            nearest: near.map(str::to_owned),
        });
    };
    let place = Place { address: found.address.clone(), attribute: found.attribute.clone() };
    write(ctx, &stack, "drift ignore", place, None, None)?;
    Ok(found.clone())
}

/// As it is typed: `ADDRESS` or `ADDRESS.ATTRIBUTE`.
#[must_use]
pub fn name_of(ignore: &DriftIgnore) -> String {
    match &ignore.attribute {
        Some(attribute) => format!("{}.{attribute}", ignore.address),
        None => ignore.address.to_string(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Place {
    address: Address,
    attribute: Option<String>,
}

/// What an operation found ignored of one resource or attribute.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Before {
    stack: String,
    place: Place,
    before: Option<DriftIgnore>,
}

/// Puts back what an operation found. Returns what it was about.
pub(crate) fn restore(ctx: &Context, found: Before, undoes: u64) -> Result<String, EngineError> {
    let id = StackId::from_stored(&found.stack);
    let stack = ctx
        .store
        .view()?
        .stack_get(&id)?
        .ok_or(EngineError::NoSuchStack { name: found.stack, nearest: None })?;
    let name = match &found.place.attribute {
        Some(attribute) => format!("{}.{attribute}", found.place.address),
        None => found.place.address.to_string(),
    };
    write(ctx, &stack, "undo", found.place, found.before.as_ref(), Some(undoes))?;
    let again = found.before.as_ref().is_some_and(|before| before.is_live(ctx.clock.now()));
    let is = if again { "is ignored again" } else { "is not ignored any more" };
    Ok(format!("`{name}` of stack `{}` {is}", stack.name))
}

fn write(
    ctx: &Context,
    stack: &Stack,
    verb: &str,
    place: Place,
    ignore: Option<&DriftIgnore>,
    undoes: Option<u64>,
) -> Result<(), EngineError> {
    let lease = HeldLease::take(ctx, &stack.id, verb)?;
    let mut txn = ctx.store.begin(crate::stacks::intent(ctx, stack, &lease, verb, Wait::Durable))?;
    let here = |i: &DriftIgnore| i.address == place.address && i.attribute == place.attribute;
    let before = txn.drift_ignores(&stack.id)?.into_iter().find(here);
    match ignore {
        Some(ignore) => txn.drift_ignore_put(&stack.id, ignore)?,
        None => {
            txn.drift_ignore_remove(&stack.id, &place.address, place.attribute.as_deref())?;
        }
    }
    let found = Before { stack: stack.id.to_string(), place, before };
    let undo = serde_json::json!({ "drift_ignore": to_value(&found) });
    txn.commit(Seal::Operation(OperationRecord { undo, undoes }))?;
    Ok(())
}

fn is_named(address: &Address, text: &str) -> bool {
    address.to_string() == text || text.parse::<Address>().is_ok_and(|a| a == *address)
}

/// The record and the attribute a text means. Ids may contain dots, so the whole text is tried as an address first.
fn locate<'a>(
    ctx: &Context,
    stack: &Stack,
    records: &'a [Recorded],
    text: &str,
) -> Result<(&'a Recorded, Option<String>), EngineError> {
    let find = |text: &str| records.iter().find(|r| is_named(&r.address, text));
    if let Some(recorded) = find(text) {
        return Ok((recorded, None));
    }
    let split = text.rsplit_once('.');
    if let Some((base, attribute)) = split
        && let Some(recorded) = find(base)
    {
        let names = attributes(ctx, recorded).map_err(|why| {
            let address = &recorded.address;
            EngineError::Refused(format!(
                "cannot ignore `{attribute}` of `{address}` by itself: {why}; only the whole resource can be ignored; \
                 nothing was changed"
            ))
        })?;
        if names.iter().any(|name| name == attribute) {
            return Ok((recorded, Some(attribute.to_owned())));
        }
        let near = nearest(attribute, names.iter().map(String::as_str));
        return Err(EngineError::NoSuchAttribute {
            address: recorded.address.to_string(),
            attribute: attribute.to_owned(),
            nearest: near.map(|name| format!("{}.{name}", recorded.address)),
            names,
        });
    }
    let names: Vec<String> = records.iter().map(|r| r.address.to_string()).collect();
    let near = |text: &str| nearest(text, names.iter().map(String::as_str));
    let has = |base: &str, attribute: &str| {
        find(base).is_some_and(|r| attributes(ctx, r).is_ok_and(|names| names.iter().any(|n| n == attribute)))
    };
    // A slip in the address is likelier than a missing attribute when what follows the dot is one.
    let part = split.and_then(|(base, attribute)| {
        near(base).filter(|near| has(near, attribute)).map(|near| format!("{near}.{attribute}"))
    });
    Err(EngineError::NoSuchResource {
        stack: stack.name.clone(),
        address: text.to_owned(),
        nearest: part.or_else(|| near(text).map(str::to_owned)),
    })
}

/// The attributes of a recorded wish that a look can do without, or why there are none.
fn attributes(ctx: &Context, recorded: &Recorded) -> Result<Vec<String>, String> {
    if recorded.is_registered() {
        return Err("it lives only in the record".to_owned());
    }
    if recorded.spec.get(FUNCTIONS).is_some() {
        return Err("its functions are in the workflow".to_owned());
    }
    let host = recorded.address.host();
    let machine = ctx.machine(host).ok_or_else(|| format!("host `{host}` is not known"))?;
    let bare = machine.narrow(recorded.address.kind(), recorded.spec.clone(), &|_| false);
    if bare == recorded.spec {
        return Err("it is compared as a whole".to_owned());
    }
    // Instructions on how to get there are no attributes: no state has them.
    let seen = |name: &str| recorded.state.as_ref().is_none_or(|state| state.get(name).is_some());
    let names = recorded.spec.as_object().into_iter().flat_map(|wish| wish.keys());
    Ok(names.filter(|name| bare.get(name.as_str()).is_none() && seen(name)).cloned().collect())
}

/// Everything that is ignored in a stack now.
pub(crate) struct Ignored {
    whole: BTreeMap<Address, DriftIgnore>,
    attributes: BTreeMap<Address, BTreeSet<String>>,
}

impl Ignored {
    pub fn of(view: &dyn View, stack: &StackId) -> Result<Self, StoreError> {
        let mut ignored = Self { whole: BTreeMap::new(), attributes: BTreeMap::new() };
        for ignore in view.drift_ignores(stack)? {
            match &ignore.attribute {
                Some(name) => {
                    ignored.attributes.entry(ignore.address).or_default().insert(name.clone());
                }
                None => {
                    ignored.whole.insert(ignore.address.clone(), ignore);
                }
            }
        }
        Ok(ignored)
    }

    /// Why a whole resource is ignored, if it is.
    pub fn whole(&self, address: &Address) -> Option<&DriftIgnore> {
        self.whole.get(address)
    }

    /// Attributes of a resource that are ignored.
    pub fn attributes(&self, address: &Address) -> Option<&BTreeSet<String>> {
        self.attributes.get(address)
    }

    /// The record with a wish that says nothing of what is ignored; `None` when that is all of the wish anyway.
    pub fn narrowed(&self, ctx: &Context, recorded: &Recorded) -> Option<Recorded> {
        let names = self.attributes(&recorded.address)?;
        let machine = ctx.machine(recorded.address.host())?;
        let kind = recorded.address.kind();
        let spec = machine.narrow(kind, recorded.spec.clone(), &|name| !names.contains(name));
        (spec != recorded.spec).then(|| Recorded { spec, ..recorded.clone() })
    }
}

/// `value` with the attributes `names` as they are in `from`.
pub(crate) fn keeping(value: Value, from: Option<&Value>, names: &BTreeSet<String>) -> Value {
    match (value, from) {
        (Value::Object(mut value), Some(Value::Object(from))) => {
            for name in names {
                match from.get(name) {
                    Some(old) => value.insert(name.clone(), old.clone()),
                    None => value.remove(name),
                };
            }
            Value::Object(value)
        }
        (value, _) => value,
    }
}
