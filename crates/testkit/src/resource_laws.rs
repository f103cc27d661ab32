//! What every resource type must obey, on every machine.
//!
//! A [`Case`] is a wish; a *stage* is a function that makes a fresh machine with the facts the case starts from. Each law
//! is a function of the two that panics when it is broken. [`all`] runs those that need no broken machine,
//! [`survives_failures`] the one that does, and [`schema`] looks at the catalog alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use sloth_core::digest::Blob;
use sloth_core::kind::{COMMON, Catalog};
use sloth_core::machine::{Applied, ApplyError, Machine, Sight, Step, Unwatched};
use sloth_core::observed::Seen;
use sloth_core::value::Value;

/// A wish to try the laws with.
#[derive(Clone, Debug)]
pub struct Case {
    /// For messages.
    pub name: String,
    /// Resource type.
    pub kind: String,
    /// Id inside the type.
    pub id: String,
    /// The wish.
    pub spec: Value,
    /// Contents the wish names.
    pub blobs: Vec<Blob>,
    /// Can the machine tell that something else is there than the decision was based on? Types that only run commands
    /// cannot.
    pub checks_live: bool,
    /// Can what was there be brought back? Not for commands.
    pub reversible: bool,
}

/// Makes a fresh machine with the facts a case starts from.
pub type Stage<'a> = dyn Fn() -> Arc<dyn Machine> + 'a;

/// A machine that fails at one of its effects, and the same machine without the failure.
pub struct Broken {
    /// Fails.
    pub faulty: Arc<dyn Machine>,
    /// Does not, and sees what the other one did.
    pub healthy: Arc<dyn Machine>,
    /// Has it failed?
    pub failed: Box<dyn Fn() -> bool>,
}

/// Every law that needs no broken machine.
pub fn all(case: &Case, stage: &Stage<'_>) {
    looking_changes_nothing(case, stage);
    what_was_applied_is_seen(case, stage);
    twice_is_once(case, stage);
    a_state_is_its_own_wish(case, stage);
    a_rehearsal_predicts(case, stage);
    if case.checks_live {
        what_moved_is_refused(case, stage);
    }
    if case.reversible {
        what_was_there_comes_back(case, stage);
        deleting_twice_is_fine(case, stage);
    }
}

/// One look with a wish.
///
/// # Panics
/// The machine or the type cannot be read.
#[must_use]
pub fn look(machine: &dyn Machine, case: &Case, spec: Option<&Value>, blobs: &[Blob]) -> Seen {
    let sight = Sight { kind: &case.kind, id: &case.id, spec, blobs, recorded: None };
    match machine.observe(&[sight]).map(|mut seen| seen.pop()) {
        Ok(Some(Ok(seen))) => seen,
        other => panic!("{}: looking failed: {other:?}", case.name),
    }
}

fn wished(machine: &dyn Machine, case: &Case) -> Seen {
    look(machine, case, Some(&case.spec), &case.blobs)
}

/// A look at what was applied, with the record of it.
fn recorded(machine: &dyn Machine, case: &Case, applied: &Applied) -> Seen {
    let sight = Sight {
        kind: &case.kind,
        id: &case.id,
        spec: Some(&case.spec),
        blobs: &case.blobs,
        recorded: Some(applied.state.as_ref()),
    };
    match machine.observe(&[sight]).map(|mut seen| seen.pop()) {
        Ok(Some(Ok(seen))) => seen,
        other => panic!("{}: looking failed: {other:?}", case.name),
    }
}

fn step(case: &Case, spec: Option<&Value>, blobs: &[Blob], seen: &Seen) -> Step {
    Step {
        kind: case.kind.clone(),
        id: case.id.clone(),
        spec: spec.cloned(),
        replace: seen.diff.replaces(),
        blobs: blobs.to_vec(),
        live: seen.state.clone(),
    }
}

/// Looks, and applies when there is a difference.
///
/// # Errors
/// What the machine says.
pub fn bring_about(machine: &dyn Machine, case: &Case) -> Result<Applied, ApplyError> {
    let seen = wished(machine, case);
    if seen.diff.is_empty() {
        return Ok(Applied { state: seen.state, notes: Vec::new() });
    }
    machine.apply(&step(case, Some(&case.spec), &case.blobs, &seen), &Unwatched)
}

fn must(machine: &dyn Machine, case: &Case) -> Applied {
    bring_about(machine, case).unwrap_or_else(|e| panic!("{}: applying failed: {e}", case.name))
}

/// Looking twice shows the same.
///
/// # Panics
/// The law is broken.
pub fn looking_changes_nothing(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    let first = wished(&*machine, case);
    assert_eq!(first, wished(&*machine, case), "{}: looking changed something", case.name);
}

