//! A group of users, in `/etc/group` and `/etc/gshadow`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::accounts::{self, Books};
use super::args;
use crate::facts::accounts::{Range, members};
use crate::os::Look;
use crate::resource::{Resource, Wish, Work};

/// The type `group`.
pub struct Group;

/// A wish for a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Who is in it besides those whose first group it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<BTreeSet<String>>,
    /// May others be in it, too?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append: bool,
    /// Does a new one get a number of the system's?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// What `/etc/gshadow` says after its name, when it is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gshadow: Option<String>,
}

/// A group that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// Its number.
    pub gid: u32,
    /// Who is in it, when that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<BTreeSet<String>>,
    /// What `/etc/gshadow` says after its name, when it is about to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gshadow: Option<String>,
}

const KIND: Kind = Kind {
    name: "group",
    doc: "A group of users",
    attributes: &[
        args::attribute("gid", ParamType::Int, "Its number"),
        Attribute {
            secret: true,
            ..args::attribute("gshadow", ParamType::Text, "Its line in `/etc/gshadow`")
        },
        args::attribute("members", ParamType::List, "Who is in it besides those whose first group it is"),
    ],
    checkable: true,
};

const NAME: Param = Param::new("name", ParamType::Text, "Its name").required().or(&["group", "groupname"]);
const PARAMS: &[Param] = &[
    Param::new("append", ParamType::Bool, "Leave members alone who are not listed"),
    Param::new("gid", ParamType::Text, "Its number; chosen when it is new and nothing is said"),
    Param::new("members", ParamType::List, "Who is in it, besides those whose first group it is")
        .or(&["users"]),
    NAME,
    Param::new("state", ParamType::Enum(&["absent", "present"]), "Shall it be there?"),
    Param::new("system", ParamType::Bool, "Take a number from the system's range when it is new"),
];

const OPERATIONS: &[Operation] = &[
    Operation {
        module: "group",
        name: "create",
        aliases: &["add", "ensure", "present"],
        kind: "group",
        params: PARAMS,
        positional: &["name"],
        doc: "Makes sure that a group is there, or not, and who is in it",
        example: "group.create{name = \"deploy\", gid = 1500}",
    },
    Operation {
        module: "group",
        name: "delete",
        aliases: &["absent", "remove"],
        kind: "group",
        params: &[NAME],
        positional: &["name"],
        doc: "Makes sure that a group is not there",
        example: "group.delete(\"deploy\")",
    },
    Operation {
        module: "user",
        name: "group_create",
        aliases: &[],
        kind: "group",
        params: PARAMS,
        positional: &["name"],
        doc: "The same as `group.create`",
        example: "user.group_create(\"deploy\")",
    },
    Operation {
        module: "user",
        name: "group_delete",
        aliases: &[],
        kind: "group",
        params: &[NAME],
        positional: &["name"],
        doc: "The same as `group.delete`",
        example: "user.group_delete(\"deploy\")",
    },
];

fn state(books: &Books, id: &str, members_too: bool, all: bool) -> Result<Option<GroupState>, ProbeError> {
    let Some(fields) = books.group.now.find(id) else { return Ok(None) };
    let gid = fields
        .get(accounts::group::GID)
        .and_then(|gid| gid.parse().ok())
        .ok_or_else(|| ProbeError::new(format!("group `{id}`"), "its line in `/etc/group` has no number"))?;
    let list = fields.get(accounts::group::MEMBERS).map(|field| members(field)).unwrap_or_default();
    let gshadow = match all {
        true => books.gshadow.readable()?.find(id).map(|fields| fields[1..].join(":")),
        false => None,
    };
    Ok(Some(GroupState { gid, members: (members_too || all).then_some(list), gshadow }))
}

/// The members a wish leads to.
fn wished(spec: &GroupSpec, live: Option<&GroupState>) -> Option<BTreeSet<String>> {
    accounts::wished(spec.members.as_ref(), spec.append, live.and_then(|live| live.members.as_ref()))
}

fn failed(id: &str, what: &str, why: impl std::fmt::Display) -> ApplyError {
    ApplyError::failed(format!("{what} group `{id}`"), why)
}

/// Whose first group it is.
fn first_group_of(books: &Books, gid: u32) -> Vec<String> {
    let is = |f: &Vec<&str>| f.get(accounts::passwd::GID).and_then(|g| g.parse().ok()) == Some(gid);
    books.passwd.now.entries().filter(is).filter_map(|f| f.first().map(|n| (*n).to_owned())).collect()
}

/// A user whose first group it is.
fn used_by(books: &Books, id: &str, live: &GroupState) -> Option<String> {
    books.group.now.find(id)?;
    first_group_of(books, live.gid).into_iter().next()
}

/// Removes it; the caller holds the lock.
fn remove(work: &Work<'_>, id: &str, live: Option<&GroupState>) -> Result<(), ApplyError> {
    let Some(live) = live else { return Ok(()) };
    let mut books = Books::load(work.os)?;
    if let Some(user) = used_by(&books, id, live) {
        return Err(failed(id, "removing", format!("it is the first group of user `{user}`")));
    }
    books.remove_group(id);
    books.gshadow.store(work)?;
    books.group.store(work)
}

