//! Stacks as executions of their workflows. Field names are those of older programs.

use std::collections::BTreeMap;

use serde::Serialize;
use sloth_core::execution::{ExecutionStatus, ResourceAction};
use sloth_core::output::Output;
use sloth_core::stack::{Stack, TAGS, VERSION_TAGS};
use sloth_core::store::{Store, View};
use sloth_core::value::{Map, Value};
use sloth_core::version::{Version, VersionInfo};
use sloth_engine::EngineError;
use sloth_engine::executions::{self, Execution, Old, Tracked};

use super::resource::redacted;
use super::stack::output_map;
use super::{maybe_local, maybe_time, time};
use crate::error::CommandError;
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// Is this a status that workflows have?
pub fn status(text: &str) -> Result<ExecutionStatus, String> {
    ExecutionStatus::parse(text).ok_or_else(|| {
        let all: Vec<&str> = ExecutionStatus::ALL.iter().map(|s| s.as_str()).collect();
        format!("`{text}` is not a status; there are {}", all.join(", "))
    })
}

/// One execution.
#[derive(Debug, Serialize)]
pub struct WorkflowView {
    id: String,
    name: String,
    version: u64,
    status: ExecutionStatus,
    started_at: String,
    completed_at: Option<String>,
    duration_seconds: f64,
    metadata: Map,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<TrackedView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Map>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_count: Option<u64>,
    error_msg: Option<String>,
    locked_by: Option<String>,
    tags: Vec<String>,
    #[serde(skip)]
    page: Shown,
}

/// What the page needs besides the fields.
#[derive(Debug)]
struct Shown {
    started: String,
    started_at: String,
    completed: String,
    took: String,
}

impl WorkflowView {
    /// The execution alone, for lists.
    fn new(execution: &Execution) -> Self {
        let stack = &execution.stack;
        let kept = stack.metadata.iter().filter(|(key, _)| *key != TAGS && *key != VERSION_TAGS);
        Self {
            id: stack.id.to_string(),
            name: stack.name.clone(),
            version: execution.version.0,
            status: execution.status,
            started_at: time(execution.started_at),
            completed_at: maybe_time(execution.completed_at),
            duration_seconds: execution.duration.as_secs_f64(),
            metadata: kept.map(|(key, value)| (key.clone(), value.clone())).collect(),
            resources: None,
            outputs: None,
            resource_count: None,
            error_msg: execution.error.clone(),
            locked_by: None,
            tags: stack.tags(),
            page: Shown {
                started: execution.started_at.local_minutes(),
                started_at: execution.started_at.local(),
                completed: maybe_local(execution.completed_at),
                took: words::duration(execution.duration),
            },
        }
    }
    /// The newest execution of a stack, or the one that made a version, with everything it holds.
    ///
    /// # Errors
    /// There is no such version, or the store failed.
    pub fn whole(
        store: &dyn Store,
        view: &dyn View,
        stack: Stack,
        version: Option<Version>,
    ) -> Result<Self, CommandError> {
        let execution = match version {
            Some(version) => executions::at(view, stack, version)?,
            None => executions::newest(stack),
        };
        let stack = &execution.stack;
        let resources = executions::resources(view, stack, execution.version)?;
        let outputs = executions::outputs(view, stack, execution.version)?;
        let holder = store.leases().status(&stack.id)?.first().map(|lease| lease.locked_by.clone());
        Ok(Self {
            resources: Some(resources.into_iter().map(TrackedView::new).collect()),
            outputs: Some(output_map(&outputs)),
            locked_by: holder,
            ..Self::new(&execution)
        })
    }
}

