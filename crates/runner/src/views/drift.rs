//! Drift findings.

use std::collections::HashMap;

use serde::Serialize;
use sloth_core::clock::Timestamp;
use sloth_core::diff::Diff;
use sloth_core::drift::{DriftHistory, DriftIgnore, DriftStatus, Episode, Finding, Resolution, Settled};
use sloth_core::stack::Stack;
use sloth_core::value::{Value, to_value};

use super::{SENSITIVE, maybe_local, maybe_time, time};
use crate::out::table::Table;
use crate::out::{Human, Page, diff, words};

/// Who made an end of a finding, or wants it ignored.
#[derive(Debug, Serialize)]
struct SettledView {
    by: String,
    at: String,
    with: String,
    #[serde(skip)]
    local: String,
}

impl SettledView {
    fn new(settled: &Settled) -> Self {
        let Settled { by, at, with } = settled;
        Self { by: by.clone(), at: time(*at), with: with.clone(), local: at.local() }
    }
}

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
    first_detected_at: String,
    times_seen: u64,
    /// How often it drifted again after it had been resolved.
    returns: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<SettledView>,
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
            first_detected_at: time(finding.since),
            times_seen: finding.looks,
            returns: 0,
            settled: finding.settled.as_ref().map(SettledView::new),
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
    /// Adds what is known of earlier looks.
    pub fn remember(&mut self, histories: &[DriftHistory]) {
        let returns: HashMap<String, usize> =
            histories.iter().map(|h| (h.address.to_string(), h.returns())).collect();
        for finding in &mut self.findings {
            finding.returns = returns.get(&finding.resource_id).copied().unwrap_or(0);
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
            let word = if f.is_open() && f.returns > 0 { "YES, again" } else { f.word() };
            table.row([f.kind.clone(), f.name.clone(), word.to_owned(), fields, f.detected.clone()]);
        }
        if !table.is_empty() {
            page.table(&table);
            page.gap();
        }
        for f in self.findings.iter().filter(|f| f.is_drifted) {
            page.heading(&format!("Drift Details: {} ({})", f.resource_id, f.reason));
            if f.returns > 0 {
                page.line(&format!("came back {} after it had been resolved", words::times(f.returns)));
            }
            if let Some(settled) = f.settled.as_ref().filter(|_| self.full) {
                let SettledView { by, with, local, .. } = settled;
                page.line(&format!("{} by {by} at {local} ({with})", f.word()));
            }
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

/// What was found of a resource from its beginning to its end.
#[derive(Debug, Serialize)]
struct EpisodeView {
    first_detected_at: String,
    last_detected_at: String,
    times_seen: u64,
    status: DriftStatus,
    is_drifted: bool,
    drifted_fields: Vec<String>,
    reason: String,
    resolution_status: Resolution,
    settled: Option<SettledView>,
    #[serde(skip)]
    first: String,
    #[serde(skip)]
    last: String,
}

impl EpisodeView {
    fn new(episode: &Episode) -> Self {
        let last = &episode.last;
        Self {
            first_detected_at: time(episode.since),
            last_detected_at: time(last.detected_at),
            times_seen: episode.looks,
            status: last.status,
            is_drifted: episode.drifted,
            drifted_fields: episode.fields.clone(),
            reason: last.reason.phrase(),
            resolution_status: last.resolution,
            settled: last.settled.as_ref().map(SettledView::new),
            first: episode.since.local(),
            last: last.detected_at.local(),
        }
    }
    fn state(&self) -> &'static str {
        match (self.resolution_status, self.status) {
            (Resolution::Resolved, _) => "resolved",
            (Resolution::Ignored, _) => "ignored",
            (Resolution::Pending, DriftStatus::Unknown) => "unknown",
            (Resolution::Pending, DriftStatus::NotCheckable) => "not checkable",
            (Resolution::Pending, DriftStatus::Drifted | DriftStatus::Clean) => "open",
        }
    }
}

/// What was found of one resource over time.
#[derive(Debug, Serialize)]
struct ResourceHistory {
    resource_id: String,
    /// How often it drifted again after it had been resolved.
    returns: usize,
    findings: Vec<EpisodeView>,
}

/// What was found of a stack over time.
#[derive(Debug, Serialize)]
pub struct DriftHistoryView {
    stack: String,
    stack_id: String,
    resources: Vec<ResourceHistory>,
}

impl DriftHistoryView {
    /// As people and programs see it.
    pub fn new(stack: &Stack, histories: &[DriftHistory]) -> Self {
        let one = |history: &DriftHistory| ResourceHistory {
            resource_id: history.address.to_string(),
            returns: history.returns(),
            findings: history.episodes.iter().map(EpisodeView::new).collect(),
        };
        Self {
            stack: stack.name.clone(),
            stack_id: stack.id.to_string(),
            resources: histories.iter().map(one).collect(),
        }
    }
}

impl Human for DriftHistoryView {
    fn human(&self, page: &mut Page) {
        page.heading(&format!("Drift history of stack: {}", self.stack));
        page.gap();
        let mut table = Table::new(&[
            "RESOURCE",
            "WHAT",
            "FIRST SEEN",
            "LAST SEEN",
            "LOOKS",
            "STATE",
            "BY",
            "WITH",
            "AT",
        ]);
        for (resource, f) in self.resources.iter().flat_map(|r| r.findings.iter().map(move |f| (r, f))) {
            let what =
                if f.drifted_fields.is_empty() { f.reason.clone() } else { f.drifted_fields.join(", ") };
            let settled = |part: fn(&SettledView) -> &String| f.settled.as_ref().map_or("-", |s| part(s));
            table.row([
                resource.resource_id.as_str(),
                &what,
                &f.first,
                &f.last,
                &f.times_seen.to_string(),
                f.state(),
                settled(|s| &s.by),
                settled(|s| &s.with),
                settled(|s| &s.local),
            ]);
        }
        if !table.is_empty() {
            page.table(&table);
            page.gap();
        }
        let flapping = self.resources.iter().filter(|r| r.returns > 0);
        for resource in flapping.clone() {
            page.line(&format!("{} came back {}", resource.resource_id, words::times(resource.returns)));
        }
        let findings = self.resources.iter().map(|r| r.findings.len()).sum::<usize>() as u64;
        page.line(&format!(
            "Total: {} of {}, {} flapping",
            words::count(findings, "finding"),
            words::len(&self.resources, "resource"),
            flapping.count()
        ));
    }
}
