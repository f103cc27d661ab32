//! A scripted machine: hosts without a host.
//!
//! [`ScriptedMachine`] keeps resources in a map. A state is an object; a wish is an object whose attributes are compared
//! with the state's, one by one, and everything the wish does not mention is left alone. Three attribute names mean
//! something:
//!
//! * `absent: true` in a wish asks for absence;
//! * names that start with `fixed` cannot change in place, so a difference in one asks for a replacement;
//! * `content` is the digest of a content: applying it needs the blob, capturing it returns the blob.
//!
//! What goes wrong is scripted beforehand, and everything that was asked of the machine is listed in
//! [`ScriptedMachine::calls`]. [`ThingCatalog`] describes the one type, `thing`, that programs can wish for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sloth_core::address::HostName;
use sloth_core::command::{Command, CommandOutput};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::{AttributeDiff, Diff, unified};
use sloth_core::digest::{Blob, Digest};
use sloth_core::kind::{
    ArgError, Args, Attribute, Catalog, Declared, Kind, Operation, Param, ParamType, Sources,
};
use sloth_core::machine::{Applied, ApplyError, Captured, Machine, Sight, Step, Unreachable, Watch};
use sloth_core::observed::{ProbeError, Seen};
use sloth_core::value::{Map, Value};

/// The type programs can wish for on a scripted machine. The machine itself takes any type name.
pub const THING: &str = "thing";

/// Something that was asked of a [`ScriptedMachine`].
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    /// One trip, with `type:id` of everything looked at.
    Observe(Vec<String>),
    /// `type:id` whose contents were asked for.
    Capture(String),
    /// A step that arrived, whether or not it succeeded.
    Apply {
        /// `type:id`.
        what: String,
        /// The wish; `None` for removal.
        spec: Option<Value>,
        /// Was it a replacement?
        replace: bool,
    },
    /// A command.
    Run(Command),
    /// [`Machine::settle`].
    Settle,
}

/// When a hook set with [`ScriptedMachine::on_apply`] is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The step arrived, nothing has happened.
    Before,
    /// The effect is there, the caller does not know yet.
    After,
}

type Hook = Arc<dyn Fn(Moment, &Step) -> Result<(), ApplyError> + Send + Sync>;
type Key = (String, String);

#[derive(Default)]
struct Inner {
    things: BTreeMap<Key, Value>,
    blobs: BTreeMap<Digest, Blob>,
    too_large: BTreeSet<Digest>,
    probe_errors: BTreeMap<Key, String>,
    apply_errors: BTreeMap<Key, VecDeque<(ApplyError, Option<Value>)>>,
    commands: BTreeMap<String, CommandOutput>,
    unreachable: Option<String>,
    hook: Option<Hook>,
    on_command: Option<Arc<dyn Fn() + Send + Sync>>,
    calls: Vec<Called>,
}

/// A machine in memory whose misfortunes are scripted.
pub struct ScriptedMachine {
    name: HostName,
    inner: Mutex<Inner>,
}

