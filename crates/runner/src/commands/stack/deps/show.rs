//! `stack deps show`

use sloth_core::address::Address;
use sloth_engine::EngineError;

use super::load;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::deps::DepsView;

/// Show what a stack and each of its resources depend on, and what needs them
///
/// A stack depends on those that its workflow declares and on those of which it read outputs. A dependency of a resource is explicit when the resource names it in `depends_on`. It is inferred when it is the managed directory
/// around the resource, the file it is a part of, or its owner or group.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack deps show production\n  sloth-runner stack deps show production file:/etc/motd"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Only this resource, such as `file:/etc/motd` [default: all]
    #[arg(value_name = "RESOURCE")]
    resource: Option<Address>,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, version or resource, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let deps = load(app, &args.stack, args.at.as_deref())?;
    let only = match &args.resource {
        None => None,
        Some(address) => {
            let known = deps.names.iter().cloned();
            let unknown = || EngineError::no_resource(deps.stack.name.clone(), address, known);
            let text = address.to_string();
            Some(deps.names.iter().position(|name| *name == text).ok_or_else(unknown)?)
        }
    };
    app.out.show(&DepsView::new(&deps, only));
    Ok(Exit::Ok)
}
