//! Arguments of one operation: the table or positional form a call was written in, checked against the schema.

use std::collections::{BTreeMap, HashMap};

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::kind::{Arg, Args, COMMON, Operation, Param, ParamType};
use sloth_core::suggest::nearest;
use sloth_core::value::Value;

use crate::convert;
use crate::fault::Fault;
use crate::shared::Shared;

/// An operation with its names looked up.
pub(crate) struct Signature {
    pub(crate) operation: Operation,
    title: String,
    /// Every spelling of every argument.
    names: HashMap<&'static str, Slot>,
    positional: Vec<&'static Param>,
}

#[derive(Clone, Copy)]
struct Slot {
    param: &'static Param,
    common: bool,
}

/// Options of the call itself, checked.
#[derive(Default)]
pub(crate) struct CallOptions {
    pub(crate) hosts: Vec<String>,
    pub(crate) ignore_errors: bool,
    pub(crate) skip: bool,
    pub(crate) options: sloth_core::desired::Options,
}

/// Everything a call said.
pub(crate) struct Checked {
    pub(crate) args: Args,
    pub(crate) call: CallOptions,
    pub(crate) functions: Vec<Function>,
}

impl Signature {
    pub(crate) fn new(operation: Operation) -> Self {
        let mut names = HashMap::new();
        for (params, common) in [(COMMON, true), (operation.params, false)] {
            for param in params {
                for name in param.aliases.iter().chain(std::iter::once(&param.name)) {
                    names.insert(*name, Slot { param, common });
                }
            }
        }
        let positional = operation
            .positional
            .iter()
            .filter_map(|p| operation.params.iter().find(|q| q.name == *p))
            .collect();
        Self { title: format!("{}.{}", operation.module, operation.name), operation, names, positional }
    }
    /// `module.operation`.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|s| !s.common)
    }

    /// Checks the arguments of one call.
    pub(crate) fn check(&self, lua: &Lua, shared: &Shared, values: MultiValue) -> Result<Checked, Fault> {
        let mut reader = Reader {
            lua,
            shared,
            signature: self,
            given: BTreeMap::new(),
            call: CallOptions::default(),
            functions: Vec::new(),
        };
        let count = values.len();
        for (index, value) in values.into_iter().enumerate() {
            match &value {
                LuaValue::Nil => {}
                LuaValue::Table(table) if reader.is_options(table, index, count)? => reader.table(table)?,
                _ => {
                    let Some(param) = self.positional.get(index) else {
                        return Err(self.too_many());
                    };
                    reader.put(param, param.name, &value)?;
                }
            }
        }
        for param in self.operation.params {
            if param.required && !reader.given.contains_key(param.name) {
                return Err(Fault::argument(format!("`{}` needs `{}`", self.title(), param.name))
                    .hint(self.operation.example));
            }
        }
        Ok(Checked { args: Args(reader.given), call: reader.call, functions: reader.functions })
    }

    fn too_many(&self) -> Fault {
        let names = self.positional.iter().map(|p| format!("`{}`", p.name)).collect::<Vec<_>>().join(", ");
        let fault = Fault::argument(match self.positional.len() {
            0 => format!("`{}` takes one table of named arguments", self.title()),
            1 => format!("`{}` takes one argument by position ({names}), then a table", self.title()),
            n => format!("`{}` takes {n} arguments by position ({names}), then a table", self.title()),
        });
        fault.hint(self.operation.example)
    }

    fn unknown(&self, shared: &Shared, lua: &Lua, name: &str) -> Fault {
        let known: Vec<&str> = self.names.keys().copied().collect();
        let mut sorted = known;
        sorted.sort_unstable();
        let fault = Fault::argument(format!("`{}` has no argument `{name}`", self.title()));
        let fault = match nearest(name, sorted.iter().copied()) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => {
                let all = self.operation.params.iter().map(|p| format!("`{}`", p.name)).collect::<Vec<_>>();
                fault.hint(format!("it takes {}", all.join(", ")))
            }
        };
        let here = shared.here(lua);
        let sources = shared.sources.borrow();
        let span = here.map(|span| sources.find_key(&span, name));
        fault.word(name).span(span)
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    shared: &'a Shared,
    signature: &'a Signature,
    given: BTreeMap<&'static str, Arg>,
    call: CallOptions,
    functions: Vec<Function>,
}

