//! `stack snapshot show`

use sloth_engine::EngineError;

use super::version_of;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::resource::ResourceView;
use crate::views::stack::output_map;
use crate::views::version::{SnapshotView, VersionView};

/// Show a stack as it was at a version
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack snapshot show production v5")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Version: `5`, `v5`, `NAME@5`, or a tag
    #[arg(value_name = "VERSION")]
    version: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let version = version_of(&*view, &stack, &args.version)?;
    let snapshot = view.version_snapshot(&stack.id, version)?.ok_or_else(|| EngineError::NoSuchVersion {
        stack: stack.name.clone(),
        version,
        head: stack.head,
    })?;
    let catalog = sloth_resources::catalog();
    app.out.show(&SnapshotView {
        info: VersionView::new(&snapshot.info, &stack),
        resources: snapshot
            .resources
            .into_iter()
            .map(|r| ResourceView::new(&stack, r, false, &*catalog))
            .collect(),
        outputs: output_map(&snapshot.outputs),
        stack: stack.name,
    });
    Ok(Exit::Ok)
}
