//! Versions and what differs between them.

use serde::Serialize;
use sloth_core::diff::Diff;
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value};
use sloth_core::version::VersionInfo;
use sloth_engine::stacks::Comparison;

use super::resource::ResourceView;
use super::time;
use crate::out::table::Table;
use crate::out::theme::sign;
use crate::out::{Human, Page, diff, words};
use sloth_core::change::Action;

/// One entry of a stack's history.
#[derive(Debug, Serialize)]
pub struct VersionView {
    version: u64,
    kind: &'static str,
    creator: String,
    description: String,
    created_at: String,
    run_id: Option<String>,
    checksum: String,
    prev_checksum: String,
    resources_written: u64,
    resources_removed: u64,
    successful: bool,
    tags: Vec<String>,
    #[serde(skip)]
    created: String,
}

impl VersionView {
    /// From the history of a stack.
    pub fn new(info: &VersionInfo, stack: &Stack) -> Self {
        Self {
            version: info.version.0,
            kind: info.kind.as_str(),
            creator: info.created_by.clone(),
            description: info.description.clone(),
            created_at: time(info.created_at),
            run_id: info.run.as_ref().map(ToString::to_string),
            checksum: info.hash.hex(),
            prev_checksum: info.prev_hash.hex(),
            resources_written: info.written,
            resources_removed: info.removed,
            successful: info.successful,
            tags: stack.tags_of(info.version),
            created: info.created_at.local(),
        }
    }
}

/// The history of a stack.
#[derive(Debug)]
pub struct VersionList {
    /// Stack.
    pub stack: String,
    /// Newest first.
    pub versions: Vec<VersionView>,
    /// Which stack and how many there are in all.
    pub total: u64,
}

impl Human for VersionList {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Snapshots for stack: {}", self.stack));
        page.gap();
        let tagged = self.versions.iter().any(|v| !v.tags.is_empty());
        let mut head = vec!["Version", "Creator", "Description", "Created At", "Kind", "Changes"];
        if tagged {
            head.push("Tags");
        }
        let mut table = Table::new(&head);
        for v in &self.versions {
            table.row([
                format!("v{}", v.version),
                v.creator.clone(),
                v.description.clone(),
                v.created.clone(),
                v.kind.to_owned(),
                format!("{} written, {} removed", v.resources_written, v.resources_removed),
                if tagged { v.tags.join(", ") } else { String::new() },
            ]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::count(self.total, "snapshot")));
    }
}

/// A whole stack at one version.
#[derive(Debug, Serialize)]
pub struct SnapshotView {
    /// Stack.
    pub stack: String,
    /// The entry.
    #[serde(flatten)]
    pub info: VersionView,
    /// By address.
    pub resources: Vec<ResourceView>,
    /// By name.
    pub outputs: Map,
}

impl Human for SnapshotView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Snapshot v{} of stack: {}", self.info.version, self.stack));
        page.gap();
        page.fields(
            0,
            &[
                ("Version", format!("v{}", self.info.version)),
                ("Kind", self.info.kind.to_owned()),
                ("Creator", self.info.creator.clone()),
                ("Description", self.info.description.clone()),
                ("Created At", self.info.created.clone()),
                ("Run", self.info.run_id.clone().unwrap_or_else(|| "-".to_owned())),
                ("Tags", if self.info.tags.is_empty() { "-".to_owned() } else { self.info.tags.join(", ") }),
                ("Checksum", self.info.checksum.clone()),
            ],
        );
        page.heading("Resources");
        let mut table = Table::new(&["ADDRESS", "MODULE", "STATE"]);
        for r in &self.resources {
            table.row([r.address(), r.key().split(':').next().unwrap_or("").to_owned(), r.state.to_owned()]);
        }
        page.table(&table);
        if !self.outputs.is_empty() {
            page.heading("Outputs");
            for (name, value) in &self.outputs {
                page.line(&format!("{name} = {}", words::value(value)));
            }
        }
        page.gap();
        page.line(&format!("Total: {}", words::len(&self.resources, "resource")));
    }
}

/// What differs between two versions.
#[derive(Debug, Serialize)]
pub struct ComparisonView {
    stack: String,
    from: u64,
    to: u64,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<Changed>,
    outputs: Vec<OutputChange>,
    unchanged: usize,
}

#[derive(Debug, Serialize)]
struct Changed {
    address: String,
    diff: Diff,
}

#[derive(Debug, Serialize)]
struct OutputChange {
    name: String,
    from: Option<Value>,
    to: Option<Value>,
}

impl ComparisonView {
    /// From what the engine found.
    pub fn new(found: Comparison) -> Self {
        Self {
            stack: found.stack,
            from: found.from.0,
            to: found.to.0,
            added: found.added.iter().map(ToString::to_string).collect(),
            removed: found.removed.iter().map(ToString::to_string).collect(),
            changed: found
                .changed
                .into_iter()
                .map(|(address, diff)| Changed { address: address.to_string(), diff })
                .collect(),
            outputs: found
                .outputs
                .into_iter()
                .map(|(name, from, to)| OutputChange { name, from, to })
                .collect(),
            unchanged: found.unchanged,
        }
    }
}

impl Human for ComparisonView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Stack {}: v{} compared with v{}", self.stack, self.from, self.to));
        page.gap();
        for address in &self.added {
            let line = page.theme.good(&format!(
                "{} added    {}",
                sign(Action::Create),
                crate::out::escape::line(address)
            ));
            page.raw(&line);
        }
        for address in &self.removed {
            let line = page.theme.bad(&format!(
                "{} removed  {}",
                sign(Action::Delete),
                crate::out::escape::line(address)
            ));
            page.raw(&line);
        }
        for change in &self.changed {
            let text =
                format!("{} changed  {}", sign(Action::Update), crate::out::escape::line(&change.address));
            let line = page.theme.warning(&text);
            page.raw(&line);
            diff::print(page, 4, &change.diff);
        }
        for output in &self.outputs {
            let side = |v: &Option<Value>| v.as_ref().map_or_else(|| "(none)".to_owned(), words::value);
            page.line(&format!("~ output   {}: {} → {}", output.name, side(&output.from), side(&output.to)));
        }
        page.gap();
        page.line(&format!(
            "{} added, {} removed, {} changed, {} unchanged, {}",
            self.added.len(),
            self.removed.len(),
            self.changed.len(),
            self.unchanged,
            words::count(self.outputs.len() as u64, "output difference"),
        ));
    }
}
