//! Tables of options of the language's own functions: known names, their other spellings, and what was given.

use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{Lua, Table, Value as LuaValue};
use sloth_core::suggest::nearest;

use crate::args::text_of;
use crate::fault::Fault;
use crate::shared::Shared;

/// What a function takes by name.
pub(crate) struct Options {
    /// As it is called in messages.
    pub(crate) function: &'static str,
    /// Names and their other spellings.
    pub(crate) names: &'static [(&'static str, &'static [&'static str])],
}

/// What was given.
#[derive(Default)]
pub(crate) struct Taken(BTreeMap<&'static str, LuaValue>);

impl Options {
    fn canonical(&self, key: &str) -> Option<&'static str> {
        self.names.iter().find(|(name, others)| *name == key || others.contains(&key)).map(|(name, _)| *name)
    }
    /// Does the table have any of these names?
    pub(crate) fn any_in(&self, table: &Table) -> mlua::Result<bool> {
        let mut any = false;
        table.for_each(|key: LuaValue, _: LuaValue| {
            if let LuaValue::String(key) = key {
                any |= self.canonical(&key.to_string_lossy()).is_some();
            }
            Ok(())
        })?;
        Ok(any)
    }
    /// Takes a table apart.
    ///
    /// # Errors
    /// A name is not known, or one thing is said twice.
    pub(crate) fn take(&self, lua: &Lua, shared: &Rc<Shared>, table: &Table) -> Result<Taken, Fault> {
        let mut taken = Taken::default();
        let mut keys = Vec::new();
        table.for_each(|key: LuaValue, value: LuaValue| {
            keys.push((key, value));
            Ok(())
        })?;
        for (key, value) in keys {
            let Some(key) = text_of(&key) else {
                let sort = key.type_name();
                return Err(Fault::argument(format!("`{}` takes names, not a {sort}", self.function)));
            };
            let span = || shared.here(lua).map(|s| shared.sources.borrow().find_key(&s, &key));
            let Some(name) = self.canonical(&key) else {
                let known = self.names.iter().flat_map(|(n, a)| std::iter::once(*n).chain(a.iter().copied()));
                let fault = Fault::argument(format!("`{}` has no option `{key}`", self.function))
                    .word(key.as_str())
                    .span(span());
                return Err(match nearest(&key, known.collect::<Vec<_>>()) {
                    Some(near) => fault.hint(format!("did you mean `{near}`?")),
                    None => fault,
                });
            };
            if taken.0.insert(name, value).is_some() {
                let message = format!("`{name}` of `{}` is given twice", self.function);
                return Err(Fault::argument(message).word(key.as_str()).span(span()));
            }
        }
        Ok(taken)
    }
}

impl Taken {
    pub(crate) fn put(&mut self, name: &'static str, value: LuaValue) {
        self.0.insert(name, value);
    }
    pub(crate) fn add(&mut self, more: Self) {
        self.0.extend(more.0);
    }
    pub(crate) fn get(&self, name: &str) -> Option<&LuaValue> {
        self.0.get(name)
    }
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    fn wrong(name: &str, expected: &str, value: &LuaValue) -> Fault {
        Fault::argument(format!("`{name}` must be {expected}, not a {}", value.type_name())).word(name)
    }
    /// A text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(value) => text_of(value).map(Some).ok_or_else(|| Self::wrong(name, "a string", value)),
        }
    }
    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(LuaValue::Boolean(flag)) => Ok(Some(*flag)),
            Some(value) => Err(Self::wrong(name, "a boolean", value)),
        }
    }
    /// A whole number from 0 to `most`.
    pub(crate) fn count(&self, name: &str, most: u32) -> Result<Option<u32>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            LuaValue::Integer(i) => u32::try_from(*i).ok(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole and in range"
            )]
            LuaValue::Number(n) if n.fract() == 0.0 && (0.0..=f64::from(most)).contains(n) => Some(*n as u32),
            _ => None,
        };
        match number.filter(|n| *n <= most) {
            Some(n) => Ok(Some(n)),
            None => {
                Err(Fault::argument(format!("`{name}` must be a whole number from 0 to {most}")).word(name))
            }
        }
    }
}