/// After applying, a look finds exactly the state that applying returned, and no difference to wish and record.
///
/// # Panics
/// The law is broken.
pub fn what_was_applied_is_seen(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    let applied = must(&*machine, case);
    let seen = recorded(&*machine, case, &applied);
    assert_eq!(seen.state, applied.state, "{}: applying returned another state than is there", case.name);
    assert!(seen.diff.is_empty(), "{}: still different after applying: {:?}", case.name, seen.diff);
    assert!(seen.since.is_empty(), "{}: moved although nothing happened: {:?}", case.name, seen.since);
}

/// Applying a step again, on top of what it did, changes nothing.
///
/// # Panics
/// The law is broken.
pub fn twice_is_once(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    let first = must(&*machine, case);
    let seen = recorded(&*machine, case, &first);
    let again = machine.apply(&step(case, Some(&case.spec), &case.blobs, &seen), &Unwatched);
    let again = again.unwrap_or_else(|e| panic!("{}: applying again failed: {e}", case.name));
    assert_eq!(again.state, first.state, "{}: applying again changed something", case.name);
}

/// The wish made from a state has no difference to that state.
///
/// # Panics
/// The law is broken.
pub fn a_state_is_its_own_wish(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    for _ in 0..2 {
        let state = wished(&*machine, case).state;
        let (wish, _) = machine
            .wish_for(&case.kind, &case.id, state.as_ref())
            .unwrap_or_else(|e| panic!("{}: no wish for {state:?}: {e}", case.name));
        let seen = look(&*machine, case, Some(&wish), &[]);
        assert!(seen.diff.is_empty(), "{}: {wish} is not {state:?}: {:?}", case.name, seen.diff);
        must(&*machine, case);
    }
}

/// A rehearsal predicts the state, or the refusal, and touches nothing.
///
/// # Panics
/// The law is broken.
pub fn a_rehearsal_predicts(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    let before = wished(&*machine, case);
    let rehearsal = Arc::clone(&machine).rehearse();
    let predicted = must(&*rehearsal, case);
    let later = recorded(&*rehearsal, case, &predicted);
    assert_eq!(later.state, predicted.state, "{}: the rehearsal does not see its own effect", case.name);
    assert_eq!(wished(&*machine, case), before, "{}: the rehearsal touched the machine", case.name);
    let done = must(&*machine, case);
    assert_eq!(predicted.state, done.state, "{}: the prediction was wrong", case.name);
}

/// A step that was decided on another state is refused.
///
/// # Panics
/// The law is broken.
pub fn what_moved_is_refused(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    let before = wished(&*machine, case);
    if before.diff.is_empty() {
        return;
    }
    must(&*machine, case);
    let after = wished(&*machine, case);
    if after.state == before.state {
        return;
    }
    let stale = step(case, Some(&case.spec), &case.blobs, &before);
    match machine.apply(&stale, &Unwatched) {
        Err(ApplyError::Moved(_)) => {}
        other => panic!("{}: a stale step was not refused: {other:?}", case.name),
    }
    assert_eq!(wished(&*machine, case), after, "{}: a refused step changed something", case.name);
}

/// Capture, apply, and the wish made from the first state bring the first state back.
///
/// # Panics
/// The law is broken.
pub fn what_was_there_comes_back(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    let first = wished(&*machine, case);
    let blobs = match &first.state {
        None => Vec::new(),
        Some(state) => {
            let captured = machine
                .capture(&case.kind, &case.id, state)
                .unwrap_or_else(|e| panic!("{}: capturing failed: {e}", case.name));
            assert!(captured.left_out.is_empty(), "{}: something could not be kept", case.name);
            captured.blobs
        }
    };
    let (wish, named) = machine
        .wish_for(&case.kind, &case.id, first.state.as_ref())
        .unwrap_or_else(|e| panic!("{}: no wish for {:?}: {e}", case.name, first.state));
    for digest in named {
        assert!(blobs.iter().any(|b| b.digest() == digest), "{}: {digest} was not captured", case.name);
    }
    let applied = must(&*machine, case);
    // Whoever goes back has a record of where from.
    let sight = Sight {
        kind: &case.kind,
        id: &case.id,
        spec: Some(&wish),
        blobs: &blobs,
        recorded: Some(applied.state.as_ref()),
    };
    let seen = match machine.observe(&[sight]).map(|mut seen| seen.pop()) {
        Ok(Some(Ok(seen))) => seen,
        other => panic!("{}: looking failed: {other:?}", case.name),
    };
    machine
        .apply(&step(case, Some(&wish), &blobs, &seen), &Unwatched)
        .unwrap_or_else(|e| panic!("{}: going back failed: {e}", case.name));
    assert_eq!(wished(&*machine, case).state, first.state, "{}: it did not come back", case.name);
}

