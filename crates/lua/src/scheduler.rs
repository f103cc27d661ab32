//! Runs coroutines, one at a time, on the thread of the Lua state.
//!
//! A blocking call is carried out right here when nothing else could run meanwhile, and by a worker thread otherwise.
//! Coroutines come in groups: a body and everything it spawned share a [`Guard`], and the group ends when the body has
//! ended and none of its coroutines can do anything any more.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mlua::thread::ThreadStatus;
use mlua::{Function, Lua, MultiValue, Table, Thread, Value as LuaValue};
use sloth_core::span::Span;

use crate::fault::Fault;
use crate::limits::{Guard, Stop};
use crate::shared::{Native, Shared, UnitCx};

/// How often a sleeping program looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(50);

/// What is done with the result of blocking work, back on the Lua thread.
pub(crate) type Finish = Box<dyn FnOnce(&Lua, &Rc<Shared>) -> Native + Send>;

/// Blocking work.
pub(crate) struct Job(Box<dyn FnOnce() -> Finish + Send>);

impl Job {
    /// Work, and what is done with its result.
    pub(crate) fn new<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
        finish: impl FnOnce(&Lua, &Rc<Shared>, T) -> Native + Send + 'static,
    ) -> Self {
        Self(Box::new(move || {
            let done = work();
            Box::new(move |lua: &Lua, shared: &Rc<Shared>| finish(lua, shared, done))
        }))
    }
    /// The same work with one more thing done to its answer.
    pub(crate) fn then(
        self,
        more: impl FnOnce(&Lua, &Rc<Shared>, Native) -> Native + Send + 'static,
    ) -> Self {
        Self(Box::new(move || {
            let finish = self.run();
            Box::new(move |lua: &Lua, shared: &Rc<Shared>| {
                let answer = finish(lua, shared);
                more(lua, shared, answer)
            })
        }))
    }
    fn run(self) -> Finish {
        catch_unwind(AssertUnwindSafe(self.0)).unwrap_or_else(|_| {
            Box::new(|_: &Lua, _: &Rc<Shared>| {
                Err(Fault::new("internal", "a call ended in an internal error; what it did is unknown"))
            })
        })
    }
}

/// Result of a group's body.
pub(crate) type Ended = Result<MultiValue, Fault>;
type OnEnd = Box<dyn FnOnce(&Lua, &Rc<Shared>, Ended)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Working,
    Parked,
    Sleeping(u64),
}

struct Coroutine {
    thread: Thread,
    group: i64,
    unit: Rc<UnitCx>,
    state: State,
    wake: MultiValue,
}

struct Group {
    guard: Rc<Guard>,
    body: i64,
    result: Option<Ended>,
    /// Errors of goroutines nobody has looked at.
    errors: BTreeMap<i64, Fault>,
    on_end: Option<OnEnd>,
}

#[derive(Default)]
struct Inner {
    coroutines: BTreeMap<i64, Coroutine>,
    groups: BTreeMap<i64, Group>,
    ready: VecDeque<i64>,
    timers: BinaryHeap<Reverse<(Instant, u64, i64)>>,
    prepared: BTreeMap<i64, Job>,
    working: usize,
}

impl Inner {
    /// Drops timers nobody waits for.
    fn clean_timers(&mut self) {
        while let Some(Reverse((_, seq, id))) = self.timers.peek() {
            if self.coroutines.get(id).is_some_and(|c| c.state == State::Sleeping(*seq)) {
                return;
            }
            self.timers.pop();
        }
    }
}

/// Whether the main loop shall go on.
pub(crate) enum Turn {
    /// Something was started, or something runs.
    Continue,
    /// There is nothing left to start.
    Finished,
}

/// See the module.
pub(crate) struct Scheduler {
    inner: RefCell<Inner>,
    next: Cell<i64>,
    seq: Cell<u64>,
    current: Cell<i64>,
    suspend: RefCell<Option<Table>>,
    pool: Pool,
}

