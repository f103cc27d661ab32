//! A package of the system's package manager.
//!
//! What is there is read from the manager's own database. Whatever one call wishes for happens in one transaction, which
//! is tried out first: what the manager would do beyond the wish is shown, and packages nobody named are not removed.

mod apt;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use sloth_core::command::Command;
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::args;
use super::exec::said;
use crate::os::Look;
use crate::resource::{Item, Resource, Wish, Work, apply_alone};

/// The type `package`.
pub struct Package;

/// A wish for a package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSpec {
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
    /// Which version: all of it, its beginning with a `*`, or `>=` and the oldest one that will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Shall it be the newest one that is offered?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latest: bool,
    /// Shall upgrades pass it over?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
    /// Does its configuration go with it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub purge: bool,
    /// May packages go that nobody named, because they need it or are in its way?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dependents: bool,
    /// Do packages come along that it only recommends? As the system is configured when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommends: Option<bool>,
    /// Before something is installed: ask what is offered when the lists are older than so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<u64>,
}

/// A package that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageState {
    /// Its version.
    pub version: String,
    /// Do upgrades pass it over?
    pub hold: bool,
    /// The newest version on offer, when that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
}

/// One family of package managers.
trait Manager: Sync {
    /// A file that tells that a machine has it.
    fn database(&self) -> &'static str;
    /// Can a package be called so?
    fn is_name(&self, id: &str) -> bool;
    /// Which of two versions is newer?
    fn compare(&self, a: &str, b: &str) -> Ordering;
    /// What is there, on a machine that has it; `newest` asks for the newest version on offer, too.
    fn find(&self, os: &dyn Look, id: &str, newest: bool) -> Result<Found, ProbeError>;
    /// Commands that finish what was interrupted earlier, when something was.
    fn mend(&self, os: &dyn Look) -> Result<Option<Command>, ProbeError>;
    /// The command that asks what is offered, when the lists are older than so many seconds.
    fn refresh(&self, os: &dyn Look, seconds: u64) -> Result<Option<Command>, ProbeError>;
    /// What a transaction would do.
    fn forecast(&self, os: &dyn Look, deal: &Deal<'_>) -> Result<Forecast, ApplyError>;
    /// The command of a transaction.
    fn command(&self, deal: &Deal<'_>) -> Command;
    /// The command that puts packages on hold, or takes them off.
    fn hold(&self, ids: &[&str], hold: bool) -> Command;
}

/// What is known of a package; the outer `None` where another family's machine is looked at.
type Found = Option<Option<PackageState>>;

/// A transaction: one of installing and removing.
struct Deal<'a> {
    /// Names, and for those to install which version.
    packages: Vec<(&'a str, Option<&'a str>)>,
    /// Remove them?
    remove: bool,
    purge: bool,
    recommends: Option<bool>,
    /// A hold is part of the wish, so it is no reason to refuse.
    change_held: bool,
}

/// What a transaction would do.
struct Forecast {
    versions: Vec<Option<String>>,
    /// What goes without having been named.
    also_removes: Vec<String>,
    /// How many come without having been named.
    also_installs: Vec<String>,
}

static MANAGERS: &[&dyn Manager] = &[&apt::Apt];

/// Whose machine it is, and what is there; `newest` asks for the newest version on offer, too.
fn found(
    os: &dyn Look,
    id: &str,
    newest: bool,
) -> Result<(&'static dyn Manager, Option<PackageState>), ProbeError> {
    for manager in MANAGERS {
        if let Some(state) = manager.find(os, id, newest)? {
            return Ok((*manager, state));
        }
    }
    let looked: Vec<String> = MANAGERS.iter().map(|m| format!("`{}`", m.database())).collect();
    Err(ProbeError::new(
        format!("package `{id}`"),
        format!("this host has no package manager that is known here ({} is not there)", looked.join(", ")),
    ))
}

const KIND: Kind = Kind {
    name: "package",
    doc: "A package of the system's package manager",
    attributes: &[
        args::attribute("hold", ParamType::Bool, "Do upgrades pass it over?"),
        args::attribute(
            "newest",
            ParamType::Text,
            "The newest version on offer, when the newest one is wished for",
        ),
        args::attribute("version", ParamType::Text, "Its version"),
    ],
    checkable: true,
};

const NAMES: Param =
    Param::new("packages", ParamType::List, "Name, or list of names; `name=version` is taken, too")
        .required()
        .or(&["name", "names", "package", "pkg"]);
const DEPENDENTS: Param = Param::new(
    "dependents",
    ParamType::Bool,
    "Let packages go that nobody named, because they need it or are in its way",
);
const PURGE: Param = Param::new("purge", ParamType::Bool, "Remove its configuration files, too");

const OPERATIONS: &[Operation] = &[
    Operation {
        module: "pkg",
        name: "install",
        aliases: &["add", "ensure", "present"],
        kind: "package",
        params: &[
            Param::new(
                "cache_valid_time",
                ParamType::Duration,
                "Ask what is offered before installing when the lists are older than this",
            ),
            DEPENDENTS,
            Param::new("hold", ParamType::Bool, "Have upgrades pass it over"),
            NAMES,
            PURGE,
            Param::new("recommends", ParamType::Bool, "Install what it only recommends, too")
                .or(&["install_recommends"]),
            Param::new(
                "refresh",
                ParamType::Bool,
                "Ask what is offered before installing; not more than once an hour",
            )
            .or(&["update_cache"]),
            Param::new(
                "state",
                ParamType::Enum(&["absent", "installed", "latest", "present", "purged", "removed"]),
                "Shall it be there, or be the newest one on offer?",
            ),
            Param::new(
                "version",
                ParamType::Text,
                "A version, the beginning of one with `*`, or `>=` and the oldest",
            ),
        ],
        positional: &["packages"],
        doc: "Makes sure that packages are installed, all of them in one transaction",
        example: "pkg.install{packages = {\"nginx\", \"curl\"}, refresh = true}",
    },
    Operation {
        module: "pkg",
        name: "remove",
        aliases: &["absent", "uninstall"],
        kind: "package",
        params: &[DEPENDENTS, NAMES, PURGE],
        positional: &["packages"],
        doc: "Makes sure that packages are not installed",
        example: "pkg.remove{packages = \"apache2\", purge = true}",
    },
];

/// Is a version what was asked for?
fn satisfies(manager: &dyn Manager, wish: &str, version: &str) -> bool {
    if let Some(oldest) = wish.strip_prefix(">=") {
        return manager.compare(version, oldest.trim()) != Ordering::Less;
    }
    match wish.strip_suffix('*') {
        Some(beginning) => version.starts_with(beginning),
        None => version == wish,
    }
}

/// The manager whose rules compare versions of a state that was read already. There is one so far.
fn rules() -> &'static dyn Manager {
    MANAGERS[0]
}

