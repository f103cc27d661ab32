//! The result of a resource call: a table that `r.changed` and `ok, msg` callers can both use.

use mlua::{Lua, Table, Value as LuaValue};
use sloth_core::body::Outcome;
use sloth_core::value::Value;

use crate::convert::to_lua;
use crate::shared::Shared;

/// Fields of every result; attributes of the resource of the same name do not replace them.
const OWN: &[&str] = &["action", "address", "changed", "diff", "message", "name", "notes", "results"];

/// Builds the result of one call.
pub(crate) fn reply(lua: &Lua, shared: &Shared, outcome: &Outcome) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(0, 10)?;
    if let Some(Value::Object(state)) = &outcome.state {
        for (name, value) in state {
            if !OWN.contains(&name.as_str()) {
                table.raw_set(name.as_str(), to_lua(lua, value)?)?;
            }
        }
    }
    table.raw_set("changed", outcome.changed())?;
    table.raw_set("message", outcome.message())?;
    table.raw_set("action", outcome.change.action.as_str())?;
    table.raw_set("address", outcome.address.to_string())?;
    table.raw_set("name", outcome.address.id())?;
    let attributes = outcome.change.diff.attributes();
    if attributes.is_empty() {
        table.raw_set("diff", shared.empty.borrow().clone())?;
    } else {
        let list = lua.create_table_with_capacity(attributes.len(), 0)?;
        for a in attributes {
            let entry = lua.create_table()?;
            entry.raw_set("name", a.name.as_str())?;
            if !a.secret {
                entry.raw_set("from", a.from.as_ref().map(|v| to_lua(lua, v)).transpose()?)?;
                entry.raw_set("to", a.to.as_ref().map(|v| to_lua(lua, v)).transpose()?)?;
                entry.raw_set("text", a.text.as_deref())?;
            }
            list.raw_push(entry)?;
        }
        table.raw_set("diff", list)?;
    }
    if !outcome.notes.is_empty() {
        table.raw_set("notes", lua.create_sequence_from(outcome.notes.iter().map(String::as_str))?)?;
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
pub(crate) fn twice(table: Table) -> crate::shared::Native {
    crate::shared::Answer::many([LuaValue::Table(table.clone()), LuaValue::Table(table)])
}
