//! `os` and `time`.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mlua::{Lua, Table, Value as LuaValue};

use super::{Module, maybe_number, maybe_text, text};
use crate::args::duration_of;
use crate::declare::io_words;
use crate::fault::Fault;
use crate::shared::{Answer, Native, Shared};

fn now(shared: &Shared) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(shared.host.now().as_nanos())).unwrap_or_default()
}

fn whole(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and out of range becomes the epoch")]
    Timestamp::from_second(seconds as i64).unwrap_or_default()
}

fn date(lua: &Lua, zoned: &Zoned, format: &str) -> Native {
    if let Some(rest) = format.strip_prefix("*t")
        && rest.is_empty()
    {
        let t = lua.create_table()?;
        t.raw_set("year", zoned.year())?;
        t.raw_set("month", zoned.month())?;
        t.raw_set("day", zoned.day())?;
        t.raw_set("hour", zoned.hour())?;
        t.raw_set("min", zoned.minute())?;
        t.raw_set("sec", zoned.second())?;
        t.raw_set("wday", zoned.weekday().to_sunday_one_offset())?;
        t.raw_set("yday", zoned.day_of_year())?;
        t.raw_set("isdst", false)?;
        return Answer::one(LuaValue::Table(t));
    }
    let format =
        format.replace("%c", "%a %b %e %H:%M:%S %Y").replace("%x", "%m/%d/%y").replace("%X", "%H:%M:%S");
    let text = jiff::fmt::strtime::format(format.as_bytes(), zoned)
        .map_err(|e| Fault::argument(format!("`os.date` cannot use the format: {e}")))?;
    Answer::text(lua, text)
}

fn from_fields(table: &Table) -> Result<Timestamp, Fault> {
    let get = |name: &str, default: Option<f64>| -> Result<i16, Fault> {
        let n = table.raw_get::<Option<f64>>(name).ok().flatten().or(default);
        let n = n.ok_or_else(|| Fault::argument(format!("`os.time` needs `{name}`")))?;
        #[expect(clippy::cast_possible_truncation, reason = "saturates; checked by the calendar")]
        Ok(n as i16)
    };
    let civil = jiff::civil::DateTime::new(
        get("year", None)?,
        i8::try_from(get("month", None)?).unwrap_or(0),
        i8::try_from(get("day", None)?).unwrap_or(0),
        i8::try_from(get("hour", Some(12.0))?).unwrap_or(0),
        i8::try_from(get("min", Some(0.0))?).unwrap_or(0),
        i8::try_from(get("sec", Some(0.0))?).unwrap_or(0),
        0,
    )
    .map_err(|e| Fault::argument(format!("`os.time`: {e}")))?;
    civil
        .to_zoned(TimeZone::system())
        .map(|z| z.timestamp())
        .map_err(|e| Fault::argument(format!("`os.time`: {e}")))
}

pub(super) fn os(os: &Module<'_>) -> mlua::Result<()> {
    let started = os.shared.started;
    os.add(&["getenv"], |lua, shared, args| {
        let name = text(&args, 0, "os.getenv", "a name")?;
        match shared.host.var(&name) {
            Some(value) => Answer::text(lua, value),
            None => Answer::one(LuaValue::Nil),
        }
    })?;
    os.add(&["time"], |_, shared, args| {
        let time = match args.front() {
            Some(LuaValue::Table(t)) => from_fields(t)?,
            _ => now(shared),
        };
        Answer::one(LuaValue::Integer(time.as_second()))
    })?;
    os.add(&["date"], |lua, shared, args| {
        let format = maybe_text(&args, 0).unwrap_or_else(|| "%c".to_owned());
        let time = maybe_number(&args, 1).map_or_else(|| now(shared), whole);
        let (zone, format) = match format.strip_prefix('!') {
            Some(rest) => (TimeZone::UTC, rest.to_owned()),
            None => (TimeZone::system(), format),
        };
        date(lua, &time.to_zoned(zone), &format)
    })?;
    os.add(&["clock"], move |_, _, _| Answer::one(LuaValue::Number(started.elapsed().as_secs_f64())))?;
    os.add(&["difftime"], |_, _, args| {
        let (a, b) = (maybe_number(&args, 0).unwrap_or(0.0), maybe_number(&args, 1).unwrap_or(0.0));
        Answer::one(LuaValue::Number(a - b))
    })?;
    os.add(&["tmpname"], |lua, shared, _| {
        Answer::text(lua, shared.host.temp_name().to_string_lossy().as_bytes())
    })?;
    os.add(&["execute"], |lua, shared, args| {
        let Some(line) = maybe_text(&args, 0) else { return Answer::flag(true) };
        super::exec::shell(lua, shared, "os.execute", line, |_, _, output| {
            Answer::one(LuaValue::Integer(output.map_or(0, |o| i64::from(o.exit_code))))
        })
    })?;
    os.add(&["remove"], |lua, shared, args| {
        let path = shared.path(&text(&args, 0, "os.remove", "a path")?);
        if !shared.permitted(&format!("remove {}", path.display()), "os.remove")? {
            return Answer::flag(true);
        }
        match shared.host.remove(&path) {
            Ok(()) => Answer::flag(true),
            Err(e) => {
                let why = format!("{}: {}", path.display(), io_words(&e));
                Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(why)?)])
            }
        }
    })?;
    os.add(&["rename"], |lua, shared, args| {
        let from = shared.path(&text(&args, 0, "os.rename", "a path")?);
        let to = shared.path(&text(&args, 1, "os.rename", "a path")?);
        let what = format!("rename {} to {}", from.display(), to.display());
        if !shared.permitted(&what, "os.rename")? {
            return Answer::flag(true);
        }
        match shared.host.rename(&from, &to) {
            Ok(()) => Answer::flag(true),
            Err(e) => {
                let why = format!("{}: {}", from.display(), io_words(&e));
                Answer::many([LuaValue::Nil, LuaValue::String(lua.create_string(why)?)])
            }
        }
    })?;
    os.add(&["exit"], |_, _, _| {
        Err(Fault::new("refused", "`os.exit` would end the whole run")
            .hint("return `false, \"why\"` from the task, or raise with `error(…)`"))
    })
}

pub(super) fn time(time: &Module<'_>) -> mlua::Result<()> {
    time.add(&["now", "time", "unix"], |_, shared, _| {
        Answer::one(LuaValue::Integer(now(shared).as_second()))
    })?;
    time.add(&["millis", "now_ms"], |_, shared, _| {
        Answer::one(LuaValue::Integer(now(shared).as_millisecond()))
    })?;
    time.add(&["iso", "rfc3339"], |lua, shared, args| {
        let at = maybe_number(&args, 0).map_or_else(|| now(shared), whole);
        Answer::text(lua, at.to_string())
    })?;
    time.add(&["format", "date"], |lua, shared, args| {
        let format = maybe_text(&args, 0).unwrap_or_else(|| "%Y-%m-%d %H:%M:%S".to_owned());
        let at = maybe_number(&args, 1).map_or_else(|| now(shared), whole);
        date(lua, &at.to_zoned(TimeZone::system()), &format)
    })?;
    time.add(&["sleep"], |_, shared, args| {
        let seconds = args.front().and_then(duration_of);
        let seconds = seconds.ok_or_else(|| {
            Fault::argument("`time.sleep` needs a number of seconds or a duration such as `\"5s\"`")
        })?;
        shared.sched.sleep(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
        Ok(Answer::Park)
    })
}
