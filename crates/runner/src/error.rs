//! What went wrong, in words: one sentence, its causes, a next step, and the exit code.

use std::error::Error as StdError;

use sloth_core::lease::{LeaseError, LeaseInfo};
use sloth_core::store::{CommitError, StoreError};
use sloth_engine::EngineError;
use sloth_lua::LoadError;

use crate::exit::Exit;
use crate::out::Out;
use crate::out::{escape, words};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum CommandError {
    /// Said by the binary itself.
    Said(Words),
    /// Said by the engine.
    Engine(Box<EngineError>),
}

/// A message ready to print.
#[derive(Clone, Debug)]
pub struct Words {
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    /// Prepared text with places and excerpts, printed after the message as it is.
    excerpt: Option<String>,
    exit: Exit,
}

impl Words {
    /// Everything in one text.
    #[cfg(test)]
    pub fn join(&self) -> String {
        [vec![self.message.clone()], self.causes.clone(), self.hints.clone()].concat().join("\n")
    }
    /// How the program ends.
    pub const fn exit(&self) -> Exit {
        self.exit
    }
    /// Place, message and causes as one sentence.
    pub fn sentence(&self) -> String {
        let place = self.excerpt.as_deref().and_then(|text| text.lines().next()?.trim().strip_prefix("--> "));
        let parts: Vec<&str> = place
            .into_iter()
            .chain(std::iter::once(self.message.as_str()))
            .chain(self.causes.iter().map(String::as_str))
            .collect();
        parts.join(": ")
    }
    /// Prints the message, its causes and hints.
    pub fn print(&self, out: &Out) {
        let theme = out.talk_theme;
        let mut text = format!("{} {}\n", theme.bad("error:"), escape::line(&self.message));
        if let Some(excerpt) = &self.excerpt {
            text.push_str(escape::lines(excerpt).trim_end());
            text.push('\n');
        }
        for cause in &self.causes {
            text.push_str(&format!("{} {}\n", theme.strong("cause:"), escape::line(cause)));
        }
        for hint in &self.hints {
            text.push_str(&format!("{} {}\n", theme.strong("hint:"), escape::line(hint)));
        }
        out.stderr(&text);
    }
}

impl CommandError {
    /// An error of the binary's own.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Said(Words { message: message.into(), causes: vec![], hints: vec![], excerpt: None, exit })
    }
    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }
    fn words(self) -> Words {
        match self {
            Self::Said(words) => words,
            Self::Engine(error) => engine_words(&error, None),
        }
    }
    /// Adds a next step.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        let mut words = self.words();
        words.hints.push(hint.into());
        Self::Said(words)
    }
    /// Adds what lies behind it.
    pub fn cause(self, cause: impl std::fmt::Display) -> Self {
        let mut words = self.words();
        words.causes.push(cause.to_string());
        Self::Said(words)
    }
    /// Adds the system's words, without its number.
    pub fn system(self, error: &std::io::Error) -> Self {
        let text = error.to_string();
        match text.split_once(" (os error") {
            Some((words, _)) => self.cause(words.to_lowercase()),
            None => self.cause(text),
        }
    }
    /// Adds a prepared text with places and excerpts.
    pub fn excerpt(self, text: impl Into<String>) -> Self {
        let mut words = self.words();
        words.excerpt = Some(text.into());
        Self::Said(words)
    }
    /// Names the file it is about, unless that is said already.
    pub fn in_file(self, path: &std::path::Path) -> Self {
        let mut words = self.words();
        let name = path.display().to_string();
        let said = |text: &str| text.contains(&name);
        if !said(&words.message) && !words.excerpt.as_deref().is_some_and(said) {
            words.message = format!("`{name}` cannot be loaded: {}", words.message);
        }
        Self::Said(words)
    }
    /// The final words; `stack` is the one the command was about.
    pub fn render(self, stack: Option<&str>) -> Words {
        match self {
            Self::Said(words) => words,
            Self::Engine(error) => engine_words(&error, stack),
        }
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}
impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        let text = error.render(false);
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let (message, excerpt) = text.split_once('\n').unwrap_or((text, ""));
        let said = Self::new(Exit::Invalid, message);
        if excerpt.is_empty() { said } else { said.excerpt(excerpt) }
    }
}
impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}
impl From<LeaseError> for CommandError {
    fn from(error: LeaseError) -> Self {
        EngineError::from(error).into()
    }
}

