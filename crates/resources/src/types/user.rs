//! A user, in `/etc/passwd`, `/etc/shadow`, `/etc/group` and `/etc/gshadow`, with subordinate ids and a home directory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sloth_core::decide::PRESENCE;
use sloth_core::diff::Diff;
use sloth_core::digest::Digest;
use sloth_core::kind::{ArgError, Args, Attribute, Kind, Operation, Param, ParamType, Sources};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;
use sloth_core::value::Value;

use super::accounts::{self, Book, Books, passwd, shadow};
use super::args;
use crate::facts::accounts::{Range, date_of, days_of, is_hash, number};
use crate::os::{Expect, Look, Put, Rights, Sort, Want};
use crate::resource::{Resource, Wish, Work};

/// The type `user`.
pub struct User;

/// A wish for a user. What is left out is not managed, or chosen when the user is new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// Shall it be there?
    #[serde(default = "super::yes", skip_serializing_if = "super::is_yes")]
    pub present: bool,
    /// Fail when it is not there, instead of making it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub must_exist: bool,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its first group, by name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its other groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<BTreeSet<String>>,
    /// May it be in more groups than these?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append: bool,
    /// Its real name or what it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its home directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Its shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Hash of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Is its password locked?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// The day from which on it cannot log in, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Does a new one get a number of the system's?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub system: bool,
    /// Does a new one get a home directory?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create_home: bool,
    /// Does its home directory go with it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove_home: bool,
    /// The number of its own group, when it is put back with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_group: Option<u32>,
    /// What `/etc/shadow` says after its name, when it is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

/// A user that is there. Attributes that root alone may read are there when they matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// Its number.
    pub uid: u32,
    /// Its first group.
    pub group: String,
    /// Its other groups, when they matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<BTreeSet<String>>,
    /// Its real name or what it is for.
    pub comment: String,
    /// Its home directory.
    pub home: String,
    /// Its shell.
    pub shell: String,
    /// Hash of its password without what locks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Is its password locked?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// The day from which on it cannot log in; empty for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The number of the group that goes with it, when it is about to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_group: Option<u32>,
    /// What `/etc/shadow` says after its name, when it is about to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

const KIND: Kind = Kind {
    name: "user",
    doc: "A user",
    attributes: &[
        args::attribute("comment", ParamType::Text, "Its real name or what it is for"),
        args::attribute(
            "expires",
            ParamType::Text,
            "The day from which on it cannot log in; empty for never",
        ),
        args::attribute("group", ParamType::Text, "Its first group"),
        args::attribute("groups", ParamType::List, "Its other groups"),
        args::attribute("home", ParamType::Path, "Its home directory"),
        args::attribute("locked", ParamType::Bool, "Is its password locked?"),
        args::attribute("own_group", ParamType::Int, "The number of the group that goes with it"),
        Attribute { secret: true, ..args::attribute("password", ParamType::Text, "Hash of its password") },
        Attribute { secret: true, ..args::attribute("shadow", ParamType::Text, "Its line in `/etc/shadow`") },
        args::attribute("shell", ParamType::Text, "Its shell"),
        args::attribute("uid", ParamType::Int, "Its number"),
    ],
    checkable: true,
};

const APPEND: Param = Param::new("append", ParamType::Bool, "Leave other groups it is in alone");
const COMMENT: Param =
    Param::new("comment", ParamType::Text, "Its real name or what it is for").or(&["fullname", "gecos"]);
const CREATE_HOME: Param = Param::new(
    "create_home",
    ParamType::Bool,
    "Make its home directory from `/etc/skel` when the user is new; the default, except for `system`",
)
.or(&["createhome"]);
const EXPIRES: Param = Param::new(
    "expires",
    ParamType::Text,
    "The day from which on it cannot log in, as `2027-03-31`, or `never`",
)
.or(&["expire_date", "expiry"]);
const GROUP: Param =
    Param::new("group", ParamType::Text, "Its first group, by name or number").or(&["gid", "primary_group"]);
