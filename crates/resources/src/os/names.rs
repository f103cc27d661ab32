//! Names of users and groups. Looked up rarely, asked for often.
//!
//! The files in `/etc` come first. What is not in them may be in a directory server, which `getent` knows how to ask; the
//! C library's own functions load modules for that, which a static program cannot do without crashing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use sloth_core::command::Command;
use sloth_core::machine::Unwatched;

use super::{Accounts, command};

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
    const fn name(self) -> &'static str {
        match self {
            Self::Users => "passwd",
            Self::Groups => "group",
        }
    }
    /// The file in `/etc`.
    fn file(self) -> String {
        let text = std::fs::read(format!("/etc/{}", self.name())).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
    /// The line about a name or an id, from wherever the system looks.
    fn ask(self, key: &str) -> Option<String> {
        // A key that looks like an option, or that cannot be in a line, names nobody.
        if key.is_empty() || key.starts_with('-') || key.contains([':', '\n', '\0']) {
            return None;
        }
        let command = Command {
            timeout: Some(std::time::Duration::from_secs(30)),
            ..Command::argv(&["getent", self.name(), key])
        };
        let output = command::run(&command, &Unwatched).ok()?;
        output.success().then(|| output.stdout.lines().next().map(str::to_owned)).flatten()
    }
}

/// Both databases with what was asked of them so far. Names that are not known are asked for again each time; ids that
/// have no name are not, because there may be many files of a user who is gone.
#[derive(Default)]
pub struct Names {
    users: RwLock<Table>,
    groups: RwLock<Table>,
}

impl Names {
    /// Forgets everything, because something ran that may have changed users or groups.
    pub fn forget(&self) {
        for table in [&self.users, &self.groups] {
            *table.write().unwrap_or_else(PoisonError::into_inner) = Table::default();
        }
    }
}

impl Accounts for Names {
    fn user_name(&self, uid: u32) -> Arc<str> {
        name(&self.users, Database::Users, uid)
    }
    fn group_name(&self, gid: u32) -> Arc<str> {
        name(&self.groups, Database::Groups, gid)
    }
    fn user_id(&self, name: &str) -> Option<u32> {
        id(&self.users, Database::Users, name)
    }
    fn group_id(&self, name: &str) -> Option<u32> {
        id(&self.groups, Database::Groups, name)
    }
}

/// Name and id of a line of either file.
fn entry(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    Some((fields.next()?, fields.nth(1)?.parse().ok()?))
}

fn learn(table: &mut Table, text: &str) {
    for (name, id) in text.lines().filter_map(entry) {
        table.learn(id, name);
    }
}

fn name(table: &RwLock<Table>, database: Database, id: u32) -> Arc<str> {
    if let Some(known) = table.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id) {
        return Arc::clone(known);
    }
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    learn(&mut table, &database.file());
    if !table.by_id.contains_key(&id)
        && let Some(line) = database.ask(&id.to_string())
    {
        learn(&mut table, &line);
    }
    Arc::clone(table.by_id.entry(id).or_insert_with(|| Arc::from(id.to_string())))
}

fn id(table: &RwLock<Table>, database: Database, name: &str) -> Option<u32> {
    if let Some(known) = table.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name) {
        return Some(*known);
    }
    let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
    learn(&mut table, &database.file());
    if let Some(known) = table.by_name.get(name) {
        return Some(*known);
    }
    // A user whose name is a number wins over the number; that is settled by the file alone.
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    learn(&mut table, &database.ask(name)?);
    table.by_name.get(name).copied()
}

/// The name of an id in the text of a file.
pub(super) fn name_listed(text: &str, id: u32) -> Option<Arc<str>> {
    text.lines().filter_map(entry).find(|(_, i)| *i == id).map(|(name, _)| Arc::from(name))
}

/// The id of a name in the text of a file.
pub(super) fn id_listed(text: &str, name: &str) -> Option<u32> {
    text.lines().filter_map(entry).find(|(n, _)| *n == name).map(|(_, id)| id)
}

/// What is needed to run something as a user.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Looks up an account by name.
#[must_use]
pub fn account(name: &str) -> Option<Account> {
    let local =
        Database::Users.file().lines().find(|l| entry(l).is_some_and(|(n, _)| n == name)).map(str::to_owned);
    let is_local = local.is_some();
    let line = local.or_else(|| Database::Users.ask(name))?;
    let mut account = parse(&line)?;
    account.groups = match is_local {
        true => groups(&Database::Groups.file(), name, account.gid),
        // Who is not in the file may be in groups that are not in the file either.
        false => {
            let output = command::run(&Command::argv(&["id", "-G", "--", name]), &Unwatched).ok()?;
            output.stdout.split_whitespace().filter_map(|id| id.parse().ok()).collect()
        }
    };
    Some(account)
}

/// An account in the texts of `/etc/passwd` and `/etc/group`.
#[must_use]
pub fn account_listed(passwd: &str, group: &str, name: &str) -> Option<Account> {
    let mut account = parse(passwd.lines().find(|l| entry(l).is_some_and(|(n, _)| n == name))?)?;
    account.groups = groups(group, name, account.gid);
    Some(account)
}

/// A line of `/etc/passwd`.
fn parse(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [_, _, uid, gid, _, home, shell] = fields[..] else { return None };
    Some(Account {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        groups: Vec::new(),
        home: home.to_owned(),
        shell: shell.to_owned(),
    })
}

/// The groups of a user according to `/etc/group`, the primary one first.
fn groups(text: &str, name: &str, primary: u32) -> Vec<u32> {
    let of =
        |line: &&str| line.split(':').nth(3).is_some_and(|members| members.split(',').any(|m| m == name));
    let mut groups = vec![primary];
    for (_, gid) in text.lines().filter(of).filter_map(entry) {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let account = parse("deploy:x:1000:1001:D. Ploy,,,:/home/deploy:/bin/bash").unwrap();
        assert_eq!((account.uid, account.gid, account.home.as_str()), (1000, 1001, "/home/deploy"));
        assert_eq!(parse("broken"), None);
        let text = "deploy:x:1001:\nsudo:x:27:admin,deploy\nadm:x:4:deployer\ndocker:x:99:deploy\n";
        assert_eq!(groups(text, "deploy", 1001), [1001, 27, 99]);
        assert_eq!(entry("sudo:x:27:admin"), Some(("sudo", 27)));
    }

    #[test]
    fn ids_without_a_name_are_numbers_and_unknown_names_nothing() {
        let names = Names::default();
        assert_eq!(&*names.user_name(0), "root");
        assert_eq!(&*names.user_name(3_999_999_999), "3999999999");
        assert_eq!(names.user_id("root"), Some(0));
        assert_eq!(names.user_id("12345"), Some(12345));
        assert_eq!(names.group_id("nobody-of-this-name"), None);
        assert_eq!(names.group_id("--help"), None);
        assert_eq!(account("nobody-of-this-name"), None);
    }
}
