//! An error on its way through Lua: a table with fields, so that `pcall` can look inside.

use mlua::{Lua, Table, Value as LuaValue};
use sloth_core::body::CallError;
use sloth_core::span::Span;

use crate::diagnostic::Diagnostic;
use crate::shared::Shared;

/// An error with fields.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) diagnostic: Box<Diagnostic>,
    pub(crate) kind: String,
    pub(crate) address: Option<String>,
    /// More fields for `pcall`.
    pub(crate) extra: Vec<(&'static str, sloth_core::value::Value)>,
}

impl Fault {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self::from_diagnostic(kind, Diagnostic::new(message))
    }
    pub(crate) fn from_diagnostic(kind: &str, diagnostic: Diagnostic) -> Self {
        Self { diagnostic: Box::new(diagnostic), kind: kind.to_owned(), address: None, extra: Vec::new() }
    }
    /// A wrong argument.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new("argument", message)
    }
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.diagnostic.hint = Some(hint.into());
        self
    }
    pub(crate) fn word(mut self, word: impl Into<String>) -> Self {
        self.diagnostic.word = Some(word.into());
        self
    }
    pub(crate) fn span(mut self, span: Option<Span>) -> Self {
        self.diagnostic.span = span;
        self
    }
    pub(crate) fn with(mut self, name: &'static str, value: sloth_core::value::Value) -> Self {
        self.extra.push((name, value));
        self
    }

    /// The table that is raised. Without a place it gets that of the running line.
    pub(crate) fn raise(&self, lua: &Lua, shared: &Shared) -> mlua::Result<LuaValue> {
        let table = lua.create_table()?;
        let d = &self.diagnostic;
        let here = || shared.sources.borrow().here(lua, 1);
        if let Some(span) = d.span.clone().or_else(here) {
            table.raw_set("file", &*span.file)?;
            table.raw_set("line", span.line)?;
        }
        table.raw_set("message", d.message.as_str())?;
        table.raw_set("kind", self.kind.as_str())?;
        table.raw_set("hint", d.hint.as_deref())?;
        table.raw_set("word", d.word.as_deref())?;
        table.raw_set("address", self.address.as_deref())?;
        for (name, value) in &self.extra {
            table.raw_set(*name, crate::convert::to_lua(lua, value)?)?;
        }
        table.set_metatable(Some(shared.error_meta(lua)?))?;
        Ok(LuaValue::Table(table))
    }

    /// What a raised value says, wherever it comes from.
    pub(crate) fn caught(lua: &Lua, shared: &Shared, value: &LuaValue) -> Self {
        match value {
            LuaValue::Table(table) => Self::from_table(lua, table),
            LuaValue::String(s) => shared.explain(&s.to_string_lossy()),
            LuaValue::Error(e) => Self::from_mlua(shared, e),
            LuaValue::Nil => Self::new("error", "an error without a message was raised"),
            other => Self::new("error", other.to_string().unwrap_or_else(|_| other.type_name().to_owned())),
        }
    }

    fn from_table(lua: &Lua, table: &Table) -> Self {
        let text = |name: &str| -> Option<String> {
            match table.raw_get::<LuaValue>(name).ok()? {
                LuaValue::String(s) => Some(s.to_string_lossy()),
                LuaValue::Integer(i) => Some(i.to_string()),
                LuaValue::Number(n) => Some(n.to_string()),
                _ => None,
            }
        };
        let message =
            text("message").or_else(|| text("error")).or_else(|| text("err")).unwrap_or_else(|| {
                crate::convert::from_lua(lua, &LuaValue::Table(table.clone()))
                    .map_or_else(|_| "a table was raised as an error".to_owned(), |v| format!("error {v}"))
            });
        let span =
            text("file").map(|file| Span::new(file, text("line").and_then(|l| l.parse().ok()).unwrap_or(0)));
        let mut fault = Self::new(text("kind").as_deref().unwrap_or("error"), message).span(span);
        fault.diagnostic.hint = text("hint");
        fault.diagnostic.word = text("word");
        fault.address = text("address");
        fault
    }

    /// An error of the engine itself.
    pub(crate) fn from_mlua(shared: &Shared, error: &mlua::Error) -> Self {
        match error {
            mlua::Error::CallbackError { cause, .. } => Self::from_mlua(shared, cause),
            mlua::Error::WithContext { cause, .. } => Self::from_mlua(shared, cause),
            mlua::Error::MemoryError(_) => shared.memory_fault(),
            mlua::Error::RuntimeError(text) => shared.explain(text),
            mlua::Error::SyntaxError { message, .. } => {
                let mut fault = shared.explain(message);
                fault.kind = "syntax".to_owned();
                fault
            }
            mlua::Error::ExternalError(e) => match e.downcast_ref::<Self>() {
                Some(fault) => fault.clone(),
                None => shared.explain(&e.to_string()),
            },
            other => shared.explain(&other.to_string()),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.diagnostic.fmt(f)
    }
}
impl std::error::Error for Fault {}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        match error {
            mlua::Error::ExternalError(ref e) => match e.downcast_ref::<Self>() {
                Some(fault) => fault.clone(),
                None => Self::new("error", e.to_string()),
            },
            mlua::Error::CallbackError { cause, .. } => Self::from((*cause).clone()),
            mlua::Error::RuntimeError(text) => Self::new("error", text),
            mlua::Error::MemoryError(_) => Self::new("limit", "not enough memory"),
            other => Self::new("error", other.to_string()),
        }
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        let kind = match &error {
            CallError::Apply { .. } => "apply",
            CallError::Blocked { .. } => "blocked",
            CallError::NotPlanned { .. } => "not_planned",
            CallError::Refused(_) => "refused",
            CallError::LeaseLost => "lease_lost",
            CallError::Stopped => "stopped",
            CallError::Store(_) => "store",
        };
        let address = match &error {
            CallError::Apply { address, .. } | CallError::Blocked { address, .. } => Some(address.clone()),
            _ => None,
        };
        let mut fault = Self::new(kind, error.to_string());
        fault.address = address;
        fault
    }
}
