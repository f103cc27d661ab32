//! What a stack needs of other stacks: which, what it read of them, and whether that is still so.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::id::StackId;
use crate::output::Output;
use crate::value::{Value, canonical};
use crate::version::Version;

/// Longest text of a value that is kept to say later what it was. Of longer ones the digest is enough to see a change.
const KEPT: usize = 1024;

/// One output as it was when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reading {
    /// Digest of the value; nothing when there was no such output.
    pub digest: Option<Digest>,
    /// The value, unless it is sensitive or long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl Reading {
    /// Of an output that is there, or is not.
    #[must_use]
    pub fn of(output: Option<&Output>) -> Self {
        let Some(output) = output else { return Self::default() };
        let kept = !output.sensitive && canonical(&output.value).len() <= KEPT;
        Self { digest: Some(Digest::of_value(&output.value)), value: kept.then(|| output.value.clone()) }
    }

    /// For people: the value, or what can be said of it.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.value, &self.digest) {
            (Some(value), _) => canonical(value),
            (None, Some(digest)) => format!("a value with digest {}", digest.short()),
            (None, None) => "nothing".to_owned(),
        }
    }
}

/// A stack that another one needs. Part of the version of the stack that needs it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Upstream {
    /// The stack that is needed; a rename does not change it.
    pub id: StackId,
    /// Its name when it was looked at.
    pub name: String,
    /// Was it named as a dependency, besides what was read of it?
    pub declared: bool,
    /// Its version when what is recorded here was first so.
    pub version: Version,
    /// What was read of it, by the name of the output.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, Reading>,
}

impl Upstream {
    /// Is the same needed, and was the same read? Name and version do not count.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.declared == other.declared
            && self.reads.len() == other.reads.len()
            && self
                .reads
                .iter()
                .all(|(name, was)| other.reads.get(name).is_some_and(|r| r.digest == was.digest))
    }

    /// How it is known.
    #[must_use]
    pub fn how(&self) -> String {
        let names: Vec<&str> = self.reads.keys().map(String::as_str).collect();
        match (self.declared, names.is_empty()) {
            (true, false) => format!("declared, reads {}", names.join(", ")),
            (false, false) => format!("reads {}", names.join(", ")),
            _ => "declared".to_owned(),
        }
    }

    /// What is not as it was when it was read. `now` is the stack's name and outputs of now, nothing when it is gone.
    #[must_use]
    pub fn stale(&self, now: Option<(&str, &[Output])>) -> Vec<Stale> {
        let Some((name, outputs)) = now else {
            return vec![Stale { upstream: self.name.clone(), output: None, from: None, to: None }];
        };
        let output = |wanted: &str| outputs.iter().find(|o| o.name == wanted);
        let changed = |(read, was): (&String, &Reading)| {
            let is = Reading::of(output(read));
            (is.digest != was.digest).then(|| Stale {
                upstream: name.to_owned(),
                output: Some(read.clone()),
                from: Some(was.clone()),
                to: Some(is),
            })
        };
        self.reads.iter().filter_map(changed).collect()
    }
}

/// Something a stack was made with that is not so any more.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Stale {
    /// The stack that was read.
    pub upstream: String,
    /// The output that changed; nothing when the whole stack is gone.
    pub output: Option<String>,
    /// What it was.
    pub from: Option<Reading>,
    /// What it is.
    pub to: Option<Reading>,
}

impl Stale {
    /// One sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some(output) = &self.output else { return format!("stack `{}` is gone", self.upstream) };
        let shown = |reading: &Option<Reading>| reading.as_ref().map(Reading::shown).unwrap_or_default();
        let (from, to) = (shown(&self.from), shown(&self.to));
        format!("output `{output}` of stack `{}` was {from} and is {to}", self.upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(name: &str, value: Value, sensitive: bool) -> Output {
        Output { name: name.to_owned(), value, sensitive }
    }

    fn upstream(reads: &[&Output]) -> Upstream {
        Upstream {
            id: StackId::from_stored("1"),
            name: "db".to_owned(),
            declared: false,
            version: Version(1),
            reads: reads.iter().map(|o| (o.name.clone(), Reading::of(Some(o)))).collect(),
        }
    }

    #[test]
    fn what_changed_is_told_from_and_to() {
        let (url, port) = (output("url", "a".into(), false), output("port", 1.into(), false));
        let db = upstream(&[&url, &port]);
        assert_eq!(db.stale(Some(("db", &[url.clone(), port.clone()]))), []);
        let moved = [output("url", "b".into(), false), port.clone()];
        let [stale] = &db.stale(Some(("db", &moved)))[..] else { panic!("{db:?}") };
        assert_eq!(stale.sentence(), "output `url` of stack `db` was \"a\" and is \"b\"");
        let [stale] = &db.stale(Some(("database", &[port])))[..] else { panic!("{db:?}") };
        assert_eq!(stale.sentence(), "output `url` of stack `database` was \"a\" and is nothing");
        let [stale] = &db.stale(None)[..] else { panic!("{db:?}") };
        assert_eq!(stale.sentence(), "stack `db` is gone");
    }

    #[test]
    fn an_output_that_appears_is_a_change() {
        let mut db = upstream(&[]);
        db.reads.insert("url".to_owned(), Reading::of(None));
        assert_eq!(db.stale(Some(("db", &[]))), []);
        assert_eq!(db.stale(Some(("db", &[output("url", "a".into(), false)]))).len(), 1);
    }

    #[test]
    fn secrets_and_long_values_are_kept_as_digests() {
        let secret = output("key", "hunter2".into(), true);
        let long = output("text", "x".repeat(KEPT).into(), false);
        let db = upstream(&[&secret, &long]);
        assert!(db.reads.values().all(|r| r.value.is_none() && r.digest.is_some()));
        let other = output("key", "hunter3".into(), true);
        let [stale] = &db.stale(Some(("db", &[other, long])))[..] else { panic!("{db:?}") };
        assert!(!stale.sentence().contains("hunter"), "{}", stale.sentence());
    }

    #[test]
    fn names_and_versions_do_not_make_a_difference() {
        let url = output("url", "a".into(), false);
        let db = upstream(&[&url]);
        let renamed = Upstream { name: "database".to_owned(), version: Version(9), ..db.clone() };
        assert!(db.says_the_same(&renamed));
        assert!(!db.says_the_same(&Upstream { declared: true, ..db.clone() }));
        assert!(!db.says_the_same(&upstream(&[&url, &output("port", 1.into(), false)])));
        assert!(!db.says_the_same(&upstream(&[&output("url", "b".into(), false)])));
    }
}
