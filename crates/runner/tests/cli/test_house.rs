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
