//! How the engine runs user code without knowing its language.
//!
//! A [`Program`] drives its own tasks on its own thread, because a language state belongs to one thread. It asks the
//! [`Conductor`] what to start, and gives each piece of user code a [`Scope`], through which every effect goes.

use std::sync::Arc;

use crate::address::HostName;
use crate::change::{Action, Change};
use crate::command::{Command, CommandOutput};
use crate::desired::Options;
use crate::digest::Blob;
use crate::kind::Declared;
use crate::machine::ApplyError;
use crate::output::Output;
use crate::recorded::{Condition, Recorded};
use crate::span::Span;
use crate::stack::Stack;
use crate::value::{Map, Value};
use crate::value_entry::ValueEntry;
use crate::workflow::Workflow;

/// A loaded workflow that can be run.
pub trait Program {
    /// What it means.
    fn workflow(&self) -> &Workflow;
    /// Runs what the conductor says until it says [`Next::Finished`]. Runs at most as many units at once as it is given.
    ///
    /// # Errors
    /// The language itself failed in a way that is no task's fault.
    fn execute(&mut self, conductor: &dyn Conductor) -> Result<(), ProgramError>;
}

/// The language failed outside of any task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProgramError(pub String);

/// A piece of user code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A task, by its index in [`Workflow::tasks`], on one host.
    Task(usize, HostName),
    /// A handler, by name.
    Handler(String),
    /// The workflow's `on_start`.
    OnStart,
    /// The workflow's `on_complete`; did the run succeed?
    OnComplete(bool),
}

/// What to do next.
pub enum Next {
    /// Start this unit; its effects go through the scope.
    Start(Unit, Arc<dyn Scope>),
    /// Nothing can start before something that runs has ended.
    Wait,
    /// Everything has ended.
    Finished,
}

/// Tells a program what to run.
pub trait Conductor: Sync {
    /// Asked whenever the program could start something. Never blocks. Answers [`Next::Wait`] only while something runs.
    fn next(&self) -> Next;
    /// A unit has ended.
    fn ended(&self, unit: &Unit, ending: &UnitEnding);
}

/// How a unit ended.
#[derive(Clone, Debug, PartialEq)]
pub enum UnitEnding {
    /// It succeeded.
    Succeeded {
        /// What it returned, for people.
        message: Option<String>,
        /// What it returned, for its dependents and as outputs.
        outputs: Map,
    },
    /// It failed.
    Failed {
        /// Why, for people, with place and excerpt when known.
        message: String,
        /// Where.
        span: Option<Span>,
    },
    /// A condition (`run_if`) said no.
    Skipped {
        /// Why.
        message: String,
    },
    /// A condition (`abort_if`) said that the whole run has to stop.
    Aborted {
        /// Why.
        message: String,
    },
}

/// A resource call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Resource type.
    pub kind: &'static str,
    /// Module as called.
    pub module: &'static str,
    /// Operation, canonical name.
    pub operation: &'static str,
    /// Host; `None` means the scope's own.
    pub host: Option<HostName>,
    /// The wish.
    pub declared: Declared,
    /// Common options.
    pub options: Options,
    /// Where it was written.
    pub span: Option<Span>,
}

/// What became of a resource call.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which resource.
    pub address: crate::address::Address,
    /// Decision.
    pub change: Change,
    /// State afterwards (predicted, when planning).
    pub state: Option<Value>,
    /// Remarks.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Did (or would) it touch the machine?
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.change.action.touches()
    }
    /// One line for people.
    #[must_use]
    pub fn message(&self) -> String {
        let word = match self.change.action {
            Action::Adopt | Action::Refresh => "recorded",
            Action::Blocked => "blocked",
            Action::Create => "created",
            Action::Delete => "deleted",
            Action::Forget => "forgotten",
            Action::Noop => "unchanged",
            Action::Replace => "replaced",
            Action::Restore => "restored",
            Action::Update => "updated",
        };
        format!("{} {word} ({})", self.address, self.change.reason.phrase())
    }
}

/// A command call.
#[derive(Clone, Debug)]
pub struct CommandCall {
    /// Host; `None` means the scope's own.
    pub host: Option<HostName>,
    /// What.
    pub command: Command,
    /// Where it was written.
    pub span: Option<Span>,
}

/// What became of a command call.
#[derive(Clone, Debug)]
pub enum CommandOutcome {
    /// It ran.
    Ran(CommandOutput),
    /// Planning: it would run, its result is unknown.
    WouldRun,
}

/// May an effect outside of resources happen now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes, go on.
    Go,
    /// Planning: it was listed, do not do it.
    Listed,
}