/// Removing succeeds, removing again succeeds, and then nothing is there.
///
/// # Panics
/// The law is broken.
pub fn deleting_twice_is_fine(case: &Case, stage: &Stage<'_>) {
    let machine = stage();
    must(&*machine, case);
    let sight = wished(&*machine, case);
    let Some(_) = sight.state else { return };
    for _ in 0..2 {
        let gone = machine
            .apply(&step(case, None, &[], &sight), &Unwatched)
            .unwrap_or_else(|e| panic!("{}: removing failed: {e}", case.name));
        if gone.state.is_some() {
            assert!(!gone.notes.is_empty(), "{}: something stayed without a word", case.name);
            return;
        }
    }
    let left = wished(&*machine, case).state;
    assert!(left.is_none() || left != sight.state, "{}: it is still there: {left:?}", case.name);
}

/// Whichever effect fails, before or after it happened, a second attempt reaches the state an undisturbed one reaches.
/// `stage` makes a machine that fails at the given effect. Returns how many effects there are.
///
/// # Panics
/// The law is broken.
pub fn survives_failures(case: &Case, stage: &dyn Fn(usize) -> Broken) -> usize {
    let undisturbed = stage(usize::MAX - 1);
    must(&*undisturbed.healthy, case);
    let goal = wished(&*undisturbed.healthy, case).state;
    for at in 0.. {
        let broken = stage(at);
        let outcome = bring_about(&*broken.faulty, case);
        if !(broken.failed)() {
            return at;
        }
        assert!(outcome.is_err(), "{}: effect {at} failed and nobody said so", case.name);
        must(&*broken.healthy, case);
        let seen = wished(&*broken.healthy, case);
        assert_eq!(seen.state, goal, "{}: after a failure of effect {at}", case.name);
        assert!(seen.diff.is_empty(), "{}: after a failure of effect {at}: {:?}", case.name, seen.diff);
    }
    0
}

/// Every attribute of a state is documented by its type.
///
/// # Panics
/// The law is broken.
pub fn states_are_documented(catalog: &dyn Catalog, case: &Case, state: &Value) {
    let kind = catalog.kind(&case.kind).unwrap_or_else(|| panic!("{}: no type `{}`", case.name, case.kind));
    for name in state.as_object().into_iter().flat_map(|m| m.keys()) {
        assert!(
            kind.attributes.iter().any(|a| a.name == name),
            "{}: attribute `{name}` of `{}` is not documented",
            case.name,
            kind.name
        );
    }
}

/// The catalog is in order: sorted, documented, without two meanings for a name.
///
/// # Panics
/// The law is broken.
pub fn schema(catalog: &dyn Catalog) {
    let sorted = |names: Vec<&str>, what: &str| {
        let mut expected = names.clone();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!(names, expected, "{what} are not in order, or not unique");
    };
    sorted(catalog.kinds().iter().map(|k| k.name).collect(), "types");
    for kind in catalog.kinds() {
        assert!(!kind.doc.is_empty(), "type `{}` has no description", kind.name);
        let what = format!("attributes of `{}`", kind.name);
        sorted(kind.attributes.iter().map(|a| a.name).collect(), &what);
    }
    let keys: Vec<String> = catalog.operations().iter().map(|o| format!("{}.{}", o.module, o.name)).collect();
    sorted(keys.iter().map(String::as_str).collect(), "operations");
    let mut spellings = BTreeSet::new();
    for operation in catalog.operations() {
        let key = format!("{}.{}", operation.module, operation.name);
        assert!(catalog.kind(operation.kind).is_some(), "`{key}` wishes for an unknown type");
        assert!(!operation.doc.is_empty() && !operation.example.is_empty(), "`{key}` is not described");
        for name in operation.aliases.iter().chain([&operation.name]) {
            assert!(
                spellings.insert((operation.module, *name)),
                "`{}.{name}` means two things",
                operation.module
            );
        }
        sorted(operation.params.iter().map(|p| p.name).collect(), &format!("arguments of `{key}`"));
        let mut names: BTreeSet<&str> = COMMON.iter().map(|p| p.name).collect();
        for param in operation.params {
            assert!(!param.doc.is_empty(), "`{}` of `{key}` is not described", param.name);
            for name in param.aliases.iter().chain([&param.name]) {
                assert!(names.insert(name), "argument `{name}` of `{key}` means two things");
            }
        }
        for name in operation.positional {
            assert!(operation.params.iter().any(|p| p.name == *name), "`{key}` has no argument `{name}`");
        }
    }
}
