//! The program dies in the middle of a step (a panic in the effect stands for it): the next run settles what it left.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use sloth_core::body::CommandCall;
use sloth_core::clock::Timestamp;
use sloth_core::command::Command;
use sloth_core::desired::Options;
use sloth_core::id::RunId;
use sloth_core::run::RunStatus;
use sloth_core::stack::Stack;
use sloth_core::store::Wait;
use sloth_core::value::Map;
use sloth_engine::run::{Decision, RunRequest, open_steps, settle_step};
use sloth_engine::scope::ScopeRequest;

use sloth_testkit::program::{ScriptedProgram, thing_with, want};

use crate::house::{House, things};

/// Runs and dies at the n-th moment of the machine.
fn die_at(house: &House, at: usize, program: ScriptedProgram) -> bool {
    let passed = Arc::new(AtomicUsize::new(0));
    house.machine.on_apply(move |_, _| {
        assert!(passed.fetch_add(1, Ordering::SeqCst) + 1 != at, "died");
        Ok(())
    });
    let died = catch_unwind(AssertUnwindSafe(|| house.run(program))).is_err();
    house.machine.on_apply(|_, _| Ok(()));
    died
}

#[test]
fn dying_at_any_moment_converges_and_forgets_nothing() {
    let wishes = || {
        let notify = Options { notify: vec!["h".into()], ..Options::default() };
        ScriptedProgram::new("w")
            .task("one", &[], move |s| {
                want(s, "new", json!({"x": 1}))?;
                s.resource(thing_with("theirs", json!({"x": 1}), notify.clone()))?;
                want(s, "removed", json!({"absent": true})).map(|_| Map::new())
            })
            .task("two", &["one"], |s| {
                want(s, "fixed", json!({"fixed": 2}))?;
                want(s, "last", json!({"x": 1})).map(|_| Map::new())
            })
            .handler("h", |_| Ok(Map::new()))
    };
    let prepare = || {
        let house = House::new();
        house.machine.put("theirs", json!({"x": "original"}));
        house.machine.put("removed", json!({"x": "precious"}));
        house.machine.put("fixed", json!({"fixed": 1}));
        house
    };
    let smooth = prepare();
    let before = smooth.machine.inventory();
    smooth.run(wishes());
    let wanted = smooth.machine.inventory();
    let mut deaths = 0;
    for at in 1..100 {
        let house = prepare();
        if !die_at(&house, at, wishes()) {
            break;
        }
        deaths += 1;
        let report = house.run(wishes());
        assert_eq!(report.status, RunStatus::Completed, "death {at}");
        assert_eq!(house.machine.inventory(), wanted, "death {at}");
        assert_eq!(house.run(wishes()).counts.changed(), 0, "death {at}: a third run");
        assert!(
            open_steps(&house.ctx, &house.ctx.store.view().unwrap().stack_list().unwrap()[0])
                .unwrap()
                .is_empty()
        );
        let pending = house.ctx.store.view().unwrap();
        let stack = pending.stack_list().unwrap()[0].id.clone();
        assert!(pending.handler_list(&stack).unwrap().is_empty(), "death {at}: the handler ran");
        drop(pending);
        let prepared =
            sloth_engine::goal::prepare(&house.ctx, "w", sloth_engine::goal::Goal::Nothing).unwrap();
        sloth_engine::goal::carry_out(&house.ctx, prepared, &sloth_engine::goal::CarryOut::default())
            .unwrap();
        assert_eq!(house.machine.inventory(), before, "death {at}: what was there before is lost");
    }
    assert!(deaths >= 10, "only {deaths} moments");
}

fn with_command(dies: bool) -> ScriptedProgram {
    ScriptedProgram::new("w").task("t", &[], move |s| {
        s.command(CommandCall { host: None, command: Command::shell("send mail"), span: None })?;
        assert!(!dies, "died");
        want(s, "after", json!({"x": 1})).map(|_| Map::new())
    })
}

#[test]
fn a_command_that_ended_is_not_run_again_after_a_crash() {
    let house = House::new();
    catch_unwind(AssertUnwindSafe(|| house.run(with_command(true)))).unwrap_err();
    let report = house.run(with_command(false));
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(house.machine.ran(), ["send mail"]);
    house.run(with_command(false));
    assert_eq!(house.machine.ran().len(), 2, "a further run is a new one");
}

