//! The modules of the language, one file each, and how they become globals.

pub(crate) mod data;
pub(crate) mod exec;
pub(crate) mod fs;
pub(crate) mod global;
pub(crate) mod io;
pub(crate) mod log;
pub(crate) mod os;
pub(crate) mod stack;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::value::Value;

use crate::args::text_of;
use crate::convert;
use crate::fault::Fault;
use crate::shared::{Native, Shared};

/// Tables of the prelude.
pub(crate) struct Own {
    pub(crate) base: Table,
    pub(crate) goroutine: Table,
    pub(crate) dsl: Table,
}

/// A module being filled.
pub(crate) struct Module<'a> {
    pub(crate) lua: &'a Lua,
    pub(crate) shared: &'a Rc<Shared>,
    pub(crate) name: &'static str,
    pub(crate) table: Table,
}

impl<'a> Module<'a> {
    /// The module of this name: the one that is there, or a new one.
    pub(crate) fn open(lua: &'a Lua, shared: &'a Rc<Shared>, name: &'static str) -> mlua::Result<Self> {
        let table = match lua.globals().raw_get::<LuaValue>(name)? {
            LuaValue::Table(table) => table,
            _ => {
                let table = lua.create_table()?;
                lua.globals().raw_set(name, &table)?;
                table
            }
        };
        Ok(Self { lua, shared, name, table })
    }
    /// Adds a function under one or several names.
    pub(crate) fn add<F>(&self, names: &[&str], function: F) -> mlua::Result<()>
    where
        F: Fn(&Lua, &Rc<Shared>, MultiValue) -> Native + 'static,
    {
        let Some(first) = names.first() else { return Ok(()) };
        let function = self.shared.native(self.lua, &format!("{}.{first}", self.name), function)?;
        for name in names {
            self.table.raw_set(*name, &function)?;
        }
        Ok(())
    }
}

/// An argument that has to be text.
pub(crate) fn text(args: &MultiValue, at: usize, function: &str, what: &str) -> Result<String, Fault> {
    args.get(at).and_then(text_of).ok_or_else(|| wrong(args, at, function, what, "a string"))
}
/// An argument that may be text.
pub(crate) fn maybe_text(args: &MultiValue, at: usize) -> Option<String> {
    args.get(at).and_then(text_of)
}
/// An argument that has to be a number.
pub(crate) fn number(args: &MultiValue, at: usize, function: &str, what: &str) -> Result<f64, Fault> {
    maybe_number(args, at).ok_or_else(|| wrong(args, at, function, what, "a number"))
}
/// An argument that may be a number.
pub(crate) fn maybe_number(args: &MultiValue, at: usize) -> Option<f64> {
    match args.get(at)? {
        #[expect(clippy::cast_precision_loss, reason = "Lua numbers are doubles")]
        LuaValue::Integer(i) => Some(*i as f64),
        LuaValue::Number(n) => Some(*n),
        LuaValue::String(s) => s.to_string_lossy().trim().parse().ok(),
        _ => None,
    }
}
/// An argument that has to be a table.
pub(crate) fn table(args: &MultiValue, at: usize, function: &str, what: &str) -> Result<Table, Fault> {
    match args.get(at) {
        Some(LuaValue::Table(table)) => Ok(table.clone()),
        _ => Err(wrong(args, at, function, what, "a table")),
    }
}
/// An argument that is kept as data.
pub(crate) fn value(lua: &Lua, args: &MultiValue, at: usize, function: &str) -> Result<Value, Fault> {
    convert::from_lua(lua, args.get(at).unwrap_or(&LuaValue::Nil))
        .map_err(|why| Fault::argument(format!("`{function}`: {why}")))
}
fn wrong(args: &MultiValue, at: usize, function: &str, what: &str, expected: &str) -> Fault {
    let got = match args.get(at) {
        None | Some(LuaValue::Nil) => {
            return Fault::argument(format!("`{function}` needs {what}, {expected}"));
        }
        Some(LuaValue::Integer(_) | LuaValue::Number(_)) => "a number".to_owned(),
        Some(other) => format!("a {}", other.type_name()),
    };
    Fault::argument(format!("{what} of `{function}` must be {expected}, not {got}"))
}

/// Makes all globals.
pub(crate) fn install(lua: &Lua, shared: &Rc<Shared>, own: &Own, vars: &Value) -> mlua::Result<()> {
    let globals = lua.globals();
    globals.raw_set("goroutine", &own.goroutine)?;
    data::install(lua, shared)?;
    exec::install(lua, shared)?;
    fs::install(lua, shared)?;
    io::install(lua, shared)?;
    log::install(lua, shared)?;
    os::install(lua, shared)?;
    stack::install(lua, shared)?;
    state::install(lua, shared, own)?;
    catalog(lua, shared)?;
    global::install(lua, shared, own, vars)?;
    Ok(())
}

/// Every operation of the catalog.
fn catalog(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<()> {
    let globals = lua.globals();
    let mut modules: BTreeMap<&'static str, Table> = BTreeMap::new();
    for operation in shared.catalog.operations() {
        let table = match modules.get(operation.module) {
            Some(table) => table.clone(),
            None => {
                let table = match globals.raw_get::<LuaValue>(operation.module)? {
                    LuaValue::Table(table) => table,
                    _ => lua.create_table()?,
                };
                globals.raw_set(operation.module, &table)?;
                modules.insert(operation.module, table.clone());
                table
            }
        };
        let function: Function = crate::declare::operation(lua, shared, *operation)?;
        for name in std::iter::once(&operation.name).chain(operation.aliases) {
            // What the language itself defines stays: `exec.run` is a command unless a guard makes it a resource.
            if table.raw_get::<LuaValue>(*name)?.is_nil() {
                table.raw_set(*name, &function)?;
            }
        }
    }
    if let Some(file) = modules.get("file")
        && globals.raw_get::<LuaValue>("file_ops")?.is_nil()
    {
        globals.raw_set("file_ops", file)?;
    }
    // `custom { … }` is `custom.resource { … }`.
    if let Some(custom) = modules.get("custom") {
        let first = shared.catalog.operations().iter().find(|o| o.module == "custom").map(|o| o.name);
        if let Some(name) = first {
            let function: Function = custom.raw_get(name)?;
            let meta = lua.create_table()?;
            let call: Function = lua
                .load("local f = ... return function(_, ...) return f(...) end")
                .set_name(crate::span::OWN)
                .call(function)?;
            meta.raw_set("__call", call)?;
            custom.set_metatable(Some(meta))?;
        }
    }
    Ok(())
}
