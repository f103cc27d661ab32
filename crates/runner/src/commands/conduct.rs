//! What verbs that touch machines have in common: progress while they work, the summary, and how the program ends.

use std::io::IsTerminal as _;
use std::sync::Arc;

use sloth_core::run::RunStatus;
use sloth_engine::goal::{CarryOut, Prepared, carry_out};
use sloth_engine::{Context, EngineError, RunReport};

use crate::app::App;
use crate::commands::consent::Consent;
use crate::env;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::FORMAT;
use crate::out::progress::{Manner, Progress};
use crate::signals;
use crate::views::plan::PlanView;
use crate::views::run::RunView;

/// Runs `work` with somebody listening and with signals watched, and takes the live line away afterwards.
///
/// # Errors
/// The work's, or the store cannot be opened.
pub fn with_progress<T>(
    app: &App,
    stack: Option<&str>,
    planning: bool,
    work: impl FnOnce(&Context) -> Result<T, EngineError>,
) -> Result<T, CommandError> {
    let dumb = env::text(env::TERM).is_some_and(|term| term == "dumb");
    let progress = Arc::new(Progress::start(Manner {
        theme: app.out.talk_theme,
        live: std::io::stderr().is_terminal() && !dumb && !app.globals.debug,
        quiet: app.out.quiet,
        verbose: app.out.verbose,
        json: app.out.streams() && !planning,
        planning,
    }));
    let listener = Arc::clone(&progress);
    let ctx = if planning {
        app.context_to_look(stack, listener)
    } else {
        app.context_with(stack, listener, signals::watch())
    };
    let done = ctx.and_then(|ctx| work(&ctx).map_err(CommandError::from));
    progress.finish();
    done
}

/// Prints what a run did and says how the program ends.
pub fn conclude(app: &App, report: &RunReport) -> Exit {
    app.about(&report.stack);
    let view = RunView::new(report);
    if app.out.streams() {
        #[derive(serde::Serialize)]
        struct Last<'a> {
            format: &'static str,
            r#type: &'static str,
            #[serde(flatten)]
            report: &'a RunView,
        }
        app.out.json_line(&Last { format: FORMAT, r#type: "report", report: &view });
    } else {
        app.out.show(&view);
    }
    match report.status {
        RunStatus::Interrupted => Exit::Signal(signals::caught().unwrap_or(2)),
        _ if report.needs_person => Exit::NeedsPerson,
        RunStatus::Completed => Exit::Ok,
        _ => Exit::Failed,
    }
}

/// How a prepared plan is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// The question.
    pub question: &'a str,
    /// What is said when there is nothing to do.
    pub nothing: &'a str,
    /// Stop after showing.
    pub dry_run: bool,
    /// Change the record alone.
    pub state_only: bool,
    /// Carry it out even when no machine has to be touched.
    pub always: bool,
}

/// Shows a prepared plan, asks, carries it out, and says how the program ends.
///
/// # Errors
/// There is nobody to ask, or the engine's.
pub fn show_ask_do(
    app: &App,
    stack: &str,
    prepared: Prepared,
    consent: Consent,
    wish: Wish<'_>,
) -> Result<Exit, CommandError> {
    let view = PlanView::new(&prepared.plan, &[], &prepared.warnings);
    if wish.dry_run {
        app.out.show(&view);
        return Ok(Exit::Ok);
    }
    if prepared.is_empty() && !wish.always {
        prepared.warnings.iter().for_each(|warning| app.out.warn(warning));
        app.out.talk(wish.nothing);
        return Ok(Exit::Ok);
    }
    if !(app.out.quiet && consent.given(app)) {
        app.out.talk_page(&view);
    }
    if !consent.ask(app, wish.question)? {
        return Ok(Exit::Failed);
    }
    let how = CarryOut { state_only: wish.state_only, description: None, creator: None };
    let report = with_progress(app, Some(stack), false, |ctx| carry_out(ctx, prepared, &how))?;
    Ok(conclude(app, &report))
}
