//! `file`: questions about a path on a host, and fetching a file from it. The catalog adds the resources.

use mlua::{Lua, MultiValue, Table, Value as LuaValue};
use sloth_core::command::Command;

use super::{Module, exec};
use crate::args::text_of;
use crate::fault::Fault;
use crate::shared::Answer;

/// What the system says in one line, then the digest or nothing, then where a link points to. Its words are those of
/// no language.
const LOOK: &str = r#"LC_ALL=C; export LC_ALL
if [ "$3" = 1 ]; then stat -L -c '%F|%s|%a|%u|%g|%Y|%h|%U|%G' -- "$1" || exit; else stat -c '%F|%s|%a|%u|%g|%Y|%h|%U|%G' -- "$1" || exit; fi
sum=
if [ "$2" = 1 ] && [ -f "$1" ] && { [ "$3" = 1 ] || ! [ -L "$1" ]; }; then sum=$(sha256sum < "$1") || exit; fi
echo "${sum%% *}"
if [ -L "$1" ] && [ "$3" = 0 ]; then readlink -- "$1"; fi
"#;

pub(super) fn fill(module: &Module<'_>) -> mlua::Result<()> {
    module.add(&["stat"], |lua, shared, args| {
        let (path, options) = path_and_options(&args)?;
        let flag = |name: &str, default: bool| -> Result<bool, Fault> {
            let given = options.as_ref().map(|o| o.raw_get::<LuaValue>(name)).transpose()?;
            match given {
                None | Some(LuaValue::Nil) => Ok(default),
                Some(LuaValue::Boolean(flag)) => Ok(flag),
                Some(_) => Err(Fault::argument(format!("`{name}` of `file.stat` must be true or false"))),
            }
        };
        if let Some(options) = &options {
            for pair in options.pairs::<LuaValue, LuaValue>() {
                let (key, _) = pair?;
                let known = ["checksum", "delegate_to", "dest", "follow", "host", "path"];
                if let LuaValue::String(key) = &key
                    && !known.contains(&&*key.to_string_lossy())
                {
                    let key = key.to_string_lossy();
                    return Err(Fault::argument(format!("`file.stat` has no argument `{key}`")).word(&*key));
                }
            }
        }
        let bit = |on: bool| if on { "1" } else { "0" };
        let (checksum, follow) = (flag("checksum", true)?, flag("follow", false)?);
        let command = Command::argv(&["sh", "-c", LOOK, "sh", &path, bit(checksum), bit(follow)]);
        exec::ask(lua, shared, "file.stat", command, options.as_ref(), move |lua, output| {
            let found = lua.create_table()?;
            found.raw_set("path", path.as_str())?;
            if !output.success() {
                let said = output.stderr.trim();
                if said.ends_with("No such file or directory") || said.ends_with("Not a directory") {
                    found.raw_set("exists", false)?;
                    return Answer::many([LuaValue::Table(found.clone()), LuaValue::Table(found)]);
                }
                let why = lua.create_string(format!("could not look at `{path}`: {said}"))?;
                return Answer::many([LuaValue::Nil, LuaValue::String(why)]);
            }
            fill_in(lua, &found, &output.stdout)?;
            Answer::many([LuaValue::Table(found.clone()), LuaValue::Table(found)])
        })
    })
}

/// Turns what was said into fields.
fn fill_in(_: &Lua, found: &Table, said: &str) -> mlua::Result<()> {
    let (first, rest) = said.split_once('\n').unwrap_or((said, ""));
    let (sum, target) = rest.split_once('\n').unwrap_or((rest, ""));
    let mut fields = first.split('|');
    let mut next = || fields.next().unwrap_or_default();
    let sort = next();
    let number = |text: &str| text.parse::<i64>().unwrap_or(0);
    let is = |word: &str| sort == word;
    let file = sort.starts_with("regular");
    found.raw_set("exists", true)?;
    found.raw_set("is_file", file)?;
    found.raw_set("is_dir", is("directory"))?;
    found.raw_set("is_link", is("symbolic link"))?;
    let kind = if file {
        "file"
    } else if is("directory") {
        "directory"
    } else if is("symbolic link") {
        "link"
    } else {
        "other"
    };
    found.raw_set("kind", kind)?;
    found.raw_set("size", number(next()))?;
    found.raw_set("mode", format!("{:0>4}", next()))?;
    found.raw_set("uid", number(next()))?;
    found.raw_set("gid", number(next()))?;
    found.raw_set("mtime", number(next()))?;
    found.raw_set("links", number(next()))?;
    found.raw_set("owner", next())?;
    found.raw_set("group", next())?;
    if !sum.is_empty() {
        found.raw_set("checksum", sum)?;
    }
    if is("symbolic link") {
        found.raw_set("target", target.strip_suffix('\n').unwrap_or(target))?;
    }
    Ok(())
}

fn path_and_options(args: &MultiValue) -> Result<(String, Option<Table>), Fault> {
    let (path, options) = match (args.front(), args.get(1)) {
        (Some(LuaValue::Table(table)), _) => {
            let named =
                ["path", "dest"].iter().find_map(|key| table.raw_get::<Option<LuaValue>>(*key).ok()?);
            let first = || table.raw_get::<Option<LuaValue>>(1).ok().flatten();
            (named.or_else(first).as_ref().and_then(text_of), Some(table.clone()))
        }
        (Some(other), Some(LuaValue::Table(options))) => (text_of(other), Some(options.clone())),
        (Some(other), _) => (text_of(other), None),
        (None, _) => (None, None),
    };
    let path = path.ok_or_else(|| Fault::argument("`file.stat` needs a path"))?;
    if !path.starts_with('/') {
        return Err(Fault::argument(format!("`{path}` is not an absolute path")).word(path.as_str()));
    }
    if path.contains('\0') {
        return Err(Fault::argument("the path of `file.stat` has a zero byte in it"));
    }
    Ok((path, options))
}
