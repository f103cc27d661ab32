//! Drift findings.

use serde::Serialize;
use sloth_core::clock::Timestamp;
use sloth_core::diff::Diff;
use sloth_core::drift::{DriftIgnore, DriftStatus, Finding, Resolution};
use sloth_core::stack::Stack;
use sloth_core::value::{Value, to_value};

use super::{SENSITIVE, maybe_local, maybe_time, time};
use crate::out::table::Table;
use crate::out::{Human, Page, diff, words};

/// One finding.
#[derive(Debug, Serialize)]
pub struct FindingView {
    id: String,
    stack_id: String,
    resource_id: String,
    detected_at: String,
    status: DriftStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_state: Option<Option<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual_state: Option<Option<Value>>,
    drifted_fields: Vec<String>,
    is_drifted: bool,
    resolution_status: Resolution,
    reason: String,
    diff: Diff,
    #[serde(skip)]
    kind: String,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    detected: String,
}

impl FindingView {
    /// A finding; one about a secret shows no values.
    pub fn new(stack: &Stack, finding: &Finding) -> Self {
        let secret = finding.diff.attributes().iter().any(|a| a.secret);
        let state = |v: &Option<Value>| {
            let shown = v.as_ref().map(|v| if secret { Value::from(SENSITIVE) } else { v.clone() });
            (finding.status != DriftStatus::Clean).then_some(shown)
        };
        Self {
            id: format!("{}/{}@{}", stack.id, finding.address, finding.detected_at.as_nanos()),
            stack_id: stack.id.to_string(),
            resource_id: finding.address.to_string(),
            detected_at: time(finding.detected_at),
            status: finding.status,
            expected_state: state(&finding.expected),
            actual_state: state(&finding.actual),
            drifted_fields: finding.diff.names(),
            is_drifted: finding.status == DriftStatus::Drifted,
            resolution_status: finding.resolution,
            reason: finding.reason.phrase(),
            diff: finding.diff.clone(),
            kind: finding.address.kind().to_owned(),
            name: finding.address.id().to_owned(),
            detected: finding.detected_at.local_minutes(),
        }
    }
    fn is_open(&self) -> bool {
        self.is_drifted && self.resolution_status == Resolution::Pending
    }
    fn word(&self) -> &'static str {
        match (self.status, self.resolution_status) {
            (DriftStatus::Drifted, Resolution::Pending) => "YES",
            (DriftStatus::Drifted, Resolution::Resolved) => "resolved",
            (DriftStatus::Drifted, Resolution::Ignored) => "ignored",
            (DriftStatus::Unknown, Resolution::Ignored) => "unknown, ignored",
            (DriftStatus::Unknown, _) => "unknown",
            (DriftStatus::NotCheckable, _) => "not checkable",
            (DriftStatus::Clean, _) => "no",
        }
    }
}

/// What a detection found.
#[derive(Debug, Serialize)]
pub struct DriftView {
    stack: String,
    stack_id: String,
    detected_at: Option<String>,
    checked: usize,
    drifted: usize,
    unknown: usize,
    ignored: usize,
    not_checkable: usize,
    findings: Vec<FindingView>,
    #[serde(skip)]
    full: bool,
}

impl DriftView {
    /// From findings of one detection. `full` shows expected and actual states, too; `clean` lists what is as recorded,
    /// too, which only programs want.
    pub fn new(
        stack: &Stack,
        all: &[Finding],
        detected_at: Option<Timestamp>,
        full: bool,
        clean: bool,
    ) -> Self {
        let of = |status| all.iter().filter(|f| f.status == status).count();
        let ignored = all.iter().filter(|f| f.resolution == Resolution::Ignored);
        let unread_and_ignored = ignored.clone().filter(|f| f.status == DriftStatus::Unknown).count();
        let shown = all.iter().filter(|f| clean || f.status != DriftStatus::Clean);
        let findings: Vec<FindingView> = shown.map(|f| FindingView::new(stack, f)).collect();
        Self {
            stack: stack.name.clone(),
            stack_id: stack.id.to_string(),
            detected_at: detected_at.map(time),
            checked: of(DriftStatus::Clean) + of(DriftStatus::Drifted),
            drifted: findings.iter().filter(|f| f.is_open()).count(),
            unknown: of(DriftStatus::Unknown) - unread_and_ignored,
            ignored: ignored.clone().count(),
            not_checkable: of(DriftStatus::NotCheckable),
            findings,
            full,
        }
    }
    /// Is anything open?
    pub const fn drifted(&self) -> bool {
        self.drifted > 0
    }
    /// Could anything not be read that is not ignored?
    pub const fn unknown(&self) -> bool {
        self.unknown > 0
    }
}

