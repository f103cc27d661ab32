//! `http`: requests from the host of the task. Reading ones are sent while planning, too; the others are planned and
//! journalled like commands.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::body::{CommandCall, CommandOutcome, Scope};
use sloth_core::command::Command;
use sloth_core::value::{Map, Value};
use sloth_core::web::{self, Errand, Request};

use super::Module;
use crate::args::{duration_of, text_of};
use crate::convert;
use crate::fault::Fault;
use crate::options::{Options, Taken};
use crate::scheduler::Job;
use crate::shared::{Answer, Native, Shared};

/// What a request may say.
const OPTIONS: Options = Options {
    function: "http.request",
    names: &[
        ("auth", &[]),
        ("body", &["data"]),
        ("delegate_to", &["host"]),
        ("follow", &["follow_redirects", "redirects"]),
        ("form", &[]),
        ("headers", &[]),
        ("ignore_errors", &[]),
        ("json", &[]),
        ("max_size", &[]),
        ("method", &[]),
        ("query", &["params"]),
        ("raise", &[]),
        ("read_only", &["readonly"]),
        ("retries", &["max_retries"]),
        ("retry_delay", &[]),
        ("timeout", &[]),
        ("url", &[]),
    ],
};

const METHODS: &[(&str, &str)] = &[
    ("delete", "DELETE"),
    ("get", "GET"),
    ("head", "HEAD"),
    ("options", "OPTIONS"),
    ("patch", "PATCH"),
    ("post", "POST"),
    ("put", "PUT"),
];

pub(super) fn fill(module: &Module<'_>) -> mlua::Result<()> {
    for (name, method) in METHODS {
        module.add(&[name], move |lua, shared, args| call(lua, shared, Some(method), args, respond))?;
    }
    module.add(&["request"], |lua, shared, args| call(lua, shared, None, args, respond))
}

/// What one call asks.
pub(super) struct Wanted {
    pub(super) request: Request,
    pub(super) line: String,
    host: Option<HostName>,
    read_only: bool,
    raise: bool,
    ignore: bool,
    timeout: Duration,
    retries: u32,
    delay: Duration,
}

/// How a call answers: with an answer, with nothing because it was only planned, or with what went wrong.
pub(super) enum Came {
    /// It came, after so many milliseconds.
    Back(web::Answer, i64),
    /// It would be sent.
    Planned,
    /// Nothing came.
    Nothing(String),
}

/// Turns what came into the values of a call.
pub(super) type Respond = fn(&Lua, &Rc<Shared>, &Wanted, Came) -> Native;

pub(super) fn call(
    lua: &Lua,
    shared: &Rc<Shared>,
    method: Option<&str>,
    args: MultiValue,
    respond: Respond,
) -> Native {
    let function = method.map_or_else(|| "http.request".to_owned(), |m| format!("http.{}", m.to_lowercase()));
    let scope: Arc<dyn Scope> = shared.scope(&function)?;
    let wanted = parse(lua, shared, method, args)?;
    let span = shared.here(lua);
    let command = Command {
        line: wanted.line.clone(),
        read_only: wanted.read_only,
        timeout: Some(wanted.timeout),
        errand: Some(Box::new(Errand::Http(wanted.request.clone()))),
        ..Command::default()
    };
    let host = wanted.host.clone().or_else(|| shared.cx().host.borrow().clone());
    let (retries, delay) = (wanted.retries, wanted.delay);
    let began = std::time::Instant::now();
    Ok(Answer::Job(Job::new(
        move || {
            let mut tries = 0;
            loop {
                let call = CommandCall { host: host.clone(), command: command.clone(), span: span.clone() };
                let outcome = scope.command(call);
                match &outcome {
                    Ok(CommandOutcome::Ran(output))
                        if !output.success() && tries < retries && !scope.stopping() =>
                    {
                        tries += 1;
                        super::net::pause(&*scope, delay);
                    }
                    _ => return outcome,
                }
            }
        },
        move |lua, shared, outcome| {
            let came = match outcome? {
                CommandOutcome::WouldRun => Came::Planned,
                CommandOutcome::Ran(output) if output.success() => {
                    match serde_json::from_str(&output.stdout) {
                        Ok(answer) => {
                            Came::Back(answer, i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX))
                        }
                        Err(error) => Came::Nothing(format!("the host answered in another way: {error}")),
                    }
                }
                CommandOutcome::Ran(output) => Came::Nothing(output.stderr),
            };
            respond(lua, shared, &wanted, came)
        },
    )))
}

