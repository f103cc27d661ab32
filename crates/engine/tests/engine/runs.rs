//! Running: idempotence, failures, orphans, handlers, scopes, commands, registered resources.

use serde_json::json;
use sloth_core::body::{CommandCall, CommandOutcome, Registered, Registration};
use sloth_core::change::Action;
use sloth_core::command::Command;
use sloth_core::desired::Options;
use sloth_core::recorded::{Condition, Origin};
use sloth_core::run::RunStatus;
use sloth_core::value::Map;
use sloth_core::version::Version;
use sloth_core::workflow::OnFailure;
use sloth_engine::report::TaskStatus;
use sloth_engine::run::RunRequest;
use sloth_engine::scope::ScopeRequest;
use sloth_testkit::program::{ScriptedProgram, thing_at, thing_with, want};

use crate::house::{House, things};

#[test]
fn the_first_run_creates_and_the_second_changes_nothing() {
    let house = House::new();
    let wishes = [("a", json!({"x": 1})), ("b", json!({"x": 2}))];
    let first = house.run(things(&wishes));
    assert_eq!((first.counts.created, first.counts.unchanged), (2, 0));
    assert_eq!(first.version, Some(Version(1)));
    let second = house.run(things(&wishes));
    assert_eq!((second.counts.changed(), second.counts.unchanged), (0, 2));
    assert_eq!(second.version, None, "a run without change makes no version");
    assert_eq!(house.machine.applied(), ["thing:a", "thing:b"]);
}

#[test]
fn what_changed_outside_is_put_right_whatever_the_record_says() {
    let house = House::new();
    let wishes = [("a", json!({"x": 1})), ("b", json!({"x": 2})), ("c", json!({"x": 3}))];
    house.run(things(&wishes));
    house.machine.set("a", "x", 9);
    house.machine.take("b");
    let report = house.run(things(&wishes));
    assert_eq!((report.counts.updated, report.counts.created, report.counts.unchanged), (1, 1, 1));
    assert_eq!(house.state("a"), Some(json!({"x": 1})));
    assert_eq!(house.state("b"), Some(json!({"x": 2})));
}

#[test]
fn unmentioned_attributes_do_not_matter() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1}))]));
    house.machine.set("a", "owner", "somebody");
    assert_eq!(house.run(things(&[("a", json!({"x": 1}))])).counts.unchanged, 1);
}

#[test]
fn what_was_there_before_is_remembered_and_adopted_things_are_not_touched() {
    let house = House::new();
    house.machine.put("same", json!({"x": 1}));
    house.machine.put("other", json!({"x": 7}));
    let report = house.run(things(&[("same", json!({"x": 1})), ("other", json!({"x": 2}))]));
    assert_eq!((report.counts.recorded, report.counts.updated), (1, 1));
    assert_eq!(house.machine.applied(), ["thing:other"]);
    let records = house.records("w");
    assert_eq!(records[0].origin, Origin::Present { state: json!({"x": 7}) });
    assert_eq!(records[1].origin, Origin::Present { state: json!({"x": 1}) });
}

#[test]
fn a_failure_skips_dependents_only() {
    let house = House::new();
    house.machine.fail_apply("bad", "the disk is on fire");
    let report = house.run(
        ScriptedProgram::new("w")
            .task("first", &[], |s| want(s, "bad", json!({"x": 1})).map(|_| Map::new()))
            .task("second", &["first"], |s| want(s, "never", json!({"x": 1})).map(|_| Map::new()))
            .task("third", &["second"], |s| want(s, "nor", json!({"x": 1})).map(|_| Map::new()))
            .task("other", &[], |s| want(s, "good", json!({"x": 1})).map(|_| Map::new())),
    );
    assert_eq!(report.status, RunStatus::Failed);
    let by_name = |n: &str| report.tasks.iter().find(|t| t.name == n).unwrap();
    assert_eq!(by_name("first").status, TaskStatus::Failed);
    assert_eq!(by_name("second").status, TaskStatus::Skipped);
    assert_eq!(by_name("third").message.as_deref(), Some("`second` was skipped"));
    assert_eq!(by_name("other").status, TaskStatus::Changed);
    assert!(report.error.unwrap().contains("the disk is on fire"));
    assert_eq!(house.state("never"), None);
    assert_eq!(house.records("w").len(), 1, "what failed without a trace is not recorded");
}

#[test]
fn a_failed_attempt_that_left_something_is_never_taken_for_done() {
    let house = House::new();
    let error = sloth_core::machine::ApplyError::failed("writing", "half way");
    house.machine.fail_apply_with("a", error, Some(json!({"x": 0})));
    house.run(things(&[("a", json!({"x": 1}))]));
    let record = &house.records("w")[0];
    assert_eq!((record.condition, record.state.clone()), (Condition::Failed, Some(json!({"x": 0}))));
    assert_eq!(record.origin, Origin::Absent);
    let report = house.run(things(&[("a", json!({"x": 1}))]));
    assert_eq!(report.counts.updated, 1);
    assert_eq!(house.records("w")[0].condition, Condition::Applied);
}

