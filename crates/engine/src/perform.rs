//! The one apply: look, decide, then capture, intent, effect, result. Every verb comes through here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sloth_core::address::Address;
use sloth_core::body::{CallError, Outcome};
use sloth_core::change::{Action, Change, Reason};
use sloth_core::decide::{Facts, decide};
use sloth_core::desired::{Desired, Options};
use sloth_core::diff::Diff;
use sloth_core::digest::{Blob, Digest};
use sloth_core::event::{EventType, Severity};
use sloth_core::journal::{Intention, Subject};
use sloth_core::machine::{Applied, ApplyError, Machine, Sight, Step, Watch};
use sloth_core::observed::{ProbeError, Seen};
use sloth_core::plan::PlanStep;
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::sink::Signal;
use sloth_core::store::Wait;
use sloth_core::value::Value;
use sloth_core::workflow::Durability;

use crate::failpoint;
use crate::ledger::Performed;
use crate::report::ChangeReport;
use crate::session::{Session, store_failed};

/// Contents larger than this are handed to the content store before the intent instead of travelling in the journal.
const CAPTURE_INLINE: usize = 64 * 1024;

/// What a saved plan allows.
pub(crate) struct Guarded {
    resources: HashMap<Address, Planned>,
    commands: Mutex<HashMap<String, u64>>,
    effects: Mutex<HashMap<String, u64>>,
}

struct Planned {
    action: Action,
    live: Option<Digest>,
    spec: Option<Value>,
}

impl Guarded {
    pub fn new(steps: &[PlanStep]) -> Self {
        let mut resources = HashMap::new();
        let mut commands = HashMap::new();
        let mut effects = HashMap::new();
        for step in steps {
            match step {
                PlanStep::Resource { address, change, live, spec, .. } => {
                    resources.insert(
                        address.clone(),
                        Planned { action: change.action, live: *live, spec: spec.clone() },
                    );
                }
                PlanStep::Command { key, .. } => *commands.entry(key.clone()).or_insert(0) += 1,
                PlanStep::Effect { what, .. } => *effects.entry(what.clone()).or_insert(0) += 1,
                PlanStep::Handler { .. } | PlanStep::Output { .. } => {}
            }
        }
        Self { resources, commands: Mutex::new(commands), effects: Mutex::new(effects) }
    }

    /// Compares a decision with the plan. `Ok(false)`: the plan leaves this resource alone, so it is left alone.
    fn admit(
        &self,
        address: &Address,
        spec: Option<&Value>,
        change: &Change,
        live: Option<Digest>,
    ) -> Result<bool, CallError> {
        let refuse =
            |why: &str| Err(CallError::NotPlanned { what: address.to_string(), why: why.to_owned() });
        let Some(planned) = self.resources.get(address) else {
            return if change.action == Action::Noop { Ok(true) } else { refuse("it is not in the plan") };
        };
        if planned.spec.as_ref() != spec {
            return refuse("the code asks for something else now");
        }
        if !planned.action.records() {
            return Ok(change.action == Action::Noop);
        }
        if planned.action != change.action {
            return refuse(&format!(
                "planned {}, now {} ({})",
                planned.action,
                change.action,
                change.reason.phrase()
            ));
        }
        if planned.live != live {
            return refuse("it changed on the host since the plan was made");
        }
        Ok(true)
    }

    /// Resources without a machine state are compared by their wish alone.
    pub fn admit_registered(&self, address: &Address, spec: &Value) -> Result<(), CallError> {
        match self.resources.get(address) {
            Some(planned) if planned.spec.as_ref() == Some(spec) => Ok(()),
            Some(_) => Err(CallError::NotPlanned {
                what: address.to_string(),
                why: "the code asks for something else now".to_owned(),
            }),
            None => Err(CallError::NotPlanned {
                what: address.to_string(),
                why: "it is not in the plan".to_owned(),
            }),
        }
    }

