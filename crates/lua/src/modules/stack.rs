//! `stack` and `event`.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::body::{Registered, Registration};
use sloth_core::desired::Options;
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::value::{Map, Value};

use super::{Module, maybe_text, table, text, value};
use crate::args::texts_of;
use crate::convert;
use crate::fault::Fault;
use crate::shared::{Answer, Native, Shared};

fn text_or_nil(lua: &Lua, text: Option<String>) -> Native {
    match text {
        Some(text) => Answer::text(lua, text),
        None => Answer::one(LuaValue::Nil),
    }
}

/// A record as a table.
fn record(lua: &Lua, shared: &Shared, recorded: &Recorded) -> mlua::Result<Table> {
    let t = lua.create_table()?;
    fill(lua, shared, &t, recorded)?;
    Ok(t)
}

/// The fields of a record.
pub(crate) fn fill(lua: &Lua, shared: &Shared, t: &Table, recorded: &Recorded) -> mlua::Result<()> {
    let stack = shared.maybe_scope().and_then(|s| s.stack()).map(|s| s.id.to_string());
    let (kind, name) = (recorded.address.kind(), recorded.address.id());
    t.raw_set(
        "id",
        match &stack {
            Some(id) => format!("{id}/{}/{kind}/{name}", recorded.module),
            None => format!("{}/{kind}/{name}", recorded.module),
        },
    )?;
    t.raw_set("stack_id", stack)?;
    t.raw_set("type", kind)?;
    t.raw_set("name", name)?;
    let address = recorded.address.to_string();
    t.raw_set("message", address.as_str())?;
    t.raw_set("address", address)?;
    t.raw_set("module", recorded.module.as_str())?;
    t.raw_set("operation", recorded.operation.as_str())?;
    t.raw_set("state", recorded.condition.as_str())?;
    t.raw_set("checksum", recorded.checksum().hex())?;
    t.raw_set("properties", convert::to_lua(lua, &recorded.spec)?)?;
    t.raw_set(
        "dependencies",
        lua.create_sequence_from(recorded.options.depends_on.iter().map(String::as_str))?,
    )?;
    t.raw_set("error", recorded.error.as_deref())?;
    t.raw_set("error_message", recorded.error.as_deref())?;
    t.raw_set("created_at", recorded.created_at.rfc3339())?;
    t.raw_set("updated_at", recorded.updated_at.rfc3339())?;
    if recorded.condition == Condition::Applied {
        t.raw_set("last_applied", recorded.updated_at.rfc3339())?;
    }
    Ok(())
}

/// Reads the table of `register_resource` and of `resource`.
fn registration(lua: &Lua, given: &Table, function: &str, applied: bool) -> Result<Registration, Fault> {
    const KEYS: &[&str] = &[
        "dependencies",
        "depends_on",
        "id",
        "keep",
        "metadata",
        "module",
        "name",
        "properties",
        "protect",
        "sensitive",
        "type",
    ];
    // One pass over what is there costs less than asking for every name that could be.
    let mut fields: [LuaValue; KEYS.len()] = std::array::from_fn(|_| LuaValue::Nil);
    let mut unknown: Option<String> = None;
    given.for_each(|k: LuaValue, v: LuaValue| {
        if let LuaValue::String(s) = &k {
            match KEYS.iter().position(|key| *s.as_bytes() == *key.as_bytes()) {
                Some(at) => fields[at] = v,
                None => unknown = Some(s.to_string_lossy()),
            }
        }
        Ok(())
    })?;
    if let Some(key) = unknown {
        let fault = Fault::argument(format!("`{function}` has no field `{key}`")).word(key.as_str());
        return Err(match sloth_core::suggest::nearest(&key, KEYS.iter().copied()) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        });
    }
    let given =
        |name: &str| KEYS.iter().position(|key| *key == name).map_or(&LuaValue::Nil, |at| &fields[at]);
    let field = |name: &str| crate::args::text_of(given(name)).filter(|t| !t.is_empty());
    let needs = |name: &str| Fault::argument(format!("`{function}` needs `{name}`"));
    let kind = field("type").ok_or_else(|| needs("type"))?;
    let name = field("name").or_else(|| field("id")).ok_or_else(|| needs("name"))?;
    let module = match field("module") {
        Some(module) => module,
        None if applied => "stack".to_owned(),
        None => return Err(needs("module")),
    };
    let properties = match given("properties") {
        LuaValue::Nil => Map::new(),
        other => convert::object(lua, other).map_err(|why| {
            Fault::argument(format!("`properties` of `{function}`: {why}")).word("properties")
        })?,
    };
    let list = |name: &str| -> Result<Vec<String>, Fault> {
        match given(name) {
            LuaValue::Nil => Ok(Vec::new()),
            other => texts_of(other).ok_or_else(|| {
                Fault::argument(format!("`{name}` of `{function}` must be a list of strings")).word(name)
            }),
        }
    };
    let mut dependencies = list("dependencies")?;
    dependencies.extend(list("depends_on")?);
    let flag = |name: &str| -> Result<bool, Fault> {
        match given(name) {
            LuaValue::Nil => Ok(false),
            LuaValue::Boolean(on) => Ok(*on),
            other => Err(Fault::argument(format!(
                "`{name}` of `{function}` must be a boolean, not a {}",
                other.type_name()
            ))
            .word(name)),
        }
    };
    Ok(Registration {
        kind,
        name,
        module,
        properties: Value::Object(properties),
        dependencies,
        applied,
        options: Options {
            keep: flag("keep")?,
            protect: flag("protect")?,
            sensitive: flag("sensitive")?,
            ..Options::default()
        },
    })
}

