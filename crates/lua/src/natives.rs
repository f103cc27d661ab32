//! What the prelude needs of Rust: the table `N` of raw functions.

use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::address::HostName;
use sloth_core::span::Span;
use sloth_core::suggest::nearest;

use crate::args::duration_of;
use crate::convert;
use crate::fault::Fault;
use crate::limits::Guard;
use crate::shared::{Answer, Shared};

/// Builds the table.
pub(crate) fn table(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<Table> {
    let n = lua.create_table()?;
    waiting(lua, shared, &n)?;
    errors(lua, shared, &n)?;
    units(lua, shared, &n)?;

    let s = Rc::clone(shared);
    n.raw_set(
        "set_metas",
        lua.create_function(
            move |_, (error, reply, exec, empty, wrap): (Table, Table, Table, Table, mlua::Function)| {
                *s.error_meta.borrow_mut() = Some(error);
                *s.reply_meta.borrow_mut() = Some(reply);
                *s.exec_meta.borrow_mut() = Some(exec);
                *s.empty.borrow_mut() = Some(empty);
                *s.wrap.borrow_mut() = Some(wrap);
                Ok(())
            },
        )?,
    )?;
    n.raw_set(
        "nearest",
        lua.create_function(|_, (word, list): (String, Vec<String>)| {
            Ok(nearest(&word, list.iter().map(String::as_str)).map(str::to_owned))
        })?,
    )?;
    n.raw_set("complete", lua.create_function(|lua, reply: Table| crate::reply::complete(lua, &reply))?)?;
    n.raw_set("duration", lua.create_function(|_, v: LuaValue| Ok(duration_of(&v)))?)?;
    n.raw_set(
        "find_plain",
        lua.create_function(|_, (text, word, from): (mlua::LuaString, mlua::LuaString, Option<i64>)| {
            let (text, word) = (text.as_bytes(), word.as_bytes());
            let len = i64::try_from(text.len()).unwrap_or(i64::MAX);
            let from = match from.unwrap_or(1) {
                f if f < 0 => (len + f).max(0),
                f => (f - 1).max(0),
            };
            let Some(rest) = usize::try_from(from).ok().and_then(|f| text.get(f..)) else {
                return Ok((None, None));
            };
            let at = find_bytes(rest, &word).and_then(|at| i64::try_from(at).ok());
            let size = i64::try_from(word.len()).unwrap_or(0);
            Ok((at.map(|a| a + from + 1), at.map(|a| a + from + size)))
        })?,
    )?;
    Ok(n)
}

/// Finds bytes in time linear in their number.
fn find_bytes(text: &[u8], word: &[u8]) -> Option<usize> {
    if word.is_empty() {
        return Some(0);
    }
    // Knuth, Morris, Pratt.
    let mut borders = vec![0usize; word.len()];
    let mut k = 0;
    for i in 1..word.len() {
        while k > 0 && word[k] != word[i] {
            k = borders[k - 1];
        }
        if word[k] == word[i] {
            k += 1;
        }
        borders[i] = k;
    }
    k = 0;
    for (i, byte) in text.iter().enumerate() {
        while k > 0 && word[k] != *byte {
            k = borders[k - 1];
        }
        if word[k] == *byte {
            k += 1;
        }
        if k == word.len() {
            return Some(i + 1 - k);
        }
    }
    None
}

fn waiting(lua: &Lua, shared: &Rc<Shared>, n: &Table) -> mlua::Result<()> {
    let s = Rc::clone(shared);
    n.raw_set(
        "set_suspend",
        lua.create_function(move |_, marker: Table| {
            s.sched.set_suspend(marker);
            Ok(())
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "force",
        lua.create_function(move |lua, token: i64| {
            let answer = match s.sched.take_prepared(token) {
                Some(job) => s.sched.run_here(lua, &s, job),
                None => {
                    s.sched.awake();
                    Err(Fault::new("error", "cannot wait here").hint(
                        "metamethods, sort comparators and `string.gsub` callbacks cannot wait; wait outside of them",
                    ))
                }
            };
            s.settle(lua, answer)
        })?,
    )?;
    n.raw_set("park", shared.raw_native(lua, |_, _, _| Ok(Answer::Park))?)?;
    let s = Rc::clone(shared);
    n.raw_set(
        "sleep",
        lua.create_function(move |_, seconds: f64| {
            s.sched.sleep(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX));
            Ok(())
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set("now", lua.create_function(move |_, ()| Ok(s.started.elapsed().as_secs_f64()))?)?;
    n.raw_set(
        "block",
        shared.raw_native(lua, |_, s, args| {
            let seconds = args.front().and_then(duration_of).unwrap_or(0.0);
            let guard = Rc::clone(&s.guard.borrow());
            let mut left = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            while !left.is_zero() {
                let part = left.min(Duration::from_millis(50));
                std::thread::sleep(part);
                left -= part;
                guard.refresh();
                if let Some(stop) = guard.check(std::time::Instant::now()) {
                    guard.trip(stop, None);
                    return Err(s.stop_fault(&guard));
                }
            }
            Answer::none()
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "wall",
        lua.create_function(move |_, ()| {
            #[expect(clippy::cast_precision_loss, reason = "Lua numbers are doubles")]
            Ok(s.host.now().as_nanos() as f64 / 1e9)
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set("self", lua.create_function(move |_, ()| Ok(s.sched.current()))?)?;
    let s = Rc::clone(shared);
    n.raw_set(
        "wake",
        lua.create_function(move |_, (id, mut values): (i64, MultiValue)| {
            values.push_front(LuaValue::Integer(0));
            Ok(s.sched.wake(id, values))
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set("alive", lua.create_function(move |_, id: i64| Ok(s.sched.alive(id)))?)?;
    let s = Rc::clone(shared);
    n.raw_set(
        "spawn",
        lua.create_function(move |lua, (f, args): (mlua::Function, MultiValue)| s.sched.spawn(lua, f, args))?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "report",
        lua.create_function(move |lua, error: LuaValue| {
            let fault = Fault::caught(lua, &s, &error);
            Ok(s.sched.report(fault))
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "forgive",
        lua.create_function(move |_, token: i64| {
            s.sched.forgive(token);
            Ok(())
        })?,
    )?;
    Ok(())
}

fn errors(lua: &Lua, shared: &Rc<Shared>, n: &Table) -> mlua::Result<()> {
    let s = Rc::clone(shared);
    n.raw_set(
        "wrap_error",
        lua.create_function(move |lua, error: LuaValue| {
            if let LuaValue::Table(t) = &error
                && t.metatable() == *s.error_meta.borrow()
            {
                return Ok(error);
            }
            let mut fault = Fault::caught(lua, &s, &error);
            if fault.diagnostic.span.is_none() {
                fault.diagnostic.span = s.sources.borrow().here(lua, 1);
            }
            let raised = fault.raise(lua, &s)?;
            // A table of the script keeps its own fields.
            if let (LuaValue::Table(from), LuaValue::Table(to)) = (&error, &raised) {
                let mut more = Vec::new();
                from.for_each(|k: LuaValue, v: LuaValue| {
                    more.push((k, v));
                    Ok(())
                })?;
                for (k, v) in more {
                    if to.raw_get::<LuaValue>(k.clone())?.is_nil() {
                        to.raw_set(k, v)?;
                    }
                }
            }
            Ok(raised)
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "fault",
        lua.create_function(move |lua, (message, hint, word): (String, Option<String>, Option<String>)| {
            let mut fault = Fault::argument(message);
            fault.diagnostic.hint = hint;
            let here = s.here(lua);
            if let (Some(word), Some(span)) = (&word, &here) {
                fault.diagnostic.span = Some(s.sources.borrow().find_key(span, word));
            } else {
                fault.diagnostic.span = here;
            }
            fault.diagnostic.word = word;
            fault.raise(lua, &s)
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "fault_at",
        lua.create_function(
            move |lua,
                  (message, hint, word, file, line): (
                String,
                Option<String>,
                Option<String>,
                String,
                u32,
            )| {
                let mut fault = Fault::argument(message);
                fault.diagnostic.hint = hint;
                let span = Span::new(file, line);
                let span = match &word {
                    Some(word) => find_text(&s, &span, word),
                    None => span,
                };
                fault.diagnostic.word = word;
                fault.diagnostic.span = Some(span);
                fault.raise(lua, &s)
            },
        )?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "place",
        lua.create_function(move |lua, error: Table| {
            if let Some(span) = s.sources.borrow().here(lua, 1) {
                error.raw_set("file", &*span.file)?;
                error.raw_set("line", span.line)?;
            }
            Ok(())
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "task_fault",
        lua.create_function(move |lua, (message, file, line): (String, String, u32)| {
            Fault::new("failed", message).span(Some(Span::new(file, line))).raise(lua, &s)
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "here",
        lua.create_function(move |_lua, ()| {
            let here = s.sources.borrow().here(_lua, 1);
            Ok(here.map_or((None, None), |h| (Some(h.file.to_string()), Some(h.line))))
        })?,
    )?;
    Ok(())
}

/// The first line at or after `span` that has `word` in it.
pub(crate) fn find_text(shared: &Shared, span: &Span, word: &str) -> Span {
    let sources = shared.sources.borrow();
    (span.line..span.line.saturating_add(60))
        .map(|line| Span { file: span.file.clone(), line })
        .find(|s| sources.line(s).is_some_and(|l| crate::span::find_word(&l, word).is_some()))
        .unwrap_or_else(|| span.clone())
}

fn units(lua: &Lua, shared: &Rc<Shared>, n: &Table) -> mlua::Result<()> {
    n.raw_set(
        "attempt",
        shared.raw_native(lua, |lua, s, mut args| {
            let Some(LuaValue::Function(function)) = args.pop_front() else {
                return Err(Fault::new("internal", "an attempt needs a function"));
            };
            let timeout = args
                .pop_front()
                .as_ref()
                .and_then(duration_of)
                .and_then(|t| Duration::try_from_secs_f64(t).ok());
            let unit = s.cx();
            let guard = Rc::new(Guard::watching(s.limits.cpu, timeout, unit.scope.clone()));
            let driver = s.sched.current();
            let body = body_function(lua)?;
            args.push_front(LuaValue::Function(function));
            s.sched.start(
                lua,
                body,
                args,
                Rc::clone(&unit),
                guard,
                Box::new(move |lua, shared, ended| {
                    let flushed = crate::modules::io::flush_all(shared, &unit);
                    let ended = match (ended, flushed) {
                        (Ok(values), Ok(())) => Ok(values),
                        (Err(fault), _) | (Ok(_), Err(fault)) => Err(fault),
                    };
                    let values = match ended {
                        Ok(mut values) => {
                            values.push_front(LuaValue::Boolean(true));
                            values.push_front(LuaValue::Integer(0));
                            values
                        }
                        Err(fault) => {
                            let kind = lua.create_string(&fault.kind).map(LuaValue::String);
                            let raised = fault.raise(lua, shared);
                            [
                                LuaValue::Integer(0),
                                LuaValue::Boolean(false),
                                raised.unwrap_or(LuaValue::Nil),
                                kind.unwrap_or(LuaValue::Nil),
                            ]
                            .into_iter()
                            .collect()
                        }
                    };
                    shared.sched.wake(driver, values);
                }),
            )?;
            Ok(Answer::Park)
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "command_of",
        lua.create_function(move |lua, (module, name): (String, String)| {
            match crate::modules::module(lua, &s, &module)? {
                Some(module) => module.raw_get::<mlua::Function>(name),
                None => Err(mlua::Error::runtime(format!("there is no `{module}.{name}`"))),
            }
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "planning",
        lua.create_function(move |_, ()| Ok(s.maybe_scope().is_some_and(|s| s.planning())))?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "stopping",
        lua.create_function(move |_, ()| Ok(s.maybe_scope().is_some_and(|s| s.stopping())))?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "say",
        lua.create_function(move |_, (stream, text): (String, String)| {
            s.say(if stream == "error" { "error" } else { "warn" }, &text);
            Ok(())
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "set_host",
        lua.create_function(move |_, host: String| {
            *s.cx.borrow().host.borrow_mut() = Some(HostName::new(host));
            Ok(())
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "workdir",
        lua.create_function(move |_, ()| {
            let cx = s.cx();
            Ok(cx.cwd.clone().unwrap_or_else(|| {
                let base = s.base.to_string_lossy().into_owned();
                if base.is_empty() { ".".to_owned() } else { base }
            }))
        })?,
    )?;
    let s = Rc::clone(shared);
    n.raw_set(
        "deps",
        lua.create_function(move |lua, names: Vec<String>| {
            let table = lua.create_table()?;
            if let Some(scope) = s.maybe_scope() {
                for name in names {
                    let outputs = scope.task_outputs(&name).unwrap_or_default();
                    let value = convert::to_lua(lua, &sloth_core::value::Value::Object(outputs))?;
                    table.raw_set(name, value)?;
                }
            }
            Ok(table)
        })?,
    )?;
    Ok(())
}

/// The function every piece of user code starts in.
pub(crate) fn body_function(lua: &Lua) -> mlua::Result<mlua::Function> {
    lua.named_registry_value("sloth.body")
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_found() {
        assert_eq!(super::find_bytes(b"abcabd", b"abd"), Some(3));
        assert_eq!(super::find_bytes(b"aaaa", b"ab"), None);
        assert_eq!(super::find_bytes(b"aaab", b"aab"), Some(1));
        assert_eq!(super::find_bytes(b"x", b""), Some(0));
    }
}
