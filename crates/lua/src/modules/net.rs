//! `net`, also called `network`: ports, names and waiting for them, as the host of the task sees them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::{Lua, MultiValue, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::body::{CallError, CommandCall, CommandOutcome, Scope};
use sloth_core::command::{Command, CommandOutput};
use sloth_core::web::{self, Errand};

use super::http::{self, Came, Wanted};
use super::{Module, exec, text};
use crate::args::{duration_of, text_of};
use crate::fault::Fault;
use crate::options::{Options, Taken};
use crate::scheduler::Job;
use crate::shared::{Answer, Native, Shared};

/// What a question about a port may say. The original counts seconds.
const PORT: Options = Options {
    function: "net.port_check",
    names: &[("delegate_to", &[]), ("host", &["address"]), ("port", &[]), ("timeout", &[])],
};
const WAIT: Options = Options {
    function: "net.wait_for",
    names: &[
        ("delegate_to", &[]),
        ("host", &["address"]),
        ("ignore_errors", &[]),
        ("interval", &["every"]),
        ("port", &[]),
        ("state", &[]),
        ("status", &[]),
        ("timeout", &[]),
        ("url", &[]),
    ],
};
const ASK: Options =
    Options { function: "net.ping", names: &[("count", &[]), ("delegate_to", &[]), ("timeout", &[])] };

pub(super) fn fill(net: &Module<'_>) -> mlua::Result<()> {
    net.add(&["port_check", "is_open", "can_connect"], |lua, shared, args| {
        let target = Target::parse(lua, shared, &PORT, args, 5.0)?;
        target.ask(lua, shared, |_, output| {
            let why = if output.success() { "port is open".to_owned() } else { output.stderr };
            (output.exit_code == 0, why)
        })
    })?;
    net.add(&["port_scan"], |lua, shared, args| port_scan(lua, shared, &args))?;
    net.add(&["wait_for", "wait_for_port"], wait_for)?;
    net.add(&["resolve", "dns_lookup"], |lua, shared, args| {
        let name = text(&args, 0, "net.resolve", "a name")?;
        let options = match args.get(1) {
            Some(LuaValue::Table(table)) => Some(ASK.take(lua, shared, table)?),
            Some(LuaValue::Nil) | None => None,
            Some(sort) => {
                if text_of(sort).is_none_or(|sort| !sort.eq_ignore_ascii_case("A")) {
                    return Err(Fault::argument("`net.resolve` knows addresses only")
                        .hint("run `exec.run(\"dig +short …\", { read_only = true })` for other records"));
                }
                None
            }
        };
        let host = options.map_or(Ok(None), |o| o.text("delegate_to"))?.map(HostName::new);
        let command = errand(format!("resolve {name}"), Errand::Resolve { name }, Duration::from_secs(30));
        ask(lua, shared, "net.resolve", command, host, |lua, output| {
            if !output.success() {
                let why = lua.create_string(&output.stderr)?;
                return Answer::many([LuaValue::Nil, LuaValue::String(why)]);
            }
            Answer::one(LuaValue::Table(lua.create_sequence_from(output.stdout.lines())?))
        })
    })?;
    net.add(&["ping"], |lua, shared, args| {
        let host = text(&args, 0, "net.ping", "a host")?;
        if host.starts_with('-') || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Fault::argument(format!("`{}` is no host", host.escape_debug())));
        }
        let options = match args.get(1) {
            Some(LuaValue::Table(table)) => ASK.take(lua, shared, table)?,
            _ => Taken::default(),
        };
        let count = options.count("count", 100)?.unwrap_or(3).max(1).to_string();
        let wait = options.count("timeout", 600)?.unwrap_or(5).max(1).to_string();
        let command = Command::argv(&["ping", "-c", &count, "-W", &wait, "--", &host]);
        let table = lua.create_table()?;
        table.raw_set("delegate_to", options.text("delegate_to")?)?;
        exec::ask(lua, shared, "net.ping", command, Some(&table), |lua, output| {
            if !output.success() {
                let why = output.stderr.trim().to_owned();
                let why = if why.is_empty() { "no answer".to_owned() } else { why };
                return Answer::many([LuaValue::Boolean(false), LuaValue::String(lua.create_string(why)?)]);
            }
            let table = lua.create_table()?;
            table.raw_set("success", true)?;
            table.raw_set("output", output.stdout.as_str())?;
            let line = |part: &str| output.stdout.lines().find(|l| l.contains(part)).map(str::to_owned);
            table.raw_set("statistics", line("packets transmitted"))?;
            table.raw_set("timing", line("min/avg/max"))?;
            Answer::one(LuaValue::Table(table))
        })
    })?;
    // The original's forms: content, status, headers, error.
    net.add(&["http_get"], |lua, shared, args| http::call(lua, shared, Some("GET"), args, four))?;
    net.add(&["http_post"], |lua, shared, args| http::call(lua, shared, Some("POST"), args, four))
}

