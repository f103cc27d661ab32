//! Which versions of a stack may be forgotten. Pure: a trial run and a real one ask the same function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::stack::Stack;
use crate::version::{Version, VersionInfo};

/// What is old enough to go. Where both are given, both have to say so; where none is, nothing goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// So many of the newest stay.
    pub keep: Option<u64>,
    /// What is younger than this stays.
    pub older_than: Option<Duration>,
}

impl Policy {
    fn spares(self, place: u64, age: Duration) -> Option<Keep> {
        let few = self.keep.filter(|keep| place < *keep).map(|_| Keep::AmongNewest);
        let young = self.older_than.filter(|limit| age <= *limit).map(|_| Keep::Young);
        let nothing = (self.keep.is_none() && self.older_than.is_none()).then_some(Keep::AmongNewest);
        few.or(young).or(nothing)
    }
}

/// Why a version stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// It is what is recorded now.
    Newest,
    /// It is the last one whose run succeeded.
    LastSuccessful,
    /// Somebody gave it these tags.
    Tagged(Vec<String>),
    /// The stack was taken back to it.
    RestoredTo,
    /// Undoing what made the newest one leads to it.
    Previous,
    /// The policy keeps so many.
    AmongNewest,
    /// The policy keeps what is so young.
    Young,
}

impl Keep {
    /// Is it more than a matter of policy: may nobody remove it, even by its number?
    #[must_use]
    pub const fn is_protection(&self) -> bool {
        !matches!(self, Self::Previous | Self::AmongNewest | Self::Young)
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("the newest"),
            Self::LastSuccessful => f.write_str("the last successful"),
            Self::Tagged(tags) => write!(f, "tagged {}", tags.join(", ")),
            Self::RestoredTo => f.write_str("what the stack was taken back to"),
            Self::Previous => f.write_str("where `undo` leads"),
            Self::AmongNewest => f.write_str("among the newest"),
            Self::Young => f.write_str("young"),
        }
    }
}

/// What holds versions, besides their age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Tags of versions.
    pub tags: BTreeMap<Version, Vec<String>>,
    /// The stack was taken back to this one.
    pub restored_to: Option<Version>,
}

impl Holds {
    /// Those that the stack itself knows of.
    #[must_use]
    pub fn of(stack: &Stack) -> Self {
        let mut tags: BTreeMap<Version, Vec<String>> = BTreeMap::new();
        for (tag, version) in stack.version_tags() {
            tags.entry(version).or_default().push(tag);
        }
        Self { tags, restored_to: stack.rolled_back_to }
    }
}

/// Says for each version, newest first, why it stays; `None` lets it go.
#[must_use]
pub fn decide(
    history: &[VersionInfo],
    holds: &Holds,
    policy: Policy,
    now: Timestamp,
) -> Vec<(Version, Option<Keep>)> {
    let newest = history.iter().map(|info| info.version).max();
    let successful = history.iter().filter(|info| info.successful).map(|info| info.version).max();
    let mut order: Vec<&VersionInfo> = history.iter().collect();
    order.sort_by_key(|info| std::cmp::Reverse(info.version));
    let mut out = Vec::with_capacity(order.len());
    for (place, info) in (0u64..).zip(order) {
        let version = info.version;
        let tags = holds.tags.get(&version).filter(|tags| !tags.is_empty());
        let keep = if newest == Some(version) {
            Some(Keep::Newest)
        } else if successful == Some(version) {
            Some(Keep::LastSuccessful)
        } else if let Some(tags) = tags {
            Some(Keep::Tagged(tags.clone()))
        } else if holds.restored_to == Some(version) {
            Some(Keep::RestoredTo)
        } else if newest == Some(version.next()) {
            Some(Keep::Previous)
        } else {
            policy.spares(place, now.since(info.created_at))
        };
        out.push((version, keep));
    }
    out
}

/// What a collection took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Collected {
    /// Old records of resources and outputs that no version shows any more.
    pub records: u64,
    /// Contents that nothing names any more.
    pub contents: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl Collected {
    /// Was there anything?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records == 0 && self.contents == 0
    }
}

impl std::ops::AddAssign for Collected {
    fn add_assign(&mut self, more: Self) {
        self.records += more.records;
        self.contents += more.contents;
        self.bytes += more.bytes;
    }
}