fn respond(lua: &Lua, _: &Rc<Shared>, wanted: &Wanted, came: Came) -> Native {
    let table = lua.create_table()?;
    match came {
        Came::Planned => {
            for name in ["status_code", "status", "elapsed_ms"] {
                table.raw_set(name, 0)?;
            }
            table.raw_set("body", "")?;
            table.raw_set("headers", lua.create_table()?)?;
            table.raw_set("success", true)?;
            table.raw_set("planned", true)?;
            table.raw_set("changed", true)?;
        }
        Came::Nothing(why) => {
            let message = format!("{}: {why}", wanted.line);
            if wanted.raise && !wanted.ignore {
                return Err(Fault::new("http", message));
            }
            return Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(message)?)]);
        }
        Came::Back(answer, elapsed) => {
            let success = (200..300).contains(&answer.status);
            if wanted.raise && !success {
                let message = format!("{}: status {}", wanted.line, answer.status);
                if wanted.ignore {
                    return Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(message)?)]);
                }
                return Err(Fault::new("http", message)
                    .with("status_code", Value::from(answer.status))
                    .with("body", Value::from(answer.body)));
            }
            let bytes = web::bytes_of(&answer.body);
            table.raw_set("status_code", answer.status)?;
            table.raw_set("status", answer.status)?;
            table.raw_set("success", success)?;
            table.raw_set("changed", !wanted.read_only)?;
            table.raw_set("elapsed_ms", elapsed)?;
            table.raw_set("headers", headers(lua, &answer, false)?)?;
            let json = answer.headers.iter().any(|(n, v)| n == "content-type" && v.contains("json"));
            if json && let Ok(data) = serde_json::from_slice::<Value>(&bytes) {
                table.raw_set("json", convert::to_lua(lua, &data)?)?;
            }
            table.raw_set("body", lua.create_string(bytes)?)?;
        }
    }
    Answer::one(LuaValue::Table(table))
}

/// Headers by name, found in any case. Several of one name are a list, or always are.
pub(super) fn headers(lua: &Lua, answer: &web::Answer, lists: bool) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, value) in &answer.headers {
        match table.raw_get::<LuaValue>(name.as_str())? {
            LuaValue::Nil if lists => table.raw_set(name.as_str(), vec![value.as_str()])?,
            LuaValue::Nil => table.raw_set(name.as_str(), value.as_str())?,
            LuaValue::Table(list) => list.raw_push(value.as_str())?,
            first => {
                let list = lua.create_table()?;
                list.raw_push(first)?;
                list.raw_push(value.as_str())?;
                table.raw_set(name.as_str(), list)?;
            }
        }
    }
    let meta = lua.create_table()?;
    meta.raw_set(
        "__index",
        lua.create_function(|_, (table, name): (Table, LuaValue)| match name {
            LuaValue::String(name) => table.raw_get::<LuaValue>(name.to_string_lossy().to_lowercase()),
            _ => Ok(LuaValue::Nil),
        })?,
    )?;
    table.set_metatable(Some(meta))?;
    Ok(table)
}

/// `(url, …)` as the original has it, `(url, {…})`, and `{url = …, …}`.
fn parse(lua: &Lua, shared: &Rc<Shared>, method: Option<&str>, args: MultiValue) -> Result<Wanted, Fault> {
    let function = method.map_or_else(|| "http.request".to_owned(), |m| format!("http.{}", m.to_lowercase()));
    let mut args = args.into_iter();
    let first = args.next().unwrap_or(LuaValue::Nil);
    let mut given = Taken::default();
    match &first {
        LuaValue::Table(table) if text_of(&first).is_none() => given = OPTIONS.take(lua, shared, table)?,
        other => {
            let url = text_of(other).ok_or_else(|| Fault::argument(format!("`{function}` needs a URL")))?;
            given.put("url", LuaValue::String(lua.create_string(url)?));
        }
    }
    for more in args {
        match &more {
            LuaValue::Nil => {}
            LuaValue::Table(table) if text_of(&more).is_none() => {
                // A table without any option is one of headers, as the original takes them.
                if OPTIONS.any_in(table)? {
                    given.add(OPTIONS.take(lua, shared, table)?);
                } else if given.has("headers") {
                    return Err(Fault::argument(format!("`{function}` was given headers twice")));
                } else {
                    given.put("headers", more.clone());
                }
            }
            LuaValue::String(_) if !given.has("body") => given.put("body", more.clone()),
            other => {
                return Err(Fault::argument(format!(
                    "`{function}` takes a URL, a body and a table, not a {}",
                    other.type_name()
                )));
            }
        }
    }
    wanted(lua, shared, method, &function, &given)
}

