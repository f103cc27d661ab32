//! What every store must obey. Each law is a function over a [`Fixture`]; [`store_laws!`](macro@crate::store_laws) makes a
//! test of each.

#![expect(clippy::unwrap_used, reason = "a law that is broken panics")]

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use sloth_core::actor::Actor;
use sloth_core::address::Address;
use sloth_core::change::Reason;
use sloth_core::clock::{Clock as _, FixedClock, Timestamp};
use sloth_core::command::Command;
use sloth_core::desired::Options;
use sloth_core::digest::{Blob, Digest};
use sloth_core::drift::{DriftIgnore, DriftStatus, Finding, Resolution, Settled};
use sloth_core::event::{Event, EventType, Severity};
use sloth_core::hook::{Action, Attempt, Delivery, Hook, Verdict};
use sloth_core::id::{LockId, RunId, StackId};
use sloth_core::journal::{Intention, Subject};
use sloth_core::lease::{Lease, LeaseError, LeaseKind, LeaseRequest};
use sloth_core::operation::Operation;
use sloth_core::output::Output;
use sloth_core::past::{Past, PastVersion};
use sloth_core::recorded::{Condition, Origin, Recorded, RecordedText};
use sloth_core::run::{Counts, Run, RunStatus, TaskCounts};
use sloth_core::stack::{Stack, StackStatus};
use sloth_core::store::{
    CommitError, Committed, EventFilter, Intent, OperationRecord, PendingHandler, Seal, StackMatch, Store,
    StoreError, Txn, VersionAt, Wait,
};
use sloth_core::upstream::{Reading, Upstream};
use sloth_core::value::{Map, Value, canonical, to_value};
use sloth_core::value_entry::{LOCAL_SCOPE, ValueEntry};
use sloth_core::version::{Version, VersionKind, VersionNote};

/// A store under test.
pub struct Fixture {
    /// The store, empty.
    pub store: Box<dyn Store>,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// Opens the same store once more, as another process would.
    pub reopen: Box<dyn Fn() -> Box<dyn Store>>,
    /// Kept alive as long as the store, such as its directory.
    pub keep: Box<dyn Any>,
}

/// Makes a test of every law. The argument is a function that gives a new [`Fixture`] each time, or `None` on a machine that
/// cannot have such a store.
#[macro_export]
macro_rules! store_laws {
    ($make:path) => {
        $crate::store_laws! { @each $make;
            a_base_that_moved_on_is_stale
            a_blob_comes_back_as_it_was
            a_canceled_wait_ends
            a_command_stays_in_the_journal_until_its_run_is_closed
            a_commit_raises_the_version_by_one_and_emits_its_events
            a_crashed_run_leaves_pending_rows_that_the_next_holder_seals
            a_dropped_transaction_leaves_no_trace
            a_failed_step_is_not_open
            a_forced_holder_is_fenced
            a_lease_ends_and_is_granted_anew
            a_lock_of_a_value_has_one_holder_and_an_end
            a_note_that_says_always_makes_a_version_of_nothing
            a_person_keeps_others_out_and_lets_those_in_who_present_the_lock
            a_person_waits_for_the_process_that_works
            a_released_lease_is_fenced
            a_removed_version_comes_back_until_it_is_collected
            a_removed_version_is_not_there_and_its_link_is
            a_planted_stack_has_its_history
            a_renewed_lease_lives_on
            a_resource_that_is_back_to_what_it_was_has_not_changed
            a_row_that_came_and_went_makes_no_version
            a_stack_is_found_by_name_by_id_and_by_a_beginning_of_its_id
            a_taken_name_is_a_conflict
            a_transaction_reads_its_own_writes
            a_view_stays_as_it_was
            a_view_with_pending_rows_shows_the_sealed_head
            an_empty_seal_makes_no_version
            an_ended_lease_nobody_took_still_commits
            an_expired_lock_of_a_person_is_gone
            an_old_holder_is_fenced_after_a_take_over
            at_most_so_many_runs_go_on_at_once
            contents_that_nothing_names_are_collected
            drift_history_tells_one_time_from_the_next
            drift_is_resolved_by_a_clean_look
            drift_that_is_ignored_is_listed_until_its_end
            events_are_filtered_and_numbered_without_gaps
            every_version_can_be_read
            events_are_owed_to_hooks_until_they_take_them
            handlers_are_queued_once_and_kept
            old_events_go_and_what_is_owed_stays
            leases_are_granted_in_order_of_arrival
            metadata_and_status_survive
            only_the_owner_releases_a_lock
            open_steps_survive_a_reopen
            operations_form_a_chain
            outputs_have_a_history
            owners_are_named
            reopening_gives_equal_text
            runs_are_listed_newest_first
            settled_steps_are_forgotten
            some_changes_need_a_lease
            the_journal_refuses_what_cannot_be
            the_trash_gives_back_what_it_got
            times_are_no_part_of_a_change
            updates_do_not_touch_head_and_fence
            values_have_revisions_and_an_end
            versions_form_a_chain
            what_stacks_need_has_a_history
            whatever_is_removed_the_rest_stays_as_it_was
        }
    };
    (@each $make:path; $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                // A store that this machine cannot have obeys whatever one wants.
                if let Some(fixture) = ::std::option::Option::<$crate::store_laws::Fixture>::from($make()) {
                    $crate::store_laws::$law(&fixture);
                }
            }
        )*
    };
}

// ---- the small world of the laws ------------------------------------------------------------------------------------

/// A new stack.
#[must_use]
pub fn stack(f: &Fixture, name: &str) -> Stack {
    Stack {
        description: "for tests".to_owned(),
        version_label: "1.0".to_owned(),
        ..Stack::fresh(name, f.clock.now())
    }
}

/// A record of `file:/<name>` with a number in it.
#[must_use]
pub fn record(name: &str, number: i64) -> Recorded {
    Recorded {
        address: Address::local("file", format!("/{name}")),
        module: "file".to_owned(),
        operation: "content".to_owned(),
        spec: json!({ "content": Digest::of(name.as_bytes()).hex(), "number": number, "ratio": 0.1 }),
        state: Some(json!({ "mode": "0644", "number": number })),
        origin: Origin::Absent,
        condition: Condition::Applied,
        error: None,
        options: Options { depends_on: vec!["file:/other".to_owned()], ..Options::default() },
        task: "t".to_owned(),
        created_at: Timestamp::from_nanos(10),
        updated_at: Timestamp::from_nanos(20),
    }
}

/// A request for a process lease that does not wait.
#[must_use]
pub fn request(stack: &StackId, name: &str) -> LeaseRequest {
    LeaseRequest {
        stack: stack.clone(),
        kind: LeaseKind::Process,
        actor: Actor::named(name),
        operation: "run".to_owned(),
        reason: String::new(),
        ttl: Duration::from_secs(30),
        presents: None,
        wait: Duration::ZERO,
        most: None,
    }
}

/// A request for a person's lock that does not wait.
#[must_use]
pub fn person(stack: &StackId, name: &str) -> LeaseRequest {
    LeaseRequest {
        kind: LeaseKind::Person,
        operation: "manual".to_owned(),
        reason: "release day".to_owned(),
        ttl: Duration::from_secs(3600),
        ..request(stack, name)
    }
}

/// What a transaction under this lease is for.
#[must_use]
pub fn intent(lease: &Lease, base: Option<Version>) -> Intent {
    Intent {
        actor: Actor::named("tester"),
        verb: "test".to_owned(),
        arguments: vec!["--flag".to_owned()],
        stack: Some((lease.stack.clone(), lease.id.clone(), lease.fence)),
        base,
        wait: Wait::Durable,
    }
}

/// What a transaction without a stack is for.
#[must_use]
pub fn no_stack() -> Intent {
    Intent {
        actor: Actor::named("tester"),
        verb: "test".to_owned(),
        arguments: vec![],
        stack: None,
        base: None,
        wait: Wait::Durable,
    }
}

/// The same without waiting for the disk.
#[must_use]
pub fn fast(intent: Intent) -> Intent {
    Intent { wait: Wait::Fast, ..intent }
}

/// A note about a version made by a run.
#[must_use]
pub fn note() -> VersionNote {
    VersionNote {
        kind: VersionKind::Run,
        description: "a change".to_owned(),
        created_by: None,
        run: None,
        successful: true,
        always: false,
    }
}

/// The seal of a version, for use in tests.
#[must_use]
pub fn version() -> Seal {
    Seal::Version(note(), OperationRecord::default())
}

/// The seal of a commit that seals nothing.
#[must_use]
pub fn pending() -> Seal {
    Seal::Pending
}

/// Makes a stack and takes its lease.
#[must_use]
pub fn made(f: &Fixture, name: &str) -> (Stack, Lease) {
    let stack = stack(f, name);
    let mut txn = f.store.begin(no_stack()).unwrap();
    txn.stack_insert(&stack).unwrap();
    txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    let lease = acquire(&*f.store, &request(&stack.id, "holder")).unwrap();
    (stack, lease)
}

fn acquire(store: &dyn Store, request: &LeaseRequest) -> Result<Lease, LeaseError> {
    store.leases().acquire(request, &|| false)
}

/// One transaction under a lease.
pub fn change(
    store: &dyn Store,
    lease: &Lease,
    seal: Seal,
    work: impl FnOnce(&mut dyn Txn),
) -> Result<Committed, CommitError> {
    let mut txn = store.begin(intent(lease, None))?;
    work(&mut *txn);
    txn.commit(seal)
}

fn put(f: &Fixture, lease: &Lease, records: &[Recorded]) -> Committed {
    change(&*f.store, lease, version(), |txn| {
        for r in records {
            txn.resource_put(r).unwrap();
        }
    })
    .unwrap()
}

fn head(store: &dyn Store, stack: &StackId) -> Version {
    store.view().unwrap().stack_get(stack).unwrap().unwrap().head
}

/// An event with a message.
#[must_use]
pub fn event(f: &Fixture, message: &str) -> Event {
    event_of(f, EventType::Custom, message)
}

fn event_of(f: &Fixture, kind: EventType, message: &str) -> Event {
    Event {
        kind,
        severity: Severity::Info,
        at: f.clock.now(),
        run: None,
        task: None,
        address: None,
        message: message.to_owned(),
        payload: Value::Null,
    }
}

fn of_stack(id: &StackId) -> EventFilter {
    EventFilter { stack: Some(id.clone()), ..EventFilter::default() }
}

/// Everything a person could ask about, as one text.
#[must_use]
pub fn export(store: &dyn Store) -> String {
    let view = store.view().unwrap();
    let stacks: Vec<Value> = view
        .stack_list()
        .unwrap()
        .iter()
        .map(|stack| {
            let versions = view.version_list(&stack.id, 0).unwrap();
            let snapshots: Vec<Value> = versions
                .iter()
                .map(|v| to_value(&view.version_snapshot(&stack.id, v.version).unwrap()))
                .collect();
            let events: Vec<Value> = view
                .event_list(&of_stack(&stack.id))
                .unwrap()
                .iter()
                .map(|e| {
                    json!([e.seq, e.id.as_str(), e.event.kind.as_str(), e.event.message, e.event.payload])
                })
                .collect();
            json!({
                "stack": to_value(stack),
                "head": to_value(&view.resource_list(&stack.id, VersionAt::Head).unwrap()),
                "outputs": to_value(&view.output_list(&stack.id, VersionAt::Head).unwrap()),
                "snapshots": snapshots,
                "runs": to_value(&view.run_list(&stack.id, 0).unwrap()),
                "events": events,
                "drift": to_value(&view.drift_latest(&stack.id).unwrap()),
                "ignores": to_value(&view.drift_ignores(&stack.id).unwrap()),
                "handlers": to_value(&view.handler_list(&stack.id).unwrap()),
                "pending": view.version_pending(&stack.id).unwrap(),
            })
        })
        .collect();
    canonical(&json!({
        "stacks": stacks,
        "operations": to_value(&view.operation_list(0).unwrap()),
        "values": to_value(&view.value_list(None, "").unwrap()),
    }))
}

// ---- transactions ---------------------------------------------------------------------------------------------------

/// A transaction reads its own writes, of every noun.
pub fn a_transaction_reads_its_own_writes(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    let a = record("a", 1);
    txn.resource_put(&a).unwrap();
    assert_eq!(txn.resource_get(&s.id, &a.address, VersionAt::Head).unwrap(), Some(a.clone()));
    assert_eq!(txn.resource_list(&s.id, VersionAt::Head).unwrap(), vec![a.clone()]);
    assert_eq!(txn.resource_count(&s.id).unwrap(), 1);
    assert!(txn.version_pending(&s.id).unwrap());
    assert!(txn.resource_remove(&a.address).unwrap());
    assert!(!txn.resource_remove(&a.address).unwrap());
    assert_eq!(txn.resource_get(&s.id, &a.address, VersionAt::Head).unwrap(), None);
    let output = Output { name: "url".to_owned(), value: json!("x"), sensitive: false };
    txn.output_put(&output).unwrap();
    assert_eq!(txn.output_list(&s.id, VersionAt::Head).unwrap(), vec![output]);
    txn.event_append(Some(&s.id), &event_of(f, EventType::Custom, "hello")).unwrap();
    assert_eq!(txn.event_list(&of_stack(&s.id)).unwrap().last().unwrap().event.message, "hello");
    let mut renamed = s.clone();
    renamed.name = "shop".to_owned();
    txn.stack_update(&renamed).unwrap();
    assert!(matches!(txn.stack_find("shop").unwrap(), StackMatch::One(found) if found.id == s.id));
    assert_eq!(txn.stack_find("web").unwrap(), StackMatch::None);
    drop(txn);
}

