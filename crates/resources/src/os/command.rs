//! Starting commands.
//!
//! A command gets a process group of its own and no descriptor of ours; its lines are passed on as they come. The plain
//! case goes through `posix_spawn`, which does not copy our address space. It is over when the process is: what it left
//! running in the background is neither waited for nor stopped.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use sloth_core::command::{Command, CommandOutput};
use sloth_core::machine::Watch;

use super::OsError;
use super::names::{Account, account};

/// How often cancellation is asked for.
const BEAT: Duration = Duration::from_millis(50);
/// How long a group has between being asked to end and being ended.
const GRACE: Duration = Duration::from_secs(2);
/// How much of each stream is kept. Lines beyond it are still passed on.
const KEPT: usize = 64 * 1024 * 1024;

static PRIVATE: Once = Once::new();

/// Descriptors we were started with are ours alone.
fn keep_descriptors_private() {
    PRIVATE.call_once(|| {
        // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC closes nothing; it only marks descriptors.
        unsafe {
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        }
    });
}

/// Runs a command to its end.
///
/// # Errors
/// It could not be started, or the watch cancelled it.
pub fn run(command: &Command, watch: &dyn Watch) -> Result<CommandOutput, OsError> {
    if let Some(errand) = &command.errand {
        let timeout = command.timeout.unwrap_or(sloth_core::web::TIMEOUT);
        return super::http::run(errand, &command.line, timeout, watch);
    }
    run_keeping(command, watch, Keep::End)
}

/// Runs a command to its end and keeps only the beginning of what it says, whatever it says.
///
/// # Errors
/// It could not be started, or the watch cancelled it.
pub fn run_brief(command: &Command, watch: &dyn Watch, most: usize) -> Result<CommandOutput, OsError> {
    run_keeping(command, watch, Keep::Beginning(most))
}

/// What is kept of a stream that is too long.
#[derive(Clone, Copy)]
enum Keep {
    /// The end.
    End,
    /// So much of the beginning; nothing is passed on line by line then.
    Beginning(usize),
}

fn run_keeping(command: &Command, watch: &dyn Watch, keep: Keep) -> Result<CommandOutput, OsError> {
    keep_descriptors_private();
    let what = || format!("running `{}`", command.line);
    let mut child = prepare(command)?.spawn().map_err(|e| OsError::failed(what(), plain(&e)))?;
    let outcome = follow(&mut child, command, watch, keep);
    if outcome.is_err() {
        end(&child, Signal::KILL);
        let _ = child.wait();
    }
    outcome
}

fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_lowercase())
}

fn prepare(command: &Command) -> Result<std::process::Command, OsError> {
    let mut prepared = match command.argv.split_first() {
        Some((program, arguments)) => {
            let mut prepared = std::process::Command::new(program);
            prepared.args(arguments);
            prepared
        }
        None => {
            let mut prepared = std::process::Command::new("/bin/sh");
            prepared.arg("-c").arg(&command.line);
            prepared
        }
    };
    if let Some(cwd) = &command.cwd {
        prepared.current_dir(cwd);
    }
    let stdin = if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    prepared.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    if let Some(user) = &command.user {
        let account = account(user).ok_or_else(|| {
            OsError::failed(format!("running `{}`", command.line), format!("there is no user `{user}`"))
        })?;
        become_user(&mut prepared, user, account);
    }
    prepared.envs(&command.env as &BTreeMap<String, String>);
    Ok(prepared)
}

/// Nothing of root remains: groups, group and user change before the program starts.
fn become_user(prepared: &mut std::process::Command, name: &str, account: Account) {
    prepared.env("HOME", &account.home).env("USER", name).env("LOGNAME", name).env("SHELL", &account.shell);
    let check = |code: libc::c_int| match code {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    // SAFETY: between fork and exec only these three system calls happen; nothing allocates.
    unsafe {
        prepared.pre_exec(move || {
            if libc::geteuid() == 0 {
                check(libc::setgroups(account.groups.len(), account.groups.as_ptr()))?;
            }
            check(libc::setgid(account.gid))?;
            check(libc::setuid(account.uid))
        });
    }
}

fn end(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, signal);
    }
}

/// One of the two streams.
struct Stream<R> {
    name: &'static str,
    pipe: Option<R>,
    keep: Keep,
    kept: Vec<u8>,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// How far it was searched for its end.
    searched: usize,
    cut: bool,
}

impl<R: Read + AsFd> Stream<R> {
    fn new(name: &'static str, pipe: Option<R>, keep: Keep) -> Self {
        if let Some(pipe) = &pipe {
            nonblocking(pipe.as_fd().as_raw_fd());
        }
        Self { name, pipe, keep, kept: Vec::new(), line: 0, searched: 0, cut: false }
    }

