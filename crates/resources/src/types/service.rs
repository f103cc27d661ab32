//! A unit of systemd: does it run, does it start with the system, may it be started at all?
//!
//! Only what is wished for is looked at and changed. Whether a unit is enabled or masked can be told and changed without a
//! running systemd, as in an image that is being built; whether it runs cannot, and then that is what is said. The unit's
//! file is not this type's business: it belongs to a package, or is a `file`.

use serde::{Deserialize, Serialize};
use sloth_core::command::{Command, CommandOutput};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::args;
use super::exec::said;
use crate::facts::systemd::{self, Enabled};
use crate::os::Look;
use crate::resource::{Resource, Wish, Work};

/// The type `service`.
pub struct Service;

/// What a unit shall be; also what it is, as far as somebody asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceState {
    /// Does it start with the system?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Can it not be started at all?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<bool>,
    /// Does it run?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
}

impl ServiceState {
    /// Its attributes, in the order of the alphabet.
    fn attributes(&self) -> [(&'static str, Option<bool>); 3] {
        [("enabled", self.enabled), ("masked", self.masked), ("running", self.running)]
    }
    /// Would a unit that is not there do?
    fn wants_nothing(&self) -> bool {
        self.attributes().iter().all(|(_, wish)| *wish != Some(true))
    }
}

const KIND: Kind = Kind {
    name: "service",
    doc: "A unit of systemd",
    attributes: &[
        args::attribute("enabled", ParamType::Bool, "Does it start with the system?"),
        args::attribute("masked", ParamType::Bool, "Can it not be started at all?"),
        args::attribute("running", ParamType::Bool, "Does it run?"),
    ],
    checkable: true,
};

const NAME: Param = Param::new("name", ParamType::Text, "The unit; `.service` when it says no sort")
    .required()
    .or(&["service", "unit"]);

const fn simple(
    name: &'static str,
    aliases: &'static [&'static str],
    doc: &'static str,
    example: &'static str,
) -> Operation {
    Operation {
        module: "systemd",
        name,
        aliases,
        kind: "service",
        params: &[NAME],
        positional: &["name"],
        doc,
        example,
    }
}

const OPERATIONS: &[Operation] = &[
    simple(
        "disable",
        &[],
        "Makes sure that a unit does not start with the system",
        "systemd.disable(\"nginx\")",
    ),
    simple("enable", &[], "Makes sure that a unit starts with the system", "systemd.enable(\"nginx\")"),
    Operation {
        module: "systemd",
        name: "ensure",
        aliases: &["service"],
        kind: "service",
        params: &[
            Param::new("enabled", ParamType::Bool, "Shall it start with the system?").or(&["enable"]),
            Param::new("masked", ParamType::Bool, "Shall it be impossible to start?"),
            NAME,
            Param::new("state", ParamType::Enum(&["running", "started", "stopped"]), "Shall it run?"),
        ],
        positional: &["name"],
        doc: "Makes sure that a unit runs or not, and starts with the system or not",
        example: "systemd.ensure{name = \"nginx\", state = \"started\", enabled = true}",
    },
    simple("mask", &[], "Makes sure that a unit cannot be started", "systemd.mask(\"apt-daily.timer\")"),
    simple("start", &[], "Makes sure that a unit runs", "systemd.start(\"nginx\")"),
    simple("stop", &[], "Makes sure that a unit does not run", "systemd.stop(\"nginx\")"),
    simple("unmask", &[], "Makes sure that a unit can be started", "systemd.unmask(\"nginx\")"),
];

const FIXED: &str =
    "nothing in the unit says when it would be started, so it can neither be enabled nor disabled";

fn systemctl(words: &[&str], unit: &str, read_only: bool) -> Command {
    let mut argv = vec!["systemctl", "--no-pager"];
    argv.extend(words);
    argv.extend(["--", unit]);
    let env = [("LC_ALL".to_owned(), "C".to_owned())].into();
    Command { env, read_only, ..Command::argv(&argv) }
}

/// The unit an id is about: what is before the `#`.
fn unit_of(id: &str) -> &str {
    id.split('#').next().unwrap_or(id)
}

/// Is there a systemd that does not run, or none at all?
fn not_running(output: &CommandOutput) -> bool {
    ["not been booted with systemd", "Failed to connect to bus"]
        .iter()
        .any(|words| output.stderr.contains(words))
}

