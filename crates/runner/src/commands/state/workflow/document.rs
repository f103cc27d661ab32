//! The file of `state workflow export`: what the older program wrote, and what `stack export` writes, in one; and how such
//! a file, one of the older program, or the output of `show -o json` is read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sloth_core::body::Registration;
use sloth_core::clock::Clock as _;
use sloth_core::desired::Options;
use sloth_core::execution::{ExecutionStatus, ResourceAction, Said};
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::stack::{Stack, TAGS, check_tag};
use sloth_core::store::VersionAt;
use sloth_core::value::{Map, Value};
use sloth_core::version::Version;
use sloth_engine::transfer::{self, Carried};

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::{WorkflowVersion, WorkflowVersions, WorkflowView};
use crate::views::{time, transfer as document};

/// As it is written.
#[derive(Serialize)]
struct Document {
    state: WorkflowView,
    versions: Vec<WorkflowVersion>,
    tags: Vec<String>,
    exported_at: String,
    exported_by: String,
    /// What `stack export` writes: everything needed to go on with real resources.
    stack: Value,
}

/// The text of the file.
///
/// # Errors
/// The store failed.
pub fn write(app: &App, stack: &Stack) -> Result<String, CommandError> {
    let ctx = app.context(Some(&stack.name))?;
    let cannot = |e: serde_json::Error| {
        CommandError::new(Exit::Failed, format!("`{}` cannot be written: {e}", stack.name))
    };
    let carried = transfer::export(&ctx, stack, VersionAt::Head)?;
    let view = app.view()?;
    let versions = WorkflowVersions::new(stack, &view.version_list(&stack.id, 0)?).versions;
    let text = Document {
        state: WorkflowView::whole(&**app.store()?, &*view, stack.clone(), None)?,
        versions,
        tags: stack.tags(),
        exported_at: time(SystemClock.now()),
        exported_by: ctx.actor.name,
        stack: serde_json::from_str(&document::write(carried).map_err(cannot)?).map_err(cannot)?,
    };
    Ok(serde_json::to_string_pretty(&text).map_err(cannot)? + "\n")
}

/// As it is read. What is not named here is of no concern.
#[derive(Deserialize)]
struct Given {
    state: State,
    tags: Option<Vec<String>>,
    stack: Option<Value>,
}

#[derive(Deserialize)]
struct State {
    id: Option<String>,
    name: String,
    version: Option<u64>,
    status: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
    duration_seconds: Option<f64>,
    error_msg: Option<String>,
    metadata: Option<Map>,
    resources: Option<Vec<Resource>>,
    outputs: Option<Map>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Resource {
    r#type: String,
    name: String,
    action: Option<String>,
    status: Option<String>,
    attributes: Option<Map>,
    dependencies: Option<Vec<String>>,
    error_msg: Option<String>,
}

/// Metadata key under which an imported workflow keeps what its file said of the execution.
const IMPORTED: &str = "imported";

/// Reads a file. With what `stack export` writes inside, everything is as it was; else its resources live only in the record.
///
/// # Errors
/// Says what is wrong with it, and where.
pub fn read(text: &str) -> Result<Carried, String> {
    let whole: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
    let place = |e: serde_json::Error| format!("it is not a workflow: {e}");
    let (state, tags, stack) = if whole.get("state").is_some() {
        let given: Given = serde_json::from_str(text).map_err(place)?;
        (given.state, given.tags, given.stack)
    } else {
        let state: State = serde_json::from_str(text).map_err(place)?;
        (state, None, None)
    };
    if let Some(stack) = stack.filter(|stack| !stack.is_null()) {
        return document::read(&stack.to_string()).map_err(|why| format!("its `stack`: {why}"));
    }
    let tags = tags.or(state.tags.clone()).unwrap_or_default();
    tags.iter().try_for_each(|tag| check_tag(tag)).map_err(|why| format!("its `tags`: {why}"))?;
    if let Some(status) = state.status.as_deref().filter(|word| ExecutionStatus::parse(word).is_none()) {
        return Err(format!("its `status`: there is no status `{status}`"));
    }
    let mut resources = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, resource) in state.resources.into_iter().flatten().enumerate() {
        let recorded = record(resource).map_err(|why| format!("its `resources[{at}]`: {why}"))?;
        let Some(recorded) = recorded else { continue };
        if !seen.insert(recorded.address.clone()) {
            return Err(format!("its `resources[{at}]`: {} is there already", recorded.address));
        }
        resources.push(recorded);
    }
    let mut metadata = state.metadata.unwrap_or_default();
    let mut tags: Vec<String> = tags.into_iter().collect::<BTreeSet<String>>().into_iter().collect();
    tags.sort_unstable();
    if !tags.is_empty() {
        metadata.insert(TAGS.to_owned(), Value::from(tags));
    }
    let said = serde_json::json!({
        "id": state.id, "version": state.version, "status": state.status, "started_at": state.started_at,
        "completed_at": state.completed_at, "duration_seconds": state.duration_seconds,
        "error_msg": state.error_msg,
    });
    metadata.insert(IMPORTED.to_owned(), said);
    let outputs = state.outputs.unwrap_or_default();
    Ok(Carried {
        name: state.name,
        description: String::new(),
        version_label: String::new(),
        workflow_file: None,
        configuration: Map::new(),
        metadata,
        version: Version(state.version.unwrap_or(0)),
        resources,
        outputs: outputs.into_iter().map(|(name, value)| Output { name, value, sensitive: false }).collect(),
        upstreams: Vec::new(),
        contents: Vec::new(),
        missing: Vec::new(),
    })
}

/// One resource; none when it was only listed because it had been removed.
fn record(given: Resource) -> Result<Option<Recorded>, String> {
    let action = match given.action.as_deref() {
        None => None,
        Some(word) => {
            Some(ResourceAction::parse(word).ok_or_else(|| format!("there is no action `{word}`"))?)
        }
    };
    if action == Some(ResourceAction::Delete) && given.status.as_deref() == Some("deleted") {
        return Ok(None);
    }
    let failed = given.status.as_deref() == Some(Condition::Failed.as_str());
    let error =
        failed.then(|| given.error_msg.unwrap_or_else(|| "it failed before it was imported".to_owned()));
    let said = Said { action, status: given.status.filter(|_| !failed) };
    let entry = Registration {
        kind: given.r#type,
        name: given.name,
        module: "state".to_owned(),
        properties: said.with(given.attributes.unwrap_or_default()),
        dependencies: given.dependencies.unwrap_or_default(),
        applied: true,
        options: Options::default(),
    };
    sloth_engine::by_hand::recorded(entry, error, SystemClock.now()).map(Some).map_err(|error| {
        let text = error.to_string();
        text.strip_suffix("; nothing was changed").map_or(text.clone(), str::to_owned)
    })
}
