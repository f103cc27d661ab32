//! `stack show`

use sloth_core::drift::{DriftStatus, Resolution};
use sloth_core::stack::Stack;
use sloth_core::store::VersionAt;
use sloth_engine::upstreams;

use crate::app::App;
use crate::commands::stack::snapshot::at_version;
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
    /// Outputs and resources as of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let at = at_version(&*view, &stack, args.at.as_deref())?;
    if let VersionAt::Number(version) = at {
        let outputs = view.output_list(&stack.id, at)?;
        let mut count = 0;
        view.resource_texts(&stack.id, at, &mut |_| count += 1)?;
        app.out.show(&StackView::new(&Stack { head: version, ..stack }).with(&outputs, &[], count));
        return Ok(Exit::Ok);
    }
    let outputs = view.output_list(&stack.id, VersionAt::Head)?;
    let runs = view.run_list(&stack.id, RUNS)?;
    let open = view
        .drift_latest(&stack.id)?
        .iter()
        .filter(|f| f.status == DriftStatus::Drifted && f.resolution == Resolution::Pending)
        .count();
    let holder = app.reading()?.leases().status(&stack.id)?.first().map(|l| l.locked_by.clone());
    let count = view.resource_count(&stack.id)?;
    let stale = upstreams::stale(&*view, &stack.id)?;
    app.out.show(&StackView::new(&stack).with(&outputs, &runs, count).now(holder, open).stale(stale));
    Ok(Exit::Ok)
}
