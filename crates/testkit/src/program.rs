//! A program whose tasks are Rust closures, for tests of the engine without a language.

use std::sync::Arc;

use sloth_core::address::{Address, HostName};
use sloth_core::body::{
    Call, CallError, Conductor, Next, Outcome, Program, ProgramError, Scope, Unit, UnitEnding,
};
use sloth_core::desired::Options;
use sloth_core::digest::Digest;
use sloth_core::kind::Declared;
use sloth_core::span::Span;
use sloth_core::value::{Map, Value};
use sloth_core::workflow::{Task, TaskRef, Workflow, WorkflowConfig};

/// A task's or handler's body.
pub type Body = Box<dyn FnMut(&Arc<dyn Scope>) -> Result<Map, CallError>>;

/// A workflow made of closures, run one after the other.
pub struct ScriptedProgram {
    workflow: Workflow,
    bodies: Vec<Body>,
    handlers: Vec<Body>,
}

impl ScriptedProgram {
    /// A workflow without tasks.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let workflow = Workflow {
            name: name.to_owned(),
            description: String::new(),
            version: String::new(),
            config: WorkflowConfig::default(),
            metadata: Map::new(),
            tasks: Vec::new(),
            handlers: Vec::new(),
            file: format!("{name}.sloth"),
            digest: Digest::of(name.as_bytes()).hex(),
        };
        Self { workflow, bodies: Vec::new(), handlers: Vec::new() }
    }
    /// Changes the configuration.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut WorkflowConfig)) -> Self {
        change(&mut self.workflow.config);
        self
    }
    /// Pretends that the source is this text.
    #[must_use]
    pub fn source(mut self, text: &str) -> Self {
        self.workflow.digest = Digest::of(text.as_bytes()).hex();
        self
    }
    /// Adds a task.
    #[must_use]
    pub fn task(
        mut self,
        name: &str,
        needs: &[&str],
        body: impl FnMut(&Arc<dyn Scope>) -> Result<Map, CallError> + 'static,
    ) -> Self {
        let line = u32::try_from(self.bodies.len()).unwrap_or(0) + 1;
        let span = Span::new(self.workflow.file.as_str(), line);
        self.workflow.tasks.push(Task {
            name: name.to_owned(),
            description: String::new(),
            depends_on: needs.iter().map(|n| TaskRef { name: (*n).to_owned(), span: span.clone() }).collect(),
            tags: Vec::new(),
            delegate_to: Vec::new(),
            span,
        });
        self.bodies.push(Box::new(body));
        self
    }
    /// Gives the last task a tag.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        if let Some(task) = self.workflow.tasks.last_mut() {
            task.tags.push(tag.to_owned());
        }
        self
    }
    /// Delegates the last task to a host.
    #[must_use]
    pub fn on(mut self, host: &str) -> Self {
        if let Some(task) = self.workflow.tasks.last_mut() {
            task.delegate_to.push(host.to_owned());
        }
        self
    }
    /// Adds a handler.
    #[must_use]
    pub fn handler(
        mut self,
        name: &str,
        body: impl FnMut(&Arc<dyn Scope>) -> Result<Map, CallError> + 'static,
    ) -> Self {
        self.workflow.handlers.push(name.to_owned());
        self.handlers.push(Box::new(body));
        self
    }
}

impl Program for ScriptedProgram {
    fn workflow(&self) -> &Workflow {
        &self.workflow
    }
    fn execute(&mut self, conductor: &dyn Conductor) -> Result<(), ProgramError> {
        loop {
            let (unit, scope) = match conductor.next() {
                Next::Start(unit, scope) => (unit, scope),
                Next::Wait => return Err(ProgramError("told to wait although nothing runs".to_owned())),
                Next::Finished => return Ok(()),
            };
            let done = match &unit {
                Unit::Task(at, _) => self.bodies[*at](&scope),
                Unit::Handler(name) => match self.workflow.handlers.iter().position(|h| h == name) {
                    Some(at) => self.handlers[at](&scope),
                    None => Err(CallError::Refused(format!("no handler `{name}`"))),
                },
                Unit::OnStart | Unit::OnComplete(_) => Ok(Map::new()),
            };
            let ending = match done {
                Ok(outputs) => UnitEnding::Succeeded { message: None, outputs },
                Err(error) => UnitEnding::Failed { message: error.to_string(), span: None },
            };
            conductor.ended(&unit, &ending);
        }
    }
}

/// A call for a `thing` of a [`ScriptedMachine`](crate::machine::ScriptedMachine).
#[must_use]
pub fn thing(id: &str, spec: Value) -> Call {
    thing_with(id, spec, Options::default())
}

/// A call for a `thing`, with options.
#[must_use]
pub fn thing_with(id: &str, spec: Value, options: Options) -> Call {
    Call {
        kind: "thing",
        module: "thing",
        operation: "ensure",
        host: None,
        declared: Declared { id: id.to_owned(), spec, blobs: Vec::new() },
        options,
        span: None,
    }
}

/// Wishes for a `thing` inside a body.
///
/// # Errors
/// What the scope says.
pub fn want(scope: &Arc<dyn Scope>, id: &str, spec: Value) -> Result<Outcome, CallError> {
    scope.resource(thing(id, spec))
}

/// The address of a local `thing`.
#[must_use]
pub fn thing_at(id: &str) -> Address {
    Address::new(HostName::local(), "thing", id)
}
