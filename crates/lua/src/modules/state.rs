//! `state`: the key-value state, and the hand-written workflow records of old files.

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::body::{Registration, ValueChange, WorkflowStep};
use sloth_core::desired::Options;
use sloth_core::execution::{ResourceAction, Said};
use sloth_core::output::Output;
use sloth_core::suggest::nearest;
use sloth_core::value::{Map, Value};
use sloth_core::value_entry::LOCAL_SCOPE;

use super::{Module, maybe_number, maybe_text, number, table, text, value};
use crate::args::{duration_of, text_of, texts_of};
use crate::convert;
use crate::fault::Fault;
use crate::prelude;
use crate::shared::{Answer, Native, Shared};

fn change(shared: &Shared, function: &str, key: &str, change: ValueChange) -> Result<Option<Value>, Fault> {
    Ok(shared.scope(function)?.value_change(LOCAL_SCOPE, key, change)?.map(|e| e.value))
}

fn key(args: &MultiValue, function: &str) -> Result<String, Fault> {
    let key = text(args, 0, function, "a key")?;
    if key.is_empty() {
        return Err(Fault::argument(format!("`{function}` needs a key that is not empty")));
    }
    Ok(key)
}

fn present(shared: &Shared, function: &str, key: &str) -> Result<Option<Value>, Fault> {
    Ok(shared.scope(function)?.value_get(LOCAL_SCOPE, key)?.map(|e| e.value))
}

