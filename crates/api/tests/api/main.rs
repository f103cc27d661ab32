//! The library as other programs use it.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "test code"
)]

#[path = "../../examples/programme.rs"]
mod programme;

use std::time::Duration;

use sloth_api::{Error, LockOptions, NewStack, RunFile, RunStatus, Sloth, Version, json};

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn named(name: &str) -> NewStack {
    NewStack { name: name.to_owned(), ..NewStack::default() }
}

#[test]
fn the_programme_does_what_it_says() {
    let dir = place();
    let said = programme::programme(&dir.path().join("state.db")).unwrap();
    assert_eq!(
        said,
        [
            "Created snapshot version: v2",
            "Drift detected in resource instance_group:web",
            "Drifted fields: [\"instances\"]",
            "Back at v2, as v4: {\"instances\":3,\"region\":\"us-east-1\"}",
            "Tags: [\"critical\", \"production\"]",
        ]
    );
    let sloth = Sloth::open(dir.path().join("state.db")).unwrap();
    let stack = sloth.stack("my-infra").unwrap_err();
    assert!(matches!(stack, Error::Engine(_)), "{stack}");
    let versions = sloth.stack("my-infrastructure").unwrap().versions().unwrap();
    assert!(versions.iter().all(|v| v.created_by == "admin"), "{versions:?}");
}

#[test]
fn files_are_run_planned_repaired_and_taken_back() {
    let dir = place();
    let root = dir.path().join("made");
    let file = dir.path().join("site.sloth");
    std::fs::write(
        &file,
        "task(\"t\", { run = function()\n  file.directory(values.root)\n  \
         file.content(values.root .. \"/a\", { content = values.text })\n  stack.set_output(\"a\", values.text)\nend })\n",
    )
    .unwrap();
    let sloth = Sloth::open(dir.path().join("state.db")).unwrap();
    let with = |text: &str| {
        RunFile::new(&file)
            .stack("site")
            .value("root", root.to_string_lossy().into_owned())
            .value("text", text)
    };
    let content = || std::fs::read_to_string(root.join("a")).unwrap();

    let plan = sloth.plan(&with("one")).unwrap();
    assert!(plan.planned && plan.changes.len() == 2 && !root.exists());
    let report = sloth.run(&with("one")).unwrap();
    assert_eq!(
        (report.status, report.version, report.counts.created),
        (RunStatus::Completed, Some(Version(1)), 2)
    );
    let stack = sloth.stack("site").unwrap();
    assert_eq!(stack.get().unwrap().workflow_file.as_deref(), Some(&*file.to_string_lossy()));
    assert_eq!(stack.outputs().unwrap()[0].value, json!("one"));

    std::fs::write(root.join("a"), "by hand").unwrap();
    assert_eq!(stack.detect_drift().unwrap().drifted(), 1);
    stack.fix_drift().unwrap();
    assert_eq!((content().as_str(), stack.detect_drift().unwrap().drifted()), ("one", 0));

    sloth.run(&with("two")).unwrap();
    let differs = stack.compare(Version(1), Version(2)).unwrap();
    assert_eq!((differs.changed.len(), differs.outputs.len()), (1, 1));
    stack.restore(Version(1)).unwrap();
    assert_eq!(content(), "one");
    assert_eq!(sloth.undo().unwrap(), "stack `site` is as it was");
    assert_eq!(content(), "two");
    stack.destroy().unwrap();
    assert!(!root.exists() && sloth.stacks().unwrap().is_empty());

    std::fs::write(&file, "task(").unwrap();
    assert!(matches!(sloth.run(&with("x")), Err(Error::Load(_))));
}

#[test]
fn a_lock_keeps_others_out_and_admits_its_owner() {
    let dir = place();
    let ann = Sloth::open(dir.path().join("state.db")).unwrap().acting_as("ann");
    let ben = Sloth::open(dir.path().join("state.db")).unwrap().acting_as("ben");
    let stack = ann.create_stack(named("s")).unwrap();
    let options = LockOptions {
        reason: "upgrade".to_owned(),
        locked_by: None,
        operation: "manual".to_owned(),
        ttl: Duration::from_secs(60),
    };
    let lock = stack.lock(options).unwrap();
    let refused = ben.stack("s").unwrap().snapshot("mine").unwrap_err();
    assert!(refused.to_string().contains("locked by `ann`"), "{refused}");
    let holder = ann.clone().holding(&lock);
    assert_eq!(holder.stack("s").unwrap().snapshot("before").unwrap(), Version(1));
    stack.unlock(&lock).unwrap();
    assert_eq!(ben.stack("s").unwrap().snapshot("mine").unwrap(), Version(2));
}

#[test]
fn values_outlive_the_program_and_end_when_they_should() {
    let dir = place();
    let open = || Sloth::open(dir.path().join("state.db")).unwrap();
    open().set_value("port", json!(8080), None).unwrap();
    open().set_value("soon", json!("gone"), Some(Duration::from_millis(1))).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(open().value("port").unwrap(), Some(json!(8080)));
    assert_eq!((open().value("soon").unwrap(), open().value("never").unwrap()), (None, None));
}

#[test]
fn what_cannot_be_opened_is_said() {
    let dir = place();
    assert!(matches!(Sloth::open("mysql://h/db"), Err(Error::Location(_))));
    let other = dir.path().join("other.db");
    std::fs::write(&other, "not a database at all, but long enough to be one").unwrap();
    let refused = Sloth::open(&other).err().unwrap().to_string();
    assert!(refused.contains("other.db"), "{refused}");
    let sloth = Sloth::open(dir.path().join("state.db")).unwrap();
    assert!(sloth.create_stack(named("a/b")).is_err());
    sloth.create_stack(named("a")).unwrap();
    let twice = sloth.create_stack(named("a")).err().unwrap().to_string();
    assert_eq!(twice, "stack `a` exists already");
}