const GROUPS: Param = Param::new("groups", ParamType::List, "Its other groups");
const HOME: Param = Param::new("home", ParamType::Path, "Its home directory").or(&["home_dir"]);
const LOCKED: Param = Param::new("locked", ParamType::Bool, "Lock or unlock its password").or(&["lock"]);
const NAME: Param =
    Param::new("name", ParamType::Text, "Its name").required().or(&["login", "user", "username"]);
const NO_CREATE_HOME: Param = Param::new("no_create_home", ParamType::Bool, "Make no home directory");
const PASSWORD: Param = Param::new(
    "password",
    ParamType::Text,
    "Hash of its password, as `mkpasswd` or `openssl passwd -6` makes it",
)
.secret()
.or(&["password_hash"]);
const REMOVE_HOME: Param =
    Param::new("remove_home", ParamType::Bool, "Remove its home directory, too, for good").or(&["remove"]);
const SHELL: Param = Param::new("shell", ParamType::Text, "Its shell");
const STATE: Param = Param::new("state", ParamType::Enum(&["absent", "present"]), "Shall it be there?");
const SYSTEM: Param =
    Param::new("system", ParamType::Bool, "Take a number from the system's range when it is new");
const UID: Param =
    Param::new("uid", ParamType::Text, "Its number; chosen when it is new and nothing is said");

const OPERATIONS: &[Operation] = &[
    Operation {
        module: "user",
        name: "create",
        aliases: &["add", "ensure", "present"],
        kind: "user",
        params: &[
            APPEND,
            COMMENT,
            CREATE_HOME,
            EXPIRES,
            GROUP,
            GROUPS,
            HOME,
            LOCKED,
            NAME,
            NO_CREATE_HOME,
            PASSWORD,
            REMOVE_HOME,
            SHELL,
            STATE,
            SYSTEM,
            UID,
        ],
        positional: &["name"],
        doc: "Makes sure that a user is there, or not, and how it is",
        example: "user.create(\"deploy\", { groups = { \"www-data\" }, shell = \"/bin/bash\" })",
    },
    Operation {
        module: "user",
        name: "delete",
        aliases: &["absent", "remove"],
        kind: "user",
        params: &[NAME, REMOVE_HOME],
        positional: &["name", "remove_home"],
        doc: "Makes sure that a user is not there",
        example: "user.delete(\"deploy\")",
    },
    Operation {
        module: "user",
        name: "modify",
        aliases: &["update"],
        kind: "user",
        params: &[APPEND, COMMENT, EXPIRES, GROUP, GROUPS, HOME, LOCKED, NAME, PASSWORD, SHELL],
        positional: &["name"],
        doc: "Changes a user that has to be there",
        example: "user.modify(\"deploy\", { shell = \"/bin/zsh\" })",
    },
];

const NEVER: &str = "";

fn failed(id: &str, what: &str, why: impl std::fmt::Display) -> ApplyError {
    ApplyError::failed(format!("{what} user `{id}`"), why)
}

/// Which attributes besides those everybody may read.
#[derive(Clone, Copy)]
struct Wanted {
    groups: bool,
    password: bool,
    locked: bool,
    expires: bool,
    /// Everything that is needed to make it again.
    all: bool,
}

impl Wanted {
    fn of(spec: Option<&UserSpec>, recorded: Option<&UserState>) -> Self {
        match (spec, recorded) {
            (Some(spec), _) => Self {
                groups: spec.groups.is_some(),
                password: spec.password.is_some(),
                locked: spec.locked.is_some(),
                expires: spec.expires.is_some(),
                all: !spec.present || spec.shadow.is_some(),
            },
            (None, Some(recorded)) => Self {
                groups: recorded.groups.is_some(),
                password: recorded.password.is_some(),
                locked: recorded.locked.is_some(),
                expires: recorded.expires.is_some(),
                all: recorded.shadow.is_some(),
            },
            (None, None) => Self { groups: true, password: false, locked: false, expires: false, all: false },
        }
    }
}

