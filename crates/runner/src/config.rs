//! The configuration file. Unknown keys are errors, with the nearest known one as the hint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_saphyr::Spanned;
use sloth_core::lease::PROCESS_TTL;
use sloth_core::suggest::nearest;
use sloth_core::value::{Map, Value};
use sloth_engine::outbox::Limits;
use sloth_store::Location;

use crate::env;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::out::words;
use crate::{files, parse};

/// Where the system-wide files are.
pub const SYSTEM_DIR: &str = "/etc/sloth-runner";

/// What can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `stacks.database_path`.
    pub database_path: Option<String>,
    /// `stacks.auto_snapshot`: make a version before each run.
    pub auto_snapshot: bool,
    /// `stacks.lease_ttl`: life of a program's lease without renewal.
    pub lease_ttl: Duration,
    /// `stacks.lock_timeout`: life of a lock taken by a person.
    pub lock_timeout: Duration,
    /// `stacks.max_concurrent_executions`: most runs in one database at a time.
    pub max_concurrent_executions: Option<u32>,
    /// `stacks.snapshot_retention`: after a change, versions that are older are removed.
    pub snapshot_retention: Option<Duration>,
    /// `hooks.queue`, `hooks.timeout` and `hooks.workers`.
    pub hooks: Limits,
    /// Where the keys that were set stand.
    places: BTreeMap<String, Origin>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A file, and the line when it is known.
    File(PathBuf, Option<u64>),
    /// An environment variable.
    Variable(&'static str),
    /// A flag.
    Flag(&'static str),
}

/// A configuration file that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where.
    pub path: PathBuf,
    /// Who named it. One that nobody named may be missing.
    pub named_by: Origin,
}

/// The files that are looked for; later ones win.
pub fn candidates(named: Option<&Path>) -> Vec<Candidate> {
    if let Some(path) = named {
        return vec![Candidate { path: path.to_owned(), named_by: Origin::Flag("--config") }];
    }
    if let Some(path) = env::path(env::CONFIG) {
        return vec![Candidate { path, named_by: Origin::Variable(env::CONFIG.name) }];
    }
    let user = env::path(env::HOME).map(|home| home.join(".sloth-runner/config.yaml"));
    let places = [Some(PathBuf::from(SYSTEM_DIR).join("config.yaml")), user];
    places.into_iter().flatten().map(|path| Candidate { path, named_by: Origin::Default }).collect()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_path: None,
            auto_snapshot: false,
            lease_ttl: PROCESS_TTL,
            lock_timeout: Duration::from_secs(3600),
            max_concurrent_executions: None,
            snapshot_retention: None,
            hooks: Limits::default(),
            places: BTreeMap::new(),
        }
    }
}

/// A key, with its section.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name.
    pub name: &'static str,
    /// What it takes and what it does.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by the test that writes docs/reference/config.md")
    )]
    pub doc: &'static str,
    /// Its value; nothing when there is none without the key.
    pub value: fn(&Config) -> Value,
}

const fn key(name: &'static str, value: fn(&Config) -> Value, doc: &'static str) -> Key {
    Key { name, doc, value }
}

fn typed(duration: Duration) -> Value {
    Value::from(words::typed_duration(duration))
}

/// Every key, by name.
pub const KEYS: [Key; 10] = [
    key(
        "hooks.queue",
        |c| Value::from(c.hooks.queue),
        "A whole number from 1 on: most events given to hooks at once, those that wait for a worker among them [default: 1000]",
    ),
    key(
        "hooks.timeout",
        |c| typed(c.hooks.timeout),
        "A duration: how long an attempt to tell a hook may take, and after which a command that ends begins no more of them [default: 30s]",
    ),
    key(
        "hooks.workers",
        |c| Value::from(c.hooks.workers),
        "A whole number from 1 on: most hooks told at the same time [default: 100]",
    ),
    key(
        "stacks.auto_lock",
        |_| Value::from(true),
        "`true`; `false` is an error, because every change takes the lock of its stack",
    ),
    key(
        "stacks.auto_snapshot",
        |c| Value::from(c.auto_snapshot),
        "`true` or `false`: make a version before each `run` [default: false]",
    ),
    key(
        "stacks.database_path",
        |c| Value::from(c.database_path.clone()),
        "A path or an URL: the database, when `--db` and `SLOTH_RUNNER_DB` do not name one",
    ),
    key(
        "stacks.lease_ttl",
        |c| typed(c.lease_ttl),
        "A duration of at least `1s`: how long a running command holds its stack without a sign of life [default: 30s]",
    ),
    key(
        "stacks.lock_timeout",
        |c| typed(c.lock_timeout),
        "A duration: how long a lock taken with `stack lock acquire` lasts without `--ttl` [default: 1h]",
    ),
    key(
        "stacks.max_concurrent_executions",
        |c| Value::from(c.max_concurrent_executions),
        "A whole number from 1 on: most runs in one database at a time; another one is refused, or waits as `--lock-wait` says [default: no limit]",
    ),
    key(
        "stacks.snapshot_retention",
        |c| c.snapshot_retention.map_or(Value::Null, typed),
        "A duration such as `30d`; accepted with a warning, because this version removes no old versions",
    ),
];

