//! The only reader of environment variables, and the registry behind `docs/reference/env.md`.

use std::ffi::OsString;
use std::path::PathBuf;

/// A variable this program looks at.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// What it does, one sentence.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that writes docs/reference/env.md"))]
    pub doc: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal: $doc:literal;)*) => {
        $(#[doc = $doc] pub const $constant: Variable = Variable { name: $name, doc: $doc };)*
        /// Every variable, by name.
        #[cfg(test)]
        pub const ALL: &[Variable] = &[$($constant),*];
    };
}

variables! {
    COLUMNS = "COLUMNS": "Width of help texts and of the live view, when the terminal does not say";
    HOME = "HOME": "Home directory; without it the home directory of the user id is not guessed";
    NO_COLOR = "NO_COLOR": "Any value but the empty one switches colour off, like `--no-color`";
    PG_PASSFILE = "PGPASSFILE": "File with passwords for PostgreSQL servers, used instead of `.pgpass` in the home directory; only its owner may read it";
    PG_PASSWORD = "PGPASSWORD": "Password for the PostgreSQL server, when the URL holds none";
    PG_USER = "PGUSER": "User of the PostgreSQL server, when the URL names none; without it, the user this program runs as";
    COMPLETE = "SLOTH_RUNNER_COMPLETE": "Name of the shell that asks for completions; set by the scripts of `completions`";
    CONFIG = "SLOTH_RUNNER_CONFIG": "Configuration file, used instead of the one in `/etc/sloth-runner` and the one in the home directory; `--config` wins";
    DATA_DIR = "SLOTH_RUNNER_DATA_DIR": "Directory of the program's own files: the database, unless it is named otherwise, and the ids of locks taken by a person";
    DB = "SLOTH_RUNNER_DB": "Database, a path or an URL; `--db` wins";
    HOOK = "SLOTH_RUNNER_HOOK": "Name of the hook this command is part of; it leaves the hooks of its own events to the command that told the hook. Set for everything a hook starts";
    LOCK_ID = "SLOTH_RUNNER_LOCK_ID": "Id of a lock taken with `stack lock acquire`, which admits its owner; `--lock-id` wins";
    TERM = "TERM": "`dumb` switches colour and the live view off";
}

/// The value of a variable; an empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "this module is the environment registry")]
pub fn get(variable: Variable) -> Option<OsString> {
    std::env::var_os(variable.name).filter(|value| !value.is_empty())
}

/// The value as text; what is not UTF-8 counts as not set.
pub fn text(variable: Variable) -> Option<String> {
    get(variable)?.into_string().ok()
}

/// The value as a path.
pub fn path(variable: Variable) -> Option<PathBuf> {
    get(variable).map(PathBuf::from)
}