/// Dropping a transaction leaves no trace.
pub fn a_dropped_transaction_leaves_no_trace(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    let before = export(&*f.store);
    {
        let mut txn = f.store.begin(intent(&lease, None)).unwrap();
        txn.resource_put(&record("a", 2)).unwrap();
        txn.resource_put(&record("b", 1)).unwrap();
        txn.event_append(Some(&s.id), &event_of(f, EventType::Custom, "never")).unwrap();
        txn.stack_trash(&s.id).unwrap();
    }
    assert_eq!(export(&*f.store), before);
    assert_eq!(put(f, &lease, &[record("c", 1)]).version, Some(Version(2)));
}

/// A commit raises the version by one and emits its events in the same instant.
pub fn a_commit_raises_the_version_by_one_and_emits_its_events(f: &Fixture) {
    let (s, lease) = made(f, "web");
    for n in 1..4 {
        let done = change(&*f.store, &lease, version(), |txn| {
            txn.resource_put(&record("a", n)).unwrap();
            txn.event_append(Some(&s.id), &event_of(f, EventType::ResourceUpdated, &format!("{n}"))).unwrap();
            assert_eq!(f.store.view().unwrap().event_list(&of_stack(&s.id)).unwrap().len() as i64, n - 1);
        })
        .unwrap();
        let expected = Version(u64::try_from(n).unwrap());
        assert_eq!(done.version, Some(expected));
        let view = f.store.view().unwrap();
        assert_eq!(view.stack_get(&s.id).unwrap().unwrap().head, expected);
        assert_eq!(view.event_list(&of_stack(&s.id)).unwrap().len() as i64, n);
    }
}

/// A base that moved on is stale, and nothing is kept.
pub fn a_base_that_moved_on_is_stale(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    put(f, &lease, &[record("a", 2)]);
    for seal in [version(), Seal::Pending, Seal::Operation(OperationRecord::default())] {
        let mut txn = f.store.begin(intent(&lease, Some(Version(1)))).unwrap();
        txn.resource_put(&record("a", 3)).unwrap();
        match txn.commit(seal) {
            Err(CommitError::Stale { base: Version(1), head: Version(2) }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(head(&*f.store, &s.id), Version(2));
    assert!(!f.store.view().unwrap().version_pending(&s.id).unwrap());
    let mut txn = f.store.begin(fast(intent(&lease, Some(Version(2))))).unwrap();
    txn.resource_put(&record("a", 3)).unwrap();
    assert_eq!(txn.commit(version()).unwrap().version, Some(Version(3)));
}

fn refused(f: &Fixture, old: &Lease) -> Option<String> {
    let before = export(&*f.store);
    let mut holder = None;
    for seal in [version(), Seal::Pending, Seal::Operation(OperationRecord::default())] {
        let mut txn = f.store.begin(intent(old, None)).unwrap();
        txn.resource_put(&record("late", 1)).unwrap();
        match txn.commit(seal) {
            Err(CommitError::Fenced { holder: found }) => holder = found.map(|h| h.locked_by),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(export(&*f.store), before, "a late writer changed something");
    holder
}

/// After a take-over, nothing an old holder writes is accepted.
pub fn an_old_holder_is_fenced_after_a_take_over(f: &Fixture) {
    let (s, old) = made(f, "web");
    f.clock.advance(Duration::from_secs(31));
    let new = acquire(&*f.store, &request(&s.id, "second")).unwrap();
    assert!(new.fence > old.fence);
    assert_eq!(refused(f, &old).as_deref(), Some("second"));
    put(f, &new, &[record("a", 1)]);
    assert!(matches!(f.store.leases().renew(&old), Err(LeaseError::Lost)));
    f.store.leases().release(&old).unwrap();
    put(f, &new, &[record("a", 2)]);
    let borrowed = Lease { fence: new.fence, ..old };
    assert_eq!(refused(f, &borrowed).as_deref(), Some("second"));
}

/// After its lease was taken away by force, nothing a holder writes is accepted.
pub fn a_forced_holder_is_fenced(f: &Fixture) {
    let (s, old) = made(f, "web");
    let taken = f.store.leases().force_release(&s.id, &Actor::named("boss"), "it hangs").unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].locked_by, "holder");
    assert_eq!(refused(f, &old), None);
    let view = f.store.view().unwrap();
    let last = view.operation_list(1).unwrap().remove(0);
    assert_eq!((last.actor.name.as_str(), &last.arguments), ("boss", &vec!["it hangs".to_owned()]));
    let events = view.event_list(&of_stack(&s.id)).unwrap();
    assert_eq!(events.last().unwrap().event.kind, EventType::LockForceReleased);
    drop(view);
    assert!(matches!(
        f.store.leases().force_release(&s.id, &Actor::named("boss"), "again"),
        Err(LeaseError::NotLocked)
    ));
    let new = acquire(&*f.store, &request(&s.id, "second")).unwrap();
    assert!(new.fence.0 > old.fence.0 + 1, "forcing and granting both raise the fence");
}

/// After giving its lease back, nothing a holder writes is accepted.
pub fn a_released_lease_is_fenced(f: &Fixture) {
    let (_, lease) = made(f, "web");
    f.store.leases().release(&lease).unwrap();
    assert_eq!(refused(f, &lease), None);
    f.store.leases().release(&lease).unwrap();
}

/// A lease that ran out and that nobody else got still commits and can be renewed.
pub fn an_ended_lease_nobody_took_still_commits(f: &Fixture) {
    let (s, lease) = made(f, "web");
    f.clock.advance(Duration::from_secs(300));
    assert!(f.store.leases().status(&s.id).unwrap().is_empty());
    assert_eq!(put(f, &lease, &[record("a", 1)]).version, Some(Version(1)));
    let renewed = f.store.leases().renew(&lease).unwrap();
    assert_eq!(renewed.fence, lease.fence);
    assert_eq!(f.store.leases().status(&s.id).unwrap().len(), 1);
}

/// A view stays as it was while others commit.
pub fn a_view_stays_as_it_was(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    let view = f.store.view().unwrap();
    put(f, &lease, &[record("a", 2), record("b", 1)]);
    assert_eq!(view.stack_get(&s.id).unwrap().unwrap().head, Version(1));
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), vec![record("a", 1)]);
    assert_eq!(view.resource_count(&s.id).unwrap(), 1);
    assert_eq!(view.version_list(&s.id, 0).unwrap().len(), 1);
    assert_eq!(f.store.view().unwrap().resource_count(&s.id).unwrap(), 2);
}

/// Opening the same store again gives the same text.
pub fn reopening_gives_equal_text(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1), record("b", 2)]);
    change(&*f.store, &lease, version(), |txn| {
        txn.resource_put(&record("a", 3)).unwrap();
        txn.output_put(&Output {
            name: "ratio".to_owned(),
            value: json!(-5.760_010_090_687_449e-140),
            sensitive: true,
        })
        .unwrap();
        txn.event_append(Some(&s.id), &event_of(f, EventType::Custom, "ü\u{7}\"\\")).unwrap();
        txn.run_put(&run(f, "r", RunStatus::Completed)).unwrap();
        txn.value_put(&value("k", json!({"f": 6.585_445_724_167_079e41, "n": -1, "u": u64::MAX}))).unwrap();
    })
    .unwrap();
    assert_eq!(export(&*(f.reopen)()), export(&*f.store));
}

// ---- versions -------------------------------------------------------------------------------------------------------

/// Rows of a version that is not sealed are seen in transactions and not in views.
pub fn a_view_with_pending_rows_shows_the_sealed_head(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let sealed = [record("a", 1), record("b", 1), record("c", 1)];
    put(f, &lease, &sealed);
    let done = change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.resource_put(&record("a", 2)).unwrap();
        assert!(txn.resource_remove(&record("b", 1).address).unwrap());
        txn.resource_put(&record("d", 1)).unwrap();
    })
    .unwrap();
    assert_eq!(done, Committed { version: None, operation: None });
    let view = f.store.view().unwrap();
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), sealed.to_vec());
    assert_eq!(view.resource_count(&s.id).unwrap(), 3);
    assert_eq!(
        view.resource_get(&s.id, &record("a", 0).address, VersionAt::Head).unwrap(),
        Some(record("a", 1))
    );
    assert_eq!(
        view.resource_get(&s.id, &record("b", 0).address, VersionAt::Head).unwrap(),
        Some(record("b", 1))
    );
    assert_eq!(view.resource_get(&s.id, &record("d", 0).address, VersionAt::Head).unwrap(), None);
    let texts: Vec<RecordedText> = sealed.iter().cloned().map(RecordedText::from).collect();
    let mut given = Vec::new();
    view.resource_texts(&s.id, VersionAt::Head, &mut |text| given.push(text)).unwrap();
    assert_eq!(given, texts);
    for text in texts {
        assert_eq!(view.resource_named(text.address.id()).unwrap(), [(s.id.clone(), text)]);
    }
    for none in ["/d", "d", "", "%", "a"] {
        assert_eq!(view.resource_named(none).unwrap(), [], "{none}");
    }
    assert!(view.version_pending(&s.id).unwrap());
    assert_eq!(view.stack_get(&s.id).unwrap().unwrap().head, Version(1));
    let newest = vec![record("a", 2), record("c", 1), record("d", 1)];
    change(&*f.store, &lease, version(), |txn| {
        assert_eq!(txn.resource_list(&s.id, VersionAt::Head).unwrap(), newest);
        assert_eq!(txn.resource_count(&s.id).unwrap(), 3);
        assert_eq!(txn.resource_list(&s.id, VersionAt::Number(Version(1))).unwrap(), sealed.to_vec());
    })
    .unwrap();
    let view = f.store.view().unwrap();
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), newest);
    assert!(!view.version_pending(&s.id).unwrap());
    let info = view.version_get(&s.id, Version(2)).unwrap().unwrap();
    assert_eq!((info.written, info.removed), (2, 1));
}

/// Rows whose run died are seen by the next holder's transactions, and sealed by the next seal.
pub fn a_crashed_run_leaves_pending_rows_that_the_next_holder_seals(f: &Fixture) {
    let (s, lease) = made(f, "web");
    change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.resource_put(&record("a", 1)).unwrap();
        txn.resource_put(&record("b", 1)).unwrap();
    })
    .unwrap();
    assert_eq!(head(&*f.store, &s.id), Version::ZERO);
    let other = (f.reopen)();
    assert!(other.view().unwrap().version_pending(&s.id).unwrap());
    f.clock.advance(Duration::from_secs(31));
    let next = acquire(&*other, &request(&s.id, "second")).unwrap();
    change(&*other, &next, Seal::Pending, |txn| {
        assert_eq!(txn.resource_count(&s.id).unwrap(), 2);
        txn.resource_put(&record("a", 2)).unwrap();
        assert!(txn.resource_remove(&record("b", 0).address).unwrap());
    })
    .unwrap();
    let done = change(&*other, &next, version(), |_| {}).unwrap();
    assert_eq!(done.version, Some(Version(1)));
    let view = other.view().unwrap();
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), vec![record("a", 2)]);
    let info = view.version_get(&s.id, Version(1)).unwrap().unwrap();
    assert_eq!((info.written, info.removed), (1, 0));
    assert_eq!(view.resource_count(&s.id).unwrap(), 1);
}

/// Sealing nothing makes no version; the operation is logged all the same.
pub fn an_empty_seal_makes_no_version(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    let done = put(f, &lease, &[record("a", 1)]);
    assert_eq!(done.version, None);
    assert!(done.operation.is_some());
    let done = change(&*f.store, &lease, version(), |_| {}).unwrap();
    assert_eq!(done.version, None);
    assert_eq!(head(&*f.store, &s.id), Version(1));
}

/// A row made and removed before the seal disappears without a version.
pub fn a_row_that_came_and_went_makes_no_version(f: &Fixture) {
    let (s, lease) = made(f, "web");
    change(&*f.store, &lease, Seal::Pending, |txn| txn.resource_put(&record("a", 1)).unwrap()).unwrap();
    change(&*f.store, &lease, Seal::Pending, |txn| {
        assert!(txn.resource_remove(&record("a", 0).address).unwrap());
        txn.resource_put(&record("b", 1)).unwrap();
        assert!(txn.resource_remove(&record("b", 0).address).unwrap());
    })
    .unwrap();
    assert!(!f.store.view().unwrap().version_pending(&s.id).unwrap());
    let done = change(&*f.store, &lease, version(), |_| {}).unwrap();
    assert_eq!(done.version, None);
    assert_eq!(head(&*f.store, &s.id), Version::ZERO);
}