impl ScriptedMachine {
    /// An empty machine.
    #[must_use]
    pub fn new(name: &str) -> Arc<Self> {
        Arc::new(Self { name: HostName::new(name), inner: Mutex::default() })
    }
    /// An empty machine named `local`.
    #[must_use]
    pub fn local() -> Arc<Self> {
        Arc::new(Self { name: HostName::local(), inner: Mutex::default() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a `thing` there, as somebody else would.
    pub fn put(&self, id: &str, state: Value) {
        self.put_kind(THING, id, state);
    }
    /// Puts a resource of any type there, as somebody else would.
    pub fn put_kind(&self, kind: &str, id: &str, state: Value) {
        self.inner().things.insert(key(kind, id), state);
    }
    /// Changes one attribute of a `thing`, as somebody else would. Creates the thing when it is not there.
    pub fn set(&self, id: &str, attribute: &str, value: impl Into<Value>) {
        let mut inner = self.inner();
        let thing = inner.things.entry(key(THING, id)).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(map) = thing {
            map.insert(attribute.to_owned(), value.into());
        }
    }
    /// Takes a `thing` away, as somebody else would.
    pub fn take(&self, id: &str) -> Option<Value> {
        self.inner().things.remove(&key(THING, id))
    }
    /// The state of a `thing`.
    #[must_use]
    pub fn state(&self, id: &str) -> Option<Value> {
        self.inner().things.get(&key(THING, id)).cloned()
    }
    /// Everything that is there, by `type:id`.
    #[must_use]
    pub fn inventory(&self) -> BTreeMap<String, Value> {
        self.inner()
            .things
            .iter()
            .map(|((kind, id), state)| (format!("{kind}:{id}"), state.clone()))
            .collect()
    }
    /// Gives the machine a content, so that states may name it.
    pub fn put_blob(&self, bytes: &[u8]) -> Digest {
        let blob = Blob::new(bytes);
        let digest = blob.digest();
        self.inner().blobs.insert(digest, blob);
        digest
    }
    /// A content the machine has, given or applied.
    #[must_use]
    pub fn blob(&self, digest: Digest) -> Option<Vec<u8>> {
        self.inner().blobs.get(&digest).map(|b| b.bytes().to_vec())
    }
    /// Declares a content too large to capture.
    pub fn too_large(&self, digest: Digest) {
        self.inner().too_large.insert(digest);
    }

    /// From now on looking at this `thing` fails; `None` ends it.
    pub fn fail_probe(&self, id: &str, why: Option<&str>) {
        let mut inner = self.inner();
        match why {
            Some(why) => inner.probe_errors.insert(key(THING, id), why.to_owned()),
            None => inner.probe_errors.remove(&key(THING, id)),
        };
    }
    /// The next application to this `thing` fails, having changed nothing. Queues up.
    pub fn fail_apply(&self, id: &str, why: &str) {
        self.fail_apply_with(id, ApplyError::failed(format!("changing `{id}`"), why), None);
    }
    /// The next application to this `thing` fails with this error and leaves `left` behind (`None`: what was there).
    /// Queues up.
    pub fn fail_apply_with(&self, id: &str, error: ApplyError, left: Option<Value>) {
        self.inner().apply_errors.entry(key(THING, id)).or_default().push_back((error, left));
    }
    /// From now on the host cannot be reached; `None` ends it.
    pub fn unreachable(&self, why: Option<&str>) {
        self.inner().unreachable = why.map(str::to_owned);
    }
    /// What a command line answers; unknown lines answer with exit code 0 and nothing.
    pub fn on_command(&self, line: &str, output: CommandOutput) {
        self.inner().commands.insert(line.to_owned(), output);
    }
    /// Called around every effect, on the thread that applies, without any lock held: it may change the machine, block,
    /// panic like a crash, or refuse.
    pub fn on_apply(&self, hook: impl Fn(Moment, &Step) -> Result<(), ApplyError> + Send + Sync + 'static) {
        self.inner().hook = Some(Arc::new(hook));
    }

    /// Called after every command that ran, without any lock held: it may panic like a crash.
    pub fn on_command_hook(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.inner().on_command = Some(Arc::new(hook));
    }
    /// What was asked so far, in order. Rehearsals list only their looks and read-only commands.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.inner().calls.clone()
    }
    /// What was asked since the last time this was called.
    pub fn take_calls(&self) -> Vec<Called> {
        std::mem::take(&mut self.inner().calls)
    }
    /// `type:id` of every step that arrived, in order.
    #[must_use]
    pub fn applied(&self) -> Vec<String> {
        let named = |c: &Called| match c {
            Called::Apply { what, .. } => Some(what.clone()),
            _ => None,
        };
        self.inner().calls.iter().filter_map(named).collect()
    }
    /// Every command that ran, in order.
    #[must_use]
    pub fn ran(&self) -> Vec<String> {
        let named = |c: &Called| match c {
            Called::Run(command) => Some(command.line.clone()),
            _ => None,
        };
        self.inner().calls.iter().filter_map(named).collect()
    }

    fn look(
        &self,
        overlay: &BTreeMap<Key, Option<Value>>,
        wanted: &[Sight<'_>],
    ) -> Result<Vec<Result<Seen, ProbeError>>, Unreachable> {
        let mut inner = self.inner();
        if let Some(why) = &inner.unreachable {
            return Err(Unreachable { host: self.name.to_string(), why: why.clone() });
        }
        let names = wanted.iter().map(|s| format!("{}:{}", s.kind, s.id)).collect();
        inner.calls.push(Called::Observe(names));
        let one = |sight: &Sight<'_>| {
            let key = key(sight.kind, sight.id);
            if let Some(why) = inner.probe_errors.get(&key) {
                return Err(ProbeError::new(format!("`{}`", sight.id), why));
            }
            let live = overlay.get(&key).cloned().unwrap_or_else(|| inner.things.get(&key).cloned());
            Ok(seen(sight, live, &inner.blobs))
        };
        Ok(wanted.iter().map(one).collect())
    }

    fn reached(&self) -> Result<(), ApplyError> {
        match &self.inner().unreachable {
            Some(why) => Err(ApplyError::failed(format!("reaching `{}`", self.name), why)),
            None => Ok(()),
        }
    }
}

fn key(kind: &str, id: &str) -> Key {
    (kind.to_owned(), id.to_owned())
}

fn wants_absence(spec: &Value) -> bool {
    spec.get("absent").and_then(Value::as_bool).unwrap_or(false)
}

/// The comparison of a wish with what is there.
fn diff(spec: &Value, live: Option<&Value>, blobs: &[Blob], kept: &BTreeMap<Digest, Blob>) -> Diff {
    let mut diff = Diff::none();
    if wants_absence(spec) {
        diff.compare(PRESENCE, live.map(|_| Value::Bool(true)), None);
        return diff;
    }
    let Some(wish) = spec.as_object() else { return diff };
    for (name, to) in wish {
        let from = live.and_then(|l| l.get(name)).cloned();
        if from.as_ref() == Some(to) {
            continue;
        }
        let find = |v: &Value| {
            let digest: Digest = v.as_str()?.parse().ok()?;
            blobs.iter().find(|b| b.digest() == digest).or_else(|| kept.get(&digest)).map(Blob::bytes)
        };
        let text = (name == "content")
            .then(|| unified(from.as_ref().and_then(find).unwrap_or_default(), find(to)?, "live", "wish"))
            .flatten();
        diff.push(AttributeDiff {
            name: name.clone(),
            from,
            to: Some(to.clone()),
            text,
            replaces: live.is_some() && name.starts_with("fixed"),
            secret: name == "secret",
        });
    }
    if wish.is_empty() && live.is_none() {
        diff.compare(PRESENCE, None, Some(Value::Bool(true)));
    }
    diff
}

fn seen(sight: &Sight<'_>, live: Option<Value>, kept: &BTreeMap<Digest, Blob>) -> Seen {
    let Some(spec) = sight.spec else { return Seen { state: live, ..Seen::default() } };
    let mut since = Diff::none();
    if let Some(recorded) = sight.recorded {
        if live.is_some() != recorded.is_some() {
            let presence = |there: bool| there.then_some(Value::Bool(true));
            since.compare(PRESENCE, presence(live.is_some()), presence(recorded.is_some()));
        } else if let Some(wish) = spec.as_object() {
            for name in wish.keys() {
                let of = |v: Option<&Value>| v.and_then(|v| v.get(name)).cloned();
                since.compare(name, of(live.as_ref()), of(recorded));
            }
        }
    }
    Seen { diff: diff(spec, live.as_ref(), sight.blobs, kept), since, state: live }
}

/// The state a step leads to.
fn outcome(step: &Step, live: Option<Value>) -> Result<Option<Value>, ApplyError> {
    if live != step.live {
        return Err(ApplyError::Moved(format!("`{}`", step.id)));
    }
    let Some(spec) = step.spec.as_ref().filter(|s| !wants_absence(s)) else { return Ok(None) };
    let wish = spec
        .as_object()
        .ok_or_else(|| ApplyError::failed(format!("changing `{}`", step.id), "the wish is not an object"))?;
    if let Some(content) = wish.get("content").and_then(Value::as_str)
        && !step.blobs.iter().any(|b| b.digest().hex() == content)
    {
        let why = format!("content {content} did not come with the step");
        return Err(ApplyError::failed(format!("changing `{}`", step.id), why));
    }
    let mut state = match live {
        Some(Value::Object(map)) if !step.replace => map,
        _ => Map::new(),
    };
    state.extend(wish.iter().map(|(k, v)| (k.clone(), v.clone())));
    Ok(Some(Value::Object(state)))
}

impl Machine for ScriptedMachine {
    fn name(&self) -> &HostName {
        &self.name
    }
    fn observe(&self, wanted: &[Sight<'_>]) -> Result<Vec<Result<Seen, ProbeError>>, Unreachable> {
        self.look(&BTreeMap::new(), wanted)
    }
    fn capture(&self, kind: &str, id: &str, live: &Value) -> Result<Captured, ProbeError> {
        let mut inner = self.inner();
        inner.calls.push(Called::Capture(format!("{kind}:{id}")));
        let mut captured = Captured::default();
        if let Some(digest) = live.get("content").and_then(Value::as_str).and_then(|t| t.parse().ok()) {
            match inner.blobs.get(&digest) {
                Some(blob) if !inner.too_large.contains(&digest) => captured.blobs.push(blob.clone()),
                _ => captured.left_out.push(digest),
            }
        }
        Ok(captured)
    }
    fn apply(&self, step: &Step, _: &dyn Watch) -> Result<Applied, ApplyError> {
        self.reached()?;
        let what = format!("{}:{}", step.kind, step.id);
        let (hook, scripted) = {
            let mut inner = self.inner();
            inner.calls.push(Called::Apply { what, spec: step.spec.clone(), replace: step.replace });
            let key = key(&step.kind, &step.id);
            let scripted = inner.apply_errors.get_mut(&key).and_then(VecDeque::pop_front);
            (inner.hook.clone(), scripted)
        };
        if let Some(hook) = &hook {
            hook(Moment::Before, step)?;
        }
        let state = {
            let mut inner = self.inner();
            let key = key(&step.kind, &step.id);
            if let Some((error, left)) = scripted {
                if let Some(left) = left {
                    inner.things.insert(key, left);
                }
                return Err(error);
            }
            let state = outcome(step, inner.things.get(&key).cloned())?;
            for blob in &step.blobs {
                inner.blobs.insert(blob.digest(), blob.clone());
            }
            match &state {
                Some(state) => inner.things.insert(key, state.clone()),
                None => inner.things.remove(&key),
            };
            state
        };
        if let Some(hook) = &hook {
            hook(Moment::After, step)?;
        }
        Ok(Applied { state, notes: Vec::new() })
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, ApplyError> {
        self.reached()?;
        let output = {
            let mut inner = self.inner();
            inner.calls.push(Called::Run(command.clone()));
            let output = inner.commands.get(&command.line).cloned().unwrap_or_default();
            (output, inner.on_command.clone())
        };
        let (output, hook) = output;
        if let Some(hook) = hook {
            hook();
        }
        output.stdout.lines().for_each(|line| watch.line("stdout", line));
        output.stderr.lines().for_each(|line| watch.line("stderr", line));
        Ok(output)
    }
    fn wish_for(&self, _: &str, _: &str, state: Option<&Value>) -> Result<(Value, Vec<Digest>), ProbeError> {
        Ok(wish_for(state))
    }
    fn settle(&self) -> Result<(), ApplyError> {
        self.inner().calls.push(Called::Settle);
        Ok(())
    }
    fn rehearse(self: Arc<Self>) -> Arc<dyn Machine> {
        Arc::new(Rehearsal { real: self, overlay: Mutex::default() })
    }
}

fn wish_for(state: Option<&Value>) -> (Value, Vec<Digest>) {
    let Some(state) = state else { return (serde_json::json!({ "absent": true }), Vec::new()) };
    let content = state.get("content").and_then(Value::as_str).and_then(|t| t.parse().ok());
    (state.clone(), content.into_iter().collect())
}

/// Looks are real, effects are remembered here only.
struct Rehearsal {
    real: Arc<ScriptedMachine>,
    overlay: Mutex<BTreeMap<Key, Option<Value>>>,
}

impl Rehearsal {
    fn overlay(&self) -> MutexGuard<'_, BTreeMap<Key, Option<Value>>> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine for Rehearsal {
    fn name(&self) -> &HostName {
        &self.real.name
    }
    fn observe(&self, wanted: &[Sight<'_>]) -> Result<Vec<Result<Seen, ProbeError>>, Unreachable> {
        self.real.look(&self.overlay(), wanted)
    }
    fn capture(&self, _: &str, _: &str, _: &Value) -> Result<Captured, ProbeError> {
        Ok(Captured::default())
    }
    fn apply(&self, step: &Step, _: &dyn Watch) -> Result<Applied, ApplyError> {
        let mut overlay = self.overlay();
        let key = key(&step.kind, &step.id);
        let live = overlay.get(&key).cloned().unwrap_or_else(|| self.real.inner().things.get(&key).cloned());
        let state = outcome(step, live)?;
        overlay.insert(key, state.clone());
        Ok(Applied { state, notes: Vec::new() })
    }
    fn run(&self, command: &Command, watch: &dyn Watch) -> Result<CommandOutput, ApplyError> {
        if command.read_only {
            return self.real.run(command, watch);
        }
        Err(ApplyError::failed(format!("running `{}`", command.line), "commands do not run in a rehearsal"))
    }
    fn wish_for(&self, _: &str, _: &str, state: Option<&Value>) -> Result<(Value, Vec<Digest>), ProbeError> {
        Ok(wish_for(state))
    }
    fn settle(&self) -> Result<(), ApplyError> {
        Ok(())
    }
    fn rehearse(self: Arc<Self>) -> Arc<dyn Machine> {
        let overlay = Mutex::new(self.overlay().clone());
        Arc::new(Self { real: Arc::clone(&self.real), overlay })
    }
}

/// The catalog that goes with a [`ScriptedMachine`]: `thing.ensure{name, …}` and `thing.absent{name}`.
#[derive(Debug, Default)]
pub struct ThingCatalog;

const THING_ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "color", ty: ParamType::Text, secret: false, fixed: false, doc: "Any word" },
    Attribute { name: "content", ty: ParamType::Text, secret: false, fixed: false, doc: "Digest" },
    Attribute { name: "fixed", ty: ParamType::Text, secret: false, fixed: true, doc: "Cannot change" },
    Attribute { name: "secret", ty: ParamType::Text, secret: true, fixed: false, doc: "Never shown" },
    Attribute { name: "size", ty: ParamType::Int, secret: false, fixed: false, doc: "Any number" },
];
const THING_KINDS: &[Kind] =
    &[Kind { name: THING, doc: "Something in memory", attributes: THING_ATTRIBUTES, checkable: true }];
const NAME: Param = Param::new("name", ParamType::Text, "Its id").required().or(&["id"]);
const THING_OPERATIONS: &[Operation] = &[
    Operation {
        module: THING,
        name: "absent",
        aliases: &["remove"],
        kind: THING,
        params: &[NAME],
        positional: &["name"],
        doc: "Makes sure that a thing is not there",
        example: "thing.absent(\"a\")",
    },
    Operation {
        module: THING,
        name: "ensure",
        aliases: &[],
        kind: THING,
        params: &[
            NAME,
            Param::new("color", ParamType::Text, "Any word"),
            Param::new("content", ParamType::Bytes, "Any bytes"),
            Param::new("fixed", ParamType::Text, "Cannot change in place"),
            Param::new("secret", ParamType::Text, "Never shown").secret(),
            Param::new("size", ParamType::Int, "Any number"),
        ],
        positional: &["name"],
        doc: "Makes sure that a thing is there",
        example: "thing.ensure{name = \"a\", color = \"red\"}",
    },
];

impl Catalog for ThingCatalog {
    fn kinds(&self) -> &[Kind] {
        THING_KINDS
    }
    fn operations(&self) -> &[Operation] {
        THING_OPERATIONS
    }
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Declared>, ArgError> {
        let id = args.text("name").ok_or_else(|| ArgError::about("name", "`name` is missing"))?.to_owned();
        if operation.name == "absent" {
            let spec = serde_json::json!({ "absent": true });
            return Ok(vec![Declared { id, spec, blobs: Vec::new() }]);
        }
        let mut spec = Map::new();
        for name in ["color", "fixed", "secret", "size"] {
            if let Some(value) = args.value(name) {
                spec.insert(name.to_owned(), value.clone());
            }
        }
        let blobs: Vec<Blob> = args.bytes("content").map(|b| Blob::new(Arc::clone(b))).into_iter().collect();
        if let Some(blob) = blobs.first() {
            spec.insert("content".to_owned(), Value::from(blob.digest().hex()));
        }
        Ok(vec![Declared { id, spec: Value::Object(spec), blobs }])
    }
    fn readable(&self, kind: &str, id: &str, spec: &Value, state: Option<&Value>) -> Result<(), ProbeError> {
        match self.kind(kind) {
            None => {
                Err(ProbeError::new(format!("resource type `{kind}`"), "the catalog does not know the type"))
            }
            Some(_) if spec.is_object() && state.is_none_or(Value::is_object) => Ok(()),
            Some(_) => Err(ProbeError::new(format!("the record of `{id}`"), "it has no attributes")),
        }
    }
}
