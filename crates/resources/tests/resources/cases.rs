//! Runs `cases/<type>/<case>.toml`: a start, a call, what it leads to; and every law on each of them, in memory and
//! below a temporary directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sloth_core::address::Address;
use sloth_core::command::CommandOutput;
use sloth_core::decide::{Facts, decide};
use sloth_core::desired::{Desired, Options};
use sloth_core::machine::Machine;
use sloth_resources::catalog;
use sloth_resources::os::faulty::{Fails, Faulty};
use sloth_resources::os::memory::Memory;
use sloth_resources::os::rooted::Rooted;
use sloth_resources::os::{Expect, Put, Rights, Touch, Want};
use sloth_testkit::resource_laws::{self, Broken, Case};

use crate::fake_apt::{FakeApt, Offer};
use crate::fake_systemd::FakeSystemd;
use crate::front::Front;
use crate::support::{Files, declare, machine};

/// A fact on the machine, before or after.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    path: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    target: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// What the table decides for a first wish, or `refused` (by declaring) or `fails` (by applying).
    action: String,
    /// Names in the diff.
    #[serde(default)]
    diff: Vec<String>,
    /// Part of the message.
    #[serde(default)]
    message: Option<String>,
    /// Part of a note.
    #[serde(default)]
    note: Option<String>,
    /// Part of the text diff.
    #[serde(default)]
    text: Option<String>,
    /// The id that is declared.
    #[serde(default)]
    id: Option<String>,
    /// A rehearsal cannot know that it fails.
    #[serde(default)]
    unforeseen: bool,
    #[serde(default)]
    after: Vec<Fact>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    about: String,
    call: String,
    #[serde(default)]
    args: toml::Table,
    #[serde(default)]
    start: Vec<Fact>,
    /// What apt has to offer, for cases about packages.
    #[serde(default)]
    archive: Vec<Offer>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// What commands answer in memory. `true` and `false` do as expected.
    #[serde(default)]
    answers: BTreeMap<String, String>,
    /// The guard or probe is a command that answers the same afterwards, so that applying cannot be seen.
    #[serde(default)]
    blind: bool,
    expect: Expectation,
}

fn scripts() -> Vec<(String, Script)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    let mut found = Vec::new();
    let mut dirs: Vec<PathBuf> = std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).collect();
    dirs.sort();
    for dir in dirs {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = format!(
                "{}/{}",
                dir.file_name().unwrap().to_string_lossy(),
                file.file_stem().unwrap().to_string_lossy()
            );
            let text = std::fs::read_to_string(&file).unwrap();
            let script = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            found.push((name, script));
        }
    }
    found
}

fn prepare(os: &dyn Touch, facts: &[Fact]) {
    for fact in facts {
        let mut dir = String::new();
        let parts: Vec<&str> = fact.path.split('/').skip(1).collect();
        for part in &parts[..parts.len() - 1] {
            dir = format!("{dir}/{part}");
            if os.entry(&dir, Want::default()).unwrap().is_none() {
                os.mkdir(&dir, Rights::default()).unwrap();
            }
        }
        let mode = fact.mode.as_ref().map(|m| u32::from_str_radix(m, 8).unwrap());
        let rights = Rights { uid: fact.uid, gid: None, mode };
        match fact.kind.as_deref() {
            Some("directory") => {
                os.mkdir(&fact.path, rights).unwrap();
            }
            Some("link") => {
                os.link(&fact.path, fact.target.as_ref().unwrap(), rights, Expect::Nothing).unwrap();
            }
            _ => {
                let content = fact.content.clone().unwrap_or_default();
                os.put(&fact.path, &Put { durable: false, ..Put::new(content.as_bytes(), rights) }).unwrap();
            }
        }
    }
}

fn check(name: &str, os: &dyn Touch, facts: &[Fact]) {
    for fact in facts {
        let entry = os.entry(&fact.path, Want { content_up_to: u64::MAX, follow: false }).unwrap();
        if fact.kind.as_deref() == Some("absent") {
            assert!(entry.is_none(), "{name}: `{}` is there", fact.path);
            continue;
        }
        let entry = entry.unwrap_or_else(|| panic!("{name}: `{}` is not there", fact.path));
        if let Some(kind) = &fact.kind {
            let is = format!("{:?}", entry.meta.sort).to_lowercase();
            assert_eq!(&is, kind, "{name}: `{}`", fact.path);
        }
        if let Some(content) = &fact.content {
            let bytes = os.read(&fact.path, u64::MAX, false).unwrap().unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes), *content, "{name}: `{}`", fact.path);
        }
        if let Some(mode) = &fact.mode {
            assert_eq!(format!("{:04o}", entry.meta.mode), *mode, "{name}: `{}`", fact.path);
        }
        if let Some(uid) = fact.uid {
            assert_eq!(entry.meta.uid, uid, "{name}: `{}`", fact.path);
        }
        if let Some(target) = &fact.target {
            assert_eq!(entry.target.as_ref(), Some(target), "{name}: `{}`", fact.path);
        }
    }
}

