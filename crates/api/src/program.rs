//! A loaded workflow that tells its stack where it was and with which values it ran, so that the stack can be run again
//! from anywhere.

use std::path::Path;

use sloth_core::body::{Conductor, Program, ProgramError};
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value};
use sloth_core::workflow::Workflow;
use sloth_lua::{LoadError, LoadRequest, LuaProgram};

/// Metadata key under which a stack remembers the values of its last run.
const VALUES: &str = "values";

/// The values of a stack's last run.
#[must_use]
pub fn remembered(stack: &Stack) -> Map {
    match stack.metadata.get(VALUES) {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    }
}

/// Loads a file and leaves everything else alone. `workflow` is needed when the file has several.
///
/// # Errors
/// It cannot be read or is not valid, or it has no such workflow.
pub fn load(file: &Path, workflow: Option<&str>, values: &Value) -> Result<LuaProgram, LoadError> {
    sloth_lua::load(LoadRequest {
        workflow: workflow.map(str::to_owned),
        values: values.clone(),
        vars: values.as_object().cloned().unwrap_or_default(),
        ..LoadRequest::new(file, sloth_resources::catalog())
    })
}

/// A program that tells its stack about its file and its values.
pub struct Loaded {
    inner: LuaProgram,
    /// What it means. May be changed before it runs.
    pub workflow: Workflow,
}

impl Loaded {
    /// A program that was read from this file with these values.
    #[must_use]
    pub fn new(inner: LuaProgram, file: &Path, values: &Value) -> Self {
        let mut workflow = inner.workflow().clone();
        if let Ok(path) = std::path::absolute(file) {
            workflow.file = path.to_string_lossy().into_owned();
        }
        workflow.metadata.insert(VALUES.to_owned(), values.clone());
        Self { inner, workflow }
    }
}

impl Program for Loaded {
    fn workflow(&self) -> &Workflow {
        &self.workflow
    }
    fn execute(&mut self, conductor: &dyn Conductor) -> Result<(), ProgramError> {
        self.inner.execute(conductor)
    }
}
