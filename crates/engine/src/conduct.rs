//! Says what runs next: tasks in declaration order adjusted by dependencies, then handlers, then the end.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sloth_core::address::HostName;
use sloth_core::body::{Conductor, Next, Unit, UnitEnding};
use sloth_core::clock::Timestamp;
use sloth_core::event::{EventType, Severity};
use sloth_core::graph::TaskGraph;
use sloth_core::plan::PlanStep;
use sloth_core::run::TaskCounts;
use sloth_core::value::Value;
use sloth_core::workflow::{OnFailure, Workflow};

use crate::failpoint;
use crate::report::{TaskReport, TaskStatus};
use crate::scope_body::UnitScope;
use crate::session::Session;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    Running,
    Succeeded,
    Failed,
    /// Not run because of a failure or an interruption; dependents are not run either.
    Skipped,
    /// Not run because its condition said no; dependents run.
    Excused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    Tasks,
    Handlers,
    Complete,
    Done,
}

struct State {
    phase: Phase,
    fates: Vec<Fate>,
    /// Units of a task that still run, one per host.
    units_left: Vec<usize>,
    to_start: Vec<(usize, HostName)>,
    running: usize,
    begun: HashMap<String, Timestamp>,
    reports: Vec<TaskReport>,
    handlers_todo: Vec<String>,
    handlers_ran: Vec<String>,
    first_error: Option<String>,
    handler_failed: bool,
    aborted: bool,
}

pub(crate) struct Conduct<'a> {
    session: Arc<Session>,
    workflow: &'a Workflow,
    graph: TaskGraph,
    order: Vec<usize>,
    chosen: BTreeSet<usize>,
    parallel: usize,
    state: Mutex<State>,
}

/// How everything ended.
pub(crate) struct Ending {
    pub reports: Vec<TaskReport>,
    pub counts: TaskCounts,
    pub handlers: Vec<String>,
    pub error: Option<String>,
    /// Every chosen task ran to its end without failure.
    pub complete: bool,
    pub failed: bool,
}