impl Config {
    /// Reads the file that was named, or the system's overlaid by the user's. Files nobody named may be missing.
    ///
    /// # Errors
    /// A file cannot be read, is not YAML, or holds something unknown.
    pub fn load(named: Option<&Path>) -> Result<Self, CommandError> {
        let mut config = Self::default();
        for candidate in candidates(named) {
            config.add(&candidate)?;
        }
        Ok(config)
    }

    /// Reads one more file, which wins over what was read before; says whether it is there.
    ///
    /// # Errors
    /// It cannot be read, is not YAML, holds something unknown, or was named and is missing.
    pub fn add(&mut self, candidate: &Candidate) -> Result<bool, CommandError> {
        let path = &candidate.path;
        match files::read_text(path) {
            Ok(text) => self.overlay(&text, path).map(|()| true),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && candidate.named_by == Origin::Default =>
            {
                Ok(false)
            }
            Err(error) => Err(unreadable("configuration", path, &error)),
        }
    }

    /// Where the value of a key comes from, as far as files go.
    pub fn origin(&self, key: &str) -> Origin {
        self.places.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// How many keys stand in a file and are not overruled by a later one.
    pub fn keys_from(&self, path: &Path) -> u64 {
        self.places.values().filter(|o| matches!(o, Origin::File(file, _) if file == path)).count() as u64
    }

    fn overlay(&mut self, text: &str, path: &Path) -> Result<(), CommandError> {
        let value = yaml(text)
            .map_err(|why| not_yaml(&format!("the configuration `{}`", path.display()), path, &why))?;
        let lines = lines(text);
        for (name, value) in object(value, path, "the file")? {
            if !["hooks", "stacks"].contains(&name.as_str()) {
                return Err(unknown(path, &name, &["hooks", "stacks"]));
            }
            for (key, value) in object(value, path, &format!("`{name}`"))? {
                let key = format!("{name}.{key}");
                self.set(&key, &value, path)?;
                let place = Origin::File(path.to_owned(), lines.get(&key).copied());
                self.places.insert(key, place);
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &Value, path: &Path) -> Result<(), CommandError> {
        let wrong = |what: &str| invalid(path, &format!("has `{key}: {value}`, which is not {what}"));
        let text = || match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let time =
            || text().and_then(|t| parse::duration(&t).ok()).ok_or_else(|| wrong("a duration such as `1h`"));
        let flag = || value.as_bool().ok_or_else(|| wrong("`true` or `false`"));
        let count = || {
            let number =
                value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=100_000).contains(n));
            number.ok_or_else(|| wrong("a whole number from 1 to 100000"))
        };
        match key {
            "stacks.auto_lock" => match flag()? {
                true => Ok(()),
                false => {
                    Err(invalid(path, "has `stacks.auto_lock: false`, and locking cannot be switched off")
                        .hint("remove the key: every change takes the lock of its stack and gives it back"))
                }
            },
            "stacks.auto_snapshot" => flag().map(|on| self.auto_snapshot = on),
            "stacks.database_path" => {
                let text = value.as_str().filter(|t| !t.is_empty()).ok_or_else(|| wrong("a path"))?;
                text.parse::<Location>().map_err(|why| {
                    invalid(path, "has a `stacks.database_path` that cannot be used").cause(why)
                })?;
                self.database_path = Some(text.to_owned());
                Ok(())
            }
            "stacks.lease_ttl" => {
                let ttl = time()?;
                // Renewed each third; shorter ones would be lost to a busy machine.
                if ttl < Duration::from_secs(1) {
                    return Err(wrong("at least `1s`"));
                }
                self.lease_ttl = ttl;
                Ok(())
            }
            "stacks.lock_timeout" => time().map(|t| self.lock_timeout = t),
            "stacks.max_concurrent_executions" => {
                let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
                self.max_concurrent_executions =
                    Some(number.ok_or_else(|| wrong("a whole number from 1 to 4294967295"))?);
                Ok(())
            }
            "hooks.queue" => count().map(|n| self.hooks.queue = n),
            "hooks.timeout" => match time()? {
                limit if limit.is_zero() => Err(wrong("longer than `0s`")),
                limit => {
                    self.hooks.timeout = limit;
                    Ok(())
                }
            },
            "hooks.workers" => count().map(|n| self.hooks.workers = n),
            "stacks.snapshot_retention" => time().map(|t| self.snapshot_retention = Some(t)),
            _ => Err(unknown(path, key, &KEYS.map(|k| k.name))),
        }
    }
}

/// Reads YAML (and JSON, which is YAML); an empty text is `null`.
///
/// # Errors
/// The parser's words.
pub fn yaml(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text).map_err(|e| e.to_string())
}

