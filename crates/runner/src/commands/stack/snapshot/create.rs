//! `stack snapshot create`

use sloth_engine::stacks;

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;
use crate::views::version::{VersionList, VersionView};

/// Make a version on request
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack snapshot create production --description \"Before v2.0 upgrade\" --creator admin"
)]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// Why
    #[arg(short, long, value_name = "TEXT", default_value = "Manual snapshot")]
    description: String,
    /// Who [default: the user]
    #[arg(long, value_name = "NAME", value_parser = parse::named)]
    creator: Option<String>,
    /// Words that stand for this version and keep it from being removed, as in `production@before-upgrade`
    #[arg(long = "tag", visible_alias = "tags", value_name = "TAG", value_delimiter = ',')]
    tags: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, somebody holds it, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let ctx = app.context(Some(&stack.name))?;
    let (description, creator) = (&args.description, args.creator.as_deref());
    let info = stacks::snapshot_create(&ctx, &stack.name, description, creator, &args.tags)?;
    let stack = app.stack(&*app.view()?, stack.id.as_str())?;
    app.out.talk(&format!("snapshot {} of stack `{}` created", info.version, stack.name));
    let list =
        VersionList { stack: stack.name.clone(), versions: vec![VersionView::new(&info, &stack)], total: 1 };
    app.out.list(&list, &list.versions);
    Ok(Exit::Ok)
}
