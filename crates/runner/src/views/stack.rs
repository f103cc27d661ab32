//! Stacks.

use serde::Serialize;
use sloth_core::output::Output;
use sloth_core::run::Run;
use sloth_core::stack::{Stack, StackStatus};
use sloth_core::upstream::Stale;
use sloth_core::value::{Map, Value};

use super::{SENSITIVE, maybe_local, maybe_time, run, time};
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One stack with everything about it but its resources.
#[derive(Debug, Serialize)]
pub struct StackView {
    id: String,
    name: String,
    description: String,
    version: String,
    status: &'static str,
    created_at: String,
    updated_at: String,
    completed_at: Option<String>,
    last_run_at: Option<String>,
    workflow_file: Option<String>,
    configuration: Map,
    metadata: Map,
    execution_count: u64,
    last_duration: u64,
    last_error: Option<String>,
    resource_version: String,
    state_version: u64,
    rolled_back_to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<Map>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executions: Option<Vec<run::Execution>>,
    /// What the stack was made with and is not so any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stale: Vec<Stale>,
    #[serde(skip)]
    page: Shown,
}

/// What the page needs besides the fields.
#[derive(Debug, Default)]
struct Shown {
    created: String,
    updated: String,
    completed: String,
    last_run: String,
    locked_by: Option<String>,
    open_findings: usize,
}

impl StackView {
    /// The stack alone, for lists.
    pub fn new(stack: &Stack) -> Self {
        Self {
            id: stack.id.to_string(),
            name: stack.name.clone(),
            description: stack.description.clone(),
            version: stack.version_label.clone(),
            status: stack.status.as_str(),
            created_at: time(stack.created_at),
            updated_at: time(stack.updated_at),
            completed_at: maybe_time(stack.completed_at),
            last_run_at: maybe_time(stack.last_run_at),
            workflow_file: stack.workflow_file.clone(),
            configuration: stack.configuration.clone(),
            metadata: stack.metadata.clone(),
            execution_count: stack.execution_count,
            last_duration: stack.last_duration,
            last_error: stack.last_error.clone(),
            resource_version: stack.head.0.to_string(),
            state_version: stack.head.0,
            rolled_back_to: stack.rolled_back_to.map(|v| v.0),
            outputs: None,
            resource_count: None,
            executions: None,
            stale: Vec::new(),
            page: Shown {
                created: stack.created_at.local(),
                updated: stack.updated_at.local(),
                completed: maybe_local(stack.completed_at),
                last_run: stack.last_run_at.map_or_else(|| "never".to_owned(), |at| at.local_minutes()),
                ..Shown::default()
            },
        }
    }
    /// With its outputs, its last runs and the number of its resources.
    pub fn with(mut self, outputs: &[Output], runs: &[Run], resources: u64) -> Self {
        self.outputs = Some(output_map(outputs));
        self.executions = Some(runs.iter().map(run::Execution::new).collect());
        self.resource_count = Some(resources);
        self
    }
    /// With what it was made with and is not so any more.
    pub fn stale(mut self, stale: Vec<Stale>) -> Self {
        self.stale = stale;
        self
    }
    /// The status, and whether it is stale.
    fn status(&self) -> String {
        if self.stale.is_empty() { self.status.to_owned() } else { format!("{} (stale)", self.status) }
    }
    /// With what is going on: who holds it, how many findings are open.
    pub fn now(mut self, locked_by: Option<String>, open_findings: usize) -> Self {
        self.page.locked_by = locked_by;
        self.page.open_findings = open_findings;
        self
    }
}

/// Outputs by name; sensitive ones are hidden.
pub fn output_map(outputs: &[Output]) -> Map {
    let shown = |o: &Output| if o.sensitive { Value::from(SENSITIVE) } else { o.value.clone() };
    outputs.iter().map(|o| (o.name.clone(), shown(o))).collect()
}

