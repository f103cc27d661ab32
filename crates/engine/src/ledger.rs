//! The books of one run: what was decided and done, and what of it still has to be committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sloth_core::address::Address;
use sloth_core::change::{Action, Change, Reason};
use sloth_core::digest::Blob;
use sloth_core::event::Event;
use sloth_core::id::StackId;
use sloth_core::output::Output;
use sloth_core::plan::PlanStep;
use sloth_core::recorded::Recorded;
use sloth_core::recorded_body::RecordedBody;
use sloth_core::run::Counts;
use sloth_core::span::Span;
use sloth_core::store::StoreError;
use sloth_core::store::{PendingHandler, Txn};
use sloth_core::upstream::Upstream;
use sloth_core::value::{Map, Value};

use crate::records::Records;
use crate::report::ChangeReport;

/// Something this run did to a machine, kept so that it can be taken back.
#[derive(Clone, Debug)]
pub(crate) struct Performed {
    pub address: Address,
    /// Live state before.
    pub before: Option<Value>,
    /// Record before.
    pub old: Option<Arc<Recorded>>,
}

#[derive(Default)]
pub(crate) struct Ledger {
    /// Records as of now, this run's changes included.
    pub records: Records,
    /// Rows to write at the next commit; `None` ends a row.
    pub rows: BTreeMap<Address, Option<Arc<RecordedBody>>>,
    /// Resources of which nothing that was found before is so any more.
    pub settled: Vec<Address>,
    pub outputs: BTreeMap<String, Output>,
    /// Outputs as they were when the run began.
    pub outputs_before: BTreeMap<String, Output>,
    pub output_rows: BTreeMap<String, Option<Output>>,
    pub outputs_set: BTreeSet<String>,
    /// Stacks this run needs, as found out so far.
    pub upstreams: BTreeMap<StackId, Upstream>,
    /// Stacks that were needed when the run began.
    pub upstreams_before: BTreeMap<StackId, Upstream>,
    pub upstream_rows: BTreeMap<StackId, Option<Upstream>>,
    pub events: Vec<Event>,
    /// Contents for the content store; see [`Ledger::keep`].
    pub blobs: Vec<Blob>,
    pub blob_bytes: usize,
    pub handlers: Vec<PendingHandler>,
    pub handlers_new: Vec<PendingHandler>,
    pub handlers_done: Vec<String>,
    /// Wishes seen in this run, and where they were written. What they ask for is in `records` once it is brought about.
    pub declared: foldhash::HashMap<Address, Option<Span>>,
    /// Kept only when the workflow wants a failure taken back.
    pub performed: Vec<Performed>,
    pub keep_performed: bool,
    pub counts: Counts,
    pub task_counts: HashMap<String, Counts>,
    pub changes: Vec<ChangeReport>,
    pub steps: Vec<PlanStep>,
    /// Outputs of ended tasks.
    pub task_outputs: HashMap<String, Map>,
    /// Commands seen per task, to tell the first `make` from the second.
    pub command_ordinals: HashMap<String, u64>,
    /// Predicted key-value state while planning.
    pub values: BTreeMap<(String, String), Option<Value>>,
    /// Why results of this run are uncertain while planning, per task: a command whose output is unknown.
    pub uncertain: HashMap<String, String>,
    /// Journal numbers.
    pub last_seq: u64,
    pub open_seqs: BTreeSet<u64>,
    /// Did an earlier commit of this run write rows of the stack?
    pub wrote: bool,
    /// Did anything that has to survive a power cut happen since the last commit?
    pub touched_machine: bool,
}

impl Ledger {
    /// Counts for a task and for the whole run.
    pub fn count(&mut self, task: &str, add: impl Fn(&mut Counts)) {
        add(&mut self.counts);
        add(self.task_counts.entry(task.to_owned()).or_default());
    }

    /// Writes a row at the next commit and sees it at once.
    pub fn put(&mut self, recorded: &Recorded) {
        let body = Arc::new(RecordedBody::of(recorded));
        self.rows.insert(recorded.address.clone(), Some(Arc::clone(&body)));
        self.records.put(body);
    }

    /// Ends a row at the next commit and does not see it any more.
    pub fn remove(&mut self, address: &Address) {
        self.records.remove(address);
        self.rows.insert(address.clone(), None);
    }

    /// Contents that have to reach the content store before a row names them.
    pub fn keep(&mut self, blobs: Vec<Blob>) {
        self.blob_bytes += blobs.iter().map(|b| b.bytes().len()).sum::<usize>();
        self.blobs.extend(blobs);
    }

    /// Hands the contents over to whoever stores them.
    pub fn take_blobs(&mut self) -> Vec<Blob> {
        self.blob_bytes = 0;
        std::mem::take(&mut self.blobs)
    }

    /// Queues handlers; a handler that waits already is not queued twice.
    pub fn notify(&mut self, names: &[String], by: &Address, at: sloth_core::clock::Timestamp) {
        for name in names {
            if self.handlers.iter().any(|h| h.name == *name) {
                continue;
            }
            let handler = PendingHandler { name: name.clone(), queued_by: by.to_string(), queued_at: at };
            self.handlers.push(handler.clone());
            self.handlers_new.push(handler);
        }
    }

    /// Would the next commit change what a version is made of?
    pub fn changes_content(&self) -> bool {
        !(self.rows.is_empty() && self.output_rows.is_empty() && self.upstream_rows.is_empty())
    }

    /// What had moved away from its record and is now as it should be, or is not there any more.
    pub fn settle(&mut self, change: &Change, address: &Address) {
        let over = match change.reason {
            Reason::External
            | Reason::ExternalInLine
            | Reason::Both
            | Reason::Restoring(_)
            | Reason::Undoing
            | Reason::Unfinished => true,
            _ => matches!(change.action, Action::Delete | Action::Forget),
        };
        if over && change.action.records() {
            self.settled.push(address.clone());
        }
    }

    /// Is there anything the next commit would write?
    pub fn has_rows(&self) -> bool {
        self.changes_content() || !self.handlers_new.is_empty() || !self.handlers_done.is_empty()
    }

    /// The journal may forget everything up to this step once what was written is committed.
    pub fn settled_upto(&self) -> u64 {
        self.open_seqs.first().map_or(self.last_seq, |first| first.saturating_sub(1))
    }

    /// Moves everything that is due into a transaction.
    pub fn write(&mut self, txn: &mut dyn Txn, stack: &StackId) -> Result<(), StoreError> {
        self.wrote |= self.changes_content();
        for (address, row) in std::mem::take(&mut self.rows) {
            match row {
                Some(body) => txn.resource_put_body(&body)?,
                None => {
                    txn.resource_remove(&address)?;
                }
            }
        }
        let settled = std::mem::take(&mut self.settled);
        if !settled.is_empty() {
            txn.drift_resolve(stack, &settled)?;
        }
        for (name, row) in std::mem::take(&mut self.output_rows) {
            match row {
                Some(output) => txn.output_put(&output)?,
                None => {
                    txn.output_remove(&name)?;
                }
            }
        }
        for (id, row) in std::mem::take(&mut self.upstream_rows) {
            match row {
                Some(upstream) => txn.upstream_put(&upstream)?,
                None => {
                    txn.upstream_remove(&id)?;
                }
            }
        }
        for handler in std::mem::take(&mut self.handlers_new) {
            txn.handler_queue(&handler)?;
        }
        for name in std::mem::take(&mut self.handlers_done) {
            txn.handler_done(&name)?;
        }
        for event in std::mem::take(&mut self.events) {
            txn.event_append(Some(stack), &event)?;
        }
        Ok(())
    }
}
