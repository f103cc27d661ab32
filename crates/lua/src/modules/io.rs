//! `io`: files of the controller. Reading is free, writing asks the scope when the file is opened.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use mlua::{Lua, MultiValue, UserData, UserDataFields, UserDataMethods, Value as LuaValue};

use super::{Module, maybe_text, text};
use crate::args::text_of;
use crate::declare::io_words;
use crate::fault::Fault;
use crate::shared::{Answer, Native, Shared, UnitCx};

/// An open file, whole in memory.
pub(crate) struct Open {
    path: PathBuf,
    data: Vec<u8>,
    at: usize,
    readable: bool,
    writable: bool,
    append: bool,
    /// Planning: what is written goes nowhere.
    listed: bool,
    dirty: bool,
    closed: bool,
    /// Exit code of the command it reads from.
    exit: Option<i32>,
    /// Writes go to the user, not to a file.
    says: Option<&'static str>,
    shared: Option<Rc<Shared>>,
}

impl Open {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            data: Vec::new(),
            at: 0,
            readable: false,
            writable: false,
            append: false,
            listed: false,
            dirty: false,
            closed: false,
            exit: None,
            says: None,
            shared: None,
        }
    }
    fn flush(&mut self) -> Result<(), Fault> {
        if !self.dirty || self.listed {
            return Ok(());
        }
        let Some(shared) = &self.shared else { return Ok(()) };
        let done = if self.append {
            let done = shared.host.append(&self.path, &self.data);
            self.data.clear();
            done
        } else {
            shared.host.write(&self.path, &self.data)
        };
        self.dirty = false;
        done.map_err(|e| {
            Fault::new("io", format!("could not write `{}`: {}", self.path.display(), io_words(&e)))
        })
    }
    fn write(&mut self, bytes: &[u8]) {
        self.dirty = true;
        if self.append {
            self.data.extend_from_slice(bytes);
            return;
        }
        let end = self.at + bytes.len();
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }
    fn line(&mut self, keep: bool) -> Option<Vec<u8>> {
        let rest = self.data.get(self.at..).filter(|r| !r.is_empty())?;
        let (line, used) = match rest.iter().position(|b| *b == b'\n') {
            Some(end) => (&rest[..if keep { end + 1 } else { end }], end + 1),
            None => (rest, rest.len()),
        };
        let line = line.to_vec();
        self.at += used;
        Some(line)
    }
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        if rest.is_empty() && count > 0 {
            return None;
        }
        let part = rest[..count.min(rest.len())].to_vec();
        self.at += part.len();
        Some(part)
    }
    fn number(&mut self) -> Option<f64> {
        let rest = self.data.get(self.at..)?;
        let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let digits = rest[blank..]
            .iter()
            .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'))
            .count();
        let text = std::str::from_utf8(&rest[blank..blank + digits]).ok()?;
        let number = text.parse().ok()?;
        self.at += blank + digits;
        Some(number)
    }
}

/// Registry name of the methods of files.
const METHODS: &str = "sloth.file";

/// The file a method was called on.
fn subject(args: &mut MultiValue, method: &str) -> Result<(LuaValue, Handle), Fault> {
    let first = args.pop_front().unwrap_or(LuaValue::Nil);
    let handle = match &first {
        LuaValue::UserData(u) => u.borrow::<Handle>().ok().map(|h| h.clone()),
        _ => None,
    };
    match handle {
        Some(handle) => Ok((first, handle)),
        None => Err(Fault::argument(format!("`{method}` was called without its file"))
            .hint(format!("write `f:{method}(…)`"))),
    }
}

/// The methods, as functions like any other.
fn methods(lua: &Lua, shared: &Rc<Shared>) -> mlua::Result<()> {
    let m = Module { lua, shared, name: "file handle", table: lua.create_table()? };
    m.add(&["read"], |lua, _, mut args| {
        let (_, file) = subject(&mut args, "read")?;
        Ok(Answer::Values(file.read(lua, &args)?))
    })?;
    m.add(&["write"], |_, _, mut args| {
        let (value, file) = subject(&mut args, "write")?;
        file.write(&args)?;
        Answer::one(value)
    })?;
    m.add(&["close"], |_, _, mut args| Ok(Answer::Values(subject(&mut args, "close")?.1.close()?)))?;
    m.add(&["flush"], |_, _, mut args| {
        let (_, file) = subject(&mut args, "flush")?;
        file.usable()?.flush()?;
        Answer::flag(true)
    })?;
    m.add(&["setvbuf"], |_, _, _| Answer::flag(true))?;
    m.add(&["lines"], |lua, _, mut args| {
        let (_, file) = subject(&mut args, "lines")?;
        Answer::one(LuaValue::Function(lines(lua, file, args.pop_front())?))
    })?;
    m.add(&["seek"], |_, _, mut args| {
        let (_, file) = subject(&mut args, "seek")?;
        let mut open = file.usable()?;
        let base = match maybe_text(&args, 0).as_deref() {
            Some("set") => 0,
            Some("end") => open.data.len(),
            _ => open.at,
        };
        let base = i64::try_from(base).unwrap_or(i64::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "a position in a file")]
        let offset = super::maybe_number(&args, 1).unwrap_or(0.0) as i64;
        let at = usize::try_from(base.saturating_add(offset).max(0)).unwrap_or(0);
        open.at = at.min(open.data.len());
        Answer::one(LuaValue::Integer(i64::try_from(open.at).unwrap_or(i64::MAX)))
    })?;
    m.table.set_readonly(true);
    lua.set_named_registry_value(METHODS, m.table)
}

