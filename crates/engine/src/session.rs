//! A verb at work on one stack: lease held, records loaded, machines at hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sloth_core::address::{Address, HostName};
use sloth_core::body::CallError;
use sloth_core::clock::Timestamp;
use sloth_core::digest::{Blob, Digest};
use sloth_core::event::{Event, EventType, Severity};
use sloth_core::id::{RunId, StackId};
use sloth_core::machine::Machine;
use sloth_core::run::{Run, RunStatus, TaskCounts};
use sloth_core::sink::Signal;
use sloth_core::stack::{Stack, StackStatus, VERSION_TAGS};
use sloth_core::store::{
    CommitError, Committed, Intent, OperationRecord, Seal, StoreError, VersionAt, View, Wait,
};
use sloth_core::value::Value;
use sloth_core::version::VersionNote;
use sloth_core::workflow::Workflow;

use crate::context::Context;
use crate::error::EngineError;
use crate::failpoint;
use crate::lease::HeldLease;
use crate::ledger::Ledger;
use crate::perform::Guarded;
use crate::records::Records;
use crate::resume::Replay;
use crate::scope::ScopeRequest;

/// Rows waiting for a commit before one is made in the middle of a task, to bound memory.
const ROWS_PER_COMMIT: usize = 512;
/// Bytes of contents waiting for the content store before they are handed over.
const BYTES_PER_PUT: usize = 8 * 1024 * 1024;

pub(crate) struct Session {
    pub ctx: Context,
    pub stack: Mutex<Stack>,
    pub stack_id: StackId,
    /// `None` while planning.
    pub lease: Option<HeldLease>,
    pub run: RunId,
    pub operation: String,
    pub started_at: Timestamp,
    pub planning: bool,
    /// See [`crate::run::RunRequest::brief`].
    pub brief: bool,
    /// Rehearsing doubles while planning.
    pub machines: BTreeMap<HostName, Arc<dyn Machine>>,
    pub ledger: Mutex<Ledger>,
    pub scope: ScopeRequest,
    pub guard: Option<Guarded>,
    pub replay: Mutex<Replay>,
    /// Are there other stacks that could own a resource?
    pub others: bool,
    /// What the caller wants the history to say.
    pub note: Mutex<Note>,
    /// Executions of other stacks that this run writes by hand, by the id of the stack.
    pub handwritten: Mutex<BTreeMap<StackId, Arc<Self>>>,
}

/// What the caller wants the history to say about a version.
#[derive(Clone, Default)]
pub(crate) struct Note {
    pub description: Option<String>,
    pub creator: Option<String>,
    pub undoes: Option<u64>,
}

/// What is carried out.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    pub workflow: &'a Workflow,
    /// Does the stack remember its file and values at once, so that a run that dies can be resumed with them?
    pub tells: bool,
}

/// What a stack keeps of the workflow it is run from.
pub(crate) fn remember(stack: &mut Stack, workflow: &Workflow) {
    stack.workflow_file = Some(workflow.file.clone());
    for (key, value) in workflow.metadata.iter().filter(|(key, _)| *key != VERSION_TAGS) {
        stack.metadata.insert(key.clone(), value.clone());
    }
}

impl Session {
    /// Opens a session for changing a stack: takes the lease, settles what an earlier run left, records that this run began.
    pub fn begin(
        ctx: &Context,
        stack: &Stack,
        operation: &str,
        program: Option<Program<'_>>,
    ) -> Result<(Self, Vec<crate::report::RecoveredStep>), EngineError> {
        let lease = HeldLease::take(ctx, &stack.id, operation)?;
        failpoint::pass("lease-taken");
        let stack = ctx
            .store
            .view()?
            .stack_get(&stack.id)?
            .ok_or_else(|| EngineError::NoSuchStack { name: stack.name.clone(), nearest: None })?;
        let run = RunId::generate(ctx.clock.now());
        let (replay, recovered) = crate::resume::recover(ctx, &stack, &lease)?;
        let session = Self::open(ctx, stack, Some(lease), run, operation, replay)?;
        session.record_begin(program)?;
        failpoint::pass("run-begun");
        Ok((session, recovered))
    }

