//! What a validation found.

use serde::Serialize;
use sloth_core::stack::Stack;
use sloth_core::validation::{Finding, Severity};

use crate::out::{Human, Page, escape, words};

/// How many findings of each severity.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Totals {
    errors: u64,
    warnings: u64,
    notes: u64,
}

impl Totals {
    fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut totals = Self::default();
        for finding in findings {
            *match finding.severity {
                Severity::Error => &mut totals.errors,
                Severity::Warning => &mut totals.warnings,
                Severity::Note => &mut totals.notes,
            } += 1;
        }
        totals
    }
    fn text(self) -> String {
        let (errors, warnings) = (words::count(self.errors, "error"), words::count(self.warnings, "warning"));
        format!("{errors}, {warnings}, {}", words::count(self.notes, "note"))
    }
}

fn worst_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn print(page: &mut Page, findings: &[Finding]) {
    for finding in findings {
        let word = finding.severity.as_str();
        let word = match finding.severity {
            Severity::Error => page.theme.bad(word),
            Severity::Warning => page.theme.warning(word),
            Severity::Note => page.theme.faint(word),
        };
        let (kind, name) = (finding.about.kind.as_str(), &finding.about.name);
        let about = if kind == name { name.clone() } else { format!("{kind} {name}") };
        page.raw(&format!("{word} {}: {}", escape::line(&finding.code), escape::line(&about)));
        page.line(&format!("  {}", finding.what));
        if !finding.mend.is_empty() {
            page.line(&format!("  mend: {}", finding.mend));
        }
    }
}

/// Findings of a run that is about to begin.
#[derive(Debug)]
pub struct FindingList {
    findings: Vec<Finding>,
    totals: Totals,
}

impl FindingList {
    /// Worst first.
    pub fn new(findings: &[Finding]) -> Self {
        Self { findings: worst_first(findings.to_vec()), totals: Totals::of(findings) }
    }
    /// How many of a severity.
    pub const fn count(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Error => self.totals.errors,
            Severity::Warning => self.totals.warnings,
            Severity::Note => self.totals.notes,
        }
    }
    /// `0 errors, 1 warning, 0 notes`
    pub fn totals(&self) -> String {
        self.totals.text()
    }
}

impl Human for FindingList {
    fn human(&self, page: &mut Page) {
        print(page, &self.findings);
    }
}

/// One stack.
#[derive(Debug, Serialize)]
pub struct StackValidation {
    stack: String,
    stack_id: String,
    workflow_file: Option<String>,
    resources: usize,
    valid: bool,
    #[serde(flatten)]
    totals: Totals,
    findings: Vec<Finding>,
}

impl StackValidation {
    /// From what was found in it.
    pub fn new(stack: &Stack, resources: usize, findings: Vec<Finding>) -> Self {
        let totals = Totals::of(&findings);
        Self {
            stack: stack.name.clone(),
            stack_id: stack.id.to_string(),
            workflow_file: stack.workflow_file.clone(),
            resources,
            valid: totals.errors == 0,
            totals,
            findings: worst_first(findings),
        }
    }
}

/// Everything that was checked.
#[derive(Debug, Serialize)]
pub struct ValidationView {
    #[serde(skip)]
    all: bool,
    valid: bool,
    #[serde(flatten)]
    totals: Totals,
    stacks: Vec<StackValidation>,
    /// About no single stack: the database and the configuration.
    findings: Vec<Finding>,
}

impl ValidationView {
    /// One stack, or all of them, and what concerns them all.
    pub fn new(all: bool, stacks: Vec<StackValidation>, common: Vec<Finding>) -> Self {
        let totals = Totals::of(stacks.iter().flat_map(|s| &s.findings).chain(&common));
        Self { all, valid: totals.errors == 0, totals, stacks, findings: worst_first(common) }
    }
    /// Is there no error?
    pub const fn is_valid(&self) -> bool {
        self.valid
    }
}

impl Human for ValidationView {
    fn human(&self, page: &mut Page) {
        for stack in &self.stacks {
            page.heading(&format!("Validation of stack: {}", stack.stack));
            print(page, &stack.findings);
            if stack.findings.is_empty() {
                fine(page, &format!("{}, nothing found", words::count(stack.resources as u64, "resource")));
            }
        }
        page.heading("Database and configuration");
        print(page, &self.findings);
        if self.findings.is_empty() {
            fine(page, "nothing found");
        }
        page.gap();
        let mut total = self.totals.text();
        if self.all {
            total = format!("{}, {total}", words::len(&self.stacks, "stack"));
        }
        page.line(&match self.totals {
            Totals { errors: 0, warnings: 0, notes: 0 } => {
                format!("Total: {total}; everything is as it should be")
            }
            _ => format!("Total: {total}"),
        });
    }
}

fn fine(page: &mut Page, what: &str) {
    let good = page.theme.good("valid:");
    page.raw(&format!("{good} {what}"));
}
