//! `infra_test`: assertions about a host. Each raises when it does not hold. While planning they are listed and not made,
//! because what they look for may be made by the steps before.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Value as LuaValue};
use regex::Regex;
use sloth_core::address::HostName;
use sloth_core::command::{Command, CommandOutput};
use sloth_core::value::Value;

use super::{Module, exec, facts, maybe_number, maybe_text, number, text};
use crate::fault::Fault;
use crate::shared::{Answer, Native, Shared};

/// What an assertion says: nothing, or what is so instead.
type Verdict = Result<(), String>;

/// A topic of facts, and what is judged: the fact, and the arguments after the first as texts.
type Judge = fn(&Value, &str, &[String]) -> Verdict;

/// Name, topic of facts, number of arguments after the first, and the judgement.
const CHECKS: &[(&str, &str, usize, Judge)] = &[
    ("file_exists", "path", 0, |v, path, _| check(flag(v, "exists"), || format!("`{path}` does not exist"))),
    ("file_absent", "path", 0, |v, path, _| check(!flag(v, "exists"), || format!("`{path}` exists"))),
    ("is_directory", "path", 0, |v, path, _| {
        check(flag(v, "is_dir"), || format!("`{path}` is not a directory"))
    }),
    ("is_file", "path", 0, |v, path, _| check(flag(v, "is_file"), || format!("`{path}` is not a file"))),
    ("is_link", "path", 0, |v, path, _| check(flag(v, "is_link"), || format!("`{path}` is not a link"))),
    ("file_contains", "content", 1, |v, path, more| {
        let text = v.as_str().unwrap_or_default();
        check(matches(text, &more[0]), || format!("`{path}` does not contain `{}`", more[0]))
    }),
    ("file_mode", "path", 1, |v, path, more| {
        let octal = |text: &str| u32::from_str_radix(text.trim_start_matches("0o"), 8).ok();
        let wanted = octal(&more[0]).ok_or_else(|| format!("`{}` is not a mode", more[0]))?;
        let is = field(v, path, "mode")?;
        check(octal(&is) == Some(wanted), || format!("`{path}` has the mode {is}, not {wanted:04o}"))
    }),
    ("file_owner", "path", 1, |v, path, more| {
        let (is, id) = (field(v, path, "owner")?, field(v, path, "uid")?);
        check(is == more[0] || id == more[0], || format!("`{path}` belongs to `{is}`, not to `{}`", more[0]))
    }),
    ("file_group", "path", 1, |v, path, more| {
        let (is, id) = (field(v, path, "group")?, field(v, path, "gid")?);
        check(is == more[0] || id == more[0], || format!("`{path}` has the group `{is}`, not `{}`", more[0]))
    }),
    ("file_size", "path", 1, |v, path, more| {
        let is = field(v, path, "size")?;
        check(is == more[0], || format!("`{path}` has {is} bytes, not {}", more[0]))
    }),
    ("package_is_installed", "package", 0, |v, name, _| {
        check(flag(v, "installed"), || format!("package `{name}` is not installed"))
    }),
    ("package_is_absent", "package", 0, |v, name, _| {
        check(!flag(v, "installed"), || format!("package `{name}` is installed"))
    }),
    ("package_version", "package", 1, |v, name, more| {
        let is = v["version"].as_str().ok_or_else(|| format!("package `{name}` is not installed"))?;
        // What comes before the upstream version says nothing to most people.
        let upstream = is.split_once(':').map_or(is, |(_, rest)| rest);
        let begins = |version: &str| {
            version
                .strip_prefix(more[0].as_str())
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        check(begins(is) || begins(upstream), || {
            format!("package `{name}` has the version {is}, not {}", more[0])
        })
    }),
    ("service_is_running", "service", 0, |v, name, _| {
        let is =
            format!("{} ({})", v["status"].as_str().unwrap_or("unknown"), v["state"].as_str().unwrap_or(""));
        check(flag(v, "active"), || format!("service `{name}` is {is}"))
    }),
    ("service_is_enabled", "service", 0, |v, name, _| {
        check(flag(v, "enabled"), || format!("service `{name}` does not start with the host"))
    }),
];

fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
fn flag(value: &Value, name: &str) -> bool {
    value[name].as_bool().unwrap_or(false)
}
/// A field of what is at a path.
fn field(value: &Value, path: &str, name: &str) -> Result<String, String> {
    match &value[name] {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("`{path}` does not exist")),
    }
}
/// A text, or a regular expression.
fn matches(text: &str, pattern: &str) -> bool {
    text.contains(pattern) || Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}