    /// Opens a session that only plans.
    pub fn plan(ctx: &Context, stack: Stack, operation: &str) -> Result<Self, EngineError> {
        let run = RunId::generate(ctx.clock.now());
        Self::open(ctx, stack, None, run, operation, Replay::default())
    }

    fn open(
        ctx: &Context,
        stack: Stack,
        lease: Option<HeldLease>,
        run: RunId,
        operation: &str,
        replay: Replay,
    ) -> Result<Self, EngineError> {
        let planning = lease.is_none();
        let view = ctx.store.view()?;
        let mut ledger = Ledger::default();
        let mut stack = stack;
        // Recovery may have sealed a version.
        if let Some(fresh) = view.stack_get(&stack.id)? {
            stack = fresh;
        }
        ledger.records = Records::load(&*view, &stack.id, ctx.store.location())?;
        ledger.outputs =
            view.output_list(&stack.id, VersionAt::Head)?.into_iter().map(|o| (o.name.clone(), o)).collect();
        ledger.outputs_before = ledger.outputs.clone();
        ledger.upstreams_before = view
            .upstream_list(&stack.id, VersionAt::Head)?
            .into_iter()
            .map(|upstream| (upstream.id.clone(), upstream))
            .collect();
        ledger.handlers = view.handler_list(&stack.id)?;
        let others = view.stack_list()?.iter().any(|s| s.id != stack.id);
        drop(view);
        let machines = if planning {
            ctx.machines.iter().map(|(name, m)| (name.clone(), Arc::clone(m).rehearse())).collect()
        } else {
            ctx.machines.clone()
        };
        Ok(Self {
            ctx: ctx.clone(),
            stack_id: stack.id.clone(),
            stack: Mutex::new(stack),
            lease,
            run,
            operation: operation.to_owned(),
            started_at: ctx.clock.now(),
            planning,
            brief: false,
            machines,
            ledger: Mutex::new(ledger),
            scope: ScopeRequest::default(),
            guard: None,
            replay: Mutex::new(replay),
            others,
            note: Mutex::new(Note::default()),
            handwritten: Mutex::default(),
        })
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn stack(&self) -> Stack {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn note(&self) -> Note {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn set_note(&self, description: Option<String>, creator: Option<String>, undoes: Option<u64>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Note { description, creator, undoes };
    }

    /// May the next step begin?
    pub fn gate(&self) -> Result<(), CallError> {
        if self.ctx.stop.asked() {
            return Err(CallError::Stopped);
        }
        match &self.lease {
            Some(lease) => lease.check().map_err(|_| CallError::LeaseLost),
            None => Ok(()),
        }
    }

    /// Tells the listener and keeps the event for the next commit.
    pub fn emit(
        &self,
        kind: EventType,
        severity: Severity,
        task: Option<&str>,
        address: Option<&Address>,
        message: &str,
        payload: Value,
    ) {
        let event = Event {
            kind,
            severity,
            at: self.ctx.clock.now(),
            run: Some(self.run.clone()),
            task: task.map(str::to_owned),
            address: address.cloned(),
            message: message.to_owned(),
            payload,
        };
        self.ctx.sink.signal(&Signal::Event(&event));
        if !self.planning {
            self.ledger().events.push(event);
        }
    }

    /// What a transaction of this session is for.
    pub fn intent(&self, wait: Wait) -> Intent {
        Intent {
            actor: self.ctx.actor.clone(),
            verb: self.operation.clone(),
            arguments: self.ctx.arguments.clone(),
            stack: self.lease.as_ref().map(|lease| {
                let (lock, fence) = lease.proof();
                (self.stack_id.clone(), lock, fence)
            }),
            base: None,
            wait,
        }
    }

    fn record_begin(&self, program: Option<Program<'_>>) -> Result<(), EngineError> {
        self.emit(
            EventType::StackExecutionStarted,
            Severity::Info,
            None,
            None,
            &format!("{} started", self.operation),
            Value::Null,
        );
        let mut stack = self.stack();
        if let Some(Program { workflow, tells: true }) = program {
            remember(&mut stack, workflow);
        }
        stack.status = StackStatus::Running;
        stack.last_run_at = Some(self.started_at);
        stack.updated_at = self.started_at;
        let mut txn = self.ctx.store.begin(self.intent(Wait::Fast))?;
        txn.stack_update(&stack)?;
        let digest = program.map(|program| program.workflow.digest.as_str());
        txn.run_put(&self.run_row(RunStatus::Running, TaskCounts::default(), None, None, digest))?;
        self.ledger().write(&mut *txn, &stack.id)?;
        txn.commit(Seal::Pending)?;
        *self.stack.lock().unwrap_or_else(PoisonError::into_inner) = stack;
        Ok(())
    }

    pub fn run_row(
        &self,
        status: RunStatus,
        tasks: TaskCounts,
        version: Option<sloth_core::version::Version>,
        error: Option<&str>,
        program: Option<&str>,
    ) -> Run {
        let running = status == RunStatus::Running;
        Run {
            id: self.run.clone(),
            operation: self.operation.clone(),
            status,
            started_at: self.started_at,
            completed_at: (!running).then(|| self.ctx.clock.now()),
            actor: self.ctx.actor.name.clone(),
            tasks,
            counts: self.ledger().counts,
            version,
            error: error.map(str::to_owned),
            program: program.map(str::to_owned),
        }
    }

    /// Commits what is due without sealing, at the end of a task: it waits for the disk when a machine was touched.
    pub fn commit_pending(&self) -> Result<(), EngineError> {
        let wait = if self.ledger().touched_machine { Wait::Durable } else { Wait::Fast };
        self.commit_rows(wait)?;
        self.ledger().touched_machine = false;
        Ok(())
    }

    fn commit_rows(&self, wait: Wait) -> Result<(), EngineError> {
        if self.planning {
            return Ok(());
        }
        let mut ledger = self.ledger();
        if !ledger.has_rows() {
            return Ok(());
        }
        let blobs = ledger.take_blobs();
        self.ctx.store.blobs().put(&blobs, Wait::Fast)?;
        let mut txn = self.ctx.store.begin(self.intent(wait))?;
        ledger.write(&mut *txn, &self.stack_id)?;
        txn.commit(Seal::Pending)?;
        let upto = ledger.settled_upto();
        drop(ledger);
        self.ctx.store.journal().settle(&self.run, upto)?;
        Ok(())
    }

    /// Bounds memory in the middle of a long task.
    pub fn relieve(&self) -> Result<(), CallError> {
        let (rows, bytes) = {
            let ledger = self.ledger();
            (ledger.rows.len(), ledger.blob_bytes)
        };
        if rows >= ROWS_PER_COMMIT {
            // The end of the task waits for the disk and carries this with it.
            self.commit_rows(Wait::Fast).map_err(|e| commit_failed(&e))?;
        } else if bytes >= BYTES_PER_PUT {
            let blobs = self.ledger().take_blobs();
            self.ctx.store.blobs().put(&blobs, Wait::Fast).map_err(|e| CallError::Store(e.to_string()))?;
        }
        Ok(())
    }

    /// The last commit of the run: rows, run, stack, events, and the version.
    pub fn seal(
        &self,
        mut stack: Stack,
        run: &Run,
        note: VersionNote,
        record: OperationRecord,
    ) -> Result<Committed, EngineError> {
        failpoint::pass("before-final-commit");
        self.settle_machines()?;
        let mut ledger = self.ledger();
        let blobs = ledger.take_blobs();
        if !blobs.is_empty() {
            self.ctx.store.blobs().put(&blobs, Wait::Fast)?;
        }
        let wait = if ledger.touched_machine || ledger.has_rows() || ledger.counts.commands > 0 {
            Wait::Durable
        } else {
            Wait::Fast
        };
        let mut txn = self.ctx.store.begin(self.intent(wait))?;
        ledger.write(&mut *txn, &stack.id)?;
        stack.updated_at = self.ctx.clock.now();
        txn.stack_update(&stack)?;
        txn.run_put(run)?;
        drop(ledger);
        let done = txn.commit(Seal::Version(note, record))?;
        failpoint::pass("after-final-commit");
        let replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        // A step whose end nobody knows stays open, to be looked at by whoever comes next. Where a run stopped because a
        // person has to decide first, the next one goes on there, and has to know what this one and those before have done.
        let (open, upto) = {
            let ledger = self.ledger();
            (!ledger.open_seqs.is_empty(), ledger.settled_upto())
        };
        let waits = replay.is_stuck() && run.status == RunStatus::Failed;
        if open || waits {
            self.ctx.store.journal().settle(&self.run, upto)?;
        } else {
            self.ctx.store.journal().close(&self.run)?;
        }
        if !waits {
            for run in replay.finished_runs() {
                self.ctx.store.journal().close(&run)?;
            }
        }
        Ok(done)
    }

    /// Makes what was done to machines durable.
    pub fn settle_machines(&self) -> Result<(), EngineError> {
        if self.planning || !self.ledger().touched_machine {
            return Ok(());
        }
        for machine in self.machines.values() {
            machine.settle().map_err(|e| {
                EngineError::Refused(format!(
                    "changes on `{}` may not survive a power cut: {e}",
                    machine.name()
                ))
            })?;
        }
        Ok(())
    }

    /// The wish that reproduces a state, with its contents from this run or the content store. The error says what was
    /// not kept.
    pub fn wish_for(&self, address: &Address, state: Option<&Value>) -> Result<(Value, Vec<Blob>), String> {
        let machine = self.machine(address).map_err(|e| e.to_string())?;
        let (spec, digests) =
            machine.wish_for(address.kind(), address.id(), state).map_err(|e| e.to_string())?;
        Ok((spec, self.contents(&digests)?))
    }

    /// Contents by digest; the error says which were not kept.
    pub fn contents(&self, digests: &[Digest]) -> Result<Vec<Blob>, String> {
        let mut found = Vec::with_capacity(digests.len());
        for digest in digests {
            let here = self.ledger().blobs.iter().find(|b| b.digest() == *digest).cloned();
            let blob = match here {
                Some(blob) => Some(blob),
                None => self.ctx.store.blobs().get(digest).map_err(|e| e.to_string())?,
            };
            found.push(blob.ok_or_else(|| format!("its content {} was not kept", digest.short()))?);
        }
        Ok(found)
    }

    /// Reads the head again after a version was made under this lease.
    pub fn refresh_head(&self) -> Result<(), EngineError> {
        let id = self.stack().id;
        if let Some(fresh) = self.ctx.store.view()?.stack_get(&id)? {
            self.stack.lock().unwrap_or_else(PoisonError::into_inner).head = fresh.head;
        }
        Ok(())
    }

    /// Has this run written rows, or is it about to?
    pub fn wrote_rows(&self) -> bool {
        let ledger = self.ledger();
        ledger.wrote || ledger.changes_content()
    }

    /// A view, with store errors in the terms of user code.
    pub fn view(&self) -> Result<Box<dyn View + '_>, CallError> {
        self.ctx.store.view().map_err(|e| store_failed(&e))
    }
}

pub(crate) fn store_failed(error: &StoreError) -> CallError {
    CallError::Store(error.to_string())
}

pub(crate) fn commit_failed(error: &EngineError) -> CallError {
    match error {
        EngineError::Commit(CommitError::Fenced { .. }) => CallError::LeaseLost,
        other => CallError::Store(other.to_string()),
    }
}