fn four(lua: &Lua, _: &Rc<Shared>, wanted: &Wanted, came: Came) -> Native {
    match came {
        Came::Planned => Answer::many([
            LuaValue::String(lua.create_string("")?),
            LuaValue::Integer(0),
            LuaValue::Table(lua.create_table()?),
            LuaValue::Nil,
        ]),
        Came::Nothing(why) => {
            let message = lua.create_string(format!("{}: {why}", wanted.line))?;
            Answer::many([LuaValue::Nil, LuaValue::Integer(0), LuaValue::Nil, LuaValue::String(message)])
        }
        Came::Back(answer, _) => Answer::many([
            LuaValue::String(lua.create_string(web::bytes_of(&answer.body))?),
            LuaValue::Integer(i64::from(answer.status)),
            LuaValue::Table(http::headers(lua, &answer, true)?),
            LuaValue::Nil,
        ]),
    }
}

fn errand(line: String, errand: Errand, timeout: Duration) -> Command {
    Command {
        line,
        read_only: true,
        timeout: Some(timeout),
        errand: Some(Box::new(errand)),
        ..Command::default()
    }
}

/// Asks the host of the task, or another one.
fn ask(
    lua: &Lua,
    shared: &Rc<Shared>,
    function: &str,
    command: Command,
    host: Option<HostName>,
    then: impl FnOnce(&Lua, CommandOutput) -> Native + Send + 'static,
) -> Native {
    let scope: Arc<dyn Scope> = shared.scope(function)?;
    let host = host.or_else(|| shared.cx().host.borrow().clone());
    let call = CommandCall { host, command, span: shared.here(lua) };
    Ok(Answer::Job(Job::new(move || run(&*scope, call), move |lua, _, output| then(lua, output?))))
}

fn run(scope: &dyn Scope, call: CommandCall) -> Result<CommandOutput, CallError> {
    match scope.command(call)? {
        CommandOutcome::Ran(output) => Ok(output),
        CommandOutcome::WouldRun => Ok(CommandOutput::default()),
    }
}

/// Tries a connection; the target, and why there is none, go to `then`.
pub(super) fn connect(
    lua: &Lua,
    shared: &Rc<Shared>,
    args: &MultiValue,
    seconds: f64,
    then: impl FnOnce(&str, Option<String>) -> Native + Send + 'static,
) -> Native {
    let given = named(lua, shared, &PORT, args.iter().take(2).cloned().collect())?;
    let target = Target::of("infra_test.can_connect", &given, seconds)?;
    let command = target.command(target.timeout);
    ask(lua, shared, "infra_test.can_connect", command, target.on, move |_, output| {
        let shown = format!("{}:{}", target.host, target.port);
        then(&shown, (!output.success()).then_some(output.stderr))
    })
}

/// A port of a host.
struct Target {
    host: String,
    port: u16,
    timeout: Duration,
    on: Option<HostName>,
}

