//! The entrance: a database, this host, and somebody who asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sloth_core::address::HostName;
use sloth_core::body::ValueChange;
use sloth_core::lease::Lease;
use sloth_core::machine::Machine;
use sloth_core::stack::Stack;
use sloth_core::store::Store;
use sloth_core::value::{Map, Value};
use sloth_core::workflow::Durability;
use sloth_engine::goal::CarryOut;
use sloth_engine::run::RunRequest;
use sloth_engine::stacks::{self, NewStack};
use sloth_engine::undo::{Undo, undo};
use sloth_engine::{Context, EngineError, RunReport, values};
use sloth_resources::{LocalMachine, MachineOptions};
use sloth_store::{Location, OpenOptions};

use crate::clock::SystemClock;
use crate::error::Error;
use crate::person;
use crate::program::{Loaded, load};
use crate::stack::StackHandle;

/// Whose values are meant when nobody is named.
const SCOPE: &str = "local";

/// Hosts that can be reached without anything else: this one.
#[must_use]
pub fn this_host(durability: Durability) -> BTreeMap<HostName, Arc<dyn Machine>> {
    let local: Arc<dyn Machine> = Arc::new(LocalMachine::this_host(MachineOptions { durability }));
    BTreeMap::from([(HostName::local(), local)])
}

/// An opened database with what is needed to use it. Cheap to clone; may be used from several threads.
#[derive(Clone)]
pub struct Sloth {
    context: Context,
}

impl std::fmt::Debug for Sloth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sloth").field(&self.context.store.location()).finish()
    }
}

/// A workflow file to run.
#[derive(Clone, Debug, Default)]
pub struct RunFile {
    /// The file.
    pub file: PathBuf,
    /// Stack; the workflow's name when none is given.
    pub stack: Option<String>,
    /// What the file sees as `values`.
    pub values: Map,
    /// Remove recorded resources that the workflow no longer declares; the workflow decides when none is given.
    pub prune: Option<bool>,
}

impl RunFile {
    /// A file with nothing else said.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }
    /// Gives the file a value.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
    /// Names the stack.
    #[must_use]
    pub fn stack(mut self, name: &str) -> Self {
        self.stack = Some(name.to_owned());
        self
    }
}

impl Sloth {
    /// Opens a database, a path or an URL, and makes it when there is none. Resources are those of this host, and the
    /// user of this process is who asks.
    ///
    /// # Errors
    /// It cannot be opened, or may not be used here.
    pub fn open(location: impl AsRef<Path>) -> Result<Self, Error> {
        let location: Location = location.as_ref().to_string_lossy().parse()?;
        let options = OpenOptions { clock: Arc::new(SystemClock), read_only: false, create: true };
        let store: Arc<dyn Store> = Arc::from(sloth_store::open(&location, &options)?);
        let context = Context::new(store, Arc::new(SystemClock), person::actor(None));
        Ok(Self::with(Context { machines: this_host(Durability::default()), ..context }))
    }
    /// For stores, machines and clocks of another kind.
    #[must_use]
    pub const fn with(context: Context) -> Self {
        Self { context }
    }
    /// What the functions of the engine take.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }
    /// The same for somebody else, who is shown as creator and lock holder.
    #[must_use]
    pub fn acting_as(mut self, name: &str) -> Self {
        name.clone_into(&mut self.context.actor.name);
        self
    }
    /// The same, queueing this long for a stack that somebody else holds.
    #[must_use]
    pub const fn waiting(mut self, most: Duration) -> Self {
        self.context.lock_wait = most;
        self
    }
    /// The same for the owner of a lock taken with [`StackHandle::lock`].
    #[must_use]
    pub fn holding(mut self, lock: &Lease) -> Self {
        self.context.presents = Some(lock.id.clone());
        self
    }

    /// Makes a stack.
    ///
    /// # Errors
    /// The name cannot be used or is taken, or the store failed.
    pub fn create_stack(&self, new: NewStack) -> Result<StackHandle<'_>, Error> {
        Ok(StackHandle::new(self, stacks::create(&self.context, new)?.id))
    }
    /// A stack by name, id, or unique beginning of an id.
    ///
    /// # Errors
    /// There is none, there are several, or the store failed.
    pub fn stack(&self, text: &str) -> Result<StackHandle<'_>, Error> {
        let stack = stacks::find(&*self.context.store.view()?, text)?;
        Ok(StackHandle::new(self, stack.id))
    }
    /// All stacks, by name.
    ///
    /// # Errors
    /// The store failed.
    pub fn stacks(&self) -> Result<Vec<Stack>, Error> {
        Ok(self.context.store.view()?.stack_list()?)
    }

    /// Runs a workflow file: this host is made what it says, and the stack remembers it. Failures of tasks are in the
    /// report.
    ///
    /// # Errors
    /// The file is not valid, the run could not begin, or its state could not be written.
    pub fn run(&self, what: &RunFile) -> Result<RunReport, Error> {
        self.drive(what, false)
    }
    /// Says what [`Sloth::run`] would do. Touches nothing.
    ///
    /// # Errors
    /// Those of [`Sloth::run`].
    pub fn plan(&self, what: &RunFile) -> Result<RunReport, Error> {
        self.drive(what, true)
    }
    fn drive(&self, what: &RunFile, planning: bool) -> Result<RunReport, Error> {
        let values = Value::Object(what.values.clone());
        let mut program = Loaded::new(load(&what.file, None, &values)?, &what.file, &values);
        let durability = program.workflow.config.durability;
        let context = Context { durability, ..self.context.clone() };
        let request = RunRequest {
            stack: what.stack.clone(),
            planning,
            prune: what.prune,
            values,
            ..RunRequest::default()
        };
        Ok(sloth_engine::run::run(&context, &mut program, &request)?)
    }

    /// Takes back the newest operation that was not taken back yet. Says what was done.
    ///
    /// # Errors
    /// There is none, it cannot be taken back, or taking it back failed.
    pub fn undo(&self) -> Result<String, Error> {
        match undo(&self.context, None)? {
            Undo::Done(what) => Ok(what),
            Undo::Plan(plan) => {
                let name = plan.stack().name.clone();
                let report = sloth_engine::goal::carry_out(&self.context, *plan, &CarryOut::default())?;
                match report.error {
                    Some(error) => Err(EngineError::Refused(error).into()),
                    None => Ok(format!("stack `{name}` is as it was")),
                }
            }
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// The store failed.
    pub fn value(&self, key: &str) -> Result<Option<Value>, Error> {
        Ok(self.context.store.view()?.value_get(SCOPE, key)?.map(|entry| entry.value))
    }
    /// Sets a value, for `ttl` or until it is deleted.
    ///
    /// # Errors
    /// The key or the value cannot be used, or the store failed.
    pub fn set_value(&self, key: &str, value: Value, ttl: Option<Duration>) -> Result<(), Error> {
        values::alter(&self.context, SCOPE, key, ValueChange::Set(value, ttl.map(|d| d.as_secs_f64())))?;
        Ok(())
    }
}