#[test]
fn orphans_are_shown_and_removed_only_on_request_in_reverse() {
    let house = House::new();
    house.machine.put("theirs", json!({"x": 5}));
    let needs = Options { depends_on: vec!["thing:a".into()], ..Options::default() };
    let all = || {
        let needs = needs.clone();
        ScriptedProgram::new("w").task("t", &[], move |s| {
            want(s, "a", json!({"x": 1}))?;
            s.resource(thing_with("b", json!({"x": 2}), needs.clone()))?;
            want(s, "theirs", json!({"x": 3}))?;
            want(s, "stays", json!({"x": 4})).map(|_| Map::new())
        })
    };
    house.run(all());
    let few = [("stays", json!({"x": 4}))];
    let report = house.run(things(&few));
    assert_eq!(report.orphans.len(), 3);
    assert_eq!(report.counts.changed(), 0);
    house.machine.take_calls();
    let report = house.prune(things(&few));
    assert_eq!((report.counts.deleted, report.counts.updated), (2, 1));
    assert_eq!(house.state("theirs"), Some(json!({"x": 5})), "what was there before comes back");
    assert_eq!(house.state("a"), None);
    let order = house.machine.applied();
    let at = |name: &str| order.iter().rposition(|n| n == name).unwrap();
    assert!(at("thing:b") < at("thing:a"), "dependents go first: {order:?}");
    assert_eq!(house.records("w").len(), 1);
}

#[test]
fn protected_and_kept_orphans_stay() {
    let house = House::new();
    let protect = Options { protect: true, ..Options::default() };
    let keep = Options { keep: true, ..Options::default() };
    house.run(ScriptedProgram::new("w").task("t", &[], move |s| {
        s.resource(thing_with("protected", json!({"x": 1}), protect.clone()))?;
        s.resource(thing_with("kept", json!({"x": 1}), keep.clone())).map(|_| Map::new())
    }));
    let report = house.prune(things(&[]));
    assert_eq!(report.status, RunStatus::Failed);
    assert!(house.state("protected").is_some() && house.state("kept").is_some());
    assert_eq!(house.records("w").len(), 1, "the kept one is forgotten");
}

#[test]
fn a_partial_run_never_prunes() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1})), ("b", json!({"x": 1}))]));
    let request = RunRequest {
        prune: Some(true),
        scope: ScopeRequest { targets: vec![thing_at("a")], ..ScopeRequest::default() },
        ..RunRequest::default()
    };
    let report = house.try_run(things(&[("a", json!({"x": 2})), ("c", json!({"x": 1}))]), &request).unwrap();
    assert_eq!((report.counts.updated, report.counts.created, report.counts.deleted), (1, 0, 0));
    assert!(house.state("b").is_some() && house.state("c").is_none());
}

#[test]
fn a_task_is_run_with_what_it_needs_and_nothing_else() {
    let house = House::new();
    let program = || {
        ScriptedProgram::new("w")
            .task("a", &[], |s| want(s, "a", json!({"x": 1})).map(|_| Map::new()))
            .task("b", &["a"], |s| want(s, "b", json!({"x": 1})).map(|_| Map::new()))
            .task("c", &[], |s| want(s, "c", json!({"x": 1})).map(|_| Map::new()))
            .tag("web")
    };
    let scope = ScopeRequest { tasks: vec!["b".into()], ..ScopeRequest::default() };
    house.try_run(program(), &RunRequest { scope, ..RunRequest::default() }).unwrap();
    assert!(house.state("a").is_some() && house.state("b").is_some() && house.state("c").is_none());
    let scope = ScopeRequest { tags: vec!["web".into()], ..ScopeRequest::default() };
    let report = house.try_run(program(), &RunRequest { scope, ..RunRequest::default() }).unwrap();
    assert_eq!(report.task_counts.total, 1);
    let scope = ScopeRequest { tasks: vec!["bb".into()], ..ScopeRequest::default() };
    let error = house.try_run(program(), &RunRequest { scope, ..RunRequest::default() }).unwrap_err();
    assert_eq!(error.to_string(), "the workflow has no task `bb`");
}

