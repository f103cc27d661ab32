//! `resume`

use sloth_engine::run::{Decision, open_steps, settle_step};

use crate::app::App;
use crate::commands::run::{self, Part};
use crate::error::CommandError;
use crate::exit::Exit;
use crate::program::Source;

/// Go on after an interrupted run, or decide about a step nobody can look up
///
/// Runs the stack's file again: what is done is not done twice. A command that began without a guard and whose end is
/// unknown waits for a decision.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sloth-runner resume web\n  sloth-runner resume web --adopt 0192f0c1:3")]
pub struct Args {
    /// Stack
    #[arg(value_name = "STACK")]
    stack: String,
    /// The step did happen: go on after it
    #[arg(long, value_name = "ID", group = "decision")]
    adopt: Vec<String>,
    /// The step did not happen: do it again
    #[arg(long, value_name = "ID", group = "decision")]
    redo: Vec<String>,
    /// It does not matter any more
    #[arg(long, value_name = "ID", group = "decision")]
    forget: Vec<String>,
    /// List the open steps and change nothing
    #[arg(long, conflicts_with = "decision")]
    list: bool,
}

/// Runs it.
///
/// # Errors
/// There is no such stack or step, or the run could not begin.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    let stack = app.stack(&*app.view()?, &args.stack)?;
    let ctx = app.context(Some(&stack.name))?;
    if args.list {
        let steps = open_steps(&ctx, &stack)?;
        app.out.list(&OpenSteps(&steps), &steps);
        return Ok(Exit::Ok);
    }
    let decided =
        [(&args.adopt, Decision::Adopt), (&args.redo, Decision::Redo), (&args.forget, Decision::Forget)];
    let mut any = false;
    for (ids, decision) in decided {
        for id in ids {
            settle_step(&ctx, &stack, id, decision)?;
            app.out.talk(&format!("step `{id}` is settled"));
            any = true;
        }
    }
    if any {
        return Ok(Exit::Ok);
    }
    let source = Source { what: Some(stack.name.clone()), ..Source::default() };
    run::go(app, &source.find(app)?, &Part::default())
}

struct OpenSteps<'a>(&'a [sloth_engine::run::OpenStepInfo]);

impl crate::out::Human for OpenSteps<'_> {
    fn human(&self, page: &mut crate::out::Page) {
        let mut table = crate::out::table::Table::new(&["ID", "TASK", "STEP", "BEGAN", "STATE"]);
        for step in self.0 {
            let state = match (step.unknown, step.finished) {
                (true, _) => "a person has to decide",
                (false, true) => "ended",
                (false, false) => "the next run looks",
            };
            table.row([
                step.id.clone(),
                step.task.clone(),
                step.title.clone(),
                step.at.local(),
                state.to_owned(),
            ]);
        }
        page.table(&table);
        page.gap();
        page.line(&format!("Total: {}", crate::out::words::len(self.0, "open step")));
    }
}
