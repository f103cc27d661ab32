//! `ssh`: questions about the keys that let in as a user. The catalog adds the resources.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Value as LuaValue};
use sloth_core::value::Value;

use super::{Module, facts};
use crate::args::text_of;
use crate::convert;
use crate::fault::Fault;
use crate::options::{Options, Taken};
use crate::shared::{Answer, Shared};

const LIST: Options = Options {
    function: "ssh.list_authorized_keys",
    names: &[
        ("delegate_to", &["agent", "host", "target"]),
        ("path", &["dest", "file"]),
        ("user", &["username"]),
    ],
};
const EXISTS: Options = Options {
    function: "ssh.key_exists",
    names: &[
        ("delegate_to", &["agent", "host", "target"]),
        ("key", &["fingerprint", "public_key"]),
        ("path", &["dest", "file"]),
        ("user", &["username"]),
    ],
};

pub(super) fn fill(module: &Module<'_>) -> mlua::Result<()> {
    module.add(&["list_authorized_keys"], |lua, shared, args| {
        let given = given(lua, shared, &LIST, &["user"], &args)?;
        let whose = whose(&LIST, &given)?;
        let host = facts::host_of(&given)?;
        facts::ask(lua, shared, LIST.function, "authorized_keys", Some(whose), host, |lua, found| match found
        {
            Ok(found) => {
                let keys = convert::to_lua(lua, &found["keys"])?;
                Answer::many([keys.clone(), keys])
            }
            Err(why) => facts::unanswered(lua, &why),
        })
    })?;
    module.add(&["key_exists"], |lua, shared, args| {
        let given = given(lua, shared, &EXISTS, &["user", "key"], &args)?;
        let whose = whose(&EXISTS, &given)?;
        let key = given.text("key")?.ok_or_else(|| Fault::argument("`ssh.key_exists` needs a `key`"))?;
        let host = facts::host_of(&given)?;
        let of = Some(format!("{whose}#{key}"));
        facts::ask(lua, shared, EXISTS.function, "authorized_key", of, host, move |lua, found| {
            let found = match found {
                Ok(found) => found,
                Err(why) => return facts::unanswered(lua, &why),
            };
            // A `no` about something that is no key would be believed.
            let Value::Bool(exists) = found["exists"] else {
                let short: String = key.trim().chars().take(40).collect();
                return Err(Fault::argument(format!("`{short}` is neither a public key nor a fingerprint"))
                    .hint("a key is one line of type and blob, as in a `.pub` file"));
            };
            let path = found["path"].as_str().unwrap_or_default();
            let said = if exists { "is in" } else { "is not in" };
            let said = lua.create_string(format!("the key {said} `{path}`"))?;
            Answer::many([LuaValue::Boolean(exists), LuaValue::String(said)])
        })
    })
}

/// What is given in order, and by name.
fn given(
    lua: &Lua,
    shared: &Rc<Shared>,
    options: &Options,
    order: &[&'static str],
    args: &MultiValue,
) -> Result<Taken, Fault> {
    let mut given = Taken::default();
    let mut order = order.iter();
    for value in args {
        match value {
            LuaValue::Nil => {}
            LuaValue::Table(table) if text_of(value).is_none() => {
                let named = options.take(lua, shared, table)?;
                if let Some(name) =
                    options.names.iter().map(|(name, _)| *name).find(|n| given.has(n) && named.has(n))
                {
                    return Err(Fault::argument(format!(
                        "`{name}` of `{}` is given twice",
                        options.function
                    )));
                }
                given.add(named);
            }
            other => match (order.next(), text_of(other)) {
                (Some(name), Some(_)) if !given.has(name) => given.put(name, other.clone()),
                (None, _) => {
                    return Err(Fault::argument(format!("`{}` has too many arguments", options.function)));
                }
                (Some(name), _) => {
                    return Err(Fault::argument(format!(
                        "`{name}` of `{}` must be a string, not a {}",
                        options.function,
                        other.type_name()
                    )));
                }
            },
        }
    }
    Ok(given)
}

/// How a resource of that file would begin its id: `deploy`, `/etc/keys` or `deploy:/etc/keys`.
fn whose(options: &Options, given: &Taken) -> Result<String, Fault> {
    let (user, path) = (given.text("user")?, given.text("path")?);
    if let Some(user) = &user
        && (user.is_empty() || user.contains([':', '/', '#']) || user.contains(char::is_control))
    {
        let shown = user.escape_debug();
        return Err(Fault::argument(format!("`{shown}` is not a name for a user")).word(user.as_str()));
    }
    if let Some(path) = &path
        && (!path.starts_with('/') || path.contains(['#', '\0']))
    {
        let why =
            if path.starts_with('/') { "has a `#` or a zero byte in it" } else { "is not an absolute path" };
        return Err(Fault::argument(format!("`{}` {why}", path.escape_debug())).word(path.as_str()));
    }
    match (user, path) {
        (None, None) => Err(Fault::argument(format!("`{}` needs a `user`", options.function))),
        (user, path) => Ok([user, path].into_iter().flatten().collect::<Vec<_>>().join(":")),
    }
}
