//! What happens while a run goes on: a live line on a terminal, plain lines otherwise, JSON lines for programs.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sloth_core::change::{Action, Change};
use sloth_core::event::{Event, EventType, Severity};
use sloth_core::sink::{EventSink, Signal};

use super::escape::line as clean;
use super::theme::Theme;
use super::{escape, words};

const TICK: Duration = Duration::from_millis(120);
/// Bytes of lines that are written together when nobody watches them appear.
const TOGETHER: usize = 16 * 1024;
const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How much is said, and how.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Colours of standard error.
    pub theme: Theme,
    /// Redraw one line (a terminal) or only add lines.
    pub live: bool,
    /// Say nothing but warnings.
    pub quiet: bool,
    /// Say also what did not change.
    pub verbose: bool,
    /// Events as JSON lines on standard output.
    pub json: bool,
    /// Nothing is changed, so decisions are left to the plan.
    pub planning: bool,
}

struct State {
    running: BTreeMap<String, Instant>,
    done: usize,
    changed: usize,
    frame: usize,
    drawn: bool,
    over: bool,
    /// Lines about decisions that were not written yet; thousands of them are written together.
    pending: String,
    written: Instant,
}

struct Shared {
    manner: Manner,
    begun: Instant,
    state: Mutex<State>,
    wake: Condvar,
}

/// The listener of a run. Dropping it takes the live line away.
pub struct Progress {
    shared: Arc<Shared>,
    ticker: Option<std::thread::JoinHandle<()>>,
}

