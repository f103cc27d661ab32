//! Machines to test on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sloth_core::address::HostName;
use sloth_core::digest::Blob;
use sloth_core::kind::{Arg, ArgError, Args, Declared, Operation, ParamType, Sources};
use sloth_core::machine::{Applied, ApplyError, Machine, Sight, Step, Unwatched};
use sloth_core::observed::Seen;
use sloth_resources::os::Touch;
use sloth_resources::os::real::Real;
use sloth_resources::{LocalMachine, MachineOptions, catalog};

/// A machine over any system.
pub fn machine(os: Arc<dyn Touch>) -> Arc<LocalMachine> {
    Arc::new(LocalMachine::new(HostName::local(), os, MachineOptions::default()))
}

/// The real one.
pub fn real() -> Arc<LocalMachine> {
    machine(Arc::new(Real::new()))
}

/// Are we root? Tests that need to be say so when they are skipped.
pub fn root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("SKIPPED: {what} can only be tried as root");
    }
    root
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
    let sight = Sight { kind, id, spec: Some(spec), blobs, recorded: None };
    let seen = machine.observe(&[sight]).unwrap().remove(0)?;
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

/// A wish for a file with a content and more.
pub fn file(content: &str, more: &Value) -> (Value, Vec<Blob>) {
    let blob = Blob::new(content.as_bytes());
    let mut spec = json!({"kind": "file", "content": blob.digest().hex()});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (spec, vec![blob])
}

/// Controller files in memory.
#[derive(Default)]
pub struct Files(pub BTreeMap<String, String>);

impl Sources for Files {
    fn read(&self, path: &str) -> Result<Arc<[u8]>, ArgError> {
        match self.0.get(path) {
            Some(text) => Ok(Arc::from(text.as_bytes())),
            None => Err(ArgError::about("src", format!("could not read `{path}`"))),
        }
    }
    fn template_context(&self) -> Value {
        json!({"stack": "web", "values": {"port": 8080}})
    }
}

/// Finds an operation by `module.name`, under any of its names.
pub fn operation(catalog: &dyn sloth_core::kind::Catalog, key: &str) -> Operation {
    let (module, name) = key.split_once('.').unwrap();
    *catalog
        .operations()
        .iter()
        .find(|o| o.module == module && (o.name == name || o.aliases.contains(&name)))
        .unwrap_or_else(|| panic!("there is no operation `{key}`"))
}

/// Declares as the language would, an operation that wishes for one resource.
pub fn declare(key: &str, args: &Value, files: &Files) -> Result<Declared, ArgError> {
    let mut all = declare_all(key, args, files)?;
    assert_eq!(all.len(), 1, "`{key}` wishes for several");
    Ok(all.remove(0))
}

/// Declares as the language would: aliases resolved, strings made bytes where bytes are due.
pub fn declare_all(key: &str, args: &Value, files: &Files) -> Result<Vec<Declared>, ArgError> {
    let catalog = catalog();
    let operation = operation(&*catalog, key);
    let mut checked = Args::default();
    for (name, value) in args.as_object().unwrap() {
        let param = operation
            .params
            .iter()
            .find(|p| p.name == name || p.aliases.contains(&name.as_str()))
            .unwrap_or_else(|| panic!("`{key}` has no argument `{name}`"));
        let arg = match (param.ty, value) {
            (ParamType::Bytes, Value::String(text)) => Arg::Bytes(Arc::from(text.as_bytes())),
            _ => Arg::Value(value.clone()),
        };
        checked.0.insert(param.name, arg);
    }
    catalog.declare(&operation, &checked, files)
}
