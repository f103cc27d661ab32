//! A small catalog, a scope that only remembers, and a conductor that runs tasks in their order.

#![allow(dead_code, reason = "shared with the example, which uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sloth_core::address::{Address, HostName};
use sloth_core::body::{
    Call, CallError, CommandCall, CommandOutcome, Conductor, CustomFunctions, Next, Outcome, Permission,
    Program, Registered, Registration, Scope, Unit, UnitEnding, ValueChange, WorkflowStep,
};
use sloth_core::change::{Action, Change, Reason};
use sloth_core::clock::Timestamp;
use sloth_core::command::CommandOutput;
use sloth_core::diff::Diff;
use sloth_core::graph::TaskGraph;
use sloth_core::kind::{Arg, ArgError, Args, Catalog, Declared, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::output::Output;
use sloth_core::recorded::{Condition, Origin, Recorded};
use sloth_core::stack::Stack;
use sloth_core::value::{Map, Value};
use sloth_core::value_entry::ValueEntry;
use sloth_core::web::{Answer, Errand};
use sloth_core::workflow::Workflow;
use sloth_lua::{LoadRequest, LuaProgram};

const FILE: &[Param] = &[
    Param::new("content", ParamType::Bytes, "Content"),
    Param::new("group", ParamType::Text, "Group"),
    Param::new("mode", ParamType::Mode, "Mode"),
    Param::new("owner", ParamType::Text, "Owner"),
    Param::new("path", ParamType::Path, "Where").required().or(&["dest"]),
    Param::new("src", ParamType::Source, "From").or(&["source"]),
    Param::new("vars", ParamType::Map, "Variables"),
];
const LINE: &[Param] = &[
    Param::new("line", ParamType::Text, "The line").required(),
    Param::new("path", ParamType::Path, "Which file").required().or(&["dest"]),
    Param::new("regexp", ParamType::Text, "What it replaces"),
    Param::new("state", ParamType::Enum(&["present", "absent"]), "There or not"),
];
const USER: &[Param] = &[
    Param::new("comment", ParamType::Text, "Who it is"),
    Param::new("groups", ParamType::List, "Groups"),
    Param::new("home", ParamType::Path, "Home"),
    Param::new("name", ParamType::Text, "Name").required().or(&["username"]),
    Param::new("shell", ParamType::Path, "Shell"),
    Param::new("uid", ParamType::Int, "Number"),
];
const PKG: &[Param] = &[
    Param::new("name", ParamType::List, "Packages").required().or(&["packages"]),
    Param::new("state", ParamType::Enum(&["present", "installed", "absent", "latest"]), "There or not"),
    Param::new("version", ParamType::Text, "Version"),
];
const SERVICE: &[Param] = &[
    Param::new("enabled", ParamType::Bool, "At boot"),
    Param::new("name", ParamType::Text, "Unit").required().or(&["service"]),
    Param::new("state", ParamType::Enum(&["started", "stopped"]), "Running or not"),
    Param::new("timeout", ParamType::Duration, "How long to wait"),
];
const KEY: &[Param] = &[
    Param::new("key", ParamType::Text, "The key").required(),
    Param::new("state", ParamType::Enum(&["present", "absent"]), "There or not"),
    Param::new("user", ParamType::Text, "Whose").required(),
];
const CONFIG: &[Param] = &[
    Param::new("host", ParamType::Text, "Which host").required(),
    Param::new("options", ParamType::Map, "Options"),
];
const CUSTOM: &[Param] = &[
    Param::new("apply", ParamType::TextOrFunction, "Brings it about").required(),
    Param::new("cwd", ParamType::Text, "Where"),
    Param::new("delete", ParamType::TextOrFunction, "Removes it"),
    Param::new("env", ParamType::Map, "Variables"),
    Param::new("expect", ParamType::Any, "What shall be found"),
    Param::new("name", ParamType::Text, "Id").required().or(&["id"]),
    Param::new("probe", ParamType::TextOrFunction, "Looks").required(),
];
const EXEC: &[Param] = &[
    Param::new("command", ParamType::Text, "Command").or(&["cmd"]),
    Param::new("creates", ParamType::Path, "Done when it exists"),
    Param::new("cwd", ParamType::Text, "Where"),
    Param::new("unless", ParamType::Text, "Done when it succeeds"),
];

const fn op(
    module: &'static str,
    name: &'static str,
    kind: &'static str,
    params: &'static [Param],
    positional: &'static [&'static str],
    example: &'static str,
) -> Operation {
    Operation { module, name, aliases: &[], kind, params, positional, doc: "For tests", example }
}

