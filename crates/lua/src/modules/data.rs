//! `json`, `data`, `strings` and `template`: pure functions.

use mlua::{Lua, Value as LuaValue};
use sloth_core::value::{Map, Value};

use super::{Module, maybe_text, text, value};
use crate::convert;
use crate::fault::Fault;
use crate::shared::{Answer, Native};

fn json_decode(lua: &Lua, text: &str) -> Native {
    let data: Value = serde_json::from_str(text).map_err(|e| Fault::new("data", format!("not JSON: {e}")))?;
    Answer::one(convert::to_lua(lua, &data)?)
}

pub(super) fn json(json: &Module<'_>) -> mlua::Result<()> {
    json.add(&["encode", "stringify"], |lua, _, args| {
        Answer::text(lua, value(lua, &args, 0, "json.encode")?.to_string())
    })?;
    json.add(&["encode_pretty", "pretty"], |lua, _, args| {
        let data = value(lua, &args, 0, "json.encode_pretty")?;
        Answer::text(lua, serde_json::to_string_pretty(&data).unwrap_or_default())
    })?;
    json.add(&["decode", "parse"], |lua, _, args| {
        json_decode(lua, &text(&args, 0, "json.decode", "the text")?)
    })?;
    json.add(&["array", "list"], |lua, _, args| {
        let table = match args.front() {
            Some(LuaValue::Table(t)) => t.clone(),
            _ => lua.create_table()?,
        };
        table.set_metatable(Some(convert::list_meta(lua)?))?;
        Answer::one(LuaValue::Table(table))
    })?;
    json.table.raw_set("null", LuaValue::NULL)
}

fn yaml_encode(data: &Value) -> Result<String, Fault> {
    serde_saphyr::to_string(data).map_err(|e| Fault::new("data", format!("cannot be YAML: {e}")))
}
fn yaml_decode(text: &str) -> Result<Value, Fault> {
    serde_saphyr::from_str(text).map_err(|e| Fault::new("data", format!("not YAML: {e}")))
}

/// Two results that are the same: `local ok, rows = …` and `local rows = …` both work.
fn twice(value: LuaValue) -> Native {
    Answer::many([value.clone(), value])
}

