//! A command with a guard.
//!
//! What is managed is not the command but that it is done: `creates`, `removes`, `unless` and `onlyif` say how to tell.
//! Nothing but the guard is looked at, before or after. There is nothing to remove and nothing to put back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sloth_core::command::{Command, CommandOutput};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use crate::os::{Look, Want};
use crate::resource::{Resource, Wish, Work};

/// The type `exec`.
pub struct Exec;

/// How a command is started, apart from what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Variables added to the environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Run as this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Seconds it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

impl Setting {
    pub(super) fn from_args(args: &Args) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let env = args.value("env").and_then(Value::as_object);
        let seconds = args.value("timeout").and_then(Value::as_f64);
        Self {
            cwd: args.text("cwd").map(str::to_owned),
            env: env.map(|m| m.iter().map(|(k, v)| (k.clone(), text(v))).collect()).unwrap_or_default(),
            user: args.text("user").map(str::to_owned),
            timeout: seconds.map(|s| Duration::try_from_secs_f64(s.ceil()).map_or(0, |d| d.as_secs())),
        }
    }
    pub(super) fn shell(&self, line: &str, read_only: bool) -> Command {
        Command {
            cwd: self.cwd.clone(),
            env: self.env.clone(),
            user: self.user.clone(),
            timeout: self.timeout.map(Duration::from_secs),
            read_only,
            ..Command::shell(line)
        }
    }
}

/// The end of what a command said, for a message.
pub(super) fn said(output: &CommandOutput) -> String {
    let text = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let lines: Vec<&str> = text.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    let how = match output.timed_out {
        true => "did not end in time".to_owned(),
        false => format!("exit code {}", output.exit_code),
    };
    if last.is_empty() { how } else { format!("{how}: {last}") }
}

/// A wish that a command is done. Without a command it is a wish for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// Command line for the shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Program and arguments, without a shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<String>,
    /// How to start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<Setting>,
    /// Bytes for standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Done when this path exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// Done when this path does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removes: Option<String>,
    /// Done when this command succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
    /// Done when this command fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onlyif: Option<String>,
    /// The wish of a state that was there: nothing to do in either case.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// It is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecState {
    /// Always true.
    pub done: bool,
}

const DONE: ExecState = ExecState { done: true };

const KIND: Kind = Kind {
    name: "exec",
    doc: "A command that runs until its guard says that it is done",
    attributes: &[Attribute {
        name: "done",
        ty: ParamType::Bool,
        secret: false,
        fixed: false,
        doc: "The guard says that there is nothing to do",
    }],
    checkable: true,
};

pub(super) const CWD: Param =
    Param::new("cwd", ParamType::Text, "Working directory").or(&["chdir", "dir", "workdir"]);
pub(super) const ENV: Param =
    Param::new("env", ParamType::Map, "Variables added to the environment").or(&["environment"]);
pub(super) const TIMEOUT: Param = Param::new("timeout", ParamType::Duration, "How long it may take");
pub(super) const USER: Param =
    Param::new("user", ParamType::Text, "Run it as this user").or(&["as", "become_user", "run_as"]);

const OPERATIONS: &[Operation] = &[Operation {
    module: "exec",
    name: "run",
    aliases: &["command", "shell"],
    kind: "exec",
    params: &[
        Param::new("argv", ParamType::List, "Program and arguments, without a shell").or(&["args"]),
        Param::new("command", ParamType::Text, "Command line for the shell").or(&["cmd", "line"]),
        Param::new("creates", ParamType::Path, "Nothing to do when this path exists"),
        CWD,
        ENV,
        Param::new("name", ParamType::Text, "Its id, when the command line is not a good one").or(&["id"]),
        Param::new("onlyif", ParamType::Text, "Nothing to do when this command fails").or(&["only_if"]),
        Param::new("removes", ParamType::Path, "Nothing to do when this path does not exist"),
        Param::new("stdin", ParamType::Text, "What it reads").or(&["input"]),
        TIMEOUT,
        Param::new("unless", ParamType::Text, "Nothing to do when this command succeeds").or(&["not_if"]),
        USER,
    ],
    positional: &["command"],
    doc: "Runs a command; with a guard it is a resource that is done or not",
    example: "exec.run{command = \"tar xzf /tmp/app.tgz -C /opt\", creates = \"/opt/app\"}",
}];