/// Is there something newer?
fn outdated(state: &PackageState) -> Option<&str> {
    let newest = state.newest.as_deref()?;
    (rules().compare(newest, &state.version) == Ordering::Greater).then_some(newest)
}

fn one(name: &str, spec: &PackageSpec) -> Result<Wish<PackageSpec>, ArgError> {
    let (id, version) = match name.split_once('=') {
        Some((id, version)) => (id, Some(version.to_owned())),
        None => (name, spec.version.clone()),
    };
    if !MANAGERS.iter().any(|m| m.is_name(id)) {
        return Err(ArgError::about("packages", format!("no package can be called `{id}`")).hint(
            "lower-case letters, digits, `+`, `-` and `.`; `name=version` or `version` for a version",
        ));
    }
    let bad = |v: &String| {
        let number = v.strip_prefix(">=").unwrap_or(v).trim_start();
        number.is_empty() || number.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
    };
    if let Some(version) = version.as_ref().filter(|v| bad(v)) {
        return Err(ArgError::about("version", format!("`{version}` is not a version")));
    }
    Ok(Wish { id: id.to_owned(), spec: PackageSpec { version, ..spec.clone() }, blobs: Vec::new() })
}

/// A wish that is part of a transaction.
struct Part<'a, 'i> {
    at: usize,
    item: &'i Item<'a, PackageSpec, PackageState>,
}

fn failed(what: &str, ids: &[&str], why: impl std::fmt::Display) -> ApplyError {
    ApplyError::failed(format!("{what} {}", ids.join(", ")), why)
}

