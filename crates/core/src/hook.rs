//! Hooks: who is told about events, and what became of telling them.
//!
//! For every event that an enabled hook waits for, one [`Delivery`] is written in the transaction of the event. It stays
//! until the hook took it, so that an event is delivered at least once; a hook that sees an event id again has seen the
//! event before.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::event::{EventType, StoredEvent};
use crate::id::StackId;

/// Longest name, in characters.
const LONGEST: usize = 100;

/// Somebody who is told about events.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hook {
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Which events: a type, a family such as `stack.*`, or `*`.
    pub pattern: String,
    /// Events of this stack only.
    pub stack: Option<StackId>,
    /// What is done.
    pub action: Action,
    /// Is it told anything?
    pub enabled: bool,
    /// How long one attempt may take; `None` is as configured.
    pub timeout: Option<Duration>,
    /// How often it is tried again after it failed.
    pub retries: u32,
    /// Since when there is one of this name.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// How a hook is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// A file in the language of workflows, with the global `event`.
    Script {
        /// Absolute path.
        file: String,
    },
    /// A program that reads the event as JSON from standard input.
    Program {
        /// Program and arguments; no shell looks at them.
        argv: Vec<String>,
    },
    /// A line for `/bin/sh`, with the event on standard input.
    Shell {
        /// The line.
        line: String,
    },
    /// A web address that the event is sent to.
    Webhook {
        /// Where.
        url: String,
        /// What signs it; without it nothing does.
        secret: Option<SecretRef>,
    },
}

impl Action {
    /// The word for tables.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Script { .. } => "script",
            Self::Program { .. } => "program",
            Self::Shell { .. } => "shell",
            Self::Webhook { .. } => "webhook",
        }
    }
    /// What it is aimed at, for people.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Self::Script { file } => file.clone(),
            Self::Program { argv } => argv.join(" "),
            Self::Shell { line } => line.clone(),
            Self::Webhook { url, .. } => url.clone(),
        }
    }
}

/// Where a secret is. The secret itself is read when it is needed and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// In an environment variable of the process that delivers.
    Env(String),
    /// In a file, without its last line break.
    File(String),
}

impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// A name that a hook cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be the name of a hook: {why}", .name.escape_debug())]
pub struct BadHookName {
    /// As asked.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Checks a name.
///
/// # Errors
/// It is empty, too long, begins with `-`, or has control characters, white space or `/` in it.
pub fn check_name(name: &str) -> Result<(), BadHookName> {
    let why = match name.chars().count() {
        0 => "it is empty".to_owned(),
        n if n > LONGEST => format!("it has {n} characters, and {LONGEST} are the most"),
        _ if name.starts_with('-') => "it begins with `-`".to_owned(),
        _ if name.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') => {
            "it has white space, a control character or `/` in it".to_owned()
        }
        _ => return Ok(()),
    };
    Err(BadHookName { name: name.to_owned(), why })
}

/// Does a pattern mean this type? `*` means all, `stack.*` those that begin with `stack.`.
#[must_use]
pub fn pattern_matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => kind.starts_with(family),
        None => pattern == kind,
    }
}

impl Hook {
    /// Is it told about an event of this type, of this stack, about this hook? Nobody is told that they failed
    /// themselves.
    #[must_use]
    pub fn wants(&self, kind: &str, stack: Option<&StackId>, failed: Option<&str>) -> bool {
        self.enabled
            && pattern_matches(&self.pattern, kind)
            && self.stack.as_ref().is_none_or(|own| Some(own) == stack)
            && !(kind == EventType::HookFailed.as_str() && failed == Some(self.name.as_str()))
    }
}

/// A hook with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookState {
    /// The hook.
    pub hook: Hook,
    /// How often it was tried, ever.
    pub runs: u64,
    /// When it was tried last.
    pub last_run: Option<Timestamp>,
    /// Deliveries it has not taken yet.
    pub waiting: u64,
    /// Deliveries that were given up.
    pub dead: u64,
}

/// What is owed to a hook: one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Number; later ones are larger.
    pub num: u64,
    /// Proof of the claim. Whoever does not know it any more settles nothing.
    pub token: String,
    /// Name of the hook.
    pub hook: String,
    /// The event; `None` when there is no such event any more.
    pub event: Option<StoredEvent>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The hook took it.
    Delivered,
    /// It failed; not before this time it is tried again.
    Retry(Timestamp),
    /// It failed for the last time.
    Dead,
    /// It was not tried and is due at once.
    Untried,
}

/// One attempt, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Name of the hook.
    pub hook: String,
    /// Id of the event.
    pub event: String,
    /// Type of the event.
    pub kind: String,
    /// Which attempt of this delivery, from 1.
    pub attempt: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// `delivered`, `failed` (it is tried again) or `dead`.
    pub outcome: String,
    /// Exit status, or status of the answer.
    pub status: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// The beginning of what it said.
    pub output: String,
}

/// What a courier is given.
#[derive(Clone, Debug)]
pub struct Parcel<'a> {
    /// Whom to tell.
    pub hook: &'a Hook,
    /// What: an object with the fields of `events show -o json`.
    pub event: &'a crate::value::Value,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How long it may take.
    pub timeout: Duration,
}

/// What a courier brings back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Exit status, or status of the answer.
    pub status: Option<i64>,
    /// Why it was not taken; `None` when it was.
    pub error: Option<String>,
    /// What the hook said, at least its beginning.
    pub output: String,
}

/// Carries events to hooks. May be called from several threads.
pub trait Courier: Send + Sync {
    /// Tells one hook about one event. Ends soon after the parcel's timeout, and leaves nothing running.
    fn deliver(&self, parcel: &Parcel<'_>) -> Receipt;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_types_families_and_everything() {
        assert!(
            pattern_matches("*", "stack.created") && pattern_matches("stack.*", "stack.execution.failed")
        );
        assert!(pattern_matches("custom.deploy", "custom.deploy"));
        assert!(!pattern_matches("stack.*", "stacks") && !pattern_matches("stack", "stack.created"));
        assert!(!pattern_matches("", "stack.created"));
    }

    #[test]
    fn names_are_one_plain_word() {
        for name in ["notify", "a.b_c-d", "höok", "🦥"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "-x", "a b", "a\nb", "../x", "\u{1b}[31m", &"x".repeat(101)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn nobody_hears_of_their_own_failure() {
        let hook = Hook {
            name: "a".to_owned(),
            description: String::new(),
            pattern: "*".to_owned(),
            stack: None,
            action: Action::Shell { line: "true".to_owned() },
            enabled: true,
            timeout: None,
            retries: 0,
            created_at: Timestamp::from_nanos(0),
            updated_at: Timestamp::from_nanos(0),
        };
        assert!(hook.wants("hook.failed", None, Some("b")) && hook.wants("stack.created", None, None));
        assert!(!hook.wants("hook.failed", None, Some("a")));
        let web = StackId::from_stored("web");
        let bound = Hook { stack: Some(web.clone()), ..hook.clone() };
        assert!(bound.wants("stack.created", Some(&web), None) && !bound.wants("stack.created", None, None));
        assert!(!Hook { enabled: false, ..hook }.wants("stack.created", None, None));
    }
}