/// Why a call of user code did not succeed. All carry a message made for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The resource or command failed.
    #[error("{address}: {error}")]
    Apply {
        /// Which.
        address: String,
        /// Why.
        error: ApplyError,
    },
    /// The table says no.
    #[error("{address}: {why}")]
    Blocked {
        /// Which.
        address: String,
        /// Why.
        why: String,
    },
    /// A saved plan does not allow it.
    #[error("{what} is not what the plan says: {why}")]
    NotPlanned {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// Something was asked that makes no sense here.
    #[error("{0}")]
    Refused(String),
    /// The lease is gone; nothing more may be done.
    #[error("the lease on this stack was lost; nothing was changed by this call")]
    LeaseLost,
    /// The run is being stopped.
    #[error("the run is being stopped")]
    Stopped,
    /// The store failed.
    #[error("the state could not be written: {0}")]
    Store(String),
}

/// The world as one piece of user code sees it. Every effect goes through here. All methods may block and may be called
/// from several threads.
pub trait Scope: Send + Sync {
    /// Only planning?
    fn planning(&self) -> bool;
    /// Host this unit runs on.
    fn host(&self) -> &HostName;
    /// Shall the unit stop soon?
    fn stopping(&self) -> bool;

    /// Brings one resource in line, or says what that would take.
    ///
    /// # Errors
    /// See [`CallError`].
    fn resource(&self, call: Call) -> Result<Outcome, CallError>;
    /// Brings resources in line that one call wished for on one host, together where their type can do that. One answer
    /// per call, in order.
    fn resources(&self, calls: Vec<Call>) -> Vec<Result<Outcome, CallError>> {
        calls.into_iter().map(|call| self.resource(call)).collect()
    }
    /// A resource whose probe and effects are functions of the program.
    ///
    /// # Errors
    /// See [`CallError`].
    fn custom(&self, call: Call, functions: &mut dyn CustomFunctions) -> Result<Outcome, CallError>;
    /// Runs a command that is no resource.
    ///
    /// # Errors
    /// It could not be started; a non-zero exit is no error.
    fn command(&self, call: CommandCall) -> Result<CommandOutcome, CallError>;
    /// Asks before any other effect (writing a file, sending a request). `what` is shown in plans.
    ///
    /// # Errors
    /// A saved plan does not allow it, or the run is being stopped.
    fn effect(&self, what: &str) -> Result<Permission, CallError>;

