//! `stack drift detect`, `stack drift NAME`

use crate::app::App;
use crate::commands::conduct;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::drift::DriftView;

/// Look for drift
///
/// Reads every recorded resource and changes nothing. Ends with exit code 3 when something drifted, 8 when something
/// could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack drift detect production")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    pub stack: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let report = conduct::with_progress(app, Some(&stack.name), true, |ctx| {
        sloth_engine::drift::detect(ctx, &stack.name)
    })?;
    let mut view =
        DriftView::new(&stack, &report.findings, Some(report.detected_at), false, !app.out.is_table());
    if view.drifted() {
        view.remember(&sloth_engine::drift::history(&*app.view()?, &stack, None)?);
    }
    app.out.show(&view);
    Ok(match (view.drifted(), view.unknown()) {
        (true, _) => Exit::Differs,
        (false, true) => Exit::NeedsPerson,
        (false, false) => Exit::Ok,
    })
}
