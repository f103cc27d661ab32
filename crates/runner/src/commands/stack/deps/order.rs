//! `stack deps order`

use sloth_engine::upstreams::{self, StackGraph};

use super::load;
use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::deps::{OrderView, StackOrderView};

/// Show in which order stacks are run or resources are made, and which may run in parallel
///
/// With several stacks, each comes after those of them it depends on, directly or by way of others. With one stack, it is
/// about its resources: each comes after everything it depends on; they are removed the other way round. The resources of a group
/// need nothing of each other, and only what is in the groups before.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack deps order production\n  sloth-runner stack deps order db-stack app-stack frontend-stack"
)]
pub struct Args {
    /// Stack, or several to be put in order
    #[arg(value_name = "STACK", required = true)]
    stacks: Vec<String>,
    /// As of this version [default: the newest]
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, there is a circle, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let [stack] = &args.stacks[..] else {
        if args.at.is_some() {
            let says = "`--at` is a version of one stack, and there are several";
            return Err(CommandError::usage(says));
        }
        return among(app, &args.stacks);
    };
    let deps = load(app, stack, args.at.as_deref())?;
    let circle = |circle| {
        let (name, path) = (&deps.stack.name, deps.path(&circle));
        let says = format!("the resources of stack `{name}` have no order, because of a circle: {path}");
        CommandError::new(Exit::Invalid, says).hint(format!("see `sloth-runner stack deps check {name}`"))
    };
    let groups = deps.graph.levels().map_err(circle)?;
    app.out.show(&OrderView::new(&deps, &deps.graph.creation_order(), &groups));
    Ok(Exit::Ok)
}

/// Several stacks.
fn among(app: &App, named: &[String]) -> Result<Exit, CommandError> {
    let view = app.view()?;
    let all = StackGraph::load(&*view)?;
    let mut wanted = Vec::new();
    for name in named {
        let stack = app.stack(&*view, name)?;
        if let Some(at) = all.find(&stack.name)
            && !wanted.contains(&at)
        {
            wanted.push(at);
        }
    }
    let graph = all.among(&wanted);
    let names: Vec<String> = wanted.iter().map(|&at| all.names[at].clone()).collect();
    let groups = graph.levels().map_err(|circle| {
        let path: Vec<String> = circle.0.iter().map(|&at| names[at].clone()).collect();
        let first = path.first().cloned().unwrap_or_default();
        let says = format!("the stacks have no order, because of a circle: {}", upstreams::path(&path));
        CommandError::new(Exit::Invalid, says).hint(format!("see `sloth-runner stack deps check {first}`"))
    })?;
    app.out.show(&StackOrderView::new(&names, &graph.creation_order(), &groups));
    Ok(Exit::Ok)
}