impl Human for WorkflowView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Workflow: {} (v{})", self.name, self.version));
        page.heading("Basic Information");
        let mut fields = vec![
            ("ID", self.id.clone()),
            ("Name", self.name.clone()),
            ("Version", self.version.to_string()),
            ("Status", self.status.as_str().to_owned()),
            ("Started At", self.page.started_at.clone()),
            ("Completed At", self.page.completed.clone()),
            ("Duration", self.page.took.clone()),
        ];
        if let Some(error) = &self.error_msg {
            fields.push(("Error", error.lines().next().unwrap_or_default().to_owned()));
        }
        if let Some(holder) = &self.locked_by {
            fields.push(("Locked By", holder.clone()));
        }
        if !self.tags.is_empty() {
            fields.push(("Tags", self.tags.join(", ")));
        }
        page.fields(0, &fields);
        if !self.metadata.is_empty() {
            page.heading("Metadata");
            for (key, value) in &self.metadata {
                page.line(&format!("{key}: {}", words::value(value)));
            }
        }
        if let Some(resources) = self.resources.as_ref().filter(|all| !all.is_empty()) {
            page.heading("Resources");
            let mut table = Table::new(&["TYPE", "NAME", "ACTION", "STATUS"]);
            for r in resources {
                table.row([r.kind.as_str(), &r.name, r.action.as_str(), &r.status]);
            }
            page.table(&table);
        }
        if let Some(outputs) = self.outputs.as_ref().filter(|all| !all.is_empty()) {
            page.heading("Outputs");
            for (name, value) in outputs {
                page.line(&format!("{name} = {}", words::value(value)));
            }
        }
    }
}

/// Several executions.
#[derive(Debug)]
pub struct WorkflowList {
    /// Newest first.
    pub workflows: Vec<WorkflowView>,
    /// One per workflow?
    newest: bool,
}

impl WorkflowList {
    /// Executions as they are; with `newest` there is one of each workflow, with the number of its resources.
    ///
    /// # Errors
    /// The store failed.
    pub fn new(view: &dyn View, found: Vec<Execution>, newest: bool) -> Result<Self, EngineError> {
        let mut workflows = Vec::with_capacity(found.len());
        for execution in found {
            let count = if newest { Some(view.resource_count(&execution.stack.id)?) } else { None };
            workflows.push(WorkflowView { resource_count: count, ..WorkflowView::new(&execution) });
        }
        Ok(Self { workflows, newest })
    }
}

impl Human for WorkflowList {
    fn human(&self, page: &mut Page) {
        page.heading("Workflow States");
        page.gap();
        let mut head = vec!["NAME", "VERSION", "STATUS", "STARTED", "DURATION"];
        if self.newest {
            head.push("RESOURCES");
        }
        let mut table = Table::new(&head);
        for w in &self.workflows {
            table.row([
                w.name.clone(),
                if w.version == 0 { "-".to_owned() } else { w.version.to_string() },
                w.status.as_str().to_owned(),
                w.page.started.clone(),
                w.page.took.clone(),
                w.resource_count.map_or_else(String::new, |n| n.to_string()),
            ]);
        }
        page.table(&table);
        page.gap();
        let one = if self.newest { "workflow" } else { "execution" };
        page.line(&format!("Total: {}", words::len(&self.workflows, one)));
    }
}

/// One resource of an execution.
#[derive(Debug, Serialize)]
pub struct TrackedView {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    action: ResourceAction,
    status: String,
    attributes: Value,
    dependencies: Vec<String>,
    error_msg: Option<String>,
    created_at: String,
    updated_at: String,
    #[serde(skip)]
    created: String,
}

impl TrackedView {
    /// A resource with its secrets hidden.
    fn new(tracked: Tracked) -> Self {
        let recorded = tracked.recorded;
        let address = &recorded.address;
        let catalog = sloth_resources::catalog();
        let attributes = redacted(&tracked.attributes, address.kind(), recorded.options.sensitive, &*catalog);
        let name = if address.host().is_local() {
            address.id().to_owned()
        } else {
            format!("{} on {}", address.id(), address.host())
        };
        Self {
            id: address.to_string(),
            kind: address.kind().to_owned(),
            name,
            action: tracked.action,
            status: tracked.status,
            attributes,
            dependencies: recorded.options.depends_on,
            error_msg: recorded.error,
            created_at: time(recorded.created_at),
            updated_at: time(recorded.updated_at),
            created: recorded.created_at.local_minutes(),
        }
    }
}

/// The resources of an execution.
#[derive(Debug)]
pub struct TrackedList {
    workflow: String,
    /// By address, those removed at the end.
    pub resources: Vec<TrackedView>,
}

impl TrackedList {
    /// As the engine found them.
    pub fn new(stack: &Stack, found: Vec<Tracked>) -> Self {
        let resources = found.into_iter().map(TrackedView::new).collect();
        Self { workflow: stack.name.clone(), resources }
    }
}

