//! A loaded file as the engine drives it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::body::{Conductor, Next, Program, ProgramError, Scope, Unit, UnitEnding};
use sloth_core::output::Output;
use sloth_core::span::Span;
use sloth_core::value::{Map, Value};
use sloth_core::workflow::Workflow;

use crate::convert;
use crate::fault::Fault;
use crate::limits::Guard;
use crate::loader::Meaning;
use crate::scheduler::{Ended, Turn};
use crate::shared::{Shared, UnitCx};

/// A loaded file that can be run. Belongs to the thread that loaded it.
pub struct LuaProgram {
    lua: Lua,
    shared: Rc<Shared>,
    driver: Table,
    workflow: Workflow,
    table: Table,
    tasks: Vec<Table>,
    handlers: Vec<(String, Table)>,
    /// Outputs already set from the global `outputs`.
    outputs: Rc<RefCell<Map>>,
}

impl std::fmt::Debug for LuaProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LuaProgram").field("workflow", &self.workflow.name).finish_non_exhaustive()
    }
}

type Endings = Rc<RefCell<Vec<(Unit, UnitEnding)>>>;

impl LuaProgram {
    pub(crate) fn new(lua: Lua, shared: Rc<Shared>, driver: Table, meaning: Meaning) -> Self {
        Self {
            lua,
            shared,
            driver,
            workflow: meaning.workflow,
            table: meaning.table,
            tasks: meaning.tasks,
            handlers: meaning.handlers,
            outputs: Rc::default(),
        }
    }
    /// What the source texts use of the Go program that this one does not have, with what to use instead. It would fail
    /// when it is called.
    #[must_use]
    pub fn refused(&self) -> Vec<crate::LoadError> {
        let sources = self.shared.sources.borrow();
        let found = sources.all().flat_map(|(name, text)| crate::refused::uses(name, text));
        found.map(|problem| crate::LoadError::new(problem, &sources)).collect()
    }
    /// Does the workflow say what to do when a run starts?
    #[must_use]
    pub fn has_on_start(&self) -> bool {
        self.has("on_start")
    }
    /// Does the workflow say what to do when a run has ended?
    #[must_use]
    pub fn has_on_complete(&self) -> bool {
        self.has("on_complete")
    }
    fn has(&self, name: &str) -> bool {
        self.table
            .raw_get::<Table>("fields")
            .and_then(|f| f.raw_get::<LuaValue>(name))
            .is_ok_and(|v| !v.is_nil())
    }

    fn start(&self, unit: Unit, scope: Arc<dyn Scope>, endings: &Endings) -> Result<(), ProgramError> {
        let host = LuaValue::String(self.lua.create_string(scope.host().as_str()).map_err(broken)?);
        let workflow = LuaValue::Table(self.table.clone());
        let (function, args, span, fields): (&str, Vec<LuaValue>, Option<Span>, Option<Table>) = match &unit {
            Unit::Task(index, _) => {
                let Some(def) = self.tasks.get(*index) else {
                    return Err(ProgramError(format!("there is no task with the index {index}")));
                };
                let span = self.workflow.tasks.get(*index).map(|t| t.span.clone());
                let fields = def.raw_get("fields").map_err(broken)?;
                ("task", vec![LuaValue::Table(def.clone()), host, workflow], span, Some(fields))
            }
            Unit::Handler(name) => {
                let Some((_, handler)) = self.handlers.iter().find(|(n, _)| n == name) else {
                    let ending = UnitEnding::Failed {
                        message: format!("handler `{name}` does not exist any more"),
                        span: None,
                    };
                    endings.borrow_mut().push((unit, ending));
                    return Ok(());
                };
                ("handler", vec![LuaValue::Table(handler.clone()), host], None, None)
            }
            Unit::OnStart | Unit::OnComplete(_) => {
                let (function, has) = match &unit {
                    Unit::OnStart => ("on_start", self.has_on_start()),
                    _ => ("on_complete", self.has_on_complete()),
                };
                if !has {
                    let ending = UnitEnding::Succeeded { message: None, outputs: Map::new() };
                    endings.borrow_mut().push((unit, ending));
                    return Ok(());
                }
                let mut args = vec![workflow];
                if let Unit::OnComplete(success) = &unit {
                    args.push(LuaValue::Boolean(*success));
                }
                (function, args, None, None)
            }
        };
        let function: Function = self.driver.raw_get(function).map_err(broken)?;
        let cx = Rc::new(self.context(Arc::clone(&scope), fields.as_ref()).map_err(broken)?);
        let body = crate::natives::body_function(&self.lua).map_err(broken)?;
        let mut values: MultiValue = args.into_iter().collect();
        values.push_front(LuaValue::Function(function));
        let (endings, outputs) = (Rc::clone(endings), Rc::clone(&self.outputs));
        self.shared
            .sched
            .start(
                &self.lua,
                body,
                values,
                cx,
                Rc::new(Guard::trusted()),
                Box::new(move |lua, shared, ended| {
                    let mut ending = ending(lua, shared, ended, span);
                    if matches!(ending, UnitEnding::Succeeded { .. })
                        && let Err(fault) = set_outputs(lua, &*scope, &outputs)
                    {
                        ending = failed(shared, &fault, None);
                    }
                    endings.borrow_mut().push((unit, ending));
                }),
            )
            .map_err(broken)
    }

