//! The store in memory: the specification of the port, written as plainly as possible.
//!
//! A transaction is a copy of the world that replaces it at commit. [`MemoryStore::reopen`] gives another store on the
//! same world, as another process would have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sloth_core::actor::Actor;
use sloth_core::address::Address;
use sloth_core::clock::{Clock, Timestamp};
use sloth_core::digest::{Blob, Digest};
use sloth_core::drift::{DriftIgnore, DriftStatus, Finding, Resolution, Settled};
use sloth_core::event::{Event, EventType, Severity, StoredEvent};
use sloth_core::hook::{Attempt, Delivery, Hook, HookState, Verdict};
use sloth_core::id::{EventId, LockId, OperationId, RunId, StackId};
use sloth_core::journal::{Guard, Intention, OpenStep, StepEvent, StepState, next_state};
use sloth_core::lease::{Fence, Lease, LeaseError, LeaseInfo, LeaseKind, LeaseRequest};
use sloth_core::operation::Operation;
use sloth_core::output::Output;
use sloth_core::past::Past;
use sloth_core::recorded::{Recorded, RecordedText};
use sloth_core::recorded_body::RecordedBody;
use sloth_core::retention::{Collected, digests_in};
use sloth_core::run::Run;
use sloth_core::stack::Stack;
use sloth_core::store::{
    BackupInfo, Backups, Blobs, CheckFinding, CommitError, Committed, EventFilter, Intent, Journal, Leases,
    OperationRecord, PendingHandler, ReadDrift, ReadEvents, ReadHandlers, ReadHooks, ReadOperations,
    ReadOutputs, ReadResources, ReadRuns, ReadStacks, ReadUpstreams, ReadValues, ReadVersions, Seal,
    StackMatch, Store, StoreError, Txn, VersionAt, View, Wait, WriteDrift, WriteEvents, WriteHandlers,
    WriteHooks, WriteOutputs, WriteResources, WriteRuns, WriteStacks, WriteUpstreams, WriteValues,
    WriteVersions,
};
use sloth_core::upstream::Upstream;
use sloth_core::value::{Value, canonical, to_value};
use sloth_core::value_entry::ValueEntry;
use sloth_core::version::{Snapshot, Version, VersionInfo, VersionNote};

type Result<T> = std::result::Result<T, StoreError>;

/// The things a version is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Output,
    Resource,
    Upstream,
}

/// Contents of a stack at one point.
#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    resources: BTreeMap<String, Recorded>,
    outputs: BTreeMap<String, Output>,
    upstreams: BTreeMap<String, Upstream>,
}

impl Content {
    /// Part, name, and digest of everything.
    fn digests(&self) -> BTreeMap<(Part, &str), Digest> {
        let resources = self.resources.iter().map(|(name, r)| ((Part::Resource, name.as_str()), r.digest()));
        let digest = |value: Value| Digest::of_value(&value);
        let outputs =
            self.outputs.iter().map(|(name, o)| ((Part::Output, name.as_str()), digest(to_value(o))));
        let upstreams =
            self.upstreams.iter().map(|(id, u)| ((Part::Upstream, id.as_str()), digest(to_value(u))));
        resources.chain(outputs).chain(upstreams).collect()
    }
    /// The text of something.
    fn text(&self, part: Part, name: &str) -> Option<String> {
        let value = match part {
            Part::Resource => self.resources.get(name).map(to_value),
            Part::Output => self.outputs.get(name).map(to_value),
            Part::Upstream => self.upstreams.get(name).map(to_value),
        };
        value.map(|value| canonical(&value))
    }
}

#[derive(Clone)]
struct StackEntry {
    stack: Stack,
    deleted: bool,
    fence: u64,
    /// Index n is version n; index 0 is the empty stack.
    history: Vec<(Option<VersionInfo>, Content)>,
    /// Versions that were removed, and whether what they showed is collected.
    removed: BTreeMap<u64, bool>,
    /// The newest content, sealed or not.
    newest: Content,
    runs: Vec<Run>,
    events: Vec<StoredEvent>,
    /// Of the newest detection.
    findings: Vec<Finding>,
    /// What was not clean, of all detections before it.
    earlier_findings: Vec<Finding>,
    ignores: BTreeMap<(String, Option<String>), DriftIgnore>,
    handlers: Vec<PendingHandler>,
    leases: Vec<Held>,
    waiters: Vec<(u64, String, Option<LockId>)>,
}

impl StackEntry {
    fn head(&self) -> Version {
        Version((self.history.len() - 1) as u64)
    }
    fn sealed(&self) -> &Content {
        &self.history[self.history.len() - 1].1
    }
    fn pending(&self) -> bool {
        self.newest.digests() != self.sealed().digests()
    }
    fn kept(&self) -> impl Iterator<Item = &(Option<VersionInfo>, Content)> {
        (0u64..).zip(&self.history).filter(|(n, _)| !self.removed.contains_key(n)).map(|(_, version)| version)
    }
    /// Makes a version of the newest content, if it changed or the note says so.
    fn seal(&mut self, note: &VersionNote, at: Timestamp, actor: &str) -> Option<Version> {
        let next = self.head().next();
        let (old, new) = (self.sealed().digests(), self.newest.digests());
        let written = new.iter().filter(|(k, d)| old.get(*k) != Some(d)).count();
        let removed = old.keys().filter(|k| !new.contains_key(*k)).count();
        if written + removed == 0 && !note.always {
            return None;
        }
        let resources = |of: &dyn Fn(&(Part, &str)) -> bool, all: &BTreeMap<(Part, &str), Digest>| {
            all.keys().filter(|k| k.0 == Part::Resource && of(k)).count() as u64
        };
        let prev_hash = self.history.last().and_then(|(i, _)| i.as_ref()).map_or(Digest::ZERO, |i| i.hash);
        let mut info = VersionInfo {
            version: next,
            kind: note.kind,
            created_at: at,
            created_by: note.created_by.clone().unwrap_or_else(|| actor.to_owned()),
            description: note.description.clone(),
            run: note.run.clone(),
            prev_hash,
            hash: Digest::ZERO,
            written: resources(&|k| old.get(k) != new.get(k), &new),
            removed: resources(&|k| !new.contains_key(k), &old),
            successful: note.successful,
        };
        let text = serde_json::json!([to_value(&info), to_value(&new.values().collect::<Vec<_>>())]);
        info.hash = prev_hash.link(canonical(&text).as_bytes());
        let content = self.newest.clone();
        self.history.push((Some(info), content));
        Some(next)
    }
    fn shown(&self) -> Stack {
        Stack { head: self.head(), ..self.stack.clone() }
    }
}

#[derive(Clone)]
struct Held {
    info: LeaseInfo,
    expires_boot: i64,
}

#[derive(Clone, Default)]
struct World {
    stacks: BTreeMap<StackId, StackEntry>,
    operations: Vec<Operation>,
    events: Vec<StoredEvent>,
    values: BTreeMap<(String, String), ValueEntry>,
    value_locks: BTreeMap<String, (String, Timestamp)>,
    tickets: u64,
    hooks: BTreeMap<String, HookState>,
    owed: Vec<Owed>,
    owed_ever: u64,
    attempts: Vec<Attempt>,
}

/// An event that a hook has not taken yet.
#[derive(Clone)]
struct Owed {
    num: u64,
    hook: String,
    stack: Option<StackId>,
    seq: u64,
    attempts: u32,
    due_at: Timestamp,
    dead: bool,
    claimed: bool,
}

struct Step {
    intention: Intention,
    captured: Vec<Blob>,
    state: StepState,
    result: Option<Value>,
}

#[derive(Default)]
struct RunSteps {
    stack: Option<StackId>,
    steps: BTreeMap<u64, Step>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    world: Mutex<Arc<World>>,
    /// Is a transaction open?
    pen: Mutex<bool>,
    pen_back: Condvar,
    blobs: Mutex<BTreeMap<Digest, Blob>>,
    runs: Mutex<BTreeMap<RunId, RunSteps>>,
}

