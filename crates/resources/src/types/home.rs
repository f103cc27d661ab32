//! A text file of a user, changed with that user's rights, or of the system, changed with ours: what the types of `ssh`
//! share.

use sloth_core::kind::{ArgError, Args, Param, ParamType};
use sloth_core::machine::ApplyError;
use sloth_core::observed::ProbeError;

use super::accounts;
use super::args;
use super::edit::{Loaded, Text, load_as};
use crate::os::acting::acting;
use crate::os::names::{Account, account, account_listed};
use crate::os::overlay::imagined;
use crate::os::{Expect, Look, OsError, Put, Rights, Sort, Touch, Want, split};
use crate::resource::{Item, Resource, Work};

pub(super) const USER: Param = Param::new(
    "user",
    ParamType::Text,
    "Whose file it is; a file below the home directory is read and written with the rights of that user",
)
.or(&["username"]);
pub(super) const OTHER_PATH: Param =
    Param::new("path", ParamType::Path, "Another file than the usual one").or(&["dest", "file"]);

/// Whose file, and which: as a wish names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Whose {
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file, when it is not the usual one of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Whose {
    /// From the arguments `user` and `path`, of which one has to be there.
    pub(super) fn from_args(args: &Args) -> Result<Self, ArgError> {
        let user = args.has("user").then(|| args::account(args, "user")).transpose()?;
        let path = args.has("path").then(|| args::absolute(args, "path")).transpose()?;
        if let Some(path) = path.as_ref().filter(|path| path.contains('#')) {
            let why = format!("`{path}` has a `#` in it, which separates file and entry");
            return Err(ArgError::about("path", why));
        }
        Ok(Self { user, path })
    }
    /// The beginning of an id: `deploy`, `/etc/keys` or `deploy:/etc/keys`.
    pub(super) fn id(&self) -> String {
        let parts = [self.user.as_deref(), self.path.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(":")
    }
    /// The reverse.
    pub(super) fn of_id(id: &str) -> Self {
        match id.split_once('/') {
            None => Self { user: Some(id.to_owned()), path: None },
            Some(("", _)) => Self { user: None, path: Some(id.to_owned()) },
            Some((user, path)) => {
                let user = user.strip_suffix(':').unwrap_or(user).to_owned();
                Self { user: Some(user), path: Some(format!("/{path}")) }
            }
        }
    }
    /// Finds the file on a machine; `usual` is where it is in a home directory.
    pub(super) fn find(&self, os: &dyn Look, usual: &str) -> Result<Spot, ProbeError> {
        let Some(user) = &self.user else {
            let path = self.path.clone().unwrap_or_default();
            return Ok(Spot { path, owner: None, inside: false });
        };
        let passwd = accounts::text(os, "/etc/passwd")?;
        let listed = account_listed(&passwd, &accounts::text(os, "/etc/group")?, user);
        let owner = match listed {
            Some(owner) => owner,
            None => match os.accounts().user_id(user).filter(|id| !imagined(*id)).and_then(|_| account(user))
            {
                Some(owner) => owner,
                None => return Err(ProbeError::new(format!("user `{user}`"), "there is no such user")),
            },
        };
        let home = owner.home.trim_end_matches('/');
        let usable = home.starts_with('/') && !home.split('/').any(|part| part == "..");
        if self.path.is_none() && !usable {
            let why = format!("its home directory is `{}`; give a `path`", owner.home);
            return Err(ProbeError::new(format!("user `{user}`"), why));
        }
        let path = self.path.clone().unwrap_or_else(|| format!("{home}/{usual}"));
        let inside = usable && path.strip_prefix(home).is_some_and(|rest| rest.starts_with('/'));
        Ok(Spot { path, owner: Some(owner), inside })
    }
}

/// A file, and who works on it.
pub(super) struct Spot {
    pub path: String,
    owner: Option<Account>,
    /// Is it below the home directory?
    inside: bool,
}

/// Line endings are parts of the lines: to `ssh` they are.
fn load(os: &dyn Look, path: &str) -> Result<Option<Loaded>, OsError> {
    load_as(os, path, true, Text::exact)
}

/// What an edit makes of a file.
pub(super) struct Edited<R> {
    /// The whole file.
    pub text: Text,
    /// Remove the file if nothing is left in it.
    pub remove_empty: bool,
    /// What to answer.
    pub answer: R,
}

/// One answer for each wish.
pub(super) type Answers<S> = Vec<Result<Option<S>, ApplyError>>;

/// Brings the wishes of one call about, with one edit of the file they are all about. `whose` says which that is. `edit` gets
/// its path, what is there, and the wishes, each with what was seen of it; `done` comes after it.
pub(super) fn edit_together<R: Resource>(
    resource: &R,
    items: &[Item<'_, R::Spec, R::State>],
    usual: &str,
    whose: impl Fn(&R::Spec) -> &Whose,
    done: impl FnOnce(&Spot, &Work<'_>),
    mut edit: impl FnMut(
        &str,
        Option<&Text>,
        &[(&R::Spec, Option<&R::State>)],
    ) -> Result<Edited<Answers<R::State>>, ApplyError>
    + Send,
) -> Answers<R::State>
where
    R::Spec: Sync,
    R::State: Send + Sync,
{
    let Some(Item { work, spec: first, .. }) = items.first() else { return Vec::new() };
    if items.iter().any(|item| whose(item.spec) != whose(first)) {
        return items.iter().map(|i| resource.apply(i.work, i.id, i.spec, i.live)).collect();
    }
    let wishes: Vec<_> = items.iter().map(|item| (item.spec, item.live)).collect();
    let all = || -> Result<Answers<R::State>, ApplyError> {
        let spot = whose(first).find(work.os, usual)?;
        let answers = spot.edit(work.os, work.durable, |text| edit(&spot.path, text, &wishes))?;
        done(&spot, work);
        Ok(answers)
    };
    all().unwrap_or_else(|error| items.iter().map(|_| Err(error.clone())).collect())
}

impl Spot {
    fn who(&self) -> Option<&Account> {
        self.owner.as_ref().filter(|_| self.inside)
    }
    /// Reads the file; `None` when it is missing.
    pub fn read(&self, os: &dyn Look) -> Result<Option<Text>, ProbeError> {
        let loaded = acting(self.who(), || load(os, &self.path))??;
        Ok(loaded.map(|loaded| loaded.text))
    }
    /// Changes the file, while nobody else does. `edit` gets what is there and may be called twice. A directory that is
    /// missing in the home of a user is made for nobody else's eyes.
    pub fn edit<R: Send>(
        &self,
        os: &dyn Touch,
        durable: bool,
        mut edit: impl FnMut(Option<&Text>) -> Result<Edited<R>, ApplyError> + Send,
    ) -> Result<R, ApplyError> {
        let rights = |mode| Rights {
            uid: self.who().map(|who| who.uid),
            gid: self.who().map(|who| who.gid),
            mode: Some(mode),
        };
        acting(self.who(), || {
            let (dir, _) = split(&self.path)?;
            let follow = Want { follow: true, ..Want::default() };
            let mut tried = false;
            loop {
                let there = os.entry(dir, follow)?.is_some();
                let _held = there.then(|| os.lock_beside(&self.path)).transpose()?;
                let loaded = load(os, &self.path)?;
                let edited = edit(loaded.as_ref().map(|loaded| &loaded.text))?;
                let bytes = edited.text.bytes();
                match &loaded {
                    Some(loaded) if loaded.bytes == bytes && !(bytes.is_empty() && edited.remove_empty) => {}
                    None if bytes.is_empty() => {}
                    Some(loaded) if bytes.is_empty() && edited.remove_empty => {
                        os.remove(&self.path, loaded.expect)?;
                    }
                    None if !there && self.inside => match os.mkdir(dir, rights(0o700)) {
                        // Somebody else may have made it, but not something that leads nowhere.
                        Ok(_) | Err(OsError::Moved(_)) if !tried => {
                            tried = true;
                            continue;
                        }
                        Ok(_) | Err(OsError::Moved(_)) => {
                            let why = "what is there is no directory, or a link that leads nowhere";
                            return Err(OsError::refused(format!("making `{dir}`"), why).into());
                        }
                        Err(error) => return Err(error.into()),
                    },
                    _ => {
                        let new = if self.inside { rights(0o600) } else { Rights::default() };
                        let kept = Rights { mode: None, ..new };
                        let put = Put {
                            expect: loaded.as_ref().map_or(Expect::Nothing, |loaded| loaded.expect),
                            follow: true,
                            durable,
                            ..Put::new(&bytes, if loaded.is_some() { kept } else { new })
                        };
                        os.put(&self.path, &put)?;
                    }
                }
                return Ok(edited.answer);
            }
        })?
    }
    /// Says why `sshd` would not read the file, when it would not.
    pub fn warn(&self, work: &Work<'_>) {
        let Some(who) = self.who() else { return };
        let mut path = self.path.as_str();
        let follow = Want { follow: true, ..Want::default() };
        while path.len() >= who.home.trim_end_matches('/').len() {
            if let Ok(Some(entry)) = work.os.entry(path, follow) {
                let meta = entry.meta;
                if meta.mode & 0o022 != 0 || (meta.uid != 0 && meta.uid != who.uid) {
                    let what = if meta.sort == Sort::Directory { "directory" } else { "file" };
                    work.note(format!(
                        "sshd will not go by it: {what} `{path}` belongs to, or can be written by, others"
                    ));
                    return;
                }
            }
            match split(path) {
                Ok((parent, _)) if parent != "/" => path = parent,
                _ => return,
            }
        }
    }
}
