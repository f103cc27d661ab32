//! `facts`: what a host is and has, read when it is first asked for. What does not change is kept for the run, what a task
//! may change until one may have done so, and what moves by itself is read each time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Lua, MultiValue, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::body::{CommandCall, CommandOutcome, Scope};
use sloth_core::command::Command;
use sloth_core::suggest::nearest;
use sloth_core::value::{Map, Value};
use sloth_core::web::Errand;

use super::Module;
use crate::args::text_of;
use crate::convert;
use crate::fault::Fault;
use crate::options::{Options, Taken};
use crate::scheduler::Job;
use crate::shared::{Answer, Native, Shared};

/// How long an answer holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// For the run.
    Always,
    /// Until a task may have changed something.
    Still,
    /// It moves by itself.
    Never,
}

/// What is known of a host.
const TOPICS: &[(&str, Holds)] = &[
    ("cpu", Holds::Always),
    ("disks", Holds::Never),
    ("groups", Holds::Still),
    ("load", Holds::Never),
    ("memory", Holds::Never),
    ("mounts", Holds::Still),
    ("network", Holds::Still),
    ("os", Holds::Still),
    ("packages", Holds::Still),
    ("ports", Holds::Never),
    ("processes", Holds::Never),
    ("services", Holds::Never),
    ("uptime", Holds::Never),
    ("users", Holds::Still),
];

fn holds(topic: &str) -> Holds {
    match TOPICS.iter().find(|(name, _)| *name == topic) {
        Some((_, holds)) => *holds,
        None if topic == "package" => Holds::Still,
        None => Holds::Never,
    }
}

/// What the questions of the original may say.
const OPTIONS: Options = Options {
    function: "facts",
    names: &[
        ("delegate_to", &["agent", "host", "target"]),
        ("interface", &[]),
        ("mountpoint", &["path"]),
        ("name", &["package", "service", "username"]),
    ],
};

/// What was read, by host, topic and name, with the number of effects before it.
#[derive(Default)]
pub(crate) struct Known(BTreeMap<(String, String, String), (u64, Value)>);

/// The questions of the original: name, topic, the option that names one of several, and how the answer is made.
type Pick = fn(Option<&str>, Value) -> Result<Value, String>;
const QUESTIONS: &[(&str, &str, &str, Pick)] = &[
    ("get_cpu", "cpu", "", |_, v| Ok(v)),
    ("get_disk", "disks", "mountpoint", |one, v| one_of(one, v, "mountpoint")),
    ("get_disks", "disks", "", |_, v| Ok(v)),
    ("get_hostname", "os", "", |_, v| Ok(v["hostname"].clone())),
    ("get_load", "load", "", |_, v| Ok(v)),
    ("get_memory", "memory", "", |_, v| Ok(v)),
    ("get_mounts", "mounts", "", |_, v| Ok(v)),
    ("get_network", "network", "interface", |one, v| one_of(one, v["interfaces"].clone(), "name")),
    ("get_packages", "packages", "", |_, v| Ok(v)),
    ("get_platform", "os", "", |_, v| Ok(platform(v))),
    ("get_processes", "processes", "", |_, v| Ok(v)),
    ("get_services", "services", "", |_, v| Ok(v)),
    ("get_uptime", "uptime", "", |_, v| Ok(v)),
    ("get_user", "users", "name", |one, v| one_of(one, v, "username")),
    ("get_users", "users", "", |_, v| Ok(v)),
];

/// The entry of a list that the option names, or the list.
fn one_of(wanted: Option<&str>, list: Value, field: &str) -> Result<Value, String> {
    let Some(wanted) = wanted else { return Ok(list) };
    let found = list.as_array().and_then(|all| all.iter().find(|one| one[field] == wanted));
    found.cloned().ok_or_else(|| format!("there is no `{wanted}`"))
}

/// The names the original has for these things.
fn platform(os: Value) -> Value {
    let Value::Object(mut os) = os else { return os };
    if let Some(name) = os.get("id").cloned() {
        os.insert("os".to_owned(), name);
    }
    Value::Object(os)
}