impl Exec {
    /// What does the guard say?
    fn done(os: &dyn Look, spec: &ExecSpec) -> Result<bool, ProbeError> {
        let exists = |path: &String| {
            Ok::<_, ProbeError>(os.entry(path, Want { follow: true, ..Want::default() })?.is_some())
        };
        if let Some(path) = &spec.creates
            && exists(path)?
        {
            return Ok(true);
        }
        if let Some(path) = &spec.removes
            && !exists(path)?
        {
            return Ok(true);
        }
        let setting = spec.setting.clone().unwrap_or_default();
        let succeeds = |line: &String| -> Result<bool, ProbeError> {
            let output = os.query(&setting.shell(line, true))?;
            if output.timed_out {
                return Err(ProbeError::new(format!("the guard `{line}`"), "it did not end in time"));
            }
            Ok(output.success())
        };
        if let Some(line) = &spec.unless
            && succeeds(line)?
        {
            return Ok(true);
        }
        match &spec.onlyif {
            Some(line) => Ok(!succeeds(line)?),
            None => Ok(false),
        }
    }
}

impl Resource for Exec {
    type Spec = ExecSpec;
    type State = ExecState;

    const OPAQUE: bool = true;

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(&self, _: &Operation, args: &Args, _: &dyn Sources) -> Result<Vec<Wish<ExecSpec>>, ArgError> {
        let text = |name: &str| args.text(name).map(str::to_owned);
        let list = args.value("argv").and_then(Value::as_array);
        let argv: Vec<String> = list
            .map(|l| l.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let command = match (text("command"), argv.is_empty()) {
            (Some(command), _) => command,
            (None, false) => argv.join(" "),
            (None, true) => return Err(ArgError::about("command", "`command` is missing")),
        };
        let setting = Setting::from_args(args);
        let spec = ExecSpec {
            argv,
            setting: (setting != Setting::default()).then_some(setting),
            stdin: text("stdin"),
            creates: text("creates"),
            removes: text("removes"),
            unless: text("unless"),
            onlyif: text("onlyif"),
            done: false,
            command: Some(command.clone()),
        };
        if [&spec.creates, &spec.removes, &spec.unless, &spec.onlyif].iter().all(|g| g.is_none()) {
            return Err(ArgError { param: None, message: "the command has no guard".to_owned(), hint: None }
                .hint("give `creates`, `removes`, `unless` or `onlyif`"));
        }
        Ok(vec![Wish { id: text("name").unwrap_or(command), spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        _: &str,
        spec: Option<&ExecSpec>,
        _: Option<&ExecState>,
    ) -> Result<Option<ExecState>, ProbeError> {
        // Without a wish there is no guard, and nothing that could be there.
        let Some(spec) = spec else { return Ok(None) };
        let done = if spec.command.is_some() { Self::done(os, spec)? } else { spec.done };
        Ok(done.then_some(DONE))
    }
    fn managed(&self, _: &ExecSpec) -> Vec<&'static str> {
        vec!["done"]
    }
    fn diff(&self, spec: &ExecSpec, live: Option<&ExecState>) -> Diff {
        let mut diff = Diff::none();
        if spec.command.is_some() && live.is_none() {
            diff.compare("done", None, Some(Value::Bool(true)));
        } else if spec.command.is_none() && !spec.done && live.is_some() {
            diff.compare(PRESENCE, Some(Value::Bool(true)), None);
        }
        diff
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &ExecSpec,
        live: Option<&ExecState>,
    ) -> Result<Option<ExecState>, ApplyError> {
        let Some(line) = &spec.command else { return Ok(spec.done.then_some(DONE)) };
        if live.is_some() {
            return Ok(Some(DONE));
        }
        let setting = spec.setting.clone().unwrap_or_default();
        let command =
            Command { argv: spec.argv.clone(), stdin: spec.stdin.clone(), ..setting.shell(line, false) };
        if work.os.rehearsing() {
            // Refuses, and remembers that something would have run here.
            let _ = work.os.run(&command, work.watch);
            return Ok(Some(DONE));
        }
        let output = work.os.run(&command, work.watch)?;
        if output.success() {
            return Ok(Some(DONE));
        }
        Err(ApplyError::Failed {
            what: format!("running `{id}`"),
            why: said(&output),
            changed: "whatever the command did before it failed".to_owned(),
        })
    }
    fn delete(&self, _: &Work<'_>, _: &str, _: Option<&ExecState>) -> Result<Option<ExecState>, ApplyError> {
        Ok(None)
    }
    fn wish_for(&self, _: &str, state: Option<&ExecState>) -> (ExecSpec, Vec<Digest>) {
        (ExecSpec { done: state.is_some(), ..ExecSpec::default() }, Vec::new())
    }
}