pub(super) fn data(data: &Module<'_>) -> mlua::Result<()> {
    data.add(&["json_encode", "to_json"], |lua, _, args| {
        Answer::text(lua, value(lua, &args, 0, "data.json_encode")?.to_string())
    })?;
    data.add(&["json_decode", "parse_json"], |lua, _, args| {
        json_decode(lua, &text(&args, 0, "data.json_decode", "the text")?)
    })?;
    data.add(&["json_pretty"], |lua, _, args| {
        let data = value(lua, &args, 0, "data.json_pretty")?;
        Answer::text(lua, serde_json::to_string_pretty(&data).unwrap_or_default())
    })?;
    data.add(&["json_validate"], |lua, _, args| {
        let text = text(&args, 0, "data.json_validate", "the text")?;
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Answer::flag(true),
            Err(e) => {
                let why = lua.create_string(e.to_string())?;
                Answer::many([LuaValue::Boolean(false), LuaValue::String(why)])
            }
        }
    })?;
    data.add(&["yaml_encode", "to_yaml"], |lua, _, args| {
        Answer::text(lua, yaml_encode(&value(lua, &args, 0, "data.yaml_encode")?)?)
    })?;
    data.add(&["yaml_decode", "parse_yaml"], |lua, _, args| {
        let data = yaml_decode(&text(&args, 0, "data.yaml_decode", "the text")?)?;
        Answer::one(convert::to_lua(lua, &data)?)
    })?;
    data.add(&["yaml_to_json"], |lua, _, args| {
        Answer::text(lua, yaml_decode(&text(&args, 0, "data.yaml_to_json", "the text")?)?.to_string())
    })?;
    data.add(&["json_to_yaml"], |lua, _, args| {
        let text = text(&args, 0, "data.json_to_yaml", "the text")?;
        let data = serde_json::from_str(&text).map_err(|e| Fault::new("data", format!("not JSON: {e}")))?;
        Answer::text(lua, yaml_encode(&data)?)
    })?;
    data.add(&["toml_encode", "to_toml"], |lua, _, args| {
        let data = value(lua, &args, 0, "data.toml_encode")?;
        let text = toml::to_string(&data).map_err(|e| Fault::new("data", format!("cannot be TOML: {e}")))?;
        Answer::text(lua, text)
    })?;
    data.add(&["toml_decode", "parse_toml"], |lua, _, args| {
        let text = text(&args, 0, "data.toml_decode", "the text")?;
        let table: toml::Table = text
            .parse()
            .map_err(|e: toml::de::Error| Fault::new("data", format!("not TOML: {}", e.message())))?;
        let data = plain(toml::Value::Table(table))?;
        Answer::one(convert::to_lua(lua, &data)?)
    })?;
    data.add(&["csv_parse", "csv_decode", "parse_csv"], |lua, _, args| {
        let text = text(&args, 0, "data.csv_parse", "the text")?;
        let (separator, header) = csv_options(&args, "data.csv_parse")?;
        let rows = csv_rows(&text, separator)?;
        let data = if header {
            let mut rows = rows.into_iter();
            let names = rows.next().unwrap_or_default();
            let object = |row: Vec<String>| -> Value {
                names.iter().cloned().zip(row.into_iter().map(Value::from)).collect::<Map>().into()
            };
            Value::Array(rows.map(object).collect())
        } else {
            rows.into_iter().map(Value::from_iter).collect()
        };
        twice(convert::to_lua(lua, &data)?)
    })?;
    data.add(&["csv_generate", "csv_encode", "to_csv"], |lua, _, args| {
        let rows = value(lua, &args, 0, "data.csv_generate")?;
        let (separator, _) = csv_options(&args, "data.csv_generate")?;
        Answer::text(lua, csv_text(&rows, separator)?)
    })?;
    data.add(&["deep_merge", "merge"], |lua, _, args| {
        let mut whole = value(lua, &args, 0, "data.deep_merge")?;
        merge(&mut whole, value(lua, &args, 1, "data.deep_merge")?);
        twice(convert::to_lua(lua, &whole)?)
    })?;
    data.add(&["flatten"], |lua, _, args| {
        let whole = value(lua, &args, 0, "data.flatten")?;
        let separator = maybe_text(&args, 1).unwrap_or_else(|| ".".to_owned());
        let mut flat = Map::new();
        flatten(whole, &separator, String::new(), &mut flat);
        Answer::one(convert::to_lua(lua, &Value::Object(flat))?)
    })?;
    data.add(&["unflatten"], |lua, _, args| {
        let Value::Object(flat) = value(lua, &args, 0, "data.unflatten")? else {
            return Err(Fault::argument("`data.unflatten` needs a table of names"));
        };
        let separator = maybe_text(&args, 1).unwrap_or_else(|| ".".to_owned());
        let mut whole = Value::Object(Map::new());
        for (path, value) in flat {
            put_at(&mut whole, &path_of(&path, &separator)?, value)?;
        }
        twice(convert::to_lua(lua, &whole)?)
    })?;
    data.add(&["get_path", "get"], |lua, _, args| {
        let whole = value(lua, &args, 0, "data.get_path")?;
        let separator = maybe_text(&args, 2).unwrap_or_else(|| ".".to_owned());
        let path = text(&args, 1, "data.get_path", "the path")?;
        let mut at = Some(&whole);
        for part in path_of(&path, &separator)? {
            at = match at {
                Some(Value::Object(map)) => map.get(&part),
                Some(Value::Array(list)) => {
                    part.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).and_then(|n| list.get(n))
                }
                _ => None,
            };
        }
        Answer::one(convert::to_lua(lua, at.unwrap_or(&Value::Null))?)
    })?;
    data.add(&["set_path"], |lua, _, args| {
        let mut whole = value(lua, &args, 0, "data.set_path")?;
        let separator = maybe_text(&args, 3).unwrap_or_else(|| ".".to_owned());
        let path = text(&args, 1, "data.set_path", "the path")?;
        let new = value(lua, &args, 2, "data.set_path")?;
        put_at(&mut whole, &path_of(&path, &separator)?, new)?;
        Answer::one(convert::to_lua(lua, &whole)?)
    })
}

