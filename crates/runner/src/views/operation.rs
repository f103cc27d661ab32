//! The operation log.

use serde::Serialize;
use sloth_core::actor::GitState;
use sloth_core::digest::Digest;
use sloth_core::operation::Operation;

use super::time;
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// One entry.
#[derive(Debug, Serialize)]
pub struct OperationView {
    seq: u64,
    id: String,
    at: String,
    actor: String,
    host: String,
    cwd: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    git: Option<GitState>,
    verb: String,
    arguments: Vec<String>,
    stack: Option<String>,
    stack_id: Option<String>,
    before: Option<u64>,
    after: Option<u64>,
    undoes: Option<u64>,
    hash: String,
    #[serde(skip)]
    when: String,
}

impl OperationView {
    /// From the log.
    pub fn new(op: &Operation) -> Self {
        let (stack_id, stack) = op.stack.clone().unzip();
        Self {
            seq: op.seq,
            id: op.id.to_string(),
            at: time(op.at),
            actor: op.actor.name.clone(),
            host: op.actor.host.clone(),
            cwd: op.actor.cwd.clone(),
            git: op.actor.git.clone(),
            verb: op.verb.clone(),
            arguments: op.arguments.clone(),
            stack,
            stack_id,
            before: op.before.map(|v| v.0),
            after: op.after.map(|v| v.0),
            undoes: op.undoes,
            hash: op.hash.hex(),
            when: op.at.local(),
        }
    }
    fn versions(&self) -> String {
        match (self.before, self.after) {
            (Some(b), Some(a)) if a == b => format!("v{a}"),
            (Some(b), Some(a)) => format!("v{b} → v{a}"),
            (None, Some(a)) => format!("v{a}"),
            (Some(b), None) => format!("v{b}"),
            (None, None) => "-".to_owned(),
        }
    }
}

/// The log, newest first.
#[derive(Debug)]
pub struct OperationList<'a>(pub &'a [OperationView]);

impl Human for OperationList<'_> {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&["OP", "TIME", "WHO", "OPERATION", "STACK", "VERSION", "UNDOES"]);
        for op in self.0 {
            table.row([
                op.seq.to_string(),
                op.when.clone(),
                op.actor.clone(),
                op.verb.clone(),
                op.stack.clone().unwrap_or_else(|| "-".to_owned()),
                op.versions(),
                op.undoes.map_or_else(|| "-".to_owned(), |seq| seq.to_string()),
            ]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", words::len(self.0, "operation")));
    }
}

/// Whether the log holds together.
#[derive(Debug, Serialize)]
pub struct AuditView {
    intact: bool,
    operations: usize,
    last_hash: String,
    broken: Vec<String>,
}

impl AuditView {
    /// What a check found.
    pub fn new(operations: usize, link: &Digest, broken: Vec<String>) -> Self {
        Self { intact: broken.is_empty(), operations, last_hash: link.hex(), broken }
    }
}

impl Human for AuditView {
    fn human(&self, page: &mut Page) {
        for why in &self.broken {
            let line = format!("{} {}", page.theme.bad("broken:"), crate::out::escape::line(why));
            page.raw(&line);
        }
        let count = words::count(self.operations as u64, "operation");
        if self.intact {
            page.line(&format!(
                "{count}, each follows from the one before; the last link is {}",
                self.last_hash
            ));
        } else {
            page.line(&format!("{count}, {} not as written", words::len(&self.broken, "place")));
        }
    }
}