fn engine_words(error: &EngineError, stack: Option<&str>) -> Words {
    let (exit, hint) = judge(error);
    let message = match error {
        EngineError::Lease(error) => lease_message(error, stack),
        other => other.to_string(),
    };
    let mut causes: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) && !causes.iter().any(|c| c.contains(&text)) {
            causes.push(text);
        }
        source = cause.source();
    }
    let hints = match error {
        EngineError::Lease(LeaseError::Held(_)) => {
            let name = stack.unwrap_or("STACK");
            vec![format!("wait with `--lock-wait 60s`, or see `sloth-runner stack lock status {name}`")]
        }
        EngineError::Lease(LeaseError::NotOwner { info, .. }) => {
            vec![format!(
                "name the holder with `--unlocked-by {}`, or give the lock's id with `--lock-id`",
                info.locked_by
            )]
        }
        _ => hint.into_iter().collect(),
    };
    Words { message, causes, hints, excerpt: None, exit }
}

fn lease_message(error: &LeaseError, stack: Option<&str>) -> String {
    let name = stack.map_or_else(|| "the stack".to_owned(), |s| format!("stack `{s}`"));
    match error {
        LeaseError::Held(info) => format!("{name} is locked by {}; nothing was changed", holder(info)),
        LeaseError::NotLocked => format!("{name} is not locked"),
        LeaseError::NotOwner { info, asked } => {
            format!(
                "the lock on {name} belongs to `{}`, not to `{asked}`; nothing was changed",
                info.locked_by
            )
        }
        LeaseError::Full { most, stacks } => {
            let list = stacks.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
            let going = words::count(stacks.len() as u64, "run");
            format!("{going} of at most {most} at once are going on, in {list}; {name} was not run")
        }
        LeaseError::Lost => format!("the lease on {name} was lost; what was done until then is recorded"),
        LeaseError::Store(error) => error.to_string(),
    }
}

/// `deploy-bot` since 14:41 for `Deploying v2.0.0`, until 15:41
fn holder(info: &LeaseInfo) -> String {
    let what = if info.reason.is_empty() { &info.operation } else { &info.reason };
    let mut text = format!("`{}` since {} for `{what}`", info.locked_by, info.locked_at.local());
    if info.kind == sloth_core::lease::LeaseKind::Person {
        text.push_str(&format!(", until {}", info.expires_at.local()));
    }
    if !info.queue.is_empty() {
        text.push_str(&format!(", with {} waiting", info.queue.len()));
    }
    text
}

fn did_you_mean(nearest: Option<&String>) -> Option<String> {
    nearest.map(|name| format!("did you mean `{name}`?"))
}

