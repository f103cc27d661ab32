//! The record written by hand, and tags.

use serde_json::json;
use sloth_core::address::Address;
use sloth_core::body::Registration;
use sloth_core::desired::Options;
use sloth_core::drift::{DriftStatus, Finding, Resolution};
use sloth_core::output::Output;
use sloth_core::value::Value;
use sloth_core::version::Version;
use sloth_engine::EngineError;
use sloth_engine::by_hand::{Edit, edit, report};
use sloth_engine::drift::detect;
use sloth_engine::goal::{CarryOut, Goal, carry_out, prepare};
use sloth_engine::stacks::{NewStack, create, find};
use sloth_engine::tags;
use sloth_engine::undo::{Undo, undo};

use crate::house::{House, things};

fn entry(name: &str, properties: Value) -> Registration {
    Registration {
        kind: "instance".to_owned(),
        name: name.to_owned(),
        module: "cloud".to_owned(),
        properties,
        dependencies: Vec::new(),
        applied: true,
        options: Options::default(),
    }
}

fn one(name: &str, properties: Value) -> Edit {
    Edit { register: vec![entry(name, properties)], ..Edit::default() }
}

fn web() -> Address {
    Address::local("instance", "web")
}

fn house() -> House {
    let house = House::new();
    create(&house.ctx, NewStack { name: "w".to_owned(), ..NewStack::default() }).unwrap();
    house
}

#[test]
fn an_edit_is_one_version_and_one_operation() {
    let house = house();
    let all = || Edit {
        register: vec![entry("web", json!({"size": 3})), entry("db", json!({"size": 1}))],
        outputs: vec![Output { name: "url".to_owned(), value: json!("http://w"), sensitive: false }],
        description: "as found".to_owned(),
        ..Edit::default()
    };
    assert_eq!(edit(&house.ctx, "w", all()).unwrap(), Some(Version(1)));
    assert_eq!(edit(&house.ctx, "w", all()).unwrap(), None, "nothing changed, nothing was made");
    assert_eq!(edit(&house.ctx, "w", one("web", json!({"size": 4}))).unwrap(), Some(Version(2)));
    let sizes = || -> Vec<Value> { house.records("w").into_iter().map(|r| r.spec).collect() };
    assert_eq!(sizes(), [json!({"size": 1}), json!({"size": 4})]);
    let forget = Edit { forget: vec![web()], ..Edit::default() };
    assert_eq!(edit(&house.ctx, "w", forget.clone()).unwrap(), Some(Version(3)));
    assert!(matches!(edit(&house.ctx, "w", forget), Err(EngineError::NoSuchResource { .. })));
    let Undo::Plan(plan) = undo(&house.ctx, None).unwrap() else { panic!("it has a plan") };
    carry_out(&house.ctx, *plan, &CarryOut::default()).unwrap();
    assert_eq!(sizes(), [json!({"size": 1}), json!({"size": 4})], "what was forgotten is back");
}

#[test]
fn what_cannot_be_registered_is_refused() {
    let house = House::new();
    house.run(things(&[("a", json!({"x": 1}))]));
    let real = Registration { kind: "thing".to_owned(), ..entry("a", json!({})) };
    let refused = edit(&house.ctx, "w", Edit { register: vec![real], ..Edit::default() }).unwrap_err();
    assert!(refused.to_string().contains("cannot be registered by hand"), "{refused}");
    for kind in ["", "a b", "a/b", "a:b"] {
        let bad = Registration { kind: kind.to_owned(), ..entry("x", json!({})) };
        let refused = edit(&house.ctx, "w", Edit { register: vec![bad], ..Edit::default() }).unwrap_err();
        assert!(refused.to_string().contains("cannot be the address"), "{kind}: {refused}");
    }
    assert_eq!(house.records("w").len(), 1);
    let refused = report(&house.ctx, "w", &house.records("w")[0].address, None, json!({})).unwrap_err();
    assert!(refused.to_string().contains("is looked at by"), "{refused}");
    let missing = report(&house.ctx, "w", &web(), None, json!({})).unwrap_err();
    assert!(matches!(missing, EngineError::NoSuchResource { .. }));
}

fn latest(house: &House) -> Vec<Finding> {
    let view = house.ctx.store.view().unwrap();
    let stack = find(&*view, "w").unwrap();
    view.drift_latest(&stack.id).unwrap()
}

#[test]
fn reported_drift_stands_until_it_is_reported_again_or_the_record_changes() {
    let house = house();
    edit(&house.ctx, "w", one("web", json!({"instances": 3, "region": "us-east-1"}))).unwrap();
    edit(&house.ctx, "w", one("db", json!({"size": 1}))).unwrap();
    let actual = json!({"instances": 2, "region": "us-east-1"});
    let found = report(&house.ctx, "w", &web(), None, actual.clone()).unwrap();
    assert_eq!((found.status, found.diff.names()), (DriftStatus::Drifted, vec!["instances".to_owned()]));
    assert_eq!(latest(&house), std::slice::from_ref(&found));

    // Another report leaves the first alone, and so does a look.
    let db = Address::local("instance", "db");
    let clean = report(&house.ctx, "w", &db, Some(json!({"size": 2})), json!({"size": 2})).unwrap();
    assert_eq!((clean.status, clean.diff.is_empty()), (DriftStatus::Clean, true));
    assert!(latest(&house).contains(&found));
    let looked = detect(&house.ctx, "w").unwrap();
    assert_eq!((looked.drifted(), looked.findings.len()), (1, 2));
    assert!(latest(&house).contains(&found));

    house.clock.advance(std::time::Duration::from_secs(1));
    edit(&house.ctx, "w", one("web", actual)).unwrap();
    let looked = detect(&house.ctx, "w").unwrap();
    assert_eq!(looked.drifted(), 0, "it is recorded as it was reported");
    assert!(latest(&house).iter().all(|f| f.address != web() || f.status == DriftStatus::NotCheckable));

    let again =
        report(&house.ctx, "w", &web(), None, json!({"instances": 2, "region": "us-east-1"})).unwrap();
    assert_eq!((again.status, again.resolution), (DriftStatus::Clean, Resolution::Pending));
}