/// What is changed and put back before the seal has not changed.
pub fn a_resource_that_is_back_to_what_it_was_has_not_changed(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let url = |n: i64| Output { name: "url".to_owned(), value: json!(n), sensitive: false };
    change(&*f.store, &lease, version(), |txn| {
        txn.resource_put(&record("a", 1)).unwrap();
        txn.resource_put(&record("b", 1)).unwrap();
        txn.output_put(&url(1)).unwrap();
    })
    .unwrap();
    change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.resource_put(&record("a", 2)).unwrap();
        txn.output_put(&url(2)).unwrap();
        assert!(txn.resource_remove(&record("b", 1).address).unwrap());
    })
    .unwrap();
    change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.resource_put(&record("a", 1)).unwrap();
        txn.resource_put(&record("b", 1)).unwrap();
        txn.output_put(&url(1)).unwrap();
    })
    .unwrap();
    assert!(!f.store.view().unwrap().version_pending(&s.id).unwrap());
    assert_eq!(change(&*f.store, &lease, version(), |_| {}).unwrap().version, None);
    let view = f.store.view().unwrap();
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), vec![record("a", 1), record("b", 1)]);
    assert_eq!(view.resource_list(&s.id, VersionAt::Number(Version(1))).unwrap().len(), 2);
}

/// A record that differs in its times only has not changed, and keeps the times it had.
pub fn times_are_no_part_of_a_change(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    let mut later = record("a", 1);
    later.updated_at = Timestamp::from_nanos(99);
    assert_eq!(put(f, &lease, &[later]).version, None);
    let view = f.store.view().unwrap();
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), vec![record("a", 1)]);
}

/// A snapshot is a version even when nothing changed.
pub fn a_note_that_says_always_makes_a_version_of_nothing(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let always = VersionNote {
        kind: VersionKind::Snapshot,
        always: true,
        created_by: Some("system".to_owned()),
        ..note()
    };
    let seal = || Seal::Version(always.clone(), OperationRecord::default());
    assert_eq!(change(&*f.store, &lease, seal(), |_| {}).unwrap().version, Some(Version(1)));
    put(f, &lease, &[record("a", 1)]);
    assert_eq!(change(&*f.store, &lease, seal(), |_| {}).unwrap().version, Some(Version(3)));
    let view = f.store.view().unwrap();
    let info = view.version_get(&s.id, Version(3)).unwrap().unwrap();
    assert_eq!((info.kind, info.created_by.as_str(), info.written), (VersionKind::Snapshot, "system", 0));
    assert_eq!(view.version_snapshot(&s.id, Version(3)).unwrap().unwrap().resources, vec![record("a", 1)]);
}

/// Every version can be read for ever, and versions that do not exist cannot.
pub fn every_version_can_be_read(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let mut expected: Vec<Vec<Recorded>> = vec![vec![]];
    let mut now: std::collections::BTreeMap<String, Recorded> = std::collections::BTreeMap::new();
    for step in 0..30i64 {
        let name = format!("r{}", step % 7);
        change(&*f.store, &lease, version(), |txn| {
            let key = record(&name, 0).address.to_string();
            if step % 5 == 4 && now.remove(&key).is_some() {
                assert!(txn.resource_remove(&record(&name, 0).address).unwrap());
            } else {
                txn.resource_put(&record(&name, step)).unwrap();
                now.insert(key, record(&name, step));
            }
        })
        .unwrap();
        expected.push(now.values().cloned().collect());
    }
    let view = f.store.view().unwrap();
    for (n, content) in expected.iter().enumerate() {
        let at = Version(n as u64);
        assert_eq!(&view.resource_list(&s.id, VersionAt::Number(at)).unwrap(), content, "{at}");
        for r in content {
            let found = view.resource_get(&s.id, &r.address, VersionAt::Number(at)).unwrap();
            assert_eq!(found.as_ref(), Some(r));
        }
        if n > 0 {
            assert_eq!(&view.version_snapshot(&s.id, at).unwrap().unwrap().resources, content);
        }
    }
    assert!(view.resource_list(&s.id, VersionAt::Number(Version(31))).is_err());
    assert_eq!(view.version_snapshot(&s.id, Version(31)).unwrap(), None);
    assert_eq!(view.version_snapshot(&s.id, Version(0)).unwrap(), None);
    assert_eq!(view.version_get(&s.id, Version(u64::MAX)).unwrap(), None);
    let numbers: Vec<u64> = view.version_list(&s.id, 3).unwrap().iter().map(|v| v.version.0).collect();
    assert_eq!(numbers, [30, 29, 28]);
}

/// A stack with versions 1 to `count`, each of which writes `file:/a` and every other one `file:/b`.
fn with_history(f: &Fixture, count: i64) -> (Stack, Lease) {
    let (s, lease) = made(f, "web");
    for n in 1..=count {
        let mut records = vec![record("a", n)];
        if n % 2 == 0 {
            records.push(record("b", n));
        }
        put(f, &lease, &records);
    }
    (s, lease)
}

fn operation() -> Seal {
    Seal::Operation(OperationRecord::default())
}

/// What an operation that removes versions has to say about them.
fn removing(versions: &[Version]) -> Seal {
    Seal::Operation(OperationRecord { undo: json!({ "removed": versions }), undoes: None })
}