impl Service {
    /// What is true of a unit, as far as `about` has it; `None` when there is no such unit.
    fn find(os: &dyn Look, unit: &str, about: &ServiceState) -> Result<Option<ServiceState>, ProbeError> {
        let what = || format!("service `{unit}`");
        if about.running.is_none() {
            return Ok(Self::seen(about, Self::file(os, unit)?, None));
        }
        let words = ["show", "--property=LoadState,ActiveState,UnitFileState"];
        let output = os.query(&systemctl(&words, unit, true))?;
        if not_running(&output) || output.exit_code == 127 {
            let why = "systemd does not run on this host, so it cannot be told whether a unit does";
            return Err(ProbeError::new(what(), why));
        }
        if !output.success() {
            return Err(ProbeError::new(what(), said(&output)));
        }
        let said = systemd::properties(&output.stdout);
        let get = |name: &str| said.get(name).copied().unwrap_or_default();
        let loaded = get("LoadState");
        let found = match loaded {
            "masked" => Enabled::Masked,
            "not-found" => Enabled::Missing,
            // Units that were made on the fly have no file.
            _ if get("UnitFileState").is_empty() => Enabled::Fixed,
            _ => Enabled::from_word(get("UnitFileState")),
        };
        let running = matches!(get("ActiveState"), "active" | "activating" | "reloading");
        Ok(Self::seen(about, found, Some(running)))
    }

    /// What systemd makes of the unit's file, whether it runs or not.
    fn file(os: &dyn Look, unit: &str) -> Result<Enabled, ProbeError> {
        let output = os.query(&systemctl(&["is-enabled"], unit, true))?;
        let what = || format!("service `{unit}`");
        if output.exit_code == 127 {
            return Err(ProbeError::new(what(), "there is no `systemctl` on this host"));
        }
        let missing = output.stderr.contains("No such file or directory");
        let found = Enabled::from_word(&output.stdout);
        if found == Enabled::Missing && !missing && !output.success() && !output.stderr.is_empty() {
            return Err(ProbeError::new(what(), said(&output)));
        }
        Ok(found)
    }

    fn seen(about: &ServiceState, found: Enabled, running: Option<bool>) -> Option<ServiceState> {
        (found != Enabled::Missing || running == Some(true)).then(|| ServiceState {
            enabled: about.enabled.map(|_| matches!(found, Enabled::Yes | Enabled::Fixed)),
            masked: about.masked.map(|_| found == Enabled::Masked),
            running: about.running.and(running),
        })
    }

    fn run(work: &Work<'_>, words: &[&str], unit: &str) -> Result<(), ApplyError> {
        let output = work.os.run(&systemctl(words, unit, false), work.watch)?;
        if output.success() {
            return Ok(());
        }
        Err(Self::failed(work, words, unit, &said(&output)))
    }

    /// A failure, with the last words of the unit.
    fn failed(work: &Work<'_>, words: &[&str], unit: &str, why: &str) -> ApplyError {
        let argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=10", "--unit", unit];
        let journal = work.os.query(&Command { read_only: true, ..Command::argv(&argv) });
        let last = journal.map(|o| o.stdout.trim().to_owned()).unwrap_or_default();
        let why = if last.is_empty() { why.to_owned() } else { format!("{why}\nits last words:\n{last}") };
        ApplyError::failed(format!("`systemctl {}` of `{unit}`", words.join(" ")), why)
    }
}

impl Resource for Service {
    type Spec = ServiceState;
    type State = ServiceState;