const OPERATIONS: &[Operation] = &[
    op(
        "custom",
        "resource",
        "custom",
        CUSTOM,
        &["name"],
        "custom.resource{name = \"x\", probe = f, apply = g}",
    ),
    op("exec", "run", "exec", EXEC, &["command"], "exec.run(\"true\")"),
    op("file", "copy", "file", FILE, &["path"], "file.copy{src = \"motd\", dest = \"/etc/motd\"}"),
    op(
        "file",
        "lineinfile",
        "line",
        LINE,
        &["path", "line"],
        "file.lineinfile{path = \"/etc/hosts\", line = \"x\"}",
    ),
    op("file", "template", "file", FILE, &["path"], "file.template{src = \"a.j2\", dest = \"/etc/a\"}"),
    op("group", "create", "group", USER, &["name"], "group.create(\"x\")"),
    op("pkg", "install", "package", PKG, &["name"], "pkg.install{name = \"nginx\"}"),
    op(
        "ssh",
        "authorized_key",
        "authorized_key",
        KEY,
        &["user", "key"],
        "ssh.authorized_key{user = \"x\", key = \"y\"}",
    ),
    op("ssh", "config", "ssh_host", CONFIG, &["host", "options"], "ssh.config{host = \"x\"}"),
    op("systemd", "enable", "service", SERVICE, &["name"], "systemd.enable(\"nginx\")"),
    op("systemd", "ensure", "service", SERVICE, &["name"], "systemd.ensure{name = \"nginx\"}"),
    op("systemd", "restart", "service", SERVICE, &["name"], "systemd.restart(\"nginx\")"),
    op("systemd", "start", "service", SERVICE, &["name"], "systemd.start(\"nginx\")"),
    op("user", "create", "user", USER, &["name"], "user.create(\"deploy\", {shell = \"/bin/bash\"})"),
    op("user", "delete", "user", USER, &["name"], "user.delete(\"deploy\")"),
    op("user", "modify", "user", USER, &["name"], "user.modify(\"deploy\", {shell = \"/bin/zsh\"})"),
];

/// The catalog of the tests.
pub struct TestCatalog;

impl Catalog for TestCatalog {
    fn kinds(&self) -> &[Kind] {
        &[]
    }
    fn operations(&self) -> &[Operation] {
        OPERATIONS
    }
    fn readable(&self, _: &str, _: &str, _: &Value, _: Option<&Value>) -> Result<(), ProbeError> {
        Ok(())
    }
    fn declare(
        &self,
        operation: &Operation,
        args: &Args,
        sources: &dyn Sources,
    ) -> Result<Vec<Declared>, ArgError> {
        let mut spec = Map::new();
        for (name, arg) in &args.0 {
            let value = match arg {
                Arg::Bytes(b) => Value::from(String::from_utf8_lossy(b).into_owned()),
                Arg::Function(_) => Value::from("function"),
                Arg::Value(v) => v.clone(),
            };
            spec.insert((*name).to_owned(), value);
        }
        if let Some(src) = args.text("src")
            && !src.starts_with('/')
        {
            let bytes = sources.read(src).map_err(|e| ArgError { param: Some("src".to_owned()), ..e })?;
            spec.insert("src".to_owned(), Value::from(String::from_utf8_lossy(&bytes).into_owned()));
        }
        let id = match spec.get(operation.positional[0]) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            Some(Value::String(s)) => s.clone(),
            _ => "none".to_owned(),
        };
        Ok(vec![Declared { id, spec: Value::Object(spec), blobs: vec![] }])
    }
}