/// TOML as the values everything else has: times are texts.
fn plain(value: toml::Value) -> Result<Value, Fault> {
    Ok(match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => {
            if !number.is_finite() {
                return Err(Fault::new("data", format!("{number} is not a number JSON knows")));
            }
            Value::from(number)
        }
        toml::Value::Boolean(flag) => Value::from(flag),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(list) => Value::Array(list.into_iter().map(plain).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, value)| Ok((key, plain(value)?)));
            Value::Object(pairs.collect::<Result<Map, Fault>>()?)
        }
    })
}

/// A separator, or `{ separator = ";", header = true }`.
fn csv_options(args: &mlua::MultiValue, function: &str) -> Result<(char, bool), Fault> {
    let (separator, header) = match args.get(1) {
        Some(LuaValue::Table(table)) => {
            let separator = table.raw_get::<Option<String>>("separator")?;
            let header = table.raw_get::<Option<bool>>("header")?;
            (separator, header.unwrap_or(false))
        }
        _ => (maybe_text(args, 1), false),
    };
    let separator = separator.unwrap_or_else(|| ",".to_owned());
    let mut chars = separator.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) if !matches!(one, '"' | '\r' | '\n') => Ok((one, header)),
        _ => Err(Fault::argument(format!("the separator of `{function}` must be one character"))),
    }
}

/// Rows after RFC 4180; empty lines are none. White space around values stays.
fn csv_rows(text: &str, separator: char) -> Result<Vec<Vec<String>>, Fault> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut value = String::new();
    let (mut quoted, mut started) = (false, false);
    let mut chars = text.chars().peekable();
    let mut line = 1;
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                value.push('"');
            }
            '"' if quoted => quoted = false,
            c if quoted => value.push(c),
            '"' if value.is_empty() => {
                quoted = true;
                started = true;
            }
            c if c == separator => {
                row.push(std::mem::take(&mut value));
                started = true;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                if started || !value.is_empty() {
                    row.push(std::mem::take(&mut value));
                    rows.push(std::mem::take(&mut row));
                }
                started = false;
            }
            c => value.push(c),
        }
    }
    if quoted {
        return Err(Fault::new("data", format!("not CSV: a quote is not closed in line {line}")));
    }
    if started || !value.is_empty() {
        row.push(value);
        rows.push(row);
    }
    Ok(rows)
}

fn csv_text(rows: &Value, separator: char) -> Result<String, Fault> {
    let wrong = || {
        Fault::argument("`data.csv_generate` needs a list of lists, or a list of tables with the same names")
    };
    let Value::Array(rows) = rows else { return Err(wrong()) };
    let cell = |value: &Value| -> Result<String, Fault> {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return Err(wrong()),
        };
        let special = text.contains([separator, '"', '\r', '\n']) || text.trim().len() != text.len();
        Ok(if special { format!("\"{}\"", text.replace('"', "\"\"")) } else { text })
    };
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut names: Option<Vec<String>> = None;
    for row in rows {
        match row {
            Value::Array(row) if names.is_none() => {
                lines.push(row.iter().map(cell).collect::<Result<_, _>>()?);
            }
            Value::Object(row) if names.is_some() || lines.is_empty() => {
                let header = names.get_or_insert_with(|| row.keys().cloned().collect());
                if lines.is_empty() {
                    lines.push(
                        header.iter().map(|n| cell(&Value::from(n.as_str()))).collect::<Result<_, _>>()?,
                    );
                }
                if row.keys().any(|key| !header.contains(key)) {
                    return Err(wrong());
                }
                let cells = header.iter().map(|name| cell(row.get(name).unwrap_or(&Value::Null)));
                lines.push(cells.collect::<Result<_, _>>()?);
            }
            _ => return Err(wrong()),
        }
    }
    let between = separator.to_string();
    Ok(lines.iter().map(|line| line.join(&between)).collect::<Vec<_>>().join("\n"))
}

