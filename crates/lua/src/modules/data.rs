//! `json`, `data`, `strings`, `crypto` and `template`: pure functions.

use mlua::{Lua, Value as LuaValue};
use sloth_core::digest::Digest;
use sloth_core::value::Value;

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

pub(super) fn data(data: &Module<'_>) -> mlua::Result<()> {
    data.add(&["json_encode"], |lua, _, args| {
        Answer::text(lua, value(lua, &args, 0, "data.json_encode")?.to_string())
    })?;
    data.add(&["json_decode", "parse_json"], |lua, _, args| {
        json_decode(lua, &text(&args, 0, "data.json_decode", "the text")?)
    })?;
    data.add(&["json_pretty"], |lua, _, args| {
        let data = value(lua, &args, 0, "data.json_pretty")?;
        Answer::text(lua, serde_json::to_string_pretty(&data).unwrap_or_default())
    })?;
    data.add(&["yaml_encode", "to_yaml"], |lua, _, args| {
        let data = value(lua, &args, 0, "data.yaml_encode")?;
        let text =
            serde_saphyr::to_string(&data).map_err(|e| Fault::new("data", format!("cannot be YAML: {e}")))?;
        Answer::text(lua, text)
    })?;
    data.add(&["yaml_decode", "parse_yaml"], |lua, _, args| {
        let text = text(&args, 0, "data.yaml_decode", "the text")?;
        let data: Value =
            serde_saphyr::from_str(&text).map_err(|e| Fault::new("data", format!("not YAML: {e}")))?;
        Answer::one(convert::to_lua(lua, &data)?)
    })
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

pub(super) fn crypto(crypto: &Module<'_>) -> mlua::Result<()> {
    crypto.add(&["sha256"], |lua, _, args| match args.front() {
        Some(LuaValue::String(s)) => Answer::text(lua, Digest::of(&s.as_bytes()).hex()),
        _ => Answer::text(lua, Digest::of(text(&args, 0, "crypto.sha256", "the text")?.as_bytes()).hex()),
    })?;
    crypto.add(&["base64_encode"], |lua, _, args| match args.front() {
        Some(LuaValue::String(s)) => Answer::text(lua, base64(&s.as_bytes())),
        _ => Answer::text(lua, base64(text(&args, 0, "crypto.base64_encode", "the text")?.as_bytes())),
    })?;
    crypto.add(&["base64_decode"], |lua, _, args| {
        let text = text(&args, 0, "crypto.base64_decode", "the text")?;
        let bytes = unbase64(&text).ok_or_else(|| Fault::new("data", "not base64"))?;
        Answer::text(lua, bytes)
    })
}

pub(super) fn template(template: &Module<'_>) -> mlua::Result<()> {
    template.add(&["render"], |lua, shared, args| {
        let source = text(&args, 0, "template.render", "the template")?;
        let mut context = match args.get(1) {
            Some(v @ LuaValue::Table(_)) => {
                convert::object(lua, v).map_err(|why| Fault::argument(format!("`template.render`: {why}")))?
            }
            _ => sloth_core::value::Map::new(),
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

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let six = usize::try_from(n >> (18 - 6 * i) & 63).unwrap_or(0);
            out.push(if i > chunk.len() { '=' } else { char::from(ALPHABET[six]) });
        }
    }
    out
}

fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && *c != b'=') {
        let six = ALPHABET.iter().position(|a| *a == c)?;
        bits = (bits << 6) | u32::try_from(six).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_both_ways() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(unbase64(coded).unwrap(), plain.as_bytes());
        }
        assert!(unbase64("*").is_none());
    }
}