impl Package {
    fn state(
        os: &dyn Look,
        id: &str,
        spec: Option<&PackageSpec>,
    ) -> Result<Option<PackageState>, ProbeError> {
        Ok(found(os, id, spec.is_some_and(|s| s.present && s.latest))?.1)
    }

    /// One command of a transaction.
    fn run(work: &Work<'_>, what: &str, ids: &[&str], command: &Command) -> Result<(), ApplyError> {
        let output = work.os.run(command, work.watch)?;
        if output.success() {
            return Ok(());
        }
        Err(ApplyError::Failed {
            what: format!("{what} {}", ids.join(", ")),
            why: said(&output),
            changed: "what the package manager did before it failed".to_owned(),
        })
    }

    /// Tries a transaction out, and carries it out unless this is a rehearsal.
    fn deal(
        manager: &dyn Manager,
        work: &Work<'_>,
        parts: &[Part<'_, '_>],
        remove: bool,
    ) -> Result<Vec<Option<String>>, ApplyError> {
        let Some(first) = parts.first() else { return Ok(Vec::new()) };
        let spec = first.item.spec;
        let ids: Vec<&str> = parts.iter().map(|p| p.item.id).collect();
        let what = if remove { "removing" } else { "installing" };
        let deal = Deal {
            packages: parts.iter().map(|p| (p.item.id, p.item.spec.version.as_deref())).collect(),
            remove,
            purge: spec.purge,
            recommends: spec.recommends,
            change_held: spec.hold.is_some(),
        };
        let rehearsing = work.os.rehearsing();
        if let Some(command) = manager.mend(work.os)? {
            if !rehearsing {
                Self::run(work, "finishing what was interrupted, before", &ids, &command)?;
            }
            work.note("an earlier attempt of the package manager was interrupted and is finished first");
        }
        let mut stale = false;
        if let Some(seconds) = spec.refresh.filter(|_| !remove)
            && let Some(command) = manager.refresh(work.os, seconds)?
        {
            stale = rehearsing;
            if !rehearsing {
                Self::run(work, "asking what is offered, before installing", &ids, &command)?;
            }
        }
        let forecast = match manager.forecast(work.os, &deal) {
            // What the lists will offer once they are fresh cannot be told now.
            Err(error) if stale => {
                work.note(format!("what will happen is known once the lists are fresh; now: {error}"));
                return Ok(vec![None; parts.len()]);
            }
            other => other?,
        };
        if !forecast.also_removes.is_empty() && !spec.dependents {
            let others = forecast.also_removes.join(", ");
            return Err(failed(
                what,
                &ids,
                format!("{others} would be removed, too; say `dependents = true` to allow that"),
            ));
        }
        for (part, version) in parts.iter().zip(&forecast.versions).filter(|_| !remove) {
            let there = version.as_deref().or(part.item.live.map(|l| l.version.as_str()));
            if let (Some(wish), Some(there)) = (part.item.spec.version.as_deref(), there)
                && !satisfies(manager, wish, there)
            {
                return Err(failed(
                    what,
                    &[part.item.id],
                    format!("{wish} is wished for and {there} is on offer"),
                ));
            }
        }
        for (list, how) in [(&forecast.also_removes, "goes"), (&forecast.also_installs, "comes")] {
            if !list.is_empty() {
                work.note(format!("{how} along: {}", list.join(", ")));
            }
        }
        if !rehearsing {
            Self::run(work, what, &ids, &manager.command(&deal))?;
        }
        Ok(forecast.versions)
    }

