//! `stack new`, `stack create`

use sloth_engine::stacks::{self, NewStack};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::stack::StackView;

/// Make a stack
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack new production --description \"The real thing\"")]
pub struct Args {
    /// Name: 1 to 255 characters, no control characters, no `/`, no leading `-`
    #[arg(value_name = "NAME")]
    name: String,
    /// Free text
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Workflow file that `run NAME` uses
    #[arg(short = 'f', long, value_name = "FILE")]
    workflow_file: Option<std::path::PathBuf>,
    /// Your own version label
    #[arg(long, value_name = "TEXT", default_value = "1.0.0")]
    version: String,
}

/// Runs it.
///
/// # Errors
/// The name is unusable or taken.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let file = args.workflow_file.as_ref().map(|f| std::path::absolute(f).unwrap_or_else(|_| f.clone()));
    let new = NewStack {
        name: args.name.clone(),
        description: args.description.clone(),
        version_label: args.version.clone(),
        workflow_file: file.map(|f| f.to_string_lossy().into_owned()),
    };
    let stack = stacks::create(&app.context(None)?, new)?;
    app.out.talk(&format!("stack `{}` created", stack.name));
    app.out.show(&StackView::new(&stack));
    Ok(Exit::Ok)
}