fn nothing_severe(store: &dyn Store) {
    let found: Vec<_> = store.check(true).unwrap().into_iter().filter(|f| f.severe).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// Nobody sees a removed version; the chain is whole, and the newest cannot be removed.
pub fn a_removed_version_is_not_there_and_its_link_is(f: &Fixture) {
    let (s, lease) = with_history(f, 5);
    let gone = [Version(2), Version(3)];
    change(&*f.store, &lease, removing(&gone), |txn| txn.version_remove(&s.id, &gone).unwrap()).unwrap();
    let view = f.store.view().unwrap();
    let numbers: Vec<u64> = view.version_list(&s.id, 0).unwrap().iter().map(|v| v.version.0).collect();
    assert_eq!(numbers, [5, 4, 1]);
    assert_eq!(view.version_list(&s.id, 2).unwrap().len(), 2);
    assert_eq!(view.version_get(&s.id, Version(2)).unwrap(), None);
    assert_eq!(view.version_snapshot(&s.id, Version(3)).unwrap(), None);
    assert_eq!(view.version_oldest(&s.id).unwrap().unwrap().version, Version(1));
    assert!(view.resource_list(&s.id, VersionAt::Number(Version(3))).is_err());
    assert!(view.output_list(&s.id, VersionAt::Number(Version(2))).is_err());
    let four = view.version_snapshot(&s.id, Version(4)).unwrap().unwrap();
    assert_eq!(four.resources, vec![record("a", 4), record("b", 4)]);
    drop(view);
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(txn.version_remove(&s.id, &[Version(5)]).is_err());
    assert!(txn.version_remove(&s.id, &[Version(6)]).is_err());
    assert!(txn.version_remove(&s.id, &[Version(0)]).is_err());
    drop(txn);
    put(f, &lease, &[record("a", 9)]);
    assert_eq!(head(&*f.store, &s.id), Version(6));
    nothing_severe(&*f.store);
}

/// Removing alone loses nothing. Collecting does, and only what no version shows.
pub fn a_removed_version_comes_back_until_it_is_collected(f: &Fixture) {
    let (s, lease) = with_history(f, 5);
    let before = f.store.view().unwrap().version_snapshot(&s.id, Version(2)).unwrap();
    let remove = |versions: &[Version]| {
        change(&*f.store, &lease, removing(versions), |txn| txn.version_remove(&s.id, versions).unwrap())
            .unwrap();
    };
    remove(&[Version(2)]);
    change(&*f.store, &lease, operation(), |txn| txn.version_bring_back(&s.id, &[Version(2)]).unwrap())
        .unwrap();
    assert_eq!(f.store.view().unwrap().version_snapshot(&s.id, Version(2)).unwrap(), before);
    remove(&[Version(2), Version(3)]);
    let was = export(&*f.store);
    // A trial leaves no trace.
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(!txn.history_collect(&s.id).unwrap().is_empty());
    drop(txn);
    assert_eq!(export(&*f.store), was);
    let mut done = sloth_core::retention::Collected::default();
    change(&*f.store, &lease, operation(), |txn| done = txn.history_collect(&s.id).unwrap()).unwrap();
    // `a` of 2 and of 3, and `b` of 2: version 4 wrote both anew, and nobody else shows them.
    assert_eq!((done.records, done.contents), (3, 0));
    assert!(done.bytes > 0);
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(txn.history_collect(&s.id).unwrap().is_empty(), "it is collected once");
    assert!(txn.version_bring_back(&s.id, &[Version(3)]).is_err());
    drop(txn);
    let view = f.store.view().unwrap();
    let four = view.version_snapshot(&s.id, Version(4)).unwrap().unwrap();
    assert_eq!(four.resources, vec![record("a", 4), record("b", 4)]);
    assert_eq!(view.version_snapshot(&s.id, Version(1)).unwrap().unwrap().resources, vec![record("a", 1)]);
    drop(view);
    nothing_severe(&*f.store);
}

/// Contents stay as long as a version, a step or an operation names them, and as long as somebody is at work.
pub fn contents_that_nothing_names_are_collected(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let blob = |text: &str| Blob::new(text.as_bytes().to_vec());
    let (old, new, spare, undone) = (blob("old"), blob("new"), blob("spare"), blob("undone"));
    f.store.blobs().put(&[old.clone(), new.clone(), spare.clone(), undone.clone()], Wait::Durable).unwrap();
    let naming =
        |blob: &Blob, n: i64| Recorded { spec: json!({ "content": blob.digest().hex() }), ..record("a", n) };
    put(f, &lease, &[naming(&old, 1)]);
    put(f, &lease, &[naming(&new, 2)]);
    let record = OperationRecord { undo: json!({ "before": undone.digest().hex() }), undoes: None };
    change(&*f.store, &lease, Seal::Operation(record), |_| {}).unwrap();
    let collect = |seal: Seal| {
        let mut done = Ok(sloth_core::retention::Collected::default());
        change(&*f.store, &lease, seal, |txn| {
            txn.history_collect(&s.id).unwrap();
            done = txn.contents_collect().unwrap();
        })
        .unwrap();
        done
    };
    let has = |blob: &Blob| f.store.blobs().has(&blob.digest()).unwrap();
    // Somebody else is at work: what is put now may be named later.
    let other = stack(f, "other");
    let mut txn = f.store.begin(no_stack()).unwrap();
    txn.stack_insert(&other).unwrap();
    txn.commit(operation()).unwrap();
    let theirs = acquire(&*f.store, &request(&other.id, "ann")).unwrap();
    assert!(collect(operation()).unwrap_err().contains("ann"));
    f.store.leases().release(&theirs).unwrap();
    assert_eq!(collect(operation()).unwrap().contents, 1);
    assert!(has(&old) && has(&new) && has(&undone) && !has(&spare));
    change(&*f.store, &lease, removing(&[Version(1)]), |txn| {
        txn.version_remove(&s.id, &[Version(1)]).unwrap();
    })
    .unwrap();
    // A trial leaves no trace.
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    txn.history_collect(&s.id).unwrap();
    assert_eq!(txn.contents_collect().unwrap().unwrap().contents, 1);
    drop(txn);
    assert!(has(&old));
    assert_eq!(collect(operation()).unwrap().contents, 1);
    assert!(!has(&old) && has(&new) && has(&undone));
    nothing_severe(&*f.store);
}

/// Random histories and random policies: what is kept is as it was, and what goes is what was said beforehand.
pub fn whatever_is_removed_the_rest_stays_as_it_was(f: &Fixture) {
    use sloth_core::retention::{Holds, Policy, decide};
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..12 {
        let (s, lease) = made(f, &format!("s{round}"));
        for step in 0..random(25) + 1 {
            f.clock.advance(Duration::from_secs(random(100)));
            let note = VersionNote { always: true, successful: random(3) > 0, ..note() };
            change(&*f.store, &lease, Seal::Version(note, OperationRecord::default()), |txn| {
                for _ in 0..random(4) {
                    let name = format!("r{round}-{}", random(6));
                    if random(4) == 0 {
                        txn.resource_remove(&record(&name, 0).address).unwrap();
                    } else {
                        txn.resource_put(&record(&name, i64::try_from(step).unwrap())).unwrap();
                    }
                }
            })
            .unwrap();
        }
        for _ in 0..3 {
            let policy = Policy {
                keep: (random(3) > 0).then(|| random(8)),
                older_than: (random(2) > 0).then(|| Duration::from_secs(random(900))),
            };
            let tagged = Version(1 + random(25));
            let holds = Holds {
                tags: std::collections::BTreeMap::from([(tagged, vec!["t".to_owned()])]),
                restored_to: Some(Version(1 + random(25))),
            };
            let view = f.store.view().unwrap();
            let history = view.version_list(&s.id, 0).unwrap();
            let said = decide(&history, &holds, policy, f.clock.now());
            let (stay, go): (Vec<_>, Vec<_>) = said.into_iter().partition(|(_, keep)| keep.is_some());
            let go: Vec<Version> = go.into_iter().map(|(version, _)| version).collect();
            let picture = |version: &Version| view.version_snapshot(&s.id, *version).unwrap().unwrap();
            let before: Vec<_> = stay.iter().map(|(version, _)| picture(version)).collect();
            change(&*f.store, &lease, removing(&go), |txn| {
                txn.version_remove(&s.id, &go).unwrap();
                txn.history_collect(&s.id).unwrap();
            })
            .unwrap();
            drop(view);
            let view = f.store.view().unwrap();
            let kept: Vec<Version> =
                view.version_list(&s.id, 0).unwrap().iter().map(|info| info.version).collect();
            assert_eq!(kept, stay.iter().map(|(version, _)| *version).collect::<Vec<_>>());
            for old in before {
                assert_eq!(view.version_snapshot(&s.id, old.info.version).unwrap().unwrap(), old);
            }
            assert!(go.iter().all(|version| view.version_get(&s.id, *version).unwrap().is_none()));
            if history.iter().any(|info| info.version == tagged) {
                assert!(kept.contains(&tagged));
            }
        }
        f.store.leases().release(&lease).unwrap();
    }
    nothing_severe(&*f.store);
}

/// Each version names the link of the one before.
pub fn versions_form_a_chain(f: &Fixture) {
    let (s, lease) = made(f, "web");
    for n in 0..4 {
        put(f, &lease, &[record("a", n)]);
    }
    let view = f.store.view().unwrap();
    let mut versions = view.version_list(&s.id, 0).unwrap();
    versions.reverse();
    let mut link = Digest::ZERO;
    for (n, v) in versions.iter().enumerate() {
        assert_eq!(v.version.0, n as u64 + 1);
        assert_eq!(v.prev_hash, link);
        assert_ne!(v.hash, link);
        link = v.hash;
    }
}

/// A stack that comes with a history has it as if it had happened here, and nothing of it is kept without a commit.
pub fn a_planted_stack_has_its_history(f: &Fixture) {
    let out = |n: i64| Output { name: "n".to_owned(), value: json!(n), sensitive: false };
    let needed = Upstream {
        id: stack(f, "cache").id,
        name: "cache".to_owned(),
        declared: true,
        version: Version(1),
        reads: std::collections::BTreeMap::new(),
    };
    let version = |at: i64, always: bool, resources: Vec<Recorded>, outputs: Vec<Output>| PastVersion {
        note: VersionNote { created_by: Some("them".to_owned()), always, ..note() },
        at: Timestamp::from_nanos(at),
        upstreams: outputs.iter().map(|_| needed.clone()).collect(),
        resources,
        outputs,
    };
    let at = Timestamp::from_nanos(50);
    let finding = Finding {
        expected: Some(json!({ "n": 1 })),
        actual: Some(json!({ "n": 2 })),
        ..Finding::new(record("a", 1).address, DriftStatus::Drifted, Reason::External, at)
    };
    let past = |name: &str| Past {
        stack: Stack { execution_count: 2, status: StackStatus::Failed, ..stack(f, name) },
        versions: vec![
            version(100, true, vec![], vec![]),
            version(200, false, vec![record("a", 1), record("b", 1)], vec![out(1)]),
            version(300, false, vec![record("a", 1), record("b", 1)], vec![out(1)]),
            version(400, false, vec![record("a", 1), record("c", 1)], vec![]),
        ],
        runs: vec![
            run(f, &format!("{name}-1"), RunStatus::Completed),
            run(f, &format!("{name}-2"), RunStatus::Failed),
        ],
        findings: vec![finding.clone()],
    };
    let (web, db) = (past("web"), past("db"));
    let before = export(&*f.store);
    let mut txn = f.store.begin(no_stack()).unwrap();
    assert_eq!(txn.stack_plant(&web).unwrap(), Version(3), "what changed nothing is no version");
    drop(txn);
    assert_eq!(export(&*f.store), before);
    let mut txn = f.store.begin(no_stack()).unwrap();
    txn.stack_plant(&web).unwrap();
    txn.stack_plant(&db).unwrap();
    txn.event_append(Some(&db.stack.id), &event(f, "planted")).unwrap();
    assert!(txn.stack_plant(&past("web")).is_err(), "a run belongs to one stack, a name too");
    drop(txn);
    let mut txn = f.store.begin(no_stack()).unwrap();
    txn.stack_plant(&web).unwrap();
    txn.stack_plant(&db).unwrap();
    txn.event_append(Some(&db.stack.id), &event(f, "planted")).unwrap();
    let done = txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    let view = f.store.view().unwrap();
    let logged = view.operation_get(done.operation.unwrap().0).unwrap().unwrap();
    assert_eq!(logged.stack, None, "it is about two stacks");
    for planted in [&web, &db] {
        let id = &planted.stack.id;
        let stack = view.stack_get(id).unwrap().unwrap();
        assert_eq!(stack, Stack { head: Version(3), ..planted.stack.clone() });
        let versions = view.version_list(id, 0).unwrap();
        let told: Vec<_> = versions
            .iter()
            .map(|v| (v.version.0, v.created_at.as_nanos(), v.created_by.as_str(), v.written, v.removed))
            .collect();
        assert_eq!(told, [(3, 400, "them", 1, 1), (2, 200, "them", 2, 0), (1, 100, "them", 0, 0)]);
        assert_eq!(versions[0].prev_hash, versions[1].hash);
        assert_eq!(view.resource_list(id, VersionAt::Head).unwrap(), planted.versions[3].resources);
        assert_eq!(view.resource_count(id).unwrap(), 2);
        for (number, which) in [(1, 0), (2, 1), (3, 3)] {
            let at = VersionAt::Number(Version(number));
            assert_eq!(view.resource_list(id, at).unwrap(), planted.versions[which].resources);
            assert_eq!(view.output_list(id, at).unwrap(), planted.versions[which].outputs);
            assert_eq!(view.upstream_list(id, at).unwrap(), planted.versions[which].upstreams);
        }
        let runs: Vec<Run> = view.run_list(id, 0).unwrap().into_iter().rev().collect();
        assert_eq!(runs, planted.runs);
        assert_eq!(view.drift_latest(id).unwrap(), std::slice::from_ref(&finding));
        assert!(!view.version_pending(id).unwrap());
    }
    assert_eq!(view.event_list(&of_stack(&db.stack.id)).unwrap().len(), 1);
    drop(view);
    // It goes on like any other stack.
    let lease = acquire(&*f.store, &request(&web.stack.id, "holder")).unwrap();
    assert_eq!(put(f, &lease, &[record("a", 2)]).version, Some(Version(4)));
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(txn.stack_plant(&past("third")).is_err(), "not in a transaction about another stack");
    drop(txn);
    let severe: Vec<_> = f.store.check(true).unwrap().into_iter().filter(|c| c.severe).collect();
    assert!(severe.is_empty(), "{severe:?}");
}

/// Outputs have a history like resources.
pub fn outputs_have_a_history(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let out =
        |name: &str, n: i64| Output { name: name.to_owned(), value: json!({ "n": n }), sensitive: n == 2 };
    let set = |outputs: &[Output]| {
        change(&*f.store, &lease, version(), |txn| outputs.iter().for_each(|o| txn.output_put(o).unwrap()))
            .unwrap()
            .version
    };
    assert_eq!(set(&[out("b", 1), out("a", 1)]), Some(Version(1)));
    assert_eq!(set(&[out("a", 2)]), Some(Version(2)));
    assert_eq!(set(&[out("a", 2)]), None);
    change(&*f.store, &lease, version(), |txn| {
        assert!(txn.output_remove("b").unwrap());
        assert!(!txn.output_remove("c").unwrap());
    })
    .unwrap();
    let view = f.store.view().unwrap();
    let at = |n: u64| view.output_list(&s.id, VersionAt::Number(Version(n))).unwrap();
    assert_eq!(at(0), []);
    assert_eq!(at(1), [out("a", 1), out("b", 1)]);
    assert_eq!(at(2), [out("a", 2), out("b", 1)]);
    assert_eq!(at(3), [out("a", 2)]);
    assert_eq!(view.output_list(&s.id, VersionAt::Head).unwrap(), at(3));
    assert_eq!(view.version_snapshot(&s.id, Version(2)).unwrap().unwrap().outputs, at(2));
}

/// The limit counts runs in force and nothing else; a waiter is let in when one ends.
pub fn at_most_so_many_runs_go_on_at_once(f: &Fixture) {
    let stacks: Vec<Stack> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| {
            let stack = stack(f, name);
            let mut txn = f.store.begin(no_stack()).unwrap();
            txn.stack_insert(&stack).unwrap();
            txn.commit(Seal::Pending).unwrap();
            stack
        })
        .collect();
    let run = |at: usize| LeaseRequest {
        operation: "run".to_owned(),
        most: Some(2),
        ..request(&stacks[at].id, &format!("bot-{at}"))
    };
    let leases = f.store.leases();
    let rename = LeaseRequest { operation: "rename".to_owned(), ..request(&stacks[3].id, "ann") };
    let rename = leases.acquire(&rename, &|| false).unwrap();
    let first = leases.acquire(&run(0), &|| false).unwrap();
    let _second =
        leases.acquire(&LeaseRequest { operation: "apply".to_owned(), ..run(1) }, &|| false).unwrap();
    match leases.acquire(&run(2), &|| false) {
        Err(LeaseError::Full { most: 2, stacks }) => assert_eq!(stacks, ["a", "b"]),
        other => panic!("{other:?}"),
    }
    let short = LeaseRequest { wait: Duration::from_millis(20), ..run(2) };
    assert!(matches!(leases.acquire(&short, &|| false), Err(LeaseError::Full { .. })));
    // Neither other work nor a run without a limit is kept out.
    leases.release(&rename).unwrap();
    let unlimited = leases.acquire(&LeaseRequest { most: None, ..run(3) }, &|| false).unwrap();
    leases.release(&unlimited).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let patient = LeaseRequest { wait: Duration::from_secs(20), ..run(2) };
            leases.acquire(&patient, &|| false).map(|_| ())
        });
        leases.release(&first).unwrap();
        waiting.join().unwrap().unwrap();
    });
    assert!(matches!(leases.acquire(&run(0), &|| false), Err(LeaseError::Full { .. })));
}

/// What a stack needs of others is a part of its versions; what is pending is not told of others' stacks.
pub fn what_stacks_need_has_a_history(f: &Fixture) {
    let (db, db_lease) = made(f, "db");
    let (s, lease) = made(f, "web");
    let needs = |n: u64| Upstream {
        id: db.id.clone(),
        name: "db".to_owned(),
        declared: n == 2,
        version: Version(n),
        reads: [("url".to_owned(), Reading::of(None))].into(),
    };
    let put =
        |n: u64| change(&*f.store, &lease, version(), |txn| txn.upstream_put(&needs(n)).unwrap()).unwrap();
    assert_eq!(put(1).version, Some(Version(1)));
    assert_eq!(put(1).version, None);
    assert_eq!(put(2).version, Some(Version(2)));
    let view = f.store.view().unwrap();
    let at = |n: u64| view.upstream_list(&s.id, VersionAt::Number(Version(n))).unwrap();
    assert_eq!((at(0), at(1), at(2)), (vec![], vec![needs(1)], vec![needs(2)]));
    assert_eq!(view.version_snapshot(&s.id, Version(1)).unwrap().unwrap().upstreams, at(1));
    assert_eq!(view.upstream_all().unwrap(), [(s.id.clone(), needs(2))]);
    drop(view);

    change(&*f.store, &lease, Seal::Pending, |txn| {
        assert!(txn.upstream_remove(&db.id).unwrap());
        assert!(!txn.upstream_remove(&s.id).unwrap());
    })
    .unwrap();
    let view = f.store.view().unwrap();
    assert_eq!(view.upstream_list(&s.id, VersionAt::Head).unwrap(), [needs(2)]);
    assert_eq!(view.upstream_all().unwrap(), [(s.id.clone(), needs(2))]);
    drop(view);
    // Taken back before it was sealed: no version.
    assert_eq!(put(2).version, None);
    change(&*f.store, &db_lease, Seal::Pending, |txn| txn.stack_trash(&db.id).unwrap()).unwrap();
    assert_eq!(f.store.view().unwrap().upstream_all().unwrap(), [(s.id.clone(), needs(2))]);
    change(&*f.store, &lease, version(), |txn| assert!(txn.upstream_remove(&db.id).unwrap())).unwrap();
    let view = f.store.view().unwrap();
    assert_eq!(view.upstream_all().unwrap(), []);
    assert_eq!(view.upstream_list(&s.id, VersionAt::Head).unwrap(), []);
    drop(view);
    nothing_severe(&*f.store);
}