/// The exit code of an error, and the next step when there is a good one.
fn judge(error: &EngineError) -> (Exit, Option<String>) {
    match error {
        EngineError::NoSuchStack { nearest, .. } => (
            Exit::NotFound,
            did_you_mean(nearest.as_ref()).or_else(|| Some("see `sloth-runner stack list`".to_owned())),
        ),
        EngineError::NoUpstream { nearest, upstream, .. } => (
            Exit::NotFound,
            did_you_mean(nearest.as_ref())
                .or_else(|| Some(format!("run the workflow of `{upstream}` first"))),
        ),
        EngineError::StackCircle { .. } => {
            (Exit::Invalid, Some("take one of these out of `depends_on` in its workflow".to_owned()))
        }
        EngineError::NoSuchResource { nearest, .. }
        | EngineError::NoSuchAttribute { nearest, .. }
        | EngineError::NoSuchTask { nearest, .. } => (Exit::NotFound, did_you_mean(nearest.as_ref())),
        EngineError::NotIgnored { nearest, stack, .. } => (
            Exit::NotFound,
            did_you_mean(nearest.as_ref())
                .or_else(|| Some(format!("see `sloth-runner stack drift ignores {stack}`"))),
        ),
        EngineError::NoSuchVersion { stack, .. } => {
            (Exit::NotFound, Some(format!("see `sloth-runner stack snapshot list {stack}`")))
        }
        EngineError::NoSuchOperation(_) => (Exit::NotFound, Some("see `sloth-runner op log`".to_owned())),
        EngineError::AmbiguousStack { .. } => {
            (Exit::Usage, Some("write more of the id, or the name".to_owned()))
        }
        EngineError::NoSuchHook { nearest, .. } => (
            Exit::NotFound,
            did_you_mean(nearest.as_ref()).or_else(|| Some("see `sloth-runner hook list`".to_owned())),
        ),
        EngineError::HookExists(name) => {
            (Exit::Conflict, Some(format!("see `sloth-runner hook show {name}`")))
        }
        EngineError::BadName(_) | EngineError::BadTag(_) | EngineError::BadHookName(_) => (Exit::Usage, None),
        EngineError::StackExists(name) => {
            (Exit::Conflict, Some(format!("see `sloth-runner stack show {name}`")))
        }
        EngineError::Graph(graph) => match graph {
            sloth_core::graph::GraphError::Unknown { nearest, .. } => {
                (Exit::Invalid, did_you_mean(nearest.as_ref()))
            }
            _ => (Exit::Invalid, None),
        },
        EngineError::Plan(_) => (Exit::Invalid, Some("make a new plan with `plan --out FILE`".to_owned())),
        EngineError::StalePlan { .. } => {
            (Exit::Conflict, Some("make a new plan with `plan --out FILE`".to_owned()))
        }
        EngineError::Commit(CommitError::Store(error)) | EngineError::Store(error) => judge_store(error),
        EngineError::Commit(_) => (Exit::Conflict, Some("run it again".to_owned())),
        EngineError::Lease(error) => match error {
            LeaseError::Held(_) | LeaseError::NotOwner { .. } => (Exit::Locked, None),
            LeaseError::Full { .. } => (
                Exit::Locked,
                Some(
                    "wait with `--lock-wait 60s`, or allow more with `stacks.max_concurrent_executions`"
                        .to_owned(),
                ),
            ),
            LeaseError::Lost => (Exit::Conflict, Some("run it again".to_owned())),
            LeaseError::NotLocked => (Exit::NotFound, None),
            LeaseError::Store(error) => judge_store(error),
        },
        EngineError::VersionProtected { stack, .. } => {
            (Exit::Conflict, Some(format!("see `sloth-runner stack snapshot list {stack}`")))
        }
        EngineError::NotUndoable { .. } => {
            (Exit::Failed, Some("see `sloth-runner op log`; `undo --op N` takes back another one".to_owned()))
        }
        EngineError::Blocked(_)
        | EngineError::Unreachable(_)
        | EngineError::Program(_)
        | EngineError::Refused(_) => (Exit::Failed, None),
    }
}

fn judge_store(error: &StoreError) -> (Exit, Option<String>) {
    match error {
        StoreError::Busy { .. } => (Exit::Locked, Some("try again later".to_owned())),
        StoreError::Conflict(_) => (Exit::Conflict, None),
        StoreError::Unclear { .. } => {
            (Exit::NeedsPerson, Some("when the server answers again, look with `sloth-runner op log`".to_owned()))
        }
        StoreError::Io { .. } | StoreError::Refused { .. } => {
            (Exit::Failed, Some("name another database with `--db PATH` or `SLOTH_RUNNER_DB`".to_owned()))
        }
        StoreError::Damaged { .. } => (
            Exit::Failed,
            Some("see `sloth-runner doctor`; put a backup in its place, or name another database with `--db PATH`".to_owned()),
        ),
        StoreError::Older { .. } => (Exit::Failed, Some("see `sloth-runner doctor`".to_owned())),
        StoreError::Newer { .. } => (Exit::Failed, None),
    }
}
