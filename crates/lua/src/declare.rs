//! Every operation of the catalog as a function of its module.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::body::{Call, CallError, CustomFunctions, Outcome, Scope};
use sloth_core::kind::{Arg, ArgError, Declared, Operation, Sources as ReadSources};
use sloth_core::value::{Map, Value};

use crate::args::{Checked, Signature};
use crate::convert;
use crate::fault::Fault;
use crate::reply;
use crate::scheduler::Job;
use crate::shared::{Answer, Native, Shared, Unlimited};

/// The function of one operation.
pub(crate) fn operation(lua: &Lua, shared: &Rc<Shared>, operation: Operation) -> mlua::Result<Function> {
    let signature = OnceCell::new();
    let raw = shared.raw_native(lua, move |lua, shared, args| {
        call(lua, shared, signature.get_or_init(|| Signature::new(operation)), args)
    })?;
    shared.wrapped(raw)
}

/// What a call asks for, before it is made.
pub(crate) struct Wish {
    calls: Vec<Call>,
    ignore_errors: bool,
}

pub(crate) fn call(lua: &Lua, shared: &Rc<Shared>, signature: &Signature, args: MultiValue) -> Native {
    shared.moves();
    let scope = shared.scope(signature.title())?;
    let free = Unlimited::new(lua);
    let checked = signature.check(lua, shared, args)?;
    if checked.call.skip {
        return reply::twice(reply::skipped(lua, shared, signature.title())?);
    }
    let declared = declare(lua, shared, signature, &checked, &*scope)?;
    let wish = wish(lua, shared, signature, &checked, declared)?;
    if checked.functions.is_empty() {
        return perform(lua, shared, scope, wish);
    }
    drop(free);
    let mut functions = Functions::of(lua, shared, &checked);
    let mut outcomes = Vec::new();
    for call in wish.calls {
        let host = call.host.as_ref().map_or_else(|| scope.host().to_string(), ToString::to_string);
        let outcome = scope.custom(call, &mut functions);
        shared.guard.borrow().refresh();
        outcomes.push((host, outcome));
    }
    answer(lua, shared, outcomes, wish.ignore_errors)
}

fn declare(
    lua: &Lua,
    shared: &Rc<Shared>,
    signature: &Signature,
    checked: &Checked,
    scope: &dyn Scope,
) -> Result<Vec<Declared>, Fault> {
    let reader = Reader { shared, scope };
    shared.catalog.declare(&signature.operation, &checked.args, &reader).map_err(|e: ArgError| {
        let mut fault = Fault::argument(match &e.param {
            Some(param) => format!("`{param}` of `{}`: {}", signature.title(), e.message),
            None => format!("`{}`: {}", signature.title(), e.message),
        });
        if let Some(param) = &e.param {
            let span = shared.here(lua).map(|s| shared.sources.borrow().find_key(&s, param));
            fault = fault.word(param.as_str()).span(span);
        }
        fault.diagnostic.hint = e.hint;
        fault
    })
}

fn wish(
    lua: &Lua,
    shared: &Rc<Shared>,
    signature: &Signature,
    checked: &Checked,
    declared: Vec<Declared>,
) -> Result<Wish, Fault> {
    let operation = &signature.operation;
    let (here, span) = (shared.cx.borrow().host.borrow().clone(), shared.here(lua));
    let call = |host: Option<HostName>, declared: Declared| Call {
        kind: operation.kind,
        module: operation.module,
        operation: operation.name,
        host,
        declared,
        options: checked.call.options.clone(),
        span: span.clone(),
    };
    let calls = match checked.call.hosts.as_slice() {
        [] => declared.into_iter().map(|one| call(here.clone(), one)).collect(),
        hosts => {
            let named = hosts.iter().map(|host| HostName::new(host.as_str()));
            named
                .flat_map(|host| declared.iter().map(move |one| (host.clone(), one.clone())))
                .map(|(host, one)| call(Some(host), one))
                .collect()
        }
    };
    Ok(Wish { calls, ignore_errors: checked.call.ignore_errors })
}

