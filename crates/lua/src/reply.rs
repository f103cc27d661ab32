//! The result of a resource call: a table that `r.changed` and `ok, msg` callers can both use. It has `changed`,
//! `message`, `action`, `address`, `name`, `attributes`, `diff` and `notes`; attributes are fields as well.
//!
//! Most results are not looked at. A result starts with `changed` and a handle on the outcome; the rest is filled in when
//! something else is asked for.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, UserData, Value as LuaValue};
use sloth_core::address::Address;
use sloth_core::body::Outcome;
use sloth_core::recorded::Recorded;
use sloth_core::value::Value;

use crate::convert::to_lua;
use crate::shared::{Answer, Native, Shared, Unlimited};

/// The field of a result that holds its [`Handle`] until the result is filled in.
const PARTS: &str = "__parts";

/// What nobody has looked at.
enum Parts {
    Outcome(Box<Outcome>),
    Record(Arc<Recorded>),
}

struct Handle {
    parts: Parts,
    shared: Rc<Shared>,
}
impl UserData for Handle {}

impl Handle {
    fn address(&self) -> &Address {
        match &self.parts {
            Parts::Outcome(outcome) => &outcome.address,
            Parts::Record(recorded) => &recorded.address,
        }
    }
    fn fill(&self, lua: &Lua, table: &Table) -> mlua::Result<()> {
        match &self.parts {
            Parts::Outcome(outcome) => fill(lua, &self.shared, table, outcome),
            Parts::Record(recorded) => crate::modules::stack::fill(lua, &self.shared, table, recorded),
        }
    }
}

/// What the wrapper of every function makes a result of.
pub(crate) fn parts(lua: &Lua, shared: &Rc<Shared>, outcome: Box<Outcome>) -> mlua::Result<MultiValue> {
    let _unlimited = Unlimited::new(lua);
    let changed = outcome.changed();
    let handle = lua.create_userdata(Handle { parts: Parts::Outcome(outcome), shared: Rc::clone(shared) })?;
    Ok([LuaValue::Integer(3), LuaValue::Boolean(changed), LuaValue::UserData(handle)].into_iter().collect())
}

/// A record as a table that is filled in when something but `changed` is asked for.
pub(crate) fn record(
    lua: &Lua,
    shared: &Rc<Shared>,
    recorded: Arc<Recorded>,
    changed: bool,
) -> mlua::Result<Table> {
    let _unlimited = Unlimited::new(lua);
    let parts = Parts::Record(recorded);
    let table = lua.create_table()?;
    table.raw_set("changed", changed)?;
    table.raw_set(PARTS, lua.create_userdata(Handle { parts, shared: Rc::clone(shared) })?)?;
    table.set_metatable(shared.reply_meta.borrow().clone())?;
    Ok(table)
}

/// Fills in a result; true when something was missing.
pub(crate) fn complete(lua: &Lua, table: &Table) -> mlua::Result<bool> {
    let LuaValue::UserData(handle) = table.raw_get::<LuaValue>(PARTS)? else { return Ok(false) };
    let Ok(handle) = handle.borrow::<Handle>() else { return Ok(false) };
    let _unlimited = Unlimited::new(lua);
    let frozen = table.is_readonly();
    table.set_readonly(false);
    let done = handle.fill(lua, table).and_then(|()| table.raw_set(PARTS, LuaValue::Nil));
    table.set_readonly(frozen);
    done.map(|()| true)
}

/// Is this value, a field of a table, what tells that the table is not filled in?
pub(crate) fn is_handle(value: &LuaValue) -> bool {
    matches!(value, LuaValue::UserData(handle) if handle.is::<Handle>())
}

/// The address of a result that may not be filled in.
pub(crate) fn address(table: &Table) -> Option<String> {
    if let LuaValue::UserData(handle) = table.raw_get::<LuaValue>(PARTS).ok()?
        && let Ok(handle) = handle.borrow::<Handle>()
    {
        return Some(handle.address().to_string());
    }
    match table.raw_get::<LuaValue>("address").ok()? {
        LuaValue::String(text) => Some(text.to_string_lossy()),
        _ => None,
    }
}

/// All fields but `changed`.
fn fill(lua: &Lua, shared: &Shared, table: &Table, outcome: &Outcome) -> mlua::Result<()> {
    table.raw_set("message", outcome.message())?;
    table.raw_set("action", outcome.change.action.as_str())?;
    table.raw_set("address", outcome.address.to_string())?;
    table.raw_set("name", outcome.address.id())?;
    if let Some(state @ Value::Object(_)) = &outcome.state {
        table.raw_set("attributes", to_lua(lua, state)?)?;
    }
    let empty = shared.empty.borrow().clone().filter(|_| outcome.change.diff.attributes().is_empty());
    table.raw_set("diff", empty.map_or_else(|| differences(lua, outcome), Ok)?)?;
    if !outcome.notes.is_empty() {
        table.raw_set("notes", outcome.notes.as_slice())?;
    }
    Ok(())
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

/// The result of one call as a whole table, for use inside others.
pub(crate) fn table(lua: &Lua, shared: &Shared, outcome: &Outcome) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("changed", outcome.changed())?;
    fill(lua, shared, &table, outcome)?;
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

/// One result for several hosts or resources: changed when any is, with all of them under `results`.
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