/// Each entry of the operation log names the link of the one before; pending commits log nothing.
pub fn operations_form_a_chain(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let done = put(f, &lease, &[record("a", 1)]);
    change(&*f.store, &lease, Seal::Pending, |txn| txn.resource_put(&record("b", 1)).unwrap()).unwrap();
    let record = OperationRecord { undo: json!({ "was": 1.5 }), undoes: Some(1) };
    change(&*f.store, &lease, Seal::Operation(record), |_| {}).unwrap();
    let view = f.store.view().unwrap();
    let mut all: Vec<Operation> = view.operation_list(0).unwrap();
    all.reverse();
    assert_eq!(all.iter().map(|o| o.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let mut link = Digest::ZERO;
    for o in &all {
        assert_eq!(o.prev_hash, link);
        link = o.hash;
    }
    let here = Some((s.id.to_string(), "web".to_owned()));
    assert_eq!((&all[0].stack, all[0].before, all[0].after), (&here, None, Some(Version(0))));
    assert_eq!((&all[1].stack, all[1].before, all[1].after), (&here, Some(Version(0)), Some(Version(1))));
    assert_eq!(done.operation, Some((2, all[1].id.clone())));
    assert_eq!(
        (&all[2].undo, all[2].undoes, all[2].after),
        (&json!({ "was": 1.5 }), Some(1), Some(Version(1)))
    );
    assert_eq!((all[1].verb.as_str(), all[1].arguments.as_slice()), ("test", &["--flag".to_owned()][..]));
    assert_eq!(view.operation_get(2).unwrap().as_ref(), Some(&all[1]));
    assert_eq!(view.operation_get(9).unwrap(), None);
    assert_eq!(view.operation_list(1).unwrap(), [all[2].clone()]);
}

// ---- stacks ---------------------------------------------------------------------------------------------------------

/// A stack is found by its name, its id, and the beginning of its id.
pub fn a_stack_is_found_by_name_by_id_and_by_a_beginning_of_its_id(f: &Fixture) {
    let mut txn = f.store.begin(no_stack()).unwrap();
    for (name, id) in [("one", "aaaa-1111"), ("two", "aaaa-2222"), ("three", "bbbb-1"), ("bbbb", "cccc-1")] {
        txn.stack_insert(&Stack { id: StackId::from_stored(id), ..stack(f, name) }).unwrap();
    }
    txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    let view = f.store.view().unwrap();
    let named = |text: &str| match view.stack_find(text).unwrap() {
        StackMatch::None => vec![],
        StackMatch::One(s) => vec![s.name],
        StackMatch::Many(mut names) => {
            names.sort();
            names
        }
    };
    assert_eq!(named("one"), ["one"]);
    assert_eq!(named("aaaa-1111"), ["one"]);
    assert_eq!(named("aaaa-1"), ["one"]);
    assert_eq!(named("aaaa"), ["one", "two"]);
    assert_eq!(named("aaa"), Vec::<String>::new());
    assert_eq!(named("bbbb"), ["bbbb"], "a name comes before an id");
    assert_eq!(named("bbbb-"), ["three"]);
    assert_eq!(named("cccc%"), Vec::<String>::new());
    assert_eq!(named(""), Vec::<String>::new());
    let names: Vec<String> = view.stack_list().unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["bbbb", "one", "three", "two"]);
}

/// A taken name is a conflict, and the transaction can go on.
pub fn a_taken_name_is_a_conflict(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let mut txn = f.store.begin(no_stack()).unwrap();
    assert!(matches!(txn.stack_insert(&stack(f, "web")), Err(StoreError::Conflict(_))));
    txn.stack_insert(&stack(f, "shop")).unwrap();
    txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(matches!(
        txn.stack_update(&Stack { name: "shop".to_owned(), ..s }),
        Err(StoreError::Conflict(_))
    ));
    let odd = Stack { head: Version(3), ..stack(f, "odd") };
    assert!(matches!(txn.stack_insert(&odd), Err(StoreError::Conflict(_))));
}

/// Updating a stack changes what people may change, and neither its head nor its fence.
pub fn updates_do_not_touch_head_and_fence(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    let lie = Stack { head: Version(77), description: "new".to_owned(), ..s.clone() };
    change(&*f.store, &lease, Seal::Operation(OperationRecord::default()), |txn| {
        txn.stack_update(&lie).unwrap();
    })
    .unwrap();
    let found = f.store.view().unwrap().stack_get(&s.id).unwrap().unwrap();
    assert_eq!((found.head, found.description.as_str()), (Version(1), "new"));
    assert_eq!(put(f, &lease, &[record("a", 2)]).version, Some(Version(2)));
}

/// Everything about a stack comes back as it was written.
pub fn metadata_and_status_survive(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let mut map = Map::new();
    map.insert("tags".to_owned(), json!(["a", "b"]));
    let full = Stack {
        name: "ünïcode name".to_owned(),
        status: StackStatus::RolledBack,
        workflow_file: Some("deploy.sloth".to_owned()),
        configuration: map.clone(),
        metadata: map,
        completed_at: Some(Timestamp::from_nanos(-5)),
        last_run_at: Some(Timestamp::from_nanos(7)),
        execution_count: 3,
        last_duration: 9,
        last_error: Some("no".to_owned()),
        rolled_back_to: Some(Version(4)),
        ..s.clone()
    };
    change(&*f.store, &lease, Seal::Pending, |txn| txn.stack_update(&full).unwrap()).unwrap();
    assert_eq!((f.reopen)().view().unwrap().stack_get(&s.id).unwrap(), Some(full));
}

/// The trash hides a stack, frees its name, and gives it back whole.
pub fn the_trash_gives_back_what_it_got(f: &Fixture) {
    let (s, lease) = made(f, "web");
    put(f, &lease, &[record("a", 1)]);
    let log = || Seal::Operation(OperationRecord::default());
    change(&*f.store, &lease, log(), |txn| txn.stack_trash(&s.id).unwrap()).unwrap();
    let view = f.store.view().unwrap();
    assert_eq!(view.stack_find("web").unwrap(), StackMatch::None);
    assert_eq!(view.stack_find(s.id.as_str()).unwrap(), StackMatch::None);
    assert_eq!(view.stack_list().unwrap(), []);
    assert!(view.stack_get(&s.id).unwrap().is_some());
    let someone = StackId::generate(f.clock.now());
    assert_eq!(view.resource_owners(&someone, &[&record("a", 0).address]).unwrap(), []);
    drop(view);
    let (other, other_lease) = made(f, "web");
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(matches!(txn.stack_untrash(&s.id), Err(StoreError::Conflict(_))));
    drop(txn);
    change(&*f.store, &other_lease, log(), |txn| txn.stack_trash(&other.id).unwrap()).unwrap();
    change(&*f.store, &lease, log(), |txn| txn.stack_untrash(&s.id).unwrap()).unwrap();
    let view = f.store.view().unwrap();
    assert!(matches!(view.stack_find("web").unwrap(), StackMatch::One(found) if found.id == s.id));
    assert_eq!(view.resource_list(&s.id, VersionAt::Head).unwrap(), vec![record("a", 1)]);
}

/// Whoever records an address elsewhere is named, pending rows included.
pub fn owners_are_named(f: &Fixture) {
    let (a, a_lease) = made(f, "alpha");
    let (b, b_lease) = made(f, "beta");
    put(f, &a_lease, &[record("x", 1), record("y", 1)]);
    change(&*f.store, &b_lease, Seal::Pending, |txn| txn.resource_put(&record("z", 1)).unwrap()).unwrap();
    let view = f.store.view().unwrap();
    let (x, y, z, w) =
        (record("x", 0).address, record("y", 0).address, record("z", 0).address, record("w", 0).address);
    let asked = [&x, &y, &z, &w];
    assert_eq!(
        view.resource_owners(&b.id, &asked).unwrap(),
        vec![(x.clone(), "alpha".to_owned()), (y.clone(), "alpha".to_owned())]
    );
    assert_eq!(view.resource_owners(&a.id, &asked).unwrap(), vec![(z.clone(), "beta".to_owned())]);
}

/// Changes of a stack need its lease: without one they are refused where they are made.
pub fn some_changes_need_a_lease(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let (other, _) = made(f, "other");
    let mut txn = f.store.begin(no_stack()).unwrap();
    assert!(txn.resource_put(&record("a", 1)).is_err());
    assert!(txn.resource_remove(&record("a", 1).address).is_err());
    assert!(txn.output_put(&Output { name: "x".to_owned(), value: json!(1), sensitive: false }).is_err());
    assert!(txn.run_put(&run(f, "r", RunStatus::Running)).is_err());
    assert!(txn.stack_update(&s).is_err());
    assert!(txn.stack_trash(&s.id).is_err());
    assert!(txn.drift_put(&s.id, &[]).is_err());
    assert!(txn.drift_ignore_put(&s.id, &ignored("a", None)).is_err());
    assert!(txn.drift_ignore_remove(&s.id, &record("a", 1).address, None).is_err());
    assert!(matches!(txn.commit(version()), Err(CommitError::Store(StoreError::Conflict(_)))));
    let mut txn = f.store.begin(intent(&lease, None)).unwrap();
    assert!(txn.stack_update(&other).is_err());
    assert!(txn.stack_trash(&other.id).is_err());
    assert!(txn.drift_put(&other.id, &[]).is_err());
    assert!(txn.drift_ignore_put(&other.id, &ignored("a", None)).is_err());
    assert!(txn.drift_ignore_remove(&other.id, &record("a", 1).address, None).is_err());
    drop(txn);
    let nowhere = Lease { stack: StackId::from_stored("none"), ..lease };
    assert!(matches!(f.store.begin(intent(&nowhere, None)), Err(StoreError::Conflict(_))));
}

// ---- runs, events, handlers, drift ----------------------------------------------------------------------------------

fn run(f: &Fixture, id: &str, status: RunStatus) -> Run {
    Run {
        id: RunId::from_stored(id),
        operation: "run".to_owned(),
        status,
        started_at: f.clock.now(),
        completed_at: (status != RunStatus::Running).then(|| f.clock.now()),
        actor: "tester".to_owned(),
        tasks: TaskCounts { total: 4, succeeded: 3, failed: 1, skipped: 0 },
        counts: Counts { created: 2, ..Counts::default() },
        version: Some(Version(1)),
        error: Some("oh".to_owned()),
        program: Some("digest".to_owned()),
    }
}

/// Runs are listed newest first and can be overwritten.
pub fn runs_are_listed_newest_first(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let (_, other) = made(f, "other");
    for id in ["r1", "r2", "r3"] {
        change(&*f.store, &lease, Seal::Pending, |txn| txn.run_put(&run(f, id, RunStatus::Running)).unwrap())
            .unwrap();
    }
    let ended = run(f, "r2", RunStatus::Failed);
    change(&*f.store, &lease, Seal::Pending, |txn| txn.run_put(&ended).unwrap()).unwrap();
    let mut txn = f.store.begin(intent(&other, None)).unwrap();
    assert!(txn.run_put(&ended).is_err(), "a run belongs to one stack");
    drop(txn);
    let view = f.store.view().unwrap();
    let ids: Vec<String> = view.run_list(&s.id, 0).unwrap().iter().map(|r| r.id.to_string()).collect();
    assert_eq!(ids, ["r3", "r2", "r1"]);
    assert_eq!(view.run_list(&s.id, 1).unwrap().len(), 1);
    assert_eq!(view.run_get(&RunId::from_stored("r2")).unwrap(), Some(ended));
    assert_eq!(view.run_get(&RunId::from_stored("r9")).unwrap(), None);
}

/// Events are numbered without gaps per stack, have ids of their own, and are filtered.
pub fn events_are_filtered_and_numbered_without_gaps(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let (other, other_lease) = made(f, "other");
    let task = Event {
        severity: Severity::Error,
        run: Some(RunId::from_stored("r1")),
        task: Some("t".to_owned()),
        address: Some("web1/file:/x".parse().unwrap()),
        payload: json!({ "a": [1, null] }),
        ..event_of(f, EventType::TaskFailed, "failed")
    };
    change(&*f.store, &lease, version(), |txn| {
        txn.event_append(Some(&s.id), &event_of(f, EventType::StackUpdated, "one")).unwrap();
        txn.event_append(Some(&s.id), &task).unwrap();
    })
    .unwrap();
    f.clock.advance(Duration::from_secs(1));
    change(&*f.store, &other_lease, version(), |txn| {
        txn.event_append(Some(&other.id), &event_of(f, EventType::StackUpdated, "two")).unwrap();
    })
    .unwrap();
    f.clock.advance(Duration::from_secs(1));
    let mut txn = f.store.begin(fast(no_stack())).unwrap();
    txn.event_append(None, &event_of(f, EventType::Custom, "alone")).unwrap();
    assert!(
        txn.event_append(Some(&StackId::from_stored("none")), &event_of(f, EventType::Custom, "x")).is_err()
    );
    txn.commit(Seal::Pending).unwrap();
    f.clock.advance(Duration::from_secs(1));
    change(&*f.store, &lease, version(), |txn| {
        txn.event_append(Some(&s.id), &event_of(f, EventType::StackExecutionStarted, "three")).unwrap();
    })
    .unwrap();
    let view = f.store.view().unwrap();
    let said = |filter: &EventFilter| -> Vec<String> {
        view.event_list(filter).unwrap().into_iter().map(|e| e.event.message).collect()
    };
    let all = view.event_list(&of_stack(&s.id)).unwrap();
    assert_eq!(all.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(all[1].event, task);
    assert_eq!(all[1].stack.as_deref(), Some("web"));
    let ids: std::collections::BTreeSet<&str> = all.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(said(&EventFilter::default()), ["one", "failed", "two", "alone", "three"]);
    assert_eq!(said(&EventFilter { limit: 2, ..EventFilter::default() }), ["alone", "three"]);
    let kind = |kind: &str| EventFilter { kind: Some(kind.to_owned()), ..EventFilter::default() };
    assert_eq!(said(&kind("stack.*")), ["one", "two", "three"]);
    assert_eq!(said(&kind("stack.updated")), ["one", "two"]);
    assert_eq!(said(&kind("stack")), Vec::<String>::new());
    let grave = EventFilter { severity: Some(Severity::Warning), ..EventFilter::default() };
    assert_eq!(said(&grave), ["failed"]);
    let of_run = EventFilter { run: Some(RunId::from_stored("r1")), ..EventFilter::default() };
    assert_eq!(said(&of_run), ["failed"]);
    assert_eq!(said(&EventFilter { after: Some(2), ..of_stack(&s.id) }), ["three"]);
    assert_eq!(said(&EventFilter { limit: 1, ..of_stack(&s.id) }), ["three"]);
    let since = |ago| Some(f.clock.now().minus(Duration::from_secs(ago)));
    assert_eq!(said(&EventFilter { since: since(1), ..EventFilter::default() }), ["alone", "three"]);
    assert_eq!(said(&EventFilter { since: since(0), ..of_stack(&s.id) }), ["three"]);
}

fn hook(f: &Fixture, name: &str, pattern: &str) -> Hook {
    Hook {
        name: name.to_owned(),
        description: String::new(),
        pattern: pattern.to_owned(),
        stack: None,
        action: Action::Shell { line: "true".to_owned() },
        enabled: true,
        timeout: None,
        retries: 1,
        created_at: f.clock.now(),
        updated_at: f.clock.now(),
    }
}

/// One transaction outside of stacks.
fn apart<T>(f: &Fixture, work: impl FnOnce(&mut dyn Txn) -> T) -> T {
    let mut txn = f.store.begin(no_stack()).unwrap();
    let answer = work(&mut *txn);
    txn.commit(Seal::Pending).unwrap();
    answer
}

/// An event is owed to each enabled hook that wants it, from the instant it is written until the hook took it. A claim
/// ends, and only its holder settles it.
pub fn events_are_owed_to_hooks_until_they_take_them(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let (other, _lease) = made(f, "other");
    apart(f, |txn| {
        txn.hook_put(&hook(f, "all", "*")).unwrap();
        txn.hook_put(&Hook { stack: Some(other.id.clone()), ..hook(f, "other", "custom.*") }).unwrap();
        txn.hook_put(&Hook { enabled: false, ..hook(f, "off", "*") }).unwrap();
        txn.hook_put(&hook(f, "locks", "lock.*")).unwrap();
    });
    let mut dropped = f.store.begin(no_stack()).unwrap();
    dropped.event_append(Some(&s.id), &event(f, "never")).unwrap();
    drop(dropped);
    let named = Event { payload: json!({ "name": "x", "data": 1 }), ..event(f, "x") };
    apart(f, |txn| {
        txn.event_append(Some(&s.id), &named).unwrap();
        txn.event_append(Some(&other.id), &named).unwrap();
        txn.event_append(None, &Event { kind: EventType::LockExpired, ..event(f, "y") }).unwrap();
    });
    let states = || f.store.view().unwrap().hook_list().unwrap();
    let owed: Vec<(String, u64)> = states().into_iter().map(|h| (h.hook.name, h.waiting)).collect();
    let expected = [("all", 3), ("locks", 1), ("off", 0), ("other", 1)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(owed, expected);
    let lease = Duration::from_secs(60);
    let claim = |last: u64, limit: u64| apart(f, |txn| txn.delivery_claim(last, lease, limit).unwrap());
    let last = apart(f, |txn| txn.delivery_last().unwrap());
    assert!(claim(0, 9).is_empty(), "nothing is older than the first");
    let first = claim(last, 2);
    assert_eq!(first.len(), 2);
    let seen: Vec<_> =
        first.iter().map(|d| d.event.as_ref().unwrap().event.type_name().into_owned()).collect();
    assert_eq!((first[0].hook.as_str(), seen[0].as_str(), first[0].attempt), ("all", "custom.x", 1));
    assert_eq!(claim(last, 9).len(), 3, "what is claimed is nobody else's");
    assert!(claim(last, 9).is_empty());
    let attempt = Attempt {
        hook: "all".to_owned(),
        event: "e".to_owned(),
        kind: "custom.x".to_owned(),
        attempt: 1,
        at: f.clock.now(),
        duration: Duration::from_millis(5),
        outcome: "delivered".to_owned(),
        status: Some(0),
        error: None,
        output: "hi".to_owned(),
    };
    let end = |of: &Delivery, verdict, attempt: Option<&Attempt>| {
        apart(f, |txn| txn.delivery_end(of, verdict, attempt).unwrap())
    };
    assert!(end(&first[0], Verdict::Delivered, Some(&attempt)));
    assert!(!end(&first[0], Verdict::Delivered, None), "it is settled once");
    assert!(end(&first[1], Verdict::Dead, None));
    let all = states();
    assert_eq!((all[0].runs, all[0].last_run, all[0].dead), (1, Some(attempt.at), 1));
    assert_eq!(f.store.view().unwrap().hook_attempts(Some("all"), 0).unwrap(), [attempt]);
    f.clock.advance(lease);
    let again = claim(last, 9);
    assert_eq!(again.iter().map(|d| d.attempt).collect::<Vec<_>>(), [2, 2, 2], "a claim ends");
    assert!(end(&again[0], Verdict::Untried, None));
    assert!(end(&again[1], Verdict::Retry(f.clock.now().plus(lease)), None));
    assert_eq!(claim(last, 9).iter().map(|d| d.attempt).collect::<Vec<_>>(), [2], "untried is due at once");
    assert_eq!(apart(f, |txn| txn.delivery_revive(Some("all")).unwrap()), 1);
    assert_eq!(claim(last, 9).iter().map(|d| (d.num, d.attempt)).collect::<Vec<_>>(), [(first[1].num, 1)]);
    let id = first[0].event.as_ref().unwrap().id.clone();
    assert!(apart(f, |txn| txn.delivery_add("off", id.as_str()).unwrap()));
    assert!(!apart(f, |txn| txn.delivery_add("nobody", id.as_str()).unwrap()));
    assert!(!apart(f, |txn| txn.delivery_add("off", "no such event").unwrap()));
    let last = apart(f, |txn| txn.delivery_last().unwrap());
    assert!(claim(last, 9).is_empty(), "what is disabled waits");
    assert!(
        apart(f, |txn| txn.hook_remove("all").unwrap()) && !apart(f, |txn| txn.hook_remove("all").unwrap())
    );
    assert!(f.store.hooks_stirred());
}

/// Cleaning up takes the beginning of histories, and nothing that a hook has not been given.
pub fn old_events_go_and_what_is_owed_stays(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let say = |n: u32| apart(f, |txn| txn.event_append(Some(&s.id), &event(f, &format!("{n}"))).unwrap());
    let numbers = || {
        let list = f.store.view().unwrap().event_list(&of_stack(&s.id)).unwrap();
        list.into_iter().map(|e| e.seq).collect::<Vec<u64>>()
    };
    let before = numbers().len() as u64;
    (1..=3).for_each(say);
    f.clock.advance(Duration::from_secs(100));
    let now = f.clock.now();
    let clean = |at| apart(f, |txn| txn.event_clean(Some(&s.id), at).unwrap());
    apart(f, |txn| txn.hook_put(&hook(f, "all", "*")).unwrap());
    say(4);
    say(5);
    assert_eq!(clean(now), before + 3);
    assert_eq!(numbers(), [before + 4, before + 5]);
    f.clock.advance(Duration::from_secs(100));
    let later = f.clock.now();
    assert_eq!(clean(later), 0, "they are owed");
    let owed = apart(f, |txn| txn.delivery_claim(99, Duration::from_secs(9), 1).unwrap());
    assert!(apart(f, |txn| txn.delivery_end(&owed[0], Verdict::Delivered, None).unwrap()));
    assert_eq!(clean(later), 1);
    apart(f, |txn| txn.hook_remove("all").unwrap());
    assert_eq!(clean(later), 0, "the newest stays");
    say(6);
    assert_eq!(numbers(), [before + 5, before + 6], "numbers go on");
    assert_eq!(apart(f, |txn| txn.event_clean(None, later).unwrap()), 1);
}

/// A handler is queued once, keeps its place, survives, and is gone when it ran.
pub fn handlers_are_queued_once_and_kept(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let handler = |name: &str, by: &str| PendingHandler {
        name: name.to_owned(),
        queued_by: by.to_owned(),
        queued_at: Timestamp::from_nanos(5),
    };
    change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.handler_queue(&handler("z", "first")).unwrap();
        txn.handler_queue(&handler("a", "first")).unwrap();
        txn.handler_queue(&handler("z", "second")).unwrap();
    })
    .unwrap();
    let other = (f.reopen)();
    let expected = vec![handler("z", "first"), handler("a", "first")];
    assert_eq!(other.view().unwrap().handler_list(&s.id).unwrap(), expected);
    change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.handler_done("z").unwrap();
        txn.handler_done("never queued").unwrap();
    })
    .unwrap();
    assert_eq!(f.store.view().unwrap().handler_list(&s.id).unwrap(), vec![handler("a", "first")]);
    assert_eq!(head(&*f.store, &s.id), Version::ZERO, "handlers are no part of a version");
}