/// A network of one server: the last part of a path is the status, and what was asked is answered.
fn network(errand: &Errand) -> CommandOutput {
    let failed =
        |why: &str| CommandOutput { stderr: why.to_owned(), exit_code: 1, ..CommandOutput::default() };
    let stdout = match errand {
        Errand::Http(request) if request.url.contains("silent") => return failed("no answer within 1s"),
        Errand::Http(request) => {
            let path = request.url.split(['?', '#']).next().unwrap_or("");
            let status = path.rsplit('/').next().and_then(|s| s.parse().ok()).unwrap_or(200);
            let headers = [("content-type", "application/json"), ("x-a", "1"), ("x-a", "2")];
            let answer = Answer {
                status,
                headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
                body: serde_json::to_string(request).unwrap(),
            };
            serde_json::to_string(&answer).unwrap()
        }
        Errand::Connect { port: 1, .. } => return failed("connection refused"),
        Errand::Connect { .. } => String::new(),
        Errand::Facts { topic, of } => {
            let of = of.as_deref().unwrap_or("");
            match (topic.as_str(), of) {
                ("os", _) => r#"{"id":"debian","family":"debian","version":"12","hostname":"h1"}"#.to_owned(),
                ("cpu", _) => r#"{"count":4}"#.to_owned(),
                ("disks", _) => r#"[{"mountpoint":"/","total":10},{"mountpoint":"/home","total":20}]"#.to_owned(),
                ("network", _) => r#"{"interfaces":[{"name":"eth0","mtu":1500}]}"#.to_owned(),
                ("users", _) => r#"[{"username":"root","uid":0}]"#.to_owned(),
                ("ports", _) => r#"[{"protocol":"tcp","port":22,"address":"0.0.0.0"}]"#.to_owned(),
                ("processes", _) => {
                    r#"{"total":2,"list":[{"pid":1,"name":"init","command":"/sbin/init"},{"pid":9,"name":"java","command":"java -jar spring-boot.jar"}]}"#
                        .to_owned()
                }
                ("package", "nginx") => r#"{"name":"nginx","installed":true,"version":"1:1.18.0-6"}"#.to_owned(),
                ("package", name) => format!(r#"{{"name":"{name}","installed":false}}"#),
                ("service", "nginx") => r#"{"name":"nginx","active":true,"enabled":false,"status":"active"}"#.to_owned(),
                ("service", _) => r#"{"active":false,"status":"inactive","state":"dead"}"#.to_owned(),
                ("path", "/etc/motd") => {
                    r#"{"exists":true,"is_file":true,"is_dir":false,"mode":"0644","owner":"root","uid":0,"group":"adm","gid":4,"size":5}"#
                        .to_owned()
                }
                ("path", _) => r#"{"exists":false}"#.to_owned(),
                ("authorized_key", "deploy#ssh-ed25519 AAAA x#y") => r#"{"path":"/h/keys","exists":true}"#.to_owned(),
                ("authorized_key", of) if of.ends_with('?') => "{}".to_owned(),
                ("authorized_key", of) if !of.starts_with("nobody") => r#"{"path":"/h/keys","exists":false}"#.to_owned(),
                ("authorized_keys", "deploy" | "deploy:/etc/keys" | "/etc/keys") => {
                    r#"{"path":"/h/keys","keys":[{"at":2,"type":"ssh-ed25519","key":"ssh-ed25519 AAAA","comment":"ann"}]}"#
                        .to_owned()
                }
                ("content", "/etc/motd") => r#""hello\nworld 42\n""#.to_owned(),
                ("content", _) => return failed("there is no such file"),
                _ => return failed("nothing is known of it"),
            }
        }
        Errand::Resolve { name } if name == "nowhere" => return failed("name or service not known"),
        Errand::Resolve { .. } => "192.0.2.1\n2001:db8::1".to_owned(),
    };
    CommandOutput { stdout, ..CommandOutput::default() }
}

#[derive(Default)]
pub struct World {
    pub log: Mutex<Vec<String>>,
    pub values: Mutex<BTreeMap<String, Value>>,
    pub outputs: Mutex<BTreeMap<String, Output>>,
    pub records: Mutex<BTreeMap<String, Recorded>>,
    pub task_outputs: Mutex<BTreeMap<String, Map>>,
    pub locks: Mutex<BTreeMap<String, String>>,
    pub planning: AtomicBool,
    pub stopping: AtomicBool,
    pub quiet: AtomicBool,
    pub running: AtomicUsize,
    pub most: AtomicUsize,
}

impl World {
    pub fn note(&self, line: impl Into<String>) {
        if !self.quiet.load(Ordering::Relaxed) {
            self.log.lock().unwrap().push(line.into());
        }
    }
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
    fn slow(&self, text: &str) {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if text.contains("slow") {
            std::thread::sleep(Duration::from_millis(30));
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

pub struct FakeScope {
    pub world: Arc<World>,
    pub host: HostName,
}

impl FakeScope {
    fn address(&self, call: &Call) -> Address {
        Address::new(
            call.host.clone().unwrap_or_else(|| self.host.clone()),
            call.kind,
            call.declared.id.as_str(),
        )
    }
    fn line(&self, call: &Call) -> String {
        let mut line =
            format!("{} {}.{} {}", self.address(call), call.module, call.operation, call.declared.spec);
        if call.options != sloth_core::desired::Options::default() {
            line.push_str(&format!(" {}", sloth_core::value::to_value(&call.options)));
        }
        line
    }
}

fn outcome(address: Address, action: Action, reason: Reason, state: Option<Value>) -> Outcome {
    let mut diff = Diff::none();
    if action == Action::Update {
        diff.compare("mode", Some(Value::from("0600")), Some(Value::from("0644")));
    }
    Outcome { address, change: Change::new(action, reason, diff), state, notes: vec![] }
}

impl Scope for FakeScope {
    fn planning(&self) -> bool {
        self.world.planning.load(Ordering::SeqCst)
    }
    fn host(&self) -> &HostName {
        &self.host
    }
    fn stopping(&self) -> bool {
        self.world.stopping.load(Ordering::SeqCst)
    }
    fn resource(&self, call: Call) -> Result<Outcome, CallError> {
        let address = self.address(&call);
        if !self.world.quiet.load(Ordering::Relaxed) {
            self.world.note(self.line(&call));
            self.world.slow(&call.declared.id);
        }
        if call.declared.id.contains("fail") {
            return Err(CallError::Apply {
                address: address.to_string(),
                error: ApplyError::failed(format!("writing {}", call.declared.id), "permission denied"),
            });
        }
        if call.declared.id.contains("lost") {
            return Err(CallError::LeaseLost);
        }
        if call.declared.id.contains("same") {
            return Ok(outcome(address, Action::Noop, Reason::InLine, Some(call.declared.spec)));
        }
        if call.declared.id.contains("old") {
            return Ok(outcome(address, Action::Update, Reason::External, Some(call.declared.spec)));
        }
        Ok(outcome(address, Action::Create, Reason::New, Some(call.declared.spec)))
    }
    fn custom(&self, call: Call, functions: &mut dyn CustomFunctions) -> Result<Outcome, CallError> {
        let address = self.address(&call);
        let fail = |why: String| CallError::Apply {
            address: address.to_string(),
            error: ApplyError::failed("custom", why),
        };
        let live = functions.probe().map_err(fail)?;
        self.world.note(format!("probe {}", live.clone().unwrap_or(Value::Null)));
        if live.is_some() {
            return Ok(outcome(address, Action::Noop, Reason::InLine, live));
        }
        if !self.planning() {
            functions.apply(None).map_err(fail)?;
        }
        let state = functions.probe().map_err(fail)?;
        Ok(outcome(address.clone(), Action::Create, Reason::New, state))
    }
    fn command(&self, call: CommandCall) -> Result<CommandOutcome, CallError> {
        let command = call.command;
        let mut line = format!("$ {}", command.line);
        if let Some(host) = &call.host {
            line = format!("{host} {line}");
        }
        for (k, v) in &command.env {
            line.push_str(&format!(" {k}={v}"));
        }
        if let Some(cwd) = &command.cwd {
            line.push_str(&format!(" in {cwd}"));
        }
        if let Some(user) = &command.user {
            line.push_str(&format!(" as {user}"));
        }
        if command.read_only {
            line.push_str(" (reads)");
        }
        self.world.note(line);
        if self.planning() && !command.read_only {
            return Ok(CommandOutcome::WouldRun);
        }
        self.world.slow(&command.line);
        if let Some(errand) = &command.errand {
            return Ok(CommandOutcome::Ran(network(errand)));
        }
        let mut output = CommandOutput::default();
        let (first, rest) = command.line.split_once(' ').unwrap_or((&command.line, ""));
        match first {
            "echo" => output.stdout = format!("{rest}\n"),
            "cat" => output.stdout = command.stdin.unwrap_or_default(),
            "false" => {
                output.exit_code = 1;
                output.stderr = "no luck\n".to_owned();
            }
            "test" => output.exit_code = i32::from(!rest.contains("there")),
            "hang" => {
                std::thread::sleep(
                    command.timeout.unwrap_or(Duration::from_secs(5)).min(Duration::from_secs(5)),
                );
                output.timed_out = true;
                output.exit_code = 137;
            }
            _ => {}
        }
        Ok(CommandOutcome::Ran(output))
    }
    fn effect(&self, what: &str) -> Result<Permission, CallError> {
        self.world.note(format!("! {what}"));
        Ok(if self.planning() { Permission::Listed } else { Permission::Go })
    }
    fn say(&self, stream: &'static str, text: &str) {
        self.world.note(format!("{stream}: {text}"));
    }
    fn dispatch(&self, name: &str, payload: Value) -> Result<(), CallError> {
        self.world.note(format!("event {name} {payload}"));
        Ok(())
    }
    fn task_outputs(&self, task: &str) -> Option<Map> {
        self.world.task_outputs.lock().unwrap().get(task).cloned()
    }
    fn stack(&self) -> Option<Stack> {
        None
    }
    fn stack_name(&self) -> String {
        "shop".to_owned()
    }
    fn output_set(&self, output: Output) -> Result<(), CallError> {
        self.world.note(format!(
            "output {} = {}{}",
            output.name,
            output.value,
            if output.sensitive { " (sensitive)" } else { "" }
        ));
        self.world.outputs.lock().unwrap().insert(output.name.clone(), output);
        Ok(())
    }
    fn output_get(&self, name: &str) -> Result<Option<Output>, CallError> {
        Ok(self.world.outputs.lock().unwrap().get(name).cloned())
    }
    fn output_of(&self, stack: &str, name: &str) -> Result<Option<Output>, CallError> {
        if stack == "nowhere" {
            return Err(CallError::Refused("there is no stack `nowhere`".to_owned()));
        }
        Ok(Some(Output {
            name: name.to_owned(),
            value: Value::from(format!("{name} of {stack}")),
            sensitive: false,
        }))
    }
    fn depends_on(&self, stack: &str) -> Result<(), CallError> {
        if stack == "nowhere" {
            return Err(CallError::Refused("there is no stack `nowhere`".to_owned()));
        }
        Ok(())
    }
    fn recorded(&self, kind: &str, name: &str) -> Result<Option<Recorded>, CallError> {
        Ok(self.world.records.lock().unwrap().get(&format!("{kind}:{name}")).cloned())
    }
    fn recorded_all(&self) -> Result<Vec<Recorded>, CallError> {
        Ok(self.world.records.lock().unwrap().values().cloned().collect())
    }
    fn register(&self, entry: Registration) -> Result<(Registered, Arc<Recorded>), CallError> {
        let key = format!("{}:{}", entry.kind, entry.name);
        self.world.note(format!("register {key} {} needs {:?}", entry.properties, entry.dependencies));
        let mut records = self.world.records.lock().unwrap();
        let recorded = Recorded {
            address: Address::local(entry.kind.as_str(), entry.name.as_str()),
            module: entry.module,
            operation: "register".to_owned(),
            spec: entry.properties.clone(),
            state: None,
            origin: Origin::Absent,
            condition: if entry.applied { Condition::Applied } else { Condition::Pending },
            error: None,
            options: entry.options,
            task: String::new(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        };
        let how = match records.get(&key) {
            None => Registered::Created,
            Some(old) if old.spec == entry.properties && old.condition == Condition::Applied => {
                Registered::Unchanged
            }
            Some(_) => Registered::Changed,
        };
        if how != Registered::Unchanged {
            records.insert(key.clone(), recorded);
        }
        Ok((how, Arc::new(records[&key].clone())))
    }
    fn workflow_begin(&self, name: &str, metadata: Map) -> Result<String, CallError> {
        self.world.note(format!("workflow {name} {}", Value::Object(metadata)));
        Ok(format!("id-of-{name}"))
    }
    fn workflow_step(&self, id: &str, step: WorkflowStep) -> Result<bool, CallError> {
        let what = match step {
            WorkflowStep::Resource(entry) => {
                format!("{}:{} {} needs {:?}", entry.kind, entry.name, entry.properties, entry.dependencies)
            }
            WorkflowStep::Output(output) => format!("{} = {}", output.name, output.value),
            WorkflowStep::Complete => "completed".to_owned(),
            WorkflowStep::Fail(why) => format!("failed: {why}"),
        };
        self.world.note(format!("workflow {id}: {what}"));
        Ok(id != "id-of-own")
    }
    fn registered_condition(
        &self,
        kind: &str,
        name: &str,
        condition: Condition,
        error: Option<String>,
    ) -> Result<(), CallError> {
        match self.world.records.lock().unwrap().get_mut(&format!("{kind}:{name}")) {
            Some(r) => {
                (r.condition, r.error) = (condition, error);
                Ok(())
            }
            None => Err(CallError::Refused(format!("`{kind}:{name}` is not registered"))),
        }
    }
    fn forget(&self, kind: &str, name: &str) -> Result<bool, CallError> {
        Ok(self.world.records.lock().unwrap().remove(&format!("{kind}:{name}")).is_some())
    }
    fn value_get(&self, scope: &str, key: &str) -> Result<Option<ValueEntry>, CallError> {
        Ok(self.world.values.lock().unwrap().get(key).map(|v| entry(scope, key, v)))
    }
    fn value_list(&self, scope: &str, prefix: &str) -> Result<Vec<ValueEntry>, CallError> {
        let values = self.world.values.lock().unwrap();
        Ok(values.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(k, v)| entry(scope, k, v)).collect())
    }
    fn value_change(
        &self,
        scope: &str,
        key: &str,
        change: ValueChange,
    ) -> Result<Option<ValueEntry>, CallError> {
        let mut values = self.world.values.lock().unwrap();
        match change {
            ValueChange::Set(v, _) => {
                values.insert(key.to_owned(), v);
            }
            ValueChange::Increment(by) => {
                let now = values.get(key).and_then(Value::as_f64).unwrap_or(0.0) + by;
                #[allow(clippy::cast_possible_truncation, reason = "test code")]
                values.insert(key.to_owned(), Value::from(now as i64));
            }
            ValueChange::Swap(old, new, _) => {
                if values.get(key) != old.as_ref() {
                    return Ok(None);
                }
                values.insert(key.to_owned(), new);
            }
            ValueChange::Delete => {
                values.remove(key);
            }
            ValueChange::Clear => values.retain(|k, _| !k.starts_with(key)),
        }
        Ok(values.get(key).map(|v| entry(scope, key, v)))
    }
    fn value_lock(&self, name: &str, holder: &str, _: f64) -> Result<bool, CallError> {
        let mut locks = self.world.locks.lock().unwrap();
        let free = locks.get(name).is_none_or(|h| h == holder);
        if free {
            locks.insert(name.to_owned(), holder.to_owned());
        }
        Ok(free)
    }
    fn value_unlock(&self, name: &str, holder: &str) -> Result<bool, CallError> {
        let mut locks = self.world.locks.lock().unwrap();
        let held = locks.get(name).is_some_and(|h| h == holder);
        if held {
            locks.remove(name);
        }
        Ok(held)
    }
}

fn entry(scope: &str, key: &str, value: &Value) -> ValueEntry {
    ValueEntry {
        scope: scope.to_owned(),
        key: key.to_owned(),
        value: value.clone(),
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        expires_at: None,
        revision: 1,
    }
}

/// Runs the tasks in their order, at most `parallel` at once.
pub struct FakeConductor {
    world: Arc<World>,
    graph: TaskGraph,
    workflow: Workflow,
    parallel: usize,
    state: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    started: BTreeSet<usize>,
    running: usize,
    ended: BTreeMap<usize, UnitEnding>,
    others: Vec<(Unit, UnitEnding)>,
    opened: bool,
    handlers: usize,
    closed: bool,
}

impl FakeConductor {
    pub fn new(world: &Arc<World>, workflow: &Workflow, parallel: usize) -> Self {
        Self {
            world: Arc::clone(world),
            graph: TaskGraph::build(&workflow.tasks).unwrap(),
            workflow: workflow.clone(),
            parallel,
            state: Mutex::default(),
        }
    }
    fn scope(&self, host: &str) -> Arc<dyn Scope> {
        Arc::new(FakeScope { world: Arc::clone(&self.world), host: HostName::new(host) })
    }
    pub fn endings(&self) -> Vec<(String, UnitEnding)> {
        let state = self.state.lock().unwrap();
        let mut all: Vec<_> =
            state.ended.iter().map(|(i, e)| (self.workflow.tasks[*i].name.clone(), e.clone())).collect();
        all.extend(state.others.iter().map(|(u, e)| (format!("{u:?}"), e.clone())));
        all
    }
}

impl Conductor for FakeConductor {
    fn next(&self) -> Next {
        let mut s = self.state.lock().unwrap();
        if !s.opened {
            s.opened = true;
            s.running += 1;
            return Next::Start(Unit::OnStart, self.scope("local"));
        }
        if s.running >= self.parallel {
            return Next::Wait;
        }
        for index in self.graph.order() {
            let ready = self.graph.needs(index).iter().all(|n| s.ended.contains_key(n));
            if !s.started.contains(&index) && ready {
                s.started.insert(index);
                s.running += 1;
                let host = self.workflow.tasks[index].delegate_to.first().map_or("local", String::as_str);
                return Next::Start(Unit::Task(index, HostName::new(host)), self.scope(host));
            }
        }
        if s.running > 0 {
            return Next::Wait;
        }
        if s.handlers < self.workflow.handlers.len() {
            s.handlers += 1;
            s.running += 1;
            return Next::Start(
                Unit::Handler(self.workflow.handlers[s.handlers - 1].clone()),
                self.scope("local"),
            );
        }
        if !s.closed {
            s.closed = true;
            s.running += 1;
            let good = s
                .ended
                .values()
                .all(|e| matches!(e, UnitEnding::Succeeded { .. } | UnitEnding::Skipped { .. }));
            return Next::Start(Unit::OnComplete(good), self.scope("local"));
        }
        Next::Finished
    }
    fn ended(&self, unit: &Unit, ending: &UnitEnding) {
        let mut s = self.state.lock().unwrap();
        s.running -= 1;
        match unit {
            Unit::Task(index, _) => {
                if let UnitEnding::Succeeded { outputs, .. } = ending {
                    let name = self.workflow.tasks[*index].name.clone();
                    self.world.task_outputs.lock().unwrap().insert(name, outputs.clone());
                }
                s.ended.insert(*index, ending.clone());
            }
            other => s.others.push((other.clone(), ending.clone())),
        }
    }
}

pub fn request(name: &str, text: &str) -> LoadRequest {
    LoadRequest::text(name, text, Arc::new(TestCatalog))
}

/// What a run left behind.
pub struct Ran {
    pub world: Arc<World>,
    pub endings: Vec<(String, UnitEnding)>,
    pub workflow: Workflow,
}

impl Ran {
    pub fn ending(&self, name: &str) -> &UnitEnding {
        &self
            .endings
            .iter()
            .find(|(n, _)| n == name)
            .unwrap_or_else(|| panic!("no unit {name}: {:?}", self.endings))
            .1
    }
    pub fn failure(&self, name: &str) -> String {
        match self.ending(name) {
            UnitEnding::Failed { message, .. } => message.clone(),
            other => panic!("{name} did not fail: {other:?}"),
        }
    }
    pub fn all_good(&self) -> &Self {
        for (name, ending) in &self.endings {
            if let UnitEnding::Failed { message, .. } = ending {
                panic!("{name} failed: {message}");
            }
        }
        self
    }
    pub fn said(&self) -> Vec<String> {
        self.world.lines()
    }
}

pub fn execute(program: &mut LuaProgram, world: &Arc<World>, parallel: usize) -> Ran {
    let workflow = program.workflow().clone();
    let conductor = FakeConductor::new(world, &workflow, parallel);
    program.execute(&conductor).unwrap();
    Ran { world: Arc::clone(world), endings: conductor.endings(), workflow }
}

/// Loads a text and runs it.
pub fn run(text: &str) -> Ran {
    run_with(request("test.sloth", text), &Arc::new(World::default()), 1)
}
pub fn run_with(request: LoadRequest, world: &Arc<World>, parallel: usize) -> Ran {
    let mut program = sloth_lua::load(request).unwrap_or_else(|e| panic!("{}", e.render(false)));
    execute(&mut program, world, parallel)
}
/// Runs statements as the body of one task.
pub fn body(lines: &str) -> Ran {
    run(&format!("task({{ name = \"t\", run = function(this, params, deps, session)\n{lines}\nend }})"))
}
