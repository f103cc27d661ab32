//! Starting commands on the real system.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::{ApplyError, Machine, Unwatched, Watch};

use crate::support::{real, root};

fn run(command: &Command) -> CommandOutput {
    real().run(command, &Unwatched).unwrap()
}

fn sh(line: &str) -> CommandOutput {
    run(&Command::shell(line))
}

#[test]
fn output_and_exit_code_are_passed_on() {
    let output = sh("echo out; echo err >&2; exit 3");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.exit_code), ("out\n", "err\n", 3));
    assert_eq!(sh("kill -9 $$").exit_code, 137);
    assert_eq!(run(&Command::argv(&["printf", "%s", "a  b; $HOME"])).stdout, "a  b; $HOME");
    assert_eq!(sh("head -c 3000000 /dev/zero | tr '\\0' x").stdout.len(), 3_000_000);
}

#[test]
fn what_cannot_be_started_is_an_error() {
    let error = real().run(&Command::argv(&["/no/such/program"]), &Unwatched).unwrap_err();
    assert!(error.to_string().contains("no such file"), "{error}");
    let nowhere = Command { cwd: Some("/no/such/dir".to_owned()), ..Command::shell("true") };
    assert!(real().run(&nowhere, &Unwatched).is_err());
    let nobody = Command { user: Some("nobody-of-this-name".to_owned()), ..Command::shell("true") };
    assert!(real().run(&nobody, &Unwatched).unwrap_err().to_string().contains("there is no user"));
}

#[test]
fn surroundings_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let cwd = dir.path().canonicalize().unwrap();
    let command = Command {
        cwd: Some(cwd.to_str().unwrap().to_owned()),
        env: BTreeMap::from([("COLOR".to_owned(), "red".to_owned())]),
        stdin: Some("x".repeat(200_000)),
        ..Command::shell("pwd; echo $COLOR; wc -c; test -n \"$PATH\"")
    };
    let output = run(&command);
    assert!(output.success());
    let lines: Vec<&str> = output.stdout.lines().map(str::trim).collect();
    assert_eq!(lines, [cwd.to_str().unwrap(), "red", "200000"]);
    assert_eq!(sh("cat; echo end").stdout, "end\n");
}

#[test]
fn no_descriptor_is_inherited() {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    assert!(file.as_raw_fd() > 2);
    assert_eq!(sh("ls /proc/self/fd | wc -l").stdout.trim(), "4", "0, 1, 2 and the one of ls itself");
}

#[test]
fn a_group_of_its_own_ends_when_time_is_over() {
    let start = Instant::now();
    let command = Command {
        timeout: Some(Duration::from_millis(100)),
        ..Command::shell("sleep 60 & echo $!; sleep 61; echo no")
    };
    let output = run(&command);
    assert!(output.timed_out && !output.success());
    let child = output.stdout.trim();
    let runs = || {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        status.contains("State:") && !status.contains("State:\tZ")
    };
    while runs() {
        assert!(start.elapsed() < Duration::from_secs(10), "{child} was left running");
        std::thread::yield_now();
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    // One that does not listen.
    let deaf = Command {
        timeout: Some(Duration::from_millis(100)),
        ..Command::shell("trap '' TERM; while :; do sleep 0.05; done")
    };
    let output = run(&deaf);
    assert_eq!((output.timed_out, output.exit_code), (true, 137));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[derive(Default)]
struct Listener {
    lines: Mutex<Vec<(&'static str, String)>>,
    cancel: AtomicBool,
    cancel_on: Option<&'static str>,
}

impl Watch for Listener {
    fn line(&self, stream: &'static str, text: &str) {
        self.lines.lock().unwrap().push((stream, text.to_owned()));
        if self.cancel_on == Some(text) {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

#[test]
fn lines_arrive_one_by_one_and_it_can_be_cancelled() {
    let listener = Listener::default();
    real().run(&Command::shell("printf 'a\\nb'; printf 'c\\n\\nlast'; echo e >&2"), &listener).unwrap();
    let lines = listener.lines.into_inner().unwrap();
    let of = |stream| lines.iter().filter(|(s, _)| *s == stream).map(|(_, t)| t.as_str()).collect::<Vec<_>>();
    assert_eq!(of("stdout"), ["a", "bc", "", "last"]);
    assert_eq!(of("stderr"), ["e"]);

    let start = Instant::now();
    let listener = Listener { cancel_on: Some("ready"), ..Listener::default() };
    let result = real().run(&Command::shell("echo ready; sleep 60"), &listener);
    assert_eq!(result, Err(ApplyError::Cancelled));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_stays_in_the_background_is_not_waited_for() {
    let start = Instant::now();
    assert_eq!(sh("echo started; sleep 20 & ").stdout, "started\n");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn it_can_run_as_another_user() {
    if !root("running as another user") {
        return;
    }
    let command = Command { user: Some("nobody".to_owned()), ..Command::shell("id -u; id -G; echo $USER") };
    let output = run(&command);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!((lines[0], lines[2]), ("65534", "nobody"));
    assert!(!lines[1].split(' ').any(|g| g == "0"), "a group of root remained: {}", lines[1]);
}

#[test]
fn a_rehearsal_runs_only_what_reads() {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}/made", dir.path().display());
    let rehearsal = real().rehearse();
    assert!(rehearsal.run(&Command::shell(format!("touch {path}")), &Unwatched).is_err());
    assert!(!std::path::Path::new(&path).exists());
    let reads = Command { read_only: true, ..Command::shell("echo 1") };
    assert_eq!(rehearsal.run(&reads, &Unwatched).unwrap().stdout, "1\n");
}
