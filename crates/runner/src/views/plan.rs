//! Plans.

use std::collections::BTreeMap;

use serde::Serialize;
use sloth_core::address::Address;
use sloth_core::change::Action;
use sloth_core::diff::Diff;
use sloth_core::plan::{Plan, PlanSource, PlanStep};
use sloth_core::run::RunStatus;
use sloth_core::value::Value;

use super::{SENSITIVE, time};
use crate::out::escape::line as clean;
use crate::out::{Human, Page, diff, words};

/// A plan ready to show.
#[derive(Debug, Serialize)]
pub struct PlanView {
    stack: String,
    stack_id: Option<String>,
    base_version: u64,
    operation: String,
    workflow_file: Option<String>,
    created_at: String,
    created_by: String,
    digest: String,
    steps: Vec<StepView>,
    orphans: Vec<String>,
    warnings: Vec<String>,
    summary: Summary,
    complete: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
enum StepView {
    Resource {
        task: String,
        address: String,
        module: String,
        operation: String,
        action: Action,
        reason: String,
        class: Option<&'static str>,
        diff: Diff,
        maybe: Option<String>,
    },
    Command {
        task: String,
        host: String,
        command: String,
        maybe: Option<String>,
    },
    Effect {
        task: String,
        what: String,
    },
    Handler {
        name: String,
    },
    Output {
        name: String,
        from: Option<Value>,
        to: Option<Value>,
        sensitive: bool,
    },
}

/// Totals.
#[derive(Debug, Default, Serialize)]
struct Summary {
    create: u64,
    update: u64,
    delete: u64,
    record: u64,
    unchanged: u64,
    blocked: u64,
    commands: u64,
    effects: u64,
    handlers: u64,
    outputs: u64,
    maybe: u64,
    orphans: u64,
}

impl PlanView {
    /// A plan with what was said while making it.
    pub fn new(plan: &Plan, orphans: &[Address], warnings: &[String]) -> Self {
        let (operation, file) = match &plan.source {
            PlanSource::Workflow { file, .. } => ("run".to_owned(), Some(file.clone())),
            PlanSource::Record { operation } => (operation.clone(), None),
        };
        let steps: Vec<StepView> = plan.steps.iter().map(step).collect();
        let mut summary = Summary { orphans: orphans.len() as u64, ..Summary::default() };
        for step in &steps {
            summary.add(step);
        }
        Self {
            stack: plan.stack.clone(),
            stack_id: plan.stack_id.as_ref().map(ToString::to_string),
            base_version: plan.base.0,
            operation,
            workflow_file: file,
            created_at: time(plan.created_at),
            created_by: plan.created_by.clone(),
            digest: plan.digest.hex(),
            steps,
            orphans: orphans.iter().map(ToString::to_string).collect(),
            warnings: warnings.to_vec(),
            summary,
            complete: true,
        }
    }
    /// What stays as it is, which a plan need not list.
    pub const fn with_unchanged(mut self, unchanged: u64) -> Self {
        self.summary.unchanged = unchanged;
        self
    }
    /// A plan whose making failed half-way is not complete.
    pub fn ended(mut self, status: RunStatus) -> Self {
        self.complete = status != RunStatus::Failed;
        self
    }
}

fn step(step: &PlanStep) -> StepView {
    match step.clone() {
        PlanStep::Resource { task, address, module, operation, change, maybe, .. } => StepView::Resource {
            task,
            address: address.to_string(),
            module,
            operation,
            action: change.action,
            reason: change.reason.phrase(),
            class: change.reason.class(),
            diff: change.diff,
            maybe,
        },
        PlanStep::Command { task, host, command, maybe, .. } => {
            StepView::Command { task, host, command: command.line, maybe }
        }
        PlanStep::Effect { task, what } => StepView::Effect { task, what },
        PlanStep::Handler { name } => StepView::Handler { name },
        PlanStep::Output { name, from, to, sensitive } => {
            let side = |v: Option<Value>| v.map(|v| if sensitive { Value::from(SENSITIVE) } else { v });
            StepView::Output { name, from: side(from), to: side(to), sensitive }
        }
    }
}

impl Summary {
    fn add(&mut self, step: &StepView) {
        match step {
            StepView::Resource { action, maybe, .. } => {
                let slot = match action {
                    Action::Create => &mut self.create,
                    Action::Update | Action::Replace | Action::Restore => &mut self.update,
                    Action::Delete => &mut self.delete,
                    Action::Adopt | Action::Forget | Action::Refresh => &mut self.record,
                    Action::Noop => &mut self.unchanged,
                    Action::Blocked => &mut self.blocked,
                };
                *slot += 1;
                self.maybe += u64::from(maybe.is_some());
            }
            StepView::Command { maybe, .. } => {
                self.commands += 1;
                self.maybe += u64::from(maybe.is_some());
            }
            StepView::Effect { .. } => self.effects += 1,
            StepView::Handler { .. } => self.handlers += 1,
            StepView::Output { .. } => self.outputs += 1,
        }
    }