/// The handle scripts hold.
#[derive(Clone)]
struct Handle(Rc<RefCell<Open>>);

impl Handle {
    fn usable(&self) -> mlua::Result<std::cell::RefMut<'_, Open>> {
        let open = self.0.borrow_mut();
        if open.closed {
            return Err(mlua::Error::external(Fault::new("io", "the file is closed")));
        }
        Ok(open)
    }
    fn read_one(&self, lua: &Lua, what: &LuaValue) -> mlua::Result<LuaValue> {
        let mut open = self.usable()?;
        if !open.readable {
            let fault = Fault::new("io", format!("`{}` is not open for reading", open.path.display()));
            return Err(mlua::Error::external(fault));
        }
        let bytes = match what {
            LuaValue::Integer(n) => open.take(usize::try_from(*n).unwrap_or(0)),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of bytes")]
            LuaValue::Number(n) => open.take(n.max(0.0) as usize),
            LuaValue::String(s) => match s.to_string_lossy().trim_start_matches('*').chars().next() {
                Some('a') => {
                    let rest = open.data.len().saturating_sub(open.at);
                    Some(open.take(rest).unwrap_or_default())
                }
                Some('L') => open.line(true),
                Some('n') => return Ok(open.number().map_or(LuaValue::Nil, LuaValue::Number)),
                _ => open.line(false),
            },
            _ => open.line(false),
        };
        match bytes {
            Some(bytes) => Ok(LuaValue::String(lua.create_string(bytes)?)),
            None => Ok(LuaValue::Nil),
        }
    }
    fn read(&self, lua: &Lua, what: &MultiValue) -> mlua::Result<MultiValue> {
        if what.is_empty() {
            return Ok([self.read_one(lua, &LuaValue::Nil)?].into_iter().collect());
        }
        what.iter().map(|w| self.read_one(lua, w)).collect()
    }
    fn write(&self, values: &MultiValue) -> mlua::Result<()> {
        let mut open = self.usable()?;
        let mut bytes = Vec::new();
        for value in values {
            match value {
                LuaValue::String(s) => bytes.extend_from_slice(&s.as_bytes()),
                other => match text_of(other) {
                    Some(text) => bytes.extend_from_slice(text.as_bytes()),
                    None => {
                        let fault = Fault::argument(format!("a {} cannot be written", other.type_name()));
                        return Err(mlua::Error::external(fault));
                    }
                },
            }
        }
        if let (Some(stream), Some(shared)) = (open.says, open.shared.clone()) {
            // A line is said when it is complete.
            open.data.extend_from_slice(&bytes);
            while let Some(end) = open.data.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = open.data.drain(..=end).collect();
                shared.say(stream, String::from_utf8_lossy(&line[..end]).as_ref());
            }
            return Ok(());
        }
        if !open.writable {
            let fault = Fault::new("io", format!("`{}` is not open for writing", open.path.display()));
            return Err(mlua::Error::external(fault));
        }
        open.write(&bytes);
        Ok(())
    }
    fn close(&self) -> mlua::Result<MultiValue> {
        let mut open = self.usable()?;
        open.flush().map_err(mlua::Error::external)?;
        open.closed = open.says.is_none();
        Ok(match open.exit {
            None => [LuaValue::Boolean(true)].into_iter().collect(),
            Some(code) => [LuaValue::Boolean(code == 0), LuaValue::Nil, LuaValue::Integer(i64::from(code))]
                .into_iter()
                .collect(),
        })
    }
}

impl UserData for Handle {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__type", "file");
        fields.add_meta_field_with("__index", |lua| lua.named_registry_value::<mlua::Table>(METHODS));
    }
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method("__tostring", |_, this, ()| {
            let open = this.0.borrow();
            Ok(if open.closed {
                "file (closed)".to_owned()
            } else {
                format!("file ({})", open.path.display())
            })
        });
    }
}

fn lines(lua: &Lua, handle: Handle, what: Option<LuaValue>) -> mlua::Result<mlua::Function> {
    let what = what.unwrap_or(LuaValue::Nil);
    lua.create_function(move |lua, ()| handle.read_one(lua, &what))
}

/// Writes out what a unit left open.
pub(crate) fn flush_all(_: &Shared, unit: &UnitCx) -> Result<(), Fault> {
    for file in unit.files.borrow_mut().drain(..) {
        if let Some(file) = file.upgrade() {
            file.borrow_mut().flush()?;
        }
    }
    Ok(())
}

fn problem(lua: &Lua, why: String) -> Native {
    Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(why)?)])
}