fn state(books: &Books, id: &str, wanted: Wanted) -> Result<Option<UserState>, ProbeError> {
    let Some(fields) = books.passwd.now.find(id) else { return Ok(None) };
    let broken =
        |why: &str| ProbeError::new(format!("user `{id}`"), format!("its line in `/etc/passwd` {why}"));
    let field = |at: usize| fields.get(at).copied().ok_or_else(|| broken("is too short"));
    let secret = |at: usize| -> Result<String, ProbeError> {
        let in_shadow = books.shadow.readable()?.field(id, at).map(str::to_owned);
        // Without a line in `/etc/shadow` the field in `/etc/passwd` is the password.
        let fallback = if at == shadow::HASH { field(1)? } else { "" };
        Ok(in_shadow.unwrap_or_else(|| fallback.to_owned()))
    };
    let hash = match wanted.password || wanted.locked {
        true => Some(secret(shadow::HASH)?),
        false => None,
    };
    let expires = match wanted.expires {
        true => {
            let days = secret(shadow::EXPIRES)?;
            Some(days.parse().map(date_of).unwrap_or_default())
        }
        false => None,
    };
    Ok(Some(UserState {
        uid: field(passwd::UID)?.parse().map_err(|_| broken("has no number"))?,
        group: books.group_name(field(passwd::GID)?),
        groups: (wanted.groups || wanted.all).then(|| books.groups_of(id)),
        comment: field(passwd::COMMENT)?.to_owned(),
        home: field(passwd::HOME)?.to_owned(),
        shell: field(passwd::SHELL)?.to_owned(),
        locked: hash.as_ref().filter(|_| wanted.locked).map(|hash| hash.starts_with('!')),
        password: hash.filter(|_| wanted.password).map(|hash| hash.trim_start_matches('!').to_owned()),
        expires,
        own_group: own_group(books, id).filter(|_| wanted.all),
        shadow: match wanted.all {
            true => books.shadow.readable()?.find(id).map(|fields| fields[1..].join(":")),
            false => None,
        },
    }))
}

/// The number of a user's own group: called like it, its first one, and used by nobody else.
fn own_group(books: &Books, id: &str) -> Option<u32> {
    let gid = books.passwd.now.field(id, passwd::GID)?;
    let others = |f: Vec<&str>| f.first() != Some(&id) && f.get(passwd::GID) == Some(&gid);
    let own = books.own_groups()
        && books.group.now.field(id, accounts::group::GID) == Some(gid)
        && books.group.now.field(id, accounts::group::MEMBERS).is_none_or(str::is_empty)
        && !books.passwd.now.entries().any(others);
    gid.parse().ok().filter(|_| own)
}

/// The other groups a wish leads to.
fn wished_groups(spec: &UserSpec, live: Option<&UserState>) -> Option<BTreeSet<String>> {
    accounts::wished(spec.groups.as_ref(), spec.append, live.and_then(|live| live.groups.as_ref()))
}

/// What `/etc/default/useradd` and `/etc/login.defs` say.
struct Defaults {
    useradd: String,
}

