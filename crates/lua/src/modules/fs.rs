//! `fs`: small helpers on the controller's files. Changes ask the scope first.

use std::path::Path;

use mlua::Value as LuaValue;

use super::{Module, text};
use crate::declare::io_words;
use crate::fault::Fault;
use crate::shared::{Answer, Native, Shared};

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new("io", format!("could not {what} `{}`: {}", path.display(), io_words(error)))
}

fn effect(
    shared: &Shared,
    function: &str,
    word: &str,
    path: &Path,
    act: impl FnOnce() -> std::io::Result<()>,
) -> Native {
    if shared.permitted(&format!("{word} {}", path.display()), function)? {
        act().map_err(|e| failed(word, path, &e))?;
    }
    Answer::flag(true)
}

pub(super) fn fill(fs: &Module<'_>) -> mlua::Result<()> {
    fs.add(&["read", "read_file"], |lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.read", "a path")?);
        let bytes = shared.host.read(&path).map_err(|e| failed("read", &path, &e))?;
        Answer::text(lua, bytes)
    })?;
    fs.add(&["exists"], |_, shared, args| {
        Answer::flag(shared.host.info(&shared.path(&text(&args, 0, "fs.exists", "a path")?)).is_ok())
    })?;
    fs.add(&["is_dir"], |_, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.is_dir", "a path")?);
        Answer::flag(shared.host.info(&path).is_ok_and(|i| i.is_dir))
    })?;
    fs.add(&["is_file"], |_, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.is_file", "a path")?);
        Answer::flag(shared.host.info(&path).is_ok_and(|i| i.is_file))
    })?;
    fs.add(&["size"], |_, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.size", "a path")?);
        let info = shared.host.info(&path).map_err(|e| failed("look at", &path, &e))?;
        Answer::one(LuaValue::Integer(i64::try_from(info.size).unwrap_or(i64::MAX)))
    })?;
    fs.add(&["ls", "list"], |lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.ls", "a path")?);
        let names = shared.host.list(&path).map_err(|e| failed("list", &path, &e))?;
        Answer::one(LuaValue::Table(lua.create_sequence_from(names)?))
    })?;
    fs.add(&["basename"], |lua, _, args| {
        let path = text(&args, 0, "fs.basename", "a path")?;
        Answer::text(lua, Path::new(&path).file_name().unwrap_or_default().to_string_lossy().as_bytes())
    })?;
    fs.add(&["dirname"], |lua, _, args| {
        let path = text(&args, 0, "fs.dirname", "a path")?;
        let dir = Path::new(&path).parent().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        Answer::text(lua, if dir.is_empty() { ".".to_owned() } else { dir })
    })?;
    fs.add(&["tmpname"], |lua, shared, _| {
        Answer::text(lua, shared.host.temp_name().to_string_lossy().as_bytes())
    })?;
    fs.add(&["write", "write_file"], |_lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.write", "a path")?);
        let content = content(&args, "fs.write")?;
        effect(shared, "fs.write", "write", &path, || shared.host.write(&path, &content))
    })?;
    fs.add(&["append"], |_lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.append", "a path")?);
        let content = content(&args, "fs.append")?;
        effect(shared, "fs.append", "append to", &path, || shared.host.append(&path, &content))
    })?;
    fs.add(&["mkdir"], |_lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.mkdir", "a path")?);
        if shared.host.info(&path).is_ok_and(|i| i.is_dir) {
            return Answer::flag(true);
        }
        effect(shared, "fs.mkdir", "make the directory", &path, || shared.host.make_dir(&path))
    })?;
    fs.add(&["rm"], |_lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.rm", "a path")?);
        effect(shared, "fs.rm", "remove", &path, || shared.host.remove(&path))
    })?;
    fs.add(&["rmr"], |_lua, shared, args| {
        let path = shared.path(&text(&args, 0, "fs.rmr", "a path")?);
        if path.parent().is_none() {
            return Err(Fault::new(
                "refused",
                format!("cannot remove `{}` and everything in it", path.display()),
            ));
        }
        effect(shared, "fs.rmr", "remove with everything in it", &path, || shared.host.remove_all(&path))
    })?;
    fs.add(&["copy"], |_lua, shared, args| {
        let from = shared.path(&text(&args, 0, "fs.copy", "a path")?);
        let to = shared.path(&text(&args, 1, "fs.copy", "a path")?);
        let bytes = shared.host.read(&from).map_err(|e| failed("read", &from, &e))?;
        effect(shared, "fs.copy", "write", &to, || shared.host.write(&to, &bytes))
    })
}

fn content(args: &mlua::MultiValue, function: &str) -> Result<Vec<u8>, Fault> {
    match args.get(1) {
        Some(LuaValue::String(s)) => Ok(s.as_bytes().to_vec()),
        _ => Ok(text(args, 1, function, "the content")?.into_bytes()),
    }
}
