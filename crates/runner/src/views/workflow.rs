//! What a `.sloth` file means.

use serde::Serialize;
use sloth_core::graph::TaskGraph;
use sloth_core::workflow::Workflow;

use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// A checked file.
#[derive(Debug, Serialize)]
pub struct WorkflowView {
    file: String,
    name: String,
    description: String,
    version: String,
    digest: String,
    tasks: Vec<TaskView>,
    handlers: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TaskView {
    name: String,
    description: String,
    depends_on: Vec<String>,
    tags: Vec<String>,
    line: u32,
}

impl WorkflowView {
    /// A workflow with its tasks in the order in which they run; `file` as it was typed.
    pub fn new(file: &std::path::Path, workflow: &Workflow, graph: &TaskGraph) -> Self {
        let order = graph.order();
        let tasks = order.iter().filter_map(|&at| workflow.tasks.get(at));
        Self {
            file: file.display().to_string(),
            name: workflow.name.clone(),
            description: workflow.description.clone(),
            version: workflow.version.clone(),
            digest: workflow.digest.clone(),
            tasks: tasks
                .map(|t| TaskView {
                    name: t.name.clone(),
                    description: t.description.clone(),
                    depends_on: t.depends_on.iter().map(|d| d.name.clone()).collect(),
                    tags: t.tags.clone(),
                    line: t.span.line,
                })
                .collect(),
            handlers: workflow.handlers.clone(),
        }
    }
}

impl Human for WorkflowView {
    fn human(&self, page: &mut Page) {
        page.line(&format!("{} is valid: workflow {}", self.file, self.name));
        page.gap();
        let mut table = Table::new(&["TASK", "DEPENDS ON", "DESCRIPTION"]);
        for task in &self.tasks {
            let needs = if task.depends_on.is_empty() { "-".to_owned() } else { task.depends_on.join(", ") };
            table.row([task.name.clone(), needs, task.description.clone()]);
        }
        page.table(&table);
        page.gap();
        let handlers = words::len(&self.handlers, "handler");
        page.line(&format!("Total: {}, {handlers}", words::len(&self.tasks, "task")));
    }
}