fn wanted(
    lua: &Lua,
    shared: &Rc<Shared>,
    method: Option<&str>,
    function: &str,
    given: &Taken,
) -> Result<Wanted, Fault> {
    let method = match (method, given.text("method")?) {
        (Some(method), _) => method.to_owned(),
        (None, named) => named.unwrap_or_else(|| "GET".to_owned()).to_uppercase(),
    };
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Fault::argument(format!("`{}` is no method of HTTP", method.escape_debug())));
    }
    let url = given.text("url")?.ok_or_else(|| Fault::argument(format!("`{function}` needs a URL")))?;
    let url = url_with_query(lua, &url, given.get("query"))?;
    let mut headers = Vec::new();
    if let Some(table) = given.get("headers") {
        headers = pairs(lua, table, "headers")?;
    }
    let has =
        |headers: &[(String, String)], name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let bodies = ["body", "form", "json"].iter().filter(|name| given.has(name)).count();
    if bodies > 1 {
        return Err(Fault::argument(format!("`{function}` takes one of `body`, `form` and `json`")));
    }
    let mut body = None;
    let mut sort = "text/plain; charset=utf-8";
    match (given.get("body"), given.get("json"), given.get("form")) {
        (Some(LuaValue::String(text)), ..) => {
            if serde_json::from_slice::<serde::de::IgnoredAny>(&text.as_bytes()).is_ok() {
                sort = "application/json";
            }
            body = Some(web::text_of(&text.as_bytes()));
        }
        (Some(table), ..) | (None, Some(table), _) => {
            let data = convert::from_lua(lua, table)
                .map_err(|why| Fault::argument(format!("`{function}`: {why}")))?;
            sort = "application/json";
            body = Some(web::text_of(data.to_string().as_bytes()));
        }
        (None, None, Some(table)) => {
            sort = "application/x-www-form-urlencoded";
            body = Some(web::text_of(encoded(&pairs(lua, table, "form")?).as_bytes()));
        }
        (None, None, None) => {}
    }
    if body.is_some() && !has(&headers, "content-type") {
        headers.push(("Content-Type".to_owned(), sort.to_owned()));
    }
    if !has(&headers, "user-agent") {
        headers
            .push(("User-Agent".to_owned(), concat!("sloth-runner/", env!("CARGO_PKG_VERSION")).to_owned()));
    }
    if let Some(auth) = given.get("auth") {
        headers.push(("Authorization".to_owned(), authorization(lua, auth)?));
    }
    for (name, value) in &headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
            return Err(Fault::argument(format!("the header `{}` cannot be sent", name.escape_debug())));
        }
    }
    let mut timeout = match given.get("timeout") {
        None => web::TIMEOUT,
        Some(value) => {
            duration_of(value).and_then(|s| Duration::try_from_secs_f64(s).ok()).ok_or_else(|| {
                Fault::argument("`timeout` must be a duration, such as \"10s\"").word("timeout")
            })?
        }
    };
    if let Some(left) = shared.guard.borrow().left() {
        timeout = timeout.min(left.max(Duration::from_millis(1)));
    }
    let redirects = match given.get("follow") {
        None | Some(LuaValue::Boolean(true)) => 10,
        Some(LuaValue::Boolean(false)) => 0,
        Some(_) => given.count("follow", 50)?.unwrap_or(10),
    };
    let reads = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
    Ok(Wanted {
        line: format!("{method} {url}"),
        host: given.text("delegate_to")?.map(HostName::new),
        read_only: given.flag("read_only")?.unwrap_or(reads),
        raise: given.flag("raise")?.unwrap_or(false),
        ignore: given.flag("ignore_errors")?.unwrap_or(false),
        timeout,
        retries: given.count("retries", 1000)?.unwrap_or(0),
        delay: given.get("retry_delay").and_then(duration_of).map_or(Duration::from_secs(1), |s| {
            Duration::try_from_secs_f64(s).unwrap_or(Duration::from_secs(1))
        }),
        request: Request {
            method,
            url,
            headers,
            body,
            redirects,
            most: given.count("max_size", u32::MAX)?.map_or(web::MOST, u64::from),
        },
    })
}

