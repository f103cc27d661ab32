//! Going back, putting right, destroying, undoing.

use serde_json::json;
use sloth_core::body::ValueChange;
use sloth_core::change::Action;
use sloth_core::drift::DriftStatus;
use sloth_core::plan::PlanStep;
use sloth_core::run::RunStatus;
use sloth_core::stack::StackStatus;
use sloth_core::value::Value;
use sloth_core::version::Version;
use sloth_engine::EngineError;
use sloth_engine::RunReport;
use sloth_engine::drift::detect;
use sloth_engine::goal::{CarryOut, Goal, carry_out, prepare};
use sloth_engine::undo::{Undo, undo};
use sloth_engine::values::alter;
use sloth_testkit::program::thing_at;

use crate::house::{House, things};

fn go(house: &House, goal: Goal) -> RunReport {
    let prepared = prepare(&house.ctx, "w", goal).unwrap();
    carry_out(&house.ctx, prepared, &CarryOut::default()).unwrap()
}

fn three_versions(house: &House) {
    house.machine.put("theirs", json!({"x": "original"}));
    house.run(things(&[("a", json!({"x": 1})), ("theirs", json!({"x": 1})), ("gone", json!({"x": 1}))]));
    let second = [("a", json!({"x": 2})), ("theirs", json!({"x": 1})), ("gone", json!({"absent": true}))];
    house.run(things(&second));
    let mut third = second.to_vec();
    third.push(("new", json!({"x": 3})));
    house.run(things(&third));
}

#[test]
fn restore_makes_the_machine_match_and_goes_forward() {
    let house = House::new();
    house.machine.put("theirs", json!({"x": "original"}));
    house.run(things(&[("a", json!({"x": 1})), ("theirs", json!({"x": 1})), ("gone", json!({"x": 1}))]));
    let first = house.machine.inventory();
    let records: Vec<Value> = house.records("w").iter().map(sloth_core::recorded::Recorded::body).collect();
    let house2 = &house;
    house2.run(things(&[
        ("a", json!({"x": 2})),
        ("theirs", json!({"x": 1})),
        ("gone", json!({"absent": true})),
    ]));
    house2.run(things(&[
        ("a", json!({"x": 2})),
        ("theirs", json!({"x": 1})),
        ("gone", json!({"absent": true})),
        ("new", json!({"x": 3})),
    ]));
    let third = house.machine.inventory();
    let report = go(&house, Goal::Version(Version(1)));
    assert_eq!((report.status, report.version), (RunStatus::Completed, Some(Version(4))));
    assert_eq!(house.machine.inventory(), first);
    let after: Vec<Value> = house.records("w").iter().map(sloth_core::recorded::Recorded::body).collect();
    assert_eq!(after, records, "the record is the one of version 1");
    // Rolling back the rollback.
    go(&house, Goal::Version(Version(3)));
    assert_eq!(house.machine.inventory(), third);
    let stack = &house.ctx.store.view().unwrap().stack_list().unwrap()[0];
    assert_eq!((stack.status, stack.rolled_back_to), (StackStatus::RolledBack, Some(Version(3))));
    house.run(things(&[("a", json!({"x": 2}))]));
    assert!(house.notices().iter().any(|n| n.contains("taken back to v3")));
}

#[test]
fn restore_also_puts_right_what_moved_since() {
    let house = House::new();
    three_versions(&house);
    house.machine.set("a", "x", "vandalised");
    go(&house, Goal::Version(Version(2)));
    assert_eq!(house.state("a"), Some(json!({"x": 2})));
    assert_eq!(house.state("new"), None);
}

#[test]
fn nothing_is_restored_twice_and_unknown_versions_are_named() {
    let house = House::new();
    three_versions(&house);
    assert!(prepare(&house.ctx, "w", Goal::Version(Version(3))).unwrap().is_empty());
    let error = prepare(&house.ctx, "w", Goal::Version(Version(9))).err().unwrap();
    assert_eq!(error.to_string(), "stack `w` has no version v9; its newest is v3");
}

#[test]
fn state_only_changes_the_record_alone() {
    let house = House::new();
    three_versions(&house);
    house.machine.take_calls();
    let before = house.machine.inventory();
    let prepared = prepare(&house.ctx, "w", Goal::Version(Version(1))).unwrap();
    carry_out(&house.ctx, prepared, &CarryOut { state_only: true, ..CarryOut::default() }).unwrap();
    assert_eq!(house.machine.inventory(), before);
    assert_eq!(house.records("w").len(), 3);
}

#[test]
fn destroy_removes_what_we_made_and_returns_what_was_there() {
    let house = House::new();
    house.machine.put("theirs", json!({"x": "original"}));
    house.machine.put("same", json!({"x": 1}));
    house.machine.put("removed", json!({"x": "precious"}));
    let before = house.machine.inventory();
    house.run(things(&[
        ("ours", json!({"x": 1})),
        ("theirs", json!({"x": 1})),
        ("same", json!({"x": 1})),
        ("removed", json!({"absent": true})),
    ]));
    let report = go(&house, Goal::Nothing);
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(house.machine.inventory(), before);
    assert!(house.ctx.store.view().unwrap().stack_list().unwrap().is_empty(), "the record is gone too");
}

