//! Figures, printed; run with `--release -- --ignored --nocapture`.

use std::time::Instant;

use serde_json::json;
use sloth_core::digest::Blob;
use sloth_core::machine::{Machine, Sight};

use sloth_core::workflow::Durability;
use sloth_resources::{LocalMachine, MachineOptions};

use crate::support::{bring_about, look, real};

#[test]
fn a_file_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}/motd", dir.path().display());
    let blob = Blob::new(*b"hello\n");
    let spec = json!({"kind": "file", "content": blob.digest().hex(), "mode": "0640"});
    let machine = real();
    let blobs = [blob];
    let applied = bring_about(&*machine, "file", &path, &spec, &blobs).unwrap();
    let seen = look(&*machine, "file", &path, Some(&spec), &blobs);
    assert_eq!(seen.state, applied.state);
    assert!(seen.diff.is_empty(), "{:?}", seen.diff);
    assert_eq!(std::fs::read(&path).unwrap(), b"hello\n");
}

/// The best of many rounds, in microseconds per item: what is left when nobody disturbs.
fn best(rounds: u32, items: u32, mut round: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(items));
    }
    best
}

#[test]
#[ignore = "measures"]
fn speed_of_files() {
    let dir = tempfile::tempdir().unwrap();
    for durability in [Durability::Fast, Durability::Full] {
        let machine = LocalMachine::this_host(MachineOptions { durability });
        let n = 1000;
        let wishes: Vec<_> = (0..n)
            .map(|i| {
                let blob = Blob::new(format!("file {i} {}", "x".repeat(190)).into_bytes());
                let spec = json!({"kind": "file", "content": blob.digest().hex(), "mode": "0640"});
                (format!("{}/{durability:?}{i:05}", dir.path().display()), spec, [blob])
            })
            .collect();
        let mut states = Vec::new();
        let create =
            best(1, n, || {
                states.extend(wishes.iter().map(|(path, spec, blobs)| {
                    bring_about(&machine, "file", path, spec, blobs).unwrap().state
                }));
            });
        let settle = best(1, 1, || machine.settle().unwrap());
        let sight = |i: usize| {
            let (path, spec, blobs) = &wishes[i];
            Sight { kind: "file", id: path, spec: Some(spec), blobs, recorded: Some(states[i].as_ref()) }
        };
        let one_by_one = best(30, n, || {
            for i in 0..wishes.len() {
                let seen = machine.observe(&[sight(i)]).unwrap().remove(0).unwrap();
                assert!(seen.diff.is_empty() && seen.since.is_empty(), "{seen:?}");
            }
        });
        let one_trip = best(30, n, || {
            let sights: Vec<_> = (0..wishes.len()).map(sight).collect();
            assert!(machine.observe(&sights).unwrap().iter().all(|s| s.as_ref().unwrap().diff.is_empty()));
        });
        println!(
            "{durability:?}: create {create:.1}, settle {settle:.0}, check {one_by_one:.2}, check in one trip {one_trip:.2} µs per file"
        );
    }
}

#[test]
#[ignore = "measures"]
fn speed_of_commands() {
    let machine = LocalMachine::this_host(MachineOptions::default());
    let ours = best(300, 1, || {
        let command = sloth_core::command::Command::shell("echo x");
        assert_eq!(machine.run(&command, &sloth_core::machine::Unwatched).unwrap().stdout, "x\n");
    });
    let theirs = best(300, 1, || {
        let output = std::process::Command::new("/bin/sh").args(["-c", "echo x"]).output().unwrap();
        assert_eq!(output.stdout, b"x\n");
    });
    println!("a command: {ours:.0} µs; with the standard library alone: {theirs:.0} µs");
}
