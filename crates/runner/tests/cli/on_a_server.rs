//! The same tests once more, with the state on a PostgreSQL server.

use sloth_testkit::env::TestEnv;

use places::{SLOW, ran_site, root, site};

/// A place that keeps its state on a server. Without a server, that is said, and it is a file as everywhere else.
fn env() -> TestEnv {
    let mut env = crate::env();
    if let Some(server) = sloth_testkit::postgres::shared() {
        env.keep_on(server);
    }
    env
}

#[path = "places.rs"]
mod places;
#[path = "test_audit.rs"]
mod test_audit;
#[path = "test_events.rs"]
mod test_events;
#[path = "test_hook.rs"]
mod test_hook;
#[path = "test_op.rs"]
mod test_op;
#[path = "test_plan.rs"]
mod test_plan;
#[path = "test_replay_idempotency.rs"]
mod test_replay_idempotency;
#[path = "test_replay_integrated_state.rs"]
mod test_replay_integrated_state;
#[path = "test_replay_stack_guide.rs"]
mod test_replay_stack_guide;
#[path = "test_replay_stack_state.rs"]
mod test_replay_stack_state;
#[path = "test_replay_workflow_state.rs"]
mod test_replay_workflow_state;
#[path = "test_resume.rs"]
mod test_resume;
#[path = "test_run.rs"]
mod test_run;
#[path = "test_stack.rs"]
mod test_stack;
#[path = "test_stack_deps.rs"]
mod test_stack_deps;
#[path = "test_stack_drift.rs"]
mod test_stack_drift;
#[path = "test_stack_gc.rs"]
mod test_stack_gc;
#[path = "test_stack_interchange.rs"]
mod test_stack_interchange;
#[path = "test_stack_lock.rs"]
mod test_stack_lock;
#[path = "test_stack_snapshot.rs"]
mod test_stack_snapshot;
#[path = "test_stack_state.rs"]
mod test_stack_state;
#[path = "test_stack_tags.rs"]
mod test_stack_tags;
#[path = "test_stack_upstreams.rs"]
mod test_stack_upstreams;
#[path = "test_state.rs"]
mod test_state;
#[path = "test_state_workflow.rs"]
mod test_state_workflow;
#[path = "test_undo.rs"]
mod test_undo;
