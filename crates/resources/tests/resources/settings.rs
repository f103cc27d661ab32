//! Settings in files nobody thought of: whatever the text is, an edit is complete, and taking it back gives the same bytes.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sloth_core::machine::{Machine, Sight, Step, Unwatched};
use sloth_core::observed::Seen;
use sloth_resources::os::memory::Memory;
use sloth_resources::os::{Look as _, Put, Rights, Touch as _};

use crate::support::{Files, declare, machine};

const INI: &[&str] = &[
    "[a]\n",
    "[b]\n",
    "[a.b]\n",
    "x = 1\n",
    "x=2\n",
    "y = \n",
    "b\n",
    "# c\n",
    "; x = 1\n",
    "\n",
    "  b = 1 # d\n",
    "[",
    "x",
    "\r\n",
    "=\n",
    "x = 1 \\\n",
];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"a\"",
    "\"b\": 1",
    "\"a\": {\"b\": 1, \"x\": []}",
    "\n",
    "  ",
    "null",
    "\"x\": \"}\\\"\"",
    "{\n  \"a\": {\n    \"b\": 1\n  },\n  \"x\": 2\n}\n",
    "{}",
    "{\"a\": {}, \"b\": {\"a\": 1}}",
];
const TOML: &[&str] = &[
    "[a]\n",
    "[b]\n",
    "[a.b]\n",
    "[[x]]\n",
    "x = 1\n",
    "a.x = 2\n",
    "b = { a = 1 }\n",
    "b = {}\n",
    "# c\n",
    "\n",
    "y = \"\"\"\n[a]\n\"\"\"\n",
    "b = [\n 1,\n]\n",
    "  x = 2 # d\n",
    "\"a\".'b' = 1\n",
    "x = 1",
    "=\n",
    "a = 2026-11-24\n",
    "\r\n",
];
const YAML: &[&str] = &[
    "a:\n",
    "b:\n",
    "  b:\n",
    "  x: 1\n",
    "x: 1 # c\n",
    "    b: [1, 2]\n",
    "  - a\n",
    "- b\n",
    "# c\n",
    "\n",
    "  # c\n",
    "x: |\n  b: 1\n",
    "a: {b: 1}\n",
    "b: \"x # y\"\n",
    "'x': 'it''s'\n",
    "---\n",
    "b: &x 1\n",
    "x: *x\n",
    "a: >-\n  x\n\n  y\n",
    "  b: 1",
    "\r\n",
    "\tb: 1\n",
];

fn look(host: &dyn Machine, id: &str, spec: Option<&Value>, recorded: Option<&Value>) -> Option<Seen> {
    let recorded = recorded.map(Some);
    let sight = Sight { kind: "setting", id, spec, blobs: &[], recorded };
    host.observe(&[sight]).unwrap().remove(0).ok()
}

fn step(id: &str, spec: Option<Value>, live: Option<Value>) -> Step {
    Step { kind: "setting".to_owned(), id: id.to_owned(), spec, replace: false, blobs: Vec::new(), live }
}

/// Tries an edit. Did it come about?
fn edit(name: &str, text: &str, args: &Value) -> bool {
    let path = args["path"].as_str().unwrap();
    let memory = Arc::new(Memory::memory());
    memory.put(path, &Put::new(text.as_bytes(), Rights::default())).unwrap();
    let bytes = || String::from_utf8(memory.read(path, u64::MAX, false).unwrap().unwrap().to_vec()).unwrap();
    let host = machine(memory.clone());
    let Ok(declared) = declare(&format!("file.{name}"), args, &Files::default()) else { return false };
    let (id, spec) = (declared.id.as_str(), &declared.spec);
    let Some(before) = look(&*host, id, Some(spec), None) else { return false };
    if before.diff.is_empty() {
        return false;
    }
    let Ok(applied) = host.apply(&step(id, Some(spec.clone()), before.state.clone()), &Unwatched) else {
        assert_eq!(bytes(), text, "{args}: it failed and changed something");
        return false;
    };
    let after = look(&*host, id, Some(spec), applied.state.as_ref()).unwrap();
    assert!(after.diff.is_empty(), "{args} on {text:?}: still different: {:?}", after.diff);
    assert_eq!(after.state, applied.state, "{args} on {text:?}");
    let (wish, _) = host.wish_for("setting", id, before.state.as_ref()).unwrap();
    let now = look(&*host, id, Some(&wish), applied.state.as_ref()).unwrap();
    let edited = bytes();
    host.apply(&step(id, Some(wish), now.state), &Unwatched)
        .unwrap_or_else(|e| panic!("{args} on {text:?} made {edited:?}: going back failed: {e}"));
    assert_eq!(bytes(), text, "{args} made {edited:?}, and going back something else");
    true
}

