//! The laws on wishes and starts nobody thought of.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sloth_core::digest::Blob;
use sloth_core::machine::Machine;
use sloth_resources::os::memory::Memory;
use sloth_resources::os::rooted::Rooted;
use sloth_resources::os::{Expect, Put, Rights, Touch};
use sloth_testkit::resource_laws::{self, Case};

use crate::support::machine;

#[derive(Clone, Debug)]
enum Start {
    Nothing,
    File(Vec<u8>, u32, u32),
    Directory(u32, Vec<(String, Vec<u8>)>),
    Link(String),
}

const PATH: &str = "/d/it";

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..40),
        "[ab\n]{0,12}".prop_map(String::into_bytes),
        Just(vec![b'x'; 70_000]),
    ]
}

/// Owners that root may give; others only have themselves.
fn uid() -> impl Strategy<Value = u32> {
    let us = rustix::process::geteuid().as_raw();
    proptest::sample::select(if us == 0 { vec![0, 1, 65534] } else { vec![us] })
}

fn start() -> impl Strategy<Value = Start> {
    let mode = 0o400u32..=0o7777;
    let names = proptest::collection::btree_map("[a-c]{1,2}", content(), 0..3);
    prop_oneof![
        Just(Start::Nothing),
        (content(), mode.clone(), uid()).prop_map(|(c, m, u)| Start::File(c, m | 0o400, u)),
        (mode, names).prop_map(|(m, n)| Start::Directory(m | 0o700, n.into_iter().collect())),
        "[a-c/]{1,3}".prop_map(Start::Link),
    ]
}

fn wish() -> impl Strategy<Value = (Value, Vec<Blob>)> {
    let kind = proptest::sample::select(vec!["absent", "directory", "file", "file", "link"]);
    let mode = proptest::option::of(0u32..=0o7777);
    let target = "[a-c/]{1,3}";
    (kind, proptest::option::of(content()), mode, proptest::option::of(uid()), target, any::<bool>())
        .prop_map(|(kind, content, mode, uid, target, number)| {
            let mut spec = Map::new();
            let mut blobs = Vec::new();
            spec.insert("kind".to_owned(), json!(kind));
            // Whatever is in the way may go, so that every wish can come true.
            spec.insert("force".to_owned(), json!(true));
            if kind == "absent" {
                return (Value::Object(spec), blobs);
            }
            if let Some(uid) = uid {
                let name = if uid == 0 && !number { "root".to_owned() } else { uid.to_string() };
                spec.insert("owner".to_owned(), json!(name));
            }
            if kind == "link" {
                spec.insert("target".to_owned(), json!(target));
                return (Value::Object(spec), blobs);
            }
            if let Some(mode) = mode {
                // Who is not root has to be able to look again.
                let mode = if kind == "directory" { mode | 0o700 } else { mode | 0o400 };
                spec.insert("mode".to_owned(), json!(format!("{mode:04o}")));
            }
            if let (Some(content), "file") = (content, kind) {
                let blob = Blob::new(content);
                spec.insert("content".to_owned(), json!(blob.digest().hex()));
                blobs.push(blob);
            }
            (Value::Object(spec), blobs)
        })
}

fn prepare(os: &dyn Touch, start: &Start) {
    os.mkdir("/d", Rights::default()).unwrap();
    let rights = |mode: u32, uid: Option<u32>| Rights { uid, gid: None, mode: Some(mode) };
    match start {
        Start::Nothing => {}
        Start::File(content, mode, uid) => {
            let put = Put { durable: false, ..Put::new(content, rights(*mode, Some(*uid))) };
            os.put(PATH, &put).unwrap();
        }
        Start::Directory(mode, files) => {
            os.mkdir(PATH, rights(*mode, None)).unwrap();
            for (name, content) in files {
                let put = Put { durable: false, ..Put::new(content, rights(0o640, None)) };
                os.put(&format!("{PATH}/{name}"), &put).unwrap();
            }
        }
        Start::Link(target) => {
            os.link(PATH, target, Rights::default(), Expect::Nothing).unwrap();
        }
    }
}

fn case(spec: Value, blobs: Vec<Blob>) -> Case {
    Case {
        name: spec.to_string(),
        kind: "file".to_owned(),
        id: PATH.to_owned(),
        spec,
        blobs,
        checks_live: true,
        reversible: true,
    }
}

fn settings(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings(400))]
    #[test]
    fn any_wish_from_any_start_in_memory(start in start(), (spec, blobs) in wish()) {
        resource_laws::all(&case(spec, blobs), &|| -> Arc<dyn Machine> {
            let memory = Arc::new(Memory::memory());
            prepare(&*memory, &start);
            machine(memory)
        });
    }
}

proptest! {
    #![proptest_config(settings(60))]
    #[test]
    fn any_wish_from_any_start_on_the_real_system(start in start(), (spec, blobs) in wish()) {
        let dirs = std::cell::RefCell::new(Vec::new());
        resource_laws::all(&case(spec, blobs), &|| -> Arc<dyn Machine> {
            let dir = tempfile::tempdir().unwrap();
            let rooted = Arc::new(Rooted::new(dir.path().to_str().unwrap()));
            dirs.borrow_mut().push(dir);
            prepare(&*rooted, &start);
            machine(rooted)
        });
    }
}