/// Adds every digest that stands in a text or in bytes that contain text, whatever its form. What looks like a digest
/// and is none does no harm: something is kept that nobody needs.
pub fn digests_in(bytes: &[u8], into: &mut BTreeSet<Digest>) {
    let mut from = 0;
    while from < bytes.len() {
        let run = bytes[from..].iter().take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).count();
        if run == 64
            && let Some(digest) =
                std::str::from_utf8(&bytes[from..from + run]).ok().and_then(|t| t.parse().ok())
        {
            into.insert(digest);
        }
        from += run + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::VersionKind;
    use proptest::prelude::*;

    fn info(n: u64, at: i64, successful: bool) -> VersionInfo {
        VersionInfo {
            version: Version(n),
            kind: VersionKind::Run,
            created_at: Timestamp::from_nanos(at),
            created_by: "x".to_owned(),
            description: String::new(),
            run: None,
            prev_hash: Digest::ZERO,
            hash: Digest::ZERO,
            written: 0,
            removed: 0,
            successful,
        }
    }

    #[test]
    fn both_limits_have_to_agree() {
        let second = 1_000_000_000;
        let history: Vec<_> = (1..=6u64).rev().map(|n| info(n, n as i64 * second, true)).collect();
        let gone = |keep, older: Option<u64>| -> Vec<u64> {
            let policy = Policy { keep, older_than: older.map(Duration::from_secs) };
            decide(&history, &Holds::default(), policy, Timestamp::from_nanos(6 * second))
                .into_iter()
                .filter(|(_, keep)| keep.is_none())
                .map(|(v, _)| v.0)
                .collect()
        };
        assert_eq!(gone(Some(2), None), [4, 3, 2, 1]);
        assert_eq!(gone(None, Some(3)), [2, 1]);
        assert_eq!(gone(Some(5), Some(1)), [1]);
        assert_eq!(gone(Some(0), None), [4, 3, 2, 1]);
        assert_eq!(gone(None, None), [0u64; 0]);
    }

    #[test]
    fn digests_are_found_wherever_they_stand() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let text = format!("{{\"x\":\"{a}\",\"y\":\"sha256:{b}\",\"z\":\"{a}{b}\"}}\u{1}{b}");
        let mut found = BTreeSet::new();
        digests_in(text.as_bytes(), &mut found);
        assert_eq!(found, BTreeSet::from([a, b]));
        let mut none = BTreeSet::new();
        digests_in(&a.hex().as_bytes()[1..], &mut none);
        digests_in(format!("{a}0").as_bytes(), &mut none);
        assert!(none.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_protected_is_never_let_go(
            made in proptest::collection::vec((any::<bool>(), -100i64..100, any::<bool>()), 0..40),
            gaps in proptest::collection::btree_set(1u64..40, 0..10),
            tagged in proptest::collection::btree_set(1u64..40, 0..5),
            restored in proptest::option::of(1u64..40),
            keep in proptest::option::of(0u64..10),
            older in proptest::option::of(0u64..150),
            now in -50i64..150,
        ) {
            let history: Vec<VersionInfo> = made
                .iter()
                .zip(1u64..)
                .filter(|(_, n)| !gaps.contains(n))
                .map(|((ok, at, _), n)| info(n, *at, *ok))
                .collect();
            let holds = Holds {
                tags: tagged.iter().map(|n| (Version(*n), vec!["t".to_owned()])).collect(),
                restored_to: restored.map(Version),
            };
            let policy = Policy { keep, older_than: older.map(Duration::from_nanos) };
            let now = Timestamp::from_nanos(now);
            let said = decide(&history, &holds, policy, now);
            prop_assert_eq!(said.len(), history.len());
            let gone: BTreeSet<u64> = said.iter().filter(|(_, k)| k.is_none()).map(|(v, _)| v.0).collect();
            let head = history.iter().map(|i| i.version.0).max();
            let good = history.iter().filter(|i| i.successful).map(|i| i.version.0).max();
            for held in [head, head.map(|h| h - 1), good, restored].into_iter().flatten().chain(tagged) {
                prop_assert!(!gone.contains(&held));
            }
            if let Some(keep) = keep {
                let mut newest: Vec<u64> = history.iter().map(|i| i.version.0).collect();
                newest.sort_unstable_by(|a, b| b.cmp(a));
                prop_assert!(newest.iter().take(keep as usize).all(|n| !gone.contains(n)));
            }
            for info in history.iter().filter(|i| gone.contains(&i.version.0)) {
                prop_assert!(older.is_none_or(|o| now.since(info.created_at) > Duration::from_nanos(o)));
            }
            // What is gone does not change what the rest is told.
            let rest: Vec<_> = history.iter().filter(|i| !gone.contains(&i.version.0)).cloned().collect();
            prop_assert!(decide(&rest, &holds, policy, now).iter().all(|(_, k)| k.is_some()));
        }
    }
}
