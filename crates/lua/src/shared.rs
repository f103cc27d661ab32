//! What all functions of one program share, and how a Rust function becomes one of the language.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::body::Scope;
use sloth_core::kind::Catalog;
use sloth_core::span::Span;
use sloth_core::value::Value;

use crate::fault::Fault;
use crate::host::HostLayer;
use crate::limits::{Guard, Limits, Stop};
use crate::scheduler::{Job, Scheduler};
use crate::span::Sources;

/// What a function of the language answers.
pub(crate) enum Answer {
    /// These values.
    Values(MultiValue),
    /// What a resource's result is made of.
    Reply(Box<sloth_core::body::Outcome>),
    /// What this blocking work will bring.
    Job(Job),
    /// Whatever the one that wakes this coroutine says.
    Park,
}

/// While it lives, the memory limit is not enforced, which makes building small tables several times cheaper. No code of
/// a script may run meanwhile; what it allocated counts afterwards.
pub(crate) struct Unlimited<'a>(&'a Lua, usize);

impl<'a> Unlimited<'a> {
    pub(crate) fn new(lua: &'a Lua) -> Self {
        Self(lua, lua.set_memory_limit(0).unwrap_or(0))
    }
}

impl Drop for Unlimited<'_> {
    fn drop(&mut self) {
        // Fails only where there was no limit before.
        let _ = self.0.set_memory_limit(self.1);
    }
}

/// Result of a function of the language.
pub(crate) type Native = Result<Answer, Fault>;

impl Answer {
    pub(crate) fn none() -> Native {
        Ok(Self::Values(MultiValue::new()))
    }
    pub(crate) fn one(value: LuaValue) -> Native {
        Ok(Self::Values([value].into_iter().collect()))
    }
    pub(crate) fn text(lua: &Lua, text: impl AsRef<[u8]>) -> Native {
        Self::one(LuaValue::String(lua.create_string(text)?))
    }
    pub(crate) fn flag(flag: bool) -> Native {
        Self::one(LuaValue::Boolean(flag))
    }
    pub(crate) fn many<const N: usize>(values: [LuaValue; N]) -> Native {
        Ok(Self::Values(values.into_iter().collect()))
    }
}

/// The piece of user code a coroutine belongs to.
#[derive(Default)]
pub(crate) struct UnitCx {
    /// Its way to the world; `None` while loading.
    pub(crate) scope: Option<Arc<dyn Scope>>,
    /// Host chosen by a `delegate_to` function.
    pub(crate) host: RefCell<Option<HostName>>,
    /// Defaults of its commands.
    pub(crate) cwd: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// Files it has open for writing.
    pub(crate) files: RefCell<Vec<std::rc::Weak<RefCell<crate::modules::io::Open>>>>,
}

/// What the prelude is made of, once it is there.
pub(crate) struct Own {
    /// Globals behind those of the script.
    pub(crate) globals: Table,
    /// Functions of Rust.
    pub(crate) natives: Table,
    /// What all parts lean on.
    pub(crate) base: Table,
    /// Declares a workflow.
    pub(crate) define: Function,
}

/// What all functions of one program share.
pub(crate) struct Shared {
    pub(crate) host: Arc<dyn HostLayer>,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) limits: Limits,
    pub(crate) sources: RefCell<Sources>,
    /// Directory of the workflow file.
    pub(crate) base: PathBuf,
    pub(crate) values: Value,
    pub(crate) cx: RefCell<Rc<UnitCx>>,
    pub(crate) guard: RefCell<Rc<Guard>>,
    pub(crate) sched: Scheduler,
    /// Globals that were read but are not there.
    pub(crate) unknown: RefCell<Vec<String>>,
    /// Names of all globals of the language.
    pub(crate) known: RefCell<Vec<String>>,
    /// Names of all modules, sorted.
    pub(crate) modules: RefCell<Vec<&'static str>>,
    pub(crate) own: RefCell<Option<Own>>,
    pub(crate) error_meta: RefCell<Option<Table>>,
    pub(crate) reply_meta: RefCell<Option<Table>>,
    pub(crate) exec_meta: RefCell<Option<Table>>,
    pub(crate) empty: RefCell<Option<Table>>,
    pub(crate) wrap: RefCell<Option<Function>>,
    /// What was read of hosts.
    pub(crate) facts: RefCell<crate::modules::facts::Known>,
    /// How many calls may have changed a host.
    pub(crate) moved: std::cell::Cell<u64>,
    /// What `os.clock` counts from.
    pub(crate) started: std::time::Instant,
}