impl Defaults {
    fn load(os: &dyn Look) -> Result<Self, ProbeError> {
        Ok(Self { useradd: accounts::text(os, "/etc/default/useradd")? })
    }
    fn get(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.trim().strip_prefix(name)?.strip_prefix('=').map(str::len);
        let line = self.useradd.lines().rfind(|line| of(line).is_some())?;
        let value = line.trim().split_once('=')?.1.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// Makes a home directory that is not there, and fills it with copies of what is in `/etc/skel`. May have been begun before.
fn make_home(work: &Work<'_>, books: &Books, home: &str, uid: u32, gid: u32) -> Result<(), ApplyError> {
    let rights = Rights { uid: Some(uid), gid: Some(gid), mode: None };
    let umask = number(&books.login_defs, "UMASK").unwrap_or(0o022);
    let mode = number(&books.login_defs, "HOME_MODE").unwrap_or(0o777 & !umask);
    let mode = u32::try_from(mode).unwrap_or(0o700) & 0o7777;
    match work.os.entry(home, Want::default())? {
        Some(found) if found.meta.sort == Sort::Directory && found.meta.uid == uid => {}
        Some(_) => {
            work.note(format!("`{home}` was there already and stays as it is"));
            return Ok(());
        }
        None => {
            super::file::parents(work, home)?;
            work.os.mkdir(home, Rights { mode: Some(mode), ..rights })?;
        }
    }
    copy(work, "/etc/skel", home, rights)
}

/// Longest file in `/etc/skel` that is copied.
const SKELETON: u64 = 16 * 1024 * 1024;

fn copy(work: &Work<'_>, from: &str, to: &str, rights: Rights) -> Result<(), ApplyError> {
    if work.os.entry(from, Want::default())?.is_none_or(|entry| entry.meta.sort != Sort::Directory) {
        return Ok(());
    }
    for name in work.os.list(from)? {
        let Some(name) = name.to_str() else { continue };
        let (source, target) = (format!("{from}/{name}"), format!("{to}/{name}"));
        let Some(entry) = work.os.entry(&source, Want::default())? else { continue };
        let there = work.os.entry(&target, Want::default())?.is_some();
        let rights = Rights { mode: Some(entry.meta.mode), ..rights };
        match entry.meta.sort {
            Sort::Directory => {
                if !there {
                    work.os.mkdir(&target, rights)?;
                }
                copy(work, &source, &target, rights)?;
            }
            Sort::File if !there => {
                let Some(content) = work.os.read(&source, SKELETON, false)? else { continue };
                work.os.put(&target, &Put { durable: work.durable, ..Put::new(&content, rights) })?;
            }
            Sort::Link if !there => {
                let link = entry.target.unwrap_or_default();
                work.os.link(&target, &link, Rights { mode: None, ..rights }, Expect::Nothing)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a user ranges of subordinate ids, where there is a file for them and it has none: the first free one.
fn subordinate(login_defs: &str, book: &mut Book, what: &str, name: &str) {
    if !book.exists() || book.now.find(name).is_some() {
        return;
    }
    let read = |key: &str, default: u64| {
        number(login_defs, &format!("SUB_{what}_{key}"))
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(default)
    };
    let (min, max, count) = (read("MIN", 100_000), read("MAX", 600_100_000), read("COUNT", 65_536));
    let range = |f: Vec<&str>| Some((f.get(1)?.parse::<u64>().ok()?, f.get(2)?.parse::<u64>().ok()?));
    let mut taken: Vec<(u64, u64)> = book.now.entries().filter_map(range).collect();
    taken.sort_unstable();
    let mut start = min;
    for (first, length) in taken {
        if first >= start.saturating_add(count) {
            break;
        }
        start = start.max(first.saturating_add(length));
    }
    if count > 0 && start.saturating_add(count) <= max.saturating_add(1) {
        book.now.put(&[name.to_owned(), start.to_string(), count.to_string()]);
    }
}

/// What is in `/etc/shadow` for a new user.
fn new_shadow(books: &Books, id: &str, today: u64, system: bool) -> Vec<String> {
    let aging = |name: &str| match system {
        true => String::new(),
        false => {
            number(&books.login_defs, name).filter(|n| *n >= 0).map(|n| n.to_string()).unwrap_or_default()
        }
    };
    let mut fields = vec![String::new(); shadow::FIELDS];
    fields[0] = id.to_owned();
    fields[shadow::HASH] = "!".to_owned();
    fields[shadow::CHANGED] = today.to_string();
    fields[3] = aging("PASS_MIN_DAYS");
    fields[4] = aging("PASS_MAX_DAYS");
    fields[5] = aging("PASS_WARN_AGE");
    fields
}

/// Brings password, lock and expiry into `/etc/shadow`.
fn set_shadow(
    books: &mut Books,
    id: &str,
    spec: &UserSpec,
    today: u64,
    is_new: bool,
) -> Result<(), ApplyError> {
    if let Some(rest) = &spec.shadow {
        let fields: Vec<String> = [id].into_iter().chain(rest.split(':')).map(str::to_owned).collect();
        books.shadow.now.put(&fields);
        return Ok(());
    }
    let managed = spec.password.is_some() || spec.locked.is_some() || spec.expires.is_some();
    // A line that somebody who is gone left behind would let a new user in with an old password.
    if is_new || (managed && books.shadow.now.find(id).is_none()) {
        let fields = new_shadow(books, id, today, spec.system);
        books.shadow.now.put(&fields);
    }
    let before = books.shadow.now.field(id, shadow::HASH).unwrap_or_default().to_owned();
    let (was_locked, old) = (before.starts_with('!'), before.trim_start_matches('!'));
    let hash = spec.password.as_deref().map_or(old, |hash| hash.trim_start_matches('!'));
    let locked = spec.locked.unwrap_or_else(|| match &spec.password {
        // A lock on a real password stays; a new password where there was none is meant to be used.
        Some(password) => password.starts_with('!') || (was_locked && !old.is_empty()),
        None => was_locked,
    });
    if !locked && hash.is_empty() && (spec.locked == Some(false)) {
        let why = "it has no password, and would let everybody in without one; set `password`, too";
        return Err(failed(id, "unlocking", why));
    }
    let after = if locked { format!("!{hash}") } else { hash.to_owned() };
    if (spec.password.is_some() || spec.locked.is_some()) && after != before {
        books.shadow.now.set(id, shadow::HASH, &after);
        if hash != old && !is_new {
            books.shadow.now.set(id, shadow::CHANGED, &today.to_string());
        }
    }
    if let Some(expires) = &spec.expires {
        let days = days_of(expires).map(|days| days.to_string()).unwrap_or_default();
        books.shadow.now.set(id, shadow::EXPIRES, &days);
    }
    Ok(())
}

/// The first group of a new user: number, and whether it has to be made.
fn first_group(books: &Books, id: &str, spec: &UserSpec, uid: u32) -> Result<(u32, bool), ApplyError> {
    if let Some(group) = &spec.group {
        return match books.group_id(group) {
            Some(gid) => Ok((gid, false)),
            None if group == id && spec.own_group.is_some() => Ok((spec.own_group.unwrap_or_default(), true)),
            None => Err(failed(id, "creating", format!("there is no group `{group}`"))),
        };
    }
    if let Some(gid) = books.group_id(id) {
        return Ok((gid, false));
    }
    if !books.own_groups()
        && let Some(gid) = books.group_id("users")
    {
        return Ok((gid, false));
    }
    let (used, range) = (books.gids(), Range::of(&books.login_defs, "GID", spec.system));
    // The number of the user is preferred, if it is one that groups get.
    let gid = match (range.min..=range.max).contains(&uid) && !used.contains(&uid) {
        true => uid,
        false => range
            .next(&used)
            .ok_or_else(|| failed(id, "creating", "every group number in `/etc/login.defs` is taken"))?,
    };
    Ok((gid, true))
}

fn create(work: &Work<'_>, id: &str, spec: &UserSpec) -> Result<(), ApplyError> {
    if spec.must_exist {
        return Err(failed(id, "changing", "there is no such user; `user.create` makes it"));
    }
    let mut books = Books::load(work.os)?;
    let defaults = Defaults::load(work.os)?;
    let used = books.uids();
    let uid = match spec.uid {
        Some(uid) if used.contains(&uid) => {
            return Err(failed(id, "creating", format!("number {uid} belongs to another user")));
        }
        Some(uid) => uid,
        None => Range::of(&books.login_defs, "UID", spec.system)
            .next(&used)
            .ok_or_else(|| failed(id, "creating", "every user number in `/etc/login.defs` is taken"))?,
    };
    let (gid, new_group) = first_group(&books, id, spec, uid)?;
    if new_group {
        books.add_group(id, gid);
    }
    let home = match &spec.home {
        Some(home) => home.clone(),
        None => format!("{}/{id}", defaults.get("HOME").unwrap_or("/home")),
    };
    let shell = spec.shell.clone().unwrap_or_else(|| defaults.get("SHELL").unwrap_or("/bin/sh").to_owned());
    let comment = spec.comment.clone().unwrap_or_default();
    let fields = [id, "x", &uid.to_string(), &gid.to_string(), &comment, &home, &shell].map(str::to_owned);
    books.passwd.now.put(&fields);
    set_shadow(&mut books, id, spec, Books::today(work.os), true)?;
    let left = books.groups_of(id);
    set_groups(&mut books, id, spec, None)?;
    if spec.groups.is_none() && !left.is_empty() {
        let left: Vec<String> = left.into_iter().collect();
        work.note(format!("it was listed as a member already: `{}`", left.join("`, `")));
    }
    let range = Range::of(&books.login_defs, "UID", false);
    if !spec.system && (range.min..=range.max).contains(&uid) {
        subordinate(&books.login_defs, &mut books.subuid, "UID", id);
        subordinate(&books.login_defs, &mut books.subgid, "GID", id);
    }
    books.gshadow.store(work)?;
    books.group.store(work)?;
    books.subuid.store(work)?;
    books.subgid.store(work)?;
    books.shadow.store(work)?;
    if spec.create_home {
        make_home(work, &books, &home, uid, gid)?;
    }
    // The line everybody looks at comes last, so that an attempt that stopped half-way is seen as none.
    books.passwd.store(work)
}

fn set_groups(
    books: &mut Books,
    id: &str,
    spec: &UserSpec,
    live: Option<&UserState>,
) -> Result<(), ApplyError> {
    let Some(wished) = wished_groups(spec, live) else { return Ok(()) };
    for group in &wished {
        if books.group.now.find(group).is_none() {
            return Err(failed(id, "changing", format!("there is no group `{group}`")));
        }
        books.set_member(group, id, true);
    }
    for group in books.groups_of(id).difference(&wished) {
        books.set_member(group, id, false);
    }
    Ok(())
}

fn update(work: &Work<'_>, id: &str, spec: &UserSpec, live: &UserState) -> Result<(), ApplyError> {
    let mut books = Books::load(work.os)?;
    if let Some(uid) = spec.uid
        && uid != live.uid
    {
        let why = format!(
            "it has number {}, and its files would belong to nobody; change it by hand, or remove the user first",
            live.uid
        );
        return Err(failed(id, "renumbering", why));
    }
    set_shadow(&mut books, id, spec, Books::today(work.os), false)?;
    set_groups(&mut books, id, spec, Some(live))?;
    if let Some(group) = &spec.group {
        let gid = books
            .group_id(group)
            .ok_or_else(|| failed(id, "changing", format!("there is no group `{group}`")))?;
        books.passwd.now.set(id, passwd::GID, &gid.to_string());
    }
    for (at, wished) in
        [(passwd::COMMENT, &spec.comment), (passwd::HOME, &spec.home), (passwd::SHELL, &spec.shell)]
    {
        if let Some(wished) = wished {
            books.passwd.now.set(id, at, wished);
        }
    }
    if let Some(home) = spec.home.as_ref().filter(|home| **home != live.home) {
        work.note(format!("what is in `{}` stays there; `{home}` is the home directory now", live.home));
    }
    books.gshadow.store(work)?;
    books.group.store(work)?;
    books.shadow.store(work)?;
    books.passwd.store(work)
}

/// Removes it; the caller holds the lock.
fn remove(work: &Work<'_>, id: &str, live: Option<&UserState>, home_too: bool) -> Result<(), ApplyError> {
    let Some(live) = live else { return Ok(()) };
    if live.uid == 0 {
        return Err(failed(id, "removing", "the machine cannot be run without number 0"));
    }
    let mut books = Books::load(work.os)?;
    for group in books.groups_of(id) {
        books.set_member(&group, id, false);
    }
    // Its own group goes with it, unless others use it.
    if own_group(&books, id).is_some() {
        books.remove_group(id);
    }
    books.passwd.now.remove(id);
    books.shadow.now.remove(id);
    books.subuid.now.remove(id);
    books.subgid.now.remove(id);
    if home_too {
        remove_home(work, &books, id, live)?;
    } else if live.home.len() > 1 && work.os.entry(&live.home, Want::default())?.is_some() {
        work.note(format!("its home directory `{}` stays", live.home));
    }
    books.subuid.store(work)?;
    books.subgid.store(work)?;
    books.shadow.store(work)?;
    books.gshadow.store(work)?;
    books.group.store(work)?;
    books.passwd.store(work)
}

fn remove_home(work: &Work<'_>, books: &Books, id: &str, live: &UserState) -> Result<(), ApplyError> {
    let home = live.home.trim_end_matches('/');
    let refused = |why: String| Err(failed(id, "removing the home directory of", why));
    let Some(entry) = work.os.entry(home, Want::default())? else { return Ok(()) };
    if entry.meta.sort != Sort::Directory || entry.meta.uid != live.uid {
        return refused(format!("`{home}` is not a directory that belongs to it"));
    }
    if home.matches('/').count() < 2 {
        return refused(format!("`{home}` is too close to the root"));
    }
    let inside =
        |other: &str| other == home || other.strip_prefix(home).is_some_and(|rest| rest.starts_with('/'));
    let shared = books.passwd.now.entries().find(|f| f.get(passwd::HOME).is_some_and(|h| inside(h)));
    if let Some(other) = shared.as_ref().and_then(|f| f.first()) {
        return refused(format!("user `{other}` lives in `{home}`, too"));
    }
    work.os.remove_tree(home, Expect::This(entry.meta.stamp))?;
    work.note(format!("`{home}` was removed with everything in it"));
    Ok(())
}

impl Resource for User {
    type Spec = UserSpec;
    type State = UserState;

    fn kind(&self) -> &'static Kind {
        &KIND
    }
    fn operations(&self) -> &'static [Operation] {
        OPERATIONS
    }
    fn declare(&self, op: &Operation, args: &Args, _: &dyn Sources) -> Result<Vec<Wish<UserSpec>>, ArgError> {
        let id = args::account(args, "name")?;
        let present = op.name != "delete" && args.text("state") != Some("absent");
        if !present {
            let spec = UserSpec { present, remove_home: args.flag("remove_home"), ..UserSpec::default() };
            return Ok(vec![Wish { id, spec, blobs: Vec::new() }]);
        }
        let plain = |param: &str| -> Result<Option<String>, ArgError> {
            match args.text(param) {
                Some(text) if text.contains([':', '\n', '\0']) => {
                    Err(ArgError::about(param, "it has a `:` or the end of a line in it"))
                }
                text => Ok(text.map(str::to_owned)),
            }
        };
        let password = args.text("password").map(str::to_owned);
        if password.as_deref().is_some_and(|password| !is_hash(password)) {
            return Err(ArgError::about("password", "it is not the hash of a password").hint(
                "make one with `openssl passwd -6` and keep it out of the file, for example in `values`",
            ));
        }
        let expires = match args.text("expires") {
            None => None,
            Some("" | "never") => Some(NEVER.to_owned()),
            Some(date) if days_of(date).is_some() => Some(date.to_owned()),
            Some(other) => {
                return Err(ArgError::about("expires", format!("`{other}` is not a day"))
                    .hint("write it as `2027-03-31`, or `never`"));
            }
        };
        let home = match args.has("home") {
            true => Some(args::absolute(args, "home")?),
            false => None,
        };
        if home.as_ref().is_some_and(|home| home.contains([':', '\n'])) {
            return Err(ArgError::about("home", "it has a `:` or the end of a line in it"));
        }
        let system = args.flag("system");
        let asked = args.value("create_home").and_then(Value::as_bool);
        let create_home = asked.unwrap_or(!system) && !args.flag("no_create_home") && op.name == "create";
        let spec = UserSpec {
            present,
            must_exist: op.name == "modify",
            uid: args::number(args, "uid")?,
            group: plain("group")?,
            groups: args::names(args, "groups")?,
            append: args.flag("append"),
            comment: plain("comment")?,
            home,
            shell: plain("shell")?,
            password,
            locked: args.value("locked").and_then(Value::as_bool),
            expires,
            system,
            create_home,
            ..UserSpec::default()
        };
        Ok(vec![Wish { id, spec, blobs: Vec::new() }])
    }
    fn observe(
        &self,
        os: &dyn Look,
        id: &str,
        spec: Option<&UserSpec>,
        recorded: Option<&UserState>,
    ) -> Result<Option<UserState>, ProbeError> {
        let books = Books::load(os)?;
        let wished_group = spec.and_then(|spec| spec.group.as_ref());
        match state(&books, id, Wanted::of(spec, recorded))? {
            // A group is called as the wish calls it.
            Some(state) if wished_group.is_some_and(|group| books.same_group(group, &state.group)) => {
                Ok(Some(UserState { group: wished_group.cloned().unwrap_or_default(), ..state }))
            }
            None => match accounts::elsewhere("user", id, os.accounts().user_id(id)) {
                Some(error) => Err(error),
                None => Ok(None),
            },
            found => Ok(found),
        }
    }
    fn managed(&self, spec: &UserSpec) -> Vec<&'static str> {
        if !spec.present {
            return Vec::new();
        }
        let managed = [
            ("comment", spec.comment.is_some()),
            ("expires", spec.expires.is_some()),
            ("group", spec.group.is_some()),
            ("groups", spec.groups.is_some()),
            ("home", spec.home.is_some()),
            ("locked", spec.locked.is_some()),
            ("password", spec.password.is_some()),
            ("shell", spec.shell.is_some()),
            ("uid", spec.uid.is_some()),
        ];
        managed.into_iter().filter(|(_, managed)| *managed).map(|(name, _)| name).collect()
    }
    fn diff(&self, spec: &UserSpec, live: Option<&UserState>) -> Diff {
        let mut diff = Diff::none();
        let Some(live) = live.filter(|_| spec.present) else {
            let there = live.map(|live| Value::from(live.uid));
            let wished = spec.present.then(|| spec.uid.map_or(Value::Bool(true), Value::from));
            if there.is_some() != wished.is_some() {
                diff.compare(PRESENCE, there, wished);
            }
            return diff;
        };
        let texts = [
            ("comment", Some(&live.comment), spec.comment.as_ref()),
            ("expires", live.expires.as_ref(), spec.expires.as_ref()),
            ("group", Some(&live.group), spec.group.as_ref()),
            ("home", Some(&live.home), spec.home.as_ref()),
            ("shell", Some(&live.shell), spec.shell.as_ref()),
        ];
        for (name, there, wished) in texts {
            if let Some(wished) = wished {
                diff.compare(
                    name,
                    there.map(|t| Value::from(t.as_str())),
                    Some(Value::from(wished.as_str())),
                );
            }
        }
        if let Some(wished) = wished_groups(spec, Some(live)) {
            let list = |names: &BTreeSet<String>| Value::from(names.iter().cloned().collect::<Vec<_>>());
            diff.compare("groups", live.groups.as_ref().map(list), Some(list(&wished)));
        }
        if let Some(locked) = spec.locked {
            diff.compare("locked", live.locked.map(Value::Bool), Some(Value::Bool(locked)));
        }
        if let Some(uid) = spec.uid {
            diff.compare("uid", Some(Value::from(live.uid)), Some(Value::from(uid)));
        }
        if let Some(password) = &spec.password
            && live.password.as_deref() != Some(password.trim_start_matches('!'))
        {
            let mut secret = Diff::none();
            secret.compare(
                "password",
                live.password.as_deref().map(Value::from),
                Some(Value::from(password.as_str())),
            );
            for attribute in secret.redacted().attributes() {
                diff.push(attribute.clone());
            }
        }
        diff
    }
    fn apply(
        &self,
        work: &Work<'_>,
        id: &str,
        spec: &UserSpec,
        live: Option<&UserState>,
    ) -> Result<Option<UserState>, ApplyError> {
        let _held = accounts::lock(work.os)?;
        if self.observe(work.os, id, Some(spec), None)?.as_ref() != live {
            return Err(ApplyError::Moved(format!("user `{id}`")));
        }
        match live {
            _ if !spec.present => remove(work, id, live, spec.remove_home)?,
            None => create(work, id, spec)?,
            Some(live) => update(work, id, spec, live)?,
        }
        Ok(self.observe(work.os, id, Some(spec), None)?)
    }
    fn delete(
        &self,
        work: &Work<'_>,
        id: &str,
        live: Option<&UserState>,
    ) -> Result<Option<UserState>, ApplyError> {
        let _held = accounts::lock(work.os)?;
        remove(work, id, live, false).map(|()| None)
    }
    fn wish_for(&self, _: &str, state: Option<&UserState>) -> (UserSpec, Vec<Digest>) {
        let spec = match state {
            None => UserSpec { present: false, ..UserSpec::default() },
            Some(state) => UserSpec {
                present: true,
                uid: Some(state.uid),
                group: Some(state.group.clone()),
                groups: state.groups.clone(),
                comment: Some(state.comment.clone()),
                home: Some(state.home.clone()),
                shell: Some(state.shell.clone()),
                password: state.password.clone(),
                locked: state.locked,
                expires: state.expires.clone(),
                own_group: state.own_group,
                shadow: state.shadow.clone(),
                ..UserSpec::default()
            },
        };
        (spec, Vec::new())
    }
}