fn finding(name: &str, status: DriftStatus) -> Finding {
    let (reason, at) = (Reason::Unreadable("no".to_owned()), Timestamp::from_nanos(3));
    let mut finding = Finding::new(record(name, 0).address, status, reason, at);
    finding.expected = Some(json!({ "mode": "0644" }));
    finding.diff.compare("mode", Some(json!("0600")), Some(json!("0644")));
    finding
}

/// The newest detection is what counts, and it is listed by address.
pub fn drift_is_resolved_by_a_clean_look(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let detect = |findings: &[Finding]| {
        change(&*f.store, &lease, Seal::Pending, |txn| txn.drift_put(&s.id, findings).unwrap()).unwrap();
        f.store.view().unwrap().drift_latest(&s.id).unwrap()
    };
    assert_eq!(f.store.view().unwrap().drift_latest(&s.id).unwrap(), []);
    let first = [finding("b", DriftStatus::Drifted), finding("a", DriftStatus::Unknown)];
    assert_eq!(detect(&first), [first[1].clone(), first[0].clone()]);
    change(&*f.store, &lease, Seal::Pending, |txn| {
        txn.drift_resolve(&s.id, &[first[0].address.clone(), record("zzz", 1).address]).unwrap();
    })
    .unwrap();
    let settled = Some(Settled { by: "tester".to_owned(), at: f.clock.now(), with: "test".to_owned() });
    let resolved = Finding { resolution: Resolution::Resolved, settled, ..first[0].clone() };
    assert_eq!(f.store.view().unwrap().drift_latest(&s.id).unwrap(), [first[1].clone(), resolved.clone()]);
    let second = [finding("b", DriftStatus::Clean)];
    assert_eq!(detect(&second), second);
    assert_eq!(detect(&[]), []);
    let history = f.store.view().unwrap().drift_history(&s.id, None).unwrap();
    assert_eq!(history, [first[1].clone(), resolved], "whoever was first to end it has ended it");
    assert_eq!(head(&*f.store, &s.id), Version::ZERO, "findings are no part of a version");
}

