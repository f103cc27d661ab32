//! `stack drift show`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::drift::DriftView;

/// Show what the last look found
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack drift show production")]
pub struct Args {
    /// Stack
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
    let findings = view.drift_latest(&stack.id)?;
    let detected = findings.iter().map(|f| f.detected_at).max();
    let mut shown = DriftView::new(&stack, &findings, detected, true, true);
    shown.remember(&sloth_engine::drift::history(&*view, &stack, None)?);
    app.out.show(&shown);
    Ok(Exit::Ok)
}
