//! Locks.

use std::time::Duration;

use serde::Serialize;
use sloth_core::clock::Timestamp;
use sloth_core::lease::LeaseInfo;
use sloth_core::stack::Stack;
use sloth_core::value::Value;

use super::time;
use crate::out::{Human, Page, words};

/// One lock. The id is shown to its owner only.
#[derive(Debug, Serialize)]
pub struct LockView {
    stack_id: String,
    lock_id: Option<String>,
    kind: &'static str,
    operation: String,
    reason: String,
    who: String,
    locked_by: String,
    host: String,
    pid: u32,
    created_at: String,
    renewed_at: String,
    expires_at: String,
    fence: u64,
    queue: Vec<String>,
    info: Value,
    #[serde(skip)]
    locked: String,
    #[serde(skip)]
    expires: String,
    #[serde(skip)]
    held: Duration,
}

impl LockView {
    /// What may be known about a lock; `own` is the id the caller owns.
    pub fn new(stack: &Stack, info: &LeaseInfo, own: Option<&str>, now: Timestamp) -> Self {
        Self {
            stack_id: stack.id.to_string(),
            lock_id: own.filter(|id| *id == info.id.as_str()).map(str::to_owned),
            kind: info.kind.as_str(),
            operation: info.operation.clone(),
            reason: info.reason.clone(),
            who: info.locked_by.clone(),
            locked_by: info.locked_by.clone(),
            host: info.host.clone(),
            pid: info.pid,
            created_at: time(info.locked_at),
            renewed_at: time(info.renewed_at),
            expires_at: time(info.expires_at),
            fence: info.fence.0,
            queue: info.queue.clone(),
            info: serde_json::json!({ "host": info.host, "pid": info.pid, "reason": info.reason }),
            locked: info.locked_at.local(),
            expires: info.expires_at.local(),
            held: now.since(info.locked_at),
        }
    }

    fn details(&self, page: &mut Page, since: bool) {
        let reason = if self.reason.is_empty() { "-".to_owned() } else { self.reason.clone() };
        let mut fields = vec![
            ("Locked by", self.locked_by.clone()),
            ("Locked at", self.locked.clone()),
            ("Operation", self.operation.clone()),
            ("Reason", reason),
            ("Expires", self.expires.clone()),
            ("Host", self.host.clone()),
        ];
        if since {
            fields.insert(4, ("Duration", words::duration(self.held)));
        }
        if let Some(id) = &self.lock_id {
            fields.push(("Lock ID", id.clone()));
        }
        if !self.queue.is_empty() {
            fields.push(("Waiting", self.queue.join(", ")));
        }
        page.fields(2, &fields);
    }
}

/// Whether a stack is locked, and by whom.
#[derive(Debug, Serialize)]
pub struct LockStatus {
    /// Stack.
    pub stack: String,
    /// Held at all?
    pub locked: bool,
    /// Who; a person's lock first.
    pub locks: Vec<LockView>,
}

impl Human for LockStatus {
    fn human(&self, page: &mut Page) {
        page.line(&format!("Stack: {}", self.stack));
        let word = if self.locked { page.theme.warning("LOCKED") } else { page.theme.good("UNLOCKED") };
        page.raw(&format!("Status: {word}"));
        for lock in &self.locks {
            page.heading("Lock Details:");
            lock.details(page, true);
        }
    }
}

/// What happened to a lock.
#[derive(Debug, Serialize)]
pub struct LockDone {
    /// Stack.
    pub stack: String,
    /// `acquired`, `released` or `force released`.
    pub done: &'static str,
    /// Which.
    pub locks: Vec<LockView>,
}

impl Human for LockDone {
    fn human(&self, page: &mut Page) {
        page.line(&format!("Lock {} for stack {}", self.done, self.stack));
        for lock in &self.locks {
            lock.details(page, self.done != "acquired");
        }
    }
}
