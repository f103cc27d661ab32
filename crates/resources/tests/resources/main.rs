//! Everything this crate promises, on the real system and in memory.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "test code")]

mod accounts;
mod ansible;
mod cases;
mod commands;
mod facts;
mod fake_apt;
mod fake_systemd;
mod front;
mod packages;
mod random;
mod real_types;
mod safety;
mod settings;
mod speed;
mod ssh_keys;
mod support;

#[test]
fn no_test_file_is_forgotten() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/resources")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let module = name.trim_end_matches(".rs");
        assert!(
            module == "main" || main.contains(&format!("mod {module};")),
            "`{name}` is not part of the tests"
        );
    }
}
