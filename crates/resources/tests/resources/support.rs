//! Machines to test on.

use std::sync::Arc;

use serde_json::{Value, json};
use sloth_core::address::HostName;
use sloth_core::digest::Blob;
use sloth_core::machine::{Applied, ApplyError, Machine, Sight, Step, Unwatched};
use sloth_core::observed::Seen;
use sloth_resources::os::Touch;
use sloth_resources::os::real::Real;
use sloth_resources::{LocalMachine, MachineOptions};

/// A machine over any system.
pub fn machine(os: Arc<dyn Touch>) -> Arc<LocalMachine> {
    Arc::new(LocalMachine::new(HostName::local(), os, MachineOptions::default()))
}

/// The real one.
pub fn real() -> Arc<LocalMachine> {
    machine(Arc::new(Real::new()))
}

/// One look.
pub fn look(machine: &dyn Machine, kind: &str, id: &str, spec: Option<&Value>, blobs: &[Blob]) -> Seen {
    let sight = Sight { kind, id, spec, blobs, recorded: None };
    machine.observe(&[sight]).unwrap().remove(0).unwrap()
}

/// Looks and applies, as the engine does.
pub fn bring_about(
    machine: &dyn Machine,
    kind: &str,
    id: &str,
    spec: &Value,
    blobs: &[Blob],
) -> Result<Applied, ApplyError> {
    let seen = look(machine, kind, id, Some(spec), blobs);
    let step = Step {
        kind: kind.to_owned(),
        id: id.to_owned(),
        spec: Some(spec.clone()),
        replace: seen.diff.replaces(),
        blobs: blobs.to_vec(),
        live: seen.state,
    };
    machine.apply(&step, &Unwatched)
}

/// A wish for a file with a content.
pub fn file(content: &str) -> (Value, Vec<Blob>) {
    let blob = Blob::new(content.as_bytes());
    (json!({"kind": "file", "content": blob.digest().hex()}), vec![blob])
}