/// Changes a value by what it is now, again when somebody else was faster.
fn update(
    shared: &Shared,
    function: &str,
    key: &str,
    mut with: impl FnMut(Option<Value>) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    for _ in 0..100 {
        let old = present(shared, function, key)?;
        let new = with(old.clone())?;
        match shared.scope(function)?.value_change(
            LOCAL_SCOPE,
            key,
            ValueChange::Swap(old, new.clone(), None),
        ) {
            Ok(Some(_)) => return Ok(new),
            Ok(None) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Fault::new("store", format!("`{function}`: `{key}` changes all the time")))
}

fn increment(lua: &Lua, shared: &Shared, args: &MultiValue, function: &str, sign: f64) -> Native {
    let key = key(args, function)?;
    let by = match args.get(1) {
        None | Some(LuaValue::Nil) => 1.0,
        Some(_) => number(args, 1, function, "the amount")?,
    };
    let now = change(shared, function, &key, ValueChange::Increment(by * sign))?;
    Answer::one(convert::to_lua(lua, &now.unwrap_or(Value::Null))?)
}

/// A time to live: a duration, or a table with one as `ttl`.
fn time_to_live(args: &MultiValue, at: usize, function: &str) -> Result<Option<f64>, Fault> {
    let given = match args.get(at) {
        Some(LuaValue::Table(t)) => t.raw_get::<LuaValue>("ttl")?,
        other => other.cloned().unwrap_or(LuaValue::Nil),
    };
    let wrong = || {
        let kind = given.type_name();
        Fault::argument(format!("the time to live of `{function}` must be a duration, not a {kind}"))
    };
    if given.is_nil() { Ok(None) } else { duration_of(&given).map(Some).ok_or_else(wrong) }
}

fn set(lua: &Lua, shared: &Shared, args: &MultiValue, function: &str) -> Native {
    let key = key(args, function)?;
    let seconds = time_to_live(args, 2, function)?;
    let value = value(lua, args, 1, function)?;
    let what = if value.is_null() { ValueChange::Delete } else { ValueChange::Set(value, seconds) };
    change(shared, function, &key, what)?;
    Answer::flag(true)
}

pub(super) fn fill(state: &Module<'_>) -> mlua::Result<()> {
    state.add(&["set"], |lua, shared, args| set(lua, shared, &args, "state.set"))?;
    state.add(&["set_with_ttl"], |lua, shared, args| {
        if duration_of(args.get(2).unwrap_or(&LuaValue::Nil)).is_none() {
            return Err(Fault::argument("`state.set_with_ttl` needs a duration as its third argument"));
        }
        set(lua, shared, &args, "state.set_with_ttl")
    })?;
    state.add(&["get"], |lua, shared, args| {
        let key = key(&args, "state.get")?;
        match present(shared, "state.get", &key)? {
            Some(value) => Answer::one(convert::to_lua(lua, &value)?),
            None => Answer::one(args.get(1).cloned().unwrap_or(LuaValue::Nil)),
        }
    })?;
    state.add(&["exists", "has"], |_, shared, args| {
        Answer::flag(present(shared, "state.exists", &key(&args, "state.exists")?)?.is_some())
    })?;
    state.add(&["delete", "remove"], |_, shared, args| {
        let key = key(&args, "state.delete")?;
        change(shared, "state.delete", &key, ValueChange::Delete)?;
        Answer::flag(true)
    })?;
    state.add(&["keys"], |lua, shared, args| {
        let prefix = maybe_text(&args, 0).unwrap_or_default();
        let entries = shared.scope("state.keys")?.value_list(LOCAL_SCOPE, &prefix)?;
        Answer::one(LuaValue::Table(lua.create_sequence_from(entries.into_iter().map(|e| e.key))?))
    })?;
    state.add(&["list", "get_all"], |lua, shared, args| {
        let prefix = maybe_text(&args, 0).unwrap_or_default();
        let all = lua.create_table()?;
        for entry in shared.scope("state.list")?.value_list(LOCAL_SCOPE, &prefix)? {
            all.raw_set(entry.key, convert::to_lua(lua, &entry.value)?)?;
        }
        Answer::one(LuaValue::Table(all))
    })?;
    state.add(&["increment", "incr"], |lua, shared, args| {
        increment(lua, shared, &args, "state.increment", 1.0)
    })?;
    state.add(&["decrement", "decr"], |lua, shared, args| {
        increment(lua, shared, &args, "state.decrement", -1.0)
    })?;
    state.add(&["compare_swap", "compare_and_swap"], |lua, shared, args| {
        let function = "state.compare_swap";
        let key = key(&args, function)?;
        let old = Some(value(lua, &args, 1, function)?).filter(|v| !v.is_null());
        let new = value(lua, &args, 2, function)?;
        let seconds = time_to_live(&args, 3, function)?;
        match shared.scope(function)?.value_change(LOCAL_SCOPE, &key, ValueChange::Swap(old, new, seconds)) {
            Ok(swapped) => Answer::flag(swapped.is_some()),
            Err(other) => Err(other.into()),
        }
    })?;
    // Text grows at its end, anything else becomes a list.
    state.add(&["append"], |lua, shared, args| {
        let function = "state.append";
        let key = key(&args, function)?;
        let more = value(lua, &args, 1, function)?;
        let now = update(shared, function, &key, |old| {
            Ok(match (old, &more) {
                (None, Value::String(s)) => Value::from(s.as_str()),
                (Some(Value::String(a)), Value::String(b)) => Value::from(a + b),
                (old, more) => push(old, more.clone()),
            })
        })?;
        Answer::one(convert::to_lua(lua, &now)?)
    })?;
    state.add(&["clear"], |_, shared, args| {
        let prefix = maybe_text(&args, 0).unwrap_or_default();
        change(shared, "state.clear", &prefix, ValueChange::Clear)?;
        Answer::flag(true)
    })?;
    state.add(&["stats"], |lua, shared, _| {
        let entries = shared.scope("state.stats")?.value_list(LOCAL_SCOPE, "")?;
        let t = lua.create_table()?;
        t.raw_set("total_keys", entries.len())?;
        t.raw_set(
            "total_size",
            entries.iter().map(|e| e.key.len() + e.value.to_string().len()).sum::<usize>(),
        )?;
        let last = entries.iter().map(|e| e.updated_at).max();
        t.raw_set("last_modified", last.map(sloth_core::clock::Timestamp::rfc3339))?;
        t.raw_set("backend", "sloth")?;
        Answer::one(LuaValue::Table(t))
    })?;
    lists(state)?;
    locks(state)?;
    workflows(state)
}

fn push(old: Option<Value>, more: Value) -> Value {
    let mut list = match old {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(other) => vec![other],
    };
    list.push(more);
    Value::Array(list)
}

fn lists(state: &Module<'_>) -> mlua::Result<()> {
    state.add(&["list_push"], |lua, shared, args| {
        let function = "state.list_push";
        let more = value(lua, &args, 1, function)?;
        let now = update(shared, function, &key(&args, function)?, |old| Ok(push(old, more.clone())))?;
        let count = now.as_array().map_or(0, Vec::len);
        Answer::one(LuaValue::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
    })?;
    state.add(&["list_pop"], |lua, shared, args| {
        let function = "state.list_pop";
        let mut popped = None;
        update(shared, function, &key(&args, function)?, |old| {
            let mut list = match old {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            popped = list.pop();
            Ok(Value::Array(list))
        })?;
        Answer::one(convert::to_lua(lua, &popped.unwrap_or(Value::Null))?)
    })?;
    state.add(&["list_length"], |_, shared, args| {
        let function = "state.list_length";
        let count = match present(shared, function, &key(&args, function)?)? {
            Some(Value::Array(list)) => list.len(),
            _ => 0,
        };
        Answer::one(LuaValue::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
    })
}

/// `name[, holder][, seconds]`
fn lock_args(shared: &Shared, args: &MultiValue, function: &str) -> Result<(String, String, f64), Fault> {
    let name = text(args, 0, function, "a name")?;
    let (holder, seconds) = match args.get(1) {
        Some(LuaValue::String(_)) => (maybe_text(args, 1), maybe_number(args, 2)),
        _ => (None, maybe_number(args, 1)),
    };
    let holder = match holder {
        Some(holder) => holder,
        None => shared.scope(function)?.stack_name(),
    };
    let seconds = seconds.unwrap_or(300.0);
    if !(seconds > 0.0 && seconds.is_finite()) {
        return Err(Fault::argument(format!("`{function}` needs a number of seconds above zero")));
    }
    Ok((name, holder, seconds))
}

fn locks(state: &Module<'_>) -> mlua::Result<()> {
    state.add(&["try_lock"], |_, shared, args| {
        let (name, holder, seconds) = lock_args(shared, &args, "state.try_lock")?;
        Answer::flag(shared.scope("state.try_lock")?.value_lock(&name, &holder, seconds)?)
    })?;
    state.add(&["unlock"], |_, shared, args| {
        let (name, holder, _) = lock_args(shared, &args, "state.unlock")?;
        Answer::flag(shared.scope("state.unlock")?.value_unlock(&name, &holder)?)
    })?;
    let fault = state.shared.raw_native(state.lua, |_, _, args| {
        let name = maybe_text(&args, 0).unwrap_or_default();
        Err(Fault::new("locked", format!("the lock `{name}` is held by somebody else")))
    })?;
    let words: Table = prelude::LOCKS.call(state.lua, (&state.table, state.shared.base_words()?, fault))?;
    for name in ["lock", "with_lock"] {
        state.table.raw_set(name, words.raw_get::<Function>(name)?)?;
    }
    Ok(())
}

/// What `state.create_workflow` reads.
const WORKFLOW: [&str; 2] = ["metadata", "name"];
/// What `state.add_resource` reads.
const RESOURCE: [&str; 6] = ["action", "attributes", "depends_on", "name", "status", "type"];

/// Refuses a key that nobody reads.
fn only(given: &Table, known: &[&str], function: &str) -> Result<(), Fault> {
    for pair in given.clone().pairs::<LuaValue, LuaValue>() {
        let key = text_of(&pair?.0).unwrap_or_default();
        if !known.contains(&key.as_str()) {
            let fault = Fault::argument(format!("`{function}` does not know `{key}`"));
            return Err(match nearest(&key, known.iter().copied()) {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint(format!("it knows {}", known.join(", "))),
            });
        }
    }
    Ok(())
}

/// A table of names and values; none when it is not given.
fn pairs(lua: &Lua, given: &Table, name: &str, function: &str) -> Result<Map, Fault> {
    match given.raw_get::<LuaValue>(name)? {
        LuaValue::Nil => Ok(Map::new()),
        other => convert::object(lua, &other)
            .map_err(|why| Fault::argument(format!("`{name}` of `{function}`: {why}"))),
    }
}

/// Executions of workflows that are written by hand.
fn workflows(state: &Module<'_>) -> mlua::Result<()> {
    state.add(&["create_workflow"], |lua, shared, args| {
        let function = "state.create_workflow";
        let given = table(&args, 0, function, "the workflow")?;
        only(&given, &WORKFLOW, function)?;
        let name = text_of(&given.raw_get::<LuaValue>("name")?)
            .ok_or_else(|| Fault::argument(format!("`{function}` needs `name`")))?;
        let metadata = pairs(lua, &given, "metadata", function)?;
        Answer::text(lua, shared.scope(function)?.workflow_begin(&name, metadata)?)
    })?;
    state.add(&["add_resource"], |lua, shared, args| {
        let function = "state.add_resource";
        let id = text(&args, 0, function, "the id of a workflow")?;
        let given = table(&args, 1, function, "the resource")?;
        only(&given, &RESOURCE, function)?;
        let field =
            |name: &str| -> Result<Option<String>, Fault> { Ok(text_of(&given.raw_get::<LuaValue>(name)?)) };
        let needs = |name: &str| Fault::argument(format!("`{function}` needs `{name}`"));
        let action = field("action")?.map(|word| {
            ResourceAction::parse(&word).ok_or_else(|| {
                let all: Vec<&str> = ResourceAction::ALL.iter().map(|a| a.as_str()).collect();
                Fault::argument(format!("`{word}` is not an action of `{function}`"))
                    .hint(format!("there are {}", all.join(", ")))
            })
        });
        let said = Said { action: action.transpose()?, status: field("status")? };
        let dependencies = match given.raw_get::<LuaValue>("depends_on")? {
            LuaValue::Nil => Vec::new(),
            other => texts_of(&other).ok_or_else(|| {
                Fault::argument(format!("`depends_on` of `{function}` must be a string or a list of strings"))
            })?,
        };
        let entry = Registration {
            kind: field("type")?.ok_or_else(|| needs("type"))?,
            name: field("name")?.ok_or_else(|| needs("name"))?,
            module: "state".to_owned(),
            properties: said.with(pairs(lua, &given, "attributes", function)?),
            dependencies,
            applied: true,
            options: Options::default(),
        };
        shared.scope(function)?.workflow_step(&id, WorkflowStep::Resource(entry))?;
        Answer::flag(true)
    })?;
    state.add(&["set_output"], |lua, shared, args| {
        let function = "state.set_output";
        let id = text(&args, 0, function, "the id of a workflow")?;
        let name = text(&args, 1, function, "a name")?;
        let value = value(lua, &args, 2, function)?;
        let output = Output { name, value, sensitive: false };
        shared.scope(function)?.workflow_step(&id, WorkflowStep::Output(output))?;
        Answer::flag(true)
    })?;
    state.add(&["complete_workflow"], |_, shared, args| {
        let function = "state.complete_workflow";
        let id = text(&args, 0, function, "the id of a workflow")?;
        shared.scope(function)?.workflow_step(&id, WorkflowStep::Complete)?;
        Answer::flag(true)
    })?;
    state.add(&["fail_workflow"], |_, shared, args| {
        let function = "state.fail_workflow";
        let id = text(&args, 0, function, "the id of a workflow")?;
        let why = maybe_text(&args, 1).unwrap_or_else(|| "the workflow was marked as failed".to_owned());
        if shared.scope(function)?.workflow_step(&id, WorkflowStep::Fail(why.clone()))? {
            return Answer::flag(true);
        }
        // The run itself.
        Err(Fault::new("failed", why))
    })
}