impl Reader<'_> {
    /// Is this table the named arguments, or a positional argument that happens to be a table?
    fn is_options(&self, table: &Table, index: usize, count: usize) -> Result<bool, Fault> {
        if text_like(table) {
            return Ok(false);
        }
        let positional = self.signature.positional.get(index);
        let takes_table =
            positional.is_some_and(|p| matches!(p.ty, ParamType::Map | ParamType::Any | ParamType::List));
        if !takes_table {
            return Ok(true);
        }
        if index + 1 < count && index == 0 {
            return Ok(false);
        }
        let mut named = false;
        let mut known = true;
        table.for_each(|k: LuaValue, _: LuaValue| {
            if let LuaValue::String(s) = k {
                named = true;
                known &= s.to_str().is_ok_and(|s| self.signature.names.contains_key(&*s));
            }
            Ok(())
        })?;
        let is_list = positional.is_some_and(|p| p.ty == ParamType::List);
        Ok(named && (known || index == 0 || is_list)
            || (!named && index > 0 && !is_list && table.raw_len() == 0))
    }

    fn table(&mut self, table: &Table) -> Result<(), Fault> {
        let mut list: Vec<LuaValue> = Vec::new();
        let mut wrong: Option<Fault> = None;
        table.for_each(|k: LuaValue, v: LuaValue| {
            if wrong.is_some() {
                return Ok(());
            }
            match &k {
                LuaValue::String(s) => {
                    let bytes = s.as_bytes();
                    let name = std::str::from_utf8(&bytes).unwrap_or("?");
                    match self.signature.names.get(name) {
                        Some(Slot { param, common }) => {
                            let done =
                                if *common { self.common(param, &v) } else { self.put(param, name, &v) };
                            wrong = done.err();
                        }
                        None => wrong = Some(self.signature.unknown(self.shared, self.lua, name)),
                    }
                }
                LuaValue::Integer(_) => list.push(v),
                other => {
                    wrong = Some(Fault::argument(format!(
                        "`{}` cannot take an argument named by a {}",
                        self.signature.title(),
                        other.type_name()
                    )));
                }
            }
            Ok(())
        })?;
        if let Some(fault) = wrong {
            return Err(fault);
        }
        self.unnamed(list)
    }

    /// Entries without a name in the table of arguments.
    fn unnamed(&mut self, mut list: Vec<LuaValue>) -> Result<(), Fault> {
        if list.is_empty() {
            return Ok(());
        }
        let Some(first) = self.signature.positional.first() else { return Err(self.signature.too_many()) };
        if first.ty == ParamType::List {
            let table = match (list.len(), list.pop()) {
                (1, Some(only)) => only,
                (_, last) => LuaValue::Table(self.lua.create_sequence_from(list.into_iter().chain(last))?),
            };
            return self.put(first, first.name, &table);
        }
        for (index, value) in list.iter().enumerate() {
            let Some(param) = self.signature.positional.get(index) else {
                return Err(self.signature.too_many());
            };
            self.put(param, param.name, value)?;
        }
        Ok(())
    }

    fn wrong(&self, name: &str, ty: ParamType, value: &LuaValue) -> Fault {
        let got = match value {
            LuaValue::Integer(_) | LuaValue::Number(_) => "a number".to_owned(),
            other => format!("a {}", other.type_name()),
        };
        let expected = ty.word();
        let article = if expected.starts_with(['a', 'e', 'i', 'o', 'u']) { "an " } else { "a " };
        let article = if expected.starts_with('`') { "" } else { article };
        let fault = Fault::argument(format!(
            "`{name}` of `{}` must be {article}{expected}, not {got}",
            self.signature.title()
        ));
        self.blame(fault, name)
    }
    fn blame(&self, fault: Fault, name: &str) -> Fault {
        let span = self.shared.here(self.lua).map(|s| self.shared.sources.borrow().find_key(&s, name));
        fault.word(name).span(span)
    }

    fn put(&mut self, param: &'static Param, name: &str, value: &LuaValue) -> Result<(), Fault> {
        if self.given.contains_key(param.name) {
            let names: Vec<String> =
                std::iter::once(&param.name).chain(param.aliases).map(|n| format!("`{n}`")).collect();
            let fault =
                Fault::argument(format!("`{}` is given twice to `{}`", param.name, self.signature.title()));
            let fault = match names.len() {
                1 => fault,
                _ => fault.hint(format!("{} are the same argument", names.join(" and "))),
            };
            return Err(self.blame(fault, param.name));
        }
        let arg = match (param.ty, value) {
            (ParamType::Bytes, LuaValue::String(s)) => Arg::Bytes(std::sync::Arc::from(&*s.as_bytes())),
            (ParamType::Bytes, other) => match text_of(other) {
                Some(text) => Arg::Bytes(std::sync::Arc::from(text.as_bytes())),
                None => return Err(self.wrong(name, param.ty, value)),
            },
            (ParamType::Function | ParamType::TextOrFunction, LuaValue::Function(f)) => {
                self.functions.push(f.clone());
                Arg::Function(u64::try_from(self.functions.len() - 1).unwrap_or(0))
            }
            (ty, value) => Arg::Value(self.value(ty, name, value)?),
        };
        self.given.insert(param.name, arg);
        Ok(())
    }

    fn value(&self, ty: ParamType, name: &str, value: &LuaValue) -> Result<Value, Fault> {
        let wrong = || self.wrong(name, ty, value);
        let text = || text_of(value);
        let say = |why: String| {
            self.blame(Fault::argument(format!("`{name}` of `{}`: {why}", self.signature.title())), name)
        };
        Ok(match ty {
            ParamType::Any => convert::from_lua(self.lua, value).map_err(say)?,
            ParamType::Bool => match value {
                LuaValue::Boolean(b) => Value::Bool(*b),
                _ => return Err(wrong()),
            },
            ParamType::Duration => {
                let seconds = duration_of(value).ok_or_else(|| {
                    wrong()
                        .hint("write a number of seconds, or for example `\"30s\"`, `\"5m\"` or `\"1h30m\"`")
                })?;
                convert::number(seconds).ok_or_else(wrong)?
            }
            ParamType::Enum(words) => {
                let text = text().ok_or_else(wrong)?;
                if !words.contains(&text.as_str()) {
                    let fault = Fault::argument(format!(
                        "`{name}` of `{}` cannot be `{text}`; it is {}",
                        self.signature.title(),
                        ty.word()
                    ));
                    let fault = match nearest(&text, words.iter().copied()) {
                        Some(near) => fault.hint(format!("did you mean `{near}`?")),
                        None => fault,
                    };
                    return Err(self.blame(fault, name));
                }
                Value::String(text)
            }
            ParamType::Function => return Err(wrong()),
            ParamType::Int => match value {
                LuaValue::Integer(i) => Value::from(*i),
                LuaValue::Number(n) if n.fract() == 0.0 => convert::number(*n).ok_or_else(wrong)?,
                LuaValue::String(s) => {
                    Value::from(s.to_string_lossy().trim().parse::<i64>().map_err(|_| wrong())?)
                }
                _ => return Err(wrong()),
            },
            ParamType::List => {
                Value::Array(texts_of(value).ok_or_else(wrong)?.into_iter().map(Value::String).collect())
            }
            ParamType::Map => match value {
                LuaValue::Table(_) => Value::Object(convert::object(self.lua, value).map_err(say)?),
                _ => return Err(wrong()),
            },
            ParamType::Mode => Value::String(mode_of(value).ok_or_else(|| {
                let fault = match text() {
                    Some(text) => self.blame(
                        Fault::argument(format!(
                            "`{name}` of `{}` cannot be `{text}`, which is no file mode",
                            self.signature.title()
                        )),
                        name,
                    ),
                    None => wrong(),
                };
                fault.hint("write `\"0644\"` or `\"u=rw,go=r\"`")
            })?),
            ParamType::Path => {
                let text = text().ok_or_else(wrong)?;
                if !text.starts_with('/') && text != "~" && !text.starts_with("~/") && !text.starts_with('~')
                {
                    let fault = Fault::argument(format!(
                        "`{name}` of `{}` must be an absolute path, not `{text}`",
                        self.signature.title()
                    ));
                    return Err(self.blame(fault, name));
                }
                Value::String(text)
            }
            ParamType::Bytes | ParamType::Source | ParamType::Text | ParamType::TextOrFunction => {
                if let LuaValue::String(s) = value
                    && s.to_str().is_err()
                {
                    return Err(say("the text is not UTF-8".to_owned()));
                }
                Value::String(text().ok_or_else(wrong)?)
            }
        })
    }

    fn common(&mut self, param: &'static Param, value: &LuaValue) -> Result<(), Fault> {
        let checked = match (param.ty, value) {
            // `when` takes any condition the way `if` does.
            (ParamType::Bool, v) if param.name == "when" => {
                Value::Bool(!matches!(v, LuaValue::Nil | LuaValue::Boolean(false)))
            }
            (ty, v) => self.value(ty, param.name, v)?,
        };
        let flag = checked.as_bool().unwrap_or(false);
        let list = || -> Vec<String> {
            checked.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        match param.name {
            "delegate_to" => self.call.hosts = list(),
            "depends_on" => self.call.options.depends_on = list(),
            "ignore_errors" => self.call.ignore_errors = flag,
            "keep" => self.call.options.keep = flag,
            "notify" => self.call.options.notify = list(),
            "protect" => self.call.options.protect = flag,
            "sensitive" => self.call.options.sensitive = flag,
            "take_over" => self.call.options.take_over = flag,
            "when" => self.call.skip = !flag,
            _ => {}
        }
        Ok(())
    }
}

