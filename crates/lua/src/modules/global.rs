//! The words themselves, `require`, `load` and their like, and what makes a module strict.

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::suggest::nearest;
use sloth_core::value::Value;

use super::{Own, maybe_text, text};
use crate::convert;
use crate::fault::Fault;
use crate::shared::{Answer, Shared};
use crate::span::OWN;

/// Modules that keep Lua's own habit of answering nil for what they do not have.
const LOOSE: &[&str] = &[
    "bit32",
    "buffer",
    "coroutine",
    "debug",
    "math",
    "string",
    "table",
    "utf8",
    "values",
    "Values",
    "vars",
    "_G",
];

pub(super) fn install(lua: &Lua, shared: &Rc<Shared>, own: &Own, vars: &Value) -> mlua::Result<()> {
    let globals = lua.globals();
    let task: Function = own.dsl.raw_get("task")?;
    let define: Function = own.dsl.raw_get("define")?;
    globals.raw_set("task", task)?;
    globals.raw_set("handler", own.dsl.raw_get::<Function>("handler")?)?;

    let values = freeze(convert::to_lua(lua, &shared.values)?)?;
    let values = if values.is_nil() { LuaValue::Table(lua.create_table()?) } else { values };
    globals.raw_set("values", &values)?;
    globals.raw_set("Values", values)?;
    globals.raw_set("vars", freeze(convert::to_lua(lua, vars)?)?)?;

    // Lua 5.1 spellings that Luau does not have.
    let table: Table = globals.raw_get("table")?;
    table.raw_set("getn", lua.create_function(|_, t: Table| Ok(t.raw_len()))?)?;
    let string: Table = globals.raw_get("string")?;
    string.raw_set("gfind", string.raw_get::<Function>("gmatch")?)?;
    let math: Table = globals.raw_get("math")?;
    math.raw_set("mod", math.raw_get::<Function>("fmod")?)?;
    globals.raw_set("unpack", table.raw_get::<Function>("unpack")?)?;

    let traceback: Function = globals.raw_get::<Table>("debug")?.raw_get("traceback")?;
    let debug = lua.create_table()?;
    debug.raw_set("traceback", traceback)?;
    globals.raw_set("debug", debug)?;
    globals
        .raw_set("collectgarbage", lua.create_function(|lua, _: MultiValue| Ok(lua.used_memory() / 1024))?)?;

    let load = shared.native(lua, "load", |lua, shared, args| {
        let text = text(&args, 0, "load", "the text")?;
        let name = maybe_text(&args, 1).unwrap_or_else(|| "load".to_owned());
        let name = format!("[{}]", name.trim_start_matches(['=', '@']).chars().take(60).collect::<String>());
        if text.len() > 1 << 20 {
            return Err(Fault::new("limit", "`load` takes at most 1 MiB of text"));
        }
        match crate::loader::chunk(lua, shared, &name, &text) {
            Ok(function) => Answer::one(LuaValue::Function(function)),
            Err(fault) => {
                let why = fault.diagnostic.to_string();
                Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(why)?)])
            }
        }
    })?;
    globals.raw_set("load", &load)?;
    globals.raw_set("loadstring", load)?;

    let import = shared.raw_native(lua, |lua, shared, args| {
        let path = text(&args, 0, "import", "a path")?;
        crate::loader::source(lua, shared, &path, &["", ".sloth", ".lua", ".luau"])
    })?;
    let require = shared.raw_native(lua, |lua, shared, args| {
        let name = text(&args, 0, "require", "a name")?;
        let relative = name.starts_with("./") || name.starts_with("../") || name.contains('/');
        let path = if relative { name.clone() } else { name.replace('.', "/") };
        crate::loader::source(lua, shared, &path, &["", ".lua", ".luau", ".sloth", "/init.lua"]).map_err(
            |mut fault| {
                if fault.diagnostic.message.starts_with("there is no file") && !relative {
                    fault.diagnostic.message =
                        format!("there is no module `{name}` and no file of that name");
                    let known = shared.known.borrow();
                    if let Some(near) = nearest(&name, known.iter().map(String::as_str)) {
                        fault.diagnostic.hint = Some(format!("did you mean `{near}`?"));
                    }
                }
                fault.word(name.as_str())
            },
        )
    })?;
    let words: Table = lua
        .load(
            r#"
local import, require, B, define, lookup = ...
local settle, pack, unpack = B.settle, B.pack, B.unpack
local loaded, loading = {}, {}
local function run(f, name)
	if loaded[name] then
		return unpack(loaded[name], 1, loaded[name].n)
	elseif loading[name] then
		error(name .. " imports itself", 0)
	end
	loading[name] = true
	local r = pack(f())
	loading[name], loaded[name] = nil, r
	return unpack(r, 1, r.n)
end
return {
	import = function(path)
		return run(settle(import(path)))
	end,
	dofile = function(path)
		return (settle(import(path)))()
	end,
	require = function(name)
		local known = lookup(name)
		if known ~= nil then
			return known
		end
		return run(settle(require(name)))
	end,
	call = function(_, ...)
		return define(...)
	end,
}
"#,
        )
        .set_name(OWN)
        .call((import, require, own.base.clone(), define.clone(), {
            let names = globals.clone();
            lua.create_function(move |_, name: LuaValue| match &name {
                LuaValue::String(_) => match names.raw_get::<LuaValue>(name.clone())? {
                    LuaValue::Table(t) => Ok(LuaValue::Table(t)),
                    _ => Ok(LuaValue::Nil),
                },
                _ => Ok(LuaValue::Nil),
            })?
        }))?;
    for name in ["import", "dofile", "require"] {
        globals.raw_set(name, words.raw_get::<Function>(name)?)?;
    }

    // `workflow` and `group` are words and modules at once.
    let call: Function = words.raw_get("call")?;
    let workflow = lua.create_table()?;
    workflow.raw_set("define", define)?;
    globals.raw_set("workflow", &workflow)?;
    let group = match globals.raw_get::<LuaValue>("group")? {
        LuaValue::Table(table) => table,
        _ => lua.create_table()?,
    };
    globals.raw_set("group", &group)?;

    let mut modules = Vec::new();
    globals.for_each(|k: LuaValue, v: LuaValue| {
        if let (LuaValue::String(name), LuaValue::Table(table)) = (k, v) {
            let name = name.to_string_lossy();
            if !LOOSE.contains(&name.as_str()) {
                modules.push((name, table));
            }
        }
        Ok(())
    })?;
    modules.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, table) in modules {
        let words_call = (name == "workflow" || name == "group").then(|| call.clone());
        strict(lua, shared, own, &name, &table, words_call)?;
    }
    Ok(())
}