    /// Everything one call wished for. Says what the versions will be, for a rehearsal.
    fn all(
        manager: &dyn Manager,
        parts: &[Part<'_, '_>],
    ) -> Result<Vec<(usize, Option<String>)>, ApplyError> {
        let Some(work) = parts.first().map(|p| p.item.work) else { return Ok(Vec::new()) };
        let (mut install, mut remove) = (Vec::new(), Vec::new());
        let mut holds = [Vec::new(), Vec::new()];
        for Part { at, item } in parts {
            let spec = item.spec;
            let part = Part { at: *at, item };
            if !spec.present {
                if item.live.is_some() {
                    remove.push(part);
                }
                continue;
            }
            let fits = |live: &PackageState| {
                spec.version.as_deref().is_none_or(|wish| satisfies(manager, wish, &live.version))
                    && !(spec.latest && outdated(live).is_some())
            };
            if !item.live.is_some_and(fits) {
                install.push(part);
            }
            if let Some(hold) = spec.hold
                && item.live.is_some_and(|l| l.hold) != hold
            {
                holds[usize::from(hold)].push(item.id);
            }
        }
        let versions = Self::deal(manager, work, &install, false)?;
        Self::deal(manager, work, &remove, true)?;
        for (ids, hold) in holds.iter().zip([false, true]).filter(|(ids, _)| !ids.is_empty()) {
            if !work.os.rehearsing() {
                let what = if hold { "putting on hold" } else { "taking off hold" };
                Self::run(work, what, ids, &manager.hold(ids, hold))?;
            }
        }
        Ok(install.iter().map(|p| p.at).zip(versions).collect())
    }

    /// What a rehearsal says will be there.
    fn predicted(
        item: &Item<'_, PackageSpec, PackageState>,
        version: Option<&(usize, Option<String>)>,
    ) -> Option<PackageState> {
        let (spec, live) = (item.spec, item.live);
        if !spec.present {
            return None;
        }
        let known = version.and_then(|(_, v)| v.clone());
        let version = known.or_else(|| live.map(|l| l.version.clone()));
        let version =
            version.or_else(|| spec.version.clone()).unwrap_or_else(|| "(not known yet)".to_owned());
        Some(PackageState {
            newest: spec.latest.then(|| version.clone()),
            version,
            hold: spec.hold.unwrap_or_else(|| live.is_some_and(|l| l.hold)),
        })
    }
}

