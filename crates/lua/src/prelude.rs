//! The part of the language that is written in itself, compiled ahead: compiling it at every start would take longer than
//! everything else a start does. The bytecode stands beside its source; a test says when it is not what the source says.

use mlua::chunk::{ChunkMode, Compiler};
use mlua::{FromLuaMulti, IntoLuaMulti, Lua};

use crate::span::OWN;

/// How every text is compiled, ours and the user's. Lines are kept, because errors name them.
pub(crate) const fn compiler() -> Compiler {
    Compiler::new().set_optimization_level(1).set_debug_level(1)
}

/// One compiled file.
pub(crate) struct Part {
    #[cfg(test)]
    name: &'static str,
    #[cfg(test)]
    text: &'static str,
    code: &'static [u8],
}

macro_rules! part {
    ($name:literal) => {
        Part {
            #[cfg(test)]
            name: $name,
            #[cfg(test)]
            text: include_str!(concat!("prelude/", $name, ".luau")),
            code: include_bytes!(concat!("prelude/", $name, ".bytecode")),
        }
    };
}

pub(crate) const BASE: Part = part!("base");
pub(crate) const CALL: Part = part!("call");
pub(crate) const CUSTOM: Part = part!("custom");
pub(crate) const DRIVER: Part = part!("driver");
pub(crate) const DSL: Part = part!("dsl");
pub(crate) const GOROUTINE: Part = part!("goroutine");
pub(crate) const LOCKS: Part = part!("locks");
pub(crate) const WORDS: Part = part!("words");

impl Part {
    /// Runs it.
    pub(crate) fn call<R: FromLuaMulti>(&self, lua: &Lua, args: impl IntoLuaMulti) -> mlua::Result<R> {
        lua.load(self.code).set_name(OWN).set_mode(ChunkMode::Binary).call(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the bytecode when `SLOTH_BLESS` is set, and fails when it is not what the source says.
    #[test]
    fn the_bytecode_is_what_the_source_says() {
        for part in [BASE, CALL, CUSTOM, DRIVER, DSL, GOROUTINE, LOCKS, WORDS] {
            let code = compiler().compile(part.text).unwrap();
            if std::env::var_os("SLOTH_BLESS").is_some() {
                let path = format!("{}/src/prelude/{}.bytecode", env!("CARGO_MANIFEST_DIR"), part.name);
                std::fs::write(path, code).unwrap();
                continue;
            }
            assert!(
                code == part.code,
                "`{}.bytecode` is not what `{}.luau` says; run `SLOTH_BLESS=1 cargo test -p sloth-lua bytecode`",
                part.name,
                part.name
            );
        }
    }
}
