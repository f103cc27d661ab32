//! A store, a machine and a context that belong together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sloth_core::actor::Actor;
use sloth_core::address::HostName;
use sloth_core::body::Program;
use sloth_core::clock::{FixedClock, Timestamp};
use sloth_core::machine::Machine;
use sloth_core::recorded::Recorded;
use sloth_core::sink::{EventSink, Signal};
use sloth_core::store::{StackMatch, Store, VersionAt};
use sloth_core::value::Value;
use sloth_core::workflow::Durability;
use sloth_engine::run::{RunRequest, run};
use sloth_engine::{Context, EngineError, RunReport};
use sloth_testkit::machine::ScriptedMachine;
use sloth_testkit::memory_store::MemoryStore;

use sloth_testkit::program::ScriptedProgram;

/// Remembers notices.
#[derive(Default)]
pub struct Ears(Mutex<Vec<String>>);

impl EventSink for Ears {
    fn signal(&self, signal: &Signal<'_>) {
        if let Signal::Notice { text, .. } = signal {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

pub struct House {
    pub ctx: Context,
    pub machine: Arc<ScriptedMachine>,
    pub ears: Arc<Ears>,
    pub clock: Arc<FixedClock>,
}

impl House {
    pub fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(1_760_000_000_000_000_000)));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let machine = ScriptedMachine::local();
        let ears = Arc::new(Ears::default());
        let mut machines: BTreeMap<HostName, Arc<dyn Machine>> = BTreeMap::new();
        machines.insert(HostName::local(), machine.clone());
        let ctx = Context {
            machines,
            sink: ears.clone(),
            program: "test".to_owned(),
            durability: Durability::Full,
            ..Context::new(store, clock.clone(), Actor::named("tester"))
        };
        Self { ctx, machine, ears, clock }
    }
    pub fn run(&self, program: ScriptedProgram) -> RunReport {
        self.try_run(program, &RunRequest::default()).unwrap()
    }
    pub fn plan(&self, program: ScriptedProgram) -> RunReport {
        self.try_run(program, &RunRequest { planning: true, ..RunRequest::default() }).unwrap()
    }
    pub fn prune(&self, program: ScriptedProgram) -> RunReport {
        self.try_run(program, &RunRequest { prune: Some(true), ..RunRequest::default() }).unwrap()
    }
    pub fn try_run(
        &self,
        mut program: ScriptedProgram,
        request: &RunRequest,
    ) -> Result<RunReport, EngineError> {
        run(&self.ctx, &mut program as &mut dyn Program, request)
    }
    pub fn records(&self, stack: &str) -> Vec<Recorded> {
        let view = self.ctx.store.view().unwrap();
        let StackMatch::One(stack) = view.stack_find(stack).unwrap() else { return Vec::new() };
        view.resource_list(&stack.id, VersionAt::Head).unwrap()
    }
    pub fn state(&self, id: &str) -> Option<Value> {
        self.machine.state(id)
    }
    pub fn notices(&self) -> Vec<String> {
        std::mem::take(&mut self.ears.0.lock().unwrap())
    }
}

/// A workflow `w` of one task that wishes for these things.
pub fn things(wishes: &[(&str, Value)]) -> ScriptedProgram {
    let wishes: Vec<(String, Value)> =
        wishes.iter().map(|(id, spec)| ((*id).to_owned(), spec.clone())).collect();
    ScriptedProgram::new("w").task("t", &[], move |scope| {
        for (id, spec) in &wishes {
            sloth_testkit::program::want(scope, id, spec.clone())?;
        }
        Ok(sloth_core::value::Map::new())
    })
}
