//! `exec.run`: a command, or a resource when a guard says when it has to run.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::body::{CallError, CommandCall, CommandOutcome, Outcome, Scope};
use sloth_core::command::{Command, CommandOutput};
use sloth_core::suggest::nearest;
use sloth_core::value::Value;

use super::Module;
use crate::args::{Signature, duration_of, text_of, texts_of};
use crate::fault::Fault;
use crate::scheduler::Job;
use crate::shared::{Answer, Native, Shared};

/// Options and their other spellings.
const OPTIONS: &[(&str, &[&str])] = &[
    ("creates", &[]),
    ("cwd", &["chdir", "dir", "workdir"]),
    ("delegate_to", &["host"]),
    ("env", &["environment"]),
    ("ignore_errors", &[]),
    ("onlyif", &["only_if"]),
    ("raise", &["check"]),
    ("read_only", &["readonly"]),
    ("removes", &[]),
    ("stdin", &["input"]),
    ("timeout", &[]),
    ("unless", &["not_if"]),
    ("user", &["as", "become_user", "run_as"]),
    ("when", &[]),
];

/// Options of resources, which a guarded command understands too.
const RESOURCE: &[&str] =
    &["depends_on", "id", "keep", "name", "notify", "protect", "sensitive", "take_over"];

#[derive(Default)]
struct Request {
    command: Command,
    host: Option<HostName>,
    raise: bool,
    skip: bool,
    creates: Option<String>,
    removes: Option<String>,
    unless: Option<String>,
    onlyif: Option<String>,
}

impl Request {
    const fn guarded(&self) -> bool {
        self.creates.is_some() || self.removes.is_some() || self.unless.is_some() || self.onlyif.is_some()
    }
}

pub(super) fn fill(module: &Module<'_>) -> mlua::Result<()> {
    let guarded = OnceCell::new();
    module.add(&["run", "sh", "shell", "command"], move |lua, shared, args| {
        run(lua, shared, args, guarded.get_or_init(|| guarded_operation(shared)).as_ref())
    })
}

/// The operation behind a guarded command, and the name of its command argument.
fn guarded_operation(shared: &Shared) -> Option<(Rc<Signature>, String)> {
    let operation = shared
        .catalog
        .operations()
        .iter()
        .filter(|o| o.module == "exec" || o.kind == "exec")
        .find(|o| o.params.iter().any(|p| p.name == "creates"))?;
    let command = operation.positional.first()?;
    Some((Rc::new(Signature::new(*operation)), (*command).to_owned()))
}

pub(super) fn run(
    lua: &Lua,
    shared: &Rc<Shared>,
    args: MultiValue,
    guarded: Option<&(Rc<Signature>, String)>,
) -> Native {
    let scope = shared.scope("exec.run")?;
    shared.moves();
    let (request, given) = parse(lua, shared, args)?;
    if request.skip {
        let output = CommandOutput::default();
        return result(lua, shared, &output, Extra { changed: false, planned: false, skipped: true });
    }
    if request.guarded()
        && let Some((signature, command)) = guarded
    {
        return resource(lua, shared, signature, command, &request, &given);
    }
    let span = shared.here(lua);
    let shown = request.command.line.clone();
    let raise = request.raise;
    let call = |command: Command| CommandCall { host: request.host.clone(), command, span: span.clone() };
    let mut checks = Vec::new();
    if let Some(path) = &request.creates {
        checks.push((call(read_only(&request.command, &format!("test -e {}", quoted(path)))), false));
    }
    if let Some(path) = &request.removes {
        checks.push((call(read_only(&request.command, &format!("test -e {}", quoted(path)))), true));
    }
    if let Some(line) = &request.unless {
        checks.push((call(read_only(&request.command, line)), false));
    }
    if let Some(line) = &request.onlyif {
        checks.push((call(read_only(&request.command, line)), true));
    }
    let main = call(request.command.clone());
    if !shared.sched.others_could_run() {
        let done = carry_out(&*scope, checks, main);
        shared.guard.borrow().refresh();
        return finish(lua, shared, done, raise, &shown);
    }
    Ok(Answer::Job(Job::new(
        move || carry_out(&*scope, checks, main),
        move |lua, shared, done| finish(lua, shared, done, raise, &shown),
    )))
}

enum Done {
    Ran(CommandOutcome),
    Guarded,
}

/// Guards first, then the command.
fn carry_out(
    scope: &dyn Scope,
    checks: Vec<(CommandCall, bool)>,
    main: CommandCall,
) -> Result<Done, CallError> {
    for (check, wanted) in checks {
        if let CommandOutcome::Ran(output) = scope.command(check)?
            && output.success() != wanted
        {
            return Ok(Done::Guarded);
        }
    }
    scope.command(main).map(Done::Ran)
}