/// What is seen again is counted, what is seen after it ended is another finding, and each end has its author.
pub fn drift_history_tells_one_time_from_the_next(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let detect = |at: i64, found: &[(&str, DriftStatus, &str)]| {
        let found: Vec<Finding> = found
            .iter()
            .map(|(name, status, value)| {
                let at = Timestamp::from_nanos(at);
                let mut finding = Finding { detected_at: at, since: at, ..finding(name, *status) };
                finding.diff.compare("mode", Some(Value::from(*value)), None);
                finding
            })
            .collect();
        change(&*f.store, &lease, Seal::Pending, |txn| txn.drift_put(&s.id, &found).unwrap()).unwrap();
    };
    let history = |name: Option<&str>| -> Vec<(String, i64, i64, u64, Resolution, bool)> {
        let address = name.map(|name| record(name, 1).address);
        let all = f.store.view().unwrap().drift_history(&s.id, address.as_ref()).unwrap();
        let one = |f: Finding| {
            let seen = (f.since.as_nanos(), f.detected_at.as_nanos(), f.looks);
            (
                f.address.id().trim_start_matches('/').to_owned(),
                seen.0,
                seen.1,
                seen.2,
                f.resolution,
                f.settled.is_some(),
            )
        };
        all.into_iter().map(one).collect()
    };
    use DriftStatus::{Clean, Drifted};
    let (pending, resolved) = (Resolution::Pending, Resolution::Resolved);
    assert_eq!(history(None), []);
    detect(1, &[("a", Drifted, "x"), ("b", Drifted, "x")]);
    detect(2, &[("a", Drifted, "x"), ("b", Drifted, "y")]);
    let row = |name: &str, since, at, looks, end| (name.to_owned(), since, at, looks, end, end == resolved);
    assert_eq!(
        history(None),
        [row("b", 1, 1, 1, pending), row("a", 1, 2, 2, pending), row("b", 2, 2, 1, pending)]
    );
    detect(3, &[("a", Drifted, "x"), ("b", Clean, "")]);
    // Taking a finding along is not a look.
    detect(3, &[("a", Drifted, "x")]);
    assert_eq!(history(Some("a")), [row("a", 1, 3, 3, pending)]);
    detect(4, &[("a", Clean, "")]);
    detect(5, &[("a", Drifted, "x")]);
    assert_eq!(
        history(None),
        [
            row("b", 1, 1, 1, resolved),
            row("b", 2, 2, 1, resolved),
            row("a", 1, 3, 3, resolved),
            row("a", 5, 5, 1, pending)
        ]
    );
    assert_eq!(history(Some("nowhere")), []);
}

fn ignored(name: &str, attribute: Option<&str>) -> DriftIgnore {
    DriftIgnore {
        address: record(name, 0).address,
        attribute: attribute.map(str::to_owned),
        reason: "it's known; -- \u{1b}[31m".to_owned(),
        by: "ops".to_owned(),
        at: Timestamp::from_nanos(4),
        until: None,
    }
}

/// What is ignored is listed by address and attribute, replaced by a newer wish, and gone after its time.
pub fn drift_that_is_ignored_is_listed_until_its_end(f: &Fixture) {
    let (s, lease) = made(f, "web");
    let (other, _) = made(f, "other");
    let write = |work: &dyn Fn(&mut dyn Txn)| {
        let seal = Seal::Operation(OperationRecord::default());
        change(&*f.store, &lease, seal, |txn| work(txn)).unwrap();
    };
    let listed = || f.store.view().unwrap().drift_ignores(&s.id).unwrap();
    assert_eq!(listed(), []);
    let (whole, mode, owner) = (ignored("a", None), ignored("a", Some("mode")), ignored("a.mode", None));
    write(&|txn| {
        for ignore in [&owner, &mode, &whole] {
            txn.drift_ignore_put(&s.id, ignore).unwrap();
        }
        assert_eq!(txn.drift_ignores(&s.id).unwrap().len(), 3, "a transaction sees what it wrote");
    });
    assert_eq!(listed(), [whole.clone(), mode.clone(), owner.clone()]);
    assert_eq!(f.store.view().unwrap().drift_ignores(&other.id).unwrap(), [], "stacks do not share them");
    let until = f.clock.now().plus(Duration::from_secs(5));
    let shorter = DriftIgnore {
        reason: "a while".to_owned(),
        by: "you".to_owned(),
        at: Timestamp::from_nanos(9),
        until: Some(until),
        ..mode
    };
    write(&|txn| {
        txn.drift_ignore_put(&s.id, &shorter).unwrap();
        assert!(txn.drift_ignore_remove(&s.id, &whole.address, None).unwrap());
        assert!(!txn.drift_ignore_remove(&s.id, &whole.address, None).unwrap());
        assert!(!txn.drift_ignore_remove(&s.id, &whole.address, Some("owner")).unwrap());
    });
    assert_eq!(listed(), [shorter.clone(), owner.clone()]);
    f.clock.advance(Duration::from_secs(5));
    assert_eq!(listed(), std::slice::from_ref(&owner), "it ends at its time, not after it");
    write(&|txn| {
        assert!(!txn.drift_ignore_remove(&s.id, &shorter.address, Some("mode")).unwrap(), "it has ended");
        txn.drift_ignore_put(&s.id, &shorter).unwrap();
        assert_eq!(
            txn.drift_ignores(&s.id).unwrap(),
            std::slice::from_ref(&owner),
            "it had ended before it began"
        );
    });
    assert_eq!(head(&*f.store, &s.id), Version::ZERO, "ignoring is no part of a version");
}

// ---- values ---------------------------------------------------------------------------------------------------------

fn value(key: &str, value: Value) -> ValueEntry {
    ValueEntry {
        scope: LOCAL_SCOPE.to_owned(),
        key: key.to_owned(),
        value,
        created_at: Timestamp::from_nanos(1),
        updated_at: Timestamp::from_nanos(2),
        expires_at: None,
        revision: 0,
    }
}

fn values(f: &Fixture, work: impl FnOnce(&mut dyn Txn)) {
    let mut txn = f.store.begin(no_stack()).unwrap();
    work(&mut *txn);
    txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
}

/// Values are typed, counted, listed by key, and gone after their time.
pub fn values_have_revisions_and_an_end(f: &Fixture) {
    values(f, |txn| {
        txn.value_put(&value("app.b", json!([1, "x", null]))).unwrap();
        txn.value_put(&value("app.a", json!({ "n": 1.5 }))).unwrap();
        txn.value_put(&ValueEntry { scope: "agent".to_owned(), ..value("app.a", json!(true)) }).unwrap();
        assert_eq!(txn.value_get("local", "app.a").unwrap().unwrap().revision, 1);
    });
    let end = f.clock.now().plus(Duration::from_secs(60));
    values(f, |txn| {
        let again = ValueEntry {
            created_at: Timestamp::from_nanos(50),
            updated_at: Timestamp::from_nanos(51),
            expires_at: Some(end),
            ..value("app.a", json!(2))
        };
        txn.value_put(&again).unwrap();
    });
    let view = f.store.view().unwrap();
    let found = view.value_get("local", "app.a").unwrap().unwrap();
    assert_eq!(
        (found.revision, found.created_at, found.updated_at),
        (2, Timestamp::from_nanos(1), Timestamp::from_nanos(51))
    );
    assert_eq!((&found.value, found.expires_at), (&json!(2), Some(end)));
    let keys = |scope: Option<&str>, prefix: &str| -> Vec<String> {
        let found = view.value_list(scope, prefix).unwrap();
        found.into_iter().map(|e| format!("{}/{}", e.scope, e.key)).collect()
    };
    assert_eq!(keys(None, ""), ["agent/app.a", "local/app.a", "local/app.b"]);
    assert_eq!(keys(Some("local"), "app."), ["local/app.a", "local/app.b"]);
    assert_eq!(keys(Some("local"), "app.b"), ["local/app.b"]);
    assert_eq!(keys(Some("local"), "%"), Vec::<String>::new());
    assert_eq!(view.value_get("local", "none").unwrap(), None);
    drop(view);
    f.clock.advance(Duration::from_secs(60));
    let view = f.store.view().unwrap();
    assert_eq!(view.value_get("local", "app.a").unwrap(), None);
    assert_eq!(view.value_list(Some("local"), "app.a").unwrap(), []);
    drop(view);
    values(f, |txn| {
        assert!(!txn.value_remove("local", "app.a").unwrap(), "what has ended is not there");
        assert!(txn.value_remove("local", "app.b").unwrap());
        assert!(!txn.value_remove("local", "app.b").unwrap());
    });
}

/// A named lock has one holder until it is given back or ends.
pub fn a_lock_of_a_value_has_one_holder_and_an_end(f: &Fixture) {
    let end = f.clock.now().plus(Duration::from_secs(10));
    let (ten, twenty) = (Duration::from_secs(10), Duration::from_secs(20));
    values(f, |txn| {
        assert!(txn.value_lock("deploy", "me", ten).unwrap());
        assert!(txn.value_lock("deploy", "me", ten).unwrap(), "renewing is taking again");
        assert!(!txn.value_lock("deploy", "you", twenty).unwrap());
        assert!(!txn.value_unlock("deploy", "you").unwrap());
    });
    let held = f.store.view().unwrap().value_locks().unwrap();
    assert_eq!(held, vec![("deploy".to_owned(), "me".to_owned(), end)]);
    f.clock.advance(Duration::from_secs(10));
    assert_eq!(f.store.view().unwrap().value_locks().unwrap(), []);
    values(f, |txn| {
        assert!(!txn.value_unlock("deploy", "me").unwrap(), "it has ended");
        assert!(txn.value_lock("deploy", "you", twenty).unwrap());
        assert!(!txn.value_lock("deploy", "me", twenty).unwrap());
        assert!(txn.value_unlock("deploy", "you").unwrap());
        assert!(!txn.value_unlock("deploy", "you").unwrap());
    });
}

// ---- leases ---------------------------------------------------------------------------------------------------------

fn holder(error: &LeaseError) -> &str {
    match error {
        LeaseError::Held(info) => &info.locked_by,
        other => panic!("{other}"),
    }
}

/// A lease keeps others out until it ends; every grant has a greater fence.
pub fn a_lease_ends_and_is_granted_anew(f: &Fixture) {
    let (s, first) = made(f, "web");
    let refused = acquire(&*f.store, &request(&s.id, "second")).unwrap_err();
    assert_eq!(holder(&refused), "holder");
    let info = f.store.leases().status(&s.id).unwrap().remove(0);
    assert_eq!((info.kind, info.id, info.fence), (LeaseKind::Process, first.id.clone(), first.fence));
    assert_eq!(info.expires_at, f.clock.now().plus(Duration::from_secs(30)));
    f.clock.advance(Duration::from_secs(29));
    assert!(acquire(&*f.store, &request(&s.id, "second")).is_err());
    f.clock.advance(Duration::from_secs(1));
    let second = acquire(&*f.store, &request(&s.id, "second")).unwrap();
    assert!(second.fence > first.fence);
    f.store.leases().release(&second).unwrap();
    assert!(f.store.leases().status(&s.id).unwrap().is_empty());
    let third = acquire(&*f.store, &request(&s.id, "third")).unwrap();
    assert!(third.fence > second.fence);
    let nowhere = StackId::from_stored("none");
    assert!(matches!(acquire(&*f.store, &request(&nowhere, "x")), Err(LeaseError::Store(_))));
}

/// A renewed lease lives on.
pub fn a_renewed_lease_lives_on(f: &Fixture) {
    let (s, mut lease) = made(f, "web");
    for _ in 0..5 {
        f.clock.advance(Duration::from_secs(20));
        let before = lease.expires_boot;
        lease = f.store.leases().renew(&lease).unwrap();
        assert!(lease.expires_boot > before);
        assert!(acquire(&*f.store, &request(&s.id, "second")).is_err());
    }
    put(f, &lease, &[record("a", 1)]);
}

/// A person's lock keeps everybody out but those who present it, survives commands, and is in the history.
pub fn a_person_keeps_others_out_and_lets_those_in_who_present_the_lock(f: &Fixture) {
    let (s, process) = made(f, "web");
    f.store.leases().release(&process).unwrap();
    let lock = acquire(&*f.store, &person(&s.id, "ann")).unwrap();
    assert!(lock.fence > process.fence);
    assert_eq!(holder(&acquire(&*f.store, &request(&s.id, "bot")).unwrap_err()), "ann");
    assert_eq!(holder(&acquire(&*f.store, &person(&s.id, "bob")).unwrap_err()), "ann");
    let wrong = LeaseRequest { presents: Some(LockId::from_stored("guess")), ..request(&s.id, "bot") };
    assert!(acquire(&*f.store, &wrong).is_err());
    let riding = LeaseRequest { presents: Some(lock.id.clone()), ..request(&s.id, "ann") };
    let ride = acquire(&*f.store, &riding).unwrap();
    assert!(ride.fence > lock.fence);
    put(f, &ride, &[record("a", 1)]);
    let status = f.store.leases().status(&s.id).unwrap();
    let kinds: Vec<LeaseKind> = status.iter().map(|i| i.kind).collect();
    assert_eq!(kinds, [LeaseKind::Person, LeaseKind::Process]);
    assert!(acquire(&*f.store, &riding).is_err(), "there is one process lease");
    f.store.leases().release(&ride).unwrap();
    let renewed = f.store.leases().renew(&lock).unwrap();
    assert_eq!(renewed.fence, lock.fence);
    let direct = Lease { kind: LeaseKind::Process, ..lock };
    assert!(matches!(
        change(&*f.store, &direct, version(), |_| {}),
        Err(CommitError::Fenced { holder: Some(info) }) if info.locked_by == "ann"
    ));
    let other = (f.reopen)();
    let freed = other.leases().release_person(&s.id, None, "ann").unwrap();
    assert_eq!((freed.locked_by.as_str(), freed.reason.as_str()), ("ann", "release day"));
    let view = other.view().unwrap();
    let kinds: Vec<EventType> =
        view.event_list(&of_stack(&s.id)).unwrap().iter().map(|e| e.event.kind).collect();
    assert_eq!(kinds, [EventType::LockAcquired, EventType::LockReleased]);
    let verbs: Vec<String> = view.operation_list(0).unwrap().into_iter().map(|o| o.verb).collect();
    assert_eq!(verbs, ["stack lock release", "test", "stack lock acquire", "test"]);
}

