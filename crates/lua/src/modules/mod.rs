//! The modules of the language, one file each, and how they become globals.

pub(crate) mod crypto;
pub(crate) mod data;
pub(crate) mod exec;
pub(crate) mod facts;
mod file;
pub(crate) mod fs;
pub(crate) mod global;
pub(crate) mod http;
pub(crate) mod infra_test;
pub(crate) mod io;
pub(crate) mod log;
pub(crate) mod net;
pub(crate) mod os;
mod ssh;
pub(crate) mod stack;
pub(crate) mod state;
pub(crate) mod systemd;

use std::rc::Rc;

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::value::Value;

use crate::args::text_of;
use crate::convert;
use crate::fault::Fault;
use crate::limits::Guard;
use crate::prelude;
use crate::shared::{Native, Shared, Unlimited};

/// A module being filled.
pub(crate) struct Module<'a> {
    pub(crate) lua: &'a Lua,
    pub(crate) shared: &'a Rc<Shared>,
    pub(crate) name: &'static str,
    pub(crate) table: Table,
}

impl Module<'_> {
    /// Adds a function under one or several names.
    pub(crate) fn add<F>(&self, names: &[&str], function: F) -> mlua::Result<()>
    where
        F: Fn(&Lua, &Rc<Shared>, MultiValue) -> Native + 'static,
    {
        let function = self.shared.native(self.lua, function)?;
        for name in names {
            self.table.raw_set(*name, &function)?;
        }
        Ok(())
    }
    /// Its metatable.
    pub(crate) fn meta(&self) -> mlua::Result<Table> {
        if let Some(meta) = self.table.metatable() {
            return Ok(meta);
        }
        let meta = self.lua.create_table()?;
        self.table.set_metatable(Some(meta.clone()))?;
        Ok(meta)
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

/// Adds the functions of a module.
type Fill = fn(&Module<'_>) -> mlua::Result<()>;

/// Modules of the language itself; the catalog adds its operations to them, and modules of its own.
const MODULES: &[(&str, Fill)] = &[
    ("crypto", crypto::fill),
    ("data", data::data),
    ("event", stack::event),
    ("exec", exec::fill),
    ("facts", facts::fill),
    ("file", file::fill),
    ("fs", fs::fill),
    ("goroutine", global::goroutine),
    ("group", global::group),
    ("http", http::fill),
    ("infra_test", infra_test::fill),
    ("io", io::fill),
    ("json", data::json),
    ("log", log::fill),
    ("net", net::fill),
    ("network", net::fill),
    ("os", os::os),
    ("ssh", ssh::fill),
    ("stack", stack::stack),
    ("state", state::fill),
    ("strings", data::strings),
    ("systemd", systemd::fill),
    ("template", data::template),
    ("time", os::time),
    ("workflow", global::workflow),
];

/// A second name of `file`.
const FILE_OPS: &str = "file_ops";

/// Names of all modules, sorted.
pub(crate) fn names(shared: &Shared) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = MODULES.iter().map(|(name, _)| *name).collect();
    for operation in shared.catalog.operations() {
        if names.last() != Some(&operation.module) {
            names.push(operation.module);
        }
    }
    if names.contains(&"file") {
        names.push(FILE_OPS);
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The module of this name. Modules are made when they are first asked for, because a file uses few of them.
pub(crate) fn module(lua: &Lua, shared: &Rc<Shared>, name: &str) -> mlua::Result<Option<Table>> {
    let known = shared.modules.borrow();
    let Some(name) = known.binary_search(&name).ok().and_then(|at| known.get(at).copied()) else {
        return Ok(None);
    };
    drop(known);
    let globals = shared.globals()?;
    if let LuaValue::Table(table) = globals.raw_get::<LuaValue>(name)? {
        return Ok(Some(table));
    }
    // Neither the limits of the script nor its end may leave a module half made.
    let unlimited = Unlimited::new(lua);
    let guard = shared.guard.replace(Rc::new(Guard::trusted()));
    let made = make(lua, shared, name).and_then(|table| {
        globals.set_readonly(false);
        let done = globals.raw_set(name, &table);
        globals.set_readonly(true);
        done.map(|()| table)
    });
    shared.guard.replace(guard);
    drop(unlimited);
    made.map(Some)
}

fn make(lua: &Lua, shared: &Rc<Shared>, name: &'static str) -> mlua::Result<Table> {
    let operations = || shared.catalog.operations().iter().filter(|o| o.module == name);
    if name == FILE_OPS
        && operations().next().is_none()
        && let Some(file) = module(lua, shared, "file")?
    {
        return Ok(file);
    }
    let module = Module { lua, shared, name, table: lua.create_table()? };
    if let Some((_, fill)) = MODULES.iter().find(|(own, _)| *own == name) {
        fill(&module)?;
    }
    for operation in operations() {
        let function: Function = crate::declare::operation(lua, shared, *operation)?;
        for name in std::iter::once(&operation.name).chain(operation.aliases) {
            // What the language itself defines stays: `exec.run` is a command unless a guard makes it a resource.
            if module.table.raw_get::<LuaValue>(*name)?.is_nil() {
                module.table.raw_set(*name, &function)?;
            }
        }
    }
    // `custom { … }` is `custom.resource { … }`.
    if name == "custom"
        && let Some(first) = operations().next()
    {
        let function: Function = module.table.raw_get(first.name)?;
        let common: Vec<&str> = sloth_core::kind::COMMON.iter().map(|p| p.name).collect();
        let words = (shared.natives()?, &function, common);
        module.table.raw_set("type", prelude::CUSTOM.call::<Function>(lua, words)?)?;
        module.meta()?.raw_set("__call", prelude::CALL.call::<Function>(lua, function)?)?;
    }
    global::strict(&module)?;
    module.table.set_readonly(true);
    Ok(module.table)
}