fn finish(lua: &Lua, shared: &Rc<Shared>, done: Result<Done, CallError>, raise: bool, shown: &str) -> Native {
    shared.moves();
    match done? {
        Done::Guarded => {
            let extra = Extra { changed: false, planned: false, skipped: true };
            result(lua, shared, &CommandOutput::default(), extra)
        }
        Done::Ran(CommandOutcome::WouldRun) => {
            let extra = Extra { changed: true, planned: true, skipped: false };
            result(lua, shared, &CommandOutput::default(), extra)
        }
        Done::Ran(CommandOutcome::Ran(output)) => {
            if raise && !output.success() {
                return Err(failure(shown, &output));
            }
            result(lua, shared, &output, Extra { changed: true, planned: false, skipped: false })
        }
    }
}

fn failure(shown: &str, output: &CommandOutput) -> Fault {
    let line = shown.lines().next().unwrap_or("");
    let short: String = line.chars().take(80).collect();
    let dots = if short.len() < shown.trim_end().len() { "…" } else { "" };
    let how = if output.timed_out {
        "timed out".to_owned()
    } else {
        format!("failed with exit code {}", output.exit_code)
    };
    let why = output.stderr.trim().lines().last().unwrap_or("").to_owned();
    let message = if why.is_empty() {
        format!("`{short}{dots}` {how}")
    } else {
        format!("`{short}{dots}` {how}: {why}")
    };
    Fault::new("command", message)
        .with("exit_code", Value::from(output.exit_code))
        .with("stdout", Value::from(output.stdout.as_str()))
        .with("stderr", Value::from(output.stderr.as_str()))
}

#[derive(Clone, Copy)]
struct Extra {
    changed: bool,
    planned: bool,
    skipped: bool,
}

/// The result table, then standard error and whether it failed, for files that take three values.
fn result(lua: &Lua, shared: &Shared, output: &CommandOutput, extra: Extra) -> Native {
    let table = lua.create_table_with_capacity(0, 9)?;
    let stdout = lua.create_string(&output.stdout)?;
    let stderr = lua.create_string(&output.stderr)?;
    table.raw_set("stdout", &stdout)?;
    table.raw_set("output", &stdout)?;
    table.raw_set("stderr", &stderr)?;
    table.raw_set("exit_code", output.exit_code)?;
    table.raw_set("code", output.exit_code)?;
    table.raw_set("success", output.success())?;
    table.raw_set("changed", extra.changed)?;
    if output.timed_out {
        table.raw_set("timed_out", true)?;
    }
    if extra.planned {
        table.raw_set("planned", true)?;
    }
    if extra.skipped {
        table.raw_set("skipped", true)?;
    }
    table.set_metatable(shared.exec_meta.borrow().clone())?;
    Answer::many([LuaValue::Table(table), LuaValue::String(stderr), LuaValue::Boolean(!output.success())])
}

/// A command with a guard is a resource: it is planned, recorded and skipped like one.
fn resource(
    lua: &Lua,
    shared: &Rc<Shared>,
    signature: &Rc<Signature>,
    command: &str,
    request: &Request,
    given: &BTreeMap<String, LuaValue>,
) -> Native {
    let table = lua.create_table()?;
    table.raw_set(command, request.command.line.as_str())?;
    if !request.command.argv.is_empty() && signature.has("argv") {
        table.raw_set(command, LuaValue::Nil)?;
        table.raw_set("argv", request.command.argv.clone())?;
    }
    // What the task says goes for guarded commands, too.
    if let Some(cwd) = request.command.cwd.as_deref().filter(|_| signature.has("cwd")) {
        table.raw_set("cwd", cwd)?;
    }
    if let Some(user) = request.command.user.as_deref().filter(|_| signature.has("user")) {
        table.raw_set("user", user)?;
    }
    if !request.command.env.is_empty() && signature.has("env") {
        table.raw_set("env", request.command.env.clone())?;
    }
    for (name, value) in given {
        if matches!(name.as_str(), "cwd" | "env" | "user") {
            continue;
        }
        if signature.has(name)
            || RESOURCE.contains(&name.as_str())
            || name == "delegate_to"
            || name == "ignore_errors"
        {
            table.raw_set(name.as_str(), value)?;
        }
    }
    let answer =
        crate::declare::call(lua, shared, signature, [LuaValue::Table(table)].into_iter().collect())?;
    match answer {
        Answer::Values(values) => Ok(Answer::Values(values)),
        Answer::Reply(outcome) => like_command(lua, shared, &outcome),
        Answer::Job(job) => Ok(Answer::Job(job.then(|lua, shared, answer| match answer? {
            Answer::Reply(outcome) => like_command(lua, shared, &outcome),
            other => Ok(other),
        }))),
        other @ Answer::Park => Ok(other),
    }
}

