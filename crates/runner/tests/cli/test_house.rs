//! House rules.

use std::path::Path;

use sloth_testkit::arrows;

#[test]
fn crates_point_inward() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert_eq!(arrows::forbidden(crates), Ok(vec![]));
}

#[test]
fn no_test_file_is_forgotten() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in std::fs::read_dir(crates).unwrap().flatten() {
        for tests in std::fs::read_dir(entry.path().join("tests")).into_iter().flatten().flatten() {
            let root = tests.path().join("main.rs");
            if root.is_file() {
                assert_eq!(arrows::forgotten(&root), Ok(vec![]), "in {}", root.display());
            }
        }
    }
}

#[test]
fn every_command_is_tested() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = std::fs::read_to_string(here.join("../../docs/reference/cli.md")).unwrap();
    let paths: Vec<&str> = reference
        .lines()
        .filter_map(|line| line.strip_prefix("## `sloth-runner ")?.strip_suffix('`'))
        .collect();
    assert!(paths.len() > 20, "the reference lists {} commands", paths.len());
    let mut tests = String::new();
    for entry in std::fs::read_dir(here.join("tests/cli")).unwrap().flatten().filter(|e| e.path().is_file()) {
        tests += &std::fs::read_to_string(entry.path()).unwrap();
    }
    let group = |path: &str| paths.iter().any(|other| other.starts_with(&format!("{path} ")));
    for path in paths.iter().filter(|path| !group(path)) {
        let words: Vec<String> = path.split(' ').map(|word| format!("\"{word}\"")).collect();
        assert!(tests.contains(&words.join(", ")), "no test runs `sloth-runner {path}`");
    }
}