impl Human for StackView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Stack: {}", self.name));
        page.gap();
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let mut fields = vec![
            ("ID", self.id.clone()),
            ("Description", or_dash(&self.description)),
            ("Version", or_dash(&self.version)),
            ("Status", self.status()),
            ("State version", format!("v{}", self.state_version)),
            ("Resources", self.resource_count.unwrap_or(0).to_string()),
            ("Created", self.page.created.clone()),
            ("Updated", self.page.updated.clone()),
            ("Completed", self.page.completed.clone()),
            ("Workflow file", or_dash(self.workflow_file.as_deref().unwrap_or(""))),
            ("Executions", self.execution_count.to_string()),
            ("Last duration", words::duration(std::time::Duration::from_nanos(self.last_duration))),
            ("Last error", or_dash(self.last_error.as_deref().and_then(|e| e.lines().next()).unwrap_or(""))),
        ];
        if let Some(version) = self.rolled_back_to {
            fields.push(("Rolled back to", format!("v{version}; the code may be newer")));
        }
        if let Some(holder) = &self.page.locked_by {
            fields.push(("Locked by", holder.clone()));
        }
        if self.page.open_findings > 0 {
            fields.push(("Drift", words::count(self.page.open_findings as u64, "open finding")));
        }
        let stale: Vec<String> = self.stale.iter().map(Stale::sentence).collect();
        fields.extend(stale.into_iter().map(|sentence| ("Stale", sentence)));
        page.fields(0, &fields);
        if let Some(outputs) = self.outputs.as_ref().filter(|o| !o.is_empty()) {
            page.heading("Outputs");
            for (name, value) in outputs {
                page.line(&format!("{name} = {}", words::value(value)));
            }
        }
        if let Some(runs) = self.executions.as_ref().filter(|r| !r.is_empty()) {
            page.heading("Last executions");
            page.table(&run::history_table(runs, false));
        }
    }
}

/// All stacks.
#[derive(Debug)]
pub struct StackList(pub Vec<StackView>);

impl Human for StackList {
    fn human(&self, page: &mut Page) {
        page.heading("Workflow Stacks");
        page.gap();
        let described = self.0.iter().any(|s| !s.description.is_empty());
        let mut head = vec!["NAME", "STATUS", "LAST RUN", "DURATION", "EXECUTIONS"];
        if described {
            head.push("DESCRIPTION");
        }
        let mut table = Table::new(&head);
        for stack in &self.0 {
            table.row([
                stack.name.clone(),
                stack.status(),
                stack.page.last_run.clone(),
                words::duration(std::time::Duration::from_nanos(stack.last_duration)),
                stack.execution_count.to_string(),
                if described { stack.description.clone() } else { String::new() },
            ]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(&self.0, "stack")));
    }
}

/// Is this a status that `stack list --status` knows?
pub fn status(text: &str) -> Result<StackStatus, String> {
    StackStatus::parse(text).ok_or_else(|| {
        let all: Vec<&str> = StackStatus::ALL.iter().map(|s| s.as_str()).collect();
        format!("`{text}` is not a status; there are {}", all.join(", "))
    })
}

/// Outputs of a stack.
#[derive(Debug, Serialize)]
pub struct Outputs {
    /// Stack.
    pub stack: String,
    /// By name.
    pub outputs: Map,
}

impl Human for Outputs {
    fn human(&self, page: &mut Page) {
        for (name, value) in &self.outputs {
            page.line(&format!("{name} = {}", words::value(value)));
        }
        if self.outputs.is_empty() {
            page.line(&format!("stack {} has 0 outputs", self.stack));
        }
    }
}

/// One tag.
#[derive(Debug, Serialize)]
pub struct Tag {
    tag: String,
    /// The version it stands for; none when it is the stack's.
    version: Option<u64>,
}

/// Tags of a stack, then those of its versions.
#[derive(Debug)]
pub struct TagList {
    stack: String,
    /// In alphabetical order.
    pub tags: Vec<Tag>,
}

impl TagList {
    /// All of them.
    pub fn new(stack: &Stack) -> Self {
        let own = stack.tags().into_iter().map(|tag| Tag { tag, version: None });
        let of_versions = stack.version_tags().into_iter().map(|(tag, v)| Tag { tag, version: Some(v.0) });
        Self { stack: stack.name.clone(), tags: own.chain(of_versions).collect() }
    }
}

impl Human for TagList {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Tags of stack: {}", self.stack));
        page.gap();
        let mut table = Table::new(&["TAG", "STANDS FOR"]);
        for tag in &self.tags {
            table.row([
                tag.tag.clone(),
                tag.version.map_or_else(|| "the stack".to_owned(), |v| format!("v{v}")),
            ]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(&self.tags, "tag")));
    }
}