    fn take(pool: &Mutex<HashMap<String, u64>>, key: &str) -> bool {
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        match pool.get_mut(key) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
    pub fn admit_command(&self, key: &str, line: &str) -> Result<(), CallError> {
        if Self::take(&self.commands, key) {
            return Ok(());
        }
        Err(CallError::NotPlanned {
            what: format!("command `{line}`"),
            why: "it is not in the plan".to_owned(),
        })
    }
    pub fn admit_effect(&self, what: &str) -> Result<(), CallError> {
        if Self::take(&self.effects, what) {
            return Ok(());
        }
        Err(CallError::NotPlanned { what: what.to_owned(), why: "it is not in the plan".to_owned() })
    }
}

/// What stays in the record once the work is done.
pub(crate) enum Leave {
    /// This record, with the state the machine reports.
    Record(Box<Recorded>),
    /// Nothing.
    Nothing,
}

/// A decided change with everything needed to carry it out.
pub(crate) struct Work<'a> {
    pub task: &'a str,
    pub address: Address,
    pub module: String,
    pub operation: String,
    pub change: Change,
    /// What to bring about; `None` removes.
    pub spec: Option<Value>,
    pub blobs: Vec<Blob>,
    pub live: Option<Value>,
    pub options: Options,
    pub leave: Leave,
}

impl Work<'_> {
    fn step(&self) -> Step {
        Step {
            kind: self.address.kind().to_owned(),
            id: self.address.id().to_owned(),
            spec: self.spec.clone(),
            replace: self.change.action == Action::Replace,
            blobs: self.blobs.clone(),
            live: self.live.clone(),
        }
    }
    fn wrap(&self, error: ApplyError) -> CallError {
        CallError::Apply { address: self.address.to_string(), error }
    }
}

/// What deciding about a wish led to.
enum Settled<'a> {
    /// There is nothing to do.
    Left(Box<Outcome>),
    /// This is to be carried out.
    Work(Box<Work<'a>>),
}

impl Settled<'_> {
    fn left(outcome: Outcome) -> Self {
        Self::Left(Box::new(outcome))
    }
}

/// A change that was made.
struct Touched {
    applied: Applied,
    /// The step it was, until it is booked.
    open: Option<u64>,
    /// The journal could not take its result.
    broken: Option<CallError>,
}

pub(crate) fn digest_of(state: Option<&Value>) -> Option<Digest> {
    state.map(Digest::of_value)
}

struct TaskWatch<'a> {
    session: &'a Session,
    task: &'a str,
}

impl Watch for TaskWatch<'_> {
    fn line(&self, stream: &'static str, text: &str) {
        let task = (!self.task.is_empty()).then_some(self.task);
        self.session.ctx.sink.signal(&Signal::Line { task, stream, text });
    }
    fn cancelled(&self) -> bool {
        self.session.ctx.stop.insisted()
    }
}

impl Session {
    pub fn machine(&self, address: &Address) -> Result<&dyn Machine, ProbeError> {
        self.machines.get(address.host()).map(std::convert::AsRef::as_ref).ok_or_else(|| {
            ProbeError::new(address.to_string(), format!("host `{}` is not known", address.host()))
        })
    }

    /// Looks at one resource, against a wish and the record.
    pub fn look(
        &self,
        address: &Address,
        spec: Option<&Value>,
        blobs: &[Blob],
        recorded: Option<&Recorded>,
    ) -> Result<Seen, ProbeError> {
        if let Some(recorded) = recorded.filter(|r| r.is_registered()) {
            return Ok(look_registered(recorded, spec));
        }
        let sight = Sight {
            kind: address.kind(),
            id: address.id(),
            spec,
            blobs,
            recorded: recorded.map(|r| r.state.as_ref()),
        };
        let mut seen =
            self.machine(address)?.observe(&[sight]).map_err(|e| ProbeError::new(address.to_string(), e))?;
        seen.pop().unwrap_or_else(|| Err(ProbeError::new(address.to_string(), "the machine did not answer")))
    }