impl Scheduler {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            inner: RefCell::default(),
            next: Cell::new(1),
            seq: Cell::new(0),
            current: Cell::new(0),
            suspend: RefCell::default(),
            pool: Pool::new(workers.max(1)),
        }
    }
    pub(crate) fn set_suspend(&self, marker: Table) {
        *self.suspend.borrow_mut() = Some(marker);
    }
    fn id(&self) -> i64 {
        let id = self.next.get();
        self.next.set(id + 1);
        id
    }
    /// The running coroutine.
    pub(crate) const fn current(&self) -> i64 {
        self.current.get()
    }
    /// Could anything but the running coroutine make progress?
    pub(crate) fn others_could_run(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        if !inner.ready.is_empty() || inner.working > 0 {
            return true;
        }
        inner.clean_timers();
        !inner.timers.is_empty()
    }
    pub(crate) fn idle(&self) -> bool {
        self.inner.borrow().groups.is_empty()
    }
    /// Keeps work until its coroutine has yielded.
    pub(crate) fn prepare(&self, job: Job) -> i64 {
        let token = self.id();
        self.inner.borrow_mut().prepared.insert(token, job);
        token
    }
    pub(crate) fn take_prepared(&self, token: i64) -> Option<Job> {
        self.inner.borrow_mut().prepared.remove(&token)
    }
    /// Does work on this thread.
    pub(crate) fn run_here(&self, lua: &Lua, shared: &Rc<Shared>, job: Job) -> Native {
        let finish = job.run();
        shared.guard.borrow().refresh();
        finish(lua, shared)
    }

    /// Starts a body in a group of its own.
    pub(crate) fn start(
        &self,
        lua: &Lua,
        function: Function,
        args: MultiValue,
        unit: Rc<UnitCx>,
        guard: Rc<Guard>,
        on_end: OnEnd,
    ) -> mlua::Result<()> {
        let thread = lua.create_thread(function)?;
        let (group, id) = (self.id(), self.id());
        let mut inner = self.inner.borrow_mut();
        inner.groups.insert(
            group,
            Group { guard, body: id, result: None, errors: BTreeMap::new(), on_end: Some(on_end) },
        );
        inner.coroutines.insert(id, Coroutine { thread, group, unit, state: State::Ready, wake: args });
        inner.ready.push_back(id);
        Ok(())
    }
    /// Starts another coroutine in the running group.
    pub(crate) fn spawn(&self, lua: &Lua, function: Function, args: MultiValue) -> mlua::Result<i64> {
        let thread = lua.create_thread(function)?;
        let id = self.id();
        let mut inner = self.inner.borrow_mut();
        let Some((group, unit)) =
            inner.coroutines.get(&self.current.get()).map(|c| (c.group, Rc::clone(&c.unit)))
        else {
            return Err(mlua::Error::runtime("nothing is running"));
        };
        inner.coroutines.insert(id, Coroutine { thread, group, unit, state: State::Ready, wake: args });
        inner.ready.push_back(id);
        Ok(id)
    }
    /// Lets a parked or sleeping coroutine go on with these values.
    pub(crate) fn wake(&self, id: i64, values: MultiValue) -> bool {
        let mut inner = self.inner.borrow_mut();
        match inner.coroutines.get_mut(&id) {
            Some(c) if matches!(c.state, State::Parked | State::Sleeping(_)) => {
                c.state = State::Ready;
                c.wake = values;
                inner.ready.push_back(id);
                true
            }
            _ => false,
        }
    }
    /// Is there such a coroutine, and can it still run?
    pub(crate) fn alive(&self, id: i64) -> bool {
        let inner = self.inner.borrow();
        inner
            .coroutines
            .get(&id)
            .and_then(|c| inner.groups.get(&c.group))
            .is_some_and(|group| !group.guard.stopped())
    }
    /// The running coroutine will sleep when it yields next.
    pub(crate) fn sleep(&self, time: Duration) {
        let at = Instant::now()
            .checked_add(time)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400 * 365));
        let seq = self.seq.get() + 1;
        self.seq.set(seq);
        let id = self.current.get();
        let mut inner = self.inner.borrow_mut();
        if let Some(c) = inner.coroutines.get_mut(&id) {
            c.state = State::Sleeping(seq);
            inner.timers.push(Reverse((at, seq, id)));
        }
    }
    /// The running coroutine could not yield after all.
    pub(crate) fn awake(&self) {
        if let Some(c) = self.inner.borrow_mut().coroutines.get_mut(&self.current.get()) {
            c.state = State::Parked;
        }
    }
    /// A goroutine failed and nobody has looked at it yet.
    pub(crate) fn report(&self, fault: Fault) -> i64 {
        let token = self.id();
        let mut inner = self.inner.borrow_mut();
        let group = inner.coroutines.get(&self.current.get()).map(|c| c.group);
        if let Some(group) = group.and_then(|g| inner.groups.get_mut(&g)) {
            group.errors.insert(token, fault);
        }
        token
    }
    /// Somebody has looked at it.
    pub(crate) fn forgive(&self, token: i64) {
        for group in self.inner.borrow_mut().groups.values_mut() {
            group.errors.remove(&token);
        }
    }

    /// Runs until `pull` says that there is nothing left to start and everything has ended. `pull` is asked at the
    /// beginning, and again after every end of a group.
    pub(crate) fn run(
        &self,
        lua: &Lua,
        shared: &Rc<Shared>,
        mut pull: impl FnMut() -> Result<Turn, String>,
    ) -> Result<(), String> {
        let mut finished = false;
        let mut ask = true;
        loop {
            if ask && !finished {
                finished = matches!(pull()?, Turn::Finished);
                ask = false;
            }
            while let Some((id, finish)) = self.pool.poll() {
                ask |= self.worked(lua, shared, id, finish);
            }
            ask |= self.look(lua, shared);
            let next = self.inner.borrow_mut().ready.pop_front();
            if let Some(id) = next {
                ask |= self.step(lua, shared, id);
                continue;
            }
            if self.idle() {
                if finished {
                    return Ok(());
                }
                let before = ask;
                ask = true;
                if !before {
                    continue;
                }
                finished = matches!(pull()?, Turn::Finished);
                if !finished && self.idle() {
                    return Err("nothing can be started although nothing runs".to_owned());
                }
                continue;
            }
            ask |= self.wait(lua, shared);
        }
    }

    /// Nothing can run now: waits for a worker, a timer or a deadline. True when a group ended.
    fn wait(&self, lua: &Lua, shared: &Rc<Shared>) -> bool {
        let (until, working) = {
            let mut inner = self.inner.borrow_mut();
            inner.clean_timers();
            let timer = inner.timers.peek().map(|Reverse((at, ..))| *at);
            if timer.is_none() && inner.working == 0 {
                drop(inner);
                return self.stuck(lua, shared);
            }
            let deadline = inner.groups.values().filter_map(|g| g.guard.deadline()).min();
            let soon = Instant::now() + LOOK;
            let until = [timer, deadline, Some(soon)].into_iter().flatten().min().unwrap_or(soon);
            (until, inner.working)
        };
        let time = until.saturating_duration_since(Instant::now());
        if working > 0 {
            if let Some((id, finish)) = self.pool.wait(time) {
                return self.worked(lua, shared, id, finish);
            }
        } else {
            std::thread::sleep(time);
        }
        false
    }

    /// Timers that are due, and groups whose time is over.
    fn look(&self, lua: &Lua, shared: &Rc<Shared>) -> bool {
        let mut over = Vec::new();
        {
            let mut inner = self.inner.borrow_mut();
            if !inner.timers.is_empty() {
                let now = Instant::now();
                inner.clean_timers();
                while let Some(&Reverse((at, _, id))) = inner.timers.peek() {
                    if at > now {
                        break;
                    }
                    inner.timers.pop();
                    if let Some(c) = inner.coroutines.get_mut(&id) {
                        c.state = State::Ready;
                        c.wake = [LuaValue::Integer(0)].into_iter().collect();
                        inner.ready.push_back(id);
                    }
                    inner.clean_timers();
                }
            }
            let resting = inner.ready.is_empty();
            let now = Instant::now();
            for (id, group) in &inner.groups {
                let guard = &group.guard;
                if guard.is_trusted() {
                    continue;
                }
                if !guard.stopped() && guard.deadline().is_some_and(|d| now >= d) {
                    if let Some(stop) = guard.check(now) {
                        guard.trip(stop, None);
                    }
                } else if !guard.stopped() && resting && guard.scope_stopping() {
                    guard.trip(Stop::Run, None);
                }
                if guard.stopped() {
                    over.push(*id);
                }
            }
        }
        let mut ended = false;
        for group in over {
            ended |= self.maybe_end(lua, shared, group);
        }
        ended
    }

    /// Everything waits for everything else. A goroutine that failed is the likelier cause of that, and is told instead.
    fn stuck(&self, lua: &Lua, shared: &Rc<Shared>) -> bool {
        let (chosen, waiting): (Vec<i64>, Vec<(i64, bool, Thread)>) = {
            let inner = self.inner.borrow();
            let untrusted: Vec<i64> =
                inner.groups.iter().filter(|(_, g)| !g.guard.is_trusted()).map(|(id, _)| *id).collect();
            let chosen =
                if untrusted.is_empty() { inner.groups.keys().copied().collect() } else { untrusted };
            let waiting = inner
                .coroutines
                .iter()
                .filter(|(_, c)| c.state == State::Parked && chosen.contains(&c.group))
                .map(|(id, c)| {
                    let body = inner.groups.get(&c.group).is_some_and(|g| g.body == *id);
                    (c.group, body, c.thread.clone())
                })
                .take(1000)
                .collect();
            (chosen, waiting)
        };
        let mut ended = false;
        for id in chosen {
            let (mut span, mut others) = (None, std::collections::BTreeSet::new());
            for (_, body, thread) in waiting.iter().filter(|(group, ..)| *group == id) {
                match shared.waits_at(thread) {
                    Some(at) if *body => span = Some(at),
                    Some(at) => drop(others.insert((at.file.to_string(), at.line))),
                    None => {}
                }
            }
            let fault = deadlock(span, &others);
            if let Some(group) = self.inner.borrow_mut().groups.get_mut(&id)
                && group.result.is_none()
            {
                let cause = group.errors.pop_first().map(|(_, fault)| fault);
                group.result = Some(Err(cause.unwrap_or(fault)));
            }
            ended |= self.maybe_end(lua, shared, id);
        }
        ended
    }

    /// A worker is done. True when a group ended by this.
    fn worked(&self, lua: &Lua, shared: &Rc<Shared>, id: i64, finish: Finish) -> bool {
        let (unit, guard, group) = {
            let mut inner = self.inner.borrow_mut();
            inner.working = inner.working.saturating_sub(1);
            let Some(c) = inner.coroutines.get(&id) else { return false };
            let Some(g) = inner.groups.get(&c.group) else { return false };
            (Rc::clone(&c.unit), Rc::clone(&g.guard), c.group)
        };
        if guard.stopped() {
            self.inner.borrow_mut().coroutines.remove(&id);
            return self.maybe_end(lua, shared, group);
        }
        *shared.cx.borrow_mut() = unit;
        *shared.guard.borrow_mut() = guard;
        let last = self.current.replace(id);
        let answer = finish(lua, shared);
        let values = shared.settle(lua, answer);
        self.current.set(last);
        self.leave(shared);
        let mut inner = self.inner.borrow_mut();
        if let Some(c) = inner.coroutines.get_mut(&id) {
            c.state = State::Ready;
            c.wake = values.unwrap_or_else(|e| {
                [LuaValue::Integer(2), LuaValue::Error(Box::new(e))].into_iter().collect()
            });
            inner.ready.push_back(id);
        }
        false
    }

    fn leave(&self, shared: &Shared) {
        *shared.cx.borrow_mut() = Rc::default();
        *shared.guard.borrow_mut() = Rc::new(Guard::trusted());
    }

    /// Lets one coroutine run until it waits or ends. True when its group ended.
    fn step(&self, lua: &Lua, shared: &Rc<Shared>, id: i64) -> bool {
        let (thread, values, unit, guard, group) = {
            let mut inner = self.inner.borrow_mut();
            let Some(c) = inner.coroutines.get_mut(&id) else { return false };
            if c.state != State::Ready {
                return false;
            }
            c.state = State::Parked;
            let (thread, values, unit, group) =
                (c.thread.clone(), std::mem::take(&mut c.wake), Rc::clone(&c.unit), c.group);
            let Some(g) = inner.groups.get(&group) else { return false };
            (thread, values, unit, Rc::clone(&g.guard), group)
        };
        guard.refresh();
        *shared.cx.borrow_mut() = unit;
        *shared.guard.borrow_mut() = Rc::clone(&guard);
        self.current.set(id);
        let result = thread.resume::<MultiValue>(values);
        self.current.set(0);
        self.leave(shared);
        if result.is_ok() && thread.status() == ThreadStatus::Resumable {
            if guard.stopped() {
                self.inner.borrow_mut().coroutines.remove(&id);
                return self.maybe_end(lua, shared, group);
            }
            self.yielded(id, result.unwrap_or_default());
            return self.maybe_end(lua, shared, group);
        }
        let ended = match result {
            Ok(mut values) => match values.pop_front() {
                Some(LuaValue::Boolean(true)) => Ok(values),
                Some(LuaValue::Boolean(false)) => {
                    let value = values.pop_front().unwrap_or(LuaValue::Nil);
                    Err(Fault::caught(lua, shared, &value))
                }
                _ => Ok(MultiValue::new()),
            },
            Err(error) => Err(Fault::from_mlua(shared, &error)),
        };
        {
            let mut inner = self.inner.borrow_mut();
            inner.coroutines.remove(&id);
            if let Some(g) = inner.groups.get_mut(&group) {
                if g.body == id {
                    g.result = Some(ended);
                } else if let Err(fault) = ended {
                    g.errors.insert(id, fault);
                }
            }
        }
        self.maybe_end(lua, shared, group)
    }

    fn yielded(&self, id: i64, mut values: MultiValue) {
        let ours = match values.pop_front() {
            Some(LuaValue::Table(t)) => self.suspend.borrow().as_ref() == Some(&t),
            _ => false,
        };
        let token = match values.pop_front() {
            Some(LuaValue::Integer(token)) if ours => token,
            Some(LuaValue::Number(token)) if ours => {
                #[expect(clippy::cast_possible_truncation, reason = "tokens are small whole numbers")]
                {
                    token as i64
                }
            }
            _ => -1,
        };
        let mut inner = self.inner.borrow_mut();
        if token > 0 {
            if let Some(job) = inner.prepared.remove(&token) {
                inner.working += 1;
                if let Some(c) = inner.coroutines.get_mut(&id) {
                    c.state = State::Working;
                }
                self.pool.submit(id, job);
            }
        } else if token < 0
            && let Some(c) = inner.coroutines.get_mut(&id)
        {
            // A plain `coroutine.yield` outside of any coroutine of the script: let the others run.
            c.state = State::Ready;
            c.wake = MultiValue::new();
            inner.ready.push_back(id);
        }
    }

    /// Ends the group if it can be ended.
    fn maybe_end(&self, lua: &Lua, shared: &Rc<Shared>, id: i64) -> bool {
        let (on_end, result) = {
            let mut inner = self.inner.borrow_mut();
            let Some(group) = inner.groups.get(&id) else { return false };
            let stopped = group.guard.stopped();
            if group.result.is_none() && !stopped {
                return false;
            }
            let busy = inner.coroutines.values().any(|c| {
                c.group == id
                    && match c.state {
                        State::Working => true,
                        State::Ready | State::Sleeping(_) => !stopped,
                        State::Parked => false,
                    }
            });
            if busy {
                return false;
            }
            inner.coroutines.retain(|_, c| c.group != id);
            let Some(mut group) = inner.groups.remove(&id) else { return false };
            let result = if stopped {
                Err(shared.stop_fault(&group.guard))
            } else {
                match (group.result.take(), group.errors.pop_first()) {
                    (Some(Err(fault)), _) | (_, Some((_, fault))) => Err(fault),
                    (Some(Ok(values)), None) => Ok(values),
                    (None, None) => Ok(MultiValue::new()),
                }
            };
            (group.on_end.take(), result)
        };
        if let Some(on_end) = on_end {
            on_end(lua, shared, result);
        }
        true
    }
}