pub(super) fn fill(facts: &Module<'_>) -> mlua::Result<()> {
    for (name, topic, option, pick) in QUESTIONS {
        facts.add(&[name], move |lua, shared, args| {
            let given = given(lua, shared, name, &args)?;
            let one = given.text(option)?;
            ask(lua, shared, name, topic, None, host_of(&given)?, move |lua, found| {
                answered(lua, found.and_then(|value| pick(one.as_deref(), value)))
            })
        })?;
    }
    for (names, topic, title) in [
        (&["package", "get_package"], "package", "facts.package"),
        (&["service", "get_service"], "service", "facts.service"),
        (&["path", "stat"], "path", "facts.path"),
    ] {
        facts.add(names, move |lua, shared, args| {
            let given = given(lua, shared, title, &args)?;
            let name = given.text("name")?.or(given.text("mountpoint")?);
            let name = name.ok_or_else(|| Fault::argument(format!("`{title}` needs a name")))?;
            ask(lua, shared, title, topic, Some(name), host_of(&given)?, answered)
        })?;
    }
    facts.add(&["get_all", "all"], |lua, shared, args| {
        let given = given(lua, shared, "facts.get_all", &args)?;
        all(lua, shared, host_of(&given)?)
    })?;
    facts.add(&["refresh"], |_, shared, _| {
        shared.facts.borrow_mut().0.clear();
        Answer::none()
    })?;
    facts.add(&["on"], |lua, shared, args| {
        let host =
            args.front().and_then(text_of).ok_or_else(|| Fault::argument("`facts.on` needs a host"))?;
        let table = lua.create_table()?;
        let meta = lua.create_table()?;
        meta.raw_set("__index", index(lua, shared, Some(HostName::new(host)))?)?;
        table.set_metatable(Some(meta))?;
        Answer::one(LuaValue::Table(table))
    })?;
    facts.meta()?.raw_set("__index", index(facts.lua, facts.shared, None)?)
}

/// `facts.os.family`: what is read from the table is asked of the host.
fn index(lua: &Lua, shared: &Rc<Shared>, host: Option<HostName>) -> mlua::Result<mlua::Function> {
    shared.native(lua, move |lua, shared, args| {
        let key = super::maybe_text(&args, 1).unwrap_or_default();
        let Some((topic, _)) = TOPICS.iter().find(|(topic, _)| *topic == key) else {
            let functions = ["all", "on", "package", "path", "refresh", "service"];
            let names = TOPICS.iter().map(|(topic, _)| *topic).chain(functions);
            let span = shared.here(lua).map(|s| shared.sources.borrow().find_key(&s, &key));
            let fault =
                Fault::new("unknown", format!("module `facts` has no `{key}`")).word(key.as_str()).span(span);
            return Err(match nearest(&key, names.collect::<Vec<_>>()) {
                Some(near) => fault.hint(format!("did you mean `facts.{near}`?")),
                None => fault,
            });
        };
        ask(
            lua,
            shared,
            &format!("facts.{topic}"),
            topic,
            None,
            host.clone(),
            move |lua, found| match found {
                Ok(value) => Answer::one(convert::to_lua(lua, &value)?),
                Err(why) => Err(Fault::new("facts", format!("could not read `facts.{topic}`: {why}"))),
            },
        )
    })
}

/// `(name)`, `(name, {…})` and `{…}`.
fn given(lua: &Lua, shared: &Rc<Shared>, function: &str, args: &MultiValue) -> Result<Taken, Fault> {
    let mut given = Taken::default();
    for value in args {
        match value {
            LuaValue::Nil => {}
            LuaValue::Table(table) if text_of(value).is_none() => {
                given.add(OPTIONS.take(lua, shared, table)?);
            }
            other if !given.has("name") && text_of(other).is_some() => given.put("name", other.clone()),
            other => {
                return Err(Fault::argument(format!(
                    "`{function}` takes a name and a table, not a {}",
                    other.type_name()
                )));
            }
        }
    }
    Ok(given)
}

