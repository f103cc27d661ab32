//! `systemd`: what is done to a unit at once and has no state, and questions. The catalog adds the resources.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::command::Command;

use super::{Module, exec};
use crate::args::text_of;
use crate::fault::Fault;
use crate::shared::{Answer, Native, Shared};

pub(super) fn fill(module: &Module<'_>) -> mlua::Result<()> {
    for (verb, title) in [("restart", "systemd.restart"), ("reload", "systemd.reload")] {
        module.add(&[verb], move |lua, shared, args| {
            let (unit, options) = unit_and_options(&args, title)?;
            act(lua, shared, &["systemctl", verb, "--", &unit], options.as_ref())
        })?;
    }
    module.add(&["daemon_reload"], |lua, shared, args| {
        let options = match args.front() {
            Some(LuaValue::Table(table)) => Some(table.clone()),
            _ => None,
        };
        act(lua, shared, &["systemctl", "daemon-reload"], options.as_ref())
    })?;
    for (name, verb, title) in [
        ("is_active", "is-active", "systemd.is_active"),
        ("is_enabled", "is-enabled", "systemd.is_enabled"),
        ("is_failed", "is-failed", "systemd.is_failed"),
    ] {
        module.add(&[name], move |lua, shared, args| {
            let (unit, options) = unit_and_options(&args, title)?;
            let command = Command::argv(&["systemctl", verb, "--", &unit]);
            exec::ask(lua, shared, title, command, options.as_ref(), |lua, output| {
                let word = output.stdout.trim();
                let word = if word.is_empty() { output.stderr.trim() } else { word };
                Answer::many([
                    LuaValue::Boolean(output.success()),
                    LuaValue::String(lua.create_string(word)?),
                ])
            })
        })?;
    }
    module.add(&["status"], |lua, shared, args| {
        let (unit, options) = unit_and_options(&args, "systemd.status")?;
        let properties =
            "--property=Id,Description,LoadState,ActiveState,SubState,UnitFileState,MainPID,Result";
        let command = Command::argv(&["systemctl", "show", properties, "--", &unit]);
        exec::ask(lua, shared, "systemd.status", command, options.as_ref(), |lua, output| {
            if !output.success() {
                let why = lua.create_string(output.stderr.trim())?;
                return Answer::many([LuaValue::Nil, LuaValue::String(why)]);
            }
            let table = lua.create_table()?;
            for (name, value) in output.stdout.lines().filter_map(|line| line.split_once('=')) {
                table.raw_set(name, value)?;
            }
            let active = output.stdout.lines().any(|line| line == "ActiveState=active");
            table.raw_set("active", active)?;
            Answer::one(LuaValue::Table(table))
        })
    })
}

/// The unit of `("nginx")`, `("nginx", {…})` and `{name = "nginx", …}`, and the options.
fn unit_and_options(args: &MultiValue, title: &str) -> Result<(String, Option<Table>), Fault> {
    let needs = || Fault::argument(format!("`{title}` needs the name of a unit"));
    let (unit, options) = match (args.front(), args.get(1)) {
        (Some(LuaValue::Table(table)), _) => {
            let named = ["name", "unit", "service"]
                .iter()
                .find_map(|key| table.raw_get::<Option<LuaValue>>(*key).ok()?);
            let first = || table.raw_get::<Option<LuaValue>>(1).ok().flatten();
            (named.or_else(first).as_ref().and_then(text_of), Some(table.clone()))
        }
        (Some(other), Some(LuaValue::Table(options))) => (text_of(other), Some(options.clone())),
        (Some(other), _) => (text_of(other), None),
        (None, _) => (None, None),
    };
    let unit = unit.filter(|unit| !unit.trim().is_empty()).ok_or_else(needs)?;
    if unit.chars().any(|c| c.is_whitespace() || matches!(c, '*' | '?' | '[' | '/')) {
        return Err(Fault::argument(format!("no unit can be called `{unit}`")).word(unit.as_str()));
    }
    Ok((unit, options))
}

/// A command that is not a resource: it runs whenever it is called, and raises when it fails.
fn act(lua: &Lua, shared: &Rc<Shared>, argv: &[&str], options: Option<&Table>) -> Native {
    let command = lua.create_sequence_from(argv.iter().copied())?;
    let given = lua.create_table()?;
    given.raw_set("raise", true)?;
    if let Some(options) = options {
        for key in ["delegate_to", "host", "ignore_errors", "raise", "timeout", "when"] {
            let value: LuaValue = options.raw_get(key)?;
            if !value.is_nil() {
                given.raw_set(key, value)?;
            }
        }
    }
    let args = [LuaValue::Table(command), LuaValue::Table(given)].into_iter().collect();
    exec::run(lua, shared, args, None)
}
