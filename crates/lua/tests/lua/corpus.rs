//! Files in every form, and broken ones with what is said about them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use sloth_lua::{LoadRequest, SourceText};

use crate::rig::{TestCatalog, World, request, run_with};

fn files(folder: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "sloth"))
        .collect();
    all.sort();
    assert!(all.len() > 10);
    all
}

/// Good files, read from disk so that they can import each other; what they mean and what they do.
#[test]
fn good_files_load_and_run() {
    for path in files("good") {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let req = LoadRequest::new(&path, Arc::new(TestCatalog));
        let mut program = sloth_lua::load(req).unwrap_or_else(|e| panic!("{}", e.render(false)));
        let world = Arc::new(World::default());
        let ran = crate::rig::execute(&mut program, &world, 1);
        ran.all_good();
        let w = &ran.workflow;
        let mut text = format!("workflow {} {:?} {}\n", w.name, w.description, w.version);
        writeln!(text, "{}", serde_json::to_string(&w.config).unwrap()).unwrap();
        for task in &w.tasks {
            let needs: Vec<String> =
                task.depends_on.iter().map(|d| format!("{}@{}", d.name, d.span.line)).collect();
            writeln!(
                text,
                "task {}@{} needs {needs:?} on {:?} tags {:?}",
                task.name, task.span.line, task.delegate_to, task.tags
            )
            .unwrap();
        }
        // Calls that run side by side end in any order; what follows them does not.
        let (mut at_once, after): (Vec<_>, Vec<_>) = ran
            .said()
            .into_iter()
            .partition(|line| stem.starts_with("goroutine") && line.starts_with("server"));
        at_once.sort();
        for line in at_once.iter().chain(&after) {
            writeln!(text, "| {line}").unwrap();
        }
        insta::with_settings!({ snapshot_path => "../corpus/good", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(stem, text);
        });
    }
}

/// Broken files: one message each, with place, line and hint.
#[test]
fn broken_files_are_explained() {
    let mut all = String::new();
    let paths = files("broken");
    assert!(paths.len() >= 45, "{} broken files", paths.len());
    for path in paths {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = format!("{stem}.sloth");
        let message = match sloth_lua::load(request(&name, &text)) {
            Err(e) => e.render(false),
            Ok(_) => {
                let ran = run_with(request(&name, &text), &Arc::new(World::default()), 1);
                let failed: Vec<&str> = ran
                    .endings
                    .iter()
                    .filter_map(|(_, e)| match e {
                        sloth_core::body::UnitEnding::Failed { message, .. } => Some(message.as_str()),
                        _ => None,
                    })
                    .collect();
                assert!(!failed.is_empty(), "{stem} is not broken");
                format!("at run time: {}", failed.join("\n"))
            }
        };
        writeln!(all, "== {stem}\n{message}\n").unwrap();
    }
    insta::with_settings!({ snapshot_path => "../corpus/broken", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("messages", all);
    });
}

#[test]
fn a_file_that_is_not_there_or_not_text() {
    let error = sloth_lua::load(LoadRequest::new("/nowhere/x.sloth", Arc::new(TestCatalog))).unwrap_err();
    assert_eq!(error.render(false), "error: could not read `/nowhere/x.sloth`: no such file or directory");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sloth");
    std::fs::write(&path, b"\xff\xfe").unwrap();
    assert!(
        sloth_lua::load(LoadRequest::new(&path, Arc::new(TestCatalog)))
            .unwrap_err()
            .to_string()
            .ends_with("is not UTF-8 text")
    );
    // Luau bytecode is not text either.
    let mut req = request("x.sloth", "\u{4}\u{1}");
    assert!(sloth_lua::load(req.clone()).is_err());
    req.source = SourceText::Text {
        name: "x.sloth".to_owned(),
        text: "#!/usr/bin/env sloth-runner\ntask('a')".to_owned(),
    };
    assert!(sloth_lua::load(req).is_ok());
}

#[test]
fn the_digest_covers_every_source() {
    use sloth_core::body::Program as _;
    let dir = tempfile::tempdir().unwrap();
    let (main, other) = (dir.path().join("a.sloth"), dir.path().join("b.sloth"));
    std::fs::write(&main, "import('b.sloth')").unwrap();
    let digest = |text: &str| {
        std::fs::write(&other, text).unwrap();
        sloth_lua::load(LoadRequest::new(&main, Arc::new(TestCatalog))).unwrap().workflow().digest.clone()
    };
    let first = digest("task('x')");
    assert_eq!(first.len(), 64);
    assert_eq!(first, digest("task('x')"));
    assert_ne!(first, digest("task('y')"));
}

#[test]
fn one_of_several_workflows_is_chosen_by_name() {
    use sloth_core::body::Program as _;
    let text = "workflow.define('one', { tasks = { task('a') } })\nworkflow.define('two', { tasks = { task('b') } })";
    let mut req = request("t.sloth", text);
    insta::assert_snapshot!(sloth_lua::load(req.clone()).unwrap_err().render(false));
    req.workflow = Some("two".to_owned());
    assert_eq!(sloth_lua::load(req.clone()).unwrap().workflow().tasks[0].name, "b");
    req.workflow = Some("tow".to_owned());
    insta::assert_snapshot!(sloth_lua::load(req).unwrap_err().render(false));
}

#[test]
fn colour_is_optional() {
    let error = sloth_lua::load(request("t.sloth", "task(")).unwrap_err();
    assert!(!error.render(false).contains('\u{1b}'));
    assert!(error.render(true).contains('\u{1b}'));
    assert_eq!(error.diagnostic().span.as_ref().unwrap().to_string(), "t.sloth:1");
}
