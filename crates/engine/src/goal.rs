//! Verbs whose wishes come from the store: rollback, drift fix, destroy, undoing. Looked at and shown first, carried out
//! second, with the same decisions and the same apply as a run.

use std::collections::{BTreeSet, HashMap};

use sloth_core::address::Address;
use sloth_core::body::CallError;
use sloth_core::change::{Action, Change, Reason};
use sloth_core::decide::{Facts, decide};
use sloth_core::desired::{Desired, Options};
use sloth_core::diff::{AttributeDiff, Diff};
use sloth_core::digest::{Blob, Digest};
use sloth_core::event::{EventType, Severity};
use sloth_core::id::StackId;
use sloth_core::output::Output;
use sloth_core::plan::{PLAN_FORMAT, Plan, PlanSource, PlanStep};
use sloth_core::recorded::{Condition, Recorded};
use sloth_core::run::{RunStatus, TaskCounts};
use sloth_core::stack::Stack;
use sloth_core::store::{Seal, VersionAt, Wait};
use sloth_core::value::{Map, Value};
use sloth_core::version::{Snapshot, Version, VersionKind};

use crate::context::Context;
use crate::error::EngineError;
use crate::ignores::{Ignored, keeping};
use crate::order::creation_order;
use crate::perform::{Leave, Work, digest_of};
use crate::report::RunReport;
use crate::run::{finish, record_report};
use crate::session::Session;

/// The verb of [`Goal::AsFound`] in the log of operations.
pub(crate) const ACCEPT: &str = "drift accept";

/// What a stack shall be brought to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// An earlier version, as a new one.
    Version(Version),
    /// Nothing: everything removed or put back as it was before the stack.
    Nothing,
    /// What is recorded: drift put right. Only these resources, or all when empty.
    Record {
        /// Which.
        only: Vec<Address>,
    },
    /// What is there: the record follows the machine. Only these resources, or all when empty.
    AsFound {
        /// Which.
        only: Vec<Address>,
    },
}

impl Goal {
    const fn operation(&self) -> &'static str {
        match self {
            Self::Version(_) => "restore",
            Self::Nothing => "destroy",
            Self::Record { .. } => "drift fix",
            Self::AsFound { .. } => ACCEPT,
        }
    }
    /// Does it change the record alone?
    const fn is_of_the_record(&self) -> bool {
        matches!(self, Self::AsFound { .. })
    }
}

/// A goal that was looked at: what it would take, before anything is touched.
pub struct Prepared {
    /// The plan, for people and for comparison when it is carried out.
    pub plan: Plan,
    /// Things worth knowing before agreeing.
    pub warnings: Vec<String>,
    goal: Goal,
    stack: Stack,
    /// The operation this takes back.
    undoes: Option<u64>,
    /// Change the record alone, because that is all that was changed by what is taken back.
    record_only: bool,
}

impl Prepared {
    /// Is there anything to do, on machines or in the record?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty()
    }
    /// The stack it is about.
    #[must_use]
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }
}

/// How to carry out a goal.
#[derive(Clone, Debug, Default)]
pub struct CarryOut {
    /// Change the record alone and touch no machine.
    pub state_only: bool,
    /// Why, for the history.
    pub description: Option<String>,
    /// Who, when other than the caller.
    pub creator: Option<String>,
}

/// One resource on the way to a goal.
pub(crate) struct Item {
    address: Address,
    module: String,
    operation: String,
    change: Change,
    spec: Option<Value>,
    blobs: Vec<Blob>,
    live: Option<Value>,
    options: Options,
    /// What the record shall say afterwards.
    leave: Option<Recorded>,
    recorded: Option<Digest>,
    registered: bool,
    /// The attributes that were compared, when some were not: all others stay as recorded, whatever is there.
    compared: Option<BTreeSet<String>>,
}

