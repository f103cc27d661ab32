//! The result of a resource call: a table that `r.changed` and `ok, msg` callers can both use. It has `changed`,
//! `message`, `action`, `address`, `name`, `attributes`, `diff` and `notes`; attributes are fields as well.

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::body::Outcome;
use sloth_core::value::Value;

use crate::convert::to_lua;
use crate::shared::{Answer, Native, Shared};

/// The result of one call, twice; the wrapper of every function puts it together from its parts.
pub(crate) fn answer(lua: &Lua, shared: &Shared, outcome: &Outcome) -> Native {
    let attributes = match &outcome.state {
        Some(state @ Value::Object(_)) => to_lua(lua, state)?,
        _ => LuaValue::Nil,
    };
    let list = outcome.change.diff.attributes();
    let diff = match shared.empty.borrow().as_ref() {
        Some(empty) if list.is_empty() => LuaValue::Table(empty.clone()),
        _ => LuaValue::Table(differences(lua, outcome)?),
    };
    let notes = match outcome.notes.as_slice() {
        [] => LuaValue::Nil,
        notes => LuaValue::Table(lua.create_sequence_from(notes.iter().map(String::as_str))?),
    };
    let text = |text: &str| lua.create_string(text).map(LuaValue::String);
    Ok(Answer::Reply(
        [
            LuaValue::Boolean(outcome.changed()),
            text(&outcome.message())?,
            text(outcome.change.action.as_str())?,
            text(&outcome.address.to_string())?,
            text(outcome.address.id())?,
            attributes,
            diff,
            notes,
        ]
        .into_iter()
        .collect(),
    ))
}

fn differences(lua: &Lua, outcome: &Outcome) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for a in outcome.change.diff.attributes() {
        let entry = lua.create_table()?;
        entry.raw_set("name", a.name.as_str())?;
        if !a.secret {
            entry.raw_set("from", a.from.as_ref().map(|v| to_lua(lua, v)).transpose()?)?;
            entry.raw_set("to", a.to.as_ref().map(|v| to_lua(lua, v)).transpose()?)?;
            entry.raw_set("text", a.text.as_deref())?;
        }
        list.raw_push(entry)?;
    }
    Ok(list)
}

/// The result of one call as a table, for use inside others.
pub(crate) fn table(lua: &Lua, shared: &Shared, outcome: &Outcome) -> Result<Table, crate::fault::Fault> {
    const NAMES: [&str; 8] =
        ["changed", "message", "action", "address", "name", "attributes", "diff", "notes"];
    let table = lua.create_table()?;
    if let Answer::Reply(parts) = answer(lua, shared, outcome)? {
        for (name, value) in NAMES.iter().zip(parts) {
            table.raw_set(*name, value)?;
        }
    }
    table.set_metatable(shared.reply_meta.borrow().clone())?;
    Ok(table)
}

/// The result of a call that was not made.
pub(crate) fn skipped(lua: &Lua, shared: &Shared, title: &str) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("changed", false)?;
    table.raw_set("skipped", true)?;
    table.raw_set("message", format!("{title} skipped (`when` is false)"))?;
    table.raw_set("action", "noop")?;
    table.raw_set("diff", shared.empty.borrow().clone())?;
    table.set_metatable(shared.reply_meta.borrow().clone())?;
    Ok(table)
}

/// One result for several hosts: changed when any is, with all of them under `results`.
pub(crate) fn combined(lua: &Lua, shared: &Shared, all: &[(String, Table)]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let results = lua.create_table()?;
    let mut changed = false;
    let mut messages = Vec::new();
    for (host, one) in all {
        changed |= one.raw_get::<bool>("changed")?;
        messages.push(one.raw_get::<String>("message")?);
        results.raw_set(host.as_str(), one)?;
    }
    table.raw_set("changed", changed)?;
    table.raw_set("message", messages.join("; "))?;
    table.raw_set("action", if changed { "update" } else { "noop" })?;
    table.raw_set("results", results)?;
    table.raw_set("diff", shared.empty.borrow().clone())?;
    table.set_metatable(shared.reply_meta.borrow().clone())?;
    Ok(table)
}

/// `(R, R)` as the values of a call.
pub(crate) fn twice(table: Table) -> Native {
    let values: MultiValue = [LuaValue::Table(table.clone()), LuaValue::Table(table)].into_iter().collect();
    Ok(Answer::Values(values))
}