/// Makes reading what a module does not have an error that names the nearest function.
fn strict(
    lua: &Lua,
    shared: &Rc<Shared>,
    own: &Own,
    name: &str,
    table: &Table,
    call: Option<Function>,
) -> mlua::Result<()> {
    if table.metatable().is_some_and(|m| m.raw_get::<LuaValue>("__index").is_ok_and(|v| !v.is_nil())) {
        return Ok(()); // the second name of a module that is done
    }
    let meta = match table.metatable() {
        Some(meta) => meta,
        None => lua.create_table()?,
    };
    let title = name.to_owned();
    let weak = table.clone();
    let index = shared.raw_native(lua, move |lua, shared, args| {
        let key = maybe_text(&args, 1).unwrap_or_default();
        let mut names = Vec::new();
        weak.for_each(|k: LuaValue, _: LuaValue| {
            if let LuaValue::String(s) = k {
                names.push(s.to_string_lossy());
            }
            Ok(())
        })?;
        names.sort();
        let fault = Fault::new("unknown", format!("module `{title}` has no `{key}`")).word(key.as_str());
        let span = shared.here(lua).map(|s| shared.sources.borrow().find_key(&s, &key));
        let fault = fault.span(span);
        Err(match nearest(&key, names.iter().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean `{title}.{near}`?")),
            None => fault,
        })
    })?;
    let settle: Function = own.base.raw_get("wrap")?;
    meta.raw_set("__index", settle.call::<Function>(index)?)?;
    if let Some(call) = call {
        meta.raw_set("__call", call)?;
    }
    meta.set_readonly(true);
    table.set_metatable(Some(meta))
}

/// Makes a value unchangeable all the way down.
fn freeze(value: LuaValue) -> mlua::Result<LuaValue> {
    if let LuaValue::Table(table) = &value {
        let mut inner = Vec::new();
        table.for_each(|_: LuaValue, v: LuaValue| {
            inner.push(v);
            Ok(())
        })?;
        for v in inner {
            freeze(v)?;
        }
        table.set_readonly(true);
    }
    Ok(value)
}
