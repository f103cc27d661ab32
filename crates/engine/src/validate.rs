//! Whether what is recorded makes sense. Reads the store and nothing else, writes nothing, waits for nobody.

use std::collections::BTreeSet;

use sloth_core::address::HostName;
use sloth_core::kind::Catalog;
use sloth_core::lease::LeaseKind;
use sloth_core::recorded::Recorded;
use sloth_core::stack::Stack;
use sloth_core::store::{Store, StoreError, VersionAt, View};
use sloth_core::validation::{self, Finding, Severity, Topic};

use crate::error::EngineError;
use crate::resume::open_steps_in;
use crate::scope_body::FUNCTIONS;
use crate::upstreams::{self, StackGraph};

/// What records are measured by.
#[derive(Clone, Copy)]
pub struct Measure<'a> {
    /// Memory.
    pub store: &'a dyn Store,
    /// Resource types.
    pub catalog: &'a dyn Catalog,
    /// Hosts that can be reached.
    pub hosts: &'a BTreeSet<HostName>,
}

/// What was found in one stack.
#[derive(Clone, Debug)]
pub struct StackFindings {
    /// Number of resources that were looked at.
    pub resources: usize,
    /// In no particular order.
    pub findings: Vec<Finding>,
}

/// What the store says about itself, for all stacks at once.
///
/// # Errors
/// It cannot even be read.
pub fn database(store: &dyn Store) -> Result<Vec<Finding>, EngineError> {
    let location = store.location();
    Ok(store.check(false)?.into_iter().map(|found| Finding::of_store(found, &location)).collect())
}

/// Everything about one stack that can be told from its record.
///
/// # Errors
/// The store failed.
pub fn stack(measure: Measure<'_>, stack: &Stack) -> Result<StackFindings, EngineError> {
    // A run may begin or end while this reads: what it has open is no remains of a dead one.
    let leases = measure.store.leases();
    let before = leases.status(&stack.id)?;
    let view = measure.store.view()?;
    let now = view.stack_get(&stack.id)?;
    let stack = now.as_ref().unwrap_or(stack);
    let steps = left_open(measure.store, stack)?;
    let held = leases.status(&stack.id)?;
    let in_use = before.iter().chain(&held).any(|lease| lease.kind == LeaseKind::Process);

    let mut findings: Vec<Finding> = validation::name(stack).into_iter().collect();
    findings.extend(validation::leases(stack, &held));
    if !in_use {
        if steps.is_empty() {
            findings.extend(validation::interrupted(stack));
        }
        findings.extend(steps);
        findings.extend(validation::handlers(stack, &view.handler_list(&stack.id)?));
    }
    let records = match view.resource_list(&stack.id, VersionAt::Head) {
        Ok(records) => records,
        Err(why @ StoreError::Damaged { .. }) => {
            findings.push(unreadable(stack, &why));
            Vec::new()
        }
        Err(other) => return Err(other.into()),
    };
    findings.extend(validation::dependencies(&records));
    findings.extend(between_stacks(&*view, stack)?);
    findings.extend(validation::hosts(&records, measure.hosts));
    findings.extend(types(measure.catalog, stack, &records));
    findings.extend(validation::conditions(stack, &records));
    Ok(StackFindings { resources: records.len(), findings })
}

/// What it needs of other stacks.
fn between_stacks(view: &dyn View, stack: &Stack) -> Result<Vec<Finding>, EngineError> {
    let stale = upstreams::stale(view, &stack.id)?;
    let all = StackGraph::load(view)?;
    let circle = all.find(&stack.name).and_then(|at| all.graph.circle_through(at));
    let path = circle.map(|circle| circle.0.iter().map(|&at| all.names[at].clone()).collect::<Vec<_>>());
    Ok(validation::upstreams(stack, path.as_deref(), &stale))
}

/// The records of a stack as a whole cannot be read.
fn unreadable(stack: &Stack, why: &StoreError) -> Finding {
    Finding::new(
        Severity::Error,
        "records-unreadable",
        (Topic::Stack, &stack.name),
        format!("the resources of stack `{}` cannot be read: {why}", stack.name),
        "see `sloth-runner doctor`, and put a backup in its place",
    )
}

/// Steps of runs that died.
fn left_open(store: &dyn Store, stack: &Stack) -> Result<Vec<Finding>, EngineError> {
    let steps = open_steps_in(store, stack)?;
    let finding = |step: crate::resume::OpenStepInfo| {
        let name = &stack.name;
        let (what, mend) = match (step.unknown, step.finished) {
            (true, _) => (
                "began, and nobody knows whether it ended",
                format!("decide about `{}`: `sloth-runner resume {name} --adopt {0}`, or `--redo`", step.id),
            ),
            (false, true) => {
                ("ended, but its run did not", format!("go on after it: `sloth-runner resume {name}`"))
            }
            (false, false) => {
                ("began in a run that died", format!("go on after it: `sloth-runner resume {name}`"))
            }
        };
        Finding::new(
            Severity::Warning,
            "step-open",
            (Topic::Task, &step.task),
            format!("step `{}` of task `{}` {what}", step.title, step.task),
            mend,
        )
    };
    Ok(steps.into_iter().map(finding).collect())
}

/// Resources of types this program does not know, and records their type cannot read.
fn types(catalog: &dyn Catalog, stack: &Stack, records: &[Recorded]) -> Vec<Finding> {
    // What is registered, and what a program brings its own functions for, has no type here.
    let typed = records.iter().filter(|r| !r.is_registered() && r.spec.get(FUNCTIONS).is_none());
    let finding = |r: &Recorded| {
        let address = r.address.to_string();
        if catalog.kind(r.address.kind()).is_none() {
            return Some(Finding::new(
                Severity::Error,
                "type-unknown",
                (Topic::Resource, &address),
                format!("`{address}` is of type `{}`, which this program does not know", r.address.kind()),
                "use the version of sloth-runner that recorded it",
            ));
        }
        let why = catalog.readable(r.address.kind(), r.address.id(), &r.spec, r.state.as_ref()).err()?;
        Some(Finding::new(
            Severity::Error,
            "record-unreadable",
            (Topic::Resource, &address),
            format!("the record of `{address}` cannot be read by its type: {why}"),
            format!("record it anew: `sloth-runner run {} --target {address}`", stack.name),
        ))
    };
    typed.filter_map(finding).collect()
}
