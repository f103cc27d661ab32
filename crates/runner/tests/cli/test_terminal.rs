//! What is different on a terminal: questions, colour, and the live line.

use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use sloth_testkit::env::TestEnv;

use crate::{env, ran_site, root, site};

const LIMIT: Duration = Duration::from_secs(20);

/// Both ends of a new terminal, the program's last.
fn terminal(columns: u16) -> (OwnedFd, OwnedFd) {
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: two descriptors are written and one size is read; neither name nor settings are asked for.
    unsafe {
        let made = libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        );
        assert_eq!(made, 0, "no terminal: {}", std::io::Error::last_os_error());
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

/// Runs the program on a terminal with so many columns and returns all that appeared, and the exit code. Whatever ends
/// like a question is answered with the next answer.
fn on(
    columns: u16,
    env: &TestEnv,
    arguments: &[&str],
    variables: &[(&str, &str)],
    answers: &[&str],
) -> (String, i32) {
    let (ours, theirs) = terminal(columns);
    let mut command = env.command();
    command
        .env("TERM", "xterm-256color")
        .env_remove("COLUMNS")
        .envs(variables.iter().copied())
        .args(arguments);
    command
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(Stdio::from(theirs));
    let mut child = command.spawn().unwrap();
    // Holds the program's end of the terminal.
    drop(command);
    let mut screen = std::fs::File::from(ours);
    let mut keyboard = screen.try_clone().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The end of a terminal is an error, not an end of file.
        while let Ok(length @ 1..) = screen.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut answers = answers.iter();
    let (mut bytes, mut answered) = (Vec::new(), 0);
    loop {
        match receiver.recv_timeout(LIMIT) {
            Ok(more) => bytes.extend(more),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("waits for something: {}", String::from_utf8_lossy(&bytes));
            }
        }
        let text = String::from_utf8_lossy(&bytes[answered..]);
        if (text.ends_with("[y/N]: ") || text.ends_with("to go on: "))
            && let Some(answer) = answers.next()
        {
            answered = bytes.len();
            keyboard.write_all(answer.as_bytes()).unwrap();
        }
    }
    (String::from_utf8_lossy(&bytes).into_owned(), child.wait().unwrap().code().unwrap())
}

#[test]
fn questions_are_asked_and_answers_are_obeyed() {
    let env = ran_site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=second"]);
    let restore = ["stack", "snapshot", "restore", "site", "v1"];
    // `no` in all its forms, an empty line, an end of input, and what is no answer at all.
    for answer in ["n\n", "no\n", "\n", "\u{4}", "yess\n", "ja\n"] {
        let (text, code) = on(100, &env, &restore, &[], &[answer]);
        assert!(code == 1 && text.contains("restore `site` to v1? [y/N]: "), "{answer:?}: {text}");
        assert!(text.contains("nothing was changed"), "{answer:?}: {text}");
        assert_eq!(env.read("site/page.txt"), "second\n");
    }
    let (text, code) = on(100, &env, &restore, &[], &["y\n"]);
    assert_eq!((code, env.read("site/page.txt").as_str()), (0, "hello\n"), "{text}");
    env.expect(0, &["run", "site.sloth", "--var", &root(&env), "--var", "title=second"]);
    let (text, code) = on(100, &env, &restore, &[], &["yes\n"]);
    assert_eq!((code, env.read("site/page.txt").as_str()), (0, "hello\n"), "{text}");
}

#[test]
fn what_cannot_be_taken_back_wants_the_name() {
    let env = ran_site();
    for answer in ["y\n", "sit\n", "\n"] {
        let (text, code) = on(100, &env, &["stack", "delete", "site"], &[], &[answer]);
        assert!(code == 1 && text.contains("type the name of the stack to go on: "), "{text}");
        env.expect(0, &["stack", "show", "site"]);
    }
    let (text, code) = on(100, &env, &["stack", "delete", "site"], &[], &["site\n"]);
    assert_eq!(code, 0, "{text}");
    env.expect(7, &["stack", "show", "site"]);
}

