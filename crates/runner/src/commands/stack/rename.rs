//! `stack rename`

use sloth_engine::stacks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Give a stack another name
///
/// Versions, runs and locks stay with it. A workflow goes on running in the stack of its own name, unless `--stack` names
/// another.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack rename staging staging-2026")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// New name
    #[arg(value_name = "NAME")]
    name: String,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, the name is taken or cannot be one, somebody holds the stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    stacks::rename(&app.context(Some(&stack.name))?, &stack, &args.name)?;
    app.out.talk(&format!("stack `{}` is called `{}` now", stack.name, args.name));
    if let Some(file) = &stack.workflow_file {
        app.out
            .talk(&format!("its workflow runs in it with `sloth-runner run {file} --stack {}`", args.name));
    }
    Ok(Exit::Ok)
}