/// The result of a resource call with the fields of a command's.
fn like_command(lua: &Lua, shared: &Shared, outcome: &Outcome) -> Native {
    let table = crate::reply::table(lua, shared, outcome)?;
    table.raw_set("notes", LuaValue::Nil)?;
    if let LuaValue::Table(attributes) = table.raw_get::<LuaValue>("attributes")? {
        table.raw_set("attributes", LuaValue::Nil)?;
        attributes.for_each(|k: LuaValue, v: LuaValue| {
            if table.raw_get::<LuaValue>(k.clone())?.is_nil() {
                table.raw_set(k, v)?;
            }
            Ok(())
        })?;
    }
    for name in ["stdout", "stderr", "output"] {
        if table.raw_get::<LuaValue>(name)?.is_nil() {
            table.raw_set(name, "")?;
        }
    }
    if table.raw_get::<LuaValue>("exit_code")?.is_nil() {
        table.raw_set("exit_code", 0)?;
    }
    table.raw_set("success", true)?;
    table.set_metatable(shared.exec_meta.borrow().clone())?;
    let stderr = table.raw_get::<LuaValue>("stderr")?;
    Answer::many([LuaValue::Table(table), stderr, LuaValue::Boolean(false)])
}

fn read_only(like: &Command, line: &str) -> Command {
    Command { line: line.to_owned(), argv: Vec::new(), stdin: None, read_only: true, ..like.clone() }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn parse(
    lua: &Lua,
    shared: &Rc<Shared>,
    mut args: MultiValue,
) -> Result<(Request, BTreeMap<String, LuaValue>), Fault> {
    let cx = shared.cx();
    let mut request = Request {
        host: cx.host.borrow().clone(),
        command: Command {
            cwd: cx.cwd.clone(),
            user: cx.user.clone(),
            env: cx.env.clone(),
            ..Command::default()
        },
        ..Request::default()
    };
    let needs = || {
        Fault::argument("`exec.run` needs a command, a string")
            .hint("write `exec.run(\"systemctl restart nginx\")`")
    };
    let first = args.pop_front().unwrap_or(LuaValue::Nil);
    let mut options: Option<Table> = None;
    match &first {
        LuaValue::Table(table) if text_of(&first).is_none() => {
            let named =
                ["cmd", "command", "line"].iter().find_map(|k| table.raw_get::<Option<LuaValue>>(*k).ok()?);
            match named {
                Some(command) => {
                    request.command.line = text_of(&command).ok_or_else(needs)?;
                    options = Some(table.clone());
                }
                None => {
                    let argv = texts_of(&LuaValue::Table(table.clone()))
                        .filter(|a| !a.is_empty())
                        .ok_or_else(needs)?;
                    request.command.line = argv.join(" ");
                    request.command.argv = argv;
                }
            }
        }
        other => request.command.line = text_of(other).ok_or_else(needs)?,
    }
    // More strings after the command are its arguments.
    while let Some(next) = args.pop_front() {
        match &next {
            LuaValue::Nil => {}
            LuaValue::Table(table) if text_of(&next).is_none() => options = Some(table.clone()),
            other => {
                let text = text_of(other).ok_or_else(|| {
                    Fault::argument(format!(
                        "`exec.run` takes a command and a table, not a {}",
                        other.type_name()
                    ))
                })?;
                if request.command.argv.is_empty() {
                    request.command.argv.push(request.command.line.clone());
                }
                request.command.line = format!("{} {text}", request.command.line);
                request.command.argv.push(text);
            }
        }
    }
    let mut given = BTreeMap::new();
    if let Some(table) = options {
        let mut pairs = Vec::new();
        table.for_each(|k: LuaValue, v: LuaValue| {
            if let LuaValue::String(s) = k {
                pairs.push((s.to_string_lossy(), v));
            }
            Ok(())
        })?;
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, value) in pairs {
            if matches!(key.as_str(), "cmd" | "command" | "line") {
                continue;
            }
            let canonical = OPTIONS
                .iter()
                .find(|(name, aliases)| *name == key || aliases.contains(&key.as_str()))
                .map(|(name, _)| *name);
            match canonical {
                Some(name) => {
                    option(&mut request, name, &key, &value)?;
                    given.insert(name.to_owned(), value);
                }
                None if RESOURCE.contains(&key.as_str()) => {
                    given.insert(key, value);
                }
                None => return Err(unknown(lua, shared, &key)),
            }
        }
    }
    if let Some(left) = shared.guard.borrow().left() {
        let own = request.command.timeout.unwrap_or(Duration::MAX);
        request.command.timeout = Some(own.min(left.max(Duration::from_millis(1))));
    }
    Ok((request, given))
}