fn register(lua: &Lua, shared: &Rc<Shared>, args: &MultiValue, function: &str, applied: bool) -> Native {
    let scope = shared.scope(function)?;
    let entry = registration(lua, &table(args, 0, function, "the resource")?, function, applied)?;
    let (how, recorded) = scope.register(entry)?;
    let word = match how {
        Registered::Created => "created",
        Registered::Changed => "changed",
        Registered::Unchanged => "unchanged",
    };
    let resource = crate::reply::record(lua, shared, recorded, how != Registered::Unchanged)?;
    Answer::many([LuaValue::String(lua.create_string(word)?), LuaValue::Table(resource)])
}

pub(super) fn stack(stack: &Module<'_>) -> mlua::Result<()> {
    stack.add(&["get_name", "name"], |lua, shared, _| {
        text_or_nil(lua, shared.maybe_scope().map(|s| s.stack_name()))
    })?;
    stack.add(&["get_id", "id"], |lua, shared, _| {
        text_or_nil(lua, shared.maybe_scope().and_then(|s| s.stack()).map(|s| s.id.to_string()))
    })?;
    stack.add(&["get_status", "status"], |lua, shared, _| {
        text_or_nil(lua, shared.maybe_scope().and_then(|s| s.stack()).map(|s| s.status.as_str().to_owned()))
    })?;
    stack.add(&["set_output"], |lua, shared, args| {
        let name = text(&args, 0, "stack.set_output", "a name")?;
        let value = value(lua, &args, 1, "stack.set_output")?;
        let sensitive = match args.get(2) {
            Some(LuaValue::Table(t)) => t.raw_get::<Option<bool>>("sensitive")?.unwrap_or(false),
            _ => false,
        };
        shared.scope("stack.set_output")?.output_set(Output { name, value, sensitive })?;
        Answer::flag(true)
    })?;
    stack.add(&["get_output"], |lua, shared, args| {
        let name = text(&args, 0, "stack.get_output", "a name")?;
        match shared.scope("stack.get_output")?.output_get(&name)? {
            Some(output) => Answer::one(convert::to_lua(lua, &output.value)?),
            None => Answer::one(args.get(1).cloned().unwrap_or(LuaValue::Nil)),
        }
    })?;
    stack.add(&["output_of"], |lua, shared, args| {
        let other = text(&args, 0, "stack.output_of", "a stack")?;
        let name = text(&args, 1, "stack.output_of", "a name")?;
        match shared.scope("stack.output_of")?.output_of(&other, &name)? {
            Some(output) => Answer::one(convert::to_lua(lua, &output.value)?),
            None => Answer::one(args.get(2).cloned().unwrap_or(LuaValue::Nil)),
        }
    })?;
    stack.add(&["depends_on"], |_, shared, args| {
        let scope = shared.scope("stack.depends_on")?;
        for value in &args {
            let names =
                texts_of(value).ok_or_else(|| Fault::argument("`stack.depends_on` needs names of stacks"))?;
            for name in names {
                scope.depends_on(&name)?;
            }
        }
        Answer::flag(true)
    })?;
    stack.add(&["register_resource", "register"], |lua, shared, args| {
        register(lua, shared, &args, "stack.register_resource", false)
    })?;
    stack.add(&["resource"], |lua, shared, args| register(lua, shared, &args, "stack.resource", true))?;
    stack.add(&["update_resource"], |_, shared, args| {
        let function = "stack.update_resource";
        let (kind, name) = (text(&args, 0, function, "a type")?, text(&args, 1, function, "a name")?);
        let given = table(&args, 2, function, "the new state")?;
        let state = crate::args::text_of(&given.raw_get::<LuaValue>("state")?)
            .unwrap_or_else(|| "applied".to_owned());
        let condition = Condition::parse(&state).ok_or_else(|| {
            Fault::argument(format!("`state` of `{function}` cannot be `{state}`"))
                .hint("it is one of `applied`, `pending`, `failed`")
                .word(state.as_str())
        })?;
        let error = crate::args::text_of(&given.raw_get::<LuaValue>("error")?);
        shared.scope(function)?.registered_condition(&kind, &name, condition, error)?;
        Answer::flag(true)
    })?;
    stack.add(&["delete_resource"], |_, shared, args| {
        let function = "stack.delete_resource";
        let (kind, name) = (text(&args, 0, function, "a type")?, text(&args, 1, function, "a name")?);
        Answer::flag(shared.scope(function)?.forget(&kind, &name)?)
    })?;
    stack.add(&["get_resource"], |lua, shared, args| {
        let function = "stack.get_resource";
        let (kind, name) = (text(&args, 0, function, "a type")?, text(&args, 1, function, "a name")?);
        match shared.scope(function)?.recorded(&kind, &name)? {
            Some(recorded) => Answer::one(LuaValue::Table(record(lua, shared, &recorded)?)),
            None => Answer::one(LuaValue::Nil),
        }
    })?;
    stack.add(&["resource_exists"], |_, shared, args| {
        let function = "stack.resource_exists";
        let (kind, name) = (text(&args, 0, function, "a type")?, text(&args, 1, function, "a name")?);
        Answer::flag(shared.scope(function)?.recorded(&kind, &name)?.is_some())
    })?;
    stack.add(&["resources", "list_resources"], |lua, shared, args| {
        let kind = maybe_text(&args, 0);
        let list = lua.create_table()?;
        for recorded in shared.scope("stack.resources")?.recorded_all()? {
            if kind.as_deref().is_none_or(|k| k == recorded.address.kind()) {
                list.raw_push(record(lua, shared, &recorded)?)?;
            }
        }
        Answer::one(LuaValue::Table(list))
    })
}