impl Item {
    /// As a plan shows it.
    pub(crate) fn step(&self) -> PlanStep {
        PlanStep::Resource {
            task: String::new(),
            address: self.address.clone(),
            module: self.module.clone(),
            operation: self.operation.clone(),
            change: if self.options.sensitive {
                crate::perform::redacted(&self.change)
            } else {
                self.change.clone()
            },
            spec: self.spec.clone(),
            live: digest_of(self.live.as_ref()),
            recorded: self.recorded,
            maybe: None,
        }
    }
    /// As it is carried out.
    pub(crate) fn work(self) -> Work<'static> {
        Work {
            task: "",
            address: self.address,
            module: self.module,
            operation: self.operation,
            change: self.change,
            spec: self.spec,
            blobs: self.blobs,
            live: self.live,
            options: Options { notify: Vec::new(), ..self.options },
            leave: self.leave.map_or(Leave::Nothing, |r| Leave::Record(Box::new(r))),
        }
    }
}

struct Items {
    items: Vec<Item>,
    outputs: Option<Vec<Output>>,
    warnings: Vec<String>,
}

/// Looks at everything a goal is about and decides. Touches nothing.
///
/// # Errors
/// There is no such stack or version, or the store failed.
pub fn prepare(ctx: &Context, stack: &str, goal: Goal) -> Result<Prepared, EngineError> {
    let stack = crate::stacks::find(&*ctx.store.view()?, stack)?;
    prepare_for(ctx, stack, goal, None, false)
}

pub(crate) fn prepare_for(
    ctx: &Context,
    stack: Stack,
    goal: Goal,
    undoes: Option<u64>,
    record_only: bool,
) -> Result<Prepared, EngineError> {
    let session = Session::plan(ctx, stack.clone(), goal.operation())?;
    let found = survey(&session, &goal, record_only)?;
    let steps = steps(&session, &found);
    let plan = Plan {
        format: PLAN_FORMAT.to_owned(),
        stack_id: Some(stack.id.clone()),
        stack: stack.name.clone(),
        base: session.stack().head,
        source: PlanSource::Record { operation: goal.operation().to_owned() },
        steps,
        created_at: session.started_at,
        created_by: ctx.actor.name.clone(),
        program: ctx.program.clone(),
        notes: Map::new(),
        digest: Digest::ZERO,
    }
    .sealed();
    Ok(Prepared { plan, warnings: found.warnings, goal, stack, undoes, record_only })
}

fn steps(session: &Session, found: &Items) -> Vec<PlanStep> {
    let mut steps: Vec<PlanStep> = found.items.iter().map(Item::step).collect();
    if let Some(outputs) = &found.outputs {
        let now = session.ledger().outputs.clone();
        let mut names: Vec<&String> = now.keys().chain(outputs.iter().map(|o| &o.name)).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let from = now.get(name);
            let to = outputs.iter().find(|o| o.name == *name);
            if from != to {
                let sensitive = from.or(to).is_some_and(|o| o.sensitive);
                let shown = |o: Option<&Output>| o.map(|o| o.value.clone()).filter(|_| !sensitive);
                steps.push(PlanStep::Output {
                    name: name.clone(),
                    from: shown(from),
                    to: shown(to),
                    sensitive,
                });
            }
        }
    }
    steps
}

/// Looks and decides for every resource the goal is about, in the order in which they will be worked on.
fn survey(session: &Session, goal: &Goal, record_only: bool) -> Result<Items, EngineError> {
    let mut found = survey_machines(session, goal)?;
    if record_only {
        for item in found.items.iter_mut().filter(|i| i.change.action.touches()) {
            let action = if item.leave.is_some() { Action::Refresh } else { Action::Forget };
            item.change = Change::new(action, item.change.reason.clone(), Diff::none());
        }
    }
    Ok(found)
}

