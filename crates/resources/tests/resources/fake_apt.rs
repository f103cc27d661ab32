//! A stand-in for apt and dpkg: the same commands, the same file, an archive of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use sloth_core::command::{Command, CommandOutput};
use sloth_resources::facts::dpkg;
use sloth_resources::os::{Expect, Put, Rights, Touch};

use crate::front::{Programs, exit};

/// What the archive has of one package.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    name: String,
    /// Rising.
    versions: Vec<String>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    conflicts: Vec<String>,
    /// Its installation stops half-way, the first time.
    #[serde(default)]
    breaks: bool,
}

/// apt and dpkg.
pub struct FakeApt {
    pub archive: Vec<Offer>,
}

const STATUS: &str = "/var/lib/dpkg/status";

#[derive(Clone, Debug, PartialEq)]
struct Row {
    version: String,
    want: String,
    status: String,
}

type Rows = BTreeMap<String, Row>;

impl FakeApt {
    fn rows(os: &dyn Touch) -> Rows {
        let text = os.read(STATUS, u64::MAX, true).unwrap().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut rows = Rows::new();
        for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
            let field = |name: &str| {
                let line = paragraph.lines().find_map(|l| l.strip_prefix(&format!("{name}: ")));
                line.unwrap_or_else(|| panic!("no {name} in {paragraph}")).to_owned()
            };
            let status = field("Status");
            let words: Vec<&str> = status.split(' ').collect();
            let row =
                Row { version: field("Version"), want: words[0].to_owned(), status: words[2].to_owned() };
            rows.insert(field("Package"), row);
        }
        rows
    }
    fn save(os: &dyn Touch, rows: &Rows) {
        let text: String = rows
            .iter()
            .map(|(name, row)| {
                format!(
                    "Package: {name}\nStatus: {} ok {}\nArchitecture: amd64\nVersion: {}\n\n",
                    row.want, row.status, row.version
                )
            })
            .collect();
        let put = Put { expect: Expect::Whatever, ..Put::new(text.as_bytes(), Rights::default()) };
        os.put(STATUS, &put).unwrap();
    }
    fn offer(&self, name: &str) -> Option<&Offer> {
        self.archive.iter().find(|o| o.name == name)
    }
    fn install(&self, words: &[&str], rows: &mut Rows, out: &mut String, held: bool) -> Result<(), String> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for word in words {
            let (name, version) = word.split_once('=').map_or((*word, None), |(n, v)| (n, Some(v)));
            let offer = self.offer(name).ok_or_else(|| format!("E: Unable to locate package {name}"))?;
            let fits = |v: &&String| match version.map(|w| (w, w.strip_suffix('*'))) {
                None => true,
                Some((_, Some(start))) => v.starts_with(start),
                Some((whole, None)) => *v == whole,
            };
            let newest = offer.versions.iter().rev().find(fits);
            let newest = newest
                .ok_or_else(|| format!("E: Version '{}' for '{name}' was not found", version.unwrap()))?;
            wanted.push((name.to_owned(), newest.clone()));
        }
        let mut at = 0;
        while at < wanted.len() {
            let offer = self.offer(&wanted[at].0).unwrap().clone();
            for need in &offer.needs {
                let there = rows.get(need).is_some_and(|r| r.status == "installed");
                if !there && !wanted.iter().any(|(name, _)| name == need) {
                    let version = self.offer(need).unwrap().versions.last().unwrap().clone();
                    wanted.push((need.clone(), version));
                }
            }
            for conflict in &offer.conflicts {
                if rows.remove(conflict).is_some() {
                    out.push_str(&format!("Remv {conflict} [1]\n"));
                }
            }
            at += 1;
        }
        for (name, version) in wanted {
            let old = rows.get(&name).cloned();
            if old.as_ref().is_some_and(|o| o.version == version && o.status == "installed") {
                continue;
            }
            let hold = old.as_ref().is_some_and(|o| o.want == "hold");
            if hold && !held {
                return Err("E: Held packages were changed and -y was used without \
                            --allow-change-held-packages."
                    .to_owned());
            }
            let verb = match &old {
                Some(old) if old.version == version && dpkg_interrupted(&old.status) => "Conf",
                _ => "Inst",
            };
            out.push_str(&format!("{verb} {name} ({version} Test:1/stable [amd64])\n"));
            let breaks = self.offer(&name).unwrap().breaks && old.is_none();
            let status = if breaks { "half-configured" } else { "installed" }.to_owned();
            rows.insert(
                name,
                Row { version, want: if hold { "hold" } else { "install" }.to_owned(), status },
            );
            if breaks {
                return Err("E: Sub-process /usr/bin/dpkg returned an error code (1)".to_owned());
            }
        }
        Ok(())
    }
    fn remove(&self, words: &[&str], rows: &mut Rows, out: &mut String) {
        let mut gone: BTreeSet<String> = words.iter().map(|w| (*w).to_owned()).collect();
        loop {
            let needing = self.archive.iter().find(|o| {
                rows.contains_key(&o.name)
                    && !gone.contains(&o.name)
                    && o.needs.iter().any(|n| gone.contains(n))
            });
            let Some(needing) = needing else { break };
            gone.insert(needing.name.clone());
        }
        for name in gone {
            if rows.remove(&name).is_some() {
                out.push_str(&format!("Remv {name} [1]\n"));
            }
        }
    }
}

