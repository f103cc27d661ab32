//! The list of everything.

use std::sync::{Arc, LazyLock};

use sloth_core::kind::{ArgError, Args, Catalog, Declared, Kind, Operation, Sources};
use sloth_core::machine::Sight;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use crate::local::provider;
use crate::types;

struct Everything {
    kinds: Vec<Kind>,
    operations: Vec<Operation>,
}

/// Every resource type and operation, by name.
#[must_use]
pub fn catalog() -> Arc<dyn Catalog> {
    static EVERYTHING: LazyLock<Arc<Everything>> = LazyLock::new(|| {
        let mut kinds: Vec<Kind> = types::all().iter().map(|p| *p.kind()).collect();
        kinds.sort_by_key(|k| k.name);
        let mut operations: Vec<Operation> =
            types::all().iter().flat_map(|p| p.operations().iter().copied()).collect();
        operations.sort_by_key(|o| (o.module, o.name));
        Arc::new(Everything { kinds, operations })
    });
    Arc::clone(&*EVERYTHING) as Arc<dyn Catalog>
}

impl Catalog for Everything {
    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
    fn operations(&self) -> &[Operation] {
        &self.operations
    }
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Declared>, ArgError> {
        let provider = types::find(operation.kind).ok_or_else(|| ArgError {
            param: None,
            message: format!("there is no resource type `{}`", operation.kind),
            hint: None,
        })?;
        provider.declare(operation, args, sources)
    }
    fn readable(&self, kind: &str, id: &str, spec: &Value, state: Option<&Value>) -> Result<(), ProbeError> {
        let sight = Sight { kind, id, spec: Some(spec), blobs: &[], recorded: None };
        provider(kind)?.compare(&sight, state).map(|_| ())
    }
}
