//! Runs: what they did, and the list of them.

use serde::Serialize;
use sloth_core::run::{Counts, Run, RunStatus, TaskCounts};
use sloth_engine::RunReport;
use sloth_engine::report::TaskStatus;

use super::{maybe_time, nanos, time};
use crate::out::escape::line as clean;
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One entry of `stack history`.
#[derive(Debug, Serialize)]
pub struct Execution {
    id: String,
    operation: String,
    status: RunStatus,
    started_at: String,
    completed_at: Option<String>,
    duration: Option<u64>,
    actor: String,
    task_count: u64,
    success_count: u64,
    failure_count: u64,
    skipped_count: u64,
    changes: Counts,
    state_version: Option<u64>,
    error_message: Option<String>,
    #[serde(skip)]
    started: String,
    #[serde(skip)]
    took: String,
}

impl Execution {
    /// From the record of a run.
    pub fn new(run: &Run) -> Self {
        let took = run.completed_at.map(|end| end.since(run.started_at));
        Self {
            id: run.id.to_string(),
            operation: run.operation.clone(),
            status: run.status,
            started_at: time(run.started_at),
            completed_at: maybe_time(run.completed_at),
            duration: took.map(nanos),
            actor: run.actor.clone(),
            task_count: run.tasks.total,
            success_count: run.tasks.succeeded,
            failure_count: run.tasks.failed,
            skipped_count: run.tasks.skipped,
            changes: run.counts,
            state_version: run.version.map(|v| v.0),
            error_message: run.error.clone(),
            started: run.started_at.local(),
            took: took.map_or_else(|| "-".to_owned(), words::duration),
        }
    }
}

/// STARTED STATUS DURATION TASKS SUCCESS FAILED, with OPERATION and ERROR when there is room for them.
pub fn history_table(runs: &[Execution], full: bool) -> Table {
    let short = ["STARTED", "STATUS", "DURATION", "TASKS", "SUCCESS", "FAILED"];
    let long = ["STARTED", "STATUS", "DURATION", "TASKS", "SUCCESS", "FAILED", "OPERATION", "WHO", "ERROR"];
    let mut table = Table::new(if full { &long } else { &short });
    for r in runs {
        let more = |text: &str| if full { text.to_owned() } else { String::new() };
        table.row([
            r.started.clone(),
            r.status.as_str().to_owned(),
            r.took.clone(),
            r.task_count.to_string(),
            r.success_count.to_string(),
            r.failure_count.to_string(),
            more(&r.operation),
            more(&r.actor),
            more(r.error_message.as_deref().and_then(|e| e.lines().next()).unwrap_or("-")),
        ]);
    }
    table
}

/// `stack history`.
#[derive(Debug)]
pub struct History<'a> {
    /// Stack.
    pub stack: &'a str,
    /// Newest first.
    pub runs: &'a [Execution],
}

impl Human for History<'_> {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Executions of stack: {}", self.stack));
        page.gap();
        page.table(&history_table(self.runs, true));
        page.gap();
        page.line(&format!("Total: {}", words::len(self.runs, "execution")));
    }
}

/// What a run did.
#[derive(Debug, Serialize)]
pub struct RunView {
    run_id: String,
    stack: String,
    operation: String,
    status: RunStatus,
    started_at: String,
    duration: u64,
    tasks: Vec<TaskView>,
    task_counts: TaskCounts,
    counts: Counts,
    changes: Vec<ChangeView>,
    orphans: Vec<String>,
    handlers: Vec<String>,
    handlers_pending: Vec<String>,
    recovered: Vec<RecoveredView>,
    undone: Vec<UndoneView>,
    base_version: u64,
    state_version: Option<u64>,
    error: Option<String>,
    needs_person: bool,
    next: Vec<String>,
    #[serde(skip)]
    took: String,
}

#[derive(Debug, Serialize)]
struct TaskView {
    name: String,
    host: String,
    status: TaskStatus,
    duration: u64,
    message: Option<String>,
    counts: Counts,
    #[serde(skip)]
    took: String,
}

