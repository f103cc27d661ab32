//! From a file to a program.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value as LuaValue};
use sloth_core::graph::{GraphError, TaskGraph};
use sloth_core::kind::Catalog;
use sloth_core::span::Span;
use sloth_core::suggest::nearest;
use sloth_core::value::{Map, Value};
use sloth_core::workflow::{Durability, OnFailure, Task, TaskRef, Workflow, WorkflowConfig};

use crate::convert;
use crate::diagnostic::{Diagnostic, LoadError};
use crate::fault::Fault;
use crate::host::HostLayer;
use crate::limits::{Guard, Limits};
use crate::prelude;
use crate::program::LuaProgram;
use crate::scheduler::Turn;
use crate::shared::{Answer, Own, Shared, UnitCx};
use crate::span::Sources;

/// Where the text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceText {
    /// A file, as the user named it.
    Path(PathBuf),
    /// A text with a name for messages; relative paths in it start at the name's directory.
    Text {
        /// Name.
        name: String,
        /// Text.
        text: String,
    },
}

/// What to load, and with what.
#[derive(Clone)]
pub struct LoadRequest {
    /// The file.
    pub source: SourceText,
    /// Which workflow, when the file has several.
    pub workflow: Option<String>,
    /// Resource types and operations.
    pub catalog: Arc<dyn Catalog>,
    /// The global `values`.
    pub values: Value,
    /// The global `vars`; they also replace entries of `values` (`a.b` reaches inside).
    pub vars: Map,
    /// The controller.
    pub host: Arc<dyn HostLayer>,
    /// Bounds for the scripts.
    pub limits: Limits,
}

impl LoadRequest {
    /// A request for a file without values, on the real controller, with the default limits.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, catalog: Arc<dyn Catalog>) -> Self {
        Self {
            source: SourceText::Path(path.into()),
            workflow: None,
            catalog,
            values: Value::Object(Map::new()),
            vars: Map::new(),
            host: Arc::new(crate::host::RealHost::new()),
            limits: Limits::default(),
        }
    }
    /// The same for a text.
    #[must_use]
    pub fn text(name: impl Into<String>, text: impl Into<String>, catalog: Arc<dyn Catalog>) -> Self {
        Self {
            source: SourceText::Text { name: name.into(), text: text.into() },
            ..Self::new(PathBuf::new(), catalog)
        }
    }
}

/// Executes a file once and collects what it declares.
///
/// # Errors
/// It cannot be read, is not valid, fails, passes a limit, or declares something that makes no sense.
pub fn load(request: LoadRequest) -> Result<LuaProgram, LoadError> {
    let (name, text) = match &request.source {
        SourceText::Text { name, text } => (name.clone(), text.clone()),
        SourceText::Path(path) => {
            let name = path.to_string_lossy().into_owned();
            let bytes = request.host.read(path).map_err(|e| {
                let why = crate::declare::io_words(&e);
                LoadError::new(
                    Diagnostic::new(format!("could not read `{name}`: {why}")),
                    &Sources::default(),
                )
            })?;
            match String::from_utf8(bytes) {
                Ok(text) => (name, text),
                Err(_) => {
                    let problem = Diagnostic::new(format!("`{name}` is not UTF-8 text"));
                    return Err(LoadError::new(problem, &Sources::default()));
                }
            }
        }
    };
    let base = Path::new(&name).parent().map(Path::to_path_buf).unwrap_or_default();
    let values = merge(request.values.clone(), &request.vars);
    let shared = Rc::new(Shared::new(request.host, request.catalog, request.limits, base, values));
    let stem =
        Path::new(&name).file_stem().map_or_else(|| name.clone(), |s| s.to_string_lossy().into_owned());
    let file = Arc::clone(&shared.sources.borrow_mut().add(&name, &text));

    let fail = |fault: &Fault| LoadError::new((*fault.diagnostic).clone(), &shared.sources.borrow());
    let broken = |e: mlua::Error| fail(&Fault::from_mlua(&shared, &e));
    let (lua, words) = prepare(&shared, &Value::Object(request.vars)).map_err(broken)?;
    let main = chunk(&lua, &shared, &name, &text).map_err(|f| fail(&f))?;
    run_main(&lua, &shared, main).map_err(|f| fail(&f))?;
    let meaning =
        collect(&lua, &shared, &words, &stem, &file, request.workflow.as_deref()).map_err(|f| fail(&f))?;
    TaskGraph::build(&meaning.workflow.tasks).map_err(|e| fail(&graph_fault(e)))?;
    Ok(LuaProgram::new(lua, Rc::clone(&shared), words.driver, meaning))
}

