//! Whatever the start and whatever the wish: what is planned is what is done, and then nothing is left to do.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use sloth_core::change::Action;
use sloth_core::plan::PlanStep;
use sloth_engine::RunReport;

use crate::house::{House, things};

fn spec() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(json!({"absent": true})),
        6 => (0..3i64, 0..3i64).prop_map(|(x, fixed)| json!({"x": x, "fixed": fixed})),
        3 => (0..3i64).prop_map(|x| json!({"x": x})),
    ]
}

/// Wishes that name every attribute, as the state of a file does: a thing has no way to lose an attribute again.
fn complete() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let spec = prop_oneof![
        1 => Just(json!({"absent": true})),
        6 => (0..3i64, 0..3i64, 0..2i64).prop_map(|(x, fixed, other)| json!({"x": x, "fixed": fixed, "other": other})),
    ];
    prop::collection::btree_map("[a-f]", spec, 0..6)
}

fn state() -> impl Strategy<Value = Value> {
    (0..3i64, 0..3i64, 0..2i64).prop_map(|(x, fixed, other)| json!({"x": x, "fixed": fixed, "other": other}))
}

fn wishes() -> impl Strategy<Value = BTreeMap<String, Value>> {
    prop::collection::btree_map("[a-f]", spec(), 0..6)
}

fn performed(report: &RunReport) -> Vec<(String, Action)> {
    report.changes.iter().map(|c| (c.address.to_string(), c.change.action)).collect()
}

fn planned(report: &RunReport) -> Vec<(String, Action)> {
    let plan = report.plan.as_ref().unwrap();
    plan.steps
        .iter()
        .filter_map(|s| match s {
            PlanStep::Resource { address, change, .. } if change.action.records() => {
                Some((address.to_string(), change.action))
            }
            _ => None,
        })
        .collect()
}

fn program(wishes: &BTreeMap<String, Value>) -> sloth_testkit::program::ScriptedProgram {
    let list: Vec<(&str, Value)> = wishes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    things(&list)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn planned_equals_performed_and_the_second_plan_is_empty(
        start in prop::collection::btree_map("[a-f]", state(), 0..6),
        first in wishes(),
        outside in prop::collection::btree_map("[a-f]", prop::option::of(state()), 0..4),
        second in wishes(),
    ) {
        let house = House::new();
        for (id, state) in &start {
            house.machine.put(id, state.clone());
        }
        let before = house.machine.inventory();
        for wishes in [&first, &second] {
            let plan = house.plan(program(wishes));
            let done = house.run(program(wishes));
            prop_assert_eq!(planned(&plan), performed(&done));
            let again = house.plan(program(wishes));
            prop_assert!(again.plan.as_ref().unwrap().is_empty(), "{:?}", again.plan);
            if std::ptr::eq(wishes, &first) {
                for (id, state) in &outside {
                    match state {
                        Some(state) => house.machine.put(id, state.clone()),
                        None => drop(house.machine.take(id)),
                    }
                }
            }
        }
        if outside.is_empty() {
            let prepared = sloth_engine::goal::prepare(&house.ctx, "w", sloth_engine::goal::Goal::Nothing).unwrap();
            sloth_engine::goal::carry_out(&house.ctx, prepared, &sloth_engine::goal::CarryOut::default()).unwrap();
            prop_assert_eq!(house.machine.inventory(), before, "destroy returns to the start");
        }
    }

    #[test]
    fn every_version_can_be_returned_to(
        start in prop::collection::btree_map("[a-f]", state(), 0..4),
        versions in prop::collection::vec(complete(), 1..5),
        target in 0..5usize,
    ) {
        let house = House::new();
        for (id, state) in &start {
            house.machine.put(id, state.clone());
        }
        let mut seen = Vec::new();
        for wishes in &versions {
            let report = house.prune(program(wishes));
            if let Some(version) = report.version {
                seen.push((version, house.machine.inventory()));
            }
        }
        if let Some((version, inventory)) = seen.get(target) {
            let prepared = sloth_engine::goal::prepare(&house.ctx, "w", sloth_engine::goal::Goal::Version(*version)).unwrap();
            sloth_engine::goal::carry_out(&house.ctx, prepared, &sloth_engine::goal::CarryOut::default()).unwrap();
            prop_assert_eq!(&house.machine.inventory(), inventory);
        }
    }
}
