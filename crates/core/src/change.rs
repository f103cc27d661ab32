//! What has to happen to one resource, and why.

use crate::diff::Diff;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was already as wished: record it, touch nothing.
    Adopt,
    /// It cannot be decided or must not be done; nothing is touched.
    Blocked,
    /// Make it.
    Create,
    /// Remove it.
    Delete,
    /// Drop the record, touch nothing.
    Forget,
    /// Nothing to do.
    Noop,
    /// The machine is as wished but the record is not: correct the record, touch nothing.
    Refresh,
    /// Remove and make anew, because an attribute cannot change in place.
    Replace,
    /// Put back what was there before this stack.
    Restore,
    /// Bring it in line.
    Update,
}

impl Action {
    /// The word stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Blocked => "blocked",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Forget => "forget",
            Self::Noop => "noop",
            Self::Refresh => "refresh",
            Self::Replace => "replace",
            Self::Restore => "restore",
            Self::Update => "update",
        }
    }
    /// Does it touch the machine?
    #[must_use]
    pub const fn touches(self) -> bool {
        matches!(self, Self::Create | Self::Delete | Self::Replace | Self::Restore | Self::Update)
    }
    /// Does it change the record?
    #[must_use]
    pub const fn records(self) -> bool {
        self.touches() || matches!(self, Self::Adopt | Self::Forget | Self::Refresh)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why it is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Wished for the first time, and absent.
    New,
    /// Wished for the first time, and already so.
    AlreadySo,
    /// Wished for the first time, and there in another shape.
    ExistedBefore,
    /// Changed outside of this tool; the wish is the old one.
    External,
    /// Changed outside of this tool, into what is wished.
    ExternalInLine,
    /// The wish changed; the machine is as it was left.
    Code,
    /// Both the wish and the machine changed.
    Both,
    /// Wish, record and machine agree.
    InLine,
    /// Only the declaration (options, operation) changed, not the wish.
    Declaration,
    /// It was registered as not applied yet.
    Pending,
    /// The last attempt failed or never ended.
    Unfinished,
    /// No longer wished for.
    Orphan,
    /// No longer wished for, and already gone.
    Gone,
    /// No longer wished for, marked to be kept.
    Kept,
    /// Protected against deletion.
    Protected,
    /// Could not be read.
    Unreadable(String),
    /// Going back to an earlier version.
    Restoring(crate::version::Version),
    /// Taking back what a run changed.
    Undoing,
    /// Cannot be undone: the previous content was not kept.
    NotKept(String),
}

impl Reason {
    /// One phrase for people.
    #[must_use]
    pub fn phrase(&self) -> String {
        match self {
            Self::New => "new".to_owned(),
            Self::AlreadySo => "was already so".to_owned(),
            Self::ExistedBefore => "existed before us".to_owned(),
            Self::External => "changed outside".to_owned(),
            Self::ExternalInLine => "changed outside, now in line".to_owned(),
            Self::Code => "code changed".to_owned(),
            Self::Both => "code changed and changed outside".to_owned(),
            Self::InLine => "in line".to_owned(),
            Self::Declaration => "declaration changed".to_owned(),
            Self::Pending => "was pending".to_owned(),
            Self::Unfinished => "last attempt did not end".to_owned(),
            Self::Orphan => "no longer declared".to_owned(),
            Self::Gone => "already gone".to_owned(),
            Self::Kept => "kept on request".to_owned(),
            Self::Protected => "protected".to_owned(),
            Self::Unreadable(why) => format!("cannot be read: {why}"),
            Self::Restoring(version) => format!("going back to {version}"),
            Self::Undoing => "taking back".to_owned(),
            Self::NotKept(why) => format!("cannot be put back: {why}"),
        }
    }
    /// SPEC's class of a drift or update: `external`, `code`, `both`, or nothing.
    #[must_use]
    pub const fn class(&self) -> Option<&'static str> {
        match self {
            Self::External | Self::ExternalInLine => Some("external"),
            Self::Code => Some("code"),
            Self::Both => Some("both"),
            _ => None,
        }
    }
}

/// The decision about one resource.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// What differs, live against target.
    #[serde(default, skip_serializing_if = "Diff::is_empty")]
    pub diff: Diff,
}

impl Change {
    /// A decision.
    #[must_use]
    pub const fn new(action: Action, reason: Reason, diff: Diff) -> Self {
        Self { action, reason, diff }
    }
}
