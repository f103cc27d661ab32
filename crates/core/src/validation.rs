//! What is wrong with a stack as it is recorded: findings, and the rules that need nothing but nouns.

use std::collections::BTreeSet;

use crate::address::HostName;
use crate::deps::{Dependencies, Node};
use crate::lease::{LeaseInfo, LeaseKind};
use crate::recorded::{Condition, Recorded};
use crate::stack::{Stack, StackStatus, check_name};
use crate::store::{CheckFinding, PendingHandler};
use crate::upstream::Stale;

/// How bad a finding is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something cannot work, or cannot be trusted.
    Error,
    /// Something may not work as it is meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The word printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What kind of thing a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The database as a whole.
    Database,
    /// The configuration.
    Configuration,
    /// A stack.
    Stack,
    /// A workflow file.
    File,
    /// A resource, by address.
    Resource,
    /// A task.
    Task,
    /// A handler.
    Handler,
}

impl Topic {
    /// The word printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Configuration => "configuration",
            Self::Stack => "stack",
            Self::File => "file",
            Self::Resource => "resource",
            Self::Task => "task",
            Self::Handler => "handler",
        }
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct About {
    /// Kind of thing.
    pub kind: Topic,
    /// Which one.
    pub name: String,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Stable code, such as `dependency-circle`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub about: About,
    /// One sentence.
    pub what: String,
    /// What to do next.
    pub mend: String,
}

impl Finding {
    /// A finding about something.
    #[must_use]
    pub fn new(
        severity: Severity,
        code: &str,
        about: (Topic, &str),
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (kind, name) = about;
        Self {
            code: code.to_owned(),
            severity,
            about: About { kind, name: name.to_owned() },
            what: what.into(),
            mend: mend.into(),
        }
    }

    /// What a store found out about itself.
    #[must_use]
    pub fn of_store(found: CheckFinding, location: &str) -> Self {
        let severity = if found.severe { Severity::Error } else { Severity::Note };
        Self::new(severity, &found.code, (Topic::Database, location), found.what, found.mend)
    }
}

/// Is the stack's name one that commands and paths can carry?
#[must_use]
pub fn name(stack: &Stack) -> Option<Finding> {
    let why = check_name(&stack.name).err()?;
    Some(Finding::new(
        Severity::Error,
        "stack-name",
        (Topic::Stack, &stack.name),
        why.to_string(),
        format!("name it by its id: `sloth-runner stack show {}`", stack.id),
    ))
}

/// Does the workflow of the stack's file bear the stack's name? When not, running the file without naming the stack
/// would go to another one.
#[must_use]
pub fn workflow_name(stack: &Stack, file: &str, workflow: &str) -> Option<Finding> {
    (workflow != stack.name).then(|| {
        Finding::new(
            Severity::Note,
            "workflow-name",
            (Topic::File, file),
            format!("the workflow in `{file}` is called `{workflow}`"),
            format!("name the stack when running it: `sloth-runner run {file} --stack {}`", stack.name),
        )
    })
}

/// Circles, and dependencies on what the stack does not hold.
#[must_use]
pub fn dependencies(records: &[Recorded]) -> Vec<Finding> {
    let items: Vec<Node<'_>> = records.iter().map(Node::of).collect();
    let graph = Dependencies::build(&items);
    let name = |at: usize| records[at].address.to_string();
    let circles = graph.circles().into_iter().map(|circle| {
        let path: Vec<String> = circle.0.iter().map(|&at| name(at)).collect();
        Finding::new(
            Severity::Error,
            "dependency-circle",
            (Topic::Resource, path.first().map_or("", String::as_str)),
            format!("resources depend on each other in a circle: {}", path.join(" → ")),
            "take one of these out of `depends_on` in the workflow, and run it again",
        )
    });
    let missing = graph.missing().iter().map(|missing| {
        let from = name(missing.from);
        Finding::new(
            Severity::Warning,
            "dependency-missing",
            (Topic::Resource, &from),
            format!("`{from}` depends on `{}`, which is not in the stack", missing.name),
            format!(
                "declare `{}` in the workflow, or take it out of `depends_on`, and run it again",
                missing.name
            ),
        )
    });
    circles.chain(missing).collect()
}