/// The lines of the keys, by section and name. A second reading, because values that know their places cannot be merged
/// and compared; what the first one accepted and this one does not understand has no line.
fn lines(text: &str) -> BTreeMap<String, u64> {
    type Sections = BTreeMap<String, Option<BTreeMap<String, Spanned<IgnoredAny>>>>;
    let sections: Sections = serde_saphyr::from_str(text).unwrap_or_default();
    let all = sections.into_iter().flat_map(|(section, keys)| {
        let keys = keys.unwrap_or_default().into_iter();
        keys.map(move |(key, value)| (format!("{section}.{key}"), value.referenced.line()))
    });
    all.filter(|(_, line)| *line > 0).collect()
}

/// A text that is not YAML: what is wrong with it, and where.
pub fn not_yaml(subject: &str, path: &Path, why: &str) -> CommandError {
    let (first, excerpt) = why.split_once('\n').unwrap_or((why, ""));
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // `line 3 column 1: duplicate mapping key: a, set DuplicateKeyPolicy in Options if acceptable`
    let what = match first.split_once(": ") {
        Some((place, what)) if place.starts_with("line ") => what,
        _ => first,
    };
    // The library gives advice to programmers, and names its own limits.
    let plain = match what {
        w if w.starts_with("budget breached") || w.starts_with("recursion limit") => {
            "it is nested too deeply or unfolds into too much"
        }
        w if w.starts_with("recursive references") => "an anchor holds itself",
        w if w.starts_with("multiple YAML documents") => "it holds more than one document",
        w => w.split([';', ',']).next().unwrap_or(w),
    };
    let error = CommandError::new(Exit::Invalid, format!("{subject} cannot be read as YAML: {plain}"));
    let excerpt = excerpt.replace(what, plain).replace("--> <input>:", &format!("--> {}:", path.display()));
    // Where an anchor was defined and used again follows, once for each step of the way.
    let excerpt = excerpt.split("\n  | This value comes").next().unwrap_or_default();
    if excerpt.trim().is_empty() { error } else { error.excerpt(excerpt) }
}

fn object(value: Value, path: &Path, what: &str) -> Result<Map, CommandError> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err(invalid(path, &format!("is not right: {what} does not hold names and values"))),
    }
}

/// A file that cannot be read.
pub fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> CommandError {
    use std::io::ErrorKind;
    let exit = match error.kind() {
        ErrorKind::NotFound => Exit::NotFound,
        ErrorKind::InvalidData | ErrorKind::IsADirectory | ErrorKind::FileTooLarge => Exit::Invalid,
        _ => Exit::Failed,
    };
    CommandError::new(exit, format!("could not read the {what} `{}`", path.display())).system(error)
}

fn invalid(path: &Path, what: &str) -> CommandError {
    CommandError::new(Exit::Invalid, format!("the configuration `{}` {what}", path.display()))
}

fn unknown(path: &Path, key: &str, known: &[impl AsRef<str>]) -> CommandError {
    let error = invalid(path, &format!("has the unknown key `{key}`"));
    match nearest(key, known.iter().map(AsRef::as_ref)) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None => error.hint(format!(
            "known keys are {}",
            known.iter().map(|k| format!("`{}`", k.as_ref())).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Where the program keeps its own files: the variable, else `/etc/sloth-runner` for root, else below the home directory.
pub fn data_dir() -> Option<PathBuf> {
    env::path(env::DATA_DIR).or_else(|| {
        if rustix::process::geteuid().is_root() {
            Some(PathBuf::from(SYSTEM_DIR))
        } else {
            env::path(env::HOME).map(|home| home.join(".sloth-runner"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        config.overlay(text, Path::new("c.yaml")).map(|()| config).map_err(|e| e.render(None).join())
    }

    #[test]
    fn the_keys_of_the_documents_work() {
        let text = "stacks:\n  database_path: /etc/sloth-runner/stacks.db\n  auto_lock: true\n  auto_snapshot: true\n  \
                    lock_timeout: 1h\n  snapshot_retention: 30d\n  max_concurrent_executions: 10\n";
        let config = read(text).unwrap();
        assert_eq!(config.database_path.as_deref(), Some("/etc/sloth-runner/stacks.db"));
        assert!(config.auto_snapshot);
        assert_eq!(config.max_concurrent_executions, Some(10));
        assert_eq!(config.snapshot_retention, Some(Duration::from_secs(30 * 86_400)));
        assert!(KEYS.is_sorted_by_key(|k| k.name), "the registry is alphabetical");
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn slips_are_named() {
        assert!(
            read("stacks:\n  lock_timout: 1h\n").unwrap_err().contains("did you mean `stacks.lock_timeout`?")
        );
        assert!(read("stack:\n  a: 1\n").unwrap_err().contains("did you mean `stacks`?"));
        assert!(read("stacks:\n  auto_lock: false\n").unwrap_err().contains("cannot be switched off"));
        assert!(read("stacks:\n  lock_timeout: soon\n").unwrap_err().contains("not a duration"));
        assert!(read("stacks: [1]\n").is_err() && read("a: b: c").is_err() && read("just text").is_err());
    }
}