/// A store that forgets everything when the last handle is dropped.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn conflict(what: impl Into<String>) -> StoreError {
    StoreError::Conflict(what.into())
}

fn unknown(id: &StackId) -> StoreError {
    conflict(format!("there is no stack with id `{id}`"))
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            clock,
            world: Mutex::default(),
            pen: Mutex::new(false),
            pen_back: Condvar::new(),
            blobs: Mutex::default(),
            runs: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }
    /// Another store on the same world.
    #[must_use]
    pub fn reopen(&self) -> Self {
        self.clone()
    }
    fn world(&self) -> Arc<World> {
        Arc::clone(&lock(&self.shared.world))
    }
    fn take_pen(&self) -> Result<Pen<'_>> {
        let mut busy = lock(&self.shared.pen);
        let end = Instant::now() + Duration::from_secs(10);
        while *busy {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(StoreError::Busy {
                    location: self.location(),
                    why: "another transaction of this process is still open".to_owned(),
                });
            }
            busy = self.shared.pen_back.wait_timeout(busy, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *busy = true;
        Ok(Pen(&self.shared))
    }
    /// Changes the world outside of a transaction.
    fn change<T>(&self, work: impl FnOnce(&mut World) -> T) -> Result<T> {
        let _pen = self.take_pen()?;
        let mut world = World::clone(&self.world());
        let answer = work(&mut world);
        *lock(&self.shared.world) = Arc::new(world);
        Ok(answer)
    }
    fn session<'s>(&'s self, write: Option<(Intent, Pen<'s>)>) -> Session<'s> {
        let (intent, pen) = write.unzip();
        Session {
            store: self,
            world: World::clone(&self.world()),
            intent,
            _pen: pen,
            made: vec![],
            spare: BTreeSet::new(),
        }
    }
}

/// Held by whoever changes the world.
struct Pen<'s>(&'s Shared);

impl Drop for Pen<'_> {
    fn drop(&mut self) {
        *lock(&self.0.pen) = false;
        self.0.pen_back.notify_one();
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }
    fn view(&self) -> Result<Box<dyn View + '_>> {
        Ok(Box::new(self.session(None)))
    }
    fn begin(&self, intent: Intent) -> Result<Box<dyn Txn + '_>> {
        let pen = self.take_pen()?;
        if let Some((id, ..)) = &intent.stack
            && !self.world().stacks.contains_key(id)
        {
            return Err(unknown(id));
        }
        Ok(Box::new(self.session(Some((intent, pen)))))
    }
    fn leases(&self) -> &dyn Leases {
        self
    }
    fn backups(&self) -> &dyn Backups {
        self
    }
    fn hooks_stirred(&self) -> bool {
        !self.world().hooks.is_empty()
    }
    fn blobs(&self) -> &dyn Blobs {
        self
    }
    fn journal(&self) -> &dyn Journal {
        self
    }
    fn check(&self, _: bool) -> Result<Vec<CheckFinding>> {
        Ok(Vec::new())
    }
    fn facts(&self) -> Result<Value> {
        Ok(serde_json::json!({ "engine": "memory", "location": "memory" }))
    }
}

impl Backups for MemoryStore {
    fn backup_create(&self, _: &std::path::Path) -> Result<BackupInfo> {
        Err(StoreError::Refused {
            location: self.location(),
            why: "a store in memory cannot be copied to a file".to_owned(),
        })
    }
}

/// A view, or a transaction when it has an intent.
struct Session<'s> {
    store: &'s MemoryStore,
    world: World,
    intent: Option<Intent>,
    _pen: Option<Pen<'s>>,
    made: Vec<StackId>,
    /// Contents that go with the commit.
    spare: BTreeSet<Digest>,
}

impl Session<'_> {
    fn now(&self) -> Timestamp {
        self.store.shared.clock.now()
    }
    fn content(&self, stack: &StackId, at: VersionAt) -> Result<Option<&Content>> {
        let Some(entry) = self.world.stacks.get(stack) else { return Ok(None) };
        match at {
            VersionAt::Head if self.intent.is_some() => Ok(Some(&entry.newest)),
            VersionAt::Head => Ok(Some(entry.sealed())),
            VersionAt::Number(version) => {
                if entry.removed.contains_key(&version.0) {
                    return Err(conflict(format!("{version} of stack `{}` was removed", entry.stack.name)));
                }
                let index = usize::try_from(version.0).unwrap_or(usize::MAX);
                match entry.history.get(index) {
                    Some((_, content)) => Ok(Some(content)),
                    None => Err(conflict(format!(
                        "stack `{}` has no version {version}, its newest is {}",
                        entry.stack.name,
                        entry.head()
                    ))),
                }
            }
        }
    }
    fn target(&mut self) -> Result<&mut StackEntry> {
        let id = self.intent.as_ref().and_then(|i| i.stack.as_ref()).map(|(id, ..)| id.clone());
        let id = id.ok_or_else(|| conflict("this change needs a stack and the lease on it"))?;
        self.world.stacks.get_mut(&id).ok_or_else(|| unknown(&id))
    }
    fn held(&mut self, id: &StackId) -> Result<&mut StackEntry> {
        let held = self.intent.as_ref().and_then(|i| i.stack.as_ref()).is_some_and(|(held, ..)| held == id);
        if !held && !self.made.contains(id) {
            return Err(conflict(format!("changing the stack with id `{id}` needs the lease on it")));
        }
        self.world.stacks.get_mut(id).ok_or_else(|| unknown(id))
    }
    fn name_taken(&self, name: &str, except: &StackId) -> Result<()> {
        let taken =
            self.world.stacks.values().any(|e| !e.deleted && e.stack.name == name && e.stack.id != *except);
        if taken { Err(conflict(format!("there is a stack `{name}` already"))) } else { Ok(()) }
    }
    fn alive(&self) -> impl Iterator<Item = &StackEntry> {
        self.world.stacks.values().filter(|e| !e.deleted)
    }
}

impl ReadStacks for Session<'_> {
    fn stack_find(&self, text: &str) -> Result<StackMatch> {
        let exact = self
            .alive()
            .find(|e| e.stack.name == text)
            .or_else(|| self.alive().find(|e| e.stack.id.as_str() == text));
        if let Some(entry) = exact {
            return Ok(StackMatch::One(Box::new(entry.shown())));
        }
        if text.chars().count() < 4 {
            return Ok(StackMatch::None);
        }
        let mut found: Vec<Stack> =
            self.alive().filter(|e| e.stack.id.as_str().starts_with(text)).map(StackEntry::shown).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(match found.len() {
            0 => StackMatch::None,
            1 => StackMatch::One(Box::new(found.remove(0))),
            _ => StackMatch::Many(found.into_iter().map(|s| s.name).collect()),
        })
    }
    fn stack_get(&self, id: &StackId) -> Result<Option<Stack>> {
        Ok(self.world.stacks.get(id).map(StackEntry::shown))
    }
    fn stack_list(&self) -> Result<Vec<Stack>> {
        let mut all: Vec<Stack> = self.alive().map(StackEntry::shown).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }
}