    fn context(&self, scope: Arc<dyn Scope>, fields: Option<&Table>) -> mlua::Result<UnitCx> {
        let defaults: Table = self.table.raw_get("fields")?;
        let text = |name: &str| -> mlua::Result<Option<String>> {
            match fields.map(|f| f.raw_get::<Option<String>>(name)).transpose()?.flatten() {
                Some(own) => Ok(Some(own)),
                None => defaults.raw_get(name),
            }
        };
        let mut env = BTreeMap::new();
        for table in [Some(&defaults), fields].into_iter().flatten() {
            if let Some(map) = table.raw_get::<Option<Table>>("env")? {
                map.for_each(|k: String, v: LuaValue| {
                    env.insert(k, crate::args::text_of(&v).unwrap_or_default());
                    Ok(())
                })?;
            }
        }
        Ok(UnitCx {
            scope: Some(scope),
            cwd: text("workdir")?,
            user: text("user")?,
            env,
            ..UnitCx::default()
        })
    }
}

fn broken(error: impl std::fmt::Display) -> ProgramError {
    ProgramError(error.to_string())
}

/// The global `outputs` becomes outputs of the stack.
fn set_outputs(lua: &Lua, scope: &dyn Scope, known: &RefCell<Map>) -> Result<(), Fault> {
    let LuaValue::Table(table) = lua.globals().raw_get::<LuaValue>("outputs")? else { return Ok(()) };
    let now = convert::object(lua, &LuaValue::Table(table))
        .map_err(|why| Fault::argument(format!("the global `outputs`: {why}")))?;
    for (name, value) in now {
        if known.borrow().get(&name) != Some(&value) {
            scope.output_set(Output { name: name.clone(), value: value.clone(), sensitive: false })?;
            known.borrow_mut().insert(name, value);
        }
    }
    Ok(())
}

fn failed(shared: &Shared, fault: &Fault, span: Option<Span>) -> UnitEnding {
    let mut diagnostic = (*fault.diagnostic).clone();
    if diagnostic.span.is_none() {
        diagnostic.span = span;
    }
    UnitEnding::Failed { message: diagnostic.body(&shared.sources.borrow()), span: diagnostic.span }
}

fn ending(lua: &Lua, shared: &Rc<Shared>, ended: Ended, span: Option<Span>) -> UnitEnding {
    let values = match ended {
        Ok(values) => values,
        Err(fault) => return failed(shared, &fault, span),
    };
    let mut values = values.into_iter();
    let status = match values.next() {
        Some(LuaValue::String(s)) => s.to_string_lossy(),
        _ => String::new(),
    };
    let message = values.next().unwrap_or(LuaValue::Nil);
    let text = match &message {
        LuaValue::String(s) => Some(s.to_string_lossy()),
        _ => None,
    };
    match status.as_str() {
        "ok" => {
            let outputs = match values.next().unwrap_or(LuaValue::Nil) {
                LuaValue::Nil => Ok(Map::new()),
                other => match convert::from_lua(lua, &other) {
                    Ok(Value::Object(map)) => Ok(map),
                    Ok(list) => Ok([("result".to_owned(), list)].into_iter().collect()),
                    Err(why) => Err(Fault::argument(format!("the outputs it returned: {why}"))),
                },
            };
            match outputs {
                Ok(outputs) => UnitEnding::Succeeded { message: text, outputs },
                Err(fault) => failed(shared, &fault, span),
            }
        }
        "skipped" => UnitEnding::Skipped { message: text.unwrap_or_default() },
        "aborted" => UnitEnding::Aborted { message: text.unwrap_or_default() },
        _ => failed(shared, &Fault::caught(lua, shared, &message), span),
    }
}

impl Program for LuaProgram {
    fn workflow(&self) -> &Workflow {
        &self.workflow
    }
    fn execute(&mut self, conductor: &dyn Conductor) -> Result<(), ProgramError> {
        let endings: Endings = Rc::default();
        let tell = |endings: &Endings| {
            let all = std::mem::take(&mut *endings.borrow_mut());
            let any = !all.is_empty();
            for (unit, ending) in all {
                conductor.ended(&unit, &ending);
            }
            any
        };
        self.shared
            .sched
            .run(&self.lua, &self.shared, || {
                loop {
                    tell(&endings);
                    match conductor.next() {
                        Next::Start(unit, scope) => self.start(unit, scope, &endings).map_err(|e| e.0)?,
                        Next::Wait if endings.borrow().is_empty() => return Ok(Turn::Continue),
                        Next::Wait => {}
                        Next::Finished => return Ok(Turn::Finished),
                    }
                }
            })
            .map_err(ProgramError)?;
        tell(&endings);
        Ok(())
    }
}
