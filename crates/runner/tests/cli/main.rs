//! The program as people use it: one file per command, plus the examples and the house rules.
#![expect(
    clippy::duplicate_mod,
    reason = "tests of what does not depend on where the state is kept exist twice"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "test code"
)]

mod bad_input;
mod on_a_server;
mod places;
mod replay;
mod test_accounts;
mod test_audit;
mod test_backup;
mod test_check;
mod test_completions;
mod test_config;
mod test_custom_types;
mod test_doctor;
mod test_documents;
mod test_events;
mod test_examples;
mod test_files;
mod test_hook;
mod test_house;
mod test_man;
mod test_network;
mod test_op;
mod test_output;
mod test_packages;
mod test_plan;
mod test_readme;
mod test_replay_idempotency;
mod test_replay_integrated_state;
mod test_replay_stack_guide;
mod test_replay_stack_state;
mod test_replay_workflow_state;
mod test_resume;
mod test_run;
mod test_server;
mod test_services;
mod test_ssh;
mod test_stack;
mod test_stack_deps;
mod test_stack_drift;
mod test_stack_gc;
mod test_stack_interchange;
mod test_stack_lock;
mod test_stack_migrate;
mod test_stack_snapshot;
mod test_stack_state;
mod test_stack_tags;
mod test_stack_upstreams;
mod test_stack_validate;
mod test_state;
mod test_state_copy;
mod test_state_workflow;
mod test_terminal;
mod test_types;
mod test_undo;
mod test_usage;
mod test_version;
mod throw_away;

use places::{SLOW, ran_site, root, site};
use sloth_testkit::env::TestEnv;

/// A place to run this build of the program in.
pub fn env() -> TestEnv {
    TestEnv::new(env!("CARGO_BIN_EXE_sloth-runner"))
}

/// Like that of `insta`, for tests that exist twice: what they show is the same, wherever the state is kept.
macro_rules! assert_snapshot {
    ($value:expr) => {{
        fn here() {}
        let name = crate::snapshot_of(std::any::type_name_of_val(&here));
        insta::with_settings!({ prepend_module_to_snapshot => false }, { insta::assert_snapshot!(name, $value) });
    }};
}
use assert_snapshot;

/// The name `insta` gives to the snapshot of a test, from the path of something in it.
fn snapshot_of(path: &str) -> String {
    let path = path.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    path.replace("::on_a_server", "").replace("::", "__")
}