/// What is said when everything waits: where the body waits, and in which lines its goroutines do.
fn deadlock(span: Option<Span>, others: &std::collections::BTreeSet<(String, u32)>) -> Fault {
    let mut hint = "a channel nobody sends to or receives from, a lock nobody gives back, or a wait group that is never done"
        .to_owned();
    if !others.is_empty() {
        let lines: Vec<String> = others.iter().take(5).map(|(file, line)| format!("{file}:{line}")).collect();
        let more = if others.len() > 5 { ", …" } else { "" };
        hint = format!("{hint}; goroutines wait at {}{more}", lines.join(", "));
    }
    Fault::new("deadlock", "it waits for something that cannot happen any more").span(span).hint(hint)
}

type Task = (i64, Job);

/// Worker threads, started when needed.
struct Pool {
    limit: usize,
    threads: RefCell<Vec<JoinHandle<()>>>,
    busy: Cell<usize>,
    tasks: RefCell<Option<Sender<Task>>>,
    queue: Arc<Mutex<Receiver<Task>>>,
    done: Sender<(i64, Finish)>,
    results: Receiver<(i64, Finish)>,
}

impl Pool {
    fn new(limit: usize) -> Self {
        let (tasks, queue) = channel();
        let (done, results) = channel();
        Self {
            limit,
            threads: RefCell::default(),
            busy: Cell::new(0),
            tasks: RefCell::new(Some(tasks)),
            queue: Arc::new(Mutex::new(queue)),
            done,
            results,
        }
    }
    fn submit(&self, id: i64, job: Job) {
        let mut threads = self.threads.borrow_mut();
        if self.busy.get() >= threads.len() && threads.len() < self.limit {
            let queue = Arc::clone(&self.queue);
            let done = self.done.clone();
            let worker = std::thread::Builder::new().name("sloth-call".to_owned()).spawn(move || {
                loop {
                    let task = match queue.lock() {
                        Ok(queue) => queue.recv(),
                        Err(_) => return,
                    };
                    let Ok((id, job)) = task else { return };
                    if done.send((id, job.run())).is_err() {
                        return;
                    }
                }
            });
            if let Ok(worker) = worker {
                threads.push(worker);
            }
        }
        self.busy.set(self.busy.get() + 1);
        if threads.is_empty() {
            // No thread can be had: do it here, late rather than never.
            let _ = self.done.send((id, job.run()));
        } else if let Some(tasks) = &*self.tasks.borrow() {
            let _ = tasks.send((id, job));
        }
    }
    fn took(&self, result: Option<(i64, Finish)>) -> Option<(i64, Finish)> {
        if result.is_some() {
            self.busy.set(self.busy.get().saturating_sub(1));
        }
        result
    }
    fn poll(&self) -> Option<(i64, Finish)> {
        if self.busy.get() == 0 {
            return None;
        }
        self.took(self.results.try_recv().ok())
    }
    fn wait(&self, time: Duration) -> Option<(i64, Finish)> {
        self.took(self.results.recv_timeout(time).ok())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.tasks.borrow_mut().take();
        for thread in self.threads.borrow_mut().drain(..) {
            // A worker never panics: the job's panic is caught.
            let _ = thread.join();
        }
    }
}