#[test]
fn yes_is_not_asked_again() {
    let env = ran_site();
    let (text, code) = on(100, &env, &["stack", "destroy", "site", "--yes"], &[], &[]);
    assert!(code == 0 && !text.contains("[y/N]"), "{text}");
}

#[test]
fn a_run_has_a_live_line_that_fits_and_goes_away() {
    let env = site();
    let (text, code) = on(40, &env, &["run", "site.sloth", "--var", &root(&env)], &[], &[]);
    assert_eq!(code, 0, "{text}");
    let lines: Vec<&str> = text.split("\r\u{1b}[2K").skip(1).collect();
    let live: Vec<&&str> = lines.iter().filter(|line| line.contains("tasks done")).collect();
    assert!(!live.is_empty(), "{text}");
    for line in live {
        assert!(line.lines().next().unwrap().chars().count() < 40, "{line:?}");
    }
    assert!(!lines.last().unwrap().contains("tasks done"), "the last one was taken away: {text}");
    // Without a terminal there is none, whatever `TERM` says.
    let mut plain = env;
    plain.set("TERM", "xterm-256color");
    let ran = plain.expect(0, &["run", "site", "--var", "title=x"]);
    assert!(!ran.says("\u{1b}") && !ran.says("\r"), "{}", ran.text());
}

#[test]
fn quiet_has_no_live_line() {
    let env = site();
    let (text, code) = on(100, &env, &["run", "site.sloth", "-q", "--var", &root(&env)], &[], &[]);
    assert!(code == 0 && !text.contains("tasks done"), "{text}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let env = site();
    let var = root(&env);
    let plan = ["plan", "site.sloth", "--var", &var];
    let colored = |text: &str| {
        text.split("\u{1b}[")
            .skip(1)
            .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
    };
    let (text, _) = on(100, &env, &plan, &[], &[]);
    assert!(colored(&text), "{text:?}");
    let (text, _) = on(100, &env, &plan, &[("NO_COLOR", "")], &[]);
    assert!(colored(&text), "an empty variable counts as not set: {text:?}");
    for variables in [&[("NO_COLOR", "1")][..], &[("NO_COLOR", "0")]] {
        let (text, _) = on(100, &env, &plan, variables, &[]);
        assert!(!colored(&text) && text.contains("+ create"), "{text:?}");
    }
    let (text, _) = on(100, &env, &[&["--no-color"], &plan[..]].concat(), &[], &[]);
    assert!(!colored(&text), "{text:?}");
    let (text, _) = on(100, &env, &plan, &[("TERM", "dumb")], &[]);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let (text, code) = on(100, &env, &["stack", "show", "nobody"], &[("NO_COLOR", "1")], &[]);
    assert!(code == 7 && !text.contains('\u{1b}') && text.contains("error: "), "{text:?}");
}

#[test]
fn what_people_wrote_cannot_drive_the_terminal() {
    let env = env();
    env.write(
        "evil.sloth",
        "task(\"t\", { run = function() print(\"\\27[2Jgone\\7\") error(\"\\27]0;x\\7\") end })\n",
    );
    let (text, code) = on(100, &env, &["run", "evil.sloth"], &[], &[]);
    assert_eq!(code, 1);
    assert!(!text.contains("\u{1b}[2J") && !text.contains("\u{1b}]") && !text.contains('\u{7}'), "{text:?}");
}

#[test]
fn a_png_is_not_for_a_terminal() {
    let env = site();
    env.expect(0, &["run", "site.sloth", "--var", &root(&env)]);
    let graph = ["stack", "deps", "graph", "site", "--format"];
    let (text, code) = on(100, &env, &[&graph[..], &["png"]].concat(), &[], &[]);
    assert!(code == 2 && !text.contains("PNG\r\n") && text.contains("name a file"), "{text:?}");
    let (text, code) = on(100, &env, &[&graph[..], &["svg"]].concat(), &[], &[]);
    assert!(code == 0 && text.contains("</svg>"), "{text:?}");
}
