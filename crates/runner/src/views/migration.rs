//! What is taken over from the Go program.

use std::path::PathBuf;

use serde::Serialize;
use sloth_core::clock::Timestamp;
use sloth_core::legacy::Skipped;
use sloth_engine::migrate::Migration;

use super::time;
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// What the migration itself does not know.
pub struct Told<'a> {
    /// Database that is written.
    pub target: String,
    /// Databases that were read.
    pub sources: &'a [PathBuf],
    /// Was it done, or only looked at?
    pub done: bool,
    /// Begin.
    pub begun: Timestamp,
    /// End.
    pub ended: Timestamp,
}

/// A migration; also the report. The first keys are those the Go program's report had.
#[derive(Debug, Serialize)]
pub struct MigrationView {
    stacks_migrated: usize,
    resources_migrated: usize,
    outputs_migrated: usize,
    errors: Vec<String>,
    start_time: String,
    end_time: String,
    duration: String,
    versions_migrated: usize,
    runs_migrated: usize,
    values_migrated: usize,
    rows_skipped: u64,
    dry_run: bool,
    target: String,
    sources: Vec<String>,
    stacks: Vec<StackRow>,
    values: Vec<ValueRow>,
    skipped: Vec<Skipped>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StackRow {
    name: String,
    id: String,
    was: String,
    file: String,
    versions: Vec<VersionRow>,
    runs: usize,
    findings: usize,
    tags: Vec<String>,
    resources: Vec<ResourceRow>,
    outputs: Vec<String>,
}

#[derive(Debug, Serialize)]
struct VersionRow {
    version: usize,
    created_at: String,
    created_by: Option<String>,
    description: String,
    resources: usize,
}

#[derive(Debug, Serialize)]
struct ResourceRow {
    address: String,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct ValueRow {
    key: String,
    agent: String,
}

impl MigrationView {
    /// What is taken over, and how.
    pub fn new(migration: &Migration, told: &Told<'_>) -> Self {
        let stacks: Vec<StackRow> = migration
            .stacks
            .iter()
            .map(|one| {
                let past = &one.past;
                let (resources, outputs) =
                    past.newest().map_or((&[][..], &[][..]), |v| (&v.resources[..], &v.outputs[..]));
                let version = |(n, v): (usize, &sloth_core::past::PastVersion)| VersionRow {
                    version: n + 1,
                    created_at: time(v.at),
                    created_by: v.note.created_by.clone(),
                    description: v.note.description.clone(),
                    resources: v.resources.len(),
                };
                StackRow {
                    name: past.stack.name.clone(),
                    id: past.stack.id.to_string(),
                    was: one.was.clone(),
                    file: one.file.clone(),
                    versions: past.versions.iter().enumerate().map(version).collect(),
                    runs: past.runs.len(),
                    findings: past.findings.len(),
                    tags: past.stack.tags(),
                    resources: resources
                        .iter()
                        .map(|r| ResourceRow { address: r.address.to_string(), state: r.condition.as_str() })
                        .collect(),
                    outputs: outputs.iter().map(|o| o.name.clone()).collect(),
                }
            })
            .collect();
        let values = migration.values.iter().map(|v| ValueRow { key: v.key.clone(), agent: v.scope.clone() });
        Self {
            stacks_migrated: stacks.len(),
            resources_migrated: stacks.iter().map(|s| s.resources.len()).sum(),
            outputs_migrated: stacks.iter().map(|s| s.outputs.len()).sum(),
            errors: Vec::new(),
            start_time: time(told.begun),
            end_time: time(told.ended),
            duration: words::duration(told.ended.since(told.begun)),
            versions_migrated: stacks.iter().map(|s| s.versions.len()).sum(),
            runs_migrated: stacks.iter().map(|s| s.runs).sum(),
            values_migrated: migration.values.len(),
            rows_skipped: migration.skipped.iter().map(|s| s.rows).sum(),
            dry_run: !told.done,
            target: told.target.clone(),
            sources: told.sources.iter().map(|path| path.display().to_string()).collect(),
            stacks,
            values: values.collect(),
            skipped: migration.skipped.clone(),
            notes: migration.notes.clone(),
        }
    }
}

impl Human for MigrationView {
    fn human(&self, page: &mut Page) {
        if !self.stacks.is_empty() {
            page.heading("Stacks");
            let mut table =
                Table::new(&["NAME", "VERSIONS", "RUNS", "RESOURCES", "OUTPUTS", "FINDINGS", "FROM"]);
            for s in &self.stacks {
                table.row([
                    s.name.clone(),
                    s.versions.len().to_string(),
                    s.runs.to_string(),
                    s.resources.len().to_string(),
                    s.outputs.len().to_string(),
                    s.findings.to_string(),
                    s.file.clone(),
                ]);
            }
            page.table(&table);
        }
        let mut table = Table::new(&["STACK", "KIND", "NAME", "STATE"]);
        for s in &self.stacks {
            for v in &s.versions {
                table.row([s.name.as_str(), "version", &format!("v{}", v.version), &v.description]);
            }
            for r in &s.resources {
                table.row([s.name.as_str(), "resource", &r.address, r.state]);
            }
            for o in &s.outputs {
                table.row([s.name.as_str(), "output", o, ""]);
            }
        }
        if !table.is_empty() {
            page.heading("What they hold");
            page.table(&table);
        }
        if !self.values.is_empty() {
            page.heading("Values");
            let mut table = Table::new(&["KEY", "AGENT"]);
            for v in &self.values {
                table.row([&v.key, &v.agent]);
            }
            page.table(&table);
        }
        if !self.skipped.is_empty() {
            page.heading("Not taken over");
            let mut table = Table::new(&["TABLE", "ROW", "ROWS", "REASON"]);
            for s in &self.skipped {
                let what = if s.what.is_empty() { "all" } else { s.what.as_str() };
                table.row([s.table.as_str(), what, &s.rows.to_string(), &s.reason]);
            }
            page.table(&table);
        }
        if !self.notes.is_empty() {
            page.heading("Taken over in another form");
            for note in &self.notes {
                page.line(note);
            }
        }
        page.gap();
        let count = |n: usize, what: &str| words::count(n as u64, what);
        if self.stacks.is_empty() && self.values.is_empty() {
            page.line("nothing new to take over; nothing was changed");
            return;
        }
        let what = format!(
            "{}, {}, {}, {}, {} and {}",
            count(self.stacks_migrated, "stack"),
            count(self.versions_migrated, "version"),
            count(self.runs_migrated, "run"),
            count(self.resources_migrated, "resource"),
            count(self.outputs_migrated, "output"),
            count(self.values_migrated, "value"),
        );
        page.line(&if self.dry_run {
            format!("{what} would be taken over into `{}`; nothing was changed", self.target)
        } else {
            format!("{what} taken over into `{}`; `sloth-runner undo` takes it back", self.target)
        });
    }
}