#[derive(Debug, Serialize)]
struct ChangeView {
    task: String,
    address: String,
    action: &'static str,
    reason: String,
    class: Option<&'static str>,
    drifted_fields: Vec<String>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct RecoveredView {
    id: String,
    title: String,
    verdict: &'static str,
}

#[derive(Debug, Serialize)]
struct UndoneView {
    address: String,
    action: &'static str,
    stuck: Option<String>,
}

impl RunView {
    /// From the engine's report.
    pub fn new(report: &RunReport) -> Self {
        Self {
            run_id: report.run.clone(),
            stack: report.stack.clone(),
            operation: report.operation.clone(),
            status: report.status,
            started_at: time(report.started_at),
            duration: nanos(report.duration),
            tasks: report
                .tasks
                .iter()
                .map(|t| TaskView {
                    name: t.name.clone(),
                    host: t.host.clone(),
                    status: t.status,
                    duration: nanos(t.duration),
                    message: t.message.clone(),
                    counts: t.counts,
                    took: words::duration(t.duration),
                })
                .collect(),
            task_counts: report.task_counts,
            counts: report.counts,
            changes: report
                .changes
                .iter()
                .map(|c| ChangeView {
                    task: c.task.clone(),
                    address: c.address.to_string(),
                    action: c.change.action.as_str(),
                    reason: c.change.reason.phrase(),
                    class: c.change.reason.class(),
                    drifted_fields: c.change.diff.names(),
                    error: c.error.clone(),
                })
                .collect(),
            orphans: report.orphans.iter().map(ToString::to_string).collect(),
            handlers: report.handlers.clone(),
            handlers_pending: report.handlers_pending.clone(),
            recovered: report
                .recovered
                .iter()
                .map(|r| RecoveredView { id: r.id.clone(), title: r.title.clone(), verdict: r.verdict })
                .collect(),
            undone: report
                .undone
                .iter()
                .map(|u| UndoneView {
                    address: u.address.to_string(),
                    action: u.change.action.as_str(),
                    stuck: u.stuck.clone(),
                })
                .collect(),
            base_version: report.base.0,
            state_version: report.version.map(|v| v.0),
            error: report.error.clone(),
            needs_person: report.needs_person,
            next: next_steps(report),
            took: words::duration(report.duration),
        }
    }
}

/// What to do next when not all went well.
fn next_steps(report: &RunReport) -> Vec<String> {
    let stack = &report.stack;
    let mut next = Vec::new();
    for step in report.recovered.iter().filter(|r| r.verdict == "unknown") {
        next.push(format!(
            "find out whether {} ran, then `sloth-runner resume {stack} --adopt {id}` (it did), `--redo {id}` or `--forget {id}`",
            step.title,
            id = step.id
        ));
    }
    if report.undone.iter().any(|u| u.stuck.is_some()) {
        next.push(format!("mend what is stuck by hand, then `sloth-runner stack drift detect {stack}`"));
    }
    match report.status {
        RunStatus::Failed => {
            next.push("mend the cause and run it again; what is done already is not done twice".to_owned());
        }
        RunStatus::Interrupted => next.push(format!("`sloth-runner resume {stack}` goes on from here")),
        RunStatus::RolledBack => {
            next.push("what this run changed was put back; mend the cause and run it again".to_owned());
        }
        RunStatus::Running | RunStatus::Completed | RunStatus::Crashed => {}
    }
    next
}

impl Human for RunView {
    fn human(&self, page: &mut Page) {
        if !self.tasks.is_empty() {
            page.gap();
            page.table(&self.task_table());
        }
        self.lists(page);
        page.gap();
        let status = match self.status {
            RunStatus::Completed => page.theme.good("completed"),
            RunStatus::Running | RunStatus::Interrupted => page.theme.warning(self.status.as_str()),
            _ => page.theme.bad(self.status.as_str()),
        };
        let what = format!("{} of stack {}", self.operation, self.stack);
        page.raw(&format!("{} {status} in {}: {}", clean(&what), self.took, self.sentence()));
        match self.state_version {
            Some(version) => page.line(&format!("version v{version} (was v{})", self.base_version)),
            None => page.line(&format!("version v{} (no new version)", self.base_version)),
        }
        if let Some(error) = &self.error {
            let line = format!("{} {}", page.theme.bad("failed:"), clean(error.lines().next().unwrap_or("")));
            page.raw(&line);
        }
        for hint in &self.next {
            let line = format!("{} {}", page.theme.strong("next:"), clean(hint));
            page.raw(&line);
        }
    }
}

impl RunView {
    fn task_table(&self) -> Table {
        let remote = self.tasks.iter().any(|t| t.host != "local");
        let mut table = Table::new(if remote {
            &["TASK", "STATUS", "DURATION", "CHANGES", "HOST", "MESSAGE"]
        } else {
            &["TASK", "STATUS", "DURATION", "CHANGES", "MESSAGE"]
        });
        for task in &self.tasks {
            let message = task.message.as_deref().and_then(|m| m.lines().next()).unwrap_or("").to_owned();
            let status = match task.status {
                TaskStatus::Changed => "changed",
                TaskStatus::Failed => "failed",
                TaskStatus::Skipped => "skipped",
                TaskStatus::Unchanged => "unchanged",
            };
            let (name, took) = (task.name.clone(), task.took.clone());
            let changed = task.counts.changed().to_string();
            if remote {
                table.row([name, status.to_owned(), took, changed, task.host.clone(), message]);
            } else {
                table.row([name, status.to_owned(), took, changed, message]);
            }
        }
        table
    }

    fn lists(&self, page: &mut Page) {
        if !self.recovered.is_empty() {
            page.heading("Left over from an earlier run");
            for r in &self.recovered {
                page.line(&format!("  {}  {}  ({})", r.verdict, r.title, r.id));
            }
        }
        if !self.undone.is_empty() {
            page.heading("Put back");
            for u in &self.undone {
                match &u.stuck {
                    None => page.line(&format!("  {}  {}", u.action, u.address)),
                    Some(why) => page.line(&format!("  ! stuck  {}: {why}", u.address)),
                }
            }
        }
        if !self.orphans.is_empty() {
            page.heading("No longer declared (left alone; `--prune` removes them)");
            for address in &self.orphans {
                page.line(&format!("  ? {address}"));
            }
        }
        for (title, names) in [("Handlers run", &self.handlers), ("Handlers waiting", &self.handlers_pending)]
        {
            if !names.is_empty() {
                page.gap();
                page.line(&format!("{title}: {}", names.join(", ")));
            }
        }
    }

    fn sentence(&self) -> String {
        let c = &self.counts;
        let mut parts = vec![
            format!("{} created", c.created),
            format!("{} updated", c.updated),
            format!("{} deleted", c.deleted),
            format!("{} unchanged", c.unchanged),
        ];
        let more = [
            (c.recorded, "recorded"),
            (c.failed, "failed"),
            (self.task_counts.failed, "tasks failed"),
            (self.task_counts.skipped, "skipped"),
        ];
        parts.extend(more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| match (*n, *what) {
            (1, "tasks failed") => "1 task failed".to_owned(),
            (n, what) => format!("{n} {what}"),
        }));
        if c.commands > 0 {
            parts.push(format!("{} run", words::count(c.commands, "command")));
        }
        parts.join(", ")
    }
}