impl WriteStacks for Session<'_> {
    fn stack_insert(&mut self, stack: &Stack) -> Result<()> {
        if stack.head != Version::ZERO {
            return Err(conflict("a new stack has no versions"));
        }
        self.name_taken(&stack.name, &stack.id)?;
        if self.world.stacks.contains_key(&stack.id) {
            return Err(conflict(format!("there is a stack `{}` already", stack.name)));
        }
        self.made.push(stack.id.clone());
        let entry = StackEntry {
            stack: stack.clone(),
            deleted: false,
            fence: 0,
            history: vec![(None, Content::default())],
            removed: BTreeMap::new(),
            newest: Content::default(),
            runs: vec![],
            events: vec![],
            findings: vec![],
            earlier_findings: vec![],
            ignores: BTreeMap::new(),
            handlers: vec![],
            leases: vec![],
            waiters: vec![],
        };
        self.world.stacks.insert(stack.id.clone(), entry);
        Ok(())
    }
    fn stack_plant(&mut self, past: &Past) -> Result<Version> {
        let actor = match &self.intent {
            Some(intent) if intent.stack.is_none() => intent.actor.name.clone(),
            _ => return Err(conflict("a stack with a history is made by a transaction of its own")),
        };
        for run in &past.runs {
            if self.run_get(&run.id)?.is_some() {
                return Err(conflict(format!("run `{}` belongs to another stack", run.id)));
            }
        }
        self.stack_insert(&past.stack)?;
        let entry = self.world.stacks.get_mut(&past.stack.id).ok_or_else(|| unknown(&past.stack.id))?;
        for version in &past.versions {
            let old = entry.newest.resources.clone();
            // What did not change keeps the times of its last change.
            let kept = |r: &Recorded| match old.get(&r.address.to_string()) {
                Some(before) if before.digest() == r.digest() => before.clone(),
                _ => r.clone(),
            };
            entry.newest = Content {
                resources: version.resources.iter().map(|r| (r.address.to_string(), kept(r))).collect(),
                outputs: version.outputs.iter().map(|o| (o.name.clone(), o.clone())).collect(),
                upstreams: version.upstreams.iter().map(|u| (u.id.to_string(), u.clone())).collect(),
            };
            entry.seal(&version.note, version.at, &actor);
        }
        entry.runs.clone_from(&past.runs);
        entry.findings = past.findings.clone();
        entry.findings.sort_by_key(|f| f.address.to_string());
        Ok(entry.head())
    }
    fn stack_update(&mut self, stack: &Stack) -> Result<()> {
        let deleted = self.held(&stack.id)?.deleted;
        if !deleted {
            self.name_taken(&stack.name, &stack.id)?;
        }
        self.held(&stack.id)?.stack = stack.clone();
        Ok(())
    }
    fn stack_trash(&mut self, id: &StackId) -> Result<()> {
        self.held(id)?.deleted = true;
        Ok(())
    }
    fn stack_untrash(&mut self, id: &StackId) -> Result<()> {
        let name = self.held(id)?.stack.name.clone();
        self.name_taken(&name, id)?;
        self.held(id)?.deleted = false;
        Ok(())
    }
}

impl ReadResources for Session<'_> {
    fn resource_get(&self, stack: &StackId, address: &Address, at: VersionAt) -> Result<Option<Recorded>> {
        Ok(self.content(stack, at)?.and_then(|c| c.resources.get(&address.to_string()).cloned()))
    }
    fn resource_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Recorded>> {
        Ok(self.content(stack, at)?.map(|c| c.resources.values().cloned().collect()).unwrap_or_default())
    }
    fn resource_named(&self, id: &str) -> Result<Vec<(StackId, RecordedText)>> {
        let mut stacks: Vec<&Stack> = self.alive().map(|e| &e.stack).collect();
        stacks.sort_by(|a, b| a.name.cmp(&b.name));
        let mut out = Vec::new();
        for stack in stacks {
            for recorded in self.resource_list(&stack.id, VersionAt::Head)? {
                if recorded.address.id() == id {
                    out.push((stack.id.clone(), recorded.into()));
                }
            }
        }
        Ok(out)
    }
    fn resource_count(&self, stack: &StackId) -> Result<u64> {
        Ok(self.content(stack, VersionAt::Head)?.map_or(0, |c| c.resources.len() as u64))
    }
    fn resource_owners(&self, except: &StackId, addresses: &[&Address]) -> Result<Vec<(Address, String)>> {
        let owner = |address: &&Address| {
            let name = address.to_string();
            let owner =
                self.alive().find(|e| e.stack.id != *except && e.newest.resources.contains_key(&name))?;
            Some(((*address).clone(), owner.stack.name.clone()))
        };
        Ok(addresses.iter().filter_map(owner).collect())
    }
}

impl WriteResources for Session<'_> {
    fn resource_put_body(&mut self, body: &RecordedBody) -> Result<()> {
        let recorded = body.record().map_err(|e| StoreError::Conflict(e.to_string()))?;
        let entry = self.target()?;
        let name = recorded.address.to_string();
        let digest = recorded.digest();
        if entry.newest.resources.get(&name).is_some_and(|old| old.digest() == digest) {
            return Ok(());
        }
        // What is put back to what it was at the head has not changed.
        let before = entry.sealed().resources.get(&name).filter(|old| old.digest() == digest).cloned();
        entry.newest.resources.insert(name, before.unwrap_or(recorded));
        Ok(())
    }
    fn resource_remove(&mut self, address: &Address) -> Result<bool> {
        Ok(self.target()?.newest.resources.remove(&address.to_string()).is_some())
    }
}

impl ReadOutputs for Session<'_> {
    fn output_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Output>> {
        Ok(self.content(stack, at)?.map(|c| c.outputs.values().cloned().collect()).unwrap_or_default())
    }
}

impl WriteOutputs for Session<'_> {
    fn output_put(&mut self, output: &Output) -> Result<()> {
        self.target()?.newest.outputs.insert(output.name.clone(), output.clone());
        Ok(())
    }
    fn output_remove(&mut self, name: &str) -> Result<bool> {
        Ok(self.target()?.newest.outputs.remove(name).is_some())
    }
}

impl ReadUpstreams for Session<'_> {
    fn upstream_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Upstream>> {
        Ok(self.content(stack, at)?.map(|c| c.upstreams.values().cloned().collect()).unwrap_or_default())
    }
    fn upstream_all(&self) -> Result<Vec<(StackId, Upstream)>> {
        let all = self.alive().flat_map(|entry| {
            entry.sealed().upstreams.values().map(|upstream| (entry.stack.id.clone(), upstream.clone()))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by(|(a, x), (b, y)| (a, &x.id).cmp(&(b, &y.id)));
        Ok(all)
    }
}

impl WriteUpstreams for Session<'_> {
    fn upstream_put(&mut self, upstream: &Upstream) -> Result<()> {
        self.target()?.newest.upstreams.insert(upstream.id.to_string(), upstream.clone());
        Ok(())
    }
    fn upstream_remove(&mut self, id: &StackId) -> Result<bool> {
        Ok(self.target()?.newest.upstreams.remove(id.as_str()).is_some())
    }
}

fn newest_first<T: Clone>(items: impl DoubleEndedIterator<Item = T>, limit: u64) -> Vec<T> {
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    items.rev().take(limit).collect()
}

impl ReadVersions for Session<'_> {
    fn version_list(&self, stack: &StackId, limit: u64) -> Result<Vec<VersionInfo>> {
        let Some(entry) = self.world.stacks.get(stack) else { return Ok(vec![]) };
        Ok(newest_first(
            entry.kept().filter_map(|(info, _)| info.clone()).collect::<Vec<_>>().into_iter(),
            limit,
        ))
    }
    fn version_get(&self, stack: &StackId, version: Version) -> Result<Option<VersionInfo>> {
        let at = usize::try_from(version.0).unwrap_or(usize::MAX);
        let entry = self.world.stacks.get(stack).filter(|e| !e.removed.contains_key(&version.0));
        Ok(entry.and_then(|e| e.history.get(at)).and_then(|(info, _)| info.clone()))
    }
    fn version_oldest(&self, stack: &StackId) -> Result<Option<VersionInfo>> {
        let entry = self.world.stacks.get(stack);
        Ok(entry.and_then(|e| e.kept().find_map(|(info, _)| info.clone())))
    }
    fn version_snapshot(&self, stack: &StackId, version: Version) -> Result<Option<Snapshot>> {
        let Some(info) = self.version_get(stack, version)? else { return Ok(None) };
        let at = VersionAt::Number(version);
        Ok(Some(Snapshot {
            info,
            resources: self.resource_list(stack, at)?,
            outputs: self.output_list(stack, at)?,
            upstreams: self.upstream_list(stack, at)?,
        }))
    }
    fn version_pending(&self, stack: &StackId) -> Result<bool> {
        Ok(self.world.stacks.get(stack).is_some_and(StackEntry::pending))
    }
}