impl Shared {
    pub(crate) fn new(
        host: Arc<dyn HostLayer>,
        catalog: Arc<dyn Catalog>,
        limits: Limits,
        base: PathBuf,
        values: Value,
    ) -> Self {
        Self {
            host,
            catalog,
            limits,
            sources: RefCell::default(),
            base,
            values,
            cx: RefCell::default(),
            guard: RefCell::new(Rc::new(Guard::trusted())),
            sched: Scheduler::new(limits.workers),
            unknown: RefCell::default(),
            known: RefCell::default(),
            modules: RefCell::default(),
            own: RefCell::default(),
            error_meta: RefCell::default(),
            reply_meta: RefCell::default(),
            exec_meta: RefCell::default(),
            empty: RefCell::default(),
            wrap: RefCell::default(),
            facts: RefCell::default(),
            moved: std::cell::Cell::new(0),
            started: std::time::Instant::now(),
        }
    }

    fn own<T>(&self, part: impl FnOnce(&Own) -> T) -> mlua::Result<T> {
        self.own
            .borrow()
            .as_ref()
            .map(part)
            .ok_or_else(|| mlua::Error::runtime("the language is not there yet"))
    }
    pub(crate) fn globals(&self) -> mlua::Result<Table> {
        self.own(|own| own.globals.clone())
    }
    pub(crate) fn natives(&self) -> mlua::Result<Table> {
        self.own(|own| own.natives.clone())
    }
    pub(crate) fn base_words(&self) -> mlua::Result<Table> {
        self.own(|own| own.base.clone())
    }
    pub(crate) fn define(&self) -> mlua::Result<Function> {
        self.own(|own| own.define.clone())
    }
    pub(crate) fn cx(&self) -> Rc<UnitCx> {
        self.cx.borrow().clone()
    }
    /// The scope of the running unit, to call it: however long that takes, it is no computing.
    pub(crate) fn scope(&self, what: &str) -> Result<Arc<dyn Scope>, Fault> {
        self.guard.borrow().refresh();
        self.cx.borrow().scope.clone().ok_or_else(|| {
            Fault::new("refused", format!("`{what}` cannot be called while the file is being loaded"))
                .hint("move the call into the `run` function of a task")
        })
    }
    pub(crate) fn maybe_scope(&self) -> Option<Arc<dyn Scope>> {
        self.cx.borrow().scope.clone()
    }
    /// Says a line to the user.
    pub(crate) fn say(&self, stream: &'static str, text: &str) {
        match self.maybe_scope() {
            Some(scope) => scope.say(stream, text),
            None => self.host.say(stream, text),
        }
    }
    /// Asks whether an effect may happen; true means go on.
    pub(crate) fn permitted(&self, what: &str, function: &str) -> Result<bool, Fault> {
        Ok(self.scope(function)?.effect(what)? == sloth_core::body::Permission::Go)
    }
    /// Something may change a host, or has changed it: what was read of it is old.
    pub(crate) fn moves(&self) {
        self.moved.set(self.moved.get() + 1);
    }
    /// A controller path as code writes it: `~` expanded, relative to the workflow file.
    pub(crate) fn path(&self, text: &str) -> PathBuf {
        if let Some(rest) = text.strip_prefix("~/")
            && let Some(home) = self.host.var("HOME")
        {
            return Path::new(&home).join(rest);
        }
        self.base.join(text)
    }
    /// The running line of user code.
    pub(crate) fn here(&self, lua: &Lua) -> Option<Span> {
        self.sources.borrow().here(lua, 1)
    }
    /// The line of user code at which a coroutine waits.
    pub(crate) fn waits_at(&self, thread: &mlua::Thread) -> Option<Span> {
        let find: Function = self.base_words().ok()?.raw_get("waits_at").ok()?;
        let (file, line): (Option<String>, Option<u32>) = find.call(thread).ok()?;
        let file = self.sources.borrow().name(&file?)?;
        Some(Span { file, line: line? })
    }
    pub(crate) fn error_meta(&self, lua: &Lua) -> mlua::Result<Table> {
        match &*self.error_meta.borrow() {
            Some(table) => Ok(table.clone()),
            None => lua.create_table(),
        }
    }

    /// Called from the interrupt: fails for ever once a limit was passed.
    pub(crate) fn interrupt(&self, lua: &Lua) -> mlua::Result<mlua::VmState> {
        let Ok(guard) = self.guard.try_borrow() else { return Ok(mlua::VmState::Continue) };
        if guard.is_trusted() {
            return Ok(mlua::VmState::Continue);
        }
        if !guard.stopped() {
            if !guard.due() {
                return Ok(mlua::VmState::Continue);
            }
            let Some(stop) = guard.check(std::time::Instant::now()) else {
                return Ok(mlua::VmState::Continue);
            };
            let span = self.sources.borrow().here(lua, 0);
            guard.trip(stop, span);
        }
        Err(mlua::Error::external(self.stop_fault(&guard)))
    }

