//! `apply`

use std::path::PathBuf;

use sloth_core::plan::{Plan, PlanSource};
use sloth_engine::EngineError;

use crate::app::App;
use crate::commands::conduct;
use crate::config::unreadable;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files;
use crate::program::{Found, Loaded};

/// Perform exactly the changes of a saved plan
///
/// Refused, naming the resource, when something it touches has moved since.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner plan site.sloth --out site.plan\n  sloth-runner apply site.plan"
)]
pub struct Args {
    /// Plan saved with `plan --out`
    #[arg(value_name = "PLANFILE")]
    plan: PathBuf,
}

/// Runs it.
///
/// # Errors
/// The plan cannot be read, is stale, or its run could not begin.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let text = files::read_text(&args.plan)
        .map_err(|e| unreadable("plan", &args.plan, &e).hint("make one with `plan --out FILE`"))?;
    let plan =
        Plan::from_text(&text).map_err(|e| CommandError::from(EngineError::from(e)).in_file(&args.plan))?;
    let PlanSource::Workflow { file, values, .. } = &plan.source else {
        return Err(CommandError::new(
            Exit::Invalid,
            format!("the plan `{}` was not made from a workflow", args.plan.display()),
        )
        .hint("make one with `plan --out FILE`"));
    };
    let found = Found {
        file: PathBuf::from(file),
        stack: Some(plan.stack.clone()),
        workflow: None,
        values: values.clone(),
    };
    app.follow(&found.file);
    let mut program = Loaded::load(app, &found)?;
    let report = conduct::with_progress(app, Some(&plan.stack), false, |ctx| {
        sloth_engine::run::apply(ctx, &mut program, &plan)
    })?;
    Ok(conduct::conclude(app, &report))
}