#[test]
fn a_command_nobody_knows_about_waits_for_a_person() {
    for (decision, runs) in [(Decision::Adopt, 0), (Decision::Redo, 1), (Decision::Forget, 1)] {
        let house = House::new();
        house.machine.on_command_hook(|| panic!("died"));
        catch_unwind(AssertUnwindSafe(|| house.run(with_command(false)))).unwrap_err();
        house.machine.on_command_hook(|| ());
        let ran = house.machine.ran().len();
        for _ in 0..2 {
            let report = house.run(with_command(false));
            assert_eq!(report.status, RunStatus::Failed);
            assert!(report.needs_person);
            assert!(report.error.unwrap().contains("nobody knows whether it ended"));
        }
        assert_eq!(house.machine.ran().len(), ran, "it was not run again by itself");
        let stack = house.ctx.store.view().unwrap().stack_list().unwrap()[0].clone();
        let open = open_steps(&house.ctx, &stack).unwrap();
        assert_eq!(open.len(), 1);
        settle_step(&house.ctx, &stack, &open[0].id, decision).unwrap();
        assert_eq!(house.run(with_command(false)).status, RunStatus::Completed);
        assert_eq!(house.machine.ran().len(), ran + runs, "{decision:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_makes_no_run_forgotten() {
    let house = House::new();
    house.run(with_command(false));
    house.clock.set_back(std::time::Duration::from_secs(3600));
    catch_unwind(AssertUnwindSafe(|| house.run(with_command(true)))).unwrap_err();
    let ran = house.machine.ran().len();
    assert_eq!(ran, 2);
    assert_eq!(house.run(with_command(false)).status, RunStatus::Completed);
    assert_eq!(house.machine.ran().len(), ran, "it ended in the run that died");
}

fn stack_of(house: &House) -> Stack {
    house.ctx.store.view().unwrap().stack_list().unwrap()[0].clone()
}

#[test]
fn dying_while_noting_what_had_ended_raises_no_question() {
    let house = House::new();
    catch_unwind(AssertUnwindSafe(|| house.run(with_command(true)))).unwrap_err();
    // A second run goes on from there, notes the command once more, and dies before it notes its end.
    let (stack, journal) = (stack_of(&house), house.ctx.store.journal());
    let first = journal.open_steps(&stack.id).unwrap().remove(0);
    let second = RunId::generate(Timestamp::from_nanos(first.intention.at.as_nanos() + 1));
    journal.begin(&stack.id, &second, &first.intention, &[], Wait::Durable).unwrap();
    let open = open_steps(&house.ctx, &stack).unwrap();
    assert!(open.len() == 1 && open[0].finished, "{open:?}");
    assert_eq!(house.run(with_command(false)).status, RunStatus::Completed);
    assert_eq!(house.machine.ran(), ["send mail"]);
    assert!(journal.open_steps(&stack.id).unwrap().is_empty(), "nothing is left to ask about");
    assert_eq!(house.run(with_command(false)).status, RunStatus::Completed);
}

#[test]
fn a_run_that_waits_for_a_person_forgets_no_command() {
    // `early` and `late` do not need each other, and the run dies in the one declared last.
    let program = || {
        ScriptedProgram::new("w")
            .task("early", &[], |s| {
                s.command(CommandCall { host: None, command: Command::shell("early"), span: None })?;
                Ok(Map::new())
            })
            .task("late", &[], |s| {
                s.command(CommandCall { host: None, command: Command::shell("late"), span: None })?;
                Ok(Map::new())
            })
    };
    let house = House::new();
    let count = |word: &str| house.machine.ran().iter().filter(|r| r.as_str() == word).count();
    // Only `late` is run, and dies.
    house.machine.on_command_hook(|| panic!("died"));
    let request = RunRequest {
        scope: ScopeRequest { tasks: vec!["late".to_owned()], ..ScopeRequest::default() },
        ..RunRequest::default()
    };
    catch_unwind(AssertUnwindSafe(|| house.try_run(program(), &request))).unwrap_err();
    house.machine.on_command_hook(|| ());
    let late = count("late");
    // The next run gets as far as the question, and so does the one after it; neither repeats what was done.
    for _ in 0..3 {
        let report = house.run(program());
        assert!(report.needs_person, "{:?}", report.error);
        assert_eq!((count("early"), count("late")), (1, late));
    }
    let stack = stack_of(&house);
    let open = open_steps(&house.ctx, &stack).unwrap();
    let asked: Vec<_> = open.iter().filter(|s| s.unknown).collect();
    assert_eq!(asked.len(), 1, "{open:?}");
    settle_step(&house.ctx, &stack, &asked[0].id, Decision::Redo).unwrap();
    assert_eq!(house.run(program()).status, RunStatus::Completed);
    assert_eq!((count("early"), count("late")), (1, late + 1));
    assert!(open_steps(&house.ctx, &stack).unwrap().is_empty());
}

#[test]
fn a_crash_is_named_in_the_history() {
    let house = House::new();
    assert!(die_at(&house, 2, things(&[("a", json!({"x": 1}))])));
    house.run(things(&[("a", json!({"x": 1}))]));
    let view = house.ctx.store.view().unwrap();
    let stack = view.stack_list().unwrap()[0].clone();
    let runs = view.run_list(&stack.id, 0).unwrap();
    assert_eq!(runs[1].status, RunStatus::Crashed);
}