/// The two systems every case runs on. The directory has to outlive its system.
#[derive(Clone, Copy, Debug, PartialEq)]
enum System {
    Memory,
    Rooted,
}

struct Prepared {
    os: Arc<dyn Touch>,
    dir: Option<tempfile::TempDir>,
}

fn stage(system: System, script: &Script) -> Prepared {
    let (os, dir): (Arc<dyn Touch>, _) = match system {
        System::Memory => {
            let memory = Memory::memory();
            let exit = |exit_code| CommandOutput { exit_code, ..CommandOutput::default() };
            memory.base().answer("true", exit(0));
            memory.base().answer("false", exit(1));
            for (line, stdout) in &script.answers {
                memory.base().answer(line, CommandOutput { stdout: stdout.clone(), ..exit(0) });
            }
            (Arc::new(memory), None)
        }
        System::Rooted => {
            let dir = tempfile::tempdir().unwrap();
            (Arc::new(Rooted::new(dir.path().to_str().unwrap())), Some(dir))
        }
    };
    prepare(&*os, &script.start);
    let os: Arc<dyn Touch> = if !script.archive.is_empty() {
        Arc::new(Front { inner: os, programs: FakeApt { archive: script.archive.clone() } })
    } else if script.call.starts_with("systemd.") {
        Arc::new(Front { inner: os, programs: FakeSystemd })
    } else {
        os
    };
    Prepared { os, dir }
}

fn run(name: &str, script: &Script, system: System) {
    let name = format!("{name} on {system:?}: {}", script.about);
    let args: Value = serde_json::to_value(&script.args).unwrap();
    let declared = match declare(&script.call, &args, &Files(script.files.clone())) {
        Ok(declared) => declared,
        Err(error) => {
            assert_eq!(script.expect.action, "refused", "{name}: {error}");
            let message = script.expect.message.as_ref().unwrap();
            let said = format!("{error} {}", error.hint.clone().unwrap_or_default());
            assert!(said.contains(message), "{name}: `{said}` does not say `{message}`");
            return;
        }
    };
    assert_ne!(script.expect.action, "refused", "{name}: it was not refused");
    if let Some(id) = &script.expect.id {
        assert_eq!(declared.id, *id, "{name}");
    }
    let catalog = catalog();
    let kind = crate::support::operation(&*catalog, &script.call).kind;
    let case = Case {
        name: name.clone(),
        kind: kind.to_owned(),
        id: declared.id.clone(),
        spec: declared.spec.clone(),
        blobs: declared.blobs.clone(),
        checks_live: !matches!(kind, "exec" | "custom"),
        reversible: !matches!(kind, "exec" | "custom"),
    };

    let prepared = stage(system, script);
    let host = machine(Arc::clone(&prepared.os));
    let seen = resource_laws::look(&*host, &case, Some(&case.spec), &case.blobs);
    assert_eq!(seen.diff.names(), script.expect.diff, "{name}: {:?}", seen.diff);
    if let Some(part) = &script.expect.text {
        let text = seen.diff.attributes().iter().find_map(|a| a.text.clone()).unwrap_or_default();
        assert!(text.contains(part), "{name}: `{text}` does not show `{part}`");
    }
    if let Some(state) = &seen.state {
        resource_laws::states_are_documented(&*catalog, &case, state);
    }
    let desired = Desired {
        address: Address::local(kind, case.id.as_str()),
        module: String::new(),
        operation: String::new(),
        spec: case.spec.clone(),
        blobs: Vec::new(),
        options: Options::default(),
        span: None,
    };
    let change = decide(Facts { desired: Some(&desired), recorded: None, seen: Ok(&seen) });
    let applied = resource_laws::bring_about(&*host, &case);
    if script.expect.action == "fails" {
        let mut error = applied.expect_err(&name).to_string();
        if let Some(dir) = &prepared.dir {
            error = error.replace(dir.path().to_str().unwrap(), "");
        }
        let message = script.expect.message.as_ref().unwrap();
        assert!(error.contains(message), "{name}: `{error}` does not say `{message}`");
        check(&name, &*prepared.os, &script.expect.after);
        let fresh = stage(system, script);
        let rehearsal = machine(Arc::clone(&fresh.os)).rehearse();
        if kind != "exec" && kind != "custom" && !message.contains("there is no") && !script.expect.unforeseen
        {
            let predicted = resource_laws::bring_about(&*rehearsal, &case);
            assert!(predicted.is_err(), "{name}: the rehearsal did not predict the failure");
        }
        return;
    }
    assert_eq!(change.action.as_str(), script.expect.action, "{name}");
    let applied = applied.unwrap_or_else(|e| panic!("{name}: {e}"));
    if let Some(note) = &script.expect.note {
        assert!(applied.notes.iter().any(|n| n.contains(note)), "{name}: {:?}", applied.notes);
    }
    check(&name, &*prepared.os, &script.expect.after);
    if script.blind {
        return;
    }

    let keep = std::cell::RefCell::new(Vec::new());
    let fresh = || -> Arc<dyn Machine> {
        let prepared = stage(system, script);
        let host = machine(Arc::clone(&prepared.os));
        keep.borrow_mut().push(prepared);
        host
    };
    resource_laws::all(&case, &fresh);
    if matches!(kind, "authorized_key" | "block" | "key" | "known_host" | "line" | "replacement" | "setting")
    {
        resource_laws::what_was_there_comes_back(&case, &fresh);
        // Not only the part the type is about: the files are as they were, byte by byte.
        let files = script.start.iter().filter(|f| f.kind.is_none()).cloned();
        let files: Vec<Fact> =
            files.map(|f| Fact { content: f.content.or(Some(String::new())), ..f }).collect();
        check(&format!("{name}, and back"), &*keep.borrow().last().unwrap().os, &files);
    }
    for fails in [Fails::Before, Fails::After] {
        resource_laws::survives_failures(&case, &|at| {
            let prepared = stage(system, script);
            let faulty = Arc::new(Faulty::new(Arc::clone(&prepared.os), fails, at));
            let broken = Broken {
                faulty: machine(Arc::clone(&faulty) as Arc<dyn Touch>),
                healthy: machine(Arc::clone(&prepared.os)),
                failed: Box::new(move || faulty.failed()),
            };
            keep.borrow_mut().push(prepared);
            broken
        });
    }
}