/// Is it one of the tables that stand for a text, such as a command's result or `this.workdir`?
pub(crate) fn text_like(table: &Table) -> bool {
    table.metatable().is_some_and(|m| m.raw_get::<bool>("__text").unwrap_or(false))
}

/// A text, a number as its text, or a table that stands for a text.
pub(crate) fn text_of(value: &LuaValue) -> Option<String> {
    match value {
        LuaValue::String(s) => s.to_str().ok().map(|s| s.to_owned()),
        LuaValue::Integer(i) => Some(i.to_string()),
        LuaValue::Number(n) => convert::number(*n).map(|v| v.to_string()),
        LuaValue::Table(t) if t.metatable().is_some() => {
            let meta = t.metatable()?;
            if meta.raw_get::<bool>("__text").unwrap_or(false) {
                return value.to_string().ok();
            }
            crate::reply::address(t)
        }
        _ => None,
    }
}

/// A list of texts; one text is a list of one.
pub(crate) fn texts_of(value: &LuaValue) -> Option<Vec<String>> {
    if let Some(text) = text_of(value) {
        return Some(vec![text]);
    }
    let LuaValue::Table(table) = value else { return None };
    let mut out = Vec::new();
    for index in 1..=table.raw_len() {
        out.push(text_of(&table.raw_get(index).ok()?)?);
    }
    let mut named = false;
    table
        .for_each(|k: LuaValue, _: LuaValue| {
            named |= !matches!(k, LuaValue::Integer(_));
            Ok(())
        })
        .ok()?;
    (!named).then_some(out)
}