impl Progress {
    /// Starts listening; on a terminal the live line moves by itself.
    pub fn start(manner: Manner) -> Self {
        let state = State {
            running: BTreeMap::new(),
            done: 0,
            changed: 0,
            frame: 0,
            drawn: false,
            over: false,
            pending: String::new(),
            written: Instant::now(),
        };
        let shared = Arc::new(Shared {
            manner,
            begun: Instant::now(),
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        let mine = Arc::clone(&shared);
        let ticker = (manner.live && !manner.quiet)
            .then(|| std::thread::Builder::new().name("progress".to_owned()).spawn(move || tick(&mine)).ok())
            .flatten();
        Self { shared, ticker }
    }

    /// Takes the live line away; nothing is printed afterwards.
    pub fn finish(&self) {
        let mut state = self.shared.lock();
        flush(&mut state);
        self.shared.clear(&mut state);
        state.over = true;
        drop(state);
        self.shared.wake.notify_all();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }
}

fn tick(shared: &Shared) {
    let mut state = shared.lock();
    while !state.over {
        state = shared.wake.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        if !state.over && !state.running.is_empty() {
            state.frame = (state.frame + 1) % FRAMES.len();
            shared.draw(&mut state);
        }
    }
}

fn flush(state: &mut State) {
    if !state.pending.is_empty() {
        stderr(&state.pending);
        state.pending.clear();
    }
    state.written = Instant::now();
}

fn stderr(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn is_live(&self) -> bool {
        self.manner.live && !self.manner.quiet
    }
    fn clear(&self, state: &mut State) {
        if state.drawn {
            stderr("\r\x1b[2K");
            state.drawn = false;
        }
    }
    fn draw(&self, state: &mut State) {
        let names: Vec<&str> = state.running.keys().map(String::as_str).collect();
        let text = format!(
            "{} {} done, {}, {}: {}",
            FRAMES[state.frame],
            words::count(state.done as u64, "task"),
            words::count(state.changed as u64, "change"),
            words::duration(Duration::from_secs(self.begun.elapsed().as_secs())),
            names.join(", "),
        );
        let limit = columns().saturating_sub(1);
        let text: String = clean(&text).chars().take(limit).collect();
        stderr(&format!("\r\x1b[2K{text}"));
        state.drawn = true;
    }
    /// One line above the live one.
    fn say(&self, state: &mut State, line: &str) {
        if self.manner.quiet || state.over {
            return;
        }
        flush(state);
        self.clear(state);
        stderr(&format!("{line}\n"));
        if self.is_live() && !state.running.is_empty() {
            self.draw(state);
        }
    }

    fn event(&self, event: &Event) {
        let mut state = self.lock();
        let task = event.task.clone().unwrap_or_default();
        match event.kind {
            EventType::TaskStarted => {
                state.running.insert(task, Instant::now());
                if self.is_live() {
                    self.draw(&mut state);
                }
            }
            EventType::TaskCompleted | EventType::TaskFailed | EventType::TaskSkipped => {
                let took = state.running.remove(&task).map(|begun| words::duration(begun.elapsed()));
                state.done += 1;
                if self.manner.planning && event.kind == EventType::TaskCompleted {
                    return;
                }
                let line = self.task_line(event, &task, took.as_deref());
                self.say(&mut state, &line);
            }
            EventType::ResourceFailed => {
                let line = format!("  {} {}", self.manner.theme.bad("! failed"), clean(&event.message));
                self.say(&mut state, &line);
            }
            _ => {}
        }
    }

    fn task_line(&self, event: &Event, task: &str, took: Option<&str>) -> String {
        let theme = self.manner.theme;
        let (word, message) = match event.kind {
            EventType::TaskFailed => (theme.bad("failed"), true),
            EventType::TaskSkipped => (theme.warning("skipped"), true),
            _ => (theme.good("done"), false),
        };
        let took = took.map(|t| format!(" in {t}")).unwrap_or_default();
        let mut line = format!("task {}: {word}{took}", clean(task));
        let why = event.payload.get("message").and_then(serde_json::Value::as_str).filter(|_| message);
        for part in why.unwrap_or_default().lines() {
            line.push_str(&format!("\n    {}", escape::lines(part)));
        }
        line
    }

    fn decided(&self, address: &str, change: &Change) {
        if self.manner.planning || (change.action == Action::Noop && !self.manner.verbose) {
            return;
        }
        let mut state = self.lock();
        state.changed += usize::from(change.action.touches());
        let line = format!(
            "  {}  {}  ({})",
            self.manner.theme.action(change.action),
            clean(address),
            clean(&change.reason.phrase())
        );
        if self.is_live() || self.manner.quiet || state.over {
            return self.say(&mut state, &line);
        }
        state.pending.push_str(&line);
        state.pending.push('\n');
        if state.pending.len() >= TOGETHER || state.written.elapsed() >= TICK {
            flush(&mut state);
        }
    }

    fn told(&self, task: Option<&str>, stream: &str, text: &str) {
        let mut state = self.lock();
        let who = task.map(|t| format!("{} | ", clean(t))).unwrap_or_default();
        let theme = self.manner.theme;
        let level = match stream {
            "warn" => format!("{} ", theme.warning("warning:")),
            "error" => format!("{} ", theme.bad("error:")),
            "debug" if !self.manner.verbose => return,
            _ => String::new(),
        };
        for line in text.split('\n') {
            let line = format!("{who}{level}{}", escape::lines(line));
            self.say(&mut state, &line);
        }
    }
}

/// Width of the terminal behind standard error.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|&columns| columns > 0)
        .or_else(|| crate::env::text(crate::env::COLUMNS)?.parse().ok())
        .unwrap_or(80)
}

impl EventSink for Progress {
    fn signal(&self, signal: &Signal<'_>) {
        let shared = &self.shared;
        if shared.manner.json {
            json(signal);
        }
        match signal {
            Signal::Event(event) => shared.event(event),
            Signal::Decided { address, change, .. } => shared.decided(&address.to_string(), change),
            Signal::Command { line, planned, .. } => {
                if !planned {
                    let first = line.lines().next().unwrap_or("");
                    let text = format!("  {}  {}", shared.manner.theme.warning("> run"), clean(first));
                    shared.say(&mut shared.lock(), &text);
                }
            }
            Signal::Line { task, stream, text } => shared.told(*task, stream, text),
            Signal::Notice { severity, text } => {
                let word = match severity {
                    Severity::Info => shared.manner.theme.faint("note:"),
                    Severity::Warning => shared.manner.theme.warning("warning:"),
                    Severity::Error => shared.manner.theme.bad("error:"),
                };
                let line = format!("{word} {}", clean(text));
                shared.say(&mut shared.lock(), &line);
            }
        }
    }
}

/// One signal as one line of JSON.
fn json(signal: &Signal<'_>) {
    use std::io::Write as _;
    let value = match signal {
        Signal::Event(event) => serde_json::json!({
            "type": event.kind.as_str(),
            "severity": event.severity,
            "at": event.at.rfc3339(),
            "run_id": event.run.as_ref().map(ToString::to_string),
            "task": event.task,
            "address": event.address,
            "message": event.message,
            "payload": event.payload,
        }),
        Signal::Line { task, stream, text } => {
            serde_json::json!({ "type": "line", "task": task, "stream": stream, "text": text })
        }
        Signal::Notice { severity, text } => {
            serde_json::json!({ "type": "notice", "severity": severity, "message": text })
        }
        Signal::Decided { .. } | Signal::Command { .. } => return,
    };
    // Who stopped reading misses the rest; the run goes on.
    let _ = writeln!(std::io::stdout().lock(), "{value}");
}
