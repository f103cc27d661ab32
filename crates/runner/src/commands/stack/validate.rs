//! `stack validate`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sloth_core::address::HostName;
use sloth_core::body::Program as _;
use sloth_core::stack::{Stack, check_name};
use sloth_core::store::StackMatch;
use sloth_core::validation::{self, Finding, Severity, Topic};
use sloth_core::value::Value;
use sloth_engine::EngineError;
use sloth_engine::validate::{Measure, StackFindings};

use crate::app::App;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::program::{self, Found};
use crate::views::validate::{FindingList, StackValidation, ValidationView};

/// The word for all stacks.
const ALL: &str = "all";

/// Check whether what is recorded of a stack makes sense
///
/// Looks at the record, the workflow file, the configuration and the database; writes nothing, touches no machine and
/// waits for nobody. Ends with exit code 5 when there is an error; warnings and notes are told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sloth-runner stack validate production\n  sloth-runner stack validate all -o json"
)]
pub struct Args {
    /// Stack, or `all`; a stack that is called `all` is named by its id
    #[arg(value_name = "STACK")]
    stack: String,
    /// The stack, in the older spelling `stack validate check STACK`
    #[arg(value_name = "NAME", hide = true)]
    after_check: Option<String>,
}

/// Runs it.
///
/// # Errors
/// There is no such stack, or the store failed.
pub fn run(app: &App, args: &Args) -> Result<Exit, CommandError> {
    match &args.after_check {
        None => check(app, &args.stack),
        Some(name) if args.stack == "check" => check(app, name),
        Some(name) => {
            let message = format!("only one stack can be named, not `{}` and `{name}`", args.stack);
            Err(CommandError::usage(message).hint("name `all` to check all of them"))
        }
    }
}

fn check(app: &App, name: &str) -> Result<Exit, CommandError> {
    let all = name == ALL;
    // First, because where the database is may be written in it.
    let mut common = configuration(app);
    let stacks = {
        let view = app.view()?;
        if all { view.stack_list()? } else { vec![app.stack(&*view, name)?] }
    };
    common.extend(sloth_engine::validate::database(&**app.reading()?)?);
    let mut checked = Vec::with_capacity(stacks.len());
    for stack in &stacks {
        let mut found = recorded(app, stack)?;
        found.findings.extend(workflow(stack));
        checked.push(StackValidation::new(stack, found.resources, found.findings));
    }
    let view = ValidationView::new(all, checked, common);
    app.out.show(&view);
    Ok(if view.is_valid() { Exit::Ok } else { Exit::Invalid })
}

/// `run --validate`: what concerns a stack that is about to be run from a file that is known to be valid.
///
/// # Errors
/// There is an error among the findings, or the store failed.
pub fn before_run(app: &App, name: &str) -> Result<(), CommandError> {
    check_name(name).map_err(EngineError::from)?;
    let mut findings = configuration(app);
    findings.extend(sloth_engine::validate::database(&**app.reading()?)?);
    let known = app.view()?.stack_find(name)?;
    if let StackMatch::One(stack) = known {
        findings.extend(recorded(app, &stack)?.findings);
    }
    let list = FindingList::new(&findings);
    let errors = list.count(Severity::Error);
    if errors == 0 {
        if !app.globals.quiet && !findings.is_empty() {
            app.out.talk_page(&list);
        }
        app.out.talk(&format!("stack `{name}` is valid: {}", list.totals()));
        return Ok(());
    }
    app.out.talk_page(&list);
    let message = format!("stack `{name}` has {}; nothing was run", words::count(errors, "error"));
    Err(CommandError::new(Exit::Invalid, message))
}

/// What the record says.
fn recorded(app: &App, stack: &Stack) -> Result<StackFindings, CommandError> {
    let hosts: BTreeSet<HostName> = app.machines().into_keys().collect();
    let catalog = sloth_resources::catalog();
    let measure = Measure { store: &**app.reading()?, catalog: &*catalog, hosts: &hosts };
    Ok(sloth_engine::validate::stack(measure, stack)?)
}

/// Is the configuration valid?
fn configuration(app: &App) -> Vec<Finding> {
    let Err(error) = app.config() else { return Vec::new() };
    vec![Finding::new(
        Severity::Error,
        "configuration-invalid",
        (Topic::Configuration, "configuration"),
        error.render(None).sentence(),
        "see `sloth-runner config path` and `sloth-runner config check`",
    )]
}

/// Does the file of the last run still load, with the values of that run?
fn workflow(stack: &Stack) -> Option<Finding> {
    let name = &stack.name;
    let Some(file) = &stack.workflow_file else {
        return Some(Finding::new(
            Severity::Warning,
            "workflow-unknown",
            (Topic::Stack, name),
            format!("stack `{name}` was never run from a workflow file"),
            format!("name the file: `sloth-runner run FILE --stack {name}`"),
        ));
    };
    if matches!(Path::new(file).try_exists(), Ok(false)) {
        return Some(Finding::new(
            Severity::Warning,
            "workflow-gone",
            (Topic::File, file),
            format!("the workflow file `{file}` is not there any more"),
            format!("put it back, or name another one: `sloth-runner run FILE --stack {name}`"),
        ));
    }
    let found = Found {
        file: PathBuf::from(file),
        stack: Some(name.clone()),
        workflow: None,
        values: Value::Object(program::remembered(stack)),
    };
    match program::read(&found) {
        Ok(loaded) => validation::workflow_name(stack, file, &loaded.workflow().name),
        Err(error) => Some(Finding::new(
            Severity::Error,
            "workflow-invalid",
            (Topic::File, file),
            error.render(Some(name)).sentence(),
            format!("see `sloth-runner check {name}`"),
        )),
    }
}