impl WriteVersions for Session<'_> {
    fn version_remove(&mut self, stack: &StackId, versions: &[Version]) -> Result<()> {
        let entry = self.held(stack)?;
        for version in versions {
            if *version >= entry.head() || *version == Version::ZERO {
                return Err(conflict(format!("stack `{}` has no old version {version}", entry.stack.name)));
            }
            entry.removed.entry(version.0).or_insert(false);
        }
        Ok(())
    }
    fn version_bring_back(&mut self, stack: &StackId, versions: &[Version]) -> Result<()> {
        let entry = self.held(stack)?;
        for version in versions {
            if entry.removed.remove(&version.0) == Some(true) {
                return Err(conflict(format!("what {version} showed was collected")));
            }
        }
        Ok(())
    }
    fn history_collect(&mut self, stack: &StackId) -> Result<Collected> {
        let entry = self.held(stack)?;
        let kept: BTreeSet<(Part, String, Digest)> = entry
            .kept()
            .flat_map(|(_, content)| content.digests())
            .map(|((part, name), digest)| (part, name.to_owned(), digest))
            .collect();
        let mut gone = BTreeMap::new();
        let numbers: Vec<u64> = entry.removed.iter().filter(|(_, done)| !**done).map(|(n, _)| *n).collect();
        for number in numbers {
            let at = usize::try_from(number).unwrap_or(usize::MAX);
            let Some((_, content)) = entry.history.get(at) else { continue };
            let lost: Vec<(Part, String, Digest)> = content
                .digests()
                .into_iter()
                .map(|((part, name), digest)| (part, name.to_owned(), digest))
                .filter(|key| !kept.contains(key))
                .collect();
            if !lost.is_empty() {
                for key in lost {
                    let text = content.text(key.0, &key.1).unwrap_or_default();
                    gone.insert(key, text.len() as u64);
                }
                entry.history[at].1 = Content::default();
                entry.removed.insert(number, true);
            }
        }
        Ok(Collected { records: gone.len() as u64, contents: 0, bytes: gone.values().sum() })
    }
    fn contents_collect(&mut self) -> Result<std::result::Result<Collected, String>> {
        let mine = self.intent.as_ref().and_then(|i| i.stack.as_ref()).map(|(id, ..)| id.clone());
        let boot = self.store.shared.clock.boottime();
        for entry in self.world.stacks.values().filter(|e| Some(&e.stack.id) != mine.as_ref()) {
            let working =
                entry.leases.iter().find(|h| h.info.kind == LeaseKind::Process && h.expires_boot > boot);
            if let Some(held) = working {
                return Ok(Err(format!(
                    "`{}` is at work on stack `{}`",
                    held.info.locked_by, entry.stack.name
                )));
            }
        }
        let mut named = BTreeSet::new();
        let mut name = |value: Value| digests_in(canonical(&value).as_bytes(), &mut named);
        for entry in self.world.stacks.values() {
            for content in entry.history.iter().map(|(_, content)| content).chain([&entry.newest]) {
                content.resources.values().for_each(|r| name(to_value(r)));
                content.outputs.values().for_each(|o| name(to_value(o)));
            }
            entry.findings.iter().chain(&entry.earlier_findings).for_each(|f| name(to_value(f)));
        }
        self.world.operations.iter().for_each(|o| name(o.undo.clone()));
        for run in lock(&self.store.shared.runs).values() {
            run.steps.values().for_each(|step| name(to_value(&step.intention)));
        }
        let mut done = Collected::default();
        for (digest, blob) in lock(&self.store.shared.blobs).iter() {
            if !named.contains(digest) && self.spare.insert(*digest) {
                done += Collected { records: 0, contents: 1, bytes: blob.bytes().len() as u64 };
            }
        }
        Ok(Ok(done))
    }
}

impl ReadRuns for Session<'_> {
    fn run_list(&self, stack: &StackId, limit: u64) -> Result<Vec<Run>> {
        let Some(entry) = self.world.stacks.get(stack) else { return Ok(vec![]) };
        Ok(newest_first(entry.runs.iter().cloned(), limit))
    }
    fn run_get(&self, id: &RunId) -> Result<Option<Run>> {
        Ok(self.world.stacks.values().flat_map(|e| &e.runs).find(|r| r.id == *id).cloned())
    }
}

impl WriteRuns for Session<'_> {
    fn run_put(&mut self, run: &Run) -> Result<()> {
        let elsewhere = self.run_get(&run.id)?.is_some();
        let entry = self.target()?;
        match entry.runs.iter_mut().find(|r| r.id == run.id) {
            Some(old) => *old = run.clone(),
            None if elsewhere => return Err(conflict(format!("run `{}` belongs to another stack", run.id))),
            None => entry.runs.push(run.clone()),
        }
        Ok(())
    }
}

impl ReadEvents for Session<'_> {
    fn event_list(&self, filter: &EventFilter) -> Result<Vec<StoredEvent>> {
        let mut all: Vec<StoredEvent> = match &filter.stack {
            Some(id) => self.world.stacks.get(id).map(renamed).unwrap_or_default(),
            None => {
                let mut all = self.world.events.clone();
                all.extend(self.world.stacks.values().flat_map(renamed));
                all.sort_by_key(|e| e.event.at);
                all
            }
        };
        all.retain(|stored| {
            let event = &stored.event;
            let name = event.type_name();
            filter.kind.as_deref().is_none_or(|kind| match kind.strip_suffix('*') {
                Some(family) => name.starts_with(family),
                None => name == kind,
            }) && filter.run.as_ref().is_none_or(|run| event.run.as_ref() == Some(run))
                && filter.severity.is_none_or(|least| event.severity >= least)
                && filter.since.is_none_or(|since| event.at >= since)
                && filter.after.filter(|_| filter.stack.is_some()).is_none_or(|after| stored.seq > after)
        });
        if filter.limit > 0 {
            let extra = all.len().saturating_sub(usize::try_from(filter.limit).unwrap_or(usize::MAX));
            all.drain(..extra);
        }
        Ok(all)
    }
}

/// Events carry the name their stack has now.
fn renamed(entry: &StackEntry) -> Vec<StoredEvent> {
    let name = Some(entry.stack.name.clone());
    entry.events.iter().map(|e| StoredEvent { stack: name.clone(), ..e.clone() }).collect()
}

fn append(list: &mut Vec<StoredEvent>, now: Timestamp, event: Event, actor: &str) {
    let seq = list.last().map_or(1, |last| last.seq + 1);
    list.push(StoredEvent {
        seq,
        id: EventId::generate(now),
        stack: None,
        actor: Some(actor.to_owned()),
        event,
    });
}