impl Target {
    /// `(host, port, timeout)` or `{ host = …, port = … }`; the host may be left out in a table.
    fn parse(
        lua: &Lua,
        shared: &Rc<Shared>,
        options: &Options,
        args: MultiValue,
        seconds: f64,
    ) -> Result<Self, Fault> {
        let given = named(lua, shared, options, args)?;
        Self::of(options.function, &given, seconds)
    }
    fn of(function: &str, given: &Taken, seconds: f64) -> Result<Self, Fault> {
        let port = given
            .count("port", 65_535)?
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0)
            .ok_or_else(|| {
                Fault::argument(format!("`{function}` needs a port from 1 to 65535")).word("port")
            })?;
        Ok(Self {
            host: given.text("host")?.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            timeout: time(given, "timeout", seconds)?,
            on: given.text("delegate_to")?.map(HostName::new),
        })
    }
    fn command(&self, timeout: Duration) -> Command {
        let connect = Errand::Connect { host: self.host.clone(), port: self.port };
        errand(format!("connect to {}:{}", self.host, self.port), connect, timeout)
    }
    fn ask(
        self,
        lua: &Lua,
        shared: &Rc<Shared>,
        say: impl FnOnce(&Lua, CommandOutput) -> (bool, String) + Send + 'static,
    ) -> Native {
        let command = self.command(self.timeout);
        ask(lua, shared, "net.port_check", command, self.on, |lua, output| {
            let (open, why) = say(lua, output);
            Answer::many([LuaValue::Boolean(open), LuaValue::String(lua.create_string(why)?)])
        })
    }
}

fn time(given: &Taken, name: &'static str, default: f64) -> Result<Duration, Fault> {
    let seconds = match given.get(name) {
        None => Some(default),
        Some(value) => duration_of(value),
    };
    seconds
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or_else(|| Fault::argument(format!("`{name}` must be a duration, such as \"30s\"")).word(name))
}

/// `(host, port, timeout or options)` or one table.
fn named(lua: &Lua, shared: &Rc<Shared>, options: &Options, args: MultiValue) -> Result<Taken, Fault> {
    let mut given = Taken::default();
    let mut args = args.into_iter();
    match args.next() {
        Some(LuaValue::Table(table)) => return options.take(lua, shared, &table),
        Some(host) if !host.is_nil() => given.put("host", host),
        _ => {}
    }
    match args.next() {
        Some(LuaValue::Table(table)) => given.add(options.take(lua, shared, &table)?),
        Some(port) if !port.is_nil() => given.put("port", port),
        _ => {}
    }
    match args.next() {
        Some(LuaValue::Table(table)) => given.add(options.take(lua, shared, &table)?),
        Some(time) if !time.is_nil() => given.put("timeout", time),
        _ => {}
    }
    Ok(given)
}

fn port_scan(lua: &Lua, shared: &Rc<Shared>, args: &MultiValue) -> Native {
    let host = text(args, 0, "net.port_scan", "a host")?;
    let wrong = || Fault::argument("`net.port_scan` needs a list of at most 1024 ports from 1 to 65535");
    let numbers: Vec<f64> = match args.get(1) {
        Some(LuaValue::Table(table)) => {
            table.sequence_values::<f64>().collect::<mlua::Result<_>>().map_err(|_| wrong())?
        }
        Some(one) => vec![super::maybe_number(&[one.clone()].into_iter().collect(), 0).ok_or_else(wrong)?],
        None => return Err(wrong()),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
    let ports: Vec<u16> = numbers
        .iter()
        .filter(|n| n.fract() == 0.0 && (1.0..=65_535.0).contains(*n))
        .map(|n| *n as u16)
        .collect();
    if ports.len() != numbers.len() || ports.len() > 1024 {
        return Err(wrong());
    }
    let seconds = args.get(2).and_then(duration_of).unwrap_or(2.0);
    let timeout = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(2));
    let scope: Arc<dyn Scope> = shared.scope("net.port_scan")?;
    let (on, span) = (shared.cx().host.borrow().clone(), shared.here(lua));
    Ok(Answer::Job(Job::new(
        move || {
            ports
                .into_iter()
                .map(|port| {
                    let target = Target { host: host.clone(), port, timeout, on: None };
                    let command = target.command(timeout);
                    let call = CommandCall { host: on.clone(), command, span: span.clone() };
                    run(&*scope, call).map(|output| (port, output.success()))
                })
                .collect::<Result<Vec<(u16, bool)>, CallError>>()
        },
        |lua, _, ports| {
            let ports = ports?;
            let table = lua.create_table()?;
            for (name, wanted) in [("open", true), ("closed", false)] {
                let of = ports.iter().filter(|(_, open)| *open == wanted).map(|(port, _)| *port);
                table.raw_set(name, lua.create_sequence_from(of)?)?;
            }
            table.raw_set("total_scanned", ports.len())?;
            Answer::one(LuaValue::Table(table))
        },
    )))
}

