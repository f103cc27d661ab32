//! Figures, printed; run with `--release -- --ignored --nocapture`.

use std::time::Instant;

use serde_json::json;
use sloth_core::digest::Blob;
use sloth_core::machine::{Machine, Sight};

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

#[test]
#[ignore = "measures"]
fn speed() {
    let dir = tempfile::tempdir().unwrap();
    let machine = real();
    let n = 5000;
    let wishes: Vec<_> = (0..n)
        .map(|i| {
            let blob = Blob::new(format!("file {i} {}", "x".repeat(190)).into_bytes());
            let spec = json!({"kind": "file", "content": blob.digest().hex(), "mode": "0640"});
            (format!("{}/f{i:05}", dir.path().display()), spec, [blob])
        })
        .collect();
    let start = Instant::now();
    let mut states = Vec::new();
    for (path, spec, blobs) in &wishes {
        states.push(bring_about(&*machine, "file", path, spec, blobs).unwrap().state);
    }
    println!("create: {:.2} µs per file", start.elapsed().as_micros() as f64 / f64::from(n));
    for _ in 0..3 {
        let start = Instant::now();
        for ((path, spec, blobs), state) in wishes.iter().zip(&states) {
            let sight =
                Sight { kind: "file", id: path, spec: Some(spec), blobs, recorded: Some(state.as_ref()) };
            let seen = machine.observe(&[sight]).unwrap().remove(0).unwrap();
            assert!(seen.diff.is_empty() && seen.since.is_empty());
        }
        println!("check: {:.2} µs per file", start.elapsed().as_micros() as f64 / f64::from(n));
        let sights: Vec<Sight<'_>> = wishes
            .iter()
            .zip(&states)
            .map(|((path, spec, blobs), state)| Sight {
                kind: "file",
                id: path,
                spec: Some(spec),
                blobs,
                recorded: Some(state.as_ref()),
            })
            .collect();
        let start = Instant::now();
        assert!(machine.observe(&sights).unwrap().iter().all(|s| s.as_ref().unwrap().diff.is_empty()));
        println!("check in one trip: {:.2} µs per file", start.elapsed().as_micros() as f64 / f64::from(n));
    }
}
