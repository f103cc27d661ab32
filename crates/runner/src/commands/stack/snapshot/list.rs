//! `stack snapshot list`

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::version::{VersionList, VersionView};

/// List the versions of a stack, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack snapshot list production --limit 10")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Most entries; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 0)]
    limit: u64,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let versions: Vec<VersionView> =
        view.version_list(&stack.id, args.limit)?.iter().map(|info| VersionView::new(info, &stack)).collect();
    let total = if args.limit == 0 { versions.len() as u64 } else { stack.head.0 };
    let list = VersionList { stack: stack.name, versions, total };
    app.out.list(&list, &list.versions);
    Ok(Exit::Ok)
}
