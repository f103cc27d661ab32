//! What moved away from the record.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::change::Reason;
use crate::clock::Timestamp;
use crate::diff::Diff;
use crate::value::Value;

/// What a detection said about one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftStatus {
    /// As recorded.
    Clean,
    /// Not as recorded.
    Drifted,
    /// Could not be read; neither drifted nor fine.
    Unknown,
    /// This type cannot be checked on a machine.
    NotCheckable,
}

/// What became of a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Still open.
    #[default]
    Pending,
    /// Put right or gone by itself.
    Resolved,
    /// Ignored on request.
    Ignored,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// Which resource.
    pub address: Address,
    /// Verdict.
    pub status: DriftStatus,
    /// Recorded state; left out when nothing differs.
    pub expected: Option<Value>,
    /// Live state; left out when nothing differs.
    pub actual: Option<Value>,
    /// What differs: `from` is live, `to` is recorded.
    pub diff: Diff,
    /// Class and cause.
    pub reason: Reason,
    /// When it was seen.
    pub detected_at: Timestamp,
    /// What became of it.
    pub resolution: Resolution,
    /// Since when it was seen like this, look after look. The store knows.
    #[serde(default)]
    pub since: Timestamp,
    /// How many looks in a row saw it like this. The store counts.
    #[serde(default)]
    pub looks: u64,
    /// Who ended it, or wants it ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

impl Finding {
    /// Something seen for the first time, of which nothing has become yet.
    #[must_use]
    pub const fn new(address: Address, status: DriftStatus, reason: Reason, at: Timestamp) -> Self {
        Self {
            address,
            status,
            expected: None,
            actual: None,
            diff: Diff::none(),
            reason,
            detected_at: at,
            resolution: Resolution::Pending,
            since: at,
            looks: 1,
            settled: None,
        }
    }
    /// Was the same seen as before? What it was seen at, and how often, does not matter.
    #[must_use]
    pub fn continues(&self, before: &Self) -> bool {
        self.address == before.address
            && self.status == before.status
            && self.status != DriftStatus::Clean
            && self.resolution == before.resolution
            && self.diff == before.diff
    }
    /// Is it over?
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.resolution == Resolution::Resolved
    }
}

/// Who made an end of a finding.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settled {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they did: the verb of the operation. `drift detect` means that a look found it gone.
    pub with: String,
}

/// A time during which a resource was not as recorded, or could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// What the last look of it said.
    pub last: Finding,
    /// When it was seen first.
    pub since: Timestamp,
    /// How many looks saw it.
    pub looks: u64,
    /// Everything that differed in it, each attribute once, in the order it was seen.
    pub fields: Vec<String>,
    /// Did something differ, or could it just not be read?
    pub drifted: bool,
}

/// What was found of one resource over time.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftHistory {
    /// Which resource.
    pub address: Address,
    /// Oldest first, never empty.
    pub episodes: Vec<Episode>,
}

impl DriftHistory {
    /// Sorts findings by resource and puts together what belongs together. They are given oldest first.
    #[must_use]
    pub fn of(findings: Vec<Finding>) -> Vec<Self> {
        let mut all: BTreeMap<Address, Vec<Episode>> = BTreeMap::new();
        for finding in findings.into_iter().filter(|f| f.status != DriftStatus::Clean) {
            let episodes = all.entry(finding.address.clone()).or_default();
            match episodes.last_mut() {
                Some(open) if open.goes_on_with(&finding) => open.add(finding),
                _ => episodes.push(Episode::starting(finding)),
            }
        }
        all.into_iter().map(|(address, episodes)| Self { address, episodes }).collect()
    }
    /// How often it drifted after it had been resolved. More than nothing is flapping.
    #[must_use]
    pub fn returns(&self) -> usize {
        self.episodes.iter().filter(|e| e.drifted).count().saturating_sub(1)
    }
}

impl Episode {
    fn starting(finding: Finding) -> Self {
        Self {
            since: finding.since,
            looks: finding.looks,
            fields: finding.diff.names(),
            drifted: finding.status == DriftStatus::Drifted,
            last: finding,
        }
    }
    /// Findings of one time end together; what was found after the end is another time.
    fn goes_on_with(&self, next: &Finding) -> bool {
        !self.last.is_resolved() || self.last.settled == next.settled
    }
    fn add(&mut self, next: Finding) {
        self.looks += next.looks;
        self.drifted |= next.status == DriftStatus::Drifted;
        for name in next.diff.names() {
            if !self.fields.contains(&name) {
                self.fields.push(name);
            }
        }
        self.last = next;
    }
}

/// Something of a stack that people know is not as recorded, and do not want to hear of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DriftIgnore {
    /// Which resource.
    pub address: Address,
    /// Which of its attributes; `None` is the whole resource.
    pub attribute: Option<String>,
    /// Why, in somebody's words.
    pub reason: String,
    /// Who wanted it.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when; `None` is until it is taken back.
    pub until: Option<Timestamp>,
}

impl DriftIgnore {
    /// Does it still count?
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, at: i64, status: DriftStatus, end: Option<i64>) -> Finding {
        let address = Address::local("file", name);
        let mut finding = Finding::new(address, status, Reason::External, Timestamp::from_nanos(at));
        finding.diff.compare(if at % 2 == 0 { "mode" } else { "content" }, None, Some(Value::from(at)));
        if let Some(end) = end {
            finding.resolution = Resolution::Resolved;
            let at = Timestamp::from_nanos(end);
            finding.settled = Some(Settled { by: "ann".to_owned(), at, with: "drift fix".to_owned() });
        }
        finding
    }

    #[test]
    fn what_ended_together_was_one_time_and_what_came_after_is_another() {
        use DriftStatus::{Clean, Drifted, Unknown};
        let all = DriftHistory::of(vec![
            seen("b", 1, Drifted, Some(3)),
            seen("a", 1, Unknown, Some(2)),
            seen("b", 2, Drifted, Some(3)),
            seen("b", 4, Clean, None),
            seen("b", 5, Drifted, Some(6)),
            seen("b", 7, Drifted, None),
            seen("b", 8, Unknown, None),
            seen("a", 9, Drifted, None),
        ]);
        assert_eq!(all.iter().map(|h| h.address.id()).collect::<Vec<_>>(), ["a", "b"]);
        let [a, b] = &all[..] else { panic!("{all:?}") };
        assert_eq!((a.episodes.len(), a.returns()), (2, 0), "what could not be read did not drift");
        assert_eq!((b.episodes.len(), b.returns()), (3, 2));
        let first = &b.episodes[0];
        assert_eq!((first.since.as_nanos(), first.last.detected_at.as_nanos(), first.looks), (1, 2, 2));
        assert_eq!(first.fields, ["content", "mode"]);
        let last = &b.episodes[2];
        assert_eq!((last.last.status, last.drifted, last.last.is_resolved()), (Unknown, true, false));
    }
}