fn open(lua: &Lua, shared: &Rc<Shared>, args: &MultiValue) -> Native {
    let path = shared.path(&text(args, 0, "io.open", "a path")?);
    let mode = maybe_text(args, 1).unwrap_or_else(|| "r".to_owned());
    let plain: String = mode.chars().filter(|c| *c != 'b' && *c != 't').collect();
    let mut file = Open::new(path.clone());
    file.shared = Some(Rc::clone(shared));
    let reads = |file: &mut Open| match shared.host.read(&path) {
        Ok(bytes) => {
            file.data = bytes;
            Ok(())
        }
        Err(e) => Err(format!("{}: {}", path.display(), io_words(&e))),
    };
    match plain.as_str() {
        "r" => file.readable = true,
        "r+" => (file.readable, file.writable) = (true, true),
        "w" => file.writable = true,
        "w+" => (file.readable, file.writable) = (true, true),
        "a" | "a+" => (file.writable, file.append) = (true, true),
        _ => {
            return Err(Fault::argument(format!("`{mode}` is no mode of `io.open`"))
                .hint("it is one of `r`, `w`, `a`, `r+`, `w+`, `a+`"));
        }
    }
    if plain.starts_with('r')
        && let Err(why) = reads(&mut file)
    {
        return problem(lua, why);
    }
    if file.writable {
        let word = if file.append { "append to" } else { "write" };
        file.listed = !shared.permitted(&format!("{word} {}", path.display()), "io.open")?;
        if plain.starts_with('w') {
            file.dirty = true;
        }
        if plain.starts_with('w') && !file.listed {
            // The file is there, and empty, from now on.
            if let Err(e) = shared.host.write(&path, &[]) {
                return problem(lua, format!("{}: {}", path.display(), io_words(&e)));
            }
        }
    }
    let handle = Handle(Rc::new(RefCell::new(file)));
    shared.cx().files.borrow_mut().push(Rc::downgrade(&handle.0));
    Answer::one(LuaValue::UserData(lua.create_userdata(handle)?))
}

pub(super) fn fill(io: &Module<'_>) -> mlua::Result<()> {
    let (lua, shared) = (io.lua, io.shared);
    methods(lua, shared)?;
    io.add(&["open"], |lua, shared, args| open(lua, shared, &args))?;
    io.add(&["popen"], |lua, shared, args| {
        let line = text(&args, 0, "io.popen", "a command")?;
        if maybe_text(&args, 1).is_some_and(|m| m.starts_with('w')) {
            return Err(
                Fault::argument("`io.popen` can only read").hint("use `exec.run(cmd, { stdin = … })`")
            );
        }
        super::exec::shell(lua, shared, "io.popen", line.clone(), move |lua, _, output| {
            let mut file = Open::new(PathBuf::from(line));
            file.readable = true;
            file.exit = Some(output.as_ref().map_or(0, |o| o.exit_code));
            file.data = output.map(|o| o.stdout.into_bytes()).unwrap_or_default();
            Answer::one(LuaValue::UserData(lua.create_userdata(Handle(Rc::new(RefCell::new(file))))?))
        })
    })?;
    io.add(&["lines"], |lua, shared, args| {
        let path = shared.path(&text(&args, 0, "io.lines", "a path")?);
        let bytes = shared.host.read(&path).map_err(|e| {
            Fault::new("io", format!("could not read `{}`: {}", path.display(), io_words(&e)))
        })?;
        let mut file = Open::new(path);
        (file.readable, file.data) = (true, bytes);
        Answer::one(LuaValue::Function(lines(
            lua,
            Handle(Rc::new(RefCell::new(file))),
            args.get(1).cloned(),
        )?))
    })?;
    let stream = |name: &'static str, stream: &'static str| {
        let mut file = Open::new(PathBuf::from(name));
        file.says = Some(stream);
        file.shared = Some(Rc::clone(shared));
        Handle(Rc::new(RefCell::new(file)))
    };
    let out = stream("stdout", "print");
    io.table.raw_set("stdout", lua.create_userdata(out.clone())?)?;
    io.table.raw_set("stderr", lua.create_userdata(stream("stderr", "warn"))?)?;
    let mut input = Open::new(PathBuf::from("stdin"));
    input.readable = true;
    let input = Handle(Rc::new(RefCell::new(input)));
    io.table.raw_set("stdin", lua.create_userdata(input)?)?;
    io.add(&["write"], move |_, _, args| {
        out.write(&args)?;
        Answer::flag(true)
    })?;
    io.add(&["read"], |_, _, _| Answer::one(LuaValue::Nil))?;
    io.add(&["type"], |lua, _, args| match args.front() {
        Some(LuaValue::UserData(u)) => match u.borrow::<Handle>() {
            Ok(h) if h.0.borrow().closed => Answer::text(lua, "closed file"),
            Ok(_) => Answer::text(lua, "file"),
            Err(_) => Answer::one(LuaValue::Nil),
        },
        _ => Answer::one(LuaValue::Nil),
    })?;
    io.add(&["close"], |_, _, args| match args.front() {
        Some(LuaValue::UserData(u)) => Ok(Answer::Values(u.borrow::<Handle>()?.close()?)),
        _ => Answer::flag(true),
    })?;
    Ok(())
}
