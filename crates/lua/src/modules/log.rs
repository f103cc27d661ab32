//! `log.*` and `print`.

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Value as LuaValue};

use super::Module;
use crate::convert;
use crate::shared::{Answer, Shared};

/// What a value looks like in a line of output.
pub(crate) fn shown(lua: &Lua, value: &LuaValue) -> mlua::Result<String> {
    if let LuaValue::Table(table) = value
        && !table.metatable().is_some_and(|m| m.raw_get::<LuaValue>("__tostring").is_ok_and(|v| !v.is_nil()))
        && let Ok(data) = convert::from_lua(lua, value)
    {
        return Ok(data.to_string());
    }
    value.to_string()
}

fn line(lua: &Lua, args: &MultiValue, between: &str) -> mlua::Result<String> {
    let parts = args.iter().map(|v| shown(lua, v)).collect::<mlua::Result<Vec<_>>>()?;
    Ok(parts.join(between))
}

pub(super) fn fill(log: &Module<'_>) -> mlua::Result<()> {
    for (names, stream) in [
        (&["debug", "trace"][..], "debug"),
        (&["error"][..], "error"),
        (&["info"][..], "info"),
        (&["print"][..], "print"),
        (&["success"][..], "success"),
        (&["warn", "warning"][..], "warn"),
    ] {
        log.add(names, move |lua, shared, args| {
            shared.say(stream, &line(lua, &args, " ")?);
            Answer::none()
        })?;
    }
    log.add(&["table"], |lua, shared, mut args| {
        let value = args.pop_front().unwrap_or(LuaValue::Nil);
        let text = match convert::from_lua(lua, &value) {
            Ok(data) => serde_json::to_string_pretty(&data).unwrap_or_default(),
            Err(_) => shown(lua, &value)?,
        };
        let text = match args.front() {
            Some(title) if !title.is_nil() => format!("{}: {text}", shown(lua, title)?),
            _ => text,
        };
        shared.say("info", &text);
        Answer::none()
    })
}

/// `print`
pub(super) fn print(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Function> {
    shared.native(lua, |lua, shared, args| {
        shared.say("print", &line(lua, &args, "\t")?);
        Answer::none()
    })
}
