//! The file of `state workflow export` and `backup`: what the older program wrote, and what `stack export` writes, in one.

use serde::Serialize;
use sloth_core::clock::Clock as _;
use sloth_core::stack::Stack;
use sloth_core::store::VersionAt;
use sloth_core::value::Value;
use sloth_engine::transfer;

use crate::app::App;
use crate::clock::SystemClock;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::execution::{WorkflowVersion, WorkflowVersions, WorkflowView};
use crate::views::{time, transfer as whole};

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
    let document = Document {
        state: WorkflowView::whole(&**app.store()?, &*view, stack.clone(), None)?,
        versions,
        tags: stack.tags(),
        exported_at: time(SystemClock.now()),
        exported_by: ctx.actor.name,
        stack: serde_json::from_str(&whole::write(carried).map_err(cannot)?).map_err(cannot)?,
    };
    Ok(serde_json::to_string_pretty(&document).map_err(cannot)? + "\n")
}