impl Human for TrackedList {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Workflow Resources: {}", self.workflow));
        page.gap();
        let mut table = Table::new(&["ID", "TYPE", "NAME", "ACTION", "STATUS", "CREATED"]);
        let mut actions: BTreeMap<ResourceAction, u64> = BTreeMap::new();
        for r in &self.resources {
            table.row([r.id.as_str(), &r.kind, &r.name, r.action.as_str(), &r.status, &r.created]);
            *actions.entry(r.action).or_default() += 1;
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(&self.resources, "resource")));
        if !actions.is_empty() {
            page.gap();
            page.line("Actions:");
            for (action, count) in actions {
                page.line(&format!("  {}: {count}", action.as_str()));
            }
        }
    }
}

/// The outputs of an execution.
#[derive(Debug, Serialize)]
pub struct WorkflowOutputs {
    workflow: String,
    outputs: Map,
}

impl WorkflowOutputs {
    /// Sensitive ones are hidden.
    pub fn new(stack: &Stack, outputs: &[Output]) -> Self {
        Self { workflow: stack.name.clone(), outputs: output_map(outputs) }
    }
}

impl Human for WorkflowOutputs {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Workflow Outputs: {}", self.workflow));
        page.gap();
        let mut table = Table::new(&["KEY", "VALUE"]);
        for (name, value) in &self.outputs {
            table.row([name.clone(), words::value(value)]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::count(self.outputs.len() as u64, "output")));
    }
}

/// One version.
#[derive(Debug, Serialize)]
pub struct WorkflowVersion {
    id: String,
    workflow_id: String,
    version: u64,
    created_at: String,
    created_by: String,
    description: String,
    checksum: String,
    tags: Vec<String>,
    #[serde(skip)]
    created: String,
}

/// The versions of a workflow.
#[derive(Debug)]
pub struct WorkflowVersions {
    workflow: String,
    /// Newest first.
    pub versions: Vec<WorkflowVersion>,
}

impl WorkflowVersions {
    /// From the history of a stack.
    pub fn new(stack: &Stack, history: &[VersionInfo]) -> Self {
        let one = |info: &VersionInfo| WorkflowVersion {
            id: format!("{}-{}", stack.id, info.version),
            workflow_id: stack.id.to_string(),
            version: info.version.0,
            created_at: time(info.created_at),
            created_by: info.created_by.clone(),
            description: info.description.clone(),
            checksum: info.hash.hex(),
            tags: stack.tags_of(info.version),
            created: info.created_at.local(),
        };
        Self { workflow: stack.name.clone(), versions: history.iter().map(one).collect() }
    }
}

impl Human for WorkflowVersions {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("State Versions: {}", self.workflow));
        page.gap();
        let tagged = self.versions.iter().any(|v| !v.tags.is_empty());
        let mut head = vec!["VERSION", "CREATED AT", "CREATED BY", "DESCRIPTION"];
        if tagged {
            head.push("TAGS");
        }
        let mut table = Table::new(&head);
        for v in &self.versions {
            let tags = if tagged { v.tags.join(", ") } else { String::new() };
            table.row([&v.version.to_string(), &v.created, &v.created_by, &v.description, &tags]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(&self.versions, "version")));
        if !self.versions.is_empty() {
            page.gap();
            page.line(&format!(
                "Go back with `sloth-runner state workflow rollback {} VERSION`",
                self.workflow
            ));
        }
    }
}

/// Workflows in which nothing has happened for long.
#[derive(Debug)]
pub struct PruneList {
    /// As the engine found them.
    pub workflows: Vec<PruneView>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct PruneView {
    #[serde(flatten)]
    workflow: WorkflowView,
    /// Why it stays; none lets it go.
    stays: Option<String>,
}

impl PruneList {
    /// As the engine found them.
    pub fn new(found: &[Old]) -> Self {
        let one =
            |old: &Old| PruneView { workflow: WorkflowView::new(&old.execution), stays: old.stays.clone() };
        Self { workflows: found.iter().map(one).collect() }
    }
}

impl Human for PruneList {
    fn human(&self, page: &mut Page) {
        page.heading("Old Workflows");
        page.gap();
        let mut table = Table::new(&["NAME", "VERSION", "STATUS", "STARTED", "FORGET"]);
        for one in &self.workflows {
            let w = &one.workflow;
            let word = one.stays.as_ref().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
            table.row([&w.name, &w.version.to_string(), w.status.as_str(), &w.page.started, word.as_str()]);
        }
        page.table(&table);
        page.gap();
        let go = self.workflows.iter().filter(|one| one.stays.is_none()).count() as u64;
        page.line(&format!("Total: {} to forget", words::count(go, "workflow")));
    }
}