/// Circles this stack is in, stacks it needs that are gone, and what it read that is not so any more. `circle` is the way
/// back to it.
#[must_use]
pub fn upstreams(stack: &Stack, circle: Option<&[String]>, stale: &[Stale]) -> Vec<Finding> {
    let about = (Topic::Stack, stack.name.as_str());
    let circle = circle.map(|path| {
        Finding::new(
            Severity::Error,
            "stack-circle",
            about,
            format!("stacks depend on each other in a circle: {}", path.join(" → ")),
            "take one of these dependencies out of its workflow, and run it again",
        )
    });
    let stale = stale.iter().map(|stale| {
        let (again, what) = (format!("run it again: `sloth-runner run {}`", stack.name), stale.sentence());
        match stale.output {
            Some(_) => Finding::new(Severity::Warning, "stack-stale", about, what, again),
            None => Finding::new(
                Severity::Error,
                "upstream-missing",
                about,
                format!("{what}, and stack `{}` depends on it", stack.name),
                format!("bring `{}` back, or take it out of the workflow and {again}", stale.upstream),
            ),
        }
    });
    circle.into_iter().chain(stale).collect()
}

/// Resources on hosts nobody knows.
#[must_use]
pub fn hosts(records: &[Recorded], known: &BTreeSet<HostName>) -> Vec<Finding> {
    let list: Vec<String> = known.iter().map(|host| format!("`{host}`")).collect();
    let list = list.join(", ");
    let unknown = records.iter().filter(|r| !known.contains(r.address.host()));
    let finding = |r: &Recorded| {
        Finding::new(
            Severity::Error,
            "host-unknown",
            (Topic::Resource, &r.address.to_string()),
            format!("`{}` is on host `{}`, which is not known", r.address, r.address.host()),
            format!("known hosts: {list}; declare the resource on one of them, and run with `--prune`"),
        )
    };
    unknown.map(finding).collect()
}

/// Resources whose last attempt did not end well, or was not made yet.
#[must_use]
pub fn conditions(stack: &Stack, records: &[Recorded]) -> Vec<Finding> {
    let finding = |r: &Recorded| {
        let address = r.address.to_string();
        let again = format!("run it again: `sloth-runner run {}`", stack.name);
        let (code, what, mend) = match r.condition {
            Condition::Applied => return None,
            Condition::Pending => (
                "resource-pending",
                format!("`{address}` is recorded and was not applied yet"),
                // Running the same program again registers it again and applies nothing.
                if r.is_registered() {
                    let (kind, id) = (r.address.kind(), r.address.id());
                    format!(
                        "when it is there, say so with `stack.update_resource(\"{kind}\", \"{id}\", {{ state = \"applied\" }})`"
                    )
                } else {
                    again
                },
            ),
            Condition::Failed => {
                let why = r.error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                ("resource-failed", format!("the last attempt to bring `{address}` about failed{why}"), again)
            }
        };
        Some(Finding::new(Severity::Warning, code, (Topic::Resource, &address), what, mend))
    };
    records.iter().filter_map(finding).collect()
}

/// Who holds the stack.
#[must_use]
pub fn leases(stack: &Stack, held: &[LeaseInfo]) -> Vec<Finding> {
    let finding = |lease: &LeaseInfo| {
        let (code, verb) = match lease.kind {
            LeaseKind::Process => ("stack-in-use", "is in use by"),
            LeaseKind::Person => ("stack-locked", "is locked by"),
        };
        let what = if lease.reason.is_empty() { &lease.operation } else { &lease.reason };
        Finding::new(
            Severity::Note,
            code,
            (Topic::Stack, &stack.name),
            format!("stack `{}` {verb} `{}` for `{what}`", stack.name, lease.locked_by),
            format!("see `sloth-runner stack lock status {}`", stack.name),
        )
    };
    held.iter().map(finding).collect()
}

/// A run that died without leaving open steps. Only to be asked when nobody holds the stack.
#[must_use]
pub fn interrupted(stack: &Stack) -> Option<Finding> {
    (stack.status == StackStatus::Running).then(|| {
        Finding::new(
            Severity::Warning,
            "run-interrupted",
            (Topic::Stack, &stack.name),
            format!("the last run of stack `{}` ended without saying how", stack.name),
            format!("go on after it: `sloth-runner resume {}`", stack.name),
        )
    })
}