fn unknown(lua: &Lua, shared: &Rc<Shared>, key: &str) -> Fault {
    let names: Vec<&str> = OPTIONS
        .iter()
        .flat_map(|(n, a)| std::iter::once(*n).chain(a.iter().copied()))
        .chain(RESOURCE.iter().copied())
        .collect();
    let span = shared.here(lua).map(|s| shared.sources.borrow().find_key(&s, key));
    let fault = Fault::argument(format!("`exec.run` has no option `{key}`")).word(key).span(span);
    match nearest(key, names) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault,
    }
}

fn option(request: &mut Request, name: &str, written: &str, value: &LuaValue) -> Result<(), Fault> {
    let wrong = |expected: &str| {
        Fault::argument(format!("`{written}` of `exec.run` must be {expected}, not a {}", value.type_name()))
            .word(written)
    };
    let text = || text_of(value).ok_or_else(|| wrong("a string"));
    let flag = || match value {
        LuaValue::Boolean(b) => Ok(*b),
        _ => Err(wrong("a boolean")),
    };
    match name {
        "creates" => request.creates = Some(text()?),
        "cwd" => request.command.cwd = Some(text()?),
        "delegate_to" => match texts_of(value).as_deref() {
            Some([host]) => request.host = Some(HostName::new(host.as_str())),
            _ => return Err(wrong("one host")),
        },
        "env" => match value {
            LuaValue::Table(table) => {
                let mut bad = false;
                table.for_each(|k: LuaValue, v: LuaValue| {
                    match (text_of(&k), text_of(&v)) {
                        (Some(k), Some(v)) => {
                            request.command.env.insert(k, v);
                        }
                        (Some(k), None) => match v {
                            LuaValue::Boolean(b) => {
                                request.command.env.insert(k, b.to_string());
                            }
                            _ => bad = true,
                        },
                        _ => bad = true,
                    }
                    Ok(())
                })?;
                if bad {
                    return Err(wrong("a table of names and strings"));
                }
            }
            _ => return Err(wrong("a table of names and strings")),
        },
        "ignore_errors" => request.raise = request.raise && !flag()?,
        "onlyif" => request.onlyif = Some(text()?),
        "raise" => request.raise = flag()?,
        "removes" => request.removes = Some(text()?),
        "read_only" => request.command.read_only = flag()?,
        "stdin" => request.command.stdin = Some(text()?),
        "timeout" => {
            let seconds = duration_of(value).ok_or_else(|| wrong("a duration"))?;
            request.command.timeout = Duration::try_from_secs_f64(seconds).ok();
        }
        "unless" => request.unless = Some(text()?),
        "user" => request.command.user = Some(text()?),
        "when" => request.skip = matches!(value, LuaValue::Nil | LuaValue::Boolean(false)),
        _ => {}
    }
    Ok(())
}

/// Runs a plain shell line for `os.execute` and `io.popen`.
pub(super) fn shell(
    lua: &Lua,
    shared: &Rc<Shared>,
    function: &'static str,
    line: String,
    then: impl FnOnce(&Lua, &Rc<Shared>, Option<CommandOutput>) -> Native + Send + 'static,
) -> Native {
    let scope: Arc<dyn Scope> = shared.scope(function)?;
    shared.moves();
    let cx = shared.cx();
    let call = CommandCall {
        host: cx.host.borrow().clone(),
        command: Command {
            line,
            cwd: cx.cwd.clone(),
            user: cx.user.clone(),
            env: cx.env.clone(),
            timeout: shared.guard.borrow().left(),
            ..Command::default()
        },
        span: shared.here(lua),
    };
    Ok(Answer::Job(Job::new(
        move || scope.command(call),
        move |lua, shared, outcome| {
            let output = match outcome? {
                CommandOutcome::Ran(output) => Some(output),
                CommandOutcome::WouldRun => None,
            };
            then(lua, shared, output)
        },
    )))
}

/// Runs a command that only reads, on the host an option names, also while planning.
pub(super) fn ask(
    lua: &Lua,
    shared: &Rc<Shared>,
    function: &'static str,
    command: Command,
    options: Option<&Table>,
    then: impl FnOnce(&Lua, CommandOutput) -> Native + Send + 'static,
) -> Native {
    let scope: Arc<dyn Scope> = shared.scope(function)?;
    let mut host = shared.cx().host.borrow().clone();
    if let Some(options) = options {
        for key in ["delegate_to", "host"] {
            if let Some(named) = options.raw_get::<Option<String>>(key)? {
                host = Some(HostName::new(named));
            }
        }
    }
    let command = Command { read_only: true, timeout: shared.guard.borrow().left(), ..command };
    let call = CommandCall { host, command, span: shared.here(lua) };
    Ok(Answer::Job(Job::new(
        move || scope.command(call),
        move |lua, _, outcome| match outcome? {
            CommandOutcome::Ran(output) => then(lua, output),
            CommandOutcome::WouldRun => then(lua, CommandOutput::default()),
        },
    )))
}