impl Human for DriftView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Drift Detection: {}", self.stack));
        page.gap();
        if self.detected_at.is_none() {
            page.line("nothing was looked at yet");
            return;
        }
        let mut table =
            Table::new(&["RESOURCE TYPE", "RESOURCE ID", "DRIFTED", "DRIFTED FIELDS", "DETECTED AT"]);
        for f in self.findings.iter().filter(|f| f.status != DriftStatus::Clean) {
            let fields =
                if f.drifted_fields.is_empty() { f.reason.clone() } else { f.drifted_fields.join(", ") };
            table.row([f.kind.clone(), f.name.clone(), f.word().to_owned(), fields, f.detected.clone()]);
        }
        if !table.is_empty() {
            page.table(&table);
            page.gap();
        }
        for f in self.findings.iter().filter(|f| f.is_drifted) {
            page.heading(&format!("Drift Details: {} ({})", f.resource_id, f.reason));
            if self.full {
                for (title, state) in [("Expected:", &f.expected_state), ("Actual:", &f.actual_state)] {
                    page.line(title);
                    let text = serde_json::to_string_pretty(&to_value(state)).unwrap_or_default();
                    page.block(2, if matches!(state, Some(Some(_))) { &text } else { "(absent)" });
                }
                page.line("Difference (actual → expected):");
            }
            diff::print(page, 2, &f.diff);
        }
        page.gap();
        let mut parts = vec![format!("{} drifted", self.drifted)];
        if self.unknown > 0 {
            parts.push(format!("{} unknown", self.unknown));
        }
        if self.ignored > 0 {
            parts.push(format!("{} ignored", self.ignored));
        }
        if self.not_checkable > 0 {
            parts.push(format!("{} not checkable", self.not_checkable));
        }
        page.line(&format!(
            "{} checked: {}",
            words::count(self.checked as u64, "resource"),
            parts.join(", ")
        ));
    }
}

/// Something that is ignored.
#[derive(Debug, Serialize)]
pub struct IgnoreView {
    stack_id: String,
    resource_id: String,
    attribute: Option<String>,
    reason: String,
    ignored_by: String,
    ignored_at: String,
    until: Option<String>,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    since: String,
    #[serde(skip)]
    end: String,
}

impl IgnoreView {
    /// As people and programs see it.
    pub fn new(stack: &Stack, ignore: &DriftIgnore) -> Self {
        Self {
            stack_id: stack.id.to_string(),
            resource_id: ignore.address.to_string(),
            attribute: ignore.attribute.clone(),
            reason: ignore.reason.clone(),
            ignored_by: ignore.by.clone(),
            ignored_at: time(ignore.at),
            until: maybe_time(ignore.until),
            name: sloth_engine::ignores::name_of(ignore),
            since: ignore.at.local(),
            end: maybe_local(ignore.until),
        }
    }
}

/// What happened to something that is, or was, ignored.
#[derive(Debug, Serialize)]
pub struct IgnoreDone {
    /// Stack.
    pub stack: String,
    /// `ignored` or `no longer ignored`.
    pub done: &'static str,
    /// What.
    pub ignore: IgnoreView,
}

impl Human for IgnoreDone {
    fn human(&self, page: &mut Page) {
        page.line(&format!("Drift {} in stack {}", self.done, self.stack));
        let fields = [
            ("What", self.ignore.name.clone()),
            ("Reason", self.ignore.reason.clone()),
            ("By", self.ignore.ignored_by.clone()),
            ("Until", self.ignore.end.clone()),
        ];
        page.fields(2, &fields);
    }
}

/// Everything that is ignored in a stack.
#[derive(Debug, Serialize)]
pub struct IgnoreList {
    /// Stack.
    pub stack: String,
    /// By address and attribute.
    pub ignores: Vec<IgnoreView>,
}

impl Human for IgnoreList {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Ignored drift of stack: {}", self.stack));
        page.gap();
        let mut table = Table::new(&["RESOURCE", "ATTRIBUTE", "REASON", "BY", "SINCE", "UNTIL"]);
        for i in &self.ignores {
            let attribute = i.attribute.as_deref().unwrap_or("(all)");
            table.row([&i.resource_id, attribute, &i.reason, &i.ignored_by, &i.since, &i.end]);
        }
        if !table.is_empty() {
            page.table(&table);
            page.gap();
        }
        page.line(&format!("Total: {} ignored", self.ignores.len()));
    }
}
