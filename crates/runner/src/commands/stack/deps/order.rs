//! `stack deps order`

use super::load;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::deps::OrderView;

/// Show in which order resources are made, and which may run in parallel
///
/// Each resource comes after everything it depends on; they are removed the other way round. The resources of a group
/// need nothing of each other, and only what is in the groups before.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack deps order production\n  sloth-runner stack deps order production -o json"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, its resources depend on each other in a circle, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let deps = load(app, &args.stack, args.at.as_deref())?;
    let circle = |circle| {
        let (name, path) = (&deps.stack.name, deps.path(&circle));
        let says = format!("the resources of stack `{name}` have no order, because of a circle: {path}");
        CommandError::new(Exit::Invalid, says).hint(format!("see `sloth-runner stack deps check {name}`"))
    };
    let groups = deps.graph.levels().map_err(circle)?;
    app.out.show(&OrderView::new(&deps, &deps.graph.creation_order(), &groups));
    Ok(Exit::Ok)
}