pub(super) fn fill(module: &Module<'_>) -> mlua::Result<()> {
    for (name, topic, more, judge) in CHECKS {
        module.add(&[name], move |lua, shared, args| {
            let title = format!("infra_test.{name}");
            let what = text(&args, 0, &title, "what to look at")?;
            let mut others = Vec::new();
            for at in 1..=*more {
                others.push(text(&args, at, &title, "what it has to be")?);
            }
            let target = maybe_text(&args, more + 1).and_then(|host| facts::named(&host));
            if planned(shared, name, &args)? {
                return Answer::flag(true);
            }
            facts::ask(lua, shared, &title, topic, Some(what.clone()), target, move |_, found| {
                said(found.and_then(|value| judge(&value, &what, &others)))
            })
        })?;
    }
    for (name, protocol) in [("port_is_listening", ""), ("port_is_tcp", "tcp"), ("port_is_udp", "udp")] {
        module.add(&[name], move |lua, shared, args| {
            let title = format!("infra_test.{name}");
            let port = number(&args, 0, &title, "the port")?;
            let target = maybe_text(&args, 1).and_then(|host| facts::named(&host));
            if planned(shared, name, &args)? {
                return Answer::flag(true);
            }
            facts::ask(lua, shared, &title, "ports", None, target, move |_, found| {
                let all = found.map_err(|why| Fault::new("check", why))?;
                let open = all.as_array().is_some_and(|all| {
                    all.iter().any(|one| {
                        one["port"].as_f64() == Some(port)
                            && (protocol.is_empty() || one["protocol"] == protocol)
                    })
                });
                let how = if protocol.is_empty() { String::new() } else { format!(" with {protocol}") };
                said(check(open, || format!("nobody listens{how} on port {port}")))
            })
        })?;
    }
    module.add(&["process_is_running"], |lua, shared, args| {
        processes(lua, shared, &args, "process_is_running", 1)
    })?;
    module.add(&["process_count"], |lua, shared, args| processes(lua, shared, &args, "process_count", 2))?;
    module.add(&["can_connect"], |lua, shared, args| {
        if planned(shared, "can_connect", &args)? {
            return Answer::flag(true);
        }
        let milliseconds = maybe_number(&args, 2).unwrap_or(5000.0);
        super::net::connect(lua, shared, &args, milliseconds / 1000.0, |target, why| {
            said(check(why.is_none(), || {
                format!("could not connect to {target}: {}", why.unwrap_or_default())
            }))
        })
    })?;
    module.add(&["ping"], |lua, shared, args| {
        let host = text(&args, 0, "infra_test.ping", "a host")?;
        let count = maybe_number(&args, 1).unwrap_or(4.0);
        if host.starts_with('-') || host.contains(char::is_whitespace) || !(1.0..=100.0).contains(&count) {
            return Err(Fault::argument("`infra_test.ping` needs a host and a number from 1 to 100"));
        }
        let command = Command::argv(&["ping", "-c", &format!("{count:.0}"), "-W", "5", "--", &host]);
        command_check(lua, shared, "ping", &args, 2, command, move |output| {
            check(output.success(), || format!("`{host}` does not answer"))
        })
    })?;
    commands(module)
}