    /// Brings one wished resource in line, or says what that would take.
    pub fn bring(&self, task: &str, desired: Desired) -> Result<Outcome, CallError> {
        match self.settle_on(task, desired)? {
            Settled::Left(outcome) => Ok(*outcome),
            Settled::Work(work) => self.carry_out(*work),
        }
    }

    /// Brings resources in line that one call asked for, those that need it in one go where the machine can do that.
    pub fn bring_together(&self, task: &str, desired: Vec<Desired>) -> Vec<Result<Outcome, CallError>> {
        let settled: Vec<_> = desired.into_iter().map(|one| self.settle_on(task, one)).collect();
        let mut outcomes = Vec::with_capacity(settled.len());
        let mut together = Vec::new();
        for one in settled {
            outcomes.push(match one {
                Err(error) => Some(Err(error)),
                Ok(Settled::Left(outcome)) => Some(Ok(*outcome)),
                Ok(Settled::Work(work)) if !work.change.action.touches() => Some(self.carry_out(*work)),
                Ok(Settled::Work(work)) => {
                    together.push(*work);
                    None
                }
            });
        }
        let mut done = self.carry_out_together(together).into_iter();
        let stopped = || Err(CallError::Stopped);
        outcomes.into_iter().map(|one| one.or_else(|| done.next()).unwrap_or_else(stopped)).collect()
    }

