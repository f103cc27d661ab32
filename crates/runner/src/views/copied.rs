//! A store that went elsewhere.

use serde::Serialize;
use sloth_store::Copied;

use crate::out::{Human, Page, words};

/// What a copy did.
#[derive(Debug, Serialize)]
pub struct CopiedView {
    from: String,
    to: String,
    kept: bool,
    stacks: u64,
    rows: Option<u64>,
    operation: u64,
}

impl CopiedView {
    /// From where, and whether the source stays in use.
    pub fn new(from: &str, done: &Copied, kept: bool) -> Self {
        Self {
            from: from.to_owned(),
            to: done.to.clone(),
            kept,
            stacks: done.stacks,
            rows: done.rows,
            operation: done.operation,
        }
    }
}

impl Human for CopiedView {
    fn human(&self, page: &mut Page) {
        match self.rows {
            Some(rows) => page.line(&format!(
                "{} in {} copied to `{}`, as operation {} there",
                words::count(self.stacks, "stack"),
                words::count(rows, "row"),
                self.to,
                self.operation
            )),
            None => page.line(&format!("`{}` holds the whole copy already", self.to)),
        }
        if self.kept {
            page.line(&format!("`{}` stays in use; the two are different stores now", self.from));
        } else {
            page.line(&format!("`{}` can be read and not be changed any more", self.from));
        }
    }
}