#[test]
fn going_back_takes_what_was_written_by_hand_along() {
    let house = house();
    edit(&house.ctx, "w", one("web", json!({"size": 3}))).unwrap();
    edit(&house.ctx, "w", one("web", json!({"size": 5}))).unwrap();
    let back = prepare(&house.ctx, "w", Goal::Version(Version(1))).unwrap();
    carry_out(&house.ctx, back, &CarryOut::default()).unwrap();
    assert_eq!(house.records("w")[0].spec, json!({"size": 3}));
}

#[test]
fn secrets_are_reported_without_their_values() {
    let house = house();
    let mut secret = entry("web", json!({"password": "old"}));
    secret.options.sensitive = true;
    edit(&house.ctx, "w", Edit { register: vec![secret], ..Edit::default() }).unwrap();
    let found = report(&house.ctx, "w", &web(), None, json!({"password": "new"})).unwrap();
    assert_eq!((found.status, &found.expected, &found.actual), (DriftStatus::Drifted, &None, &None));
    let text = serde_json::to_string(&found).unwrap();
    assert!(!text.contains("old") && !text.contains("new"), "{text}");
}

#[test]
fn tags_are_a_sorted_set_that_undo_takes_back() {
    let house = house();
    let now = || find(&*house.ctx.store.view().unwrap(), "w").unwrap().tags();
    assert!(tags::add(&house.ctx, "w", "production").unwrap());
    assert!(tags::add(&house.ctx, "w", "critical").unwrap());
    assert!(!tags::add(&house.ctx, "w", "production").unwrap(), "once is enough");
    assert_eq!(now(), ["critical", "production"]);
    assert!(
        tags::remove(&house.ctx, "w", "critical").unwrap() && !tags::remove(&house.ctx, "w", "x").unwrap()
    );
    for left in [vec!["critical", "production"], vec!["production"], vec![]] {
        assert!(matches!(undo(&house.ctx, None).unwrap(), Undo::Done(_)));
        assert_eq!(now(), left);
    }
    for bad in ["", "a,b", "-x", "a\nb", &"x".repeat(256)] {
        assert!(tags::add(&house.ctx, "w", bad).is_err(), "{bad:?}");
    }
    assert!(now().is_empty());
}

#[test]
fn a_tag_stands_for_one_version_and_moves() {
    let house = house();
    edit(&house.ctx, "w", one("web", json!({"size": 3}))).unwrap();
    edit(&house.ctx, "w", one("web", json!({"size": 4}))).unwrap();
    let now = || find(&*house.ctx.store.view().unwrap(), "w").unwrap().version_tags();
    let is =
        |version: u64| now() == std::collections::BTreeMap::from([("live".to_owned(), Version(version))]);
    assert!(tags::add_to_version(&house.ctx, "w", "live", Version(1)).unwrap() && is(1));
    assert!(!tags::add_to_version(&house.ctx, "w", "live", Version(1)).unwrap(), "it does so already");
    assert!(tags::add_to_version(&house.ctx, "w", "live", Version(2)).unwrap() && is(2));
    assert!(matches!(undo(&house.ctx, None).unwrap(), Undo::Done(_)) && is(1));
    assert!(tags::add(&house.ctx, "w", "live").unwrap() && is(1), "the stack has tags of its own");
    assert_eq!(tags::remove_from_version(&house.ctx, "w", "live").unwrap(), Some(Version(1)));
    assert_eq!(tags::remove_from_version(&house.ctx, "w", "live").unwrap(), None);
    assert!(now().is_empty());
    undo(&house.ctx, None).unwrap();
    assert!(is(1));
    for bad in ["5", "v5", "w@5", "w-v5", "a@b", ""] {
        assert!(tags::add_to_version(&house.ctx, "w", bad, Version(1)).is_err(), "{bad:?}");
    }
    let missing = tags::add_to_version(&house.ctx, "w", "x", Version(9));
    assert!(matches!(missing, Err(EngineError::NoSuchVersion { .. })));
}

#[test]
fn a_tagged_version_is_not_removed() {
    let house = house();
    for size in 1..6 {
        edit(&house.ctx, "w", one("web", json!({"size": size}))).unwrap();
    }
    tags::add_to_version(&house.ctx, "w", "first", Version(1)).unwrap();
    let stack = find(&*house.ctx.store.view().unwrap(), "w").unwrap();
    let refused = sloth_engine::retention::delete(&house.ctx, &stack, Version(1)).unwrap_err();
    assert!(refused.to_string().contains("tagged first"), "{refused}");
    let policy = sloth_core::retention::Policy { keep: Some(0), older_than: None };
    sloth_engine::retention::collect(&house.ctx, &stack, policy, false).unwrap();
    let view = house.ctx.store.view().unwrap();
    let left: Vec<u64> = view.version_list(&stack.id, 0).unwrap().iter().map(|v| v.version.0).collect();
    assert_eq!(left, [5, 4, 1]);
}