impl Programs for FakeApt {
    fn answer(&self, os: &dyn Touch, command: &Command) -> Option<CommandOutput> {
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        let after = argv.iter().position(|w| *w == "--").map_or(&[][..], |at| &argv[at + 1..]);
        let has = |word: &str| argv.contains(&word);
        let mut rows = Self::rows(os);
        match *argv.first()? {
            "apt-get" if has("update") => Some(exit(0, String::new(), "")),
            "apt-get" => {
                let simulate = has("--simulate");
                assert_eq!(simulate, command.read_only, "{argv:?}");
                if !simulate && rows.values().any(|r| dpkg_interrupted(&r.status)) {
                    let words = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.";
                    return Some(exit(100, String::new(), words));
                }
                let mut out = String::new();
                let done = match has("install") {
                    true => self.install(after, &mut rows, &mut out, has("--allow-change-held-packages")),
                    false => {
                        self.remove(after, &mut rows, &mut out);
                        Ok(())
                    }
                };
                let broken = matches!(&done, Err(why) if why.contains("Sub-process"));
                if !simulate && (done.is_ok() || broken) {
                    Self::save(os, &rows);
                }
                Some(match done {
                    Err(why) if !(simulate && broken) => exit(100, out, &why),
                    _ => exit(0, out, ""),
                })
            }
            "apt-mark" => {
                for name in after {
                    let row = rows.get_mut(*name)?;
                    if has("hold") { "hold" } else { "install" }.clone_into(&mut row.want);
                }
                Self::save(os, &rows);
                Some(exit(0, String::new(), ""))
            }
            "apt-cache" => {
                let newest = |name: &str| self.offer(name).and_then(|o| o.versions.last()).cloned();
                let text = |name: &&str| {
                    format!("{name}:\n  Candidate: {}\n", newest(name).unwrap_or_else(|| "(none)".to_owned()))
                };
                Some(exit(0, after.iter().map(text).collect(), ""))
            }
            "dpkg" => {
                for row in rows.values_mut().filter(|r| dpkg_interrupted(&r.status)) {
                    "installed".clone_into(&mut row.status);
                }
                Self::save(os, &rows);
                Some(exit(0, String::new(), ""))
            }
            _ => None,
        }
    }
}

fn dpkg_interrupted(status: &str) -> bool {
    dpkg::Package { status: status.to_owned(), ..dpkg::Package::default() }.interrupted()
}
