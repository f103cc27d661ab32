//! `op`

use clap::Subcommand;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::operation::{OperationList, OperationView};

/// Look at the log of operations
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what was done, newest first
    Log(Args),
}

/// List what was done, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner op log --limit 5\n  sloth-runner undo --op 12")]
pub struct Args {
    /// Most entries; 0 lists all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u64,
}

/// Runs one.
///
/// # Errors
/// The store failed.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    let Command::Log(args) = command;
    let operations: Vec<OperationView> =
        app.view()?.operation_list(args.limit)?.iter().map(OperationView::new).collect();
    app.out.list(&OperationList(&operations), &operations);
    Ok(Exit::Ok)
}