fn merge(mut values: Value, vars: &Map) -> Value {
    if values.is_null() {
        values = Value::Object(Map::new());
    }
    for (name, value) in vars {
        let mut at = &mut values;
        let mut parts = name.split('.').peekable();
        while let Some(part) = parts.next() {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            let Some(map) = at.as_object_mut() else { break };
            if parts.peek().is_none() {
                map.insert(part.to_owned(), value.clone());
                break;
            }
            at = map.entry(part.to_owned()).or_insert(Value::Null);
        }
    }
    values
}

/// Functions of the prelude that Rust calls.
pub(crate) struct Words {
    collect: Function,
    pub(crate) driver: Table,
}

/// A state with all words of the language, sandboxed and bounded.
pub(crate) fn prepare(shared: &Rc<Shared>, vars: &Value) -> mlua::Result<(Lua, Words)> {
    let libs = StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::BIT
        | StdLib::MATH
        | StdLib::BUFFER
        | StdLib::DEBUG;
    let lua = Lua::new_with(libs, LuaOptions::new())?;
    lua.set_compiler(prelude::compiler());
    lua.gc_stop();
    let globals = lua.globals();
    for name in ["getfenv", "setfenv", "newproxy", "loadstring", "require", "load"] {
        globals.raw_set(name, LuaValue::Nil)?;
    }
    let list = lua.create_table()?;
    list.set_readonly(true);
    lua.set_named_registry_value(convert::LIST, list)?;

    let natives = crate::natives::table(&lua, shared)?;
    let base: Table = prelude::BASE.call(&lua, &natives)?;
    lua.set_named_registry_value("sloth.body", base.raw_get::<Function>("run_body")?)?;
    let dsl: Table = prelude::DSL.call(&lua, (&natives, &base))?;
    let driver: Table = prelude::DRIVER.call(&lua, (&natives, &base))?;
    let define = dsl.raw_get("define")?;
    *shared.own.borrow_mut() = Some(Own { globals: globals.clone(), natives, base, define });
    *shared.modules.borrow_mut() = crate::modules::names(shared);
    crate::modules::global::install(&lua, shared, &dsl, vars)?;

    let s = Rc::clone(shared);
    let meta = lua.create_table()?;
    meta.raw_set(
        "__index",
        lua.create_function(move |lua, (_, key): (LuaValue, LuaValue)| {
            if let LuaValue::String(name) = key {
                let name = name.to_string_lossy();
                if let Some(module) = crate::modules::module(lua, &s, &name)? {
                    return Ok(LuaValue::Table(module));
                }
                let mut unknown = s.unknown.borrow_mut();
                if unknown.len() < 1000 && !unknown.contains(&name) {
                    unknown.push(name);
                }
            }
            Ok(LuaValue::Nil)
        })?,
    )?;
    let (s, table) = (Rc::clone(shared), globals.clone());
    let next: Function = globals.raw_get("next")?;
    meta.raw_set(
        "__iter",
        lua.create_function(move |lua, _: LuaValue| {
            let names = s.modules.borrow().clone();
            for name in names {
                crate::modules::module(lua, &s, name)?;
            }
            Ok((next.clone(), table.clone()))
        })?,
    )?;
    meta.set_readonly(true);
    let mut known: Vec<String> = shared.modules.borrow().iter().map(|name| (*name).to_owned()).collect();
    globals.for_each(|k: LuaValue, _: LuaValue| {
        if let LuaValue::String(s) = k {
            known.push(s.to_string_lossy());
        }
        Ok(())
    })?;
    known.sort();
    *shared.known.borrow_mut() = known;
    globals.set_metatable(Some(meta))?;
    lua.sandbox(true)?;
    // Globals of scripts live in a table of their own in front of ours, and `_G` is that one.
    let front = lua.globals();
    front.raw_set("_G", &front)?;
    let s = Rc::clone(shared);
    lua.set_interrupt(move |lua| s.interrupt(lua));
    lua.set_memory_limit(shared.limits.memory)?;
    lua.gc_restart();
    Ok((lua, Words { collect: dsl.raw_get("collect")?, driver }))
}

