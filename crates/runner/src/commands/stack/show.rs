//! `stack show`

use sloth_core::drift::{DriftStatus, Resolution};
use sloth_core::store::VersionAt;
use sloth_engine::upstreams;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::stack::StackView;

/// Runs shown.
const RUNS: u64 = 5;

/// Show everything about a stack
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack show production\n  sloth-runner stack show production -o json"
)]
pub struct Args {
    /// Stack: name, id, or the beginning of an id
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let outputs = view.output_list(&stack.id, VersionAt::Head)?;
    let runs = view.run_list(&stack.id, RUNS)?;
    let open = view
        .drift_latest(&stack.id)?
        .iter()
        .filter(|f| f.status == DriftStatus::Drifted && f.resolution == Resolution::Pending)
        .count();
    let holder = app.store()?.leases().status(&stack.id)?.first().map(|l| l.locked_by.clone());
    let count = view.resource_count(&stack.id)?;
    let stale = upstreams::stale(&*view, &stack.id)?;
    app.out.show(&StackView::new(&stack).with(&outputs, &runs, count).now(holder, open).stale(stale));
    Ok(Exit::Ok)
}
