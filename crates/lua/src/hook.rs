//! Hook scripts: a file in the language of workflows that is run once for one event.
//!
//! The event is the global `event`. Functions of modules work as in a task; what may have an effect goes through the
//! scope. A script that defines `on_event` is asked for the outcome: `false`, or `nil` with a message, is a failure.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, MultiValue, Value as LuaValue};
use sloth_core::body::Scope;
use sloth_core::kind::Catalog;
use sloth_core::value::{Map, Value};

use crate::convert;
use crate::fault::Fault;
use crate::host::HostLayer;
use crate::limits::{Guard, Limits};
use crate::loader::{chunk, prepare};
use crate::scheduler::{Ended, Turn};
use crate::shared::{Shared, UnitCx};

/// A script and what it is run with.
#[derive(Clone)]
pub struct HookScript<'a> {
    /// The file.
    pub file: &'a Path,
    /// The global `event`.
    pub event: &'a Value,
    /// Resource types and operations.
    pub catalog: Arc<dyn Catalog>,
    /// The controller.
    pub host: Arc<dyn HostLayer>,
    /// Bounds.
    pub limits: Limits,
    /// How long it may take.
    pub timeout: Duration,
}

/// Runs a hook script. Returns its message, if it gave one.
///
/// # Errors
/// It cannot be read, is not valid, failed, said that it failed, or passed a limit: the reason, with its place.
pub fn run_hook(script: &HookScript<'_>, scope: &Arc<dyn Scope>) -> Result<Option<String>, String> {
    let name = script.file.to_string_lossy().into_owned();
    let bytes = script
        .host
        .read(script.file)
        .map_err(|e| format!("could not read `{name}`: {}", crate::declare::io_words(&e)))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8 text"))?;
    let base = script.file.parent().map(Path::to_path_buf).unwrap_or_default();
    let values = Value::Object(Map::new());
    let (host, catalog) = (Arc::clone(&script.host), Arc::clone(&script.catalog));
    let shared = Rc::new(Shared::new(host, catalog, script.limits, base, values));
    shared.sources.borrow_mut().add(&name, &text);
    let told = |fault: &Fault| fault.diagnostic.to_string();
    let broken = |e: mlua::Error| told(&Fault::from_mlua(&shared, &e));

    let (lua, _) = prepare(&shared, &Value::Object(Map::new())).map_err(broken)?;
    let event = convert::to_lua(&lua, script.event).map_err(broken)?;
    lua.globals().raw_set("event", event.clone()).map_err(broken)?;
    let main = chunk(&lua, &shared, &name, &text).map_err(|f| told(&f))?;
    let cx = Rc::new(UnitCx { scope: Some(Arc::clone(scope)), ..UnitCx::default() });
    let guard = Rc::new(Guard::watching(
        script.limits.cpu.min(script.timeout),
        Some(script.timeout),
        Some(Arc::clone(scope)),
    ));
    let call = |function: Function, arguments: Vec<LuaValue>| {
        execute(&lua, &shared, &cx, &guard, function, arguments).map_err(|f| told(&f))
    };
    call(main, Vec::new())?;
    let LuaValue::Function(on_event) = lua.globals().raw_get::<LuaValue>("on_event").map_err(broken)? else {
        return Ok(None);
    };
    let mut said = call(on_event, vec![event])?.into_iter();
    let (first, second) = (said.next(), said.next());
    let message = second.and_then(|value| crate::args::text_of(&value));
    match (first, message) {
        (Some(LuaValue::Boolean(false)), message) => {
            Err(message.unwrap_or_else(|| "it returned `false`".to_owned()))
        }
        (None | Some(LuaValue::Nil), Some(message)) => Err(message),
        (_, message) => Ok(message),
    }
}

/// Runs one function to its end, with everything it started.
fn execute(
    lua: &Lua,
    shared: &Rc<Shared>,
    cx: &Rc<UnitCx>,
    guard: &Rc<Guard>,
    function: Function,
    arguments: Vec<LuaValue>,
) -> Ended {
    let result: Rc<RefCell<Option<Ended>>> = Rc::default();
    let slot = Rc::clone(&result);
    let mut values: MultiValue = arguments.into_iter().collect();
    values.push_front(LuaValue::Function(function));
    shared.sched.start(
        lua,
        crate::natives::body_function(lua)?,
        values,
        Rc::clone(cx),
        Rc::clone(guard),
        Box::new(move |_, _, ended| *slot.borrow_mut() = Some(ended)),
    )?;
    shared.sched.run(lua, shared, || Ok(Turn::Finished)).map_err(|why| Fault::new("internal", why))?;
    result.borrow_mut().take().unwrap_or_else(|| Err(Fault::new("internal", "it did not end")))
}
