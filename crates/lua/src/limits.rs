//! What a script may use, and the guard that stops it.
//!
//! A guard belongs to one piece of user code and all coroutines it started. Once it is tripped it stays so: every
//! further instruction of that code fails, so neither `pcall` nor a coroutine can carry on.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sloth_core::body::Scope;
use sloth_core::span::Span;

/// Bounds for the scripts of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes all Lua values together may take.
    pub memory: usize,
    /// How long a task may compute without handing control to a host call.
    pub cpu: Duration,
    /// How long loading the file may take.
    pub load: Duration,
    /// Threads that carry out blocking calls while other coroutines run.
    pub workers: usize,
    /// Longest source text, in bytes.
    pub source: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            cpu: Duration::from_secs(30),
            load: Duration::from_secs(10),
            workers: 32,
            source: 8 << 20,
        }
    }
}

/// Why a guard was tripped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It computed for too long without a host call.
    Cpu(Duration),
    /// Its time is over.
    Timeout(Duration),
    /// The run is being stopped.
    Run,
}

impl Stop {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Cpu(limit) => {
                format!("stopped: it computed for more than {} without a call", words(*limit))
            }
            Self::Timeout(limit) => format!("timed out after {}", words(*limit)),
            Self::Run => "the run is being stopped".to_owned(),
        }
    }
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "limit",
            Self::Timeout(_) => "timeout",
            Self::Run => "stopped",
        }
    }
}

/// A duration as people write it: `500ms`, `2.5s`, `5m`, `1h30m`.
pub(crate) fn words(d: Duration) -> String {
    let millis = d.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let seconds = d.as_secs();
    if seconds < 60 {
        let rest = d.subsec_millis() / 100;
        return if rest == 0 { format!("{seconds}s") } else { format!("{seconds}.{rest}s") };
    }
    let (h, m, s) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    let mut out = String::new();
    for (n, unit) in [(h, 'h'), (m, 'm'), (s, 's')] {
        if n > 0 {
            out.push_str(&n.to_string());
            out.push(unit);
        }
    }
    out
}

/// Watches one piece of user code.
pub(crate) struct Guard {
    /// Code of this crate is never stopped.
    trusted: bool,
    cpu: Duration,
    deadline: Option<(Instant, Duration)>,
    budget: Cell<Instant>,
    next_look: Cell<Instant>,
    /// The budget starts at the next check.
    fresh: Cell<bool>,
    ticks: Cell<u8>,
    stopped: Cell<bool>,
    why: RefCell<Option<(Stop, Option<Span>)>>,
    scope: Option<Arc<dyn Scope>>,
}

impl Guard {
    pub(crate) fn trusted() -> Self {
        Self::new(Duration::from_secs(3600), None, None, true)
    }
    pub(crate) fn watching(cpu: Duration, timeout: Option<Duration>, scope: Option<Arc<dyn Scope>>) -> Self {
        Self::new(cpu, timeout, scope, false)
    }
    fn new(cpu: Duration, timeout: Option<Duration>, scope: Option<Arc<dyn Scope>>, trusted: bool) -> Self {
        let now = Instant::now();
        Self {
            trusted,
            cpu,
            deadline: timeout.and_then(|t| Some((now.checked_add(t)?, t))),
            budget: Cell::new(now + cpu),
            next_look: Cell::new(now),
            fresh: Cell::new(false),
            ticks: Cell::new(0),
            stopped: Cell::new(false),
            why: RefCell::new(None),
            scope,
        }
    }
    /// A host call was made or the code was resumed: the computing budget starts anew.
    pub(crate) fn refresh(&self) {
        self.fresh.set(true);
    }
    /// Is it time to look at the clock? A few instructions may pass in between.
    pub(crate) fn due(&self) -> bool {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        ticks & 3 == 0
    }
    pub(crate) const fn is_trusted(&self) -> bool {
        self.trusted
    }
    pub(crate) const fn stopped(&self) -> bool {
        self.stopped.get()
    }
    pub(crate) fn why(&self) -> Option<(Stop, Option<Span>)> {
        self.why.borrow().clone()
    }
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.map(|(at, _)| at)
    }
    /// Time left until the deadline.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.deadline.map(|(at, _)| at.saturating_duration_since(Instant::now()))
    }
    pub(crate) fn scope_stopping(&self) -> bool {
        self.scope.as_ref().is_some_and(|s| s.stopping())
    }
    pub(crate) fn trip(&self, stop: Stop, span: Option<Span>) {
        if !self.stopped.replace(true) {
            *self.why.borrow_mut() = Some((stop, span));
        }
    }
    /// Looks whether a limit was passed; says which, once.
    pub(crate) fn check(&self, now: Instant) -> Option<Stop> {
        if self.trusted || self.stopped.get() {
            return None;
        }
        if let Some((at, limit)) = self.deadline
            && now >= at
        {
            return Some(Stop::Timeout(limit));
        }
        if self.fresh.replace(false) {
            self.budget.set(now + self.cpu);
        }
        if now >= self.budget.get() {
            return Some(Stop::Cpu(self.cpu));
        }
        if now >= self.next_look.get() {
            self.next_look.set(now + Duration::from_millis(20));
            if self.scope_stopping() {
                return Some(Stop::Run);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (ms, text) in
            [(500, "500ms"), (2000, "2s"), (2500, "2.5s"), (300_000, "5m"), (5_400_000, "1h30m")]
        {
            assert_eq!(words(Duration::from_millis(ms)), text);
        }
    }
}
