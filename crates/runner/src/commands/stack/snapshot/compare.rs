//! `stack snapshot compare`

use sloth_core::version::Version;
use sloth_engine::stacks;

use super::version_of;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::version::ComparisonView;

/// Show what differs between two versions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack snapshot compare production v3 v5")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    pub stack: String,
    /// Older version; `v0` is the empty stack
    #[arg(value_name = "FROM")]
    pub from: String,
    /// Newer version
    #[arg(value_name = "TO")]
    pub to: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let side = |text: &str| match Version::parse(text) {
        Some((None, Version::ZERO)) => Ok(Version::ZERO),
        _ => version_of(&*view, &stack, text),
    };
    let mut found = stacks::compare(&*view, &stack, side(&args.from)?, side(&args.to)?)?;
    sloth_engine::contents::explain(&**app.reading()?, &mut found)?;
    app.out.show(&ComparisonView::new(found));
    Ok(Exit::Ok)
}