fn survey_machines(session: &Session, goal: &Goal) -> Result<Items, EngineError> {
    let mut records = session.ledger().records.all()?;
    sort_by_age(&mut records);
    match goal {
        Goal::Nothing => {
            let items = in_order(&records, true).into_iter().map(|r| leaving(session, r)).collect();
            Ok(Items { items, outputs: None, warnings: Vec::new() })
        }
        Goal::Record { only } | Goal::AsFound { only } => {
            are_there(session, &records, only)?;
            let look = if goal.is_of_the_record() { as_found } else { in_line };
            let wanted = |r: &&Recorded| only.is_empty() || only.contains(&r.address);
            let ignored = Ignored::of(&*session.ctx.store.view()?, &session.stack_id)?;
            let warnings = only.iter().filter_map(|address| ignored.whole(address)).map(|ignore| {
                format!("`{}` is left alone, because it is ignored: {}", ignore.address, ignore.reason)
            });
            let warnings = warnings.collect();
            let items = in_order(&records, false)
                .into_iter()
                .filter(wanted)
                .filter(|r| !r.is_registered() && r.spec.get(crate::scope_body::FUNCTIONS).is_none())
                .filter(|r| ignored.whole(&r.address).is_none())
                .map(|r| look(session, r, &ignored))
                .collect();
            Ok(Items { items, outputs: None, warnings })
        }
        Goal::Version(version) => {
            let (resources, outputs) = snapshot_of(session, *version)?;
            Ok(to_version(session, &records, *version, &resources, outputs))
        }
    }
}

/// Are all of these recorded?
fn are_there(session: &Session, records: &[Recorded], only: &[Address]) -> Result<(), EngineError> {
    let Some(missing) = only.iter().find(|a| !records.iter().any(|r| r.address == **a)) else {
        return Ok(());
    };
    let names = records.iter().map(|r| r.address.to_string());
    Err(EngineError::no_resource(session.stack().name, missing, names))
}

/// In the order in which they were first recorded, which is the order of the program.
fn sort_by_age(records: &mut [Recorded]) {
    records.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.address.cmp(&b.address)));
}

/// What returning to a state takes: the wish, its contents, or why it cannot be had. Only what is of this stack's concern
/// is returned: what the specs manage, and what was left different. Anything else belongs to others and stays.
fn returning(
    session: &Session,
    address: &Address,
    to: Option<&Value>,
    specs: &[&Value],
    left: Option<&Value>,
) -> Result<(Value, Vec<Blob>), String> {
    let machine = session.machine(address).map_err(|e| e.to_string())?;
    let (full, digests) = machine.wish_for(address.kind(), address.id(), to).map_err(|e| e.to_string())?;
    if left.is_none()
        && let Ok(blobs) = session.contents(&digests)
    {
        // It has to be made anew: everything that is known about it helps.
        return Ok((full, blobs));
    }
    let concerns = |key: &str| {
        let differs = |left: &Value| to.is_some_and(|to| left.get(key) != to.get(key));
        specs.iter().any(|s| s.get(key).is_some()) || left.is_some_and(differs)
    };
    let wish = machine.narrow(address.kind(), full, &concerns);
    let text = sloth_core::value::canonical(&wish);
    let named: Vec<Digest> = digests.into_iter().filter(|d| text.contains(&d.hex())).collect();
    Ok((wish, session.contents(&named)?))
}

/// What a stack held at a version; nothing before the first.
fn snapshot_of(session: &Session, version: Version) -> Result<(Vec<Recorded>, Vec<Output>), EngineError> {
    if version == Version::ZERO {
        return Ok((Vec::new(), Vec::new()));
    }
    let stack = session.stack();
    let found = session.ctx.store.view()?.version_snapshot(&stack.id, version)?;
    let Snapshot { resources, outputs, .. } =
        found.ok_or(EngineError::NoSuchVersion { stack: stack.name, version, head: stack.head })?;
    Ok((resources, outputs))
}

fn in_order(records: &[Recorded], reverse: bool) -> Vec<&Recorded> {
    let mut order = creation_order(records.iter());
    if reverse {
        order.reverse();
    }
    order.into_iter().map(|at| &records[at]).collect()
}

