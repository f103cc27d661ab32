//! The account files of a machine, read together and written one by one: what `user` and `group` share.
//!
//! They are edited by us and not by `useradd` and its relatives: then a change is one atomic replacement per file, the
//! rehearsal of a plan is the same code, every step can be repeated after a crash, no password hash is ever an argument of
//! a process, and it works where those programs are missing or other ones (BusyBox). Everybody else who keeps to
//! lckpwdf(3) is kept out meanwhile, shadow-utils and systemd-sysusers among them.

use std::collections::BTreeSet;

use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;

use crate::facts::accounts::{Database, setting};
use crate::os::{Expect, Look, OsError, Put, Rights, Touch, Want};
use crate::resource::Work;

/// Longest account file that is read.
const LIMIT: u64 = 64 * 1024 * 1024;
/// What lckpwdf(3) locks.
const LOCK: &str = "/etc/.pwd.lock";

/// One of the files.
pub(super) struct Book {
    path: &'static str,
    before: Database,
    /// What is in it; change it and [`Book::store`] it.
    pub now: Database,
    expect: Expect,
    mode: u32,
    /// Why it could not be read.
    unreadable: Option<OsError>,
}

impl Book {
    fn load(os: &dyn Look, path: &'static str, mode: u32) -> Result<Self, ProbeError> {
        let book = |text: &str, expect, unreadable| {
            let before = Database::parse(text);
            Self { path, now: before.clone(), before, expect, mode, unreadable }
        };
        let Some(entry) = os.entry(path, Want::default())? else {
            return Ok(book("", Expect::Nothing, None));
        };
        let expect = Expect::This(entry.meta.stamp);
        match os.read(path, LIMIT, false) {
            Ok(Some(bytes)) => match std::str::from_utf8(&bytes) {
                Ok(text) => Ok(book(text, expect, None)),
                Err(_) => Err(ProbeError::new(format!("`{path}`"), "it is not UTF-8")),
            },
            Ok(None) => Ok(book("", Expect::Nothing, None)),
            // Who is not root may know of accounts, but not of their passwords.
            Err(error) if error.is(rustix::io::Errno::ACCESS) => Ok(book("", expect, Some(error))),
            Err(error) => Err(error.into()),
        }
    }
    /// Is there such a file?
    pub fn exists(&self) -> bool {
        self.expect != Expect::Nothing
    }
    /// What is in it, provided that it could be read.
    pub fn readable(&self) -> Result<&Database, ProbeError> {
        match &self.unreadable {
            None => Ok(&self.now),
            Some(error) => Err(error.clone().into()),
        }
    }
    /// Writes it, if anything changed.
    pub fn store(&mut self, work: &Work<'_>) -> Result<(), ApplyError> {
        if self.now == self.before {
            return Ok(());
        }
        if let Some(error) = &self.unreadable {
            return Err(error.clone().into());
        }
        let text = self.now.text();
        // A file that is there keeps its owner and mode.
        let mode = (!self.exists()).then_some(self.mode);
        let rights = Rights { mode, ..Rights::default() };
        let put = Put { expect: self.expect, durable: work.durable, ..Put::new(text.as_bytes(), rights) };
        let meta = work.os.put(self.path, &put)?;
        self.expect = Expect::This(meta.stamp);
        self.before = self.now.clone();
        Ok(())
    }
}

/// All of them.
pub(super) struct Books {
    pub passwd: Book,
    pub shadow: Book,
    pub group: Book,
    pub gshadow: Book,
    pub subuid: Book,
    pub subgid: Book,
    /// The text of `/etc/login.defs`.
    pub login_defs: String,
}

/// Fields of `/etc/passwd`.
pub(super) mod passwd {
    pub const UID: usize = 2;
    pub const GID: usize = 3;
    pub const COMMENT: usize = 4;
    pub const HOME: usize = 5;
    pub const SHELL: usize = 6;
}
/// Fields of `/etc/shadow`.
pub(super) mod shadow {
    pub const HASH: usize = 1;
    pub const CHANGED: usize = 2;
    pub const EXPIRES: usize = 7;
    /// Number of fields.
    pub const FIELDS: usize = 9;
}
/// Fields of `/etc/group` and `/etc/gshadow`.
pub(super) mod group {
    pub const GID: usize = 2;
    pub const MEMBERS: usize = 3;
}

