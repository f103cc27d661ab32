//! `check`

use sloth_core::body::Program as _;
use sloth_core::graph::TaskGraph;
use sloth_engine::EngineError;
use sloth_lua::LuaProgram;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::program::{Source, read};
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
    let program = read(&found)?;
    refuse(&program)?;
    let graph = TaskGraph::build(&program.workflow().tasks).map_err(EngineError::from)?;
    app.out.show(&WorkflowView::new(&found.file, program.workflow(), &graph));
    Ok(Exit::Ok)
}

/// What the file would call in vain, all at once.
fn refuse(program: &LuaProgram) -> Result<(), CommandError> {
    let refused = program.refused();
    let Some(first) = refused.first() else { return Ok(()) };
    let texts: Vec<String> = refused.iter().map(|problem| problem.render(false)).collect();
    let all = texts.join("\n");
    let excerpt = all.split_once('\n').map_or("", |(_, rest)| rest);
    Err(CommandError::new(Exit::Invalid, first.diagnostic().message.as_str()).excerpt(excerpt))
}