/// A resource that shall go, or go back to what was before the stack.
pub(crate) fn leaving(session: &Session, recorded: &Recorded) -> Item {
    let mut spec = None;
    let mut blobs = Vec::new();
    let mut missing = None;
    if let sloth_core::recorded::Origin::Present { state } = &recorded.origin
        && !recorded.is_registered()
    {
        match returning(session, &recorded.address, Some(state), &[&recorded.spec], recorded.state.as_ref()) {
            Ok((wish, contents)) => (spec, blobs) = (Some(wish), contents),
            Err(why) => missing = Some(why),
        }
    }
    let seen = if recorded.spec.get(crate::scope_body::FUNCTIONS).is_some() {
        let why = "its functions are in the workflow that declared it; delete it there, or forget it with --state-only";
        Err(sloth_core::observed::ProbeError::new(recorded.address.to_string(), why))
    } else {
        session.look(&recorded.address, spec.as_ref(), &blobs, Some(recorded))
    };
    let mut change = decide(Facts { desired: None, recorded: Some(recorded), seen: seen.as_ref() });
    if let (Action::Restore, Some(why)) = (change.action, missing) {
        change = Change::new(Action::Blocked, Reason::NotKept(why), Diff::none());
    }
    if change.action != Action::Restore {
        spec = None;
        blobs.clear();
    }
    Item {
        address: recorded.address.clone(),
        module: recorded.module.clone(),
        operation: recorded.operation.clone(),
        change,
        spec,
        blobs,
        live: seen.ok().and_then(|s| s.state),
        options: recorded.options.clone(),
        leave: None,
        recorded: Some(recorded.digest()),
        registered: recorded.is_registered(),
        compared: None,
    }
}

/// Contents the recorded wish names.
fn contents_of(session: &Session, recorded: &Recorded) -> Result<Vec<Blob>, String> {
    let machine = session.machine(&recorded.address).map_err(|e| e.to_string())?;
    let (kind, id) = (recorded.address.kind(), recorded.address.id());
    let (_, digests) = machine.wish_for(kind, id, recorded.state.as_ref()).map_err(|e| e.to_string())?;
    let text = sloth_core::value::canonical(&recorded.spec);
    let named: Vec<Digest> = digests.into_iter().filter(|d| text.contains(&d.hex())).collect();
    session.contents(&named)
}

/// A resource that shall be as recorded, in everything that is not ignored.
fn in_line(session: &Session, recorded: &Recorded, ignored: &Ignored) -> Item {
    if let Some(narrowed) = ignored.narrowed(&session.ctx, recorded) {
        let item = in_line_with(session, &narrowed);
        // What has to be made anew is made as it was: there is nothing there to be left alone.
        if !matches!(item.change.action, Action::Create | Action::Replace) {
            let compared = narrowed.spec.as_object().map(|wish| wish.keys().cloned().collect());
            let leave = Some(recorded.clone());
            return Item { leave, recorded: Some(recorded.digest()), compared, ..item };
        }
    }
    in_line_with(session, recorded)
}