/// Handlers that were notified and have not run.
#[must_use]
pub fn handlers(stack: &Stack, pending: &[PendingHandler]) -> Vec<Finding> {
    let finding = |handler: &PendingHandler| {
        Finding::new(
            Severity::Note,
            "handler-pending",
            (Topic::Handler, &handler.name),
            format!("handler `{}` was notified by `{}` and has not run", handler.name, handler.queued_by),
            format!("the next run runs it: `sloth-runner run {}`", stack.name),
        )
    };
    pending.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::recorded::Origin;
    use crate::value::Value;

    fn stack(name: &str) -> Stack {
        Stack::fresh(name, Timestamp::from_nanos(0))
    }

    fn record(address: &str, depends_on: &[&str]) -> Recorded {
        let mut record = Recorded {
            address: address.parse().unwrap(),
            module: "stack".to_owned(),
            operation: "register".to_owned(),
            spec: Value::Null,
            state: None,
            origin: Origin::Absent,
            condition: Condition::Applied,
            error: None,
            options: crate::desired::Options::default(),
            task: String::new(),
            created_at: Timestamp::from_nanos(0),
            updated_at: Timestamp::from_nanos(0),
        };
        record.options.depends_on = depends_on.iter().map(|&name| name.to_owned()).collect();
        record
    }

    fn codes(found: &[Finding]) -> Vec<(&str, Severity, &str)> {
        found.iter().map(|f| (f.code.as_str(), f.severity, f.about.name.as_str())).collect()
    }

    #[test]
    fn names_that_nobody_can_type_are_errors() {
        assert_eq!(name(&stack("web")), None);
        let found = name(&stack("a/b")).unwrap();
        assert_eq!((found.code.as_str(), found.severity), ("stack-name", Severity::Error));
    }

    #[test]
    fn a_workflow_of_another_name_is_a_note() {
        assert_eq!(workflow_name(&stack("web"), "w.sloth", "web"), None);
        let found = workflow_name(&stack("web"), "w.sloth", "site").unwrap();
        assert_eq!(found.severity, Severity::Note);
        assert!(found.mend.contains("run w.sloth --stack web"), "{}", found.mend);
    }

    #[test]
    fn circles_are_errors_and_missing_dependencies_are_warnings() {
        assert_eq!(dependencies(&[record("t:a", &[]), record("t:b", &["t:a"])]), []);
        let found = dependencies(&[record("t:a", &["t:b"]), record("t:b", &["t:a", "t:c"])]);
        assert_eq!(
            codes(&found),
            [("dependency-circle", Severity::Error, "t:a"), ("dependency-missing", Severity::Warning, "t:b")]
        );
        assert!(found[0].what.ends_with(": t:a → t:b → t:a"), "{}", found[0].what);
        assert!(found[1].what.contains("`t:c`"), "{}", found[1].what);
    }

    #[test]
    fn circles_of_stacks_and_missing_upstreams_are_errors_and_stale_is_a_warning() {
        let gone = Stale { upstream: "db".to_owned(), output: None, from: None, to: None };
        let moved = Stale { output: Some("url".to_owned()), ..gone.clone() };
        let path = ["web".to_owned(), "db".to_owned(), "web".to_owned()];
        let found = upstreams(&stack("web"), Some(&path), &[gone, moved]);
        assert_eq!(
            codes(&found),
            [
                ("stack-circle", Severity::Error, "web"),
                ("upstream-missing", Severity::Error, "web"),
                ("stack-stale", Severity::Warning, "web")
            ]
        );
        assert!(found[0].what.ends_with(": web → db → web"), "{}", found[0].what);
        assert_eq!(upstreams(&stack("web"), None, &[]), []);
    }

    #[test]
    fn hosts_have_to_be_known() {
        let known = BTreeSet::from([HostName::local()]);
        let found = hosts(&[record("t:a", &[]), record("web1/t:a", &[])], &known);
        assert_eq!(codes(&found), [("host-unknown", Severity::Error, "web1/t:a")]);
    }

    #[test]
    fn what_was_not_applied_is_a_warning() {
        let mut failed = record("t:a", &[]);
        (failed.condition, failed.error) = (Condition::Failed, Some("disk full".to_owned()));
        let mut pending = record("t:b", &[]);
        pending.condition = Condition::Pending;
        let found = conditions(&stack("web"), &[failed, pending, record("t:c", &[])]);
        assert_eq!(
            codes(&found),
            [("resource-failed", Severity::Warning, "t:a"), ("resource-pending", Severity::Warning, "t:b")]
        );
        assert!(found[0].what.ends_with(": disk full"), "{}", found[0].what);
        assert!(
            found[1].mend.contains("stack.update_resource"),
            "what is registered is not applied by running"
        );
    }

    #[test]
    fn a_run_that_died_and_handlers_that_wait_are_told() {
        let mut dead = stack("web");
        assert_eq!(interrupted(&dead), None);
        dead.status = StackStatus::Running;
        assert!(interrupted(&dead).unwrap().mend.contains("resume web"));
        let pending = PendingHandler {
            name: "reload".to_owned(),
            queued_by: "t:a".to_owned(),
            queued_at: Timestamp::from_nanos(0),
        };
        assert_eq!(codes(&handlers(&dead, &[pending])), [("handler-pending", Severity::Note, "reload")]);
    }

    #[test]
    fn only_severe_findings_of_the_store_are_errors() {
        let found = |severe| CheckFinding {
            code: "x".to_owned(),
            severe,
            what: "w".to_owned(),
            mend: "m".to_owned(),
        };
        assert_eq!(Finding::of_store(found(true), "db").severity, Severity::Error);
        assert_eq!(Finding::of_store(found(false), "db").severity, Severity::Note);
    }
}