    /// Takes what is there now.
    fn drain(&mut self, watch: &dyn Watch) {
        let Some(mut pipe) = self.pipe.take() else { return };
        let mut buffer = [0u8; 16384];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    self.kept.extend_from_slice(&buffer[..length]);
                    self.pass_on(watch);
                    if length < buffer.len() {
                        // Most likely that was all; poll says when there is more.
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return,
            }
        }
        self.pipe = Some(pipe);
    }

    /// Passes complete lines on, and forgets the oldest when there is too much.
    fn pass_on(&mut self, watch: &dyn Watch) {
        if let Keep::Beginning(most) = self.keep {
            self.kept.truncate(most);
            (self.line, self.searched) = (self.kept.len(), self.kept.len());
            return;
        }
        while let Some(at) = self.kept[self.searched..].iter().position(|b| *b == b'\n') {
            let end = self.searched + at;
            watch.line(self.name, &String::from_utf8_lossy(&self.kept[self.line..end]));
            self.line = end + 1;
            self.searched = self.line;
        }
        self.searched = self.kept.len();
        if self.kept.len() > KEPT {
            self.cut = true;
            let gone = if self.line == 0 { self.kept.len() } else { self.line };
            self.kept.drain(..gone);
            self.line = 0;
            self.searched = self.kept.len();
        }
    }

    fn finish(mut self, watch: &dyn Watch) -> String {
        while self.pipe.is_some() {
            let before = self.kept.len();
            self.drain(watch);
            if self.kept.len() == before {
                break;
            }
        }
        if self.line < self.kept.len() {
            watch.line(self.name, &String::from_utf8_lossy(&self.kept[self.line..]));
        }
        let text = match String::from_utf8(self.kept) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        if self.cut { format!("(the beginning was too long to keep)\n{text}") } else { text }
    }
}

fn nonblocking(fd: std::os::fd::RawFd) {
    // SAFETY: `fd` belongs to a pipe that is alive.
    unsafe {
        libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK);
    }
}

fn follow(
    child: &mut Child,
    command: &Command,
    watch: &dyn Watch,
    keep: Keep,
) -> Result<CommandOutput, OsError> {
    let what = || format!("running `{}`", command.line);
    let started = Instant::now();
    let pidfd: Option<OwnedFd> = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
    let mut stdout = Stream::new("stdout", child.stdout.take(), keep);
    let mut stderr = Stream::new("stderr", child.stderr.take(), keep);
    let mut input = child.stdin.take();
    let mut unsent = command.stdin.as_deref().unwrap_or_default().as_bytes();
    if let Some(pipe) = &input {
        nonblocking(pipe.as_raw_fd());
    }
    let mut ending: Option<(Instant, bool)> = None;
    let (mut timed_out, mut cancelled) = (false, false);
    let status: ExitStatus = loop {
        let mut ready: [bool; 4] = [false; 4];
        wait(
            &mut ready,
            pidfd.as_ref(),
            &stdout,
            &stderr,
            input.as_ref(),
            ending.is_some() || pidfd.is_none(),
        )
        .map_err(|e| OsError::errno(what(), e))?;
        if ready[1] {
            stdout.drain(watch);
        }
        if ready[2] {
            stderr.drain(watch);
        }
        if ready[3]
            && let Some(pipe) = &input
        {
            match rustix::io::write(pipe, unsent) {
                Ok(written) => unsent = &unsent[written..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => unsent = &[],
            }
        }
        if unsent.is_empty() {
            input = None;
        }
        if (ready[0] || pidfd.is_none())
            && let Some(status) = child.try_wait().map_err(|e| OsError::failed(what(), e))?
        {
            break status;
        }
        match &mut ending {
            None => {
                cancelled = watch.cancelled();
                timed_out = !cancelled && command.timeout.is_some_and(|limit| started.elapsed() >= limit);
                if cancelled || timed_out {
                    end(child, Signal::TERM);
                    ending = Some((Instant::now(), false));
                }
            }
            Some((since, killed)) if !*killed && since.elapsed() >= GRACE => {
                end(child, Signal::KILL);
                *killed = true;
            }
            Some(_) => {}
        }
    };
    if ending.is_some() {
        // The leader is gone; whoever of its group did not listen goes now.
        end(child, Signal::KILL);
    }
    if cancelled {
        return Err(OsError::Cancelled);
    }
    Ok(CommandOutput {
        stdout: stdout.finish(watch),
        stderr: stderr.finish(watch),
        exit_code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        timed_out,
    })
}

/// Waits until something is ready: the process's end, either output, the input, in this order. At most one beat.
fn wait<R: AsFd, S: AsFd>(
    ready: &mut [bool; 4],
    pidfd: Option<&OwnedFd>,
    stdout: &Stream<R>,
    stderr: &Stream<S>,
    input: Option<&std::process::ChildStdin>,
    impatient: bool,
) -> Result<(), Errno> {
    let sources = [
        pidfd.map(|fd| (fd.as_fd(), PollFlags::IN)),
        stdout.pipe.as_ref().map(|fd| (fd.as_fd(), PollFlags::IN)),
        stderr.pipe.as_ref().map(|fd| (fd.as_fd(), PollFlags::IN)),
        input.map(|fd| (fd.as_fd(), PollFlags::OUT)),
    ];
    let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(4);
    let mut which = Vec::with_capacity(4);
    for (index, source) in sources.into_iter().enumerate() {
        if let Some((fd, flags)) = source {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
            which.push(index);
        }
    }
    let beat = if impatient { Duration::from_millis(5) } else { BEAT };
    let beat = rustix::fs::Timespec { tv_sec: 0, tv_nsec: i64::from(beat.subsec_nanos()) };
    match poll(&mut fds, Some(&beat)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    for (fd, index) in fds.iter().zip(which) {
        ready[index] = !fd.revents().is_empty();
    }
    Ok(())
}