impl WriteEvents for Session<'_> {
    fn event_append(&mut self, stack: Option<&StackId>, event: &Event) -> Result<()> {
        let (now, actor) =
            (self.now(), self.intent.as_ref().map_or("", |i| i.actor.name.as_str()).to_owned());
        let list = self.world.history(stack).ok_or_else(|| unknown(stack.unwrap_or(&none())))?;
        append(list, now, event.clone(), &actor);
        self.world.owe(now, stack, event);
        Ok(())
    }
    fn event_clean(&mut self, stack: Option<&StackId>, before: Timestamp) -> Result<u64> {
        let ids: Vec<Option<StackId>> = match stack {
            Some(id) => vec![Some(id.clone())],
            None => std::iter::once(None).chain(self.world.stacks.keys().cloned().map(Some)).collect(),
        };
        let mut gone = 0;
        for id in ids {
            let owed = self.world.owed.iter().filter(|o| o.stack == id).map(|o| o.seq).min();
            let Some(list) = self.world.history(id.as_ref()) else { continue };
            let Some(last) = list.last().map(|e| e.seq) else { continue };
            let young = list.iter().filter(|e| e.event.at >= before).map(|e| e.seq).min();
            let keep = [Some(last), young, owed].into_iter().flatten().min().unwrap_or(last);
            let all = list.len();
            list.retain(|e| e.seq >= keep);
            gone += (all - list.len()) as u64;
        }
        Ok(gone)
    }
}

fn none() -> StackId {
    StackId::from_stored("")
}

impl World {
    fn history(&mut self, stack: Option<&StackId>) -> Option<&mut Vec<StoredEvent>> {
        match stack {
            None => Some(&mut self.events),
            Some(id) => self.stacks.get_mut(id).map(|entry| &mut entry.events),
        }
    }
    fn event(&self, stack: Option<&StackId>, seq: u64) -> Option<StoredEvent> {
        let all = match stack {
            None => self.events.clone(),
            Some(id) => self.stacks.get(id).map(renamed)?,
        };
        all.into_iter().find(|e| e.seq == seq)
    }
    /// Owes the newest event of a stack to those who want it.
    fn owe(&mut self, now: Timestamp, stack: Option<&StackId>, event: &Event) {
        let seq = self.history(stack).and_then(|list| list.last()).map_or(0, |last| last.seq);
        let failed = event.payload.get("hook").and_then(Value::as_str);
        let wants = |state: &&HookState| state.hook.wants(&event.type_name(), stack, failed);
        let names: Vec<String> =
            self.hooks.values().filter(wants).map(|state| state.hook.name.clone()).collect();
        for name in names {
            self.owe_to(now, name, stack.cloned(), seq);
        }
    }
    fn owe_to(&mut self, now: Timestamp, hook: String, stack: Option<StackId>, seq: u64) {
        self.owed_ever += 1;
        let num = self.owed_ever;
        self.owed.push(Owed { num, hook, stack, seq, attempts: 0, due_at: now, dead: false, claimed: false });
    }
}

impl ReadHooks for Session<'_> {
    fn hook_list(&self) -> Result<Vec<HookState>> {
        let count =
            |name: &str, dead| self.world.owed.iter().filter(|o| o.hook == name && o.dead == dead).count();
        let counted = |state: &HookState| HookState {
            waiting: count(&state.hook.name, false) as u64,
            dead: count(&state.hook.name, true) as u64,
            ..state.clone()
        };
        Ok(self.world.hooks.values().map(counted).collect())
    }
    fn hook_attempts(&self, hook: Option<&str>, limit: u64) -> Result<Vec<Attempt>> {
        let of = |a: &&Attempt| hook.is_none_or(|name| a.hook == name);
        let mut all: Vec<Attempt> = self.world.attempts.iter().filter(of).cloned().collect();
        if limit > 0 {
            let extra = all.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
            all.drain(..extra);
        }
        Ok(all)
    }
}

impl WriteHooks for Session<'_> {
    fn hook_put(&mut self, hook: &Hook) -> Result<()> {
        let fresh = HookState { hook: hook.clone(), runs: 0, last_run: None, waiting: 0, dead: 0 };
        self.world.hooks.entry(hook.name.clone()).or_insert(fresh).hook = hook.clone();
        Ok(())
    }
    fn hook_remove(&mut self, name: &str) -> Result<bool> {
        self.world.owed.retain(|o| o.hook != name);
        Ok(self.world.hooks.remove(name).is_some())
    }
    fn delivery_last(&mut self) -> Result<u64> {
        Ok(self.world.owed.iter().map(|o| o.num).max().unwrap_or(0))
    }
    fn delivery_claim(&mut self, last: u64, lease: Duration, limit: u64) -> Result<Vec<Delivery>> {
        let now = self.now();
        let World { owed, hooks, .. } = &mut self.world;
        let due = owed.iter_mut().filter(|o| {
            o.num <= last && !o.dead && o.due_at <= now && hooks.get(&o.hook).is_some_and(|s| s.hook.enabled)
        });
        let mut claimed = Vec::new();
        for o in due.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
            (o.claimed, o.due_at) = (true, now.plus(lease));
            o.attempts += 1;
            claimed.push(o.clone());
        }
        let delivery = |o: Owed| Delivery {
            num: o.num,
            token: "memory".to_owned(),
            event: self.world.event(o.stack.as_ref(), o.seq),
            hook: o.hook,
            attempt: o.attempts,
        };
        Ok(claimed.into_iter().map(delivery).collect())
    }
    fn delivery_end(&mut self, of: &Delivery, verdict: Verdict, attempt: Option<&Attempt>) -> Result<bool> {
        let now = self.now();
        if let Some(attempt) = attempt {
            self.world.attempts.push(attempt.clone());
            if let Some(state) = self.world.hooks.get_mut(&attempt.hook) {
                state.runs += 1;
                state.last_run = Some(attempt.at);
            }
        }
        let mine = |o: &Owed| o.num == of.num && o.claimed && o.attempts == of.attempt;
        let Some(at) = self.world.owed.iter().position(mine) else { return Ok(false) };
        if verdict == Verdict::Delivered {
            self.world.owed.remove(at);
            return Ok(true);
        }
        let owed = &mut self.world.owed[at];
        owed.claimed = false;
        match verdict {
            Verdict::Retry(due) => owed.due_at = due,
            Verdict::Dead => owed.dead = true,
            _ => (owed.due_at, owed.attempts) = (now, owed.attempts - 1),
        }
        Ok(true)
    }
    fn delivery_add(&mut self, hook: &str, event: &str) -> Result<bool> {
        let now = self.now();
        let in_stacks = self.world.stacks.iter().map(|(id, entry)| (Some(id.clone()), &entry.events));
        let found = std::iter::once((None, &self.world.events)).chain(in_stacks).find_map(|(id, list)| {
            let seq = list.iter().find(|e| e.id.as_str() == event)?.seq;
            Some((id, seq))
        });
        let Some((stack, seq)) = found.filter(|_| self.world.hooks.contains_key(hook)) else {
            return Ok(false);
        };
        self.world.owed.retain(|o| !(o.dead && o.hook == hook && o.stack == stack && o.seq == seq));
        self.world.owe_to(now, hook.to_owned(), stack, seq);
        Ok(true)
    }
    fn delivery_revive(&mut self, hook: Option<&str>) -> Result<u64> {
        let now = self.now();
        let mut n = 0;
        for owed in self.world.owed.iter_mut().filter(|o| o.dead && hook.is_none_or(|name| o.hook == name)) {
            (owed.dead, owed.attempts, owed.due_at) = (false, 0, now);
            n += 1;
        }
        Ok(n)
    }
}

impl ReadValues for Session<'_> {
    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>> {
        let now = self.now();
        let found = self.world.values.get(&(scope.to_owned(), key.to_owned()));
        Ok(found.filter(|e| e.expires_at.is_none_or(|end| end > now)).cloned())
    }
    fn value_list(&self, scope: Option<&str>, prefix: &str) -> Result<Vec<ValueEntry>> {
        let now = self.now();
        let wanted = |e: &&ValueEntry| {
            scope.is_none_or(|s| s == e.scope)
                && e.key.starts_with(prefix)
                && e.expires_at.is_none_or(|end| end > now)
        };
        let mut all: Vec<ValueEntry> = self.world.values.values().filter(wanted).cloned().collect();
        all.sort_by(|a, b| (&a.key, &a.scope).cmp(&(&b.key, &b.scope)));
        Ok(all)
    }
    fn value_locks(&self) -> Result<Vec<(String, String, Timestamp)>> {
        let now = self.now();
        let held = self.world.value_locks.iter().filter(|(_, (_, until))| *until > now);
        Ok(held.map(|(name, (holder, until))| (name.clone(), holder.clone(), *until)).collect())
    }
}

