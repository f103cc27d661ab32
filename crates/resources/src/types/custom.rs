//! A resource made of three commands: how to look, how to bring it about, how to remove it.
//!
//! The probe ends with 0 and prints the state, as JSON or as text, when the resource is there; it ends with 1, or prints
//! nothing, when it is not. Any other end means that it cannot be told. The other two commands read the live state as
//! JSON from their standard input. The commands are part of the state, because they are what it takes to remove it.

use serde::{Deserialize, Serialize};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::exec::{CWD, ENV, Setting, TIMEOUT, USER, said};
use crate::os::{Look, OsError};
use crate::resource::{Resource, Wish, Work};

/// The type `custom`.
pub struct Custom;

/// The three commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// How to look. Missing when it is a function of the program, which this machine cannot call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// How to bring it about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<String>,
    /// How to remove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
    /// How to start them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<Setting>,
}

/// A wish for a custom resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomSpec {
    /// The commands.
    pub commands: Commands,
    /// What the probe shall print; anything when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
}

/// A custom resource that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomState {
    /// What the probe printed.
    pub value: Value,
    /// The commands.
    pub commands: Commands,
}

const KIND: Kind = Kind {
    name: "custom",
    doc: "A resource made of a probe, a way to bring it about and a way to remove it",
    attributes: &[
        Attribute {
            name: "commands",
            ty: ParamType::Any,
            secret: false,
            fixed: false,
            doc: "What it takes to look, to bring about, to remove",
        },
        Attribute {
            name: "value",
            ty: ParamType::Any,
            secret: false,
            fixed: false,
            doc: "What the probe found",
        },
    ],
    checkable: true,
};

const OPERATIONS: &[Operation] = &[Operation {
    module: "custom",
    name: "resource",
    aliases: &["define"],
    kind: "custom",
    params: &[
        Param::new("apply", ParamType::TextOrFunction, "Brings it about")
            .required()
            .or(&["create", "ensure"]),
        CWD,
        Param::new("delete", ParamType::TextOrFunction, "Removes it").or(&["absent", "destroy", "remove"]),
        ENV,
        Param::new("expect", ParamType::Any, "What the probe shall find; anything when it is left out")
            .or(&["want"]),
        Param::new("name", ParamType::Text, "Its id").required().or(&["id"]),
        Param::new("probe", ParamType::TextOrFunction, "Looks, and tells what is there")
            .required()
            .or(&["check", "observe", "read"]),
        TIMEOUT,
        USER,
    ],
    positional: &["name"],
    doc: "Makes a resource of your own: how to look at it, bring it about and remove it",
    example: "custom.resource{name = \"swap\", probe = \"swapon --show --noheadings\", apply = \"swapon -a\", delete = \"swapoff -a\"}",
}];

fn probe(os: &dyn Look, id: &str, commands: &Commands) -> Result<Option<CustomState>, ProbeError> {
    let Some(line) = &commands.probe else {
        return Err(ProbeError::new(format!("`{id}`"), "its probe is a function of the program"));
    };
    let output = os.query(&commands.setting.clone().unwrap_or_default().shell(line, true))?;
    match (output.exit_code, output.timed_out) {
        (0, false) if output.stdout.trim().is_empty() => Ok(None),
        (0, false) => {
            let text = output.stdout.trim_end_matches('\n');
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
            Ok(Some(CustomState { value, commands: commands.clone() }))
        }
        (1, false) => Ok(None),
        _ => Err(ProbeError::new(format!("`{id}` with `{line}`"), said(&output))),
    }
}

fn run(
    work: &Work<'_>,
    commands: &Commands,
    line: &str,
    live: Option<&CustomState>,
) -> Result<(), ApplyError> {
    let mut command = commands.setting.clone().unwrap_or_default().shell(line, false);
    command.stdin = Some(live.map_or_else(|| "null".to_owned(), |l| l.value.to_string()));
    let output = match work.os.run(&command, work.watch) {
        Err(OsError::Refused { .. }) if work.os.rehearsing() => return Ok(()),
        other => other?,
    };
    if output.success() {
        return Ok(());
    }
    Err(ApplyError::Failed {
        what: format!("running `{line}`"),
        why: said(&output),
        changed: "whatever the command did before it failed".to_owned(),
    })
}

impl Resource for Custom {
    type Spec = CustomSpec;
    type State = CustomState;

