//! `check`

use sloth_core::body::Program as _;
use sloth_core::graph::TaskGraph;
use sloth_engine::EngineError;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::program::{Loaded, Source};
use crate::views::workflow::WorkflowView;

/// Check a workflow file without running or planning it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner check site.sloth")]
pub struct Args {
    #[command(flatten)]
    source: Source,
}

/// Runs it.
///
/// # Errors
/// The file is not valid.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let found = args.source.find(app)?;
    let program = Loaded::load(app, &found)?;
    let graph = TaskGraph::build(&program.workflow().tasks).map_err(EngineError::from)?;
    app.out.show(&WorkflowView::new(&found.file, program.workflow(), &graph));
    Ok(Exit::Ok)
}