type Outcomes = Vec<(String, Result<Outcome, CallError>)>;

/// Makes the calls: here when nothing else could run, on a worker otherwise.
pub(crate) fn perform(lua: &Lua, shared: &Rc<Shared>, scope: Arc<dyn Scope>, mut wish: Wish) -> Native {
    if wish.calls.len() == 1
        && !shared.sched.others_could_run()
        && let Some(call) = wish.calls.pop()
    {
        let result = scope.resource(call);
        shared.guard.borrow().refresh();
        return match result {
            Ok(outcome) => Ok(Answer::Reply(Box::new(outcome))),
            Err(error) => failed(lua, error, wish.ignore_errors),
        };
    }
    let ignore = wish.ignore_errors;
    Ok(Answer::Job(Job::new(
        move || resources(&*scope, wish.calls),
        move |lua, shared, outcomes| answer(lua, shared, outcomes, ignore),
    )))
}

/// Several resources, several hosts at once. What came of each is called by what tells it from the others.
fn resources(scope: &dyn Scope, calls: Vec<Call>) -> Outcomes {
    let host_of =
        |call: &Call| call.host.as_ref().map_or_else(|| scope.host().to_string(), ToString::to_string);
    let mut hosts: Vec<(String, Vec<Call>)> = Vec::new();
    for call in calls {
        let host = host_of(&call);
        match hosts.last_mut() {
            Some((last, calls)) if *last == host => calls.push(call),
            _ => hosts.push((host, vec![call])),
        }
    }
    let (many, several) = (hosts.len() > 1, hosts.iter().any(|(_, calls)| calls.len() > 1));
    let labels = |host: &str, calls: &[Call]| -> Vec<String> {
        let label = |call: &Call| match (many, several) {
            (true, true) => format!("{} on {host}", call.declared.id),
            (false, true) => call.declared.id.clone(),
            _ => host.to_owned(),
        };
        calls.iter().map(label).collect()
    };
    let all_of = |mut calls: Vec<Call>| match calls.len() {
        1 => calls.pop().map(|call| scope.resource(call)).into_iter().collect(),
        _ => scope.resources(calls),
    };
    if !many {
        let mut all = Vec::new();
        for (host, calls) in hosts {
            all.extend(labels(&host, &calls).into_iter().zip(all_of(calls)));
        }
        return all;
    }
    let mut all = Vec::new();
    let mut rest = hosts.into_iter().peekable();
    while rest.peek().is_some() {
        let batch: Vec<(String, Vec<Call>)> = rest.by_ref().take(16).collect();
        let names: Vec<Vec<String>> = batch.iter().map(|(host, calls)| labels(host, calls)).collect();
        std::thread::scope(|threads| {
            let running: Vec<_> =
                batch.into_iter().map(|(_, calls)| threads.spawn(|| all_of(calls))).collect();
            for (thread, names) in running.into_iter().zip(names) {
                match thread.join() {
                    Ok(outcomes) => all.extend(names.into_iter().zip(outcomes)),
                    Err(_) => {
                        let broken = || CallError::Refused("the call ended in an internal error".to_owned());
                        all.extend(names.into_iter().map(|name| (name, Err(broken()))));
                    }
                }
            }
        });
    }
    all
}

fn answer(lua: &Lua, shared: &Rc<Shared>, mut outcomes: Outcomes, ignore: bool) -> Native {
    shared.moves();
    if outcomes.len() == 1
        && let Some((_, outcome)) = outcomes.pop()
    {
        return match outcome {
            Ok(outcome) => Ok(Answer::Reply(Box::new(outcome))),
            Err(error) => failed(lua, error, ignore),
        };
    }
    let mut done = Vec::new();
    let mut wrong = Vec::new();
    for (host, outcome) in outcomes {
        match outcome {
            Ok(outcome) => done.push((host, reply::table(lua, shared, &outcome)?)),
            Err(error) => wrong.push(error),
        }
    }
    let count = wrong.len();
    match wrong.into_iter().next() {
        Some(error) if count == 1 => failed(lua, error, ignore),
        Some(first) => {
            let mut fault = Fault::from(first);
            fault.diagnostic.message =
                format!("{} (and {} more failed)", fault.diagnostic.message, count - 1);
            if ignore {
                return Answer::many([
                    LuaValue::Nil,
                    LuaValue::String(lua.create_string(&fault.diagnostic.message)?),
                ]);
            }
            Err(fault)
        }
        None => reply::twice(reply::combined(lua, shared, &done)?),
    }
}