impl WriteValues for Session<'_> {
    fn value_put(&mut self, entry: &ValueEntry) -> Result<()> {
        let now = self.now();
        let key = (entry.scope.clone(), entry.key.clone());
        let mut fresh = ValueEntry { revision: 1, ..entry.clone() };
        if let Some(old) = self.world.values.get(&key) {
            fresh.revision = old.revision + 1;
            if old.expires_at.is_none_or(|end| end > now) {
                fresh.created_at = old.created_at;
            }
        }
        self.world.values.insert(key, fresh);
        Ok(())
    }
    fn value_remove(&mut self, scope: &str, key: &str) -> Result<bool> {
        let now = self.now();
        let old = self.world.values.remove(&(scope.to_owned(), key.to_owned()));
        Ok(old.is_some_and(|e| e.expires_at.is_none_or(|end| end > now)))
    }
    fn value_lock(&mut self, name: &str, holder: &str, life: Duration) -> Result<bool> {
        let now = self.now();
        let other = self.world.value_locks.get(name).is_some_and(|(by, end)| by != holder && *end > now);
        if !other {
            self.world.value_locks.insert(name.to_owned(), (holder.to_owned(), now.plus(life)));
        }
        Ok(!other)
    }
    fn value_unlock(&mut self, name: &str, holder: &str) -> Result<bool> {
        let now = self.now();
        match self.world.value_locks.get(name) {
            Some((by, until)) if by == holder => {
                let held = *until > now;
                self.world.value_locks.remove(name);
                Ok(held)
            }
            _ => Ok(false),
        }
    }
}

impl ReadDrift for Session<'_> {
    fn drift_latest(&self, stack: &StackId) -> Result<Vec<Finding>> {
        Ok(self.world.stacks.get(stack).map(|e| e.findings.clone()).unwrap_or_default())
    }
    fn drift_history(&self, stack: &StackId, address: Option<&Address>) -> Result<Vec<Finding>> {
        let entries = self.world.stacks.get(stack).into_iter();
        let all = entries.flat_map(|e| e.earlier_findings.iter().chain(&e.findings));
        let wanted =
            all.filter(|f| f.status != DriftStatus::Clean && address.is_none_or(|a| *a == f.address));
        Ok(wanted.cloned().collect())
    }
    fn drift_ignores(&self, stack: &StackId) -> Result<Vec<DriftIgnore>> {
        let now = self.now();
        let all = self.world.stacks.get(stack).into_iter().flat_map(|e| e.ignores.values());
        Ok(all.filter(|i| i.is_live(now)).cloned().collect())
    }
}

impl WriteDrift for Session<'_> {
    fn drift_put(&mut self, stack: &StackId, findings: &[Finding]) -> Result<()> {
        self.held(stack)?;
        let clean = findings.iter().filter(|f| f.status == DriftStatus::Clean);
        let clean: Vec<Address> = clean.map(|f| f.address.clone()).collect();
        self.drift_resolve(stack, &clean)?;
        let entry = self.target()?;
        let mut before = std::mem::take(&mut entry.findings);
        before.retain(|f| f.status != DriftStatus::Clean);
        let mut now = BTreeMap::new();
        for finding in findings {
            let mut finding = finding.clone();
            if let Some(at) = before.iter().position(|old| finding.continues(old)) {
                let old = before.remove(at);
                finding.since = old.since;
                finding.looks = old.looks + u64::from(old.detected_at != finding.detected_at);
            }
            now.insert(finding.address.to_string(), finding);
        }
        entry.earlier_findings.extend(before);
        entry.findings = now.into_values().collect();
        Ok(())
    }
    fn drift_resolve(&mut self, stack: &StackId, addresses: &[Address]) -> Result<()> {
        self.held(stack)?;
        let at = self.now();
        let intent = self.intent.as_ref().map(|i| (i.actor.name.clone(), i.verb.clone()));
        let (by, with) = intent.unwrap_or_default();
        let entry = self.target()?;
        for finding in entry.findings.iter_mut().chain(&mut entry.earlier_findings) {
            let open = !finding.is_resolved() && finding.status != DriftStatus::Clean;
            if open && addresses.contains(&finding.address) {
                finding.resolution = Resolution::Resolved;
                finding.settled = Some(Settled { by: by.clone(), at, with: with.clone() });
            }
        }
        Ok(())
    }
    fn drift_ignore_put(&mut self, stack: &StackId, ignore: &DriftIgnore) -> Result<()> {
        self.held(stack)?;
        let key = (ignore.address.to_string(), ignore.attribute.clone());
        self.target()?.ignores.insert(key, ignore.clone());
        Ok(())
    }
    fn drift_ignore_remove(
        &mut self,
        stack: &StackId,
        address: &Address,
        attribute: Option<&str>,
    ) -> Result<bool> {
        self.held(stack)?;
        let now = self.now();
        let key = (address.to_string(), attribute.map(str::to_owned));
        Ok(self.target()?.ignores.remove(&key).is_some_and(|i| i.is_live(now)))
    }
}

impl ReadHandlers for Session<'_> {
    fn handler_list(&self, stack: &StackId) -> Result<Vec<PendingHandler>> {
        Ok(self.world.stacks.get(stack).map(|e| e.handlers.clone()).unwrap_or_default())
    }
}

impl WriteHandlers for Session<'_> {
    fn handler_queue(&mut self, handler: &PendingHandler) -> Result<()> {
        let entry = self.target()?;
        if entry.handlers.iter().all(|h| h.name != handler.name) {
            entry.handlers.push(handler.clone());
        }
        Ok(())
    }
    fn handler_done(&mut self, name: &str) -> Result<()> {
        self.target()?.handlers.retain(|h| h.name != name);
        Ok(())
    }
}

impl ReadOperations for Session<'_> {
    fn operation_list(&self, limit: u64) -> Result<Vec<Operation>> {
        Ok(newest_first(self.world.operations.iter().cloned(), limit))
    }
    fn operation_get(&self, seq: u64) -> Result<Option<Operation>> {
        Ok(self.world.operations.iter().find(|o| o.seq == seq).cloned())
    }
}

impl Txn for Session<'_> {
    fn commit(mut self: Box<Self>, seal: Seal) -> std::result::Result<Committed, CommitError> {
        let now = self.now();
        let Some(intent) = self.intent.clone() else {
            return Err(conflict("a view cannot change anything").into());
        };
        if matches!(seal, Seal::Version(..)) && intent.stack.is_none() {
            return Err(conflict("a version needs a stack and the lease on it").into());
        }
        let mut version = None;
        let only = if self.made.len() == 1 { self.made.first() } else { None };
        let mut about = only
            .and_then(|id| self.world.stacks.get(id))
            .map(|e| ((e.stack.id.to_string(), e.stack.name.clone()), None, e.head()));
        if let Some((id, lock, fence)) = &intent.stack {
            let entry = self.world.stacks.get_mut(id).ok_or_else(|| unknown(id))?;
            let mine =
                |h: &&Held| h.info.kind == LeaseKind::Process && h.info.id == *lock && h.info.fence == *fence;
            if entry.fence != fence.0 || !entry.leases.iter().any(|h| mine(&h)) {
                let holder = entry.leases.iter().find(|h| h.info.kind == LeaseKind::Process);
                let holder = holder.or(entry.leases.first()).map(|h| Box::new(h.info.clone()));
                return Err(CommitError::Fenced { holder });
            }
            let head = entry.head();
            if let Some(base) = intent.base.filter(|base| *base != head) {
                return Err(CommitError::Stale { base, head });
            }
            if let Seal::Version(note, _) = &seal {
                version = entry.seal(note, now, &intent.actor.name);
            }
            about = Some(((id.to_string(), entry.stack.name.clone()), Some(head), entry.head()));
        }
        let record = match seal {
            Seal::Pending => None,
            Seal::Operation(record) | Seal::Version(_, record) => Some(record),
        };
        let operation = record.map(|record| {
            let done =
                log(&mut self.world, now, &intent.actor, &intent.verb, &intent.arguments, &about, record);
            (done.seq, done.id)
        });
        *lock(&self.store.shared.world) = Arc::new(std::mem::take(&mut self.world));
        lock(&self.store.shared.blobs).retain(|digest, _| !self.spare.contains(digest));
        Ok(Committed { version, operation })
    }
}

