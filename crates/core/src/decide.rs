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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::change::Action as A;
    use crate::clock::Timestamp;
    use crate::desired::Options;
    use crate::diff::AttributeDiff;
    use crate::value::Value;
    use serde_json::json;

    fn wish(spec: Value) -> Desired {
        Desired {
            address: Address::local("thing", "t"),
            module: "m".into(),
            operation: "o".into(),
            spec,
            blobs: vec![],
            options: Options::default(),
            span: None,
        }
    }
    fn record(spec: Value, state: Option<Value>, origin: Origin) -> Recorded {
        Recorded {
            address: Address::local("thing", "t"),
            module: "m".into(),
            operation: "o".into(),
            spec,
            state,
            origin,
            condition: Condition::Applied,
            error: None,
            options: Options::default(),
            task: "t".into(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }
    fn diff(names: &[&str]) -> Diff {
        let mut diff = Diff::none();
        for name in names {
            diff.compare(name, Some(json!("is")), Some(json!("wanted")));
        }
        diff
    }
    fn seen(state: Option<Value>, wish: &[&str], since: &[&str]) -> Seen {
        Seen { state, diff: diff(wish), since: diff(since) }
    }
    fn there() -> Option<Value> {
        Some(json!({"a": 1}))
    }
    fn check(desired: Option<&Desired>, recorded: Option<&Recorded>, seen: &Seen, action: A, reason: Reason) {
        let change = decide(Facts { desired, recorded, seen: Ok(seen) });
        assert_eq!((change.action, change.reason), (action, reason));
    }
    fn ours() -> Recorded {
        record(json!({"a": 1}), there(), Origin::Absent)
    }
    fn theirs() -> Recorded {
        record(json!({"a": 1}), there(), Origin::Present { state: json!({"a": 0}) })
    }

    #[test]
    fn wished_unrecorded_absent_is_created() {
        check(Some(&wish(json!(1))), None, &seen(None, &["a"], &[]), A::Create, Reason::New);
    }
    #[test]
    fn wished_unrecorded_equal_is_adopted() {
        check(Some(&wish(json!(1))), None, &seen(there(), &[], &[]), A::Adopt, Reason::AlreadySo);
    }
    #[test]
    fn wished_unrecorded_different_existed_before_us() {
        check(Some(&wish(json!(1))), None, &seen(there(), &["a"], &[]), A::Update, Reason::ExistedBefore);
    }
    #[test]
    fn wished_recorded_absent_is_created_again() {
        let facts = seen(None, &["a"], &["a"]);
        check(Some(&wish(json!({"a": 1}))), Some(&ours()), &facts, A::Create, Reason::External);
    }
    #[test]
    fn wished_recorded_equal_to_both_is_nothing() {
        check(Some(&wish(json!({"a": 1}))), Some(&ours()), &seen(there(), &[], &[]), A::Noop, Reason::InLine);
    }
    #[test]
    fn wished_recorded_equal_to_the_wish_only_refreshes_the_record() {
        let facts = seen(there(), &[], &["a"]);
        check(Some(&wish(json!({"a": 1}))), Some(&ours()), &facts, A::Refresh, Reason::ExternalInLine);
    }
    #[test]
    fn wished_recorded_different_with_the_old_wish_is_external() {
        let facts = seen(there(), &["a"], &["a"]);
        check(Some(&wish(json!({"a": 1}))), Some(&ours()), &facts, A::Update, Reason::External);
    }
    #[test]
    fn wished_recorded_as_left_with_a_new_wish_is_code() {
        check(
            Some(&wish(json!({"a": 2}))),
            Some(&ours()),
            &seen(there(), &["a"], &[]),
            A::Update,
            Reason::Code,
        );
    }
    #[test]
    fn wished_recorded_different_from_both_is_both() {
        let facts = seen(there(), &["a"], &["a"]);
        check(Some(&wish(json!({"a": 2}))), Some(&ours()), &facts, A::Update, Reason::Both);
    }
    #[test]
    fn a_fixed_attribute_is_replaced() {
        let mut facts = seen(there(), &[], &[]);
        facts.diff.push(AttributeDiff {
            name: "kind".into(),
            from: None,
            to: None,
            text: None,
            replaces: true,
            secret: false,
        });
        check(Some(&wish(json!({"a": 2}))), Some(&ours()), &facts, A::Replace, Reason::Code);
    }
    #[test]
    fn unwished_and_ours_is_deleted() {
        check(None, Some(&ours()), &seen(there(), &[], &[]), A::Delete, Reason::Orphan);
    }
    #[test]
    fn unwished_that_existed_before_is_put_back() {
        check(None, Some(&theirs()), &seen(there(), &["a"], &[]), A::Restore, Reason::Orphan);
        check(None, Some(&theirs()), &seen(there(), &[], &[]), A::Forget, Reason::Orphan);
    }
    #[test]
    fn unwished_that_we_had_removed_comes_back() {
        let removed = record(json!({"absent": true}), None, Origin::Present { state: json!({"a": 0}) });
        check(None, Some(&removed), &seen(None, &["a"], &[]), A::Restore, Reason::Orphan);
    }
    #[test]
    fn unwished_and_protected_is_blocked() {
        let mut protected = ours();
        protected.options.protect = true;
        check(None, Some(&protected), &seen(there(), &[], &[]), A::Blocked, Reason::Protected);
        check(None, Some(&protected), &seen(None, &[], &[]), A::Forget, Reason::Gone);
    }
    #[test]
    fn unwished_and_kept_is_forgotten() {
        let mut kept = ours();
        kept.options.keep = true;
        check(None, Some(&kept), &seen(there(), &[], &[]), A::Forget, Reason::Kept);
    }
    #[test]
    fn unwished_and_absent_is_forgotten() {
        check(None, Some(&ours()), &seen(None, &[], &[]), A::Forget, Reason::Gone);
        check(None, Some(&theirs()), &seen(None, &["a"], &[]), A::Forget, Reason::Gone);
    }
    #[test]
    fn what_cannot_be_read_is_blocked_whatever_else_is_known() {
        let error = ProbeError::new("/x", "permission denied");
        let desired = wish(json!(1));
        let recorded = ours();
        for (d, r) in
            [(Some(&desired), None), (Some(&desired), Some(&recorded)), (None, Some(&recorded)), (None, None)]
        {
            let change = decide(Facts { desired: d, recorded: r, seen: Err(&error) });
            assert_eq!(change.action, A::Blocked);
            assert_eq!(change.reason, Reason::Unreadable("cannot read /x: permission denied".into()));
        }
    }
    #[test]
    fn a_wish_for_absence_deletes() {
        let mut facts = seen(there(), &[], &[]);
        facts.diff.push(AttributeDiff {
            name: PRESENCE.into(),
            from: Some(json!(true)),
            to: None,
            text: None,
            replaces: false,
            secret: false,
        });
        check(Some(&wish(json!({"kind": "absent"}))), None, &facts, A::Delete, Reason::ExistedBefore);
    }
    #[test]
    fn an_unfinished_attempt_is_never_taken_for_done() {
        let mut failed = ours();
        failed.condition = Condition::Failed;
        check(
            Some(&wish(json!({"a": 1}))),
            Some(&failed),
            &seen(there(), &[], &[]),
            A::Refresh,
            Reason::Unfinished,
        );
        check(
            Some(&wish(json!({"a": 1}))),
            Some(&failed),
            &seen(there(), &["a"], &[]),
            A::Update,
            Reason::Unfinished,
        );
    }
    #[test]
    fn a_changed_declaration_is_recorded_and_touches_nothing() {
        let mut desired = wish(json!({"a": 1}));
        desired.options.protect = true;
        check(Some(&desired), Some(&ours()), &seen(there(), &[], &[]), A::Refresh, Reason::Declaration);
    }
}