/// The second over the first; lists are replaced, not joined.
fn merge(whole: &mut Value, over: Value) {
    match (whole, over) {
        (Value::Object(whole), Value::Object(over)) => {
            for (key, value) in over {
                match whole.get_mut(&key) {
                    Some(old) => merge(old, value),
                    None => drop(whole.insert(key, value)),
                }
            }
        }
        (whole, over) => *whole = over,
    }
}

fn flatten(value: Value, separator: &str, path: String, flat: &mut Map) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}{separator}{key}") };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                flatten(value, separator, below(&key), flat);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.into_iter().enumerate() {
                flatten(value, separator, below(&(index + 1).to_string()), flat);
            }
        }
        value => drop(flat.insert(path, value)),
    }
}

fn path_of(path: &str, separator: &str) -> Result<Vec<String>, Fault> {
    if separator.is_empty() {
        return Err(Fault::argument("the separator of a path must not be empty").word("separator"));
    }
    let parts: Vec<String> = path.split(separator).map(str::to_owned).collect();
    if parts.len() > 90 {
        return Err(Fault::argument("a path has at most 90 parts"));
    }
    Ok(parts)
}

/// Puts a value at a path; tables are made on the way, entries of lists have to be there.
fn put_at(whole: &mut Value, path: &[String], value: Value) -> Result<(), Fault> {
    let Some((first, rest)) = path.split_first() else {
        *whole = value;
        return Ok(());
    };
    match whole {
        Value::Object(map) => {
            let next = map.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            put_at(next, rest, value)
        }
        Value::Array(list) => {
            let index = first.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            match index.and_then(|n| list.get_mut(n)) {
                Some(next) => put_at(next, rest, value),
                None => Err(Fault::argument(format!("a list has no entry `{first}`")).word(first.as_str())),
            }
        }
        _ => Err(Fault::argument(format!("nothing can be put below `{first}`; a value is in the way"))),
    }
}

pub(super) fn strings(strings: &Module<'_>) -> mlua::Result<()> {
    strings.add(&["trim"], |lua, _, args| {
        Answer::text(lua, text(&args, 0, "strings.trim", "the text")?.trim())
    })?;
    strings.add(&["upper"], |lua, _, args| {
        Answer::text(lua, text(&args, 0, "strings.upper", "the text")?.to_uppercase())
    })?;
    strings.add(&["lower"], |lua, _, args| {
        Answer::text(lua, text(&args, 0, "strings.lower", "the text")?.to_lowercase())
    })?;
    strings.add(&["split"], |lua, _, args| {
        let whole = text(&args, 0, "strings.split", "the text")?;
        let separator = maybe_text(&args, 1).unwrap_or_else(|| " ".to_owned());
        let parts: Vec<&str> = if separator.is_empty() {
            whole.split_whitespace().collect()
        } else {
            whole.split(&separator).collect()
        };
        Answer::one(LuaValue::Table(lua.create_sequence_from(parts)?))
    })?;
    strings.add(&["lines"], |lua, _, args| {
        let whole = text(&args, 0, "strings.lines", "the text")?;
        Answer::one(LuaValue::Table(lua.create_sequence_from(whole.lines())?))
    })?;
    strings.add(&["join"], |lua, _, args| {
        let parts = args.front().and_then(crate::args::texts_of);
        let parts = parts.ok_or_else(|| Fault::argument("`strings.join` needs a list of strings"))?;
        Answer::text(lua, parts.join(&maybe_text(&args, 1).unwrap_or_default()))
    })?;
    strings.add(&["contains"], |_, _, args| {
        let (a, b) = (
            text(&args, 0, "strings.contains", "the text")?,
            text(&args, 1, "strings.contains", "the part")?,
        );
        Answer::flag(a.contains(&b))
    })?;
    strings.add(&["starts_with", "has_prefix"], |_, _, args| {
        let name = "strings.starts_with";
        Answer::flag(text(&args, 0, name, "the text")?.starts_with(&text(&args, 1, name, "the start")?))
    })?;
    strings.add(&["ends_with", "has_suffix"], |_, _, args| {
        let name = "strings.ends_with";
        Answer::flag(text(&args, 0, name, "the text")?.ends_with(&text(&args, 1, name, "the end")?))
    })?;
    strings.add(&["replace"], |lua, _, args| {
        let name = "strings.replace";
        let (a, b, c) = (
            text(&args, 0, name, "the text")?,
            text(&args, 1, name, "the part")?,
            text(&args, 2, name, "the new part")?,
        );
        if b.is_empty() {
            return Answer::text(lua, a);
        }
        Answer::text(lua, a.replace(&b, &c))
    })
}

