//! Lua values to core values and back, without guessing.
//!
//! Out of Lua: tables with keys `1..n` are lists, tables with text keys are objects, anything mixed is refused with its
//! path, and so are functions, NaN and infinities. An empty table is an object, unless it came from JSON, YAML or a
//! list-valued argument as an empty list. Whole numbers become integers. Objects leave with their keys sorted.

use mlua::{Lua, Table, Value as LuaValue};
use sloth_core::value::{Map, Value};

/// Deepest nesting that is converted.
const DEPTH: usize = 100;
/// Largest whole number every part of the language keeps exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Registry name of the metatable of lists.
pub(crate) const LIST: &str = "sloth.list";

/// The metatable by which an empty table is a list.
pub(crate) fn list_meta(lua: &Lua) -> mlua::Result<Table> {
    lua.named_registry_value(LIST)
}

/// A Lua number as JSON has it.
pub(crate) fn number(n: f64) -> Option<Value> {
    if !n.is_finite() {
        return None;
    }
    if n.fract() == 0.0 && n.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
        return Some(Value::from(n as i64));
    }
    Some(Value::from(n))
}

/// Takes a value out of Lua.
///
/// # Errors
/// Says what cannot be converted and where it is.
pub(crate) fn from_lua(lua: &Lua, value: &LuaValue) -> Result<Value, String> {
    from(lua, value, &mut String::new(), 0)
}

/// Takes a table out of Lua as an object.
///
/// # Errors
/// It is a list, or something in it cannot be converted.
pub(crate) fn object(lua: &Lua, value: &LuaValue) -> Result<Map, String> {
    match from_lua(lua, value)? {
        Value::Object(map) => Ok(map),
        Value::Array(list) if list.is_empty() => Ok(Map::new()),
        Value::Array(_) => Err("a list was given where names are needed".to_owned()),
        _ => Err(format!("a {} was given where a table is needed", value.type_name())),
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at `{}`", path.trim_start_matches('.')) }
}

fn from(lua: &Lua, value: &LuaValue, path: &mut String, depth: usize) -> Result<Value, String> {
    if depth > DEPTH {
        return Err(format!("a table contains itself or is nested more than {DEPTH} levels deep"));
    }
    match value {
        LuaValue::Nil => Ok(Value::Null),
        LuaValue::Boolean(b) => Ok(Value::Bool(*b)),
        LuaValue::Integer(i) => Ok(Value::from(*i)),
        LuaValue::Number(n) => {
            number(*n).ok_or_else(|| format!("{n} is not a number JSON knows{}", place(path)))
        }
        LuaValue::String(s) => match s.to_str() {
            Ok(text) => Ok(Value::from(&*text)),
            Err(_) => Err(format!("text that is not UTF-8 cannot be kept{}", place(path))),
        },
        LuaValue::Table(table) => {
            let len = table.raw_len();
            let mut pairs: Vec<(String, LuaValue)> = Vec::new();
            let mut list: Vec<Option<LuaValue>> = Vec::new();
            let mut odd: Option<String> = None;
            let mut lazy = false;
            table
                .for_each(|k: LuaValue, v: LuaValue| {
                    lazy |= crate::reply::is_handle(&v);
                    match k {
                        LuaValue::Integer(i) if i >= 1 && usize::try_from(i).is_ok_and(|i| i <= len) => {
                            let at = usize::try_from(i).unwrap_or(1) - 1;
                            if list.len() <= at {
                                list.resize(at + 1, None);
                            }
                            list[at] = Some(v);
                        }
                        LuaValue::String(s) => match s.to_str() {
                            Ok(text) => pairs.push((text.to_owned(), v)),
                            Err(_) => odd = Some("a key that is not UTF-8".to_owned()),
                        },
                        other => odd = Some(format!("the key `{}`", key_text(&other))),
                    }
                    Ok(())
                })
                .map_err(|e| e.to_string())?;
            if lazy && crate::reply::complete(lua, table).map_err(|e| e.to_string())? {
                return from(lua, value, path, depth);
            }
            if let Some(odd) = odd {
                return Err(format!("a table with {odd} is neither a list nor an object{}", place(path)));
            }
            if !pairs.is_empty() && !list.is_empty() {
                let key = pairs.into_iter().map(|(k, _)| k).min().unwrap_or_default();
                return Err(format!(
                    "a table with both list entries and names (`{key}`) is neither a list nor an object{}",
                    place(path)
                ));
            }
            let end = path.len();
            if !pairs.is_empty() {
                let mut map = Map::new();
                for (key, value) in pairs {
                    path.push('.');
                    path.push_str(&key);
                    map.insert(key, from(lua, &value, path, depth + 1)?);
                    path.truncate(end);
                }
                return Ok(Value::Object(map));
            }
            if list.is_empty() {
                let is_list = table.metatable().is_some_and(|m| list_meta(lua).is_ok_and(|l| l == m));
                return Ok(if is_list { Value::Array(vec![]) } else { Value::Object(Map::new()) });
            }
            let mut out = Vec::with_capacity(list.len());
            for (index, item) in list.into_iter().enumerate() {
                let Some(item) = item else {
                    return Err(format!("a list with a hole at position {}{}", index + 1, place(path)));
                };
                path.push_str(&format!("[{}]", index + 1));
                out.push(from(lua, &item, path, depth + 1)?);
                path.truncate(end);
            }
            Ok(Value::Array(out))
        }
        LuaValue::LightUserData(p) if p.0.is_null() => Ok(Value::Null),
        other => Err(format!("a {} cannot be kept{}", other.type_name(), place(path))),
    }
}

fn key_text(key: &LuaValue) -> String {
    match key {
        LuaValue::Integer(i) => i.to_string(),
        LuaValue::Number(n) => n.to_string(),
        LuaValue::Boolean(b) => b.to_string(),
        other => other.type_name().to_owned(),
    }
}

/// Brings a value into Lua. Lists remember that they are lists; `null` inside tables is `json.null`.
///
/// # Errors
/// The memory limit was reached.
pub(crate) fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        other => inner(lua, other)?,
    })
}

fn inner(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::NULL,
        Value::Bool(b) => LuaValue::Boolean(*b),
        Value::Number(n) => match n.as_i64() {
            Some(i) => LuaValue::Integer(i),
            None => LuaValue::Number(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(s) => LuaValue::String(lua.create_string(s)?),
        Value::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(inner(lua, item)?)?;
            }
            if items.is_empty() {
                table.set_metatable(Some(list_meta(lua)?))?;
            }
            LuaValue::Table(table)
        }
        Value::Object(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, item) in map {
                table.raw_set(key.as_str(), inner(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
    })
}