#[test]
fn a_prepared_goal_is_refused_when_something_moved_meanwhile() {
    let house = House::new();
    three_versions(&house);
    let prepared = prepare(&house.ctx, "w", Goal::Nothing).unwrap();
    house.machine.set("a", "x", "moved");
    let inventory = house.machine.inventory();
    let error = carry_out(&house.ctx, prepared, &CarryOut::default()).unwrap_err();
    assert!(matches!(error, EngineError::StalePlan { ref what, .. } if what == "thing:a"), "{error}");
    assert_eq!(house.machine.inventory(), inventory);
}

#[test]
fn drift_is_found_attribute_by_attribute_without_touching_anything() {
    let house = House::new();
    house.run(things(&[
        ("edited", json!({"x": 1, "y": 1})),
        ("gone", json!({"x": 1})),
        ("fine", json!({"x": 1})),
        ("dark", json!({"x": 1})),
    ]));
    house.machine.set("edited", "y", 2);
    house.machine.take("gone");
    house.machine.fail_probe("dark", Some("permission denied"));
    house.machine.take_calls();
    let report = detect(&house.ctx, "w").unwrap();
    assert!(house.machine.applied().is_empty());
    let status = |id: &str| report.findings.iter().find(|f| f.address == thing_at(id)).unwrap();
    assert_eq!(status("edited").status, DriftStatus::Drifted);
    assert_eq!(status("edited").diff.names(), ["y"]);
    assert_eq!(status("edited").diff.attributes()[0].from, Some(json!(2)));
    assert_eq!(status("gone").actual, None);
    assert_eq!(status("fine").status, DriftStatus::Clean);
    assert_eq!(status("dark").status, DriftStatus::Unknown);
    let stored = house.ctx.store.view().unwrap();
    let stack = stored.stack_list().unwrap()[0].id.clone();
    let kept: Vec<String> =
        stored.drift_latest(&stack).unwrap().iter().map(|f| f.address.id().to_owned()).collect();
    assert_eq!(kept, ["dark", "edited", "gone"], "what is clean is not worth a row");
}

#[test]
fn drift_fix_puts_right_only_what_was_asked() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1})), ("b", json!({"x": 1}))]));
    house.machine.set("a", "x", 2);
    house.machine.set("b", "x", 2);
    go(&house, Goal::Record { only: vec![thing_at("a")] });
    assert_eq!((house.state("a"), house.state("b")), (Some(json!({"x": 1})), Some(json!({"x": 2}))));
    go(&house, Goal::Record { only: vec![] });
    assert_eq!(house.state("b"), Some(json!({"x": 1})));
    assert_eq!(detect(&house.ctx, "w").unwrap().drifted(), 0);
}

#[test]
fn undo_takes_back_the_last_operation_and_then_the_one_before() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1}))]));
    let first = house.machine.inventory();
    house.run(things(&[("a", json!({"x": 2}))]));
    let Undo::Plan(prepared) = undo(&house.ctx, None).unwrap() else { panic!("a run is undone by a plan") };
    let touched: Vec<Action> = prepared
        .plan
        .steps
        .iter()
        .filter_map(|s| if let PlanStep::Resource { change, .. } = s { Some(change.action) } else { None })
        .collect();
    assert_eq!(touched, [Action::Update]);
    carry_out(&house.ctx, *prepared, &CarryOut::default()).unwrap();
    assert_eq!(house.machine.inventory(), first);
}

#[test]
fn a_deleted_stack_comes_back() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1}))]));
    let stack = house.ctx.store.view().unwrap().stack_list().unwrap()[0].clone();
    sloth_engine::stacks::delete(&house.ctx, &stack).unwrap();
    assert!(house.ctx.store.view().unwrap().stack_list().unwrap().is_empty());
    assert!(matches!(undo(&house.ctx, None).unwrap(), Undo::Done(_)));
    assert_eq!(house.records("w").len(), 1);
}

#[test]
fn a_value_is_as_it_was_before() {
    let house = House::new();
    let set = |value| alter(&house.ctx, "local", "k", ValueChange::Set(value, None)).unwrap();
    set(json!(1));
    set(json!("two"));
    undo(&house.ctx, None).unwrap();
    let value = |h: &House| h.ctx.store.view().unwrap().value_get("local", "k").unwrap().map(|e| e.value);
    assert_eq!(value(&house), Some(json!(1)));
    undo(&house.ctx, None).unwrap();
    assert_eq!(value(&house), None);
    assert!(matches!(undo(&house.ctx, None), Err(EngineError::NoSuchOperation(_))));
}

#[test]
fn a_forgotten_resource_stays_on_the_machine_and_can_be_remembered() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1}))]));
    let stack = house.ctx.store.view().unwrap().stack_list().unwrap()[0].clone();
    assert!(sloth_engine::stacks::forget(&house.ctx, &stack, &thing_at("a")).unwrap());
    assert!(!sloth_engine::stacks::forget(&house.ctx, &stack, &thing_at("a")).unwrap());
    assert!(house.records("w").is_empty() && house.state("a").is_some());
    let Undo::Plan(prepared) = undo(&house.ctx, None).unwrap() else {
        panic!("the record comes back by a plan")
    };
    carry_out(&house.ctx, *prepared, &CarryOut::default()).unwrap();
    assert_eq!(house.records("w").len(), 1);
}