#[test]
fn handlers_run_once_and_survive_a_failed_run() {
    let house = House::new();
    let program = |value: i32| {
        let notify = Options { notify: vec!["restart".into()], ..Options::default() };
        ScriptedProgram::new("w")
            .task("a", &[], move |s| {
                s.resource(thing_with("conf", json!({"x": value}), notify.clone()))?;
                s.resource(thing_with("conf2", json!({"x": value}), notify.clone())).map(|_| Map::new())
            })
            .task("b", &["a"], |s| want(s, "later", json!({"x": 1})).map(|_| Map::new()))
            .handler("restart", |s| {
                let call = CommandCall { host: None, command: Command::shell("restart it"), span: None };
                s.command(call).map(|_| Map::new())
            })
    };
    house.machine.fail_apply("later", "no");
    let report = house.run(program(1));
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(
        (report.handlers.len(), report.handlers_pending.as_slice()),
        (0, ["restart".to_owned()].as_slice())
    );
    let report = house.run(program(1));
    assert_eq!(report.handlers, ["restart"], "nothing changed, but the handler was still due");
    let report = house.run(program(1));
    assert!(report.handlers.is_empty());
    assert_eq!(house.machine.ran(), ["restart it"]);
}

#[test]
fn one_resource_has_one_wish_per_run() {
    let house = House::new();
    let report = house.run(things(&[("a", json!({"x": 1})), ("a", json!({"x": 2}))]));
    assert!(report.error.unwrap().contains("declared twice with different wishes"));
    let report = house.run(things(&[("a", json!({"x": 1})), ("a", json!({"x": 1}))]));
    assert_eq!(report.status, RunStatus::Completed);
}

#[test]
fn a_resource_belongs_to_one_stack() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1}))]));
    let other = |take_over| {
        let options = Options { take_over, ..Options::default() };
        ScriptedProgram::new("other").task("t", &[], move |s| {
            s.resource(thing_with("a", json!({"x": 2}), options.clone())).map(|_| Map::new())
        })
    };
    let report = house.run(other(false));
    assert!(report.error.unwrap().contains("belongs to stack `w`"));
    assert_eq!(house.state("a"), Some(json!({"x": 1})));
    assert_eq!(house.run(other(true)).status, RunStatus::Completed);
    assert_eq!((house.records("w").len(), house.records("other").len()), (0, 1));
    assert_eq!(
        house.records("other")[0].origin,
        Origin::Absent,
        "what the first stack created is still ours to delete"
    );
}

#[test]
fn on_failure_rollback_puts_back_what_the_run_changed() {
    let house = House::new();
    house.run(things(&[("kept", json!({"x": 1})), ("changed", json!({"x": 1}))]));
    house.machine.put("theirs", json!({"x": 1}));
    let before = house.machine.inventory();
    let records = house.records("w");
    let program = |name: &'static str| {
        ScriptedProgram::new("w").config(|c| c.on_failure = OnFailure::Rollback).task("t", &[], move |s| {
            want(s, "new", json!({"x": 1}))?;
            want(s, "changed", json!({"x": 2}))?;
            want(s, "theirs", json!({"x": 2}))?;
            want(s, name, json!({"x": 2})).map(|_| Map::new())
        })
    };
    house.machine.fail_apply("bad", "no");
    let report = house.run(program("bad"));
    assert_eq!(report.status, RunStatus::RolledBack);
    assert_eq!(
        report.undone.iter().map(|u| u.address.id().to_owned()).collect::<Vec<_>>(),
        ["theirs", "changed", "new"]
    );
    assert_eq!(house.machine.inventory(), before);
    let after: Vec<_> = house.records("w").iter().map(sloth_core::recorded::Recorded::body).collect();
    assert_eq!(after, records.iter().map(sloth_core::recorded::Recorded::body).collect::<Vec<_>>());
}

#[test]
fn an_undo_step_that_fails_is_stuck_and_not_hidden() {
    let house = House::new();
    house.machine.fail_apply("bad", "no");
    let program =
        ScriptedProgram::new("w").config(|c| c.on_failure = OnFailure::Rollback).task("t", &[], |s| {
            want(s, "a", json!({"x": 1}))?;
            want(s, "b", json!({"x": 1}))?;
            want(s, "bad", json!({"x": 2})).map(|_| Map::new())
        });
    let machine = house.machine.clone();
    house.machine.on_apply(move |_, step| {
        let removing = step.spec.is_none() && step.id == "b";
        let _ = &machine;
        if removing { Err(sloth_core::machine::ApplyError::failed("removing", "busy")) } else { Ok(()) }
    });
    let report = house.run(program);
    assert!(report.needs_person);
    assert!(report.undone[0].stuck.as_deref().unwrap().contains("busy"));
    assert_eq!(report.undone[1].stuck, None, "the rest goes on");
    assert_eq!((house.state("a"), house.state("b")), (None, Some(json!({"x": 1}))));
    assert_eq!(house.records("w").len(), 1, "what is stuck stays recorded");
}