pub(super) fn template(template: &Module<'_>) -> mlua::Result<()> {
    template.add(&["render"], |lua, shared, args| {
        let source = text(&args, 0, "template.render", "the template")?;
        let mut context = match args.get(1) {
            Some(v @ LuaValue::Table(_)) => {
                convert::object(lua, v).map_err(|why| Fault::argument(format!("`template.render`: {why}")))?
            }
            _ => Map::new(),
        };
        context.entry("values").or_insert_with(|| shared.values.clone());
        let mut engine = minijinja::Environment::new();
        engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        let syntax = minijinja::syntax::SyntaxConfig::builder().keep_trailing_newline(true).build();
        engine.set_syntax(syntax.map_err(|e| Fault::new("template", e.to_string()))?);
        let rendered = engine
            .render_str(&source, minijinja::value::Serde(&Value::Object(context)))
            .map_err(|e| Fault::new("template", format!("the template failed: {e}")))?;
        Answer::text(lua, rendered)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_read_and_written_after_its_standard() {
        let text = "a,\"b, c\",\"say \"\"x\"\"\"\r\n\n1,,\"two\nlines\"\n";
        let rows = csv_rows(text, ',').unwrap();
        assert_eq!(rows, [vec!["a", "b, c", "say \"x\""], vec!["1", "", "two\nlines"]]);
        let data = Value::from_iter(rows.iter().map(|r| Value::from_iter(r.iter().cloned())));
        assert_eq!(csv_rows(&csv_text(&data, ',').unwrap(), ',').unwrap(), rows);
        assert!(csv_rows("a,\"b", ',').is_err());
        let people = serde_json::json!([{ "n": "x", "v": 1 }, { "n": "y;z" }]);
        assert_eq!(csv_text(&people, ';').unwrap(), "n;v\nx;1\n\"y;z\";");
        assert!(csv_text(&serde_json::json!([[1], { "a": 1 }]), ',').is_err());
    }

    #[test]
    fn paths_are_put_and_flattened() {
        let mut whole = serde_json::json!({ "a": [1, { "b": 2 }] });
        put_at(&mut whole, &path_of("a.2.c.d", ".").unwrap(), Value::from(3)).unwrap();
        let mut flat = Map::new();
        flatten(whole.clone(), ".", String::new(), &mut flat);
        assert_eq!(Value::Object(flat), serde_json::json!({ "a.1": 1, "a.2.b": 2, "a.2.c.d": 3 }));
        assert!(put_at(&mut whole, &path_of("a.9", ".").unwrap(), Value::Null).is_err());
        assert!(put_at(&mut whole, &path_of("a.1.x", ".").unwrap(), Value::Null).is_err());
    }
}