pub(super) fn event(event: &Module<'_>) -> mlua::Result<()> {
    event.add(&["dispatch", "emit"], |lua, shared, args| {
        let name = text(&args, 0, "event.dispatch", "a name")?;
        let payload = match args.get(1) {
            None | Some(LuaValue::Nil) => Value::Object(Map::new()),
            Some(_) => value(lua, &args, 1, "event.dispatch")?,
        };
        shared.scope("event.dispatch")?.dispatch(&name, payload)?;
        Answer::flag(true)
    })?;
    event.add(&["dispatch_custom"], |lua, shared, args| {
        let name = text(&args, 0, "event.dispatch_custom", "a name")?;
        let mut payload = Map::new();
        payload.insert("message".to_owned(), value(lua, &args, 1, "event.dispatch_custom")?);
        shared.scope("event.dispatch_custom")?.dispatch(&name, Value::Object(payload))?;
        Answer::flag(true)
    })?;
    event.add(&["dispatch_file"], |_, shared, args| {
        let function = "event.dispatch_file";
        let mut payload = Map::new();
        payload.insert("path".to_owned(), Value::from(text(&args, 1, function, "a path")?));
        if let Some(watcher) = maybe_text(&args, 2) {
            payload.insert("watcher".to_owned(), Value::from(watcher));
        }
        let name = format!("file.{}", text(&args, 0, function, "a kind")?);
        shared.scope(function)?.dispatch(&name, Value::Object(payload))?;
        Answer::flag(true)
    })
}