fn failed(lua: &Lua, error: CallError, ignore: bool) -> Native {
    if ignore && matches!(error, CallError::Apply { .. } | CallError::Blocked { .. }) {
        return Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(error.to_string())?)]);
    }
    Err(Fault::from(error))
}

/// What operations read on the controller.
struct Reader<'a> {
    shared: &'a Shared,
    scope: &'a dyn Scope,
}

impl ReadSources for Reader<'_> {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, ArgError> {
        let full = self.shared.path(path);
        self.shared.host.read(&full).map(Arc::from).map_err(|e| ArgError {
            param: None,
            message: format!("could not read `{}`: {}", full.display(), io_words(&e)),
            hint: None,
        })
    }
    fn template_context(&self) -> Value {
        let mut map = Map::new();
        map.insert("values".to_owned(), self.shared.values.clone());
        map.insert("stack".to_owned(), Value::from(self.scope.stack_name()));
        map.insert("host".to_owned(), Value::from(self.scope.host().as_str()));
        Value::Object(map)
    }
}

/// A system error without the number.
pub(crate) fn io_words(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or("failed");
    text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
}

/// Functions of the script behind a custom resource.
struct Functions<'a> {
    lua: &'a Lua,
    shared: &'a Rc<Shared>,
    probe: Option<Function>,
    apply: Option<Function>,
    delete: Option<Function>,
}

impl<'a> Functions<'a> {
    fn of(lua: &'a Lua, shared: &'a Rc<Shared>, checked: &Checked) -> Self {
        let find = |name: &str| match checked.args.0.get(name) {
            Some(Arg::Function(at)) => {
                checked.functions.get(usize::try_from(*at).unwrap_or(usize::MAX)).cloned()
            }
            _ => None,
        };
        Self { lua, shared, probe: find("probe"), apply: find("apply"), delete: find("delete") }
    }
    fn run(&self, function: Option<&Function>, what: &str, live: Option<&Value>) -> Result<LuaValue, String> {
        let Some(function) = function else { return Err(format!("it has no `{what}` function")) };
        let live =
            live.map_or(Ok(LuaValue::Nil), |v| convert::to_lua(self.lua, v)).map_err(|e| e.to_string())?;
        let values = function
            .call::<MultiValue>(live)
            .map_err(|e| Fault::from_mlua(self.shared, &e).diagnostic.to_string())?;
        let mut values = values.into_iter();
        let (first, second) = (values.next().unwrap_or(LuaValue::Nil), values.next());
        match (&first, second) {
            (LuaValue::Nil | LuaValue::Boolean(false), Some(LuaValue::String(why))) => {
                Err(why.to_string_lossy())
            }
            (LuaValue::Boolean(false), _) if what != "probe" => Err(format!("`{what}` returned false")),
            _ => Ok(first),
        }
    }
}

impl CustomFunctions for Functions<'_> {
    fn probe(&mut self) -> Result<Option<Value>, String> {
        match self.run(self.probe.as_ref(), "probe", None)? {
            LuaValue::Nil | LuaValue::Boolean(false) => Ok(None),
            LuaValue::Boolean(true) => Ok(Some(Value::Object(Map::new()))),
            other => convert::from_lua(self.lua, &other).map(Some),
        }
    }
    fn apply(&mut self, live: Option<&Value>) -> Result<(), String> {
        self.run(self.apply.as_ref(), "apply", live).map(|_| ())
    }
    fn delete(&mut self, live: &Value) -> Result<(), String> {
        self.run(self.delete.as_ref(), "delete", Some(live)).map(|_| ())
    }
}
