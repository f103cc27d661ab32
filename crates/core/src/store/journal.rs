use super::{StoreError, Wait};
use crate::digest::Blob;
use crate::id::{RunId, StackId};
use crate::journal::{Intention, OpenStep};
use crate::value::Value;

/// Steps of runs between their intent and the commit that records their result.
///
/// Intents of steps that can be probed survive the death of every process but need not wait for the disk; those that
/// cannot be probed are on the disk when [`Journal::begin`] returns, unless it was told not to wait for that. Results are kept the same way as the intents of
/// probed steps. A commit of the run makes everything up to `upto` history: see [`Journal::settle`].
pub trait Journal: Send + Sync {
    /// Writes an intent and the contents the effect would destroy. The effect must not begin before this returns.
    ///
    /// # Errors
    /// The store failed; the effect must not begin.
    fn begin(
        &self,
        stack: &StackId,
        run: &RunId,
        intention: &Intention,
        captured: &[Blob],
        wait: Wait,
    ) -> Result<(), StoreError>;
    /// Writes that a step succeeded, with the state it left (for a command: its output).
    ///
    /// # Errors
    /// The store failed; the step stays open.
    fn finish(&self, run: &RunId, seq: u64, state: Option<&Value>) -> Result<(), StoreError>;
    /// Writes that a step failed and that what it left is recorded or known not to exist.
    ///
    /// # Errors
    /// The store failed; the step stays open.
    fn fail(&self, run: &RunId, seq: u64, error: &str) -> Result<(), StoreError>;
    /// The resource steps of the run up to and including this one have been committed or resolved and are forgotten
    /// here. Steps of commands stay until [`Journal::close`] or [`Journal::resolve`], so that a run that dies later can
    /// be continued without running them again.
    ///
    /// # Errors
    /// The store failed; the steps show up again and are resolved again, which is harmless.
    fn settle(&self, run: &RunId, upto: u64) -> Result<(), StoreError>;
    /// One step is settled by a decision and is forgotten here.
    ///
    /// # Errors
    /// The store failed.
    fn resolve(&self, run: &RunId, seq: u64) -> Result<(), StoreError>;
    /// The run has ended and its journal is removed, commands included.
    ///
    /// # Errors
    /// The store failed.
    fn close(&self, run: &RunId) -> Result<(), StoreError>;
    /// Steps of earlier runs of a stack that are not settled: begun without an end, finished without a commit, and
    /// every command of a run that was not closed (`finished` then holds its output). Failed steps are not listed.
    /// Damaged tails are ignored: an intent that is not whole never led to an effect. In order of run and step.
    ///
    /// # Errors
    /// The store failed.
    fn open_steps(&self, stack: &StackId) -> Result<Vec<OpenStep>, StoreError>;
}
