//! The configuration file. Unknown keys are errors, with the nearest known one as the hint.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sloth_core::lease::PROCESS_TTL;
use sloth_core::suggest::nearest;
use sloth_core::value::{Map, Value};

use crate::env;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::parse;

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
    /// `stacks.max_concurrent_executions`: most tasks of one run at a time.
    pub max_concurrent_executions: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_path: None,
            auto_snapshot: false,
            lease_ttl: PROCESS_TTL,
            lock_timeout: Duration::from_secs(3600),
            max_concurrent_executions: None,
        }
    }
}

const STACK_KEYS: [&str; 7] = [
    "auto_lock",
    "auto_snapshot",
    "database_path",
    "lease_ttl",
    "lock_timeout",
    "max_concurrent_executions",
    "snapshot_retention",
];

impl Config {
    /// Reads the file that was named, or the system's overlaid by the user's. Files nobody named may be missing.
    ///
    /// # Errors
    /// A file cannot be read, is not YAML, or holds something unknown.
    pub fn load(named: Option<&Path>) -> Result<Self, CommandError> {
        let mut config = Self::default();
        if let Some(path) = named.map(Path::to_path_buf).or_else(|| env::path(env::CONFIG)) {
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
            config.overlay(&text, &path)?;
            return Ok(config);
        }
        let user = env::path(env::HOME).map(|home| home.join(".sloth-runner/config.yaml"));
        for path in [Some(PathBuf::from(SYSTEM_DIR).join("config.yaml")), user].into_iter().flatten() {
            match std::fs::read_to_string(&path) {
                Ok(text) => config.overlay(&text, &path)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(config)
    }

    fn overlay(&mut self, text: &str, path: &Path) -> Result<(), CommandError> {
        let value = yaml(text).map_err(|why| invalid(path, "is not YAML").cause(why))?;
        for (name, value) in object(value, path, "the file")? {
            if name != "stacks" {
                return Err(unknown(path, &name, &["stacks"]));
            }
            for (key, value) in object(value, path, "`stacks`")? {
                self.set(&key, &value, path)?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &Value, path: &Path) -> Result<(), CommandError> {
        let wrong = |what: &str| invalid(path, &format!("has `stacks.{key}: {value}`, which is not {what}"));
        let text = || match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let time =
            || text().and_then(|t| parse::duration(&t).ok()).ok_or_else(|| wrong("a duration such as `1h`"));
        let flag = || value.as_bool().ok_or_else(|| wrong("`true` or `false`"));
        match key {
            "auto_lock" => flag().map(|_| ()),
            "auto_snapshot" => flag().map(|on| self.auto_snapshot = on),
            "database_path" => {
                let text = value.as_str().filter(|t| !t.is_empty()).ok_or_else(|| wrong("a path"))?;
                self.database_path = Some(text.to_owned());
                Ok(())
            }
            "lease_ttl" => {
                let ttl = time()?;
                // Renewed each third; shorter ones would be lost to a busy machine.
                if ttl < Duration::from_secs(1) {
                    return Err(wrong("at least `1s`"));
                }
                self.lease_ttl = ttl;
                Ok(())
            }
            "lock_timeout" => time().map(|t| self.lock_timeout = t),
            "max_concurrent_executions" => {
                let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
                self.max_concurrent_executions = Some(number.ok_or_else(|| wrong("a number from 1 on"))?);
                Ok(())
            }
            "snapshot_retention" => time().map(|_| ()),
            _ => Err(unknown(path, &format!("stacks.{key}"), &STACK_KEYS.map(|k| format!("stacks.{k}")))),
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

fn object(value: Value, path: &Path, what: &str) -> Result<Map, CommandError> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        _ => Err(invalid(path, &format!("is not right: {what} does not hold names and values"))),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    CommandError::new(exit, format!("could not read the configuration `{}`", path.display())).system(error)
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
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn slips_are_named() {
        assert!(
            read("stacks:\n  lock_timout: 1h\n").unwrap_err().contains("did you mean `stacks.lock_timeout`?")
        );
        assert!(read("stack:\n  a: 1\n").unwrap_err().contains("did you mean `stacks`?"));
        assert!(read("stacks:\n  lock_timeout: soon\n").unwrap_err().contains("not a duration"));
        assert!(read("stacks: [1]\n").is_err() && read("a: b: c").is_err() && read("just text").is_err());
    }
}