/// Runs a part of the cases; the real system waits for its disk, so that several parts take less time than one.
fn run_part(system: System, part: usize, parts: usize) {
    let scripts = scripts();
    assert!(scripts.len() >= 50, "only {} cases", scripts.len());
    let mut broken = Vec::new();
    for (name, script) in scripts.iter().skip(part).step_by(parts) {
        let owned = script.start.iter().chain(&script.expect.after).any(|f| f.uid.is_some())
            || script.args.contains_key("owner");
        if system == System::Rooted && owned && !rustix::process::geteuid().is_root() {
            println!("SKIPPED: {name} can only be tried as root");
            continue;
        }
        // One run shows all that is broken.
        let case = std::panic::AssertUnwindSafe(|| run(name, script, system));
        broken.extend(std::panic::catch_unwind(case).err().map(|_| name));
    }
    assert!(broken.is_empty(), "{} broken cases on {system:?}: {broken:?}", broken.len());
}

#[test]
fn cases_hold_in_memory() {
    run_part(System::Memory, 0, 1);
}

#[test]
fn cases_hold_on_the_real_system_first_part() {
    run_part(System::Rooted, 0, 4);
}

#[test]
fn cases_hold_on_the_real_system_second_part() {
    run_part(System::Rooted, 1, 4);
}

#[test]
fn cases_hold_on_the_real_system_third_part() {
    run_part(System::Rooted, 2, 4);
}

#[test]
fn cases_hold_on_the_real_system_fourth_part() {
    run_part(System::Rooted, 3, 4);
}

#[test]
fn every_operation_has_a_case() {
    let scripts = scripts();
    for operation in catalog().operations() {
        let named = |s: &Script| {
            s.call.split_once('.').is_some_and(|(module, name)| {
                module == operation.module && (name == operation.name || operation.aliases.contains(&name))
            })
        };
        let key = format!("{}.{}", operation.module, operation.name);
        assert!(scripts.iter().any(|(_, s)| named(s)), "`{key}` has no case");
    }
}

#[test]
fn the_catalog_is_in_order() {
    resource_laws::schema(&*catalog());
}