    fn sentence(&self) -> String {
        let mut parts = vec![
            format!("{} to create", self.create),
            format!("{} to update", self.update),
            format!("{} to delete", self.delete),
        ];
        let more = [
            (self.record, "to record"),
            (self.unchanged, "unchanged"),
            (self.blocked, "blocked"),
            (self.commands, "to run"),
            (self.maybe, "maybe"),
        ];
        parts.extend(more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        parts.join(", ")
    }
}

impl Human for PlanView {
    fn human(&self, page: &mut Page) {
        let head = format!("Plan: {} stack {} (at v{})", self.operation, self.stack, self.base_version);
        page.heading(&head);
        for warning in &self.warnings {
            let line = format!("{} {}", page.theme.warning("warning:"), clean(warning));
            page.raw(&line);
        }
        let mut by_task: BTreeMap<usize, (&str, Vec<&StepView>)> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for step in &self.steps {
            let Some(task) = step.task().filter(|_| step.is_shown()) else { continue };
            let at = order.iter().position(|t| *t == task).unwrap_or_else(|| {
                order.push(task);
                order.len() - 1
            });
            by_task.entry(at).or_insert((task, Vec::new())).1.push(step);
        }
        for (task, steps) in by_task.values() {
            if task.is_empty() {
                page.gap();
            } else {
                page.heading(&format!("task {task}"));
            }
            for step in steps {
                step.print(page);
            }
        }
        self.tail(page);
        page.gap();
        if !self.complete {
            page.line("Not complete: what a failed task would have changed is not known");
        } else if order.is_empty() && self.orphans.is_empty() && self.steps.iter().all(|s| s.task().is_some())
        {
            page.line("Nothing to change: everything is as wished");
        }
        let line = format!("Total: {}", self.summary.sentence());
        page.line(&line);
    }
}

impl PlanView {
    fn tail(&self, page: &mut Page) {
        if !self.orphans.is_empty() {
            page.heading("no longer declared (left alone; `--prune` removes them)");
            for address in &self.orphans {
                page.line(&format!("  ? {address}"));
            }
        }
        let rest: Vec<&StepView> = self.steps.iter().filter(|s| s.task().is_none()).collect();
        if !rest.is_empty() {
            page.heading("at the end");
            for step in rest {
                step.print(page);
            }
        }
    }
}

impl StepView {
    /// The task it belongs to; nothing for what happens at the end of the run.
    fn task(&self) -> Option<&str> {
        match self {
            Self::Resource { task, .. } | Self::Command { task, .. } | Self::Effect { task, .. } => {
                Some(task)
            }
            Self::Handler { .. } | Self::Output { .. } => None,
        }
    }
    const fn is_shown(&self) -> bool {
        !matches!(self, Self::Resource { action: Action::Noop, maybe: None, .. })
    }
    fn print(&self, page: &mut Page) {
        let note = |maybe: &Option<String>| {
            maybe.as_ref().map(|why| format!("  maybe: {}", clean(why))).unwrap_or_default()
        };
        match self {
            Self::Resource { address, action, reason, diff: what, maybe, .. } => {
                let text = page.theme.action(*action);
                page.raw(&format!("  {text}  {}  ({}){}", clean(address), clean(reason), note(maybe)));
                diff::print(page, 6, what);
            }
            Self::Command { host, command, maybe, .. } => {
                let on = if host == "local" { String::new() } else { format!(" on {}", clean(host)) };
                let text = page.theme.warning("> would run");
                let mut lines = command.lines();
                page.raw(&format!("  {text}  {}{on}{}", clean(lines.next().unwrap_or("")), note(maybe)));
                for line in lines {
                    page.block(15, line);
                }
            }
            Self::Effect { what, .. } => {
                let text = page.theme.warning("> would do");
                page.raw(&format!("  {text}   {}", clean(what)));
            }
            Self::Handler { name } => page.line(&format!("  * handler    {name}")),
            Self::Output { name, from, to, .. } => {
                let side = |v: &Option<Value>| v.as_ref().map_or_else(|| "(none)".to_owned(), words::value);
                let text = match (from, to) {
                    (None, to) => format!("  + output     {name} = {}", side(to)),
                    (Some(_), None) => format!("  - output     {name}"),
                    (from, to) => format!("  ~ output     {name}: {} → {}", side(from), side(to)),
                };
                page.line(&text);
            }
        }
    }
}
