//! Types whose effects are commands, on the real system.

use serde_json::json;
use sloth_core::decide::PRESENCE;
use sloth_core::machine::{Machine, Sight, Step, Unwatched};
use sloth_testkit::resource_laws::{self, Case};

use crate::support::{Files, bring_about, declare, look, real};

#[test]
fn a_guarded_command_runs_until_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}/made", dir.path().display());
    let declared = declare(
        "exec.run",
        &json!({"command": format!("echo x >> {path}"), "creates": path}),
        &Files::default(),
    )
    .unwrap();
    let (id, spec) = (declared.id, declared.spec);
    let machine = real();
    let rehearsal = std::sync::Arc::clone(&machine).rehearse();
    let predicted = bring_about(&*rehearsal, "exec", &id, &spec, &[]).unwrap();
    assert!(
        look(&*rehearsal, "exec", &id, Some(&spec), &[]).diff.is_empty(),
        "the rehearsal forgot its effect"
    );
    assert!(!std::path::Path::new(&path).exists());
    for _ in 0..2 {
        let applied = bring_about(&*machine, "exec", &id, &spec, &[]).unwrap();
        assert_eq!(applied.state, predicted.state);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n");
    // What a command would make cannot be imagined, so what needs it is not refused.
    let later = format!("{}/dir/conf", dir.path().display());
    let spec = json!({"kind": "file"});
    assert!(bring_about(&*machine.clone().rehearse(), "file", &later, &spec, &[]).is_err());
    assert!(bring_about(&*rehearsal, "file", &later, &spec, &[]).is_ok());
}

#[test]
fn a_custom_resource_obeys_the_laws() {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}/value", dir.path().display());
    let args = json!({
        "name": "value",
        "probe": format!("cat {path} 2>/dev/null || exit 1"),
        "apply": format!("echo '{{\"n\": 1}}' > {path}"),
        "delete": format!("rm {path}"),
        "expect": {"n": 1},
    });
    let declared = declare("custom.resource", &args, &Files::default()).unwrap();
    let case = Case {
        name: "custom".to_owned(),
        kind: "custom".to_owned(),
        id: declared.id,
        spec: declared.spec,
        blobs: Vec::new(),
        checks_live: false,
        reversible: true,
    };
    for start in [None, Some("{\"n\": 1}\n")] {
        resource_laws::all(&case, &|| {
            let _ = std::fs::remove_file(&path);
            if let Some(text) = start {
                std::fs::write(&path, text).unwrap();
            }
            real()
        });
    }
    // An orphan knows how to be looked at and removed from its record alone.
    let machine = real();
    let applied = resource_laws::bring_about(&*machine, &case).unwrap();
    let sight =
        Sight { kind: "custom", id: "value", spec: None, blobs: &[], recorded: Some(applied.state.as_ref()) };
    let seen = machine.observe(&[sight]).unwrap().remove(0).unwrap();
    assert_eq!(seen.state, applied.state);
    let step = Step {
        kind: "custom".to_owned(),
        id: "value".to_owned(),
        spec: None,
        replace: false,
        blobs: Vec::new(),
        live: seen.state,
    };
    assert_eq!(machine.apply(&step, &Unwatched).unwrap().state, None);
    assert!(!std::path::Path::new(&path).exists());
}

#[test]
fn a_probe_that_cannot_tell_is_an_error() {
    let args = json!({"name": "c", "probe": "exit 2", "apply": "true"});
    let declared = declare("custom.resource", &args, &Files::default()).unwrap();
    let sight = Sight { kind: "custom", id: "c", spec: Some(&declared.spec), blobs: &[], recorded: None };
    let seen = real().observe(&[sight]).unwrap().remove(0);
    assert!(seen.unwrap_err().why.contains("exit code 2"));
}

#[test]
fn the_record_is_compared_in_what_is_managed() {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}/conf", dir.path().display());
    std::fs::write(&path, "now").unwrap();
    let machine = real();
    let spec = json!({"kind": "file", "mode": "0600"});
    let recorded =
        json!({"kind": "file", "mode": "0600", "owner": "somebody", "group": "g", "content": "other"});
    let since = |recorded| {
        let sight =
            Sight { kind: "file", id: &path, spec: Some(&spec), blobs: &[], recorded: Some(recorded) };
        machine.observe(&[sight]).unwrap().remove(0).unwrap().since
    };
    assert_eq!(since(Some(&recorded)).names(), ["mode"], "the owner and the content are nobody's business");
    assert_eq!(since(None).names(), [PRESENCE]);
}

#[test]
fn an_unknown_type_is_an_error() {
    let sight = Sight { kind: "nope", id: "x", spec: None, blobs: &[], recorded: None };
    let seen = real().observe(&[sight]).unwrap().remove(0);
    assert!(seen.unwrap_err().to_string().contains("resource type `nope`"));
}
