//! The journal: intent before effect, result after. One pure transition function serves running and recovering.

use crate::address::Address;
use crate::clock::Timestamp;
use crate::command::Command;
use crate::desired::Options;
use crate::digest::Blob;
use crate::id::RunId;
use crate::value::Value;

/// Can the machine be asked whether a step happened?
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Yes: looking tells.
    Probe,
    /// No: a command without a guard. Its intent waits for the disk.
    None,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// The effect may have begun.
    Begun,
    /// The effect happened and its result is known.
    Done,
    /// The effect failed; what it left is known by looking.
    Failed,
    /// Begun, and whoever did it is gone.
    Unknown,
    /// Unknown, and settled: by looking, or by a person.
    Resolved,
}

/// What happens to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEvent {
    /// Intent written.
    Begin,
    /// Result: success.
    Finish,
    /// Result: failure.
    Fail,
    /// The doer died.
    Lose,
    /// Settled.
    Resolve,
}

impl std::fmt::Display for StepEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Begin => "begin",
            Self::Finish => "succeed",
            Self::Fail => "fail",
            Self::Lose => "be interrupted",
            Self::Resolve => "be settled",
        })
    }
}

/// An event that does not fit the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a step that {} cannot {event}", match from {
    None => "has not begun",
    Some(StepState::Begun) => "has begun",
    Some(StepState::Done) => "is done",
    Some(StepState::Failed) => "has failed",
    Some(StepState::Unknown) => "was interrupted",
    Some(StepState::Resolved) => "is settled",
})]
pub struct IllegalTransition {
    /// State, `None` before the intent.
    pub from: Option<StepState>,
    /// Event.
    pub event: StepEvent,
}

/// The next state. Used when recording and when recovering.
///
/// # Errors
/// The event does not fit the state; the journal is damaged or misused.
pub const fn next_state(from: Option<StepState>, event: StepEvent) -> Result<StepState, IllegalTransition> {
    match (from, event) {
        (None, StepEvent::Begin) => Ok(StepState::Begun),
        (Some(StepState::Begun), StepEvent::Finish) => Ok(StepState::Done),
        (Some(StepState::Begun), StepEvent::Fail) => Ok(StepState::Failed),
        (Some(StepState::Begun), StepEvent::Lose) => Ok(StepState::Unknown),
        (Some(StepState::Unknown), StepEvent::Resolve) => Ok(StepState::Resolved),
        (from, event) => Err(IllegalTransition { from, event }),
    }
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Subject {
    /// A resource.
    Resource {
        /// Which.
        address: Address,
        /// Module of the declaring call.
        module: String,
        /// Operation of the declaring call.
        operation: String,
        /// Wish; `None` for removal.
        spec: Option<Value>,
        /// Live state before the effect.
        before: Option<Value>,
        /// Options of the declaring call, `notify` among them.
        options: Options,
    },
    /// A command that is no resource.
    Command {
        /// Host.
        host: String,
        /// What runs.
        command: Command,
        /// Digest of the command in its place in the program; a rerun matches it by this.
        key: String,
    },
}

/// An intent.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Intention {
    /// Number of the step in its run, from 1.
    pub seq: u64,
    /// Task it belongs to.
    pub task: String,
    /// What it is about.
    pub subject: Subject,
    /// When.
    pub at: Timestamp,
}

impl Intention {
    /// Can the machine be asked whether it happened?
    #[must_use]
    pub const fn guard(&self) -> Guard {
        match self.subject {
            Subject::Resource { .. } => Guard::Probe,
            Subject::Command { .. } => Guard::None,
        }
    }
    /// The address or the command line.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.subject {
            Subject::Resource { address, .. } => address.to_string(),
            Subject::Command { command, .. } => format!("command `{}`", command.line),
        }
    }
}

/// A step that began and of whose end nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenStep {
    /// The run it belongs to.
    pub run: RunId,
    /// Its intent.
    pub intention: Intention,
    /// A finished step whose result never reached the record: the state it left.
    pub finished: Option<Option<Value>>,
    /// Contents saved with the intent.
    pub captured: Vec<Blob>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_event_is_decided() {
        use StepEvent::{Begin, Fail, Finish, Lose, Resolve};
        let states = [
            None,
            Some(StepState::Begun),
            Some(StepState::Done),
            Some(StepState::Failed),
            Some(StepState::Unknown),
            Some(StepState::Resolved),
        ];
        let mut legal = 0;
        for from in states {
            for event in [Begin, Finish, Fail, Lose, Resolve] {
                if let Ok(to) = next_state(from, event) {
                    legal += 1;
                    assert_ne!(Some(to), from, "an event always moves on");
                }
            }
        }
        assert_eq!(legal, 5);
    }
}