fn in_line_with(session: &Session, recorded: &Recorded) -> Item {
    let contents = contents_of(session, recorded);
    let (blobs, missing) = match contents {
        Ok(blobs) => (blobs, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let desired = Desired {
        address: recorded.address.clone(),
        module: recorded.module.clone(),
        operation: recorded.operation.clone(),
        spec: recorded.spec.clone(),
        blobs: blobs.clone(),
        options: recorded.options.clone(),
        span: None,
    };
    let seen = session.look(&recorded.address, Some(&recorded.spec), &blobs, Some(recorded));
    let mut change = decide(Facts { desired: Some(&desired), recorded: Some(recorded), seen: seen.as_ref() });
    if let Some(why) = missing
        && change.action.touches()
        && change.diff.attributes().iter().any(|a| a.name == "content")
    {
        change = Change::new(Action::Blocked, Reason::NotKept(why), Diff::none());
    }
    Item {
        address: recorded.address.clone(),
        module: recorded.module.clone(),
        operation: recorded.operation.clone(),
        change,
        spec: Some(recorded.spec.clone()),
        blobs,
        live: seen.ok().and_then(|s| s.state),
        options: recorded.options.clone(),
        leave: Some(recorded.clone()),
        recorded: Some(recorded.digest()),
        registered: false,
        compared: None,
    }
}

/// A resource whose record shall be what is there. What the wish does not manage stays unmanaged, and what is ignored stays
/// as recorded.
fn as_found(session: &Session, recorded: &Recorded, ignored: &Ignored) -> Item {
    let Some(narrowed) = ignored.narrowed(&session.ctx, recorded) else {
        return as_found_with(session, recorded);
    };
    let kept = ignored.attributes(&recorded.address).cloned().unwrap_or_default();
    let mut item = as_found_with(session, &narrowed);
    item.recorded = Some(recorded.digest());
    item.leave = item.leave.map(|leave| Recorded {
        spec: keeping(leave.spec, Some(&recorded.spec), &kept),
        state: leave.state.map(|state| keeping(state, recorded.state.as_ref(), &kept)),
        ..leave
    });
    item
}

fn as_found_with(session: &Session, recorded: &Recorded) -> Item {
    let address = &recorded.address;
    let mut item = Item {
        address: address.clone(),
        module: recorded.module.clone(),
        operation: recorded.operation.clone(),
        change: Change::new(Action::Noop, Reason::InLine, Diff::none()),
        spec: None,
        blobs: Vec::new(),
        live: None,
        options: recorded.options.clone(),
        leave: Some(recorded.clone()),
        recorded: Some(recorded.digest()),
        registered: false,
        compared: None,
    };
    let blocked = |why: String| Change::new(Action::Blocked, Reason::Unreadable(why), Diff::none());
    let blobs = contents_of(session, recorded).unwrap_or_default();
    let seen = match session.look(address, Some(&recorded.spec), &blobs, Some(recorded)) {
        Ok(seen) => seen,
        Err(error) => {
            item.change = blocked(error.to_string());
            return item;
        }
    };
    let moved = if seen.diff.is_empty() { &seen.since } else { &seen.diff };
    item.live = seen.state.clone();
    if moved.is_empty() {
        return item;
    }
    let Some(live) = seen.state else {
        item.change = Change::new(Action::Forget, Reason::Gone, Diff::none());
        item.leave = None;
        return item;
    };
    let taken = session.machine(address).map_err(|e| e.to_string()).and_then(|machine| {
        let (kind, id) = (address.kind(), address.id());
        let (wish, _) = machine.wish_for(kind, id, Some(&live)).map_err(|e| e.to_string())?;
        let wish = machine.narrow(kind, wish, &|key| recorded.spec.get(key).is_some());
        Ok((wish, machine.capture(kind, id, &live).map_err(|e| e.to_string())?))
    });
    match taken {
        Err(why) => item.change = blocked(why),
        Ok((wish, captured)) => {
            item.change = Change::new(Action::Refresh, Reason::External, reversed(moved));
            item.blobs = captured.blobs;
            item.leave = Some(Recorded {
                spec: wish,
                state: Some(live),
                condition: Condition::Applied,
                error: None,
                updated_at: session.started_at,
                ..recorded.clone()
            });
        }
    }
    item
}

/// From what is recorded to what is there.
fn reversed(diff: &Diff) -> Diff {
    let mut out = Diff::none();
    for a in diff.attributes() {
        out.push(AttributeDiff { from: a.to.clone(), to: a.from.clone(), text: None, ..a.clone() });
    }
    out
}

/// Everything as it was at a version: kept things first, parents before children, then removals in reverse.
fn to_version(
    session: &Session,
    records: &[Recorded],
    version: Version,
    resources: &[Recorded],
    outputs: Vec<Output>,
) -> Items {
    let now: HashMap<&Address, &Recorded> = records.iter().map(|r| (&r.address, r)).collect();
    let mut warnings = Vec::new();
    let mut items = Vec::new();
    for then in in_order(resources, false) {
        items.push(as_it_was(session, then, now.get(&then.address).copied(), version, &mut warnings));
    }
    let gone: Vec<Recorded> =
        records.iter().filter(|r| !resources.iter().any(|s| s.address == r.address)).cloned().collect();
    for recorded in in_order(&gone, true) {
        let mut item = leaving(session, recorded);
        if item.change.action.touches() {
            item.change.reason = Reason::Restoring(version);
        }
        items.push(item);
    }
    Items { items, outputs: Some(outputs), warnings }
}

fn as_it_was(
    session: &Session,
    then: &Recorded,
    now: Option<&Recorded>,
    version: Version,
    warnings: &mut Vec<String>,
) -> Item {
    let functions = then.spec.get(crate::scope_body::FUNCTIONS).is_some();
    let mut item = Item {
        address: then.address.clone(),
        module: then.module.clone(),
        operation: then.operation.clone(),
        change: Change::new(Action::Noop, Reason::InLine, Diff::none()),
        spec: None,
        blobs: Vec::new(),
        live: then.state.clone(),
        options: Options { notify: Vec::new(), ..then.options.clone() },
        leave: Some(then.clone()),
        recorded: now.map(Recorded::digest),
        registered: then.is_registered() || functions,
        compared: None,
    };
    let same_record = now.is_some_and(|now| now.body() == then.body());
    if then.is_registered() || functions {
        if !same_record {
            item.change = Change::new(Action::Refresh, Reason::Restoring(version), Diff::none());
            let why =
                if functions { "its functions are in the workflow" } else { "it lives only in the record" };
            warnings.push(format!("{} is restored in the record alone: {why}", then.address));
        }
        return item;
    }
    let mut specs = vec![&then.spec];
    specs.extend(now.map(|now| &now.spec));
    let left = now.and_then(|now| now.state.as_ref());
    let (spec, blobs) = match returning(session, &then.address, then.state.as_ref(), &specs, left) {
        Ok(found) => found,
        Err(why) => {
            item.change = Change::new(Action::Blocked, Reason::NotKept(why), Diff::none());
            return item;
        }
    };
    match session.look(&then.address, Some(&spec), &blobs, None) {
        Err(error) => {
            item.change = Change::new(Action::Blocked, Reason::Unreadable(error.to_string()), Diff::none());
        }
        Ok(seen) => {
            item.change = if seen.diff.is_empty() {
                let action = if same_record { Action::Noop } else { Action::Refresh };
                Change::new(
                    action,
                    if same_record { Reason::InLine } else { Reason::Restoring(version) },
                    Diff::none(),
                )
            } else {
                let fresh = decide(Facts {
                    desired: Some(&wish(then, &spec, &blobs)),
                    recorded: None,
                    seen: Ok(&seen),
                });
                Change::new(fresh.action, Reason::Restoring(version), fresh.diff)
            };
            item.live = seen.state;
        }
    }
    item.spec = Some(spec);
    item.blobs = blobs;
    item
}

fn wish(then: &Recorded, spec: &Value, blobs: &[Blob]) -> Desired {
    Desired {
        address: then.address.clone(),
        module: then.module.clone(),
        operation: then.operation.clone(),
        spec: spec.clone(),
        blobs: blobs.to_vec(),
        options: then.options.clone(),
        span: None,
    }
}

/// Carries out what was prepared, under the lease, after checking that nothing moved meanwhile.
///
/// # Errors
/// [`EngineError::StalePlan`] or [`EngineError::Blocked`] before anything was touched; failures of single resources are in the report.
pub fn carry_out(ctx: &Context, prepared: Prepared, options: &CarryOut) -> Result<RunReport, EngineError> {
    let Prepared { plan, goal, stack, undoes, record_only, .. } = prepared;
    let state_only = options.state_only || record_only || goal.is_of_the_record();
    let operation = if undoes.is_some() { "undo" } else { goal.operation() };
    let (session, recovered) = Session::begin(ctx, &stack, operation, None)?;
    let found = match survey_again(&session, &goal, &plan, options.state_only, record_only) {
        Ok(found) => found,
        Err(error) => {
            crate::run::finish_untouched(&session, &error)?;
            return Err(error);
        }
    };
    let mut first_error: Option<String> = None;
    let settled: Vec<Address> = match &goal {
        Goal::Record { .. } | Goal::AsFound { .. } => found.items.iter().map(|i| i.address.clone()).collect(),
        Goal::Version(_) | Goal::Nothing => Vec::new(),
    };
    for item in found.items {
        if let Err(error) = work_on(&session, item, state_only) {
            first_error.get_or_insert_with(|| error.to_string());
            if matches!(error, CallError::LeaseLost | CallError::Stopped | CallError::Store(_)) {
                break;
            }
        }
    }
    if first_error.is_none()
        && let Some(outputs) = found.outputs
    {
        set_outputs(&session, &outputs);
        if let Goal::Version(version) = &goal {
            session.upstreams_as_of(*version)?;
        }
    }
    if first_error.is_none() && !settled.is_empty() && !ctx.stop.asked() {
        let mut txn = ctx.store.begin(session.intent(Wait::Fast))?;
        txn.drift_resolve(&session.stack_id, &settled)?;
        txn.commit(Seal::Pending)?;
    }
    end(ctx, &session, &goal, options, recovered, first_error.as_deref(), undoes)
}

fn survey_again(
    session: &Session,
    goal: &Goal,
    plan: &Plan,
    state_only: bool,
    record_only: bool,
) -> Result<Items, EngineError> {
    let found = survey(session, goal, record_only)?;
    let blocked: Vec<(Address, String)> = found
        .items
        .iter()
        .filter(|i| i.change.action == Action::Blocked && !state_only)
        .map(|i| (i.address.clone(), i.change.reason.phrase()))
        .collect();
    if !blocked.is_empty() {
        return Err(EngineError::Blocked(blocked));
    }
    let again = steps(session, &found);
    for (before, after) in plan.steps.iter().zip(&again) {
        if before != after {
            let what = match after {
                PlanStep::Resource { address, .. } => address.to_string(),
                PlanStep::Output { name, .. } => format!("output `{name}`"),
                PlanStep::Command { .. } | PlanStep::Effect { .. } | PlanStep::Handler { .. } => {
                    plan.stack.clone()
                }
            };
            return Err(EngineError::StalePlan {
                what,
                why: "has changed since the plan was shown".to_owned(),
            });
        }
    }
    if plan.steps.len() != again.len() {
        let what = format!("stack `{}`", plan.stack);
        return Err(EngineError::StalePlan {
            what,
            why: "has other resources than when the plan was shown".to_owned(),
        });
    }
    Ok(found)
}

fn work_on(session: &Session, item: Item, state_only: bool) -> Result<(), CallError> {
    session.gate()?;
    let forced = state_only && item.change.action == Action::Blocked;
    if !(item.change.action.records() || forced) {
        session.ledger().count("", |c| c.unchanged += 1);
        return Ok(());
    }
    if state_only || item.registered {
        // What the new record names has to be there when somebody wants it back.
        if item.leave.is_some() && !item.blobs.is_empty() {
            let kept = session.ctx.store.blobs().put(&item.blobs, Wait::Fast);
            kept.map_err(|e| crate::session::store_failed(&e))?;
        }
        let mut ledger = session.ledger();
        match item.leave {
            Some(recorded) => ledger.put(&recorded),
            None => ledger.remove(&item.address),
        }
        ledger.count("", |c| c.recorded += 1);
        return Ok(());
    }
    let (address, before, compared) = (item.address.clone(), item.leave.clone(), item.compared.clone());
    session.carry_out(item.work())?;
    if let Some(compared) = compared
        && let Some(before) = before.and_then(|recorded| recorded.state)
    {
        let mut ledger = session.ledger();
        let done = ledger.records.get(&address).map_err(|e| crate::session::store_failed(&e))?;
        if let Some(done) = done {
            let state = Some(keeping(before, done.state.as_ref(), &compared));
            ledger.put(&Recorded { state, ..(*done).clone() });
        }
    }
    Ok(())
}

fn set_outputs(session: &Session, outputs: &[Output]) {
    let mut ledger = session.ledger();
    let names: Vec<String> = ledger.outputs.keys().cloned().collect();
    for name in names {
        if !outputs.iter().any(|o| o.name == name) {
            ledger.outputs.remove(&name);
            ledger.output_rows.insert(name, None);
        }
    }
    for output in outputs {
        if ledger.outputs.get(&output.name) != Some(output) {
            ledger.outputs.insert(output.name.clone(), output.clone());
            ledger.output_rows.insert(output.name.clone(), Some(output.clone()));
        }
    }
}

fn end(
    ctx: &Context,
    session: &Session,
    goal: &Goal,
    options: &CarryOut,
    recovered: Vec<crate::report::RecoveredStep>,
    first_error: Option<&str>,
    undoes: Option<u64>,
) -> Result<RunReport, EngineError> {
    let stack = session.stack();
    let status = match (first_error, ctx.stop.asked()) {
        (_, true) => RunStatus::Interrupted,
        (Some(_), false) => RunStatus::Failed,
        (None, false) => RunStatus::Completed,
    };
    let done = status == RunStatus::Completed;
    let (kind, event, mut undo) = match goal {
        Goal::Version(_) => (VersionKind::Restore, EventType::SnapshotRestored, Value::Null),
        Goal::Nothing => (
            VersionKind::Destroy,
            EventType::StackDestroyed,
            serde_json::json!({ "trashed": stack.id.as_str() }),
        ),
        Goal::Record { .. } => (VersionKind::Run, EventType::DriftFixed, Value::Null),
        Goal::AsFound { .. } => (VersionKind::Edit, EventType::StackUpdated, Value::Null),
    };
    if !done {
        undo = Value::Null;
    }
    if done {
        session.emit(
            event,
            Severity::Info,
            None,
            None,
            &format!("{} of stack `{}`", session.operation, stack.name),
            Value::Null,
        );
    }
    let mut report = record_report(session, status, first_error.map(str::to_owned));
    report.needs_person = recovered.iter().any(|r| r.verdict == "unknown");
    report.recovered = recovered;
    let mut after = session.stack();
    if let (Goal::Version(version), true) = (goal, done) {
        after.rolled_back_to = Some(*version);
    }
    session.set_note(options.description.clone(), options.creator.clone(), undoes);
    finish(session, after, status, TaskCounts::default(), first_error, kind, None, undo, &mut report)?;
    if done && *goal == Goal::Nothing {
        trash(ctx, session, &stack.id)?;
    }
    Ok(report)
}

/// The record follows its resources. Part of the same operation, so that one undo brings both back.
fn trash(ctx: &Context, session: &Session, stack: &StackId) -> Result<(), EngineError> {
    let mut txn = ctx.store.begin(session.intent(Wait::Durable))?;
    txn.stack_trash(stack)?;
    txn.commit(Seal::Pending)?;
    Ok(())
}

/// What is recorded of a stack now, for `destroy` prompts and the like.
///
/// # Errors
/// The store failed.
pub fn recorded(ctx: &Context, stack: &Stack) -> Result<Vec<Recorded>, EngineError> {
    Ok(ctx.store.view()?.resource_list(&stack.id, VersionAt::Head)?)
}