    const OPAQUE: bool = true;

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(
        &self,
        op: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Wish<ServiceState>>, ArgError> {
        let name = args.text("name").unwrap_or_default().trim();
        if !systemd::is_name(name) {
            return Err(ArgError::about("name", format!("no unit can be called `{name}`"))
                .hint("letters, digits, `:`, `-`, `_`, `.`, `@` and `\\`; patterns are not taken"));
        }
        let unit = systemd::unit(name);
        let mut spec = ServiceState::default();
        // What is said with one word is a resource of its own, so that a file may say `start` and `enable`.
        let part = match op.name {
            "start" | "stop" => {
                spec.running = Some(op.name == "start");
                "#running"
            }
            "enable" | "disable" => {
                spec.enabled = Some(op.name == "enable");
                "#enabled"
            }
            "mask" | "unmask" => {
                spec.masked = Some(op.name == "mask");
                "#masked"
            }
            _ => {
                spec = ServiceState {
                    enabled: args.value("enabled").and_then(Value::as_bool),
                    masked: args.value("masked").and_then(Value::as_bool),
                    running: args.text("state").map(|state| state != "stopped"),
                };
                ""
            }
        };
        if spec == ServiceState::default() {
            return Err(ArgError { param: None, message: "nothing is wished for".to_owned(), hint: None }
                .hint("give `state`, `enabled` or `masked`"));
        }
        if spec.masked == Some(true) && (spec.running == Some(true) || spec.enabled == Some(true)) {
            return Err(ArgError::about(
                "masked",
                "a unit that cannot be started neither runs nor is enabled",
            ));
        }
        Ok(vec![Wish { id: format!("{unit}{part}"), spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&ServiceState>,
        recorded: Option<&ServiceState>,
    ) -> Result<Option<ServiceState>, ProbeError> {
        let of_id = match id.split_once('#').map(|(_, part)| part) {
            Some("running") => ServiceState { running: Some(true), ..ServiceState::default() },
            Some("masked") => ServiceState { masked: Some(true), ..ServiceState::default() },
            _ => ServiceState { enabled: Some(true), ..ServiceState::default() },
        };
        // A wish for nothing is one for its absence, and then what was recorded is what matters.
        let about = spec.filter(|s| **s != ServiceState::default()).or(recorded).unwrap_or(&of_id);
        Self::find(os, unit_of(id), about)
    }
    fn managed(&self, spec: &ServiceState) -> Vec<&'static str> {
        spec.attributes().iter().filter(|(_, wish)| wish.is_some()).map(|(name, _)| *name).collect()
    }
    fn diff(&self, spec: &ServiceState, live: Option<&ServiceState>) -> Diff {
        let mut diff = Diff::none();
        let Some(live) = live else {
            if !spec.wants_nothing() {
                diff.compare(PRESENCE, None, Some(Value::Bool(true)));
            }
            return diff;
        };
        if *spec == ServiceState::default() {
            // Its absence: neither running nor enabled.
            if !live.wants_nothing() {
                diff.compare(PRESENCE, Some(Value::Bool(true)), None);
            }
            return diff;
        }
        for ((name, wish), (_, there)) in spec.attributes().into_iter().zip(live.attributes()) {
            if let Some(wish) = wish {
                diff.compare(name, there.map(Value::Bool), Some(Value::Bool(wish)));
            }
        }
        diff
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &ServiceState,
        live: Option<&ServiceState>,
    ) -> Result<Option<ServiceState>, ApplyError> {
        let unit = unit_of(id);
        if *spec == ServiceState::default() {
            return self.delete(work, id, live);
        }
        if work.os.rehearsing() {
            // A unit that is missing may come with a package until then.
            return match (spec.enabled, Self::file(work.os, unit)?) {
                (Some(true), Enabled::Masked) if spec.masked != Some(false) => {
                    Err(Self::failed(work, &["enable"], unit, "it is masked"))
                }
                (Some(false), Enabled::Fixed) => Err(Self::failed(work, &["disable"], unit, FIXED)),
                _ => Ok(Some(spec.clone())),
            };
        }
        let now = self.observe(work.os, id, Some(spec), None)?;
        if now.as_ref() != live {
            return Err(ApplyError::Moved(format!("service `{unit}`")));
        }
        let differs = |name: &str| {
            let of = |state: &ServiceState| {
                state.attributes().iter().find(|(n, _)| *n == name).and_then(|(_, v)| *v)
            };
            of(spec).filter(|wish| now.as_ref().and_then(of) != Some(*wish))
        };
        if now.is_none() && spec.wants_nothing() {
            return Ok(None);
        }
        if let Some(false) = differs("masked") {
            Self::run(work, &["unmask"], unit)?;
        }
        if let Some(enabled) = differs("enabled") {
            Self::run(work, &[if enabled { "enable" } else { "disable" }], unit)?;
        }
        if let Some(running) = differs("running") {
            if running {
                // systemd goes by what it has read; a file that changed since has to be read again first.
                let output =
                    work.os.query(&systemctl(&["show", "--property=NeedDaemonReload"], unit, true))?;
                if systemd::properties(&output.stdout).get("NeedDaemonReload") == Some(&"yes") {
                    let argv = Command::argv(&["systemctl", "daemon-reload"]);
                    let output = work.os.run(&argv, work.watch)?;
                    if !output.success() {
                        return Err(Self::failed(work, &["daemon-reload"], unit, &said(&output)));
                    }
                }
            }
            Self::run(work, &[if running { "start" } else { "stop" }], unit)?;
        }
        if let Some(true) = differs("masked") {
            Self::run(work, &["mask"], unit)?;
        }
        let after = self.observe(work.os, id, Some(spec), None)?;
        match self.diff(spec, after.as_ref()).names().first().map(String::as_str) {
            None => Ok(after),
            Some("enabled") => Err(Self::failed(work, &["is-enabled"], unit, FIXED)),
            Some(_) => Err(Self::failed(work, &["start"], unit, "it did not stay as it was asked to be")),
        }
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&ServiceState>,
    ) -> Result<Option<ServiceState>, ApplyError> {
        let (unit, Some(live)) = (unit_of(id), live) else { return Ok(None) };
        if work.os.rehearsing() {
            return Ok(None);
        }
        let Some(now) = Self::find(work.os, unit, live)? else { return Ok(None) };
        for (there, verb) in [(now.running, "stop"), (now.enabled, "disable"), (now.masked, "unmask")] {
            if there == Some(true) {
                Self::run(work, &[verb], unit)?;
            }
        }
        if Self::find(work.os, unit, live)?.as_ref() != Some(&now) {
            return Ok(None);
        }
        work.note(format!("unit `{unit}` is left as it is: there was nothing to stop or to disable"));
        Ok(Some(now))
    }
    fn wish_for(&self, _: &str, state: Option<&ServiceState>) -> (ServiceState, Vec<Digest>) {
        (state.cloned().unwrap_or_default(), Vec::new())
    }
}