impl<'a> Conduct<'a> {
    pub fn new(
        session: Arc<Session>,
        workflow: &'a Workflow,
        graph: TaskGraph,
        chosen: BTreeSet<usize>,
        parallel: usize,
    ) -> Self {
        let total = graph.len();
        let order = graph.order();
        let state = State {
            phase: Phase::Start,
            fates: vec![Fate::Waiting; total],
            units_left: vec![0; total],
            to_start: Vec::new(),
            running: 0,
            begun: HashMap::new(),
            reports: Vec::new(),
            handlers_todo: Vec::new(),
            handlers_ran: Vec::new(),
            first_error: None,
            handler_failed: false,
            aborted: false,
        };
        Self { session, workflow, graph, order, chosen, parallel: parallel.max(1), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the result once the program has finished.
    pub fn ending(self) -> Ending {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let count = |fate: Fate| {
            u64::try_from(self.chosen.iter().filter(|&&t| state.fates[t] == fate).count()).unwrap_or(0)
        };
        let failed = count(Fate::Failed) > 0 || state.aborted || state.handler_failed;
        let skipped = count(Fate::Skipped);
        Ending {
            reports: state.reports,
            counts: TaskCounts {
                total: u64::try_from(self.chosen.len()).unwrap_or(0),
                succeeded: count(Fate::Succeeded),
                failed: count(Fate::Failed),
                skipped: skipped + count(Fate::Excused),
            },
            handlers: state.handlers_ran,
            error: state.first_error,
            complete: !failed && skipped == 0 && count(Fate::Waiting) == 0 && count(Fate::Running) == 0,
            failed,
        }
    }

    fn scope(&self, task: &str, host: HostName) -> Arc<UnitScope> {
        Arc::new(UnitScope { session: Arc::clone(&self.session), task: task.to_owned(), host })
    }

    fn start_task(&self, state: &mut State, task: usize, host: HostName) -> Next {
        let name = &self.workflow.tasks[task].name;
        state.running += 1;
        state.begun.insert(format!("{name}@{host}"), self.session.ctx.clock.now());
        self.session.emit(
            EventType::TaskStarted,
            Severity::Info,
            Some(name),
            None,
            &format!("task `{name}` started"),
            Value::Null,
        );
        Next::Start(Unit::Task(task, host.clone()), self.scope(name, host))
    }

    /// The first task that has not begun and whose needs are like this.
    fn waiting(&self, state: &State, are: impl Fn(&BTreeSet<usize>) -> bool) -> Option<usize> {
        self.order.iter().copied().find(|&t| {
            state.fates[t] == Fate::Waiting && self.chosen.contains(&t) && are(self.graph.needs(t))
        })
    }

    /// Tasks that cannot run any more because something they need failed.
    fn skip_hopeless(&self, state: &mut State) {
        loop {
            let hopeless = self.waiting(state, |needs| {
                needs.iter().any(|&n| matches!(state.fates[n], Fate::Failed | Fate::Skipped))
            });
            let Some(task) = hopeless else { return };
            let cause = self
                .graph
                .needs(task)
                .iter()
                .find(|&&n| matches!(state.fates[n], Fate::Failed | Fate::Skipped))
                .map_or_else(String::new, |&n| {
                    let word = if state.fates[n] == Fate::Failed { "failed" } else { "was skipped" };
                    format!("`{}` {word}", self.workflow.tasks[n].name)
                });
            self.skip(state, task, &cause);
        }
    }

    fn skip(&self, state: &mut State, task: usize, why: &str) {
        state.fates[task] = Fate::Skipped;
        self.report_skip(state, task, why);
    }

    fn report_skip(&self, state: &mut State, task: usize, why: &str) {
        let name = &self.workflow.tasks[task].name;
        let message = format!("task `{name}` skipped: {why}");
        self.session.emit(EventType::TaskSkipped, Severity::Warning, Some(name), None, &message, Value::Null);
        state.reports.push(TaskReport {
            name: name.clone(),
            host: HostName::local().to_string(),
            status: TaskStatus::Skipped,
            duration: std::time::Duration::ZERO,
            message: Some(why.to_owned()),
            counts: sloth_core::run::Counts::default(),
        });
    }

    fn halting(&self, state: &State) -> Option<&'static str> {
        if self.session.ctx.stop.asked() {
            return Some("the run was interrupted");
        }
        if self.overdue() {
            return Some("the workflow's timeout is over");
        }
        let failed = state.aborted || state.fates.contains(&Fate::Failed);
        let halt = state.aborted || self.workflow.config.on_failure != OnFailure::Continue;
        (failed && halt).then_some("an earlier task failed")
    }

    /// Is the time of the whole run over?
    fn overdue(&self) -> bool {
        let elapsed = || self.session.ctx.clock.now().since(self.session.started_at);
        self.workflow.config.timeout.is_some_and(|limit| elapsed() > limit)
    }

    fn next_task(&self, state: &mut State) -> Option<Next> {
        if let Some((task, host)) = state.to_start.pop() {
            return Some(self.start_task(state, task, host));
        }
        if let Some(why) = self.halting(state) {
            for &task in &self.order {
                if state.fates[task] == Fate::Waiting && self.chosen.contains(&task) {
                    self.skip(state, task, why);
                    if self.overdue() {
                        state.aborted = true;
                        state.first_error.get_or_insert_with(|| why.to_owned());
                    }
                }
            }
        }
        self.skip_hopeless(state);
        // Units of one task on several hosts always run side by side; tasks only when the workflow says so.
        let tasks_running = state.fates.iter().filter(|f| **f == Fate::Running).count();
        if tasks_running < self.parallel {
            let ready = self.waiting(state, |needs| {
                needs.iter().all(|&n| matches!(state.fates[n], Fate::Succeeded | Fate::Excused))
            });
            if let Some(task) = ready {
                state.fates[task] = Fate::Running;
                let mut hosts: Vec<HostName> =
                    self.workflow.tasks[task].delegate_to.iter().map(|h| HostName::new(h.as_str())).collect();
                if hosts.is_empty() {
                    hosts.push(HostName::local());
                }
                state.units_left[task] = hosts.len();
                let first = hosts.remove(0);
                state.to_start.extend(hosts.into_iter().rev().map(|h| (task, h)));
                return Some(self.start_task(state, task, first));
            }
        }
        (state.running > 0).then_some(Next::Wait)
    }

    fn plan_handlers(&self, state: &mut State) {
        let failed = state.aborted || state.fates.iter().any(|f| matches!(f, Fate::Failed | Fate::Skipped));
        if failed || self.session.ctx.stop.asked() {
            return;
        }
        let waiting: Vec<String> = self.session.ledger().handlers.iter().map(|h| h.name.clone()).collect();
        for name in &waiting {
            if !self.workflow.handlers.contains(name) {
                let text = format!(
                    "handler `{name}` was notified but the workflow has no handler of that name; it stays queued"
                );
                self.session.ctx.notice(Severity::Warning, &text);
            }
        }
        // In order of declaration, as a reader of the file would expect.
        state.handlers_todo =
            self.workflow.handlers.iter().filter(|h| waiting.contains(h)).rev().cloned().collect();
        if self.session.planning {
            for name in state.handlers_todo.iter().rev() {
                self.session.ledger().steps.push(PlanStep::Handler { name: name.clone() });
            }
            state.handlers_todo.clear();
        }
    }

    fn last_one(&self, state: &State) -> bool {
        state.running == 0 && !self.chosen.iter().any(|&t| state.fates[t] == Fate::Waiting)
    }

    fn task_ended(&self, state: &mut State, task: usize, host: &HostName, ending: &UnitEnding) {
        let name = self.workflow.tasks[task].name.clone();
        state.units_left[task] = state.units_left[task].saturating_sub(1);
        let begun = state.begun.remove(&format!("{name}@{host}")).unwrap_or_default();
        let duration = self.session.ctx.clock.now().since(begun);
        let counts = self.session.ledger().task_counts.get(&name).copied().unwrap_or_default();
        let (fate, mut status, message) = match ending {
            UnitEnding::Succeeded { message, outputs } => {
                self.session.ledger().task_outputs.insert(name.clone(), outputs.clone());
                let quiet = counts.changed() == 0 && counts.commands == 0;
                (
                    Fate::Succeeded,
                    if quiet { TaskStatus::Unchanged } else { TaskStatus::Changed },
                    message.clone(),
                )
            }
            UnitEnding::Failed { message, .. } => (Fate::Failed, TaskStatus::Failed, Some(message.clone())),
            UnitEnding::Skipped { message } => (Fate::Excused, TaskStatus::Skipped, Some(message.clone())),
            UnitEnding::Aborted { message } => {
                state.aborted = true;
                (Fate::Failed, TaskStatus::Failed, Some(message.clone()))
            }
        };
        // One host's failure is the task's failure.
        let worst = if state.fates[task] == Fate::Failed { Fate::Failed } else { fate };
        state.fates[task] =
            if state.units_left[task] == 0 || worst == Fate::Failed { worst } else { Fate::Running };
        if fate == Fate::Failed {
            status = TaskStatus::Failed;
            let text = message.clone().unwrap_or_default();
            state.first_error.get_or_insert_with(|| format!("task `{name}` failed: {text}"));
        }
        let (kind, severity, word) = match status {
            TaskStatus::Failed => (EventType::TaskFailed, Severity::Error, "failed"),
            TaskStatus::Skipped => (EventType::TaskSkipped, Severity::Info, "skipped"),
            TaskStatus::Changed | TaskStatus::Unchanged => {
                (EventType::TaskCompleted, Severity::Info, "completed")
            }
        };
        let payload = serde_json::json!({
            "duration_ns": u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
            "message": message, "counts": counts, "host": host,
        });
        self.session.emit(kind, severity, Some(&name), None, &format!("task `{name}` {word}"), payload);
        state.reports.push(TaskReport { name, host: host.to_string(), status, duration, message, counts });
    }

    /// The end of a task waits for the disk; the last one is carried by the final commit.
    fn commit(&self, state: &mut State) {
        if self.session.planning || self.last_one(state) {
            return;
        }
        failpoint::pass("before-task-commit");
        let done = self.session.settle_machines().and_then(|()| self.session.commit_pending());
        failpoint::pass("after-task-commit");
        if let Err(error) = done {
            state.aborted = true;
            state.first_error.get_or_insert_with(|| format!("the state could not be written: {error}"));
        }
    }
}

impl Conductor for Conduct<'_> {
    fn next(&self) -> Next {
        let mut state = self.state();
        loop {
            match state.phase {
                Phase::Start => {
                    state.phase = Phase::Tasks;
                    state.running += 1;
                    return Next::Start(Unit::OnStart, self.scope("", HostName::local()));
                }
                Phase::Tasks => {
                    if state.running > 0
                        && state.fates.iter().all(|f| *f == Fate::Waiting)
                        && state.begun.is_empty()
                    {
                        // `on_start` still runs.
                        return Next::Wait;
                    }
                    if let Some(next) = self.next_task(&mut state) {
                        return next;
                    }
                    self.plan_handlers(&mut state);
                    state.phase = Phase::Handlers;
                }
                Phase::Handlers => {
                    if state.running > 0 {
                        return Next::Wait;
                    }
                    if let Some(name) = state.handlers_todo.pop() {
                        state.running += 1;
                        let scope = self.scope(&format!("handler {name}"), HostName::local());
                        return Next::Start(Unit::Handler(name), scope);
                    }
                    state.phase = Phase::Complete;
                }
                Phase::Complete => {
                    state.phase = Phase::Done;
                    state.running += 1;
                    let bad = state.aborted || state.handler_failed || state.fates.contains(&Fate::Failed);
                    return Next::Start(Unit::OnComplete(!bad), self.scope("", HostName::local()));
                }
                Phase::Done => return if state.running > 0 { Next::Wait } else { Next::Finished },
            }
        }
    }

