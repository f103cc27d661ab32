//! `stack deps`: one file per verb.

pub mod check;
pub mod graph;
pub mod order;
pub mod show;

use clap::Subcommand;
use sloth_core::address::Address;
use sloth_core::deps::{Dependencies, Node};
use sloth_core::store::VersionAt;
use sloth_core::value::Value;
use sloth_engine::upstreams::{self, StackGraph};

use crate::app::App;
use crate::commands::stack::snapshot::at_version;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::views::deps::StackDeps;

/// See what stacks and their resources need of each other
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look for circles, and for dependencies that are not there
    #[command(visible_alias = "analyze")]
    Check(check::Args),
    /// Draw what depends on what
    Graph(graph::Args),
    /// Show in which order stacks are run or resources are made, and which may run in parallel
    Order(order::Args),
    /// Show what a stack and each of its resources depend on, and what needs them
    Show(show::Args),
}

/// Runs one.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub fn dispatch(app: &App, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Check(args) => check::run(app, args),
        Command::Graph(args) => graph::run(app, args),
        Command::Order(args) => order::run(app, args),
        Command::Show(args) => show::run(app, args),
    }
}

/// Reads what a stack and its resources need, now or at a version.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn load(app: &App, name: &str, at: Option<&str>) -> Result<StackDeps, CommandError> {
    let view = app.view()?;
    let stack = app.stack(&*view, name)?;
    let at = at_version(&*view, &stack, at)?;
    let mut records: Vec<(Address, Vec<String>, Value)> = Vec::new();
    view.resource_texts(&stack.id, at, &mut |r| {
        let spec = r.spec.value();
        records.push((r.address, r.options.depends_on, spec));
    })?;
    let items: Vec<Node<'_>> =
        records.iter().map(|(address, depends_on, spec)| Node { address, depends_on, spec }).collect();
    let graph = Dependencies::build(&items);
    let names = records.iter().map(|(address, ..)| address.to_string()).collect();
    let (all, stale) = match at {
        VersionAt::Head => (StackGraph::load(&*view)?, upstreams::stale(&*view, &stack.id)?),
        // What was read then is history, not stale.
        VersionAt::Number(_) => (StackGraph::load_as_of(&*view, &stack.id, at)?, Vec::new()),
    };
    Ok(StackDeps { stack, names, graph, all, stale })
}