/// Seconds of a duration: a number, or `30s`, `5m`, `1h30m`, `250ms`, `2d`.
pub(crate) fn duration_of(value: &LuaValue) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "durations are small")]
    let seconds = match value {
        LuaValue::Integer(i) => *i as f64,
        LuaValue::Number(n) => *n,
        LuaValue::String(s) => parse_duration(&s.to_string_lossy())?,
        _ => return None,
    };
    (seconds.is_finite() && (0.0..=3.2e10).contains(&seconds)).then_some(seconds)
}

fn parse_duration(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(plain) = text.parse::<f64>() {
        return Some(plain);
    }
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match rest[..unit].trim() {
                "ms" => 0.001,
                "s" | "sec" | "second" | "seconds" => 1.0,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                "w" | "week" | "weeks" => 604_800.0,
                _ => return None,
            };
        rest = rest[unit..].trim_start();
    }
    Some(total)
}

/// A file mode as four octal digits.
fn mode_of(value: &LuaValue) -> Option<String> {
    match value {
        LuaValue::Integer(i) => octal(&i.to_string()),
        LuaValue::Number(n) => octal(&n.to_string()),
        LuaValue::String(s) => {
            let text = s.to_string_lossy();
            let text = text.trim().trim_start_matches("0o");
            if text.starts_with(|c: char| c.is_ascii_digit()) { octal(text) } else { symbolic(text) }
        }
        _ => None,
    }
}

fn octal(digits: &str) -> Option<String> {
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return None;
    }
    let mode = u32::from_str_radix(digits, 8).ok()?;
    (mode <= 0o7777).then(|| format!("{mode:04o}"))
}

fn symbolic(text: &str) -> Option<String> {
    let mut mode = 0u32;
    for clause in text.split(',') {
        let (who, what) = clause.trim().split_once('=')?;
        let bits = |shift: u32| -> Option<u32> {
            what.chars().try_fold(0, |acc, c| {
                Some(
                    acc | match c {
                        'r' => 4 << shift,
                        'w' => 2 << shift,
                        'x' => 1 << shift,
                        's' if shift == 6 => 0o4000,
                        's' if shift == 3 => 0o2000,
                        't' => 0o1000,
                        _ => return None,
                    },
                )
            })
        };
        for c in if who.is_empty() { "a" } else { who }.chars() {
            mode |= match c {
                'u' => bits(6)?,
                'g' => bits(3)?,
                'o' => bits(0)?,
                'a' => bits(6)? | bits(3)? | bits(0)?,
                _ => return None,
            };
        }
    }
    Some(format!("{mode:04o}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in
            [("30s", 30.0), ("5m", 300.0), ("1h30m", 5400.0), ("250ms", 0.25), ("10", 10.0)]
        {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
        }
        for bad in ["", "5x", "s", "m5", "1h-3m"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn modes() {
        assert_eq!(octal("644").as_deref(), Some("0644"));
        assert_eq!(octal("0644").as_deref(), Some("0644"));
        assert_eq!(octal("4755").as_deref(), Some("4755"));
        assert_eq!(octal("689"), None);
        assert_eq!(symbolic("u=rw,go=r").as_deref(), Some("0644"));
        assert_eq!(symbolic("u=rwxs,g=rx,o=").as_deref(), Some("4750"));
        assert_eq!(symbolic("rw"), None);
    }
}
