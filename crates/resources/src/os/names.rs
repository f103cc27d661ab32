//! Names of users and groups. Looked up rarely, asked for often.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, PoisonError, RwLock};

#[derive(Default)]
struct Table {
    by_id: HashMap<u32, Arc<str>>,
    by_name: HashMap<String, u32>,
}

impl Table {
    fn learn(&mut self, id: u32, name: &str) {
        self.by_id.entry(id).or_insert_with(|| Arc::from(name));
        self.by_name.entry(name.to_owned()).or_insert(id);
    }
}

/// One of the two databases.
#[derive(Clone, Copy)]
enum Database {
    Users,
    Groups,
}

impl Database {
    const fn file(self) -> &'static str {
        match self {
            Self::Users => "/etc/passwd",
            Self::Groups => "/etc/group",
        }
    }
}

/// Both databases with what was asked of them so far. Reads the files first, which is quick, and asks the system's name
/// service (which may be a directory server) for what is not in them. Names that are not known are not remembered.
#[derive(Default)]
pub struct Names {
    users: RwLock<Table>,
    groups: RwLock<Table>,
}

impl Names {
    /// Name of a user id, or its number.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> Arc<str> {
        name(&self.users, Database::Users, uid)
    }
    /// Name of a group id, or its number.
    #[must_use]
    pub fn group_name(&self, gid: u32) -> Arc<str> {
        name(&self.groups, Database::Groups, gid)
    }
    /// Id of a user name.
    #[must_use]
    pub fn user_id(&self, name: &str) -> Option<u32> {
        id(&self.users, Database::Users, name)
    }
    /// Id of a group name.
    #[must_use]
    pub fn group_id(&self, name: &str) -> Option<u32> {
        id(&self.groups, Database::Groups, name)
    }
    /// Forgets everything, because something ran that may have changed users or groups.
    pub fn forget(&self) {
        for table in [&self.users, &self.groups] {
            *table.write().unwrap_or_else(PoisonError::into_inner) = Table::default();
        }
    }
}

fn name(table: &RwLock<Table>, database: Database, id: u32) -> Arc<str> {
    if let Some(known) = table.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id) {
        return Arc::clone(known);
    }
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    read_file(database, &mut table);
    if !table.by_id.contains_key(&id)
        && let Some(found) = ask_name(database, id)
    {
        table.learn(id, &found);
    }
    table.by_id.get(&id).map_or_else(|| Arc::from(id.to_string()), Arc::clone)
}

fn id(table: &RwLock<Table>, database: Database, name: &str) -> Option<u32> {
    if let Some(known) = table.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name) {
        return Some(*known);
    }
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    read_file(database, &mut table);
    if !table.by_name.contains_key(name)
        && let Some(found) = ask_id(database, name)
    {
        table.learn(found, name);
    }
    // A user whose name is a number wins over the number.
    table.by_name.get(name).copied().or_else(|| name.parse().ok())
}

fn read_file(database: Database, table: &mut Table) {
    let text = std::fs::read(database.file()).unwrap_or_default();
    for line in String::from_utf8_lossy(&text).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(id))) = (fields.next(), fields.nth(1).map(str::parse)) {
            table.learn(id, name);
        }
    }
}

/// Runs one of the `get…_r` functions, with a larger buffer when it asks for one, and takes what it found.
fn ask<T, R>(
    mut call: impl FnMut(*mut T, *mut libc::c_char, usize, *mut *mut T) -> libc::c_int,
    mut take: impl FnMut(&T) -> R,
) -> Option<R> {
    let mut buffer: Vec<libc::c_char> = vec![0; 4096];
    loop {
        let mut entry = std::mem::MaybeUninit::<T>::uninit();
        let mut found: *mut T = std::ptr::null_mut();
        let code = call(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut found);
        if code == libc::ERANGE && buffer.len() < 1 << 20 {
            buffer.resize(buffer.len() * 4, 0);
            continue;
        }
        if code != 0 || found.is_null() {
            return None;
        }
        // SAFETY: the function succeeded and made `found` point at `entry`, whose strings live in `buffer`; both are
        // alive until `take` has returned, and what it returns borrows neither.
        return Some(take(unsafe { &*found }));
    }
}

fn text(pointer: *const libc::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: only called from `ask` with the name field of a filled entry, which is a terminated string.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn ask_name(database: Database, id: u32) -> Option<String> {
    match database {
        // SAFETY: the arguments are what `ask` prepared according to getpwuid_r(3).
        Database::Users => ask(
            |entry, buffer, length, found| unsafe { libc::getpwuid_r(id, entry, buffer, length, found) },
            |entry: &libc::passwd| text(entry.pw_name),
        ),
        // SAFETY: as above, getgrgid_r(3).
        Database::Groups => ask(
            |entry, buffer, length, found| unsafe { libc::getgrgid_r(id, entry, buffer, length, found) },
            |entry: &libc::group| text(entry.gr_name),
        ),
    }
}

fn ask_id(database: Database, name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    match database {
        // SAFETY: `name` is terminated; the rest is what `ask` prepared according to getpwnam_r(3).
        Database::Users => ask(
            |entry, buffer, length, found| unsafe {
                libc::getpwnam_r(name.as_ptr(), entry, buffer, length, found)
            },
            |entry: &libc::passwd| entry.pw_uid,
        ),
        // SAFETY: as above, getgrnam_r(3).
        Database::Groups => ask(
            |entry, buffer, length, found| unsafe {
                libc::getgrnam_r(name.as_ptr(), entry, buffer, length, found)
            },
            |entry: &libc::group| entry.gr_gid,
        ),
    }
}

/// What is needed to run something as a user.
#[derive(Clone, Debug)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Every group.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
    /// Shell.
    pub shell: String,
}

/// Looks up an account by name in the system's name service.
#[must_use]
pub fn account(name: &str) -> Option<Account> {
    let c_name = CString::new(name).ok()?;
    let mut account = ask(
        // SAFETY: `c_name` is terminated; the rest is what `ask` prepared according to getpwnam_r(3).
        |entry, buffer, length, found| unsafe {
            libc::getpwnam_r(c_name.as_ptr(), entry, buffer, length, found)
        },
        |entry: &libc::passwd| Account {
            uid: entry.pw_uid,
            gid: entry.pw_gid,
            groups: Vec::new(),
            home: text(entry.pw_dir),
            shell: text(entry.pw_shell),
        },
    )?;
    let mut count: libc::c_int = 64;
    loop {
        let mut groups = vec![0; usize::try_from(count).unwrap_or(64)];
        // SAFETY: `groups` has room for `count` ids, and `count` is written back by getgrouplist(3).
        let code =
            unsafe { libc::getgrouplist(c_name.as_ptr(), account.gid, groups.as_mut_ptr(), &raw mut count) };
        let written = usize::try_from(count).unwrap_or(0);
        if code >= 0 {
            groups.truncate(written);
            account.groups = groups;
            return Some(account);
        }
        if written <= groups.len() {
            return None;
        }
    }
}