impl Resource for Group {
    type Spec = GroupSpec;
    type State = GroupState;

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(
        &self,
        op: &Operation,
        args: &Args,
        _: &dyn Sources,
    ) -> Result<Vec<Wish<GroupSpec>>, ArgError> {
        let id = args::account(args, "name")?;
        let present = !op.name.ends_with("delete") && args.text("state") != Some("absent");
        let members = args::names(args, "members")?;
        let spec = GroupSpec {
            present,
            gid: args::number(args, "gid")?,
            append: args.flag("append"),
            system: args.flag("system"),
            members,
            gshadow: None,
        };
        if !present && (spec.members.is_some() || spec.gid.is_some()) {
            return Err(ArgError::about(
                "state",
                "a group that is to be absent has no members and no number",
            ));
        }
        Ok(vec![Wish { id, spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&GroupSpec>,
        recorded: Option<&GroupState>,
    ) -> Result<Option<GroupState>, ProbeError> {
        let books = Books::load(os)?;
        let all = spec.is_some_and(|s| !s.present || s.gshadow.is_some())
            || recorded.is_some_and(|r| spec.is_none() && r.gshadow.is_some());
        let members = match spec {
            Some(spec) => spec.members.is_some(),
            None => recorded.is_none_or(|r| r.members.is_some()),
        };
        let found = state(&books, id, members, all)?;
        match found {
            None => match accounts::elsewhere("group", id, os.accounts().group_id(id)) {
                Some(error) => Err(error),
                None => Ok(None),
            },
            found => Ok(found),
        }
    }
    fn managed(&self, spec: &GroupSpec) -> Vec<&'static str> {
        let mut managed = Vec::new();
        if spec.present && spec.gid.is_some() {
            managed.push("gid");
        }
        if spec.present && spec.members.is_some() {
            managed.push("members");
        }
        managed
    }
    fn diff(&self, spec: &GroupSpec, live: Option<&GroupState>) -> Diff {
        let mut diff = Diff::none();
        if !spec.present || live.is_none() {
            let there = live.map(|live| Value::from(live.gid));
            let wished = spec.present.then(|| spec.gid.map_or(Value::Bool(true), Value::from));
            if there.is_some() != wished.is_some() {
                diff.compare(PRESENCE, there, wished);
            }
            return diff;
        }
        if let Some(gid) = spec.gid {
            diff.compare("gid", live.map(|l| Value::from(l.gid)), Some(Value::from(gid)));
        }
        if let Some(wished) = wished(spec, live) {
            let list = |names: &BTreeSet<String>| Value::from(names.iter().cloned().collect::<Vec<_>>());
            let there = live.and_then(|l| l.members.as_ref()).map(list);
            diff.compare("members", there, Some(list(&wished)));
        }
        diff
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &GroupSpec,
        live: Option<&GroupState>,
    ) -> Result<Option<GroupState>, ApplyError> {
        let _held = accounts::lock(work.os)?;
        if self.observe(work.os, id, Some(spec), None)?.as_ref() != live {
            return Err(ApplyError::Moved(format!("group `{id}`")));
        }
        if !spec.present {
            return remove(work, id, live).map(|()| None);
        }
        let mut books = Books::load(work.os)?;
        let gid = match (spec.gid, live) {
            (Some(gid), Some(live)) if live.gid == gid => gid,
            (Some(gid), _) => {
                let taken = books
                    .group
                    .now
                    .entries()
                    .find(|f| f.get(accounts::group::GID).and_then(|g| g.parse().ok()) == Some(gid));
                if let Some(other) = taken.and_then(|f| f.first().copied()) {
                    return Err(failed(id, "numbering", format!("group `{other}` has number {gid} already")));
                }
                gid
            }
            (None, Some(live)) => live.gid,
            (None, None) => {
                Range::of(&books.login_defs, "GID", spec.system).next(&books.gids()).ok_or_else(|| {
                    failed(id, "creating", "every number of the range in `/etc/login.defs` is taken")
                })?
            }
        };
        if live.is_none() {
            books.add_group(id, gid);
        }
        if let Some(rest) = &spec.gshadow
            && books.gshadow.exists()
        {
            let fields: Vec<String> = [id].into_iter().chain(rest.split(':')).map(str::to_owned).collect();
            books.gshadow.now.put(&fields);
        }
        if let Some(wished) = wished(spec, live) {
            for name in &wished {
                if books.passwd.now.find(name).is_none() && work.os.accounts().user_id(name).is_none() {
                    return Err(failed(id, "filling", format!("there is no user `{name}`")));
                }
                books.set_member(id, name, true);
            }
            let now = books.group.now.field(id, accounts::group::MEMBERS).map(members).unwrap_or_default();
            for name in now.difference(&wished) {
                books.set_member(id, name, false);
            }
        }
        if let Some(live) = live
            && live.gid != gid
        {
            books.group.now.set(id, accounts::group::GID, &gid.to_string());
            for user in first_group_of(&books, live.gid) {
                books.passwd.now.set(&user, accounts::passwd::GID, &gid.to_string());
            }
            work.note(format!("files of group `{id}` keep the old number {}", live.gid));
        }
        // The line everybody looks at comes last, so that an attempt that stopped half-way is seen as none.
        books.gshadow.store(work)?;
        books.passwd.store(work)?;
        books.group.store(work)?;
        Ok(self.observe(work.os, id, Some(spec), None)?)
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&GroupState>,
    ) -> Result<Option<GroupState>, ApplyError> {
        let _held = accounts::lock(work.os)?;
        let books = Books::load(work.os)?;
        if let (Some(live), Some(user)) = (live, live.and_then(|live| used_by(&books, id, live))) {
            work.note(format!("group `{id}` stays: it is the first group of user `{user}`"));
            return Ok(Some(live.clone()));
        }
        remove(work, id, live).map(|()| None)
    }
    fn wish_for(&self, _: &str, state: Option<&GroupState>) -> (GroupSpec, Vec<Digest>) {
        let spec = match state {
            None => GroupSpec { present: false, ..GroupSpec::default() },
            Some(state) => GroupSpec {
                present: true,
                gid: Some(state.gid),
                members: state.members.clone(),
                gshadow: state.gshadow.clone(),
                ..GroupSpec::default()
            },
        };
        (spec, Vec::new())
    }
}
