//! `stack tags remove`

use sloth_core::suggest::nearest;
use sloth_engine::tags;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;

/// Take a tag away
///
/// From the stack when it has it, else from the version it stands for. `undo` gives it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner stack tags remove my-stack production")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Word
    #[arg(value_name = "TAG")]
    tag: String,
    /// From the version it stands for, even when the stack has the same tag
    #[arg(long)]
    version: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or tag, somebody holds the stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let (ctx, name, tag) = (app.context(Some(&stack.name))?, &stack.name, &args.tag);
    if !args.version && tags::remove(&ctx, name, tag)? {
        app.out.talk(&format!("tag `{tag}` taken from stack `{name}`"));
        return Ok(Exit::Ok);
    }
    if let Some(version) = tags::remove_from_version(&ctx, name, tag)? {
        app.out.talk(&format!("tag `{tag}` taken from {version} of stack `{name}`"));
        return Ok(Exit::Ok);
    }
    let mut known = if args.version { Vec::new() } else { stack.tags() };
    known.extend(stack.version_tags().into_keys());
    let error = CommandError::not_found(format!("stack `{name}` has no tag `{tag}`; nothing was changed"));
    Err(match nearest(tag, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("see `sloth-runner stack tags list {name}`")),
    })
}
