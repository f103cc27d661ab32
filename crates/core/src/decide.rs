//! THE table. One pure function decides what happens to a resource; nothing else does.

use crate::change::{Action, Change, Reason};
use crate::desired::Desired;
use crate::diff::Diff;
use crate::observed::{ProbeError, Seen};
use crate::recorded::{Condition, Origin, Recorded};

/// What is known about one resource before deciding.
///
/// When something is desired, `seen` must have been taken against that wish. When nothing is desired, `seen` must have
/// been taken against the origin to return to if there is one (so that `seen.diff` says what restoring would change).
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What the code asks; `None` when nothing.
    pub desired: Option<&'a Desired>,
    /// What was recorded; `None` when nothing.
    pub recorded: Option<&'a Recorded>,
    /// What the look found.
    pub seen: Result<&'a Seen, &'a ProbeError>,
}

/// Decides. Pure: the same facts give the same change.
#[must_use]
pub fn decide(facts: Facts<'_>) -> Change {
    let seen = match facts.seen {
        Ok(seen) => seen,
        Err(error) => {
            return Change::new(Action::Blocked, Reason::Unreadable(error.to_string()), Diff::none());
        }
    };
    match (facts.desired, facts.recorded) {
        (Some(_), None) => first_time(seen),
        (Some(desired), Some(recorded)) => again(desired, recorded, seen),
        (None, Some(recorded)) => leaving(recorded, seen),
        (None, None) => Change::new(Action::Noop, Reason::InLine, Diff::none()),
    }
}

fn first_time(seen: &Seen) -> Change {
    if seen.diff.is_empty() {
        return Change::new(Action::Adopt, Reason::AlreadySo, Diff::none());
    }
    match seen.state {
        None => Change::new(Action::Create, Reason::New, seen.diff.clone()),
        Some(_) => Change::new(in_place_or_replace(seen), Reason::ExistedBefore, seen.diff.clone()),
    }
}

fn again(desired: &Desired, recorded: &Recorded, seen: &Seen) -> Change {
    let wish_changed = desired.spec != recorded.spec;
    let moved = !seen.since.is_empty();
    let finished = recorded.condition == Condition::Applied;
    if seen.diff.is_empty() {
        let declaration = desired.options != recorded.options || desired.operation != recorded.operation;
        return match (finished, wish_changed, moved) {
            (false, ..) => Change::new(Action::Refresh, Reason::Unfinished, Diff::none()),
            (true, true, _) => Change::new(Action::Refresh, Reason::Code, Diff::none()),
            (true, false, true) => Change::new(Action::Refresh, Reason::ExternalInLine, Diff::none()),
            (true, false, false) if declaration => {
                Change::new(Action::Refresh, Reason::Declaration, Diff::none())
            }
            (true, false, false) => Change::new(Action::Noop, Reason::InLine, Diff::none()),
        };
    }
    let reason = match (finished, wish_changed, moved) {
        (false, ..) => Reason::Unfinished,
        (true, true, true) => Reason::Both,
        (true, true, false) => Reason::Code,
        (true, false, _) => Reason::External,
    };
    Change::new(in_place_or_replace(seen), reason, seen.diff.clone())
}

/// Creation when nothing is there, deletion when nothing is wanted, replacement when an attribute is fixed.
fn in_place_or_replace(seen: &Seen) -> Action {
    if seen.state.is_none() {
        Action::Create
    } else if seen.diff.attributes().iter().any(|a| a.name == PRESENCE && a.to.is_none()) {
        Action::Delete
    } else if seen.diff.replaces() {
        Action::Replace
    } else {
        Action::Update
    }
}

/// Name of the pseudo attribute by which a type says «it is there and shall not be» (`to` is `None`).
pub const PRESENCE: &str = "presence";

fn leaving(recorded: &Recorded, seen: &Seen) -> Change {
    let gone = seen.state.is_none();
    match &recorded.origin {
        _ if recorded.options.protect && !gone => {
            Change::new(Action::Blocked, Reason::Protected, Diff::none())
        }
        _ if recorded.options.keep => Change::new(Action::Forget, Reason::Kept, Diff::none()),
        // What we removed ourselves comes back; what somebody else removed since is not resurrected.
        Origin::Present { .. } if gone && recorded.state.is_some() => {
            Change::new(Action::Forget, Reason::Gone, Diff::none())
        }
        Origin::Present { .. } if seen.diff.is_empty() => {
            Change::new(Action::Forget, Reason::Orphan, Diff::none())
        }
        Origin::Present { .. } => Change::new(Action::Restore, Reason::Orphan, seen.diff.clone()),
        Origin::Absent if gone => Change::new(Action::Forget, Reason::Gone, Diff::none()),
        Origin::Absent => Change::new(Action::Delete, Reason::Orphan, Diff::none()),
    }
}
