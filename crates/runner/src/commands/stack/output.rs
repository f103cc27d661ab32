//! `stack output`

use sloth_core::suggest::nearest;

use crate::app::App;
use crate::commands::stack::snapshot::at_version;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::stack::{Outputs, output_map};
use crate::views::value::Bare;

/// Show what a stack offers to people and other stacks
///
/// With a key, only its value is printed; a sensitive output is shown only then.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack output production\n  sloth-runner stack output production url"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Only this output
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, version or output, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, &args.stack)?;
    let outputs = view.output_list(&stack.id, at_version(&*view, &stack, args.at.as_deref())?)?;
    let Some(key) = &args.key else {
        app.out.show(&Outputs { stack: stack.name, outputs: output_map(&outputs) });
        return Ok(Exit::Ok);
    };
    let Some(output) = outputs.iter().find(|o| o.name == *key) else {
        let error = CommandError::not_found(format!("stack `{}` has no output `{key}`", stack.name));
        return Err(match nearest(key, outputs.iter().map(|o| o.name.as_str())) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None => error,
        });
    };
    app.out.bare(&Bare(&output.value), &output.value);
    Ok(Exit::Ok)
}
