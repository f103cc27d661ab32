//! What the records of one file say about its steps.

use std::collections::BTreeMap;

use sloth_core::digest::Blob;
use sloth_core::id::{RunId, StackId};
use sloth_core::journal::{Intention, OpenStep, StepEvent, StepState, next_state};
use sloth_core::value::Value;

use super::frame::Tag;
use crate::failure::{Failure, Outcome};

/// Whose file it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Head {
    pub run: RunId,
    pub stack: StackId,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Finished(Option<Value>),
    Failed,
    Resolved,
}

#[derive(Default)]
struct Step {
    /// The intent as read back; empty for steps of this process and for those whose intent is a row.
    intention: Option<Box<Intention>>,
    captured: Vec<Blob>,
    /// The intent is a row of the database: a command, which settling leaves alone.
    row: bool,
    state: Option<StepState>,
    end: Option<End>,
}

/// The steps of a file that are not settled.
#[derive(Default)]
pub struct Steps {
    steps: BTreeMap<u64, Step>,
    head_length: u64,
}

impl Steps {
    /// Reads the records of a file. A record that makes no sense ends the reading, like a torn one.
    pub fn replay(records: &[(Tag, &[u8])]) -> (Option<Head>, Self) {
        let mut this = Self::default();
        let mut head = None;
        let mut contents = Vec::new();
        for (tag, content) in records {
            if this.replay_one(*tag, content, &mut head, &mut contents).is_none() {
                break;
            }
        }
        (head, this)
    }

    fn replay_one(
        &mut self,
        tag: Tag,
        content: &[u8],
        head: &mut Option<Head>,
        contents: &mut Vec<Blob>,
    ) -> Option<()> {
        match tag {
            Tag::Head => {
                *head = Some(serde_json::from_slice(content).ok()?);
                self.head_length = content.len() as u64 + 9;
            }
            Tag::Content => {
                let (digest, bytes) = content.split_at_checked(32)?;
                let blob = Blob::new(bytes);
                contents.push(Some(blob).filter(|b| b.digest().as_bytes() == digest)?);
            }
            Tag::Begin => {
                let (seq, json) = numbered(content)?;
                let step = self.steps.entry(seq).or_default();
                step.intention = Some(Box::new(serde_json::from_slice(json).ok()?));
                step.captured = std::mem::take(contents);
                step.state = Some(StepState::Begun);
            }
            Tag::Finish => {
                let (seq, json) = numbered(content)?;
                let state = if json.is_empty() { None } else { Some(serde_json::from_slice(json).ok()?) };
                let step = self.ending(seq);
                step.state = Some(StepState::Done);
                step.end = Some(End::Finished(state));
            }
            Tag::Fail => {
                let (seq, _) = numbered(content)?;
                let step = self.ending(seq);
                step.state = Some(StepState::Failed);
                step.end = Some(End::Failed);
            }
            Tag::Settle => {
                self.settle(numbered(content)?.0);
            }
            Tag::Resolve => {
                let (seq, _) = numbered(content)?;
                self.resolve(seq);
            }
        }
        Some(())
    }

    fn ending(&mut self, seq: u64) -> &mut Step {
        self.steps.entry(seq).or_insert_with(|| Step { row: true, ..Step::default() })
    }

    /// Length of the record that says whose file it is.
    pub fn head_length(&self) -> u64 {
        self.head_length
    }
    /// Is nothing left to settle?
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
    /// Number of steps that begun and did not end.
    pub fn open(&self) -> usize {
        self.steps.values().filter(|s| s.state == Some(StepState::Begun)).count()
    }
    /// Is this step in the file?
    pub fn knows(&self, seq: u64) -> bool {
        self.steps.contains_key(&seq)
    }
    /// May this happen to the step now?
    pub fn may(&self, seq: u64, event: StepEvent) -> Outcome<()> {
        let state = self.steps.get(&seq).and_then(|step| step.state);
        match next_state(state, event) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::conflict(format!("step {seq}: {error}"))),
        }
    }
    /// An intent was written.
    pub fn began(&mut self, seq: u64, row: bool) {
        self.steps.insert(seq, Step { row, state: Some(StepState::Begun), ..Step::default() });
    }
    /// A result was written.
    pub fn ended(&mut self, seq: u64, event: StepEvent) {
        if let Some(step) = self.steps.get_mut(&seq)
            && let Ok(state) = next_state(step.state, event)
        {
            step.state = Some(state);
        }
    }
    /// Forgets resource steps up to a number; says whether there were any.
    pub fn settle(&mut self, upto: u64) -> bool {
        let before = self.steps.len();
        self.steps.retain(|seq, step| *seq > upto || step.row);
        before != self.steps.len()
    }
    /// Forgets one step; says whether it was there.
    pub fn resolve(&mut self, seq: u64) -> bool {
        match self.steps.get_mut(&seq) {
            Some(step) if step.row => {
                step.end = Some(End::Resolved);
                step.state = Some(StepState::Resolved);
                true
            }
            Some(_) => self.steps.remove(&seq).is_some(),
            None => false,
        }
    }
    /// How a step whose intent is elsewhere ended.
    pub fn end_of(&self, seq: u64) -> Option<&End> {
        self.steps.get(&seq).and_then(|step| step.end.as_ref())
    }
    /// Takes out the steps whose intent is in the file and that need somebody to look.
    pub fn take_open(&mut self, run: &RunId) -> Outcome<Vec<OpenStep>> {
        let mut out = Vec::new();
        for step in self.steps.values_mut() {
            let finished = match &step.end {
                None => None,
                Some(End::Finished(state)) => Some(state.clone()),
                Some(End::Failed | End::Resolved) => continue,
            };
            if let Some(intention) = step.intention.take() {
                let captured = std::mem::take(&mut step.captured);
                out.push(OpenStep { run: run.clone(), intention: *intention, finished, captured });
            }
        }
        Ok(out)
    }
}

fn numbered(content: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = content.split_at_checked(8)?;
    Some((u64::from_le_bytes(number.try_into().ok()?), rest))
}