impl Resource for Package {
    type Spec = PackageSpec;
    type State = PackageState;

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
    ) -> Result<Vec<Wish<PackageSpec>>, ArgError> {
        let state = args.text("state");
        let present = op.name != "remove" && !matches!(state, Some("absent" | "purged" | "removed"));
        let seconds = |v: &Value| {
            v.as_f64().map(|s| std::time::Duration::try_from_secs_f64(s).map_or(0, |d| d.as_secs()))
        };
        let refresh =
            args.value("cache_valid_time").and_then(seconds).or(args.flag("refresh").then_some(3600));
        // `latest` where a version is expected is what people write.
        let version =
            args.text("version").map(|v| v.trim().to_owned()).filter(|v| v != "latest" && !v.is_empty());
        let spec = PackageSpec {
            present,
            latest: state == Some("latest") || args.text("version").is_some_and(|v| v.trim() == "latest"),
            hold: args.value("hold").and_then(Value::as_bool),
            purge: args.flag("purge") || state == Some("purged"),
            dependents: args.flag("dependents"),
            recommends: args.value("recommends").and_then(Value::as_bool),
            refresh,
            version,
        };
        if !present && (spec.version.is_some() || spec.hold == Some(true)) {
            return Err(ArgError::about(
                "state",
                "a package that is to be absent has no version and no hold",
            ));
        }
        if spec.latest && spec.version.is_some() {
            return Err(ArgError::about("version", "it cannot be a certain version and the newest one"));
        }
        let list = args.value("packages").and_then(Value::as_array);
        let names: Vec<&str> =
            list.into_iter().flatten().filter_map(Value::as_str).flat_map(str::split_whitespace).collect();
        if names.is_empty() {
            return Err(ArgError::about("packages", "the list is empty"));
        }
        let mut wishes: Vec<Wish<PackageSpec>> = Vec::with_capacity(names.len());
        for name in names {
            let wish = one(name, &spec)?;
            match wishes.iter().find(|w| w.id == wish.id) {
                Some(same) if same.spec == wish.spec => {}
                Some(_) => {
                    return Err(ArgError::about(
                        "packages",
                        format!("`{}` is in the list with two versions", wish.id),
                    ));
                }
                None => wishes.push(wish),
            }
        }
        Ok(wishes)
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&PackageSpec>,
        _: Option<&PackageState>,
    ) -> Result<Option<PackageState>, ProbeError> {
        Self::state(os, id, spec)
    }
    fn managed(&self, spec: &PackageSpec) -> Vec<&'static str> {
        let mut managed = Vec::new();
        if spec.present && spec.hold.is_some() {
            managed.push("hold");
        }
        if spec.present && (spec.version.is_some() || spec.latest) {
            managed.push("version");
        }
        managed
    }
    fn diff(&self, spec: &PackageSpec, live: Option<&PackageState>) -> Diff {
        let mut diff = Diff::none();
        let Some(live) = live.filter(|_| spec.present) else {
            let there = live.map(|l| Value::from(l.version.as_str()));
            let wished = spec.present.then(|| spec.version.as_deref().map_or(Value::Bool(true), Value::from));
            if there.is_some() != wished.is_some() {
                diff.compare(PRESENCE, there, wished);
            }
            return diff;
        };
        if let Some(hold) = spec.hold {
            diff.compare("hold", Some(Value::Bool(live.hold)), Some(Value::Bool(hold)));
        }
        let wished = match &spec.version {
            Some(wish) if !satisfies(rules(), wish, &live.version) => Some(wish.as_str()),
            Some(_) => None,
            None if spec.latest => outdated(live),
            None => None,
        };
        if let Some(wished) = wished {
            diff.compare("version", Some(Value::from(live.version.as_str())), Some(Value::from(wished)));
        }
        diff
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &PackageSpec,
        live: Option<&PackageState>,
    ) -> Result<Option<PackageState>, ApplyError> {
        apply_alone(self, Item { work, id, spec, live })
    }
    fn apply_together(
        &self,
        items: &[Item<'_, PackageSpec, PackageState>],
    ) -> Vec<Result<Option<PackageState>, ApplyError>> {
        let look =
            |item: &Item<'_, PackageSpec, PackageState>| Self::state(item.work.os, item.id, Some(item.spec));
        // What moved is left alone; the others go on.
        let moved: Vec<Option<ApplyError>> = items
            .iter()
            .map(|item| match look(item) {
                _ if item.work.os.rehearsing() => None,
                Ok(now) if now.as_ref() == item.live => None,
                Ok(_) => Some(ApplyError::Moved(format!("package `{}`", item.id))),
                Err(error) => Some(error.into()),
            })
            .collect();
        let parts: Vec<Part<'_, '_>> = items
            .iter()
            .enumerate()
            .filter(|(at, _)| moved[*at].is_none())
            .map(|(at, item)| Part { at, item })
            .collect();
        let done = match parts.first().map(|p| found(p.item.work.os, p.item.id, false)) {
            None => Ok(Vec::new()),
            Some(Err(error)) => Err(error.into()),
            Some(Ok((manager, _))) => Self::all(manager, &parts),
        };
        items
            .iter()
            .enumerate()
            .zip(moved)
            .map(|((at, item), moved)| match (moved, &done) {
                (Some(error), _) => Err(error),
                (None, Ok(versions)) if item.work.os.rehearsing() => {
                    Ok(Self::predicted(item, versions.iter().find(|(of, _)| *of == at)))
                }
                (None, Ok(_)) => Ok(look(item)?),
                // What failed one package of several may have come after another one was done.
                (None, Err(error)) => match look(item) {
                    Ok(now)
                        if items.len() > 1
                            && now.as_ref() != item.live
                            && self.diff(item.spec, now.as_ref()).is_empty() =>
                    {
                        Ok(now)
                    }
                    _ => Err(error.clone()),
                },
            })
            .collect()
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&PackageState>,
    ) -> Result<Option<PackageState>, ApplyError> {
        let spec = PackageSpec { present: false, ..PackageSpec::default() };
        let now = Self::state(work.os, id, Some(&spec))?;
        if now.is_none() && !work.os.rehearsing() {
            return Ok(None);
        }
        let live = if work.os.rehearsing() { live } else { now.as_ref() };
        self.apply(work, id, &spec, live)
    }
    fn wish_for(&self, _: &str, state: Option<&PackageState>) -> (PackageSpec, Vec<Digest>) {
        let spec = match state {
            None => PackageSpec { present: false, ..PackageSpec::default() },
            Some(state) => PackageSpec {
                present: true,
                version: Some(state.version.clone()),
                hold: Some(state.hold),
                ..PackageSpec::default()
            },
        };
        (spec, Vec::new())
    }
}