impl Books {
    /// Reads them.
    pub fn load(os: &dyn Look) -> Result<Self, ProbeError> {
        let login_defs = text(os, "/etc/login.defs")?;
        Ok(Self {
            passwd: Book::load(os, "/etc/passwd", 0o644)?,
            shadow: Book::load(os, "/etc/shadow", 0o600)?,
            group: Book::load(os, "/etc/group", 0o644)?,
            gshadow: Book::load(os, "/etc/gshadow", 0o600)?,
            subuid: Book::load(os, "/etc/subuid", 0o644)?,
            subgid: Book::load(os, "/etc/subgid", 0o644)?,
            login_defs,
        })
    }
    /// Every user id in use.
    pub fn uids(&self) -> BTreeSet<u32> {
        self.passwd.now.entries().filter_map(|f| f.get(passwd::UID)?.parse().ok()).collect()
    }
    /// Every group id in use, as the group of a user or as a group.
    pub fn gids(&self) -> BTreeSet<u32> {
        let of = |field: usize| move |f: Vec<&str>| f.get(field)?.parse().ok();
        let groups = self.group.now.entries().filter_map(of(group::GID));
        groups.chain(self.passwd.now.entries().filter_map(of(passwd::GID))).collect()
    }
    /// The name of a group, or its number where it has none.
    pub fn group_name(&self, gid: &str) -> String {
        let mut groups = self.group.now.entries();
        let named = groups.find(|f| f.get(group::GID) == Some(&gid)).and_then(|f| f.first().copied());
        named.unwrap_or(gid).to_owned()
    }
    /// The id of a group, by name or number.
    pub fn group_id(&self, name: &str) -> Option<u32> {
        match self.group.now.field(name, group::GID) {
            Some(gid) => gid.parse().ok(),
            None => {
                let gid: u32 = name.parse().ok()?;
                let known = |f: Vec<&str>| f.get(group::GID).and_then(|g| g.parse().ok()) == Some(gid);
                self.group.now.entries().any(known).then_some(gid)
            }
        }
    }
    /// Do two names or numbers mean one group?
    pub fn same_group(&self, a: &str, b: &str) -> bool {
        a == b || self.group_id(a).is_some_and(|a| self.group_id(b) == Some(a))
    }
    /// Names of the groups that list a user as a member.
    pub fn groups_of(&self, user: &str) -> BTreeSet<String> {
        let lists = |f: &Vec<&str>| f.get(group::MEMBERS).is_some_and(|m| m.split(',').any(|m| m == user));
        self.group.now.entries().filter(lists).filter_map(|f| f.first().map(|n| (*n).to_owned())).collect()
    }
    /// Puts a user on the list of a group, or takes it off, in `/etc/group` and `/etc/gshadow` alike.
    pub fn set_member(&mut self, name: &str, user: &str, present: bool) {
        for book in [&mut self.group, &mut self.gshadow] {
            if let Some(field) = book.now.field(name, group::MEMBERS) {
                let members = crate::facts::accounts::with_member(field, user, present);
                book.now.set(name, group::MEMBERS, &members);
            }
        }
    }
    /// Adds a group without members.
    pub fn add_group(&mut self, name: &str, gid: u32) {
        let fields = [name, "x", &gid.to_string(), ""].map(str::to_owned);
        self.group.now.put(&fields);
        if self.gshadow.exists() {
            self.gshadow.now.put(&[name, "!", "", ""].map(str::to_owned));
        }
    }
    /// Removes a group.
    pub fn remove_group(&mut self, name: &str) {
        self.group.now.remove(name);
        self.gshadow.now.remove(name);
    }
    /// Today, in days since 1970, as the machine has it.
    pub fn today(os: &dyn Look) -> u64 {
        os.now() / 86_400
    }
    /// Does a new user get a group of its own?
    pub fn own_groups(&self) -> bool {
        setting(&self.login_defs, "USERGROUPS_ENAB").is_none_or(|v| v.eq_ignore_ascii_case("yes"))
    }
}

/// The names a wish for a list leads to: those it lists, and with `append` those that are there.
pub(super) fn wished(
    listed: Option<&BTreeSet<String>>,
    append: bool,
    live: Option<&BTreeSet<String>>,
) -> Option<BTreeSet<String>> {
    let mut wished = listed?.clone();
    if append {
        wished.extend(live.into_iter().flatten().cloned());
    }
    Some(wished)
}

/// A text file that may be missing.
pub(super) fn text(os: &dyn Look, path: &str) -> Result<String, ProbeError> {
    let Some(bytes) = os.read(path, LIMIT, true)? else { return Ok(String::new()) };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Keeps everybody else from changing accounts until it is dropped.
pub(super) fn lock(os: &dyn Touch) -> Result<Box<dyn Send>, ApplyError> {
    Ok(os.lock(LOCK)?)
}

/// Is the account known to this machine although it is not in its files? Then a directory server has it.
pub(super) fn elsewhere(what: &str, name: &str, id: Option<u32>) -> Option<ProbeError> {
    let id = id.filter(|id| !crate::os::overlay::imagined(*id))?;
    // A name that is a number is taken for an id.
    if name.parse() == Ok(id) {
        return None;
    }
    Some(ProbeError::new(
        format!("{what} `{name}`"),
        format!("it comes from a directory server (with id {id}) and not from the files of this machine"),
    ))
}
