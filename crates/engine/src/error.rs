//! Why a verb did not do what it was asked.

use sloth_core::address::Address;
use sloth_core::graph::GraphError;
use sloth_core::hook::BadHookName;
use sloth_core::lease::LeaseError;
use sloth_core::machine::Unreachable;
use sloth_core::plan::PlanError;
use sloth_core::stack::{BadStackName, BadTag};
use sloth_core::store::{CommitError, StoreError};
use sloth_core::suggest::nearest;
use sloth_core::version::Version;

/// Why a verb did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No stack of that name or id.
    #[error("there is no stack `{name}`")]
    NoSuchStack {
        /// As asked.
        name: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// Several ids begin with the text.
    #[error("`{text}` could be any of these stacks: {}", names.join(", "))]
    AmbiguousStack {
        /// As asked.
        text: String,
        /// Which.
        names: Vec<String>,
    },
    /// A stack that another one needs is not there.
    #[error("stack `{stack}` depends on stack `{upstream}`, which does not exist; nothing was changed")]
    NoUpstream {
        /// The stack that was to be run.
        stack: String,
        /// What it needs.
        upstream: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// Stacks that need each other.
    #[error("stacks would depend on each other in a circle: {}; nothing was changed", path.join(" → "))]
    StackCircle {
        /// First and last are the same.
        path: Vec<String>,
    },
    /// The name is taken.
    #[error("stack `{0}` exists already")]
    StackExists(String),
    /// The name cannot be used.
    #[error(transparent)]
    BadName(#[from] BadStackName),
    /// The tag cannot be used.
    #[error("{0}; nothing was changed")]
    BadTag(#[from] BadTag),
    /// No such version.
    #[error("stack `{stack}` {} {version}; its newest is {head}", if .version < .head { "does not keep" } else { "has no version" })]
    NoSuchVersion {
        /// Stack.
        stack: String,
        /// As asked.
        version: Version,
        /// Newest.
        head: Version,
    },
    /// A version that nobody may remove.
    #[error("{version} of stack `{stack}` is {why}, so it stays; nothing was changed")]
    VersionProtected {
        /// Stack.
        stack: String,
        /// As asked.
        version: Version,
        /// What protects it.
        why: String,
    },
    /// No such resource.
    #[error("stack `{stack}` has no resource `{address}`")]
    NoSuchResource {
        /// Stack.
        stack: String,
        /// As asked.
        address: String,
        /// Nearest address there is.
        nearest: Option<String>,
    },
    /// No such attribute of a resource.
    #[error("`{address}` has no attribute `{attribute}`{}; nothing was changed", attribute_list(.names))]
    NoSuchAttribute {
        /// Which resource.
        address: String,
        /// As asked.
        attribute: String,
        /// Nearest `ADDRESS.ATTRIBUTE` there is.
        nearest: Option<String>,
        /// Those it has.
        names: Vec<String>,
    },
    /// Not ignored, so that it cannot be taken back.
    #[error("`{what}` is not ignored in stack `{stack}`; nothing was changed")]
    NotIgnored {
        /// Stack.
        stack: String,
        /// As asked.
        what: String,
        /// Nearest that is ignored.
        nearest: Option<String>,
    },
    /// No hook of that name.
    #[error("there is no hook `{name}`; nothing was changed")]
    NoSuchHook {
        /// As asked.
        name: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// The name is taken.
    #[error("hook `{0}` exists already; nothing was changed")]
    HookExists(String),
    /// The name cannot be used.
    #[error("{0}; nothing was changed")]
    BadHookName(#[from] BadHookName),
    /// No such task.
    #[error("the workflow has no task `{name}`")]
    NoSuchTask {
        /// As asked.
        name: String,
        /// Nearest name there is.
        nearest: Option<String>,
    },
    /// No such operation in the log.
    #[error("there is no operation {0} to undo")]
    NoSuchOperation(String),
    /// An operation that cannot be undone.
    #[error("operation {seq} (`{verb}`) cannot be undone: {why}")]
    NotUndoable {
        /// Position in the log.
        seq: u64,
        /// Its verb.
        verb: String,
        /// Why.
        why: String,
    },
    /// Tasks cannot be ordered.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Leases.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// A saved plan cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A saved plan is no longer right.
    #[error("the plan is stale: {what} {why}; nothing was changed")]
    StalePlan {
        /// Address or file.
        what: String,
        /// What moved.
        why: String,
    },
    /// Nothing can be done because some changes are blocked.
    #[error("{} blocked; nothing was changed", blocked_list(.0))]
    Blocked(Vec<(Address, String)>),
    /// The commit was refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A host cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The language failed.
    #[error(transparent)]
    Program(#[from] sloth_core::body::ProgramError),
    /// It makes no sense.
    #[error("{0}")]
    Refused(String),
}

fn attribute_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { String::new() } else { format!(", only {}", quoted.join(", ")) }
}

fn blocked_list(blocked: &[(Address, String)]) -> String {
    blocked.iter().map(|(a, why)| format!("{a} ({why})")).collect::<Vec<_>>().join(", ")
}

impl EngineError {
    /// A stack that has none of this address, with the nearest of those it has.
    pub fn no_resource(stack: String, address: &Address, names: impl Iterator<Item = String>) -> Self {
        let address = address.to_string();
        let names: Vec<String> = names.collect();
        let nearest = nearest(&address, names.iter().map(String::as_str)).map(str::to_owned);
        Self::NoSuchResource { stack, address, nearest }
    }
}