#[test]
fn registered_resources_are_created_changed_and_unchanged() {
    let house = House::new();
    let register = |version: &'static str, applied| {
        ScriptedProgram::new("w").task("t", &[], move |s| {
            let (verdict, _) = s.register(Registration {
                kind: "package".into(),
                name: "nginx".into(),
                module: "pkg".into(),
                properties: json!({"version": version}),
                dependencies: vec![],
                applied,
                options: Options::default(),
            })?;
            let word = match verdict {
                Registered::Created => "created",
                Registered::Changed => "changed",
                Registered::Unchanged => "unchanged",
            };
            Ok(Map::from_iter([("verdict".to_owned(), json!(word))]))
        })
    };
    let verdict = |program| {
        let report = house.run(program);
        assert_eq!(report.status, RunStatus::Completed);
        (report.counts.created, report.counts.updated, report.counts.unchanged)
    };
    assert_eq!(verdict(register("1.18", true)), (1, 0, 0));
    assert_eq!(verdict(register("1.18", true)), (0, 0, 1));
    assert_eq!(verdict(register("1.20", true)), (0, 1, 0));
    assert_eq!(verdict(register("1.20", false)), (0, 0, 1));
    // Pending, because nobody said that it was applied.
    assert_eq!(verdict(register("1.21", false)), (0, 1, 0));
    assert_eq!(
        verdict(register("1.21", false)),
        (0, 1, 0),
        "a resource that was never applied is not unchanged"
    );
}

#[test]
fn commands_run_each_time_and_are_no_change_of_the_record() {
    let house = House::new();
    let program = || {
        ScriptedProgram::new("w").task("t", &[], |s| {
            let call = CommandCall { host: None, command: Command::shell("date"), span: None };
            assert!(matches!(s.command(call)?, CommandOutcome::Ran(_)));
            Ok(Map::new())
        })
    };
    for _ in 0..2 {
        let report = house.run(program());
        assert_eq!((report.counts.commands, report.version), (1, None));
    }
    assert_eq!(house.machine.ran().len(), 2);
}

#[test]
fn an_unreadable_resource_blocks_and_is_not_touched() {
    let house = House::new();
    house.machine.fail_probe("a", Some("permission denied"));
    let report = house.run(things(&[("a", json!({"x": 1}))]));
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(report.changes[0].change.action, Action::Blocked);
    assert!(house.machine.applied().is_empty());
}

#[test]
fn a_stop_begins_nothing_new_and_records_what_was_done() {
    let house = House::new();
    let stop = house.ctx.stop.clone();
    let report = house.run(ScriptedProgram::new("w").task("t", &[], move |s| {
        want(s, "a", json!({"x": 1}))?;
        stop.ask();
        want(s, "b", json!({"x": 1})).map(|_| Map::new())
    }));
    assert_eq!(report.status, RunStatus::Interrupted);
    assert!(house.state("b").is_none());
    assert_eq!(house.records("w").len(), 1);
}

#[test]
fn the_time_of_a_workflow_ends_and_nothing_new_begins() {
    let house = House::new();
    let clock = house.clock.clone();
    let report = house.run(
        ScriptedProgram::new("w")
            .config(|c| c.timeout = Some(std::time::Duration::from_secs(60)))
            .task("slow", &[], move |s| {
                clock.advance(std::time::Duration::from_secs(61));
                want(s, "a", json!({"x": 1})).map(|_| Map::new())
            })
            .task("late", &[], |s| want(s, "b", json!({"x": 1})).map(|_| Map::new())),
    );
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(report.error.as_deref(), Some("the workflow's timeout is over"));
    assert!(house.state("a").is_some() && house.state("b").is_none());
}

#[test]
fn drift_is_told_before_it_is_put_right_when_asked() {
    let house = House::new();
    let program = || {
        ScriptedProgram::new("w")
            .config(|c| c.detect_drift = true)
            .task("t", &[], |s| want(s, "a", json!({"x": 1})).map(|_| Map::new()))
    };
    house.run(program());
    assert!(house.notices().is_empty());
    house.machine.set("a", "x", 2);
    house.run(program());
    assert_eq!(house.notices(), ["changed outside since the last run: thing:a (x)"]);
}

#[test]
fn an_unknown_host_is_refused_before_anything_begins() {
    let house = House::new();
    let program = ScriptedProgram::new("w")
        .task("t", &[], |s| want(s, "a", json!({"x": 1})).map(|_| Map::new()))
        .on("web1");
    let error = house.try_run(program, &RunRequest::default()).unwrap_err();
    assert_eq!(error.to_string(), "task `t` (w.sloth:1) is delegated to host `web1`, which is not known");
    assert!(house.machine.applied().is_empty());
}