    pub(crate) fn stop_fault(&self, guard: &Guard) -> Fault {
        let (stop, span) = guard.why().unwrap_or((Stop::Run, None));
        Fault::new(stop.kind(), stop.message()).span(span)
    }

    pub(crate) fn memory_fault(&self) -> Fault {
        let limit = self.limits.memory >> 20;
        Fault::new("limit", format!("the script needs more memory than it may have ({limit} MiB)"))
    }

    /// Turns an engine message into a fault: finds the place, and names the global that is not there.
    pub(crate) fn explain(&self, text: &str) -> Fault {
        let text = text.split("\nstack traceback:").next().unwrap_or(text);
        let text = text
            .strip_prefix("runtime error: ")
            .or_else(|| text.strip_prefix("syntax error: "))
            .unwrap_or(text);
        let sources = self.sources.borrow();
        let (span, message) = match sources.split(text) {
            Some((span, rest)) => (Some(span), rest),
            None => (None, text),
        };
        if message == "not enough memory" {
            return self.memory_fault().span(span);
        }
        let fault = Fault::new("error", message).span(span.clone());
        let nil_call = message.starts_with("attempt to call a nil value");
        let nil_index = message.starts_with("attempt to index nil with");
        if (nil_call || nil_index)
            && let Some(span) = &span
            && let Some(line) = sources.line(span)
        {
            let unknown = self.unknown.borrow();
            let guilty = unknown.iter().rev().find(|name| {
                crate::span::find_word(&line, name).is_some_and(|at| {
                    let rest = line[at + name.len()..].trim_start();
                    if nil_index {
                        rest.starts_with(['.', ':', '['])
                    } else {
                        rest.starts_with(['(', '{', '"', '\'', '['])
                    }
                })
            });
            if let Some(name) = guilty {
                if let Some(instead) = crate::refused::module(name) {
                    let message = format!("module `{name}` is not part of this program");
                    return Fault::new("unknown", message)
                        .span(Some(span.clone()))
                        .word(name.as_str())
                        .hint(instead);
                }
                let known = self.known.borrow();
                let near = sloth_core::suggest::nearest(name, known.iter().map(String::as_str));
                let mut fault =
                    Fault::new("unknown", format!("`{name}` is not defined")).span(Some(span.clone()));
                fault.diagnostic.word = Some(name.clone());
                fault.diagnostic.hint = near.map(|n| format!("did you mean `{n}`?"));
                return fault;
            }
        }
        fault
    }

    /// Makes a Rust function one of the language. Its waiting, its errors and its place in the source are taken care of.
    pub(crate) fn native<F>(self: &Rc<Self>, lua: &Lua, function: F) -> mlua::Result<Function>
    where
        F: Fn(&Lua, &Rc<Self>, MultiValue) -> Native + 'static,
    {
        let raw = self.raw_native(lua, function)?;
        self.wrapped(raw)
    }
    /// Gives a raw function its waiting and raising.
    pub(crate) fn wrapped(&self, raw: Function) -> mlua::Result<Function> {
        match &*self.wrap.borrow() {
            Some(wrap) => wrap.call(raw),
            None => Ok(raw),
        }
    }
    /// The three-valued form of [`Shared::native`]: status, then values, token or error.
    pub(crate) fn raw_native<F>(self: &Rc<Self>, lua: &Lua, function: F) -> mlua::Result<Function>
    where
        F: Fn(&Lua, &Rc<Self>, MultiValue) -> Native + 'static,
    {
        let shared = Rc::clone(self);
        lua.create_function(move |lua, args: MultiValue| {
            let answer = function(lua, &shared, args);
            shared.settle(lua, answer)
        })
    }
    /// Turns an answer into the values the wrapper of every function understands.
    pub(crate) fn settle(self: &Rc<Self>, lua: &Lua, answer: Native) -> mlua::Result<MultiValue> {
        match answer {
            Ok(Answer::Values(mut values)) => {
                values.push_front(LuaValue::Integer(0));
                Ok(values)
            }
            Ok(Answer::Reply(outcome)) => crate::reply::parts(lua, self, outcome),
            Ok(Answer::Job(job)) => {
                if self.sched.others_could_run() {
                    let token = self.sched.prepare(job);
                    return Ok([LuaValue::Integer(1), LuaValue::Integer(token)].into_iter().collect());
                }
                let answer = self.sched.run_here(lua, self, job);
                self.settle(lua, answer)
            }
            Ok(Answer::Park) => Ok([LuaValue::Integer(1), LuaValue::Integer(0)].into_iter().collect()),
            Err(fault) => {
                let value = fault.raise(lua, self)?;
                Ok([LuaValue::Integer(2), value].into_iter().collect())
            }
        }
    }
}
