//! What a collection removes, or would.

use serde::Serialize;
use sloth_core::retention::{Collected, Keep};
use sloth_core::stack::Stack;
use sloth_core::version::VersionInfo;

use super::time;
use crate::out::table::Table;
use crate::out::{Human, Page, words};

/// What a collection did to the versions of all stacks it was for.
#[derive(Debug, Default, Serialize)]
pub struct Collection {
    /// Was it only asked what would be done?
    pub dry_run: bool,
    /// By stack.
    pub stacks: Vec<StackCollection>,
    /// What went with them.
    pub collected: Collected,
    /// Places in the operation log.
    pub operations: Vec<u64>,
}

/// One stack.
#[derive(Debug, Serialize)]
pub struct StackCollection {
    stack: String,
    removed: Vec<Entry>,
    kept: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    version: u64,
    description: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    #[serde(skip)]
    created: String,
    #[serde(skip)]
    protected: bool,
}

impl StackCollection {
    /// From what the policy says.
    pub fn new(stack: &Stack, verdicts: &[(VersionInfo, Option<Keep>)]) -> Self {
        let entry = |(info, keep): &(VersionInfo, Option<Keep>)| Entry {
            version: info.version.0,
            description: info.description.clone(),
            created_at: time(info.created_at),
            because: keep.as_ref().map(ToString::to_string),
            created: info.created_at.local(),
            protected: !matches!(keep, Some(Keep::AmongNewest | Keep::Young)),
        };
        let (removed, kept): (Vec<_>, Vec<_>) = verdicts.iter().partition(|(_, keep)| keep.is_none());
        Self {
            stack: stack.name.clone(),
            removed: removed.into_iter().map(entry).collect(),
            kept: kept.into_iter().map(entry).collect(),
        }
    }
}

impl Collection {
    /// How many versions go.
    pub fn going(&self) -> u64 {
        self.stacks.iter().map(|stack| stack.removed.len() as u64).sum()
    }
}

impl Human for Collection {
    fn human(&self, page: &mut Page) {
        let word = if self.dry_run { "would go" } else { "removed" };
        let mut table = Table::new(&["STACK", "VERSION", "DESCRIPTION", "CREATED AT", "VERDICT"]);
        let mut kept = 0;
        let mut rows = false;
        for stack in &self.stacks {
            kept += stack.kept.len() as u64;
            // Of those that stay, the ones that age alone would not keep are worth a line.
            let held = stack.kept.iter().filter(|entry| entry.protected && !stack.removed.is_empty());
            let mut all: Vec<&Entry> = stack.removed.iter().chain(held).collect();
            all.sort_by_key(|entry| std::cmp::Reverse(entry.version));
            for entry in all {
                rows = true;
                table.row([
                    stack.stack.clone(),
                    format!("v{}", entry.version),
                    entry.description.clone(),
                    entry.created.clone(),
                    entry.because.as_ref().map_or_else(|| word.to_owned(), |why| format!("stays: {why}")),
                ]);
            }
        }
        if rows {
            page.table(&table);
            page.gap();
        }
        let going = words::count(self.going(), "version");
        if self.dry_run {
            page.line(&format!("{going} would be removed, {kept} would stay"));
            return;
        }
        let Collected { records, contents, bytes } = self.collected;
        page.line(&format!("{going} removed, {kept} kept"));
        page.line(&format!(
            "{} and {} collected, {}",
            words::count(records, "old record"),
            words::count(contents, "content"),
            words::bytes(bytes)
        ));
    }
}