type About = Option<((String, String), Option<Version>, Version)>;

fn log(
    world: &mut World,
    at: Timestamp,
    actor: &Actor,
    verb: &str,
    arguments: &[String],
    about: &About,
    record: OperationRecord,
) -> Operation {
    let prev_hash = world.operations.last().map_or(Digest::ZERO, |o| o.hash);
    let mut operation = Operation {
        seq: world.operations.len() as u64 + 1,
        id: OperationId::generate(at),
        at,
        actor: actor.clone(),
        verb: verb.to_owned(),
        arguments: arguments.to_vec(),
        stack: about.as_ref().map(|(stack, ..)| stack.clone()),
        before: about.as_ref().and_then(|(_, before, _)| *before),
        after: about.as_ref().map(|(.., after)| *after),
        undo: record.undo,
        undoes: record.undoes,
        prev_hash,
        hash: Digest::ZERO,
    };
    operation.hash = prev_hash.link(canonical(&to_value(&operation)).as_bytes());
    world.operations.push(operation.clone());
    operation
}

impl Blobs for MemoryStore {
    fn put(&self, blobs: &[Blob], _: Wait) -> Result<()> {
        let mut all = lock(&self.shared.blobs);
        for blob in blobs {
            all.entry(blob.digest()).or_insert_with(|| blob.clone());
        }
        Ok(())
    }
    fn get(&self, digest: &Digest) -> Result<Option<Blob>> {
        Ok(lock(&self.shared.blobs).get(digest).cloned())
    }
    fn has(&self, digest: &Digest) -> Result<bool> {
        Ok(lock(&self.shared.blobs).contains_key(digest))
    }
}

impl MemoryStore {
    fn end_step(&self, run: &RunId, seq: u64, event: StepEvent, result: Option<Value>) -> Result<()> {
        let mut runs = lock(&self.shared.runs);
        let step = runs.get_mut(run).and_then(|r| r.steps.get_mut(&seq));
        let step = step.ok_or_else(|| conflict(format!("step {seq} of run `{run}` has not begun")))?;
        step.state = next_state(Some(step.state), event).map_err(|e| conflict(format!("step {seq}: {e}")))?;
        step.result = result;
        Ok(())
    }
}

impl Journal for MemoryStore {
    fn begin(
        &self,
        stack: &StackId,
        run: &RunId,
        intention: &Intention,
        captured: &[Blob],
        _: Wait,
    ) -> Result<()> {
        let mut runs = lock(&self.shared.runs);
        let entry = runs.entry(run.clone()).or_default();
        if entry.steps.contains_key(&intention.seq) {
            return Err(conflict(format!("step {} has begun already", intention.seq)));
        }
        entry.stack = Some(stack.clone());
        let step = Step {
            intention: intention.clone(),
            captured: captured.to_vec(),
            state: StepState::Begun,
            result: None,
        };
        entry.steps.insert(intention.seq, step);
        Ok(())
    }
    fn finish(&self, run: &RunId, seq: u64, state: Option<&Value>) -> Result<()> {
        self.end_step(run, seq, StepEvent::Finish, state.cloned())
    }
    fn fail(&self, run: &RunId, seq: u64, _: &str) -> Result<()> {
        self.end_step(run, seq, StepEvent::Fail, None)
    }
    fn settle(&self, run: &RunId, upto: u64) -> Result<()> {
        if let Some(entry) = lock(&self.shared.runs).get_mut(run) {
            entry.steps.retain(|seq, step| *seq > upto || step.intention.guard() == Guard::None);
        }
        Ok(())
    }
    fn resolve(&self, run: &RunId, seq: u64) -> Result<()> {
        if let Some(entry) = lock(&self.shared.runs).get_mut(run) {
            entry.steps.remove(&seq);
        }
        Ok(())
    }
    fn close(&self, run: &RunId) -> Result<()> {
        lock(&self.shared.runs).remove(run);
        Ok(())
    }
    fn open_steps(&self, stack: &StackId) -> Result<Vec<OpenStep>> {
        let runs = lock(&self.shared.runs);
        let mine = runs.iter().filter(|(_, entry)| entry.stack.as_ref() == Some(stack));
        let steps = mine.flat_map(|(run, entry)| entry.steps.values().map(move |step| (run, step)));
        Ok(steps
            .filter(|(_, step)| step.state != StepState::Failed)
            .map(|(run, step)| OpenStep {
                run: run.clone(),
                intention: step.intention.clone(),
                finished: (step.state == StepState::Done).then(|| step.result.clone()),
                captured: step.captured.clone(),
            })
            .collect())
    }
}

impl MemoryStore {
    /// Takes the lease if nobody is in the way; says who is otherwise.
    fn try_take(
        &self,
        request: &LeaseRequest,
        ticket: Option<u64>,
    ) -> std::result::Result<std::result::Result<Lease, LeaseError>, LeaseError> {
        let clock = Arc::clone(&self.shared.clock);
        let (now, boot) = (clock.now(), clock.boottime());
        self.change(|world| {
            let runs = |entry: &&StackEntry| {
                entry.stack.id != request.stack
                    && entry.leases.iter().any(|h| {
                        h.info.kind == LeaseKind::Process
                            && LeaseRequest::is_run(&h.info.operation)
                            && h.expires_boot > boot
                    })
            };
            let mut running: Vec<String> =
                world.stacks.values().filter(runs).map(|entry| entry.stack.name.clone()).collect();
            running.sort_unstable();
            let Some(entry) = world.stacks.get_mut(&request.stack) else {
                return Err(LeaseError::Store(unknown(&request.stack)));
            };
            let ended: Vec<Held> = entry.leases.extract_if(.., |h| h.expires_boot <= boot).collect();
            for held in ended {
                let LeaseInfo { locked_by, operation, .. } = held.info;
                let event = Event {
                    kind: EventType::LockExpired,
                    severity: Severity::Warning,
                    at: now,
                    run: None,
                    task: None,
                    address: None,
                    message: format!("the lease of `{locked_by}` for `{operation}` ended"),
                    payload: Value::Null,
                };
                if let Some(list) = world.history(Some(&request.stack)) {
                    append(list, now, event.clone(), &request.actor.name);
                }
                world.owe(now, Some(&request.stack), &event);
            }
            let Some(entry) = world.stacks.get_mut(&request.stack) else {
                return Err(LeaseError::Store(unknown(&request.stack)));
            };
            let queue: Vec<String> = entry.waiters.iter().map(|(_, name, _)| name.clone()).collect();
            let person = entry.leases.iter().find(|h| h.info.kind == LeaseKind::Person).cloned();
            let rides = request.kind == LeaseKind::Process
                && person.as_ref().is_some_and(|p| request.presents.as_ref() == Some(&p.info.id));
            let in_the_way = entry.leases.iter().find(|h| h.info.kind == LeaseKind::Process || !rides);
            if let Some(held) = in_the_way {
                return Ok(Err(LeaseError::Held(Box::new(LeaseInfo { queue, ..held.info.clone() }))));
            }
            let first = entry.waiters.iter().find(|(number, _, presents)| {
                ticket.is_none_or(|mine| *number < mine)
                    && person.as_ref().is_none_or(|p| presents.as_ref() == Some(&p.info.id))
            });
            let id = LockId::generate(now);
            let mut info = LeaseInfo {
                id: id.clone(),
                kind: request.kind,
                locked_by: request.actor.name.clone(),
                operation: request.operation.clone(),
                reason: request.reason.clone(),
                host: request.actor.host.clone(),
                pid: request.actor.pid,
                locked_at: now,
                renewed_at: now,
                expires_at: now.plus(request.ttl),
                fence: Fence(entry.fence + 1),
                queue: Vec::new(),
            };
            if let Some((_, name, _)) = first {
                info.locked_by.clone_from(name);
                info.queue = queue;
                return Ok(Err(LeaseError::Held(Box::new(info))));
            }
            if let Some(most) = request.most
                && running.len() >= usize::try_from(most).unwrap_or(usize::MAX)
            {
                return Ok(Err(LeaseError::Full { most, stacks: running }));
            }
            entry.fence += 1;
            entry.waiters.retain(|(number, ..)| Some(*number) != ticket);
            let expires_boot = boot.saturating_add(i64::try_from(request.ttl.as_nanos()).unwrap_or(i64::MAX));
            entry.leases.push(Held { info, expires_boot });
            let fence = Fence(entry.fence);
            if request.kind == LeaseKind::Person {
                let arguments = [request.operation.clone(), request.reason.clone()];
                said(
                    world,
                    now,
                    &request.stack,
                    EventType::LockAcquired,
                    &request.actor,
                    "stack lock acquire",
                    &arguments,
                );
            }
            Ok(Ok(Lease {
                stack: request.stack.clone(),
                id,
                kind: request.kind,
                fence,
                ttl: request.ttl,
                expires_boot,
            }))
        })?
    }
}