/// Nobody locks a stack away from under a process that works on it.
pub fn a_person_waits_for_the_process_that_works(f: &Fixture) {
    let (s, process) = made(f, "web");
    assert_eq!(holder(&acquire(&*f.store, &person(&s.id, "ann")).unwrap_err()), "holder");
    f.store.leases().release(&process).unwrap();
    acquire(&*f.store, &person(&s.id, "ann")).unwrap();
}

/// Only the owner releases a person's lock: by its id, or by the owner's name.
pub fn only_the_owner_releases_a_lock(f: &Fixture) {
    let (s, process) = made(f, "web");
    f.store.leases().release(&process).unwrap();
    let leases = f.store.leases();
    assert!(matches!(leases.release_person(&s.id, None, "ann"), Err(LeaseError::NotLocked)));
    let lock = acquire(&*f.store, &person(&s.id, "ann")).unwrap();
    let guess = LockId::from_stored("guess");
    assert!(matches!(leases.release_person(&s.id, Some(&guess), "ann"), Err(LeaseError::NotOwner { .. })));
    match leases.release_person(&s.id, None, "bob") {
        Err(LeaseError::NotOwner { info, asked }) => {
            assert_eq!((info.locked_by.as_str(), asked.as_str()), ("ann", "bob"));
        }
        other => panic!("{other:?}"),
    }
    leases.release_person(&s.id, Some(&lock.id), "whoever has the id").unwrap();
    assert!(matches!(leases.release_person(&s.id, Some(&lock.id), "ann"), Err(LeaseError::NotLocked)));
}

/// A person's lock that has ended is not there.
pub fn an_expired_lock_of_a_person_is_gone(f: &Fixture) {
    let (s, process) = made(f, "web");
    f.store.leases().release(&process).unwrap();
    let lock = acquire(&*f.store, &person(&s.id, "ann")).unwrap();
    f.clock.advance(Duration::from_secs(3600));
    assert!(f.store.leases().status(&s.id).unwrap().is_empty());
    assert!(matches!(f.store.leases().renew(&lock), Err(LeaseError::Lost)));
    assert!(matches!(
        f.store.leases().release_person(&s.id, Some(&lock.id), "ann"),
        Err(LeaseError::NotLocked)
    ));
    acquire(&*f.store, &request(&s.id, "bot")).unwrap();
}

/// Waiters get the lease in the order in which they came.
pub fn leases_are_granted_in_order_of_arrival(f: &Fixture) {
    let (s, first) = made(f, "web");
    let store = &*f.store;
    let turn = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for n in 0..4u64 {
            let (id, turn) = (&s.id, &turn);
            scope.spawn(move || {
                let wait = LeaseRequest { wait: Duration::from_secs(20), ..request(id, &format!("w{n}")) };
                let lease = acquire(store, &wait).unwrap();
                assert_eq!(turn.fetch_add(1, Ordering::SeqCst), n, "out of turn");
                change(store, &lease, version(), |txn| txn.resource_put(&record("a", n as i64)).unwrap())
                    .unwrap();
                store.leases().release(&lease).unwrap();
            });
            // The next one comes when this one stands in the queue.
            while store.leases().status(&s.id).unwrap()[0].queue.len() as u64 <= n {
                std::thread::yield_now();
            }
        }
        let queue = store.leases().status(&s.id).unwrap().remove(0).queue;
        assert_eq!(queue, ["w0", "w1", "w2", "w3"]);
        let pushing = acquire(store, &request(&s.id, "pushing")).unwrap_err();
        assert_eq!(holder(&pushing), "holder");
        store.leases().release(&first).unwrap();
    });
    assert_eq!(head(store, &s.id), Version(4));
}

/// A wait ends when it is cancelled, or when its time is over, and leaves the queue.
pub fn a_canceled_wait_ends(f: &Fixture) {
    let (s, first) = made(f, "web");
    let cancel = AtomicBool::new(false);
    let store = &*f.store;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let wait = LeaseRequest { wait: Duration::from_secs(20), ..request(&s.id, "impatient") };
            store.leases().acquire(&wait, &|| cancel.load(Ordering::SeqCst))
        });
        while f.store.leases().status(&s.id).unwrap()[0].queue.is_empty() {
            std::thread::yield_now();
        }
        cancel.store(true, Ordering::SeqCst);
        assert_eq!(holder(&waiting.join().unwrap().unwrap_err()), "holder");
    });
    assert!(f.store.leases().status(&s.id).unwrap()[0].queue.is_empty());
    let short = LeaseRequest { wait: Duration::from_millis(20), ..request(&s.id, "short") };
    assert_eq!(holder(&acquire(&*f.store, &short).unwrap_err()), "holder");
    assert!(f.store.leases().status(&s.id).unwrap()[0].queue.is_empty());
    f.store.leases().release(&first).unwrap();
    acquire(&*f.store, &request(&s.id, "next")).unwrap();
}

// ---- contents and journal -------------------------------------------------------------------------------------------

/// Contents come back as they were, of any size.
pub fn a_blob_comes_back_as_it_was(f: &Fixture) {
    let blobs: Vec<Blob> = [0usize, 1, 511, 512, 513, 70_000, 2_000_000]
        .iter()
        .map(|size| Blob::new((0..*size).map(|i| (i * i / 7 % 251) as u8).collect::<Vec<u8>>()))
        .collect();
    let store = &*f.store;
    assert!(!store.blobs().has(&blobs[3].digest()).unwrap());
    assert_eq!(store.blobs().get(&blobs[3].digest()).unwrap(), None);
    store.blobs().put(&blobs[..4], Wait::Fast).unwrap();
    store.blobs().put(&blobs, Wait::Durable).unwrap();
    store.blobs().put(&blobs, Wait::Durable).unwrap();
    store.blobs().put(&[], Wait::Durable).unwrap();
    let other = (f.reopen)();
    for blob in &blobs {
        assert!(other.blobs().has(&blob.digest()).unwrap());
        assert_eq!(other.blobs().get(&blob.digest()).unwrap().as_ref(), Some(blob));
    }
}

/// A step that can be looked at afterwards.
#[must_use]
pub fn step(seq: u64) -> Intention {
    let r = record(&format!("s{seq}"), 1);
    Intention {
        seq,
        task: "t".to_owned(),
        subject: Subject::Resource {
            address: r.address,
            module: r.module,
            operation: r.operation,
            spec: Some(r.spec),
            before: r.state,
            options: r.options,
        },
        at: Timestamp::from_nanos(4),
    }
}

/// A step that cannot be looked at afterwards.
#[must_use]
pub fn command(seq: u64) -> Intention {
    Intention {
        subject: Subject::Command {
            host: "local".to_owned(),
            command: Command::shell("make it so"),
            key: "k".to_owned(),
        },
        ..step(seq)
    }
}

/// Steps that began and did not end, and those that ended without a commit, are found by whoever comes next.
pub fn open_steps_survive_a_reopen(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let (other, _) = made(f, "other");
    let (r1, r2) = (RunId::from_stored("run/../1"), RunId::from_stored("run-2"));
    let journal = f.store.journal();
    let kept = [Blob::new(*b"old content"), Blob::new(vec![7u8; 5000])];
    journal.begin(&s.id, &r1, &step(1), &kept, Wait::Durable).unwrap();
    journal.begin(&s.id, &r1, &step(2), &[], Wait::Durable).unwrap();
    journal.finish(&r1, 2, Some(&json!({ "mode": "0644" }))).unwrap();
    journal.begin(&s.id, &r1, &command(3), &kept[..1], Wait::Durable).unwrap();
    journal.begin(&s.id, &r1, &step(4), &[], Wait::Durable).unwrap();
    journal.finish(&r1, 4, None).unwrap();
    journal.begin(&s.id, &r2, &command(1), &[], Wait::Durable).unwrap();
    journal.begin(&other.id, &RunId::from_stored("run-3"), &step(1), &[], Wait::Durable).unwrap();
    let again = (f.reopen)();
    let open = again.journal().open_steps(&s.id).unwrap();
    let seen: Vec<(&str, u64)> = open.iter().map(|o| (o.run.as_str(), o.intention.seq)).collect();
    let mut expected = vec![("run/../1", 1), ("run/../1", 2), ("run/../1", 3), ("run/../1", 4), ("run-2", 1)];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let of =
        |run: &str, seq: u64| open.iter().find(|o| o.run.as_str() == run && o.intention.seq == seq).unwrap();
    assert_eq!(of("run/../1", 1).intention, step(1));
    assert_eq!(of("run/../1", 1).captured, kept);
    assert_eq!(of("run/../1", 1).finished, None);
    assert_eq!(of("run/../1", 2).finished, Some(Some(json!({ "mode": "0644" }))));
    assert_eq!(of("run/../1", 3).intention, command(3));
    assert_eq!(of("run/../1", 3).captured, kept[..1]);
    assert_eq!(of("run/../1", 4).finished, Some(None));
    again.journal().close(&r1).unwrap();
    again.journal().close(&r2).unwrap();
    assert_eq!(again.journal().open_steps(&s.id).unwrap(), []);
    assert_eq!(again.journal().open_steps(&other.id).unwrap().len(), 1);
    again.journal().close(&RunId::from_stored("never was")).unwrap();
}

/// Settling forgets resource steps up to a number; resolving forgets one step.
pub fn settled_steps_are_forgotten(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let run = RunId::from_stored("r");
    let journal = f.store.journal();
    for seq in 1..=4 {
        journal.begin(&s.id, &run, &step(seq), &[], Wait::Durable).unwrap();
    }
    journal.finish(&run, 1, Some(&json!(1))).unwrap();
    let seqs = |store: &dyn Store| -> Vec<u64> {
        store.journal().open_steps(&s.id).unwrap().iter().map(|o| o.intention.seq).collect()
    };
    journal.settle(&run, 2).unwrap();
    journal.settle(&run, 2).unwrap();
    assert_eq!(seqs(&*f.store), [3, 4]);
    let other = (f.reopen)();
    assert_eq!(seqs(&*other), [3, 4]);
    other.journal().resolve(&run, 3).unwrap();
    other.journal().resolve(&run, 3).unwrap();
    assert_eq!(seqs(&*other), [4]);
    other.journal().settle(&run, 9).unwrap();
    assert_eq!(seqs(&*(f.reopen)()), Vec::<u64>::new());
    other.journal().settle(&RunId::from_stored("never was"), 9).unwrap();
}

/// A command is not forgotten by settling: a run that goes on must not run it again.
pub fn a_command_stays_in_the_journal_until_its_run_is_closed(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let run = RunId::from_stored("r");
    let journal = f.store.journal();
    journal.begin(&s.id, &run, &command(1), &[], Wait::Durable).unwrap();
    journal.finish(&run, 1, Some(&json!({ "stdout": "done" }))).unwrap();
    journal.begin(&s.id, &run, &step(2), &[], Wait::Durable).unwrap();
    journal.finish(&run, 2, None).unwrap();
    journal.begin(&s.id, &run, &command(3), &[], Wait::Durable).unwrap();
    journal.settle(&run, 3).unwrap();
    let other = (f.reopen)();
    let open = other.journal().open_steps(&s.id).unwrap();
    assert_eq!(open.iter().map(|o| o.intention.seq).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(open[0].finished, Some(Some(json!({ "stdout": "done" }))));
    assert_eq!(open[1].finished, None);
    other.journal().resolve(&run, 3).unwrap();
    assert_eq!(other.journal().open_steps(&s.id).unwrap().len(), 1);
    other.journal().close(&run).unwrap();
    assert_eq!((f.reopen)().journal().open_steps(&s.id).unwrap(), []);
}

/// A step that failed left nothing to find.
pub fn a_failed_step_is_not_open(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let run = RunId::from_stored("r");
    let journal = f.store.journal();
    journal.begin(&s.id, &run, &step(1), &[], Wait::Durable).unwrap();
    journal.fail(&run, 1, "no space").unwrap();
    journal.begin(&s.id, &run, &command(2), &[], Wait::Durable).unwrap();
    journal.fail(&run, 2, "exit 1").unwrap();
    assert_eq!((f.reopen)().journal().open_steps(&s.id).unwrap(), []);
}

/// A step begins once and ends once.
pub fn the_journal_refuses_what_cannot_be(f: &Fixture) {
    let (s, _lease) = made(f, "web");
    let run = RunId::from_stored("r");
    let journal = f.store.journal();
    assert!(journal.finish(&run, 1, None).is_err());
    assert!(journal.fail(&run, 1, "x").is_err());
    for intention in [step(1), command(2)] {
        let seq = intention.seq;
        journal.begin(&s.id, &run, &intention, &[], Wait::Durable).unwrap();
        assert!(journal.begin(&s.id, &run, &intention, &[], Wait::Durable).is_err(), "{seq}");
        journal.finish(&run, seq, None).unwrap();
        assert!(journal.finish(&run, seq, None).is_err(), "{seq}");
        assert!(journal.fail(&run, seq, "x").is_err(), "{seq}");
    }
}