    /// A line of user output: `stream` is `print`, `debug`, `info`, `success`, `warn` or `error`.
    fn say(&self, stream: &'static str, text: &str);
    /// Sends a custom event, stored with the unit's changes. Only listed while planning.
    ///
    /// # Errors
    /// The name is unusable.
    fn dispatch(&self, name: &str, payload: Value) -> Result<(), CallError>;

    /// Outputs of tasks that have ended, by task name.
    fn task_outputs(&self, task: &str) -> Option<Map>;

    /// The stack of this run; `None` while planning for a stack that does not exist yet.
    fn stack(&self) -> Option<Stack>;
    /// The stack's name.
    fn stack_name(&self) -> String;
    /// Sets an output of the stack.
    ///
    /// # Errors
    /// The store failed.
    fn output_set(&self, output: Output) -> Result<(), CallError>;
    /// Reads an output of this stack, as set so far in this run.
    ///
    /// # Errors
    /// The store failed.
    fn output_get(&self, name: &str) -> Result<Option<Output>, CallError>;
    /// Reads an output of another stack, which makes that stack one this one needs.
    ///
    /// # Errors
    /// The stack does not exist, or the store failed.
    fn output_of(&self, stack: &str, name: &str) -> Result<Option<Output>, CallError>;
    /// Declares that this stack needs another one.
    ///
    /// # Errors
    /// The stack does not exist or needs this one, or the store failed.
    fn depends_on(&self, stack: &str) -> Result<(), CallError>;
    /// The record of a resource of this stack as of now. Matches `address.kind() == kind` and `address.id() == name`
    /// on the scope's host.
    ///
    /// # Errors
    /// The store failed.
    fn recorded(&self, kind: &str, name: &str) -> Result<Option<Recorded>, CallError>;
    /// All records of this stack as of now, by address.
    ///
    /// # Errors
    /// The store failed.
    fn recorded_all(&self) -> Result<Vec<Recorded>, CallError>;
    /// Registers a resource that lives only in the record.
    ///
    /// # Errors
    /// The address belongs to a real resource, or the store failed.
    fn register(&self, entry: Registration) -> Result<(Registered, Arc<Recorded>), CallError>;
    /// Changes the condition of a registered resource.
    ///
    /// # Errors
    /// It is not registered, or the store failed.
    fn registered_condition(
        &self,
        kind: &str,
        name: &str,
        condition: Condition,
        error: Option<String>,
    ) -> Result<(), CallError>;
    /// Forgets a resource of this stack. Returns whether there was one.
    ///
    /// # Errors
    /// The store failed.
    fn forget(&self, kind: &str, name: &str) -> Result<bool, CallError>;

    /// Begins an execution of a workflow that is written by hand, under the lease of the stack of that name, which is made
    /// when there is none. The metadata is added to the stack's. Returns what names it in [`Scope::workflow_step`]. The
    /// running workflow's own name is the run itself. Only listed while planning.
    ///
    /// # Errors
    /// The name cannot be one, this run writes it already, somebody holds the stack, or the store failed.
    fn workflow_begin(&self, name: &str, metadata: Map) -> Result<String, CallError>;
    /// One step of an execution that is written by hand; its last one makes the version. Returns whether the step was for
    /// another stack than the one that runs. Only listed while planning.
    ///
    /// # Errors
    /// It was not begun in this run, or has ended; else as the step's.
    fn workflow_step(&self, id: &str, step: WorkflowStep) -> Result<bool, CallError>;

    /// Reads a value.
    ///
    /// # Errors
    /// The store failed.
    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>, CallError>;
    /// Values whose key starts with `prefix`, by key.
    ///
    /// # Errors
    /// The store failed.
    fn value_list(&self, scope: &str, prefix: &str) -> Result<Vec<ValueEntry>, CallError>;
    /// Changes values. While planning the change is listed and later reads see it. What is there afterwards; for
    /// [`ValueChange::Swap`], `None` when something else was there and nothing was changed.
    ///
    /// # Errors
    /// The change cannot be made of what is there, or the store failed.
    fn value_change(
        &self,
        scope: &str,
        key: &str,
        change: ValueChange,
    ) -> Result<Option<ValueEntry>, CallError>;
    /// Takes a named lock of the key-value state for `holder`; false when somebody else holds it.
    ///
    /// # Errors
    /// The store failed.
    fn value_lock(&self, name: &str, holder: &str, seconds: f64) -> Result<bool, CallError>;
    /// Gives a named lock back; false when `holder` does not hold it.
    ///
    /// # Errors
    /// The store failed.
    fn value_unlock(&self, name: &str, holder: &str) -> Result<bool, CallError>;
}

/// A step of an execution that is written by hand.
#[derive(Clone, Debug)]
pub enum WorkflowStep {
    /// A resource, as somebody says it is. Said twice, the later holds.
    Resource(Registration),
    /// An output.
    Output(Output),
    /// It succeeded.
    Complete,
    /// It failed, and why.
    Fail(String),
}

/// A resource that lives only in the record.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Type.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Module.
    pub module: String,
    /// Properties.
    pub properties: Value,
    /// Addresses or names it needs.
    pub dependencies: Vec<String>,
    /// Is it applied by being registered (`stack.resource`), or pending until told (`stack.register_resource`)?
    pub applied: bool,
    /// Common options.
    pub options: Options,
}

/// What registering did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It was not known.
    Created,
    /// Known with other properties, or never applied, or failed.
    Changed,
    /// Known, applied, the same.
    Unchanged,
}

/// A change of the key-value state.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueChange {
    /// Set, optionally for a number of seconds.
    Set(Value, Option<f64>),
    /// Add to a number; a missing key counts as 0.
    Increment(f64),
    /// Set only when the present value equals the first (`None`: when there is none), for a number of seconds; without
    /// one, what is there keeps its end.
    Swap(Option<Value>, Value, Option<f64>),
    /// Remove.
    Delete,
    /// Remove every key that starts with the given one.
    Clear,
}

/// Functions of the program behind a custom resource. Called on the program's own thread.
pub trait CustomFunctions {
    /// Reads the live state; `None` means absent.
    ///
    /// # Errors
    /// The message of the function's error.
    fn probe(&mut self) -> Result<Option<Value>, String>;
    /// Brings it about.
    ///
    /// # Errors
    /// The message of the function's error.
    fn apply(&mut self, live: Option<&Value>) -> Result<(), String>;
    /// Removes it.
    ///
    /// # Errors
    /// The message of the function's error.
    fn delete(&mut self, live: &Value) -> Result<(), String>;
}

/// Blobs a wish names, for calls that carry them beside the spec.
pub type Blobs = Vec<Blob>;
