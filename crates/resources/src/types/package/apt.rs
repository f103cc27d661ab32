//! Debian and its relatives: the status file of dpkg, `apt-get`, `apt-cache`, `apt-mark`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use sloth_core::command::Command;
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;

use super::{Deal, Forecast, Found, Manager, PackageState};
use crate::facts::dpkg::{self, Status};
use crate::os::{Cache, Look, Want};
use crate::types::exec::said;

/// Debian's.
pub(super) struct Apt;

const STATUS: &str = "/var/lib/dpkg/status";
/// Any of these is younger than the last successful question for what is offered.
const ASKED: [&str; 2] = ["/var/lib/apt/lists/partial", "/var/lib/apt/periodic/update-success-stamp"];
/// What is offered, one file per question; images of containers often come without any.
const LISTS: &str = "/var/lib/apt/lists";
const NO_LISTS: [&str; 3] = ["auxfiles", "lock", "partial"];
/// A status file with every package Debian has would fit.
const LONGEST: u64 = 256 << 20;

fn command(argv: &[&str], read_only: bool) -> Command {
    let env = [
        ("APT_LISTCHANGES_FRONTEND", "none"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBIAN_PRIORITY", "critical"),
        ("LC_ALL", "C"),
        // Restarting services is for who wrote the workflow to decide.
        ("NEEDRESTART_SUSPEND", "1"),
        ("UCF_FORCE_CONFFOLD", "1"),
    ];
    let env: BTreeMap<String, String> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Command { env, read_only, ..Command::argv(argv) }
}

/// Arguments of `apt-get` for a transaction.
fn words<'a>(deal: &Deal<'a>, names: &'a [String]) -> Vec<&'a str> {
    let mut words = vec!["-y", "-q", "-o", "DPkg::Lock::Timeout=300"];
    words.extend(["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]);
    match deal.recommends {
        Some(true) => words.push("--install-recommends"),
        Some(false) => words.push("--no-install-recommends"),
        None => {}
    }
    if deal.change_held {
        words.push("--allow-change-held-packages");
    }
    if !deal.remove && deal.packages.iter().any(|(_, version)| version.is_some()) {
        words.push("--allow-downgrades");
    }
    words.push(match (deal.remove, deal.purge) {
        (false, _) => "install",
        (true, false) => "remove",
        (true, true) => "purge",
    });
    words.push("--");
    words.extend(names.iter().map(String::as_str));
    words
}

fn names(deal: &Deal<'_>) -> Vec<String> {
    let name = |(id, version): &(&str, Option<&str>)| match version {
        Some(version) if !deal.remove && !version.starts_with(">=") => format!("{id}={version}"),
        _ => (*id).to_owned(),
    };
    deal.packages.iter().map(name).collect()
}

impl Apt {
    fn status(os: &dyn Look) -> Result<Option<Arc<Status>>, ProbeError> {
        Ok(Cache::of_file(os, STATUS, LONGEST, Status::parse)?)
    }
}

impl Manager for Apt {
    fn database(&self) -> &'static str {
        STATUS
    }
    fn is_name(&self, id: &str) -> bool {
        dpkg::is_name(id)
    }
    fn compare(&self, a: &str, b: &str) -> Ordering {
        dpkg::compare(a, b)
    }
    fn find(&self, os: &dyn Look, id: &str, newest: bool) -> Result<Found, ProbeError> {
        let Some(status) = Self::status(os)? else { return Ok(None) };
        let Some(found) = status.find(id).filter(|p| p.installed()) else { return Ok(Some(None)) };
        let newest = match newest {
            false => None,
            true => {
                let output = os.query(&command(&["apt-cache", "policy", "--", id], true))?;
                if !output.success() {
                    return Err(ProbeError::new(format!("what is offered of `{id}`"), said(&output)));
                }
                dpkg::candidates(&output.stdout).remove(id)
            }
        };
        Ok(Some(Some(PackageState { version: found.version.clone(), hold: found.hold, newest })))
    }
    fn mend(&self, os: &dyn Look) -> Result<Option<Command>, ProbeError> {
        let interrupted = Self::status(os)?.is_some_and(|status| status.interrupted());
        Ok(interrupted
            .then(|| command(&["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"], false)))
    }
    fn refresh(&self, os: &dyn Look, seconds: u64) -> Result<Option<Command>, ProbeError> {
        let mut youngest = 0;
        let there = os.entry(LISTS, Want::default())?.is_some();
        let lists = if there { os.list(LISTS)? } else { Vec::new() };
        let any = lists.iter().any(|name| !NO_LISTS.iter().any(|other| name == other));
        for path in ASKED.iter().filter(|_| any) {
            if let Some(entry) = os.entry(path, Want::default())? {
                youngest = youngest.max(u64::try_from(entry.meta.stamp.changed / 1_000_000_000).unwrap_or(0));
            }
        }
        let stale = os.now().saturating_sub(youngest) >= seconds;
        Ok(stale.then(|| command(&["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "update"], false)))
    }
    fn forecast(&self, os: &dyn Look, deal: &Deal<'_>) -> Result<Forecast, ApplyError> {
        let names = names(deal);
        let mut argv = vec!["apt-get", "--simulate"];
        argv.extend(words(deal, &names));
        let output = os.query(&command(&argv, true))?;
        if !output.success() {
            let what = if deal.remove { "removing" } else { "installing" };
            return Err(ApplyError::failed(format!("{what} {}", names.join(", ")), said(&output)));
        }
        let forecast = dpkg::Forecast::parse(&output.stdout);
        let named = |name: &str| {
            deal.packages.iter().any(|(id, _)| *id == name || id.split(':').next() == Some(name))
        };
        Ok(Forecast {
            versions: deal.packages.iter().map(|(id, _)| forecast.version(id).map(str::to_owned)).collect(),
            also_removes: forecast.removes.iter().filter(|n| !deal.remove || !named(n)).cloned().collect(),
            also_installs: forecast.installs.into_iter().map(|(n, _, _)| n).filter(|n| !named(n)).collect(),
        })
    }
    fn command(&self, deal: &Deal<'_>) -> Command {
        let names = names(deal);
        let mut argv = vec!["apt-get"];
        argv.extend(words(deal, &names));
        command(&argv, false)
    }
    fn hold(&self, ids: &[&str], hold: bool) -> Command {
        let mut argv = vec!["apt-mark", if hold { "hold" } else { "unhold" }, "--"];
        argv.extend(ids);
        command(&argv, false)
    }
}