/// An event and an operation about a stack's locks.
fn said(
    world: &mut World,
    now: Timestamp,
    stack: &StackId,
    kind: EventType,
    actor: &Actor,
    verb: &str,
    arguments: &[String],
) {
    let Some(entry) = world.stacks.get_mut(stack) else { return };
    let event = Event {
        kind,
        severity: if kind == EventType::LockForceReleased { Severity::Warning } else { Severity::Info },
        at: now,
        run: None,
        task: None,
        address: None,
        message: format!("{verb} by `{}`", actor.name),
        payload: Value::Null,
    };
    append(&mut entry.events, now, event.clone(), &actor.name);
    let about = ((stack.to_string(), entry.stack.name.clone()), Some(entry.head()), entry.head());
    world.owe(now, Some(stack), &event);
    log(world, now, actor, verb, arguments, &Some(about), OperationRecord::default());
}

impl Leases for MemoryStore {
    fn acquire(
        &self,
        request: &LeaseRequest,
        cancelled: &dyn Fn() -> bool,
    ) -> std::result::Result<Lease, LeaseError> {
        let mut why = match self.try_take(request, None)? {
            Ok(lease) => return Ok(lease),
            Err(why) => why,
        };
        if request.wait.is_zero() || cancelled() {
            return Err(why);
        }
        let ticket = self.change(|world| {
            world.tickets += 1;
            let ticket = world.tickets;
            if let Some(entry) = world.stacks.get_mut(&request.stack) {
                entry.waiters.push((ticket, request.actor.name.clone(), request.presents.clone()));
            }
            ticket
        })?;
        let end = Instant::now() + request.wait;
        loop {
            match self.try_take(request, Some(ticket))? {
                Ok(lease) => return Ok(lease),
                Err(now) => why = now,
            }
            if Instant::now() >= end || cancelled() {
                self.change(|world| {
                    if let Some(entry) = world.stacks.get_mut(&request.stack) {
                        entry.waiters.retain(|(number, ..)| *number != ticket);
                    }
                })?;
                return Err(why);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    fn renew(&self, lease: &Lease) -> std::result::Result<Lease, LeaseError> {
        let clock = Arc::clone(&self.shared.clock);
        let (now, boot) = (clock.now(), clock.boottime());
        let end = boot.saturating_add(i64::try_from(lease.ttl.as_nanos()).unwrap_or(i64::MAX));
        let found = self.change(|world| {
            let entry = world.stacks.get_mut(&lease.stack)?;
            let held =
                entry.leases.iter_mut().find(|h| h.info.kind == lease.kind && h.info.id == lease.id)?;
            if lease.kind == LeaseKind::Person && held.expires_boot <= boot {
                return None;
            }
            held.expires_boot = end;
            held.info.renewed_at = now;
            held.info.expires_at = now.plus(lease.ttl);
            Some(())
        })?;
        found.ok_or(LeaseError::Lost)?;
        Ok(Lease { expires_boot: end, ..lease.clone() })
    }
    fn release(&self, lease: &Lease) -> std::result::Result<(), LeaseError> {
        self.change(|world| {
            if let Some(entry) = world.stacks.get_mut(&lease.stack) {
                entry.leases.retain(|h| h.info.id != lease.id);
            }
        })?;
        Ok(())
    }
    fn release_person(
        &self,
        stack: &StackId,
        id: Option<&LockId>,
        by: &str,
    ) -> std::result::Result<LeaseInfo, LeaseError> {
        let clock = Arc::clone(&self.shared.clock);
        let (now, boot) = (clock.now(), clock.boottime());
        self.change(|world| {
            let entry = world.stacks.get_mut(stack).ok_or(LeaseError::NotLocked)?;
            let found =
                entry.leases.iter().find(|h| h.info.kind == LeaseKind::Person && h.expires_boot > boot);
            let info = found.ok_or(LeaseError::NotLocked)?.info.clone();
            let (owner, asked) = match id {
                Some(id) => (*id == info.id, id.to_string()),
                None => (by == info.locked_by, by.to_owned()),
            };
            if !owner {
                return Err(LeaseError::NotOwner { info: Box::new(info), asked });
            }
            entry.leases.retain(|h| h.info.kind != LeaseKind::Person);
            said(world, now, stack, EventType::LockReleased, &Actor::named(by), "stack lock release", &[]);
            Ok(info)
        })?
    }
    fn status(&self, stack: &StackId) -> std::result::Result<Vec<LeaseInfo>, LeaseError> {
        let boot = self.shared.clock.boottime();
        let world = self.world();
        let Some(entry) = world.stacks.get(stack) else { return Ok(vec![]) };
        let queue: Vec<String> = entry.waiters.iter().map(|(_, name, _)| name.clone()).collect();
        let mut infos: Vec<LeaseInfo> = entry
            .leases
            .iter()
            .filter(|h| h.expires_boot > boot)
            .map(|h| LeaseInfo { queue: queue.clone(), ..h.info.clone() })
            .collect();
        infos.sort_by_key(|info| info.kind == LeaseKind::Process);
        Ok(infos)
    }
    fn force_release(
        &self,
        stack: &StackId,
        by: &Actor,
        reason: &str,
    ) -> std::result::Result<Vec<LeaseInfo>, LeaseError> {
        let now = self.shared.clock.now();
        let infos = self.status(stack)?;
        let any = self.change(|world| {
            let Some(entry) = world.stacks.get_mut(stack) else { return };
            if entry.leases.is_empty() {
                return;
            }
            entry.fence += 1;
            entry.leases.clear();
            if !infos.is_empty() {
                let arguments = [reason.to_owned()];
                said(
                    world,
                    now,
                    stack,
                    EventType::LockForceReleased,
                    by,
                    "stack lock force-release",
                    &arguments,
                );
            }
        });
        any?;
        if infos.is_empty() { Err(LeaseError::NotLocked) } else { Ok(infos) }
    }
}
