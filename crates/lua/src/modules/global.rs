//! The words themselves, `require`, `load` and their like, and what makes a module strict.

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::suggest::nearest;
use sloth_core::value::Value;

use super::{Module, maybe_text, text};
use crate::convert;
use crate::fault::Fault;
use crate::prelude;
use crate::shared::{Answer, Shared};

pub(crate) fn install(lua: &Lua, shared: &Rc<Shared>, dsl: &Table, vars: &Value) -> mlua::Result<()> {
    let globals = lua.globals();
    for name in ["task", "handler"] {
        globals.raw_set(name, dsl.raw_get::<Function>(name)?)?;
    }
    globals.raw_set("print", super::log::print(lua, shared)?)?;

    let values = freeze(convert::to_lua(lua, &shared.values)?)?;
    let values = if values.is_nil() { LuaValue::Table(lua.create_table()?) } else { values };
    globals.raw_set("values", &values)?;
    globals.raw_set("Values", values)?;
    globals.raw_set("vars", freeze(convert::to_lua(lua, vars)?)?)?;
    globals
        .raw_set("collectgarbage", lua.create_function(|lua, _: MultiValue| Ok(lua.used_memory() / 1024))?)?;

    let load = shared.native(lua, |lua, shared, args| {
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
                    if let Some(instead) = crate::refused::module(&name) {
                        fault.diagnostic.message = format!("module `{name}` is not part of this program");
                        fault.diagnostic.hint = Some(instead.to_owned());
                        return fault.word(name.as_str());
                    }
                    let known = shared.known.borrow();
                    if let Some(near) = nearest(&name, known.iter().map(String::as_str)) {
                        fault.diagnostic.hint = Some(format!("did you mean `{near}`?"));
                    }
                }
                fault.word(name.as_str())
            },
        )
    })?;
    let s = Rc::clone(shared);
    let lookup = lua.create_function(move |lua, name: LuaValue| {
        let LuaValue::String(text) = &name else { return Ok(None) };
        match s.globals()?.raw_get::<LuaValue>(text)? {
            LuaValue::Table(table) => Ok(Some(table)),
            _ => super::module(lua, &s, &text.to_string_lossy()),
        }
    })?;
    let words: Table = prelude::WORDS.call(lua, (import, require, shared.base_words()?, lookup))?;
    words.for_each(|name: LuaValue, word: LuaValue| globals.raw_set(name, word))
}

/// `workflow` and `group` are words and modules at once.
fn callable(module: &Module<'_>) -> mlua::Result<Function> {
    let define = module.shared.define()?;
    let call: Function = prelude::CALL.call(module.lua, &define)?;
    module.meta()?.raw_set("__call", call)?;
    Ok(define)
}

pub(super) fn workflow(module: &Module<'_>) -> mlua::Result<()> {
    module.table.raw_set("define", callable(module)?)
}

pub(super) fn group(module: &Module<'_>) -> mlua::Result<()> {
    callable(module).map(drop)
}

pub(super) fn goroutine(module: &Module<'_>) -> mlua::Result<()> {
    let shared = module.shared;
    let words: Table = prelude::GOROUTINE.call(module.lua, (shared.natives()?, shared.base_words()?))?;
    words.for_each(|name: LuaValue, word: LuaValue| module.table.raw_set(name, word))
}

/// Makes reading what a module does not have an error that names the nearest function.
pub(super) fn strict(module: &Module<'_>) -> mlua::Result<()> {
    let (lua, shared, table) = (module.lua, module.shared, &module.table);
    let meta = module.meta()?;
    if !meta.raw_get::<LuaValue>("__index")?.is_nil() {
        meta.set_readonly(true);
        return Ok(());
    }
    let title = module.name;
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
        let mut fault = fault.span(span);
        if let Some(instead) = crate::refused::function(title, &key) {
            fault.diagnostic.message = format!("`{title}.{key}` is not part of this program");
            return Err(fault.hint(instead));
        }
        Err(match nearest(&key, names.iter().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean `{title}.{near}`?")),
            None => fault,
        })
    })?;
    meta.raw_set("__index", shared.wrapped(index)?)?;
    meta.set_readonly(true);
    Ok(())
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