/// A text as a function; refuses what is not text.
pub(crate) fn chunk(lua: &Lua, shared: &Shared, name: &str, text: &str) -> Result<Function, Fault> {
    if text.len() > shared.limits.source {
        return Err(Fault::new(
            "limit",
            format!("`{name}` has {} bytes; a source text has at most {}", text.len(), shared.limits.source),
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = if text.starts_with("#!") { format!("--{text}") } else { text.to_owned() };
    lua.load(text)
        .set_name(format!("={name}"))
        .set_mode(ChunkMode::Text)
        .into_function()
        .map_err(|e| Fault::from_mlua(shared, &e))
}

fn run_main(lua: &Lua, shared: &Rc<Shared>, main: Function) -> Result<(), Fault> {
    let result: Rc<std::cell::RefCell<Option<Fault>>> = Rc::default();
    let guard = Rc::new(Guard::watching(shared.limits.load, Some(shared.limits.load), None));
    let body = crate::natives::body_function(lua)?;
    let slot = Rc::clone(&result);
    shared.sched.start(
        lua,
        body,
        [LuaValue::Function(main)].into_iter().collect(),
        Rc::new(UnitCx::default()),
        guard,
        Box::new(move |_, _, ended| *slot.borrow_mut() = ended.err()),
    )?;
    shared.sched.run(lua, shared, || Ok(Turn::Finished)).map_err(|why| Fault::new("internal", why))?;
    match result.borrow_mut().take() {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// What a file declares.
pub(crate) struct Meaning {
    pub(crate) workflow: Workflow,
    pub(crate) table: Table,
    pub(crate) tasks: Vec<Table>,
    pub(crate) handlers: Vec<(String, Table)>,
}

fn place(table: &Table) -> mlua::Result<Span> {
    let at: Table = table.raw_get("at")?;
    Ok(Span::new(at.raw_get::<String>("file")?, at.raw_get("line")?))
}

fn collect(
    lua: &Lua,
    shared: &Shared,
    words: &Words,
    stem: &str,
    file: &Arc<str>,
    wanted: Option<&str>,
) -> Result<Meaning, Fault> {
    let body = crate::natives::body_function(lua)?;
    let values: MultiValue = body.call((words.collect.clone(), stem))?;
    let mut values = values.into_iter();
    if !matches!(values.next(), Some(LuaValue::Boolean(true))) {
        return Err(Fault::caught(lua, shared, &values.next().unwrap_or(LuaValue::Nil)));
    }
    let (Some(LuaValue::Table(workflows)), Some(LuaValue::Table(handlers))) = (values.next(), values.next())
    else {
        return Err(Fault::new("internal", "the declarations could not be read"));
    };
    let all: Vec<Table> = workflows.sequence_values().collect::<mlua::Result<_>>()?;
    let table = choose(&all, file, wanted)?;
    let fields: Table = table.raw_get("fields")?;
    let list: Table = table.raw_get("list")?;
    let tables: Vec<Table> = list.sequence_values().collect::<mlua::Result<_>>()?;
    if tables.is_empty() {
        let name: String = table.raw_get("name")?;
        let implicit = table.raw_get::<Option<bool>>("implicit")?.unwrap_or(false);
        return Err(if implicit {
            Fault::new("empty", format!("`{file}` declares no tasks"))
                .hint("write `task({ name = \"…\", run = function() … end })`")
        } else {
            Fault::new("empty", format!("workflow `{name}` has no tasks"))
                .word(name.as_str())
                .span(Some(place(&table)?))
        });
    }
    let hosts = texts(&fields, "delegate_to")?;
    let tasks = tables.iter().map(|t| task(shared, t, &hosts)).collect::<Result<Vec<_>, Fault>>()?;
    let mut handler_tables = Vec::new();
    for handler in handlers.sequence_values::<Table>() {
        let handler = handler?;
        handler_tables.push((handler.raw_get::<String>("name")?, handler));
    }
    let text = |name: &str| fields.raw_get::<Option<String>>(name);
    let workflow = Workflow {
        name: table.raw_get("name")?,
        description: text("description")?.unwrap_or_default(),
        version: text("version")?.unwrap_or_default(),
        config: config(&fields)?,
        metadata: match fields.raw_get::<LuaValue>("metadata")? {
            LuaValue::Nil => Map::new(),
            other => convert::object(lua, &other).map_err(|why| {
                Fault::argument(format!("`metadata` of a workflow: {why}")).span(place(&table).ok())
            })?,
        },
        tasks,
        handlers: handler_tables.iter().map(|(name, _)| name.clone()).collect(),
        file: file.to_string(),
        digest: shared.sources.borrow().digest(),
    };
    Ok(Meaning { workflow, table, tasks: tables, handlers: handler_tables })
}

fn choose(all: &[Table], file: &Arc<str>, wanted: Option<&str>) -> Result<Table, Fault> {
    let mut names: Vec<String> = Vec::new();
    for table in all {
        let name: String = table.raw_get("name")?;
        if names.contains(&name) {
            return Err(Fault::argument(format!("workflow `{name}` is declared twice"))
                .word(name.as_str())
                .span(Some(place(table)?)));
        }
        names.push(name);
    }
    let listed = || names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        if let Some(at) = names.iter().position(|n| n == wanted) {
            return Ok(all[at].clone());
        }
        let fault =
            Fault::new("unknown", format!("`{file}` has no workflow `{wanted}`; it has {}", listed()));
        return Err(match nearest(wanted, names.iter().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        });
    }
    if let [only] = all {
        return Ok(only.clone());
    }
    // Workflows of imported files are there to be used, not to be run.
    let mut own = Vec::new();
    for table in all {
        if place(table)?.file == *file {
            own.push(table.clone());
        }
    }
    if let [only] = own.as_slice() {
        return Ok(only.clone());
    }
    Err(Fault::new("ambiguous", format!("`{file}` has {} workflows: {}", names.len(), listed()))
        .hint("name the one to run"))
}

fn texts(fields: &Table, name: &str) -> mlua::Result<Vec<String>> {
    match fields.raw_get::<LuaValue>(name)? {
        LuaValue::Table(list) => list.sequence_values().collect(),
        _ => Ok(Vec::new()),
    }
}

fn task(shared: &Shared, def: &Table, workflow_hosts: &[String]) -> Result<Task, Fault> {
    let fields: Table = def.raw_get("fields")?;
    let places: Table = def.raw_get("places")?;
    let name: String = def.raw_get("name")?;
    let span = crate::natives::find_text(shared, &place(def)?, &name);
    let needs = texts(&fields, "depends_on")?;
    let written = match places.raw_get::<Option<Table>>("depends_on")? {
        Some(p) => {
            let at = Span::new(p.raw_get::<String>("file")?, p.raw_get("line")?);
            let at = if at.file == span.file && at.line < span.line { span.clone() } else { at };
            shared.sources.borrow().find_key(&at, &p.raw_get::<String>("key")?)
        }
        None => span.clone(),
    };
    let own_hosts = fields.raw_get::<LuaValue>("delegate_to")?;
    Ok(Task {
        name,
        description: fields.raw_get::<Option<String>>("description")?.unwrap_or_default(),
        depends_on: needs
            .into_iter()
            .map(|name| TaskRef { span: crate::natives::find_text(shared, &written, &name), name })
            .collect(),
        tags: texts(&fields, "tags")?,
        delegate_to: if own_hosts.is_nil() {
            workflow_hosts.to_vec()
        } else {
            texts(&fields, "delegate_to")?
        },
        span,
    })
}

fn config(fields: &Table) -> mlua::Result<WorkflowConfig> {
    let flag =
        |name: &str| -> mlua::Result<bool> { Ok(fields.raw_get::<Option<bool>>(name)?.unwrap_or(false)) };
    let on_failure = match fields.raw_get::<Option<String>>("on_failure")?.as_deref() {
        Some("rollback") => OnFailure::Rollback,
        Some("stop") => OnFailure::Stop,
        Some(_) => OnFailure::Continue,
        None if flag("fail_fast")? => OnFailure::Stop,
        None if fields.raw_get::<Option<bool>>("continue_on_error")? == Some(false) => OnFailure::Stop,
        None => OnFailure::Continue,
    };
    Ok(WorkflowConfig {
        timeout: fields.raw_get::<Option<f64>>("timeout")?.and_then(|t| Duration::try_from_secs_f64(t).ok()),
        require_lock: flag("require_lock")?,
        create_snapshot: flag("create_snapshot")?,
        max_parallel_tasks: fields.raw_get::<Option<u32>>("max_parallel_tasks")?.unwrap_or(0),
        on_failure,
        prune: flag("prune")?,
        validate: flag("validate")?,
        detect_drift: flag("detect_drift")?,
        depends_on: fields.raw_get::<Option<Vec<String>>>("depends_on")?.unwrap_or_default(),
        durability: if fields.raw_get::<Option<String>>("durability")?.as_deref() == Some("fast") {
            Durability::Fast
        } else {
            Durability::Full
        },
    })
}

fn graph_fault(error: GraphError) -> Fault {
    let message = error.to_string();
    let span = error.span().clone();
    let fault = Fault::new("graph", message).span(Some(span));
    match error {
        GraphError::Unknown { nearest, missing, .. } => {
            let fault = fault.word(missing);
            match nearest {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault,
            }
        }
        GraphError::Duplicate { name, .. } => fault.word(name),
        GraphError::Cycle { path, .. } => match path.get(1) {
            Some(name) => fault.word(name.as_str()),
            None => fault,
        },
    }
}

/// `import` and `require` of a file: the function of its text, and the name it is known by.
pub(crate) fn source(lua: &Lua, shared: &Rc<Shared>, path: &str, endings: &[&str]) -> crate::shared::Native {
    if Path::new(path).is_absolute() {
        return Err(Fault::argument(format!(
            "`{path}` is an absolute path; files are named relative to this one"
        ))
        .word(path));
    }
    let here = shared.here(lua);
    let dir = here
        .as_ref()
        .and_then(|s| Path::new(&*s.file).parent().map(Path::to_path_buf))
        .unwrap_or_else(|| shared.base.clone());
    let full = tidy(&dir.join(path));
    for ending in endings {
        let candidate = format!("{}{ending}", full.to_string_lossy());
        match shared.host.read(Path::new(&candidate)) {
            Ok(bytes) => {
                let Ok(text) = String::from_utf8(bytes) else {
                    return Err(Fault::argument(format!("`{candidate}` is not UTF-8 text")));
                };
                shared.sources.borrow_mut().add(&candidate, &text);
                let function = chunk(lua, shared, &candidate, &text)?;
                return Answer::many([
                    LuaValue::Function(function),
                    LuaValue::String(lua.create_string(&candidate)?),
                ]);
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => {
                return Err(Fault::argument(format!(
                    "could not read `{candidate}`: {}",
                    crate::declare::io_words(&e)
                ))
                .word(path));
            }
        }
    }
    Err(Fault::argument(format!("there is no file `{}`", full.to_string_lossy())).word(path))
}

/// Takes `.` and `..` out of a path.
fn tidy(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir
                if matches!(out.components().next_back(), Some(std::path::Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
