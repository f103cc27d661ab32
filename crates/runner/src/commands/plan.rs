//! `plan`

use std::path::{Path, PathBuf};

use sloth_core::body::Program as _;
use sloth_core::run::RunStatus;
use sloth_engine::run::RunRequest;

use crate::app::App;
use crate::commands::conduct;
use crate::commands::run::Part;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::files::{self, Flush};
use crate::program::{Found, Loaded, Source};
use crate::views::plan::PlanView;

/// Show what a run would change
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner plan site.sloth\n  sloth-runner plan site.sloth --out site.plan && sloth-runner apply site.plan"
)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    part: Part,
    /// Save the plan for `apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End with exit code 3 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Runs it.
///
/// # Errors
/// It could not be planned, or the plan not be saved.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let found = args.source.find(app)?;
    show(app, &found, &args.part, args.out.as_deref(), args.detailed_exitcode)
}

/// Plans, shows, and saves.
///
/// # Errors
/// It could not be planned, or the plan not be saved.
pub fn show(
    app: &App,
    found: &Found,
    part: &Part,
    save: Option<&Path>,
    detailed: bool,
) -> Result<Exit, CommandError> {
    let brief = save.is_none() && app.out.is_table();
    let request = RunRequest { brief, ..part.request(found, true)? };
    let mut program = Loaded::load(app, found)?;
    let name = request.stack.clone().unwrap_or_else(|| program.workflow().name.clone());
    let report = conduct::with_progress(app, Some(&name), true, |ctx| {
        sloth_engine::run::run(ctx, &mut program, &request)
    })?;
    let Some(plan) = &report.plan else {
        return Err(CommandError::new(Exit::Failed, "the engine made no plan"));
    };
    let view = PlanView::new(plan, &report.orphans, &[]).ended(report.status);
    app.out.show(&view.with_unchanged(report.counts.unchanged));
    if report.status == RunStatus::Failed {
        let why = report.error.clone().unwrap_or_else(|| "a task failed".to_owned());
        let error = CommandError::new(
            Exit::Failed,
            "the plan is not complete, because a task failed while planning; nothing was changed",
        );
        // Where it failed was shown with the task, unless nothing but errors is shown.
        let (first, place) = why.split_once('\n').unwrap_or((&why, ""));
        let error = error.cause(first);
        return Err(if app.out.quiet && !place.is_empty() { error.excerpt(place) } else { error });
    }
    if let Some(path) = save {
        files::write_private(path, plan.to_text().as_bytes(), Flush::Now).map_err(|e| {
            CommandError::new(Exit::Failed, format!("could not save the plan as `{}`", path.display()))
                .system(&e)
        })?;
        let shown = path.display();
        app.out.talk(&format!("saved as `{shown}`; perform exactly this with `sloth-runner apply {shown}`"));
    }
    Ok(if detailed && !plan.is_empty() { Exit::Differs } else { Exit::Ok })
}