/// The host that was named; `local` and `localhost` are that of the task.
pub(super) fn host_of(given: &Taken) -> Result<Option<HostName>, Fault> {
    Ok(given.text("delegate_to")?.and_then(|host| named(&host)))
}
pub(super) fn named(host: &str) -> Option<HostName> {
    (!matches!(host, "" | "local" | "localhost")).then(|| HostName::new(host))
}

fn answered(lua: &Lua, found: Result<Value, String>) -> Native {
    match found {
        Ok(value) => Answer::one(convert::to_lua(lua, &value)?),
        Err(why) => unanswered(lua, &why),
    }
}
/// Nothing, and why.
pub(super) fn unanswered(lua: &Lua, why: &str) -> Native {
    Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(why)?)])
}

/// A question and what is done with the answer.
pub(super) fn ask(
    lua: &Lua,
    shared: &Rc<Shared>,
    function: &str,
    topic: &str,
    of: Option<String>,
    host: Option<HostName>,
    then: impl FnOnce(&Lua, Result<Value, String>) -> Native + Send + 'static,
) -> Native {
    let scope: Arc<dyn Scope> = shared.scope(function)?;
    let host = host.or_else(|| shared.cx().host.borrow().clone());
    let shown = host.as_ref().unwrap_or_else(|| scope.host()).to_string();
    let key = (shown, topic.to_owned(), of.clone().unwrap_or_default());
    let (holds, now) = (holds(topic), shared.moved.get());
    if let Some((then_at, value)) = shared.facts.borrow().0.get(&key)
        && (holds == Holds::Always || *then_at == now)
    {
        return then(lua, Ok(value.clone()));
    }
    let call = call(topic, of, host, shared.here(lua));
    Ok(Answer::Job(Job::new(
        move || scope.command(call),
        move |lua, shared, outcome| {
            let found = found(outcome?);
            if let Ok(value) = &found
                && holds != Holds::Never
            {
                shared.facts.borrow_mut().0.insert(key, (now, value.clone()));
            }
            then(lua, found)
        },
    )))
}

fn call(
    topic: &str,
    of: Option<String>,
    host: Option<HostName>,
    span: Option<sloth_core::span::Span>,
) -> CommandCall {
    let line = of.as_ref().map_or_else(|| format!("facts {topic}"), |of| format!("facts {topic} {of}"));
    let command = Command {
        line,
        read_only: true,
        errand: Some(Box::new(Errand::Facts { topic: topic.to_owned(), of })),
        ..Command::default()
    };
    CommandCall { host, command, span }
}

fn found(outcome: CommandOutcome) -> Result<Value, String> {
    match outcome {
        CommandOutcome::Ran(output) if output.success() => {
            serde_json::from_str(&output.stdout).map_err(|e| format!("the host answered in another way: {e}"))
        }
        CommandOutcome::Ran(output) => Err(output.stderr),
        CommandOutcome::WouldRun => Err("it is not asked while planning".to_owned()),
    }
}

/// Everything that can be had, in one table.
fn all(lua: &Lua, shared: &Rc<Shared>, host: Option<HostName>) -> Native {
    let scope: Arc<dyn Scope> = shared.scope("facts.get_all")?;
    let host = host.or_else(|| shared.cx().host.borrow().clone());
    let span = shared.here(lua);
    Ok(Answer::Job(Job::new(
        move || {
            let mut all = Map::new();
            for (topic, _) in TOPICS {
                let outcome = scope.command(call(topic, None, host.clone(), span.clone()))?;
                // A host that does not know one thing knows the others.
                if let Ok(value) = found(outcome) {
                    all.insert((*topic).to_owned(), value);
                }
            }
            Ok::<Map, sloth_core::body::CallError>(all)
        },
        |lua, _, all| {
            let mut all = all?;
            let os = platform(all.get("os").cloned().unwrap_or_default());
            all.insert("hostname".to_owned(), os["hostname"].clone());
            all.insert("platform".to_owned(), os);
            all.insert("cpus".to_owned(), all.get("cpu").map_or(Value::Null, |cpu| cpu["count"].clone()));
            Answer::one(convert::to_lua(lua, &Value::Object(all))?)
        },
    )))
}