    /// Decides about one wished resource.
    fn settle_on<'t>(&self, task: &'t str, desired: Desired) -> Result<Settled<'t>, CallError> {
        self.gate()?;
        let address = desired.address.clone();
        if !self.scope.admits(&address) {
            let change = Change::new(Action::Noop, Reason::InLine, Diff::none());
            let note = "left out by --target or --exclude".to_owned();
            return Ok(Settled::left(Outcome { address, change, state: None, notes: vec![note] }));
        }
        self.declare_once(&desired)?;
        let recorded = self.record_for(task, &desired)?;
        let seen = self.look(&address, Some(&desired.spec), &desired.blobs, recorded.as_deref());
        let change =
            decide(Facts { desired: Some(&desired), recorded: recorded.as_deref(), seen: seen.as_ref() });
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => return Err(self.blocked(task, &address, &change, &error.to_string())),
        };
        if let Some(guard) = &self.guard
            && !guard.admit(&address, Some(&desired.spec), &change, digest_of(seen.state.as_ref()))?
        {
            let note = "moved since the plan was made, left alone".to_owned();
            let change = Change::new(Action::Noop, Reason::InLine, Diff::none());
            self.ledger().count(task, |c| c.unchanged += 1);
            return Ok(Settled::left(Outcome { address, change, state: seen.state, notes: vec![note] }));
        }
        if change.action == Action::Noop {
            self.ledger().count(task, |c| c.unchanged += 1);
            self.plan_step(task, &desired, &change, &seen, recorded.as_deref());
            return Ok(Settled::left(Outcome { address, change, state: seen.state, notes: Vec::new() }));
        }
        let now = self.ctx.clock.now();
        let template = Recorded::applied(
            &desired,
            seen.state.clone(),
            seen.state.as_ref(),
            recorded.as_deref(),
            task,
            now,
        );
        self.plan_step(task, &desired, &change, &seen, recorded.as_deref());
        Ok(Settled::Work(Box::new(Work {
            task,
            address,
            module: desired.module,
            operation: desired.operation,
            change,
            spec: Some(desired.spec),
            blobs: desired.blobs,
            live: seen.state,
            options: desired.options,
            leave: Leave::Record(Box::new(template)),
        })))
    }

    /// Carries out decided changes of one host together and keeps the books: first every intent, then one effect, then
    /// every result.
    fn carry_out_together(&self, works: Vec<Work<'_>>) -> Vec<Result<Outcome, CallError>> {
        let plain = |work: &Work<'_>| !self.stays_on_record(work);
        let one_host = works.windows(2).all(|pair| pair[0].address.host() == pair[1].address.host());
        let machine = works.first().and_then(|work| self.machine(&work.address).ok());
        let machine = match machine {
            Some(machine) if works.len() > 1 && one_host && works.iter().all(plain) => machine,
            _ => return works.into_iter().map(|work| self.carry_out(work)).collect(),
        };
        let task = works.first().map_or("", |work| work.task);
        let mut intents = Vec::with_capacity(works.len());
        for work in &works {
            let signal = Signal::Decided { task: work.task, address: &work.address, change: &work.change };
            self.ctx.sink.signal(&signal);
            intents.push(self.intend(machine, work));
        }
        let steps: Vec<Step> =
            works.iter().zip(&intents).filter(|(_, i)| i.is_ok()).map(|(w, _)| w.step()).collect();
        let watch = TaskWatch { session: self, task };
        let mut applied = machine.apply_together(&steps, &watch).into_iter();
        if !self.planning {
            failpoint::pass("after-effect");
        }
        let mut outcomes = Vec::with_capacity(works.len());
        for (work, intent) in works.into_iter().zip(intents) {
            let result = match intent {
                Err(error) => Err((error, None)),
                Ok(seq) => match applied.next().unwrap_or(Err(ApplyError::Cancelled)) {
                    Ok(applied) => Ok(self.result(applied, seq)),
                    Err(error) => Err((work.wrap(error), seq)),
                },
            };
            outcomes.push(self.book_result(work, result));
        }
        outcomes
    }

    /// Carries out a decided change and keeps the books.
    pub fn carry_out(&self, work: Work<'_>) -> Result<Outcome, CallError> {
        let signal = Signal::Decided { task: work.task, address: &work.address, change: &work.change };
        self.ctx.sink.signal(&signal);
        if work.change.action == Action::Blocked {
            let why = work.change.reason.phrase();
            return Err(self.blocked(work.task, &work.address, &work.change, &why));
        }
        if work.change.action.touches() {
            let touched = self.touch(&work);
            return self.book_result(work, touched);
        }
        if !self.planning && work.change.action == Action::Adopt {
            // What is adopted must be restorable later, whoever changes it.
            self.keep_contents(&work)?;
        }
        let state = work.live.clone();
        let kept = Touched { applied: Applied { state, notes: Vec::new() }, open: None, broken: None };
        self.book_result(work, Ok(kept))
    }

    /// Books how a change ended.
    fn book_result(
        &self,
        mut work: Work<'_>,
        touched: Result<Touched, (CallError, Option<u64>)>,
    ) -> Result<Outcome, CallError> {
        let Touched { applied: Applied { state, notes }, open, broken } = match touched {
            Ok(touched) => touched,
            Err((error, open)) => {
                let error = self.failed(&work, error);
                self.booked(open);
                return Err(error);
            }
        };
        if work.change.action == Action::Delete && work.spec.is_none() && state.is_some() && !self.planning {
            // A directory with other people's files in it, for example: it is ours no longer, but it is there.
            work.change.action = Action::Forget;
            for note in &notes {
                self.ctx.notice(Severity::Warning, &format!("{}: {note}", work.address));
            }
        } else if !work.options.sensitive {
            for note in &notes {
                self.ctx.notice(Severity::Info, &format!("{}: {note}", work.address));
            }
        }
        let sensitive = work.options.sensitive;
        let outcome = Outcome {
            address: work.address.clone(),
            change: if sensitive { redacted(&work.change) } else { work.change.clone() },
            state: state.clone(),
            notes,
        };
        self.book(work, state);
        self.booked(open);
        if let Some(error) = broken {
            return Err(error);
        }
        self.relieve()?;
        Ok(outcome)
    }

    /// Does a change concern a resource that lives only in the record?
    fn stays_on_record(&self, work: &Work<'_>) -> bool {
        matches!(&work.leave, Leave::Record(r) if r.is_registered()) || self.is_registered(&work.address)
    }

    /// Capture, intent, effect, result. With an error comes the number of the step that is still open.
    fn touch(&self, work: &Work<'_>) -> Result<Touched, (CallError, Option<u64>)> {
        if self.stays_on_record(work) {
            let applied = Applied { state: work.spec.clone(), notes: Vec::new() };
            return Ok(Touched { applied, open: None, broken: None });
        }
        let machine = self.machine(&work.address).map_err(|e| (work.wrap(e.into()), None))?;
        let open = self.intend(machine, work).map_err(|error| (error, None))?;
        let watch = TaskWatch { session: self, task: work.task };
        let applied = machine.apply(&work.step(), &watch);
        if !self.planning {
            failpoint::pass("after-effect");
        }
        match applied {
            Ok(applied) => Ok(self.result(applied, open)),
            // What the failed attempt left is booked with the failure, see `failed`; until that is committed the intent
            // stays open, so that dying now loses nothing.
            Err(error) => Err((work.wrap(error), open)),
        }
    }

    /// Keeps what a change would destroy and writes down that it is about to be made. A plan does neither.
    fn intend(&self, machine: &dyn Machine, work: &Work<'_>) -> Result<Option<u64>, CallError> {
        if self.planning {
            return Ok(None);
        }
        self.gate()?;
        let mut captured = Vec::new();
        if let Some(live) = &work.live {
            let (kind, id) = (work.address.kind(), work.address.id());
            let found = machine.capture(kind, id, live).map_err(|e| work.wrap(e.into()))?;
            let (inline, large): (Vec<Blob>, Vec<Blob>) =
                found.blobs.into_iter().partition(|b| b.bytes().len() <= CAPTURE_INLINE);
            if !large.is_empty() {
                self.ctx.store.blobs().put(&large, Wait::Fast).map_err(|e| store_failed(&e))?;
            }
            captured = inline;
        }
        let subject = Subject::Resource {
            address: work.address.clone(),
            module: work.module.clone(),
            operation: work.operation.clone(),
            spec: work.spec.clone(),
            before: work.live.clone(),
            options: work.options.clone(),
        };
        let seq = self.begin_step(work.task, subject, &captured)?;
        self.ledger().keep(captured);
        Ok(Some(seq))
    }

    /// Writes down how a step ended. It happened, whatever becomes of the journal: it is booked, and then the run stops.
    fn result(&self, applied: Applied, open: Option<u64>) -> Touched {
        let noted = open.map_or(Ok(()), |seq| self.end_step(seq, applied.state.as_ref()));
        if open.is_some() {
            failpoint::pass("after-result");
        }
        Touched { applied, open, broken: noted.err() }
    }

    pub fn begin_step(&self, task: &str, subject: Subject, captured: &[Blob]) -> Result<u64, CallError> {
        let seq = {
            let mut ledger = self.ledger();
            ledger.last_seq += 1;
            let seq = ledger.last_seq;
            ledger.open_seqs.insert(seq);
            ledger.touched_machine = true;
            seq
        };
        failpoint::pass("before-intent");
        let intention = Intention { seq, task: task.to_owned(), subject, at: self.ctx.clock.now() };
        let stack = self.stack().id;
        let wait = match self.ctx.durability {
            Durability::Full => Wait::Durable,
            Durability::Fast => Wait::Fast,
        };
        self.ctx
            .store
            .journal()
            .begin(&stack, &self.run, &intention, captured, wait)
            .map_err(|e| store_failed(&e))?;
        failpoint::pass("after-intent");
        Ok(seq)
    }
    /// The step is in the books: the next commit settles it.
    pub fn booked(&self, seq: Option<u64>) {
        if let Some(seq) = seq {
            self.ledger().open_seqs.remove(&seq);
        }
    }
    pub fn end_step(&self, seq: u64, state: Option<&Value>) -> Result<(), CallError> {
        self.ctx.store.journal().finish(&self.run, seq, state).map_err(|e| store_failed(&e))
    }
    pub fn fail_step(&self, seq: u64, error: &str) -> Result<(), CallError> {
        self.ctx.store.journal().fail(&self.run, seq, error).map_err(|e| store_failed(&e))?;
        self.ledger().open_seqs.remove(&seq);
        Ok(())
    }

    /// Books a success.
    pub(crate) fn book(&self, work: Work<'_>, state: Option<Value>) {
        let action = work.change.action;
        let event = match action {
            Action::Create => Some(EventType::ResourceCreated),
            Action::Delete => Some(EventType::ResourceDeleted),
            Action::Replace | Action::Restore | Action::Update => Some(EventType::ResourceUpdated),
            Action::Adopt | Action::Blocked | Action::Forget | Action::Noop | Action::Refresh => None,
        };
        if let Some(kind) = event {
            let payload = serde_json::json!({
                "action": action, "reason": work.change.reason, "attributes": work.change.diff.names(),
                "operation_key": sloth_core::desired::operation_key(&work.module, &work.operation, &work.address),
            });
            let task = (!work.task.is_empty()).then_some(work.task);
            let message = format!("{} {} ({})", work.address, past(action), work.change.reason.phrase());
            self.emit(kind, Severity::Info, task, Some(&work.address), &message, payload);
        }
        let now = self.ctx.clock.now();
        let mut ledger = self.ledger();
        ledger.count(work.task, |c| match action {
            Action::Create => c.created += 1,
            Action::Delete => c.deleted += 1,
            Action::Replace | Action::Restore | Action::Update => c.updated += 1,
            Action::Adopt | Action::Forget | Action::Refresh => c.recorded += 1,
            Action::Noop | Action::Blocked => c.unchanged += 1,
        });
        if !self.planning {
            ledger.keep(work.blobs);
            if action.touches() {
                ledger.notify(&work.options.notify, &work.address, now);
                if ledger.keep_performed {
                    // It was read when this was decided, so it can be read.
                    let old = ledger.records.get(&work.address).ok().flatten();
                    ledger.performed.push(Performed {
                        address: work.address.clone(),
                        before: work.live,
                        old,
                    });
                }
            }
        } else if action.touches() {
            ledger.notify(&work.options.notify, &work.address, now);
        }
        match work.leave {
            Leave::Record(mut recorded) => {
                recorded.state = state;
                recorded.updated_at = now;
                ledger.put(&recorded);
            }
            Leave::Nothing => ledger.remove(&work.address),
        }
        ledger.settle(&work.change, &work.address);
        let change = if work.options.sensitive { redacted(&work.change) } else { work.change };
        // What a run made is in the record; keeping every content twice would cost memory with the size of the run.
        let change = if self.planning || change.action != Action::Create {
            change
        } else {
            Change::new(change.action, change.reason, Diff::none())
        };
        ledger.changes.push(ChangeReport {
            task: work.task.to_owned(),
            address: work.address,
            change,
            error: None,
        });
    }

    /// Books a failure: the record says so, with what is there now, so that the next run knows.
    fn failed(&self, work: &Work<'_>, error: CallError) -> CallError {
        if matches!(error, CallError::Stopped | CallError::LeaseLost | CallError::Store(_)) {
            return error;
        }
        let text = error.to_string();
        if !self.planning
            && let Leave::Record(template) = &work.leave
        {
            let live = self.look(&work.address, work.spec.as_ref(), &[], None).ok().map(|seen| seen.state);
            let untouched = live.as_ref() == Some(&work.live);
            let known = self.ledger().records.contains(&work.address);
            // An attempt that changed nothing on something unknown leaves nothing to remember.
            if known || !untouched {
                let mut recorded = (**template).clone();
                recorded.condition = Condition::Failed;
                recorded.error = Some(text.clone());
                if let Some(state) = live {
                    recorded.state = state;
                }
                recorded.updated_at = self.ctx.clock.now();
                self.ledger().put(&recorded);
            }
        }
        self.note_failure(work.task, &work.address, &work.change, &text);
        error
    }

    fn blocked(&self, task: &str, address: &Address, change: &Change, why: &str) -> CallError {
        self.note_failure(task, address, change, why);
        CallError::Blocked { address: address.to_string(), why: why.to_owned() }
    }

    pub(crate) fn note_failure(&self, task: &str, address: &Address, change: &Change, text: &str) {
        let of = (!task.is_empty()).then_some(task);
        self.emit(EventType::ResourceFailed, Severity::Error, of, Some(address), text, Value::Null);
        let mut ledger = self.ledger();
        ledger.count(task, |c| c.failed += 1);
        ledger.changes.push(ChangeReport {
            task: task.to_owned(),
            address: address.clone(),
            change: change.clone(),
            error: Some(text.to_owned()),
        });
    }

    fn keep_contents(&self, work: &Work<'_>) -> Result<(), CallError> {
        let Some(live) = &work.live else { return Ok(()) };
        if self.is_registered(&work.address) {
            return Ok(());
        }
        let wrap = |e: ProbeError| CallError::Apply { address: work.address.to_string(), error: e.into() };
        let machine = self.machine(&work.address).map_err(wrap)?;
        let captured = machine.capture(work.address.kind(), work.address.id(), live).map_err(wrap)?;
        self.ledger().keep(captured.blobs);
        Ok(())
    }

    /// The record of a resource as this run has it.
    ///
    /// # Errors
    /// It is damaged.
    pub fn known(&self, address: &Address) -> Result<Option<Arc<Recorded>>, CallError> {
        self.ledger().records.get(address).map_err(|e| store_failed(&e))
    }

    pub fn is_registered(&self, address: &Address) -> bool {
        self.ledger().records.get(address).is_ok_and(|r| r.is_some_and(|r| r.is_registered()))
    }

    /// One address, one wish per run: a second, different wish would make every run undo the one before.
    pub(crate) fn declare_once(&self, desired: &Desired) -> Result<(), CallError> {
        let mut ledger = self.ledger();
        let Some(first) = ledger.declared.get(&desired.address) else {
            ledger.declared.insert(desired.address.clone(), desired.span.clone());
            return Ok(());
        };
        // A wish that was brought about is in the record; one that failed may be tried again.
        let recorded = ledger.records.get(&desired.address).map_err(|e| store_failed(&e))?;
        if recorded.is_none_or(|r| r.spec == desired.spec) {
            return Ok(());
        }
        let place = first.as_ref().map(|s| format!(" at {s}")).unwrap_or_default();
        Err(CallError::Refused(format!(
            "{} is declared twice with different wishes, first{place}; one resource has one wish per run",
            desired.address
        )))
    }

    /// The record of a wished resource; asks who owns it when this stack sees it for the first time.
    fn record_for(&self, task: &str, desired: &Desired) -> Result<Option<Arc<Recorded>>, CallError> {
        let known = self.known(&desired.address)?;
        if known.is_some() || !self.others {
            return Ok(known);
        }
        let owners = self
            .view()?
            .resource_owners(&self.stack_id, &[&desired.address])
            .map_err(|e| store_failed(&e))?;
        let Some((_, owner)) = owners.into_iter().next() else { return Ok(None) };
        if !desired.options.take_over {
            let why = format!("it belongs to stack `{owner}`; say `take_over = true` to take it over");
            let change = Change::new(Action::Blocked, Reason::Protected, Diff::none());
            return Err(self.blocked(task, &desired.address, &change, &why));
        }
        if self.planning {
            return Ok(None);
        }
        crate::rewind::take_over(&self.ctx, &owner, &desired.address)
            .map(|taken| taken.map(Arc::new))
            .map_err(|e| CallError::Refused(e.to_string()))
    }

    pub(crate) fn plan_step(
        &self,
        task: &str,
        desired: &Desired,
        change: &Change,
        seen: &Seen,
        recorded: Option<&Recorded>,
    ) {
        if !self.planning {
            return;
        }
        let mut ledger = self.ledger();
        let maybe = ledger.uncertain.get(task).cloned();
        if self.brief && change.action == Action::Noop && maybe.is_none() {
            return;
        }
        let whole = !self.brief;
        ledger.steps.push(PlanStep::Resource {
            task: task.to_owned(),
            address: desired.address.clone(),
            module: desired.module.clone(),
            operation: desired.operation.clone(),
            change: if desired.options.sensitive { redacted(change) } else { change.clone() },
            spec: whole.then(|| desired.spec.clone()),
            live: digest_of(seen.state.as_ref().filter(|_| whole)),
            recorded: recorded.filter(|_| whole).map(Recorded::digest),
            maybe,
        });
    }

    /// Books a resource that lives only in the record.
    pub(crate) fn book_registered(
        &self,
        task: &str,
        change: Change,
        recorded: &Recorded,
        known: Option<Arc<Recorded>>,
    ) {
        let address = recorded.address.clone();
        self.ctx.sink.signal(&Signal::Decided { task, address: &address, change: &change });
        let kind = if change.action == Action::Create {
            EventType::ResourceCreated
        } else {
            EventType::ResourceUpdated
        };
        if !self.planning {
            let message = format!("{address} {} ({})", past(change.action), change.reason.phrase());
            let payload = serde_json::json!({ "action": change.action, "attributes": change.diff.names() });
            self.emit(kind, Severity::Info, Some(task), Some(&address), &message, payload);
        }
        let mut ledger = self.ledger();
        ledger.count(task, |c| if change.action == Action::Create { c.created += 1 } else { c.updated += 1 });
        if self.planning {
            let maybe = ledger.uncertain.get(task).cloned();
            ledger.steps.push(PlanStep::Resource {
                task: task.to_owned(),
                address: address.clone(),
                module: recorded.module.clone(),
                operation: recorded.operation.clone(),
                change: change.clone(),
                spec: Some(recorded.spec.clone()),
                live: known.as_ref().and_then(|k| digest_of(k.state.as_ref())),
                recorded: known.as_ref().map(|k| k.digest()),
                maybe,
            });
        } else {
            ledger.notify(&recorded.options.notify.clone(), &address, recorded.updated_at);
            if ledger.keep_performed {
                ledger.performed.push(Performed { address: address.clone(), before: None, old: known });
            }
        }
        ledger.put(recorded);
        let change =
            if self.planning { change } else { Change::new(change.action, change.reason, Diff::none()) };
        ledger.changes.push(ChangeReport { task: task.to_owned(), address, change, error: None });
    }

    pub(crate) fn watch_for<'a>(&'a self, task: &'a str) -> impl Watch + 'a {
        TaskWatch { session: self, task }
    }
}

/// Registered resources are what the record says they are.
fn look_registered(recorded: &Recorded, spec: Option<&Value>) -> Seen {
    let diff = match (spec, &recorded.state) {
        (Some(spec), Some(state)) => Diff::between(state, spec),
        (Some(spec), None) => Diff::between(&Value::Null, spec),
        (None, _) => Diff::none(),
    };
    Seen { state: recorded.state.clone(), diff, since: Diff::none() }
}

pub(crate) fn redacted(change: &Change) -> Change {
    Change { action: change.action, reason: change.reason.clone(), diff: change.diff.clone().redacted() }
}

const fn past(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Delete => "deleted",
        Action::Replace => "replaced",
        Action::Restore => "restored",
        Action::Update => "updated",
        Action::Adopt | Action::Blocked | Action::Forget | Action::Noop | Action::Refresh => "recorded",
    }
}