    fn ended(&self, unit: &Unit, ending: &UnitEnding) {
        let mut state = self.state();
        state.running = state.running.saturating_sub(1);
        match unit {
            Unit::Task(task, host) => {
                self.task_ended(&mut state, *task, host, ending);
                if state.units_left[*task] == 0 {
                    self.commit(&mut state);
                }
            }
            Unit::Handler(name) => match ending {
                UnitEnding::Failed { message, .. } | UnitEnding::Aborted { message } => {
                    state.handler_failed = true;
                    state.handlers_todo.clear();
                    state.first_error.get_or_insert_with(|| format!("handler `{name}` failed: {message}"));
                }
                UnitEnding::Succeeded { .. } | UnitEnding::Skipped { .. } => {
                    let mut ledger = self.session.ledger();
                    ledger.handlers.retain(|h| h.name != *name);
                    ledger.handlers_done.push(name.clone());
                    drop(ledger);
                    state.handlers_ran.push(name.clone());
                }
            },
            Unit::OnStart | Unit::OnComplete(_) => {
                if let UnitEnding::Failed { message, .. } | UnitEnding::Aborted { message } = ending {
                    state.aborted = true;
                    let which = if *unit == Unit::OnStart { "on_start" } else { "on_complete" };
                    state.first_error.get_or_insert_with(|| format!("`{which}` failed: {message}"));
                }
            }
        }
    }
}
