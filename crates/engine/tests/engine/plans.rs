//! Plans: they touch nothing, foresee their own effects, and allow exactly what they say.

use serde_json::json;
use sloth_core::body::CommandCall;
use sloth_core::command::Command;
use sloth_core::plan::{Plan, PlanError, PlanStep};
use sloth_core::run::RunStatus;
use sloth_core::value::Map;
use sloth_engine::EngineError;
use sloth_engine::run::apply;
use sloth_testkit::program::{ScriptedProgram, want};

use crate::house::{House, things};

#[test]
fn a_plan_touches_nothing_and_makes_no_stack() {
    let house = House::new();
    let report = house.plan(things(&[("a", json!({"x": 1}))]));
    assert_eq!(report.counts.created, 1);
    assert!(house.machine.applied().is_empty());
    assert!(house.ctx.store.view().unwrap().stack_list().unwrap().is_empty());
}

#[test]
fn a_later_step_sees_the_predicted_effect_of_an_earlier_one() {
    let house = House::new();
    let program = || {
        ScriptedProgram::new("w").task("t", &[], |s| {
            want(s, "a", json!({"x": 1}))?;
            let again = want(s, "a", json!({"x": 1}))?;
            assert!(!again.changed());
            Ok(Map::new())
        })
    };
    assert_eq!(house.plan(program()).counts.created, 1);
    assert_eq!(house.run(program()).counts.created, 1);
}

#[test]
fn a_saved_plan_is_performed_exactly() {
    let house = House::new();
    let wishes = [("a", json!({"x": 1})), ("b", json!({"x": 2}))];
    let plan = house.plan(things(&wishes)).plan.unwrap();
    let plan = Plan::from_text(&plan.to_text()).unwrap();
    let report = apply(&house.ctx, &mut things(&wishes), &plan).unwrap();
    assert_eq!((report.status, report.counts.created), (RunStatus::Completed, 2));
}

#[test]
fn a_tampered_plan_is_refused() {
    let house = House::new();
    let text = house.plan(things(&[("a", json!({"x": 1}))])).plan.unwrap().to_text();
    assert_eq!(Plan::from_text(&text.replace("\"x\": 1", "\"x\": 2")), Err(PlanError::Tampered));
    assert!(matches!(Plan::from_text("{}"), Err(PlanError::Unreadable(_))));
    assert!(matches!(Plan::from_text(&text.replace("plan/1", "plan/9")), Err(PlanError::Format(_))));
}

#[test]
fn a_plan_is_stale_when_what_it_touches_moved_and_only_then() {
    let house = House::new();
    let wishes = |x| vec![("a", json!({"x": x})), ("b", json!({"x": 1}))];
    house.run(things(&wishes(1)));
    let plan = house.plan(things(&wishes(2))).plan.unwrap();
    // Unrelated: `b` is not touched by the plan.
    house.machine.set("b", "x", 7);
    house.machine.set("a", "x", 5);
    let error = apply(&house.ctx, &mut things(&wishes(2)), &plan).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan is stale: thing:a has changed on the host since the plan was made; nothing was changed"
    );
    house.machine.set("a", "x", 1);
    let report = apply(&house.ctx, &mut things(&wishes(2)), &plan).unwrap();
    assert_eq!((report.counts.updated, report.counts.unchanged), (1, 1));
    assert_eq!(house.state("b"), Some(json!({"x": 7})), "what the plan does not touch is left alone");
    // The record moved: the same plan cannot be applied twice.
    let error = apply(&house.ctx, &mut things(&wishes(2)), &plan).unwrap_err();
    assert!(matches!(error, EngineError::StalePlan { ref what, .. } if what == "thing:a"), "{error}");
}

#[test]
fn a_plan_is_stale_when_the_code_changed() {
    let house = House::new();
    let plan = house.plan(things(&[("a", json!({"x": 1}))]).source("old")).plan.unwrap();
    let error = apply(&house.ctx, &mut things(&[("a", json!({"x": 1}))]).source("new"), &plan).unwrap_err();
    assert!(error.to_string().contains("w.sloth has changed since the plan was made"), "{error}");
    assert!(house.machine.applied().is_empty());
}

#[test]
fn what_is_not_in_the_plan_is_refused() {
    let house = House::new();
    let plan = house.plan(things(&[("a", json!({"x": 1}))])).plan.unwrap();
    // A program that behaves differently although its text is the same.
    let report =
        apply(&house.ctx, &mut things(&[("a", json!({"x": 1})), ("sneaky", json!({"x": 1}))]), &plan)
            .unwrap();
    assert_eq!(report.status, RunStatus::Failed);
    assert!(report.error.unwrap().contains("it is not in the plan"));
    assert!(house.state("sneaky").is_none());
}

#[test]
fn commands_are_listed_and_what_follows_them_is_uncertain() {
    let house = House::new();
    let program = || {
        ScriptedProgram::new("w").task("t", &[], |s| {
            want(s, "before", json!({"x": 1}))?;
            s.command(CommandCall { host: None, command: Command::shell("make install"), span: None })?;
            want(s, "after", json!({"x": 1})).map(|_| Map::new())
        })
    };
    let plan = house.plan(program()).plan.unwrap();
    assert!(house.machine.ran().is_empty(), "planning runs no commands");
    let maybes: Vec<Option<&str>> = plan
        .steps
        .iter()
        .map(|s| match s {
            PlanStep::Resource { maybe, .. } | PlanStep::Command { maybe, .. } => maybe.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(maybes, [None, None, Some("after `make install` ran")]);
    let report = apply(&house.ctx, &mut program(), &plan).unwrap();
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(house.machine.ran(), ["make install"]);
}

#[test]
fn reading_commands_run_while_planning() {
    let house = House::new();
    house.plan(ScriptedProgram::new("w").task("t", &[], |s| {
        let command = Command { read_only: true, ..Command::shell("uname") };
        s.command(CommandCall { host: None, command, span: None }).map(|_| Map::new())
    }));
    assert_eq!(house.machine.ran(), ["uname"]);
}
