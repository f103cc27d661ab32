//! A stand-in for systemd: a file below `/fake` for each unit, with a word for each thing that is true of it.

use std::collections::BTreeSet;

use sloth_core::command::{Command, CommandOutput};
use sloth_resources::os::{Expect, Put, Rights, Touch};

use crate::front::{Programs, exit};

/// `systemctl` and `journalctl`. A unit is `active`, `enabled`, `static`, `masked`; one that is `broken` does not start,
/// one that is `brief` does not stay. A unit called `offline` means that systemd does not run.
pub struct FakeSystemd;

type Words = BTreeSet<String>;

fn words(os: &dyn Touch, unit: &str) -> Option<Words> {
    let text = os.read(&format!("/fake/{unit}"), 4096, true).unwrap()?;
    Some(String::from_utf8_lossy(&text).split_whitespace().map(str::to_owned).collect())
}

fn save(os: &dyn Touch, unit: &str, words: &Words) {
    let text = words.iter().cloned().collect::<Vec<_>>().join(" ");
    let put = Put { expect: Expect::Whatever, ..Put::new(text.as_bytes(), Rights::default()) };
    os.put(&format!("/fake/{unit}"), &put).unwrap();
}

const NO_BUS: &str = "System has not been booted with systemd as init system (PID 1). Can't operate.\n\
    Failed to connect to bus: Host is down\n";

fn file_state(words: &Words) -> &'static str {
    let is = |word: &str| words.contains(word);
    match (is("masked"), is("static"), is("enabled")) {
        (true, ..) => "masked",
        (_, true, _) => "static",
        (.., true) => "enabled",
        _ => "disabled",
    }
}

impl Programs for FakeSystemd {
    fn answer(&self, os: &dyn Touch, command: &Command) -> Option<CommandOutput> {
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        let unit = argv.last()?.to_owned();
        match *argv.first()? {
            "journalctl" => return Some(exit(0, format!("{unit} said: no\n"), "")),
            "systemctl" => {}
            _ => return None,
        }
        let verb = argv.iter().skip(1).find(|w| !w.starts_with("--"))?.to_owned();
        assert_eq!(matches!(verb, "show" | "is-enabled"), command.read_only, "{argv:?}");
        let known = words(os, unit);
        let offline = words(os, "offline").is_some();
        let missing = format!("Failed to get unit file state for {unit}: No such file or directory\n");
        if verb == "show" {
            if offline {
                return Some(exit(1, String::new(), NO_BUS));
            }
            let there = known.clone().unwrap_or_default();
            let active = if there.contains("active") { "active" } else { "inactive" };
            let (load, file) = match &known {
                None => ("not-found", ""),
                Some(words) if words.contains("masked") => ("masked", "masked"),
                Some(words) => ("loaded", file_state(words)),
            };
            let text = format!(
                "LoadState={load}\nActiveState={active}\nUnitFileState={file}\nNeedDaemonReload=no\n"
            );
            return Some(exit(0, text, ""));
        }
        let Some(mut known) = known else { return Some(exit(1, String::new(), &missing)) };
        let done = || exit(0, String::new(), "");
        let answer = match verb {
            "is-enabled" => {
                let state = file_state(&known);
                return Some(exit(
                    i32::from(matches!(state, "disabled" | "masked")),
                    format!("{state}\n"),
                    "",
                ));
            }
            "start" | "stop" if offline => exit(1, String::new(), NO_BUS),
            "start" if known.contains("masked") => {
                exit(1, String::new(), &format!("Failed to start {unit}: Unit {unit} is masked.\n"))
            }
            "start" if known.contains("broken") => {
                let why =
                    format!("Job for {unit} failed because the control process exited with error code.\n");
                exit(1, String::new(), &why)
            }
            "start" => {
                if !known.contains("brief") {
                    known.insert("active".to_owned());
                }
                done()
            }
            "stop" => {
                known.remove("active");
                done()
            }
            "enable" | "disable" if known.contains("static") => done(),
            "enable" if known.contains("masked") => {
                exit(1, String::new(), &format!("Failed to enable unit: Unit file {unit} is masked.\n"))
            }
            "enable" | "mask" => {
                known.insert(format!("{verb}{}", if verb == "mask" { "ed" } else { "d" }));
                done()
            }
            "disable" | "unmask" => {
                known.remove(if verb == "disable" { "enabled" } else { "masked" });
                done()
            }
            other => panic!("systemctl {other}"),
        };
        save(os, unit, &known);
        Some(answer)
    }
}
