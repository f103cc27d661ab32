//! `run`

use sloth_core::address::{Address, LOCAL};
use sloth_core::body::Program as _;
use sloth_core::graph::TaskGraph;
use sloth_core::store::StackMatch;
use sloth_core::version::Version;
use sloth_engine::EngineError;
use sloth_engine::run::RunRequest;
use sloth_engine::scope::ScopeRequest;
use sloth_engine::stacks;

use crate::app::App;
use crate::commands::stack::validate;
use crate::commands::{conduct, plan};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::program::{Found, Loaded, Source};

/// Which part of a workflow, and how.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Part {
    /// Only this task, with what it depends on; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub task: Vec<String>,
    /// Only this resource, such as `file:/etc/motd`; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<Address>,
    /// Not this resource; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<Address>,
    /// Only tasks with one of these tags, with what they depend on
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Remove what is recorded but no longer declared
    #[arg(long)]
    pub prune: bool,
    /// How many tasks may run at once [default: the workflow's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub parallel: Option<u32>,
    /// Host to run on; may be given more than once
    #[arg(short, long, value_name = "HOST")]
    pub delegate_to: Vec<String>,
}

impl Part {
    /// What the engine is asked for.
    ///
    /// # Errors
    /// A host is not known.
    pub fn request(&self, found: &Found, planning: bool) -> Result<RunRequest, CommandError> {
        if let Some(host) = self.delegate_to.iter().find(|h| *h != LOCAL) {
            return Err(CommandError::not_found(format!("host `{host}` is not known; nothing was changed"))
                .hint(format!("the only host so far is `{LOCAL}`")));
        }
        Ok(RunRequest {
            stack: found.stack.clone(),
            planning,
            brief: false,
            scope: ScopeRequest {
                tasks: self.task.clone(),
                targets: self.target.clone(),
                excludes: self.exclude.clone(),
                tags: self.tags.clone(),
            },
            prune: self.prune.then_some(true),
            parallel: self.parallel,
            values: found.values.clone(),
        })
    }
}

/// Make it so: run a workflow and record what it did
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner run site.sloth\n  sloth-runner run -f site.sloth --stack production --var port=8080\n  sloth-runner run production"
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    part: Part,
    /// Only show what would be done, like `plan`
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,
    /// Check the file and its stack before, like `stack validate`, and do not run when there is an error
    #[arg(long)]
    validate: bool,
}

/// Runs it.
///
/// # Errors
/// It could not begin, or its state could not be written.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let found = args.source.find(app)?;
    if args.validate {
        validate_first(app, &found)?;
    }
    if args.plan {
        return plan::show(app, &found, &args.part, None, false);
    }
    carry_out(app, &found, &args.part, args.validate)
}

/// The file, then its stack as far as there is one.
fn validate_first(app: &App, found: &Found) -> Result<(), CommandError> {
    let program = Loaded::load(app, found)?;
    let workflow = program.workflow();
    TaskGraph::build(&workflow.tasks).map_err(EngineError::from)?;
    let tasks = words::len(&workflow.tasks, "task");
    app.out.talk(&format!("`{}` is valid: {tasks}", found.file.display()));
    validate::before_run(app, found.stack.as_deref().unwrap_or(&workflow.name))
}

/// Runs a program that was found, without checking its stack before: what a dead run left is no obstacle to going on.
///
/// # Errors
/// It could not begin, or its state could not be written.
pub fn go(app: &App, found: &Found, part: &Part) -> Result<Exit, CommandError> {
    carry_out(app, found, part, true)
}

fn carry_out(app: &App, found: &Found, part: &Part, validated: bool) -> Result<Exit, CommandError> {
    let request = part.request(found, false)?;
    app.follow(&found.file);
    let mut program = Loaded::load(app, found)?;
    let name = request.stack.clone().unwrap_or_else(|| program.workflow().name.clone());
    if program.workflow().config.validate && !validated {
        validate::before_run(app, &name)?;
    }
    if app.config()?.auto_snapshot && !program.workflow().config.create_snapshot {
        snapshot_before(app, &name)?;
    }
    let report = conduct::with_progress(app, Some(&name), false, |ctx| {
        sloth_engine::run::run(ctx, &mut program, &request)
    })?;
    Ok(conduct::conclude(app, &report))
}

/// `stacks.auto_snapshot`: a version before the run, when there is something to go back to.
fn snapshot_before(app: &App, name: &str) -> Result<(), CommandError> {
    let StackMatch::One(stack) = app.view()?.stack_find(name)? else { return Ok(()) };
    if stack.head != Version::ZERO {
        stacks::snapshot_create(&app.context(Some(name))?, name, "Auto-snapshot", Some("system"), &[])?;
    }
    Ok(())
}