#[test]
fn settings_come_and_go_without_a_trace() {
    let mut done = [0; 4];
    let formats = [("ini", INI), ("json", JSON), ("toml", TOML), ("yaml", YAML)];
    for (at, (name, parts)) in formats.into_iter().enumerate() {
        let value = prop_oneof![
            Just(json!("v")),
            Just(json!("1")),
            Just(json!("a: \"#\" = '\\")),
            Just(json!(7)),
            Just(json!(["x", "y"])),
            Just(json!({"x": ["y"], "b": {"x": 1}})),
            Just(json!("")),
            Just(Value::Null),
        ];
        let key = prop_oneof![
            Just("a"),
            Just("b"),
            Just("x"),
            Just("a.b"),
            Just("a.x"),
            Just("b.a.x"),
            Just("\"a b\".c")
        ];
        let texts = proptest::collection::vec(proptest::sample::select(parts), 0..7);
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 1500,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let counted = std::cell::Cell::new(0);
        let tried = runner.run(&(texts, key, value), |(texts, key, value)| {
            let mut args = json!({"path": format!("/it.{name}"), "key": key});
            if name == "ini"
                && let Some((section, key)) = key.split_once('.')
            {
                args["section"] = json!(section);
                args["key"] = json!(key);
            }
            match value {
                Value::Null => args["state"] = json!("absent"),
                value => args["value"] = value,
            }
            counted.set(counted.get() + usize::from(edit(name, &texts.concat(), &args)));
            Ok(())
        });
        tried.unwrap_or_else(|e| panic!("{name}: {e}"));
        done[at] = counted.get();
    }
    println!("edited and taken back: {done:?}");
    assert!(done.iter().all(|n| *n > 100), "too few edits came about: {done:?}");
}

#[test]
fn what_cannot_be_edited_is_named_and_left_alone() {
    for (name, text, args, said) in [
        ("json", "{\"a\": 1,}", json!({"key": "b", "value": 1}), "it is not JSON: trailing comma at line 1"),
        ("json", "{\"a\": 1, \"a\": 2}", json!({"key": "a", "value": 3}), "more than once"),
        ("json", "{\"a\": [1]}", json!({"key": "a.b", "value": 3}), "`a` is a list"),
        ("json", "[1]", json!({"key": "a", "value": 3}), "the file has a list in it"),
        ("toml", "a = 1\n= 2\n", json!({"key": "b", "value": 1}), "in line 2"),
        ("toml", "[a]\nb = 1\n", json!({"key": "a", "value": 3}), "cannot be edited"),
        ("toml", "[[a]]\nb = 1\n", json!({"key": "a.b", "value": 3}), "`a` is a list"),
        ("yaml", "a: {b: 1}\n", json!({"key": "a.b", "value": 3}), "cannot be edited"),
        ("yaml", "a: 1\n---\na: 2\n", json!({"key": "a", "value": 3}), "it is not YAML"),
        ("yaml", "a: [1\n", json!({"key": "b", "value": 3}), "it is not YAML"),
        (
            "ini",
            "[a]\nx = 1 \\\n  2\n",
            json!({"section": "a", "key": "x", "value": 3}),
            "goes on in the next line",
        ),
    ] {
        let path = format!("/it.{name}");
        let memory = Arc::new(Memory::memory());
        memory.put(&path, &Put::new(text.as_bytes(), Rights::default())).unwrap();
        let mut args = args;
        args["path"] = json!(path);
        let declared = declare(&format!("file.{name}"), &args, &Files::default()).unwrap();
        let host = machine(memory.clone());
        let sight = Sight {
            kind: "setting",
            id: &declared.id,
            spec: Some(&declared.spec),
            blobs: &[],
            recorded: None,
        };
        let error =
            host.observe(&[sight]).unwrap().remove(0).err().map(|e| e.to_string()).unwrap_or_else(|| {
                let step = step(&declared.id, Some(declared.spec.clone()), None);
                host.apply(&step, &Unwatched).unwrap_err().to_string()
            });
        assert!(error.contains(said), "{args} on {text:?}: `{error}` does not say `{said}`");
        assert_eq!(&*memory.read(&path, u64::MAX, false).unwrap().unwrap(), text.as_bytes());
    }
}