/// The request for a page.
pub(super) fn page(lua: &Lua, shared: &Rc<Shared>, url: &str) -> Result<Request, Fault> {
    let mut given = Taken::default();
    given.put("url", LuaValue::String(lua.create_string(url)?));
    wanted(lua, shared, Some("GET"), "net.wait_for", &given).map(|wanted| wanted.request)
}

fn url_with_query(lua: &Lua, url: &str, query: Option<&LuaValue>) -> Result<String, Fault> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        url.get(..scheme.len()).filter(|s| s.eq_ignore_ascii_case(scheme)).map(|_| &url[scheme.len()..])
    });
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err(Fault::argument(format!("`{}` is no URL", url.escape_debug()))
            .hint("write `http://…` or `https://…`"));
    };
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Fault::argument(format!("`{}` is no URL", url.escape_debug()))
            .hint("give what has spaces in it as `query = { … }`"));
    }
    if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
        return Err(Fault::argument(
            "a URL cannot carry a name and a password; it is shown in plans and logs",
        )
        .hint("write `auth = { user = …, password = … }`"));
    }
    let Some(query) = query else { return Ok(url.to_owned()) };
    let more = encoded(&pairs(lua, query, "query")?);
    let (front, fragment) = url.split_once('#').map_or((url, None), |(front, rest)| (front, Some(rest)));
    let between = if front.contains('?') { '&' } else { '?' };
    let fragment = fragment.map(|f| format!("#{f}")).unwrap_or_default();
    Ok(if more.is_empty() { url.to_owned() } else { format!("{front}{between}{more}{fragment}") })
}

/// Names and values of a table, sorted.
fn pairs(lua: &Lua, table: &LuaValue, what: &str) -> Result<Vec<(String, String)>, Fault> {
    let wrong = |why: &str| Fault::argument(format!("`{what}` {why}")).word(what);
    let map: Map = convert::object(lua, table).map_err(|why| wrong(&format!("cannot be sent: {why}")))?;
    let mut pairs = Vec::new();
    for (name, value) in map {
        let values = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        for value in values {
            let text = match value {
                Value::String(text) => text,
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                _ => return Err(wrong(&format!("has a table or nothing as `{name}`"))),
            };
            pairs.push((name.clone(), text));
        }
    }
    Ok(pairs)
}

/// As forms are sent, after the WHATWG URL standard.
fn encoded(pairs: &[(String, String)]) -> String {
    let text = |text: &str| {
        text.bytes().fold(String::new(), |mut out, b| {
            match b {
                b' ' => out.push('+'),
                b'*' | b'-' | b'.' | b'_' => out.push(char::from(b)),
                b if b.is_ascii_alphanumeric() => out.push(char::from(b)),
                b => out.push_str(&format!("%{b:02X}")),
            }
            out
        })
    };
    pairs.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>().join("&")
}

/// `{ user = …, password = … }` or `{ bearer = … }`.
fn authorization(lua: &Lua, auth: &LuaValue) -> Result<String, Fault> {
    let wrong =
        || Fault::argument("`auth` must be `{ user = …, password = … }` or `{ bearer = … }`").word("auth");
    let map = convert::object(lua, auth).map_err(|_| wrong())?;
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    if let Some(odd) = map.keys().find(|k| !["bearer", "password", "user"].contains(&k.as_str())) {
        return Err(wrong().word(odd.as_str()));
    }
    match (text("bearer"), text("user"), text("password")) {
        (Some(token), None, None) => Ok(format!("Bearer {token}")),
        (None, Some(user), Some(password)) => {
            Ok(format!("Basic {}", super::crypto::base64(format!("{user}:{password}").as_bytes())))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        let pairs = [("a b".to_owned(), "ä&=*".to_owned()), ("c".to_owned(), String::new())];
        assert_eq!(encoded(&pairs), "a+b=%C3%A4%26%3D*&c=");
    }
}
