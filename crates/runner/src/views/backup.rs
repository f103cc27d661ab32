//! Copies of the database.

use serde::Serialize;
use sloth_core::operation::Operation;
use sloth_core::store::BackupInfo;
use sloth_store::Restored;

use super::operation::OperationView;
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// Said about a copy without its digest.
pub const UNSEALED: &str = "there is no file with the SHA-256 of this backup beside it, so damage in places that hold no records is not noticed";

/// More lost operations are only counted.
const SHOWN: usize = 20;

/// One copy.
#[derive(Debug, Serialize)]
pub struct BackupView {
    path: String,
    size: u64,
    sha256: String,
    sha256_compared: bool,
    stacks: Vec<StackAt>,
    last_operation: Option<OperationView>,
    #[serde(skip)]
    last: String,
}

#[derive(Debug, Serialize)]
struct StackAt {
    name: String,
    version: u64,
}

impl BackupView {
    /// What is in it.
    pub fn new(info: &BackupInfo) -> Self {
        let last = info.last.as_ref().map_or_else(
            || "-".to_owned(),
            |o| format!("{} ({} by {}, {})", o.seq, o.verb, o.actor.name, o.at.local()),
        );
        Self {
            path: info.location.clone(),
            size: info.size,
            sha256: info.digest.hex(),
            sha256_compared: info.sealed,
            stacks: info
                .stacks
                .iter()
                .map(|(name, v)| StackAt { name: name.clone(), version: v.0 })
                .collect(),
            last_operation: info.last.as_ref().map(OperationView::new),
            last,
        }
    }
}

impl Human for BackupView {
    fn human(&self, page: &mut Page) {
        page.line(&format!("Backup: {}", self.path));
        let fields = [
            ("Size", words::bytes(self.size)),
            ("Stacks", self.stacks.len().to_string()),
            ("Last operation", self.last.clone()),
        ];
        page.fields(2, &fields);
    }
}

/// What a restore would do.
pub struct Preview<'a> {
    /// What is in the copy.
    pub backup: BackupView,
    /// Operations the copy does not know, newest first.
    pub lost: &'a [Operation],
}

impl Human for Preview<'_> {
    fn human(&self, page: &mut Page) {
        self.backup.human(page);
        let stacks: Vec<(&str, String)> =
            self.backup.stacks.iter().map(|s| (s.name.as_str(), format!("v{}", s.version))).collect();
        page.fields(4, &stacks);
        page.gap();
        if self.lost.is_empty() {
            page.line("Nothing would be lost");
            return;
        }
        page.line(&format!("Would be lost: {}", words::len(self.lost, "operation")));
        let mut table = Table::new(&["OP", "TIME", "WHO", "OPERATION", "STACK"]);
        for op in self.lost.iter().take(SHOWN) {
            let stack = op.stack.as_ref().map_or("-", |(_, name)| name);
            let (seq, at) = (op.seq.to_string(), op.at.local());
            table.row([seq.as_str(), &at, &op.actor.name, &op.verb, stack]);
        }
        page.table(&table);
        if let Some(more) = self.lost.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            page.line(&format!("… and {more} more"));
        }
        page.gap();
    }
}

/// What a restore did.
#[derive(Debug, Serialize)]
pub struct RestoredView {
    database: String,
    backup: String,
    kept: Option<String>,
    operation: u64,
    lost: Vec<u64>,
}

impl RestoredView {
    /// With the operations that are gone.
    pub fn new(database: &str, backup: &BackupInfo, done: &Restored, lost: &[Operation]) -> Self {
        Self {
            database: database.to_owned(),
            backup: backup.location.clone(),
            kept: done.kept.as_ref().map(|k| k.location.clone()),
            operation: done.operation,
            lost: lost.iter().map(|o| o.seq).collect(),
        }
    }
}

impl Human for RestoredView {
    fn human(&self, page: &mut Page) {
        page.line(&format!("`{}` holds what is in `{}`", self.database, self.backup));
        if let Some(kept) = &self.kept {
            page.line(&format!("What was there before is in `{kept}`"));
        }
        page.line(&format!(
            "Restored as operation {}; {} lost",
            self.operation,
            words::len(&self.lost, "operation")
        ));
    }
}