/// Waits until a port is open (or closed), or until a page answers with a status. Fails when the time is over.
fn wait_for(lua: &Lua, shared: &Rc<Shared>, args: MultiValue) -> Native {
    let scope: Arc<dyn Scope> = shared.scope("net.wait_for")?;
    let given = named(lua, shared, &WAIT, args)?;
    let timeout = time(&given, "timeout", 60.0)?;
    let every = time(&given, "interval", 1.0)?.max(Duration::from_millis(10));
    let ignore = given.flag("ignore_errors")?.unwrap_or(false);
    let host = given.text("delegate_to")?.map(HostName::new).or_else(|| shared.cx().host.borrow().clone());
    let open = match given.text("state")?.as_deref() {
        None | Some("open" | "started" | "present") => true,
        Some("closed" | "stopped" | "absent") => false,
        Some(other) => {
            return Err(
                Fault::argument(format!("`state` must be `open` or `closed`, not `{other}`")).word(other)
            );
        }
    };
    let status = given.count("status", 599)?.and_then(|s| u16::try_from(s).ok());
    let (command, what): (Box<dyn Fn(Duration) -> Command + Send>, String) = match given.text("url")? {
        Some(url) => {
            if given.has("port") || given.has("host") || !open {
                return Err(Fault::argument("`net.wait_for` takes a URL or a port"));
            }
            let request = http::page(lua, shared, &url)?;
            let line = format!("GET {url}");
            let what =
                format!("{line} to answer with {}", status.map_or("success".to_owned(), |s| s.to_string()));
            (Box::new(move |left| errand(line.clone(), Errand::Http(request.clone()), left)), what)
        }
        None => {
            let target = Target::of("net.wait_for", &given, 60.0)?;
            let what =
                format!("{}:{} to be {}", target.host, target.port, if open { "open" } else { "closed" });
            (Box::new(move |left| target.command(left)), what)
        }
    };
    // What is waited for may be made by the steps before, so there is nothing to wait for while planning.
    if scope.planning() {
        scope.effect(&format!("wait for {what}"))?;
        return Answer::flag(true);
    }
    let guard_left = shared.guard.borrow().left();
    let end = Instant::now() + guard_left.map_or(timeout, |left| left.min(timeout));
    let span = shared.here(lua);
    Ok(Answer::Job(Job::new(
        move || -> Result<Result<(), String>, CallError> {
            loop {
                let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
                let command = command(left.min(every.max(Duration::from_secs(5))));
                let call = CommandCall { host: host.clone(), command, span: span.clone() };
                let output = run(&*scope, call)?;
                let (met, why) = judge(&output, open, status);
                if met {
                    return Ok(Ok(()));
                } else if Instant::now() + every >= end || !pause(&*scope, every) {
                    return Ok(Err(why));
                }
            }
        },
        move |lua, _, outcome| match outcome? {
            Ok(()) => Answer::flag(true),
            Err(why) => {
                let after = crate::limits::words(timeout);
                let message = format!("waited {after} for {what} in vain: {why}");
                if ignore {
                    return Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(message)?)]);
                }
                Err(Fault::new("timeout", message))
            }
        },
    )))
}

/// Is it as it shall be? With what is so instead.
fn judge(output: &CommandOutput, open: bool, status: Option<u16>) -> (bool, String) {
    if !output.success() {
        return (!open, output.stderr.clone());
    }
    match serde_json::from_str::<web::Answer>(&output.stdout) {
        Ok(answer) => {
            let met = status.map_or((200..300).contains(&answer.status), |s| s == answer.status);
            (met, format!("status {}", answer.status))
        }
        Err(_) => (open, "it is open".to_owned()),
    }
}

/// Waits a while; false when the run is being stopped.
pub(super) fn pause(scope: &dyn Scope, time: Duration) -> bool {
    let end = Instant::now() + time;
    while !scope.stopping() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
    false
}