    const OPAQUE: bool = true;

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(
        &self,
        _: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Wish<CustomSpec>>, ArgError> {
        let text = |name: &str| args.text(name).map(str::to_owned);
        let id = text("name").ok_or_else(|| ArgError::about("name", "`name` is missing"))?;
        let given = ["probe", "apply", "delete"].map(|p| args.has(p) && text(p).is_none());
        if given.iter().any(|function| *function)
            && ["probe", "apply", "delete"].iter().any(|p| text(p).is_some())
        {
            return Err(ArgError::about("probe", "commands and functions cannot be mixed"));
        }
        let setting = Setting::from_args(args);
        let commands = Commands {
            probe: text("probe"),
            apply: text("apply"),
            delete: text("delete"),
            setting: (setting != Setting::default()).then_some(setting),
        };
        let spec = CustomSpec { commands, expect: args.value("expect").cloned(), present: true };
        Ok(vec![Wish { id, spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&CustomSpec>,
        recorded: Option<&CustomState>,
    ) -> Result<Option<CustomState>, ProbeError> {
        match (spec.map(|s| &s.commands), recorded.map(|r| &r.commands)) {
            (Some(commands), _) if commands.probe.is_some() || spec.is_some_and(|s| s.present) => {
                probe(os, id, commands)
            }
            (_, Some(commands)) => probe(os, id, commands),
            // A wish for absence that knows no probe, because nothing was ever there.
            (Some(_), None) => Ok(None),
            (None, None) => {
                Err(ProbeError::new(format!("`{id}`"), "nothing is known about how to look at it"))
            }
        }
    }
    fn managed(&self, spec: &CustomSpec) -> Vec<&'static str> {
        if spec.expect.is_some() { vec!["value"] } else { Vec::new() }
    }
    fn diff(&self, spec: &CustomSpec, live: Option<&CustomState>) -> Diff {
        let mut diff = Diff::none();
        match (spec.present, live) {
            (false, None) => {}
            (false, Some(live)) => diff.compare(PRESENCE, Some(live.value.clone()), None),
            (true, None) => {
                diff.compare(PRESENCE, None, Some(spec.expect.clone().unwrap_or(Value::Bool(true))));
            }
            (true, Some(live)) => {
                if let Some(expect) = &spec.expect {
                    diff.compare("value", Some(live.value.clone()), Some(expect.clone()));
                }
            }
        }
        diff
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &CustomSpec,
        live: Option<&CustomState>,
    ) -> Result<Option<CustomState>, ApplyError> {
        if !spec.present {
            return self.delete(work, id, live);
        }
        if live.is_some() && self.diff(spec, live).is_empty() {
            return Ok(live.cloned());
        }
        let Some(line) = &spec.commands.apply else {
            return Err(ApplyError::failed(format!("bringing `{id}` about"), "it has no `apply` command"));
        };
        run(work, &spec.commands, line, live)?;
        if work.os.rehearsing() {
            let value = spec.expect.clone().unwrap_or(Value::Null);
            return Ok(Some(CustomState { value, commands: spec.commands.clone() }));
        }
        let failed = |why: String| ApplyError::Failed {
            what: format!("bringing `{id}` about"),
            why,
            changed: format!("`{line}` ran"),
        };
        let now = probe(work.os, id, &spec.commands)?
            .ok_or_else(|| failed("the probe does not find it afterwards".to_owned()))?;
        match &spec.expect {
            Some(expect) if *expect != now.value => {
                Err(failed(format!("the probe finds {} afterwards, not {expect}", now.value)))
            }
            _ => Ok(Some(now)),
        }
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&CustomState>,
    ) -> Result<Option<CustomState>, ApplyError> {
        let Some(live) = live else { return Ok(None) };
        if !work.os.rehearsing() && probe(work.os, id, &live.commands)?.is_none() {
            return Ok(None);
        }
        let Some(line) = &live.commands.delete else {
            let why = "it has no `delete` command; `keep = true` only forgets it";
            return Err(ApplyError::failed(format!("removing `{id}`"), why));
        };
        run(work, &live.commands, line, Some(live))?;
        if !work.os.rehearsing() && probe(work.os, id, &live.commands)?.is_some() {
            return Err(ApplyError::Failed {
                what: format!("removing `{id}`"),
                why: "the probe still finds it afterwards".to_owned(),
                changed: format!("`{line}` ran"),
            });
        }
        Ok(None)
    }
    fn wish_for(&self, _: &str, state: Option<&CustomState>) -> (CustomSpec, Vec<Digest>) {
        let spec = CustomSpec {
            commands: state.map(|s| s.commands.clone()).unwrap_or_default(),
            expect: state.map(|s| s.value.clone()),
            present: state.is_some(),
        };
        (spec, Vec::new())
    }
}