/// Checks of what commands say.
fn commands(module: &Module<'_>) -> mlua::Result<()> {
    type Says = fn(&CommandOutput, &str, &str) -> Verdict;
    let all: [(&'static str, usize, Says); 5] = [
        ("command_succeeds", 0, |o, line, _| {
            check(o.success(), || format!("`{line}` ended with {}: {}", o.exit_code, last(&o.stderr)))
        }),
        ("command_fails", 0, |o, line, _| check(!o.success(), || format!("`{line}` succeeded"))),
        ("command_stdout_contains", 1, |o, line, wanted| {
            check(matches(&o.stdout, wanted), || format!("`{line}` does not say `{wanted}`"))
        }),
        ("command_stderr_is_empty", 0, |o, line, _| {
            check(o.stderr.trim().is_empty(), || format!("`{line}` complains: {}", last(&o.stderr)))
        }),
        ("command_output_equals", 1, |o, line, wanted| {
            let is = o.stdout.trim_end_matches('\n');
            check(is == wanted.trim_end_matches('\n'), || format!("`{line}` says `{is}`, not `{wanted}`"))
        }),
    ];
    for (name, more, judge) in all {
        module.add(&[name], move |lua, shared, args| {
            let title = format!("infra_test.{name}");
            let line = text(&args, 0, &title, "a command")?;
            let wanted =
                if more == 0 { String::new() } else { text(&args, 1, &title, "what it has to say")? };
            let command = Command::shell(line.clone());
            command_check(lua, shared, name, &args, more + 1, command, move |output| {
                judge(output, &line, &wanted)
            })
        })?;
    }
    Ok(())
}

fn last(text: &str) -> &str {
    text.trim().lines().last().unwrap_or("")
}

fn command_check(
    lua: &Lua,
    shared: &Rc<Shared>,
    name: &'static str,
    args: &MultiValue,
    target_at: usize,
    command: Command,
    judge: impl FnOnce(&CommandOutput) -> Verdict + Send + 'static,
) -> Native {
    if planned(shared, name, args)? {
        return Answer::flag(true);
    }
    let options = lua.create_table()?;
    let target: Option<HostName> = maybe_text(args, target_at).and_then(|host| facts::named(&host));
    options.raw_set("delegate_to", target.map(|host| host.to_string()))?;
    exec::ask(lua, shared, name, command, Some(&options), move |_, output| said(judge(&output)))
}

fn processes(
    lua: &Lua,
    shared: &Rc<Shared>,
    args: &MultiValue,
    name: &'static str,
    target_at: usize,
) -> Native {
    let title = format!("infra_test.{name}");
    let pattern = text(args, 0, &title, "a pattern")?;
    let wanted = match name {
        "process_count" => Some(number(args, 1, &title, "how many")?),
        _ => None,
    };
    let target = maybe_text(args, target_at).and_then(|host| facts::named(&host));
    if planned(shared, name, args)? {
        return Answer::flag(true);
    }
    facts::ask(lua, shared, &title, "processes", None, target, move |_, found| {
        let all = found.map_err(|why| Fault::new("check", why))?;
        let list = all["list"].as_array().map_or(&[][..], Vec::as_slice);
        let fits = |one: &&Value| {
            let of = |field: &str| one[field].as_str().unwrap_or_default();
            matches(of("name"), &pattern) || matches(of("command"), &pattern)
        };
        let count = list.iter().filter(fits).count();
        #[expect(clippy::cast_precision_loss, reason = "a number of processes is small")]
        let as_wanted = wanted.map_or(count > 0, |wanted| count as f64 == wanted);
        said(check(as_wanted, || match wanted {
            Some(wanted) if count == 1 => format!("1 process matches `{pattern}`, not {wanted}"),
            Some(wanted) => format!("{count} processes match `{pattern}`, not {wanted}"),
            None => format!("no process matches `{pattern}`"),
        }))
    })
}

/// While planning, says that it would be checked.
fn planned(shared: &Rc<Shared>, name: &str, args: &MultiValue) -> Result<bool, Fault> {
    let scope = shared.scope(&format!("infra_test.{name}"))?;
    if !scope.planning() {
        return Ok(false);
    }
    let shown: Vec<String> = args.iter().filter_map(crate::args::text_of).collect();
    scope.effect(&format!("check {} {}", name.replace('_', " "), shown.join(" ")))?;
    Ok(true)
}

fn said(verdict: Verdict) -> Native {
    match verdict {
        Ok(()) => Answer::one(LuaValue::Boolean(true)),
        Err(why) => Err(Fault::new("check", why)),
    }
}
