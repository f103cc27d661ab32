//! What concerns several packages at once, and the rules of versions beside the real `dpkg`.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Value, json};
use sloth_core::machine::{Machine, Sight, Step, Unwatched};
use sloth_resources::facts::dpkg;
use sloth_resources::os::memory::Memory;
use sloth_resources::os::traced::Traced;
use sloth_resources::os::{Put, Rights, Touch};

use crate::fake_apt::{FakeApt, Offer};
use crate::front::Front;
use crate::support::{Files, declare_all, machine};

fn archive(offers: &Value) -> Vec<Offer> {
    serde_json::from_value(offers.clone()).unwrap()
}

/// A machine with nothing installed, and what happens on it.
fn empty(offers: &Value) -> Arc<Traced> {
    let memory = Memory::memory();
    for dir in ["/var", "/var/lib", "/var/lib/dpkg"] {
        memory.mkdir(dir, Rights::default()).unwrap();
    }
    memory.put("/var/lib/dpkg/status", &Put::new(b"", Rights::default())).unwrap();
    Arc::new(Traced::new(Arc::new(Front {
        inner: Arc::new(memory),
        programs: FakeApt { archive: archive(offers) },
    })))
}

fn steps(machine: &dyn Machine, call: &str, args: &Value) -> Vec<Step> {
    let declared = declare_all(call, args, &Files::default()).unwrap();
    declared
        .into_iter()
        .map(|one| {
            let sight =
                Sight { kind: "package", id: &one.id, spec: Some(&one.spec), blobs: &[], recorded: None };
            let seen = machine.observe(&[sight]).unwrap().remove(0).unwrap();
            Step {
                kind: "package".to_owned(),
                id: one.id,
                spec: Some(one.spec),
                replace: false,
                blobs: Vec::new(),
                live: seen.state,
            }
        })
        .collect()
}

fn runs(traced: &Traced) -> Vec<String> {
    traced.take().into_iter().filter(|call| call.starts_with("run ")).collect()
}

#[test]
fn a_list_is_one_transaction() {
    let offers = json!([
        {"name": "curl", "versions": ["7.1", "7.2"], "needs": ["libcurl4"]},
        {"name": "libcurl4", "versions": ["7.2"]},
        {"name": "nginx", "versions": ["1.0", "1.1"]},
    ]);
    let os = empty(&offers);
    let host = machine(Arc::clone(&os) as Arc<dyn Touch>);
    let wishes = steps(&*host, "pkg.install", &json!({"packages": ["nginx", "curl=7.1"]}));
    assert_eq!(wishes.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["nginx", "curl"]);
    let _ = os.take();
    let done = host.apply_together(&wishes, &Unwatched);
    let versions: Vec<Value> =
        done.iter().map(|d| d.as_ref().unwrap().state.clone().unwrap()["version"].clone()).collect();
    assert_eq!(versions, [json!("1.1"), json!("7.1")]);
    let ran = runs(&os);
    assert_eq!(ran.len(), 1, "{ran:?}");
    assert!(ran[0].ends_with("install -- nginx curl=7.1"), "{ran:?}");
    let notes: Vec<String> = done.into_iter().flat_map(|d| d.unwrap().notes).collect();
    assert_eq!(notes, ["comes along: libcurl4"]);
}

#[test]
fn of_a_transaction_that_stopped_each_says_what_became_of_it() {
    let offers = json!([
        {"name": "aa", "versions": ["1"]},
        {"name": "bb", "versions": ["1"], "breaks": true},
        {"name": "cc", "versions": ["1"]},
    ]);
    let os = empty(&offers);
    let host = machine(Arc::clone(&os) as Arc<dyn Touch>);
    let args = json!({"packages": ["aa", "bb", "cc"]});
    let done = host.apply_together(&steps(&*host, "pkg.install", &args), &Unwatched);
    assert!(done[0].is_ok(), "{:?}", done[0]);
    for failed in &done[1..] {
        let error = failed.as_ref().unwrap_err().to_string();
        assert!(error.contains("Sub-process"), "{error}");
    }
    let _ = runs(&os);
    let done = host.apply_together(&steps(&*host, "pkg.install", &args), &Unwatched);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let ran = runs(&os);
    assert!(ran[0].contains("dpkg --configure -a"), "{ran:?}");
    assert!(done[1].as_ref().unwrap().state.is_some());
}

#[test]
fn one_that_moved_does_not_stop_the_others() {
    let offers = json!([{"name": "aa", "versions": ["1"]}, {"name": "bb", "versions": ["1"]}]);
    let os = empty(&offers);
    let host = machine(Arc::clone(&os) as Arc<dyn Touch>);
    let wishes = steps(&*host, "pkg.install", &json!({"packages": ["aa bb"]}));
    host.apply_together(&wishes[..1], &Unwatched).remove(0).unwrap();
    let done = host.apply_together(&wishes, &Unwatched);
    assert!(done[0].as_ref().unwrap_err().to_string().contains("changed while"), "{:?}", done[0]);
    assert!(done[1].as_ref().unwrap().state.is_some());
}

#[test]
fn a_machine_without_a_package_manager_says_so() {
    let host = machine(Arc::new(Memory::memory()));
    let sight = Sight { kind: "package", id: "curl", spec: Some(&json!({})), blobs: &[], recorded: None };
    let error = host.observe(&[sight]).unwrap().remove(0).unwrap_err().to_string();
    assert!(error.contains("no package manager") && error.contains("/var/lib/dpkg/status"), "{error}");
}

/// Random versions made of what versions are made of.
fn version(seed: &mut u64) -> String {
    let mut next = |most: u64| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % most
    };
    const BITS: [&str; 14] = ["1", "0", "10", "2", "007", ".", "~", "+", "a", "rc", "-", "b1", ".0", "~~"];
    let mut text = String::new();
    if next(5) == 0 {
        text.push_str(&format!("{}:", next(3)));
    }
    text.push_str(&next(12).to_string());
    for _ in 0..next(6) {
        text.push_str(BITS[usize::try_from(next(14)).unwrap()]);
    }
    if text.ends_with('-') {
        text.push('1');
    }
    text
}

#[test]
fn versions_are_ordered_as_dpkg_orders_them() {
    let dpkg = |a: &str, op: &str, b: &str| {
        std::process::Command::new("dpkg").args(["--compare-versions", a, op, b]).status()
    };
    if dpkg("1", "lt", "2").is_err() {
        println!("SKIPPED: there is no dpkg on this machine");
        return;
    }
    let mut seed = 20_261_124;
    for _ in 0..400 {
        let (a, b) = (version(&mut seed), version(&mut seed));
        let ours = dpkg::compare(&a, &b);
        let op = match ours {
            Ordering::Less => "lt",
            Ordering::Equal => "eq",
            Ordering::Greater => "gt",
        };
        assert!(dpkg(&a, op, &b).unwrap().success(), "`{a}` is said to be {op} `{b}`");
    }
}
