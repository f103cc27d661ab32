//! Acting as another user, for files in that user's home directory.
//!
//! Whatever that user has put in the way (links, other owners, rights), a thread that has the user's rights and no others
//! can do nothing that the user could not have done. Only what decides about files changes, and only for one thread: to
//! signals and debuggers it still belongs to us.

use std::cell::Cell;

use rustix::process::Gid;

use super::OsError;
use super::names::Account;
use super::overlay::imagined;

thread_local! {
    static ACTS: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Whose rights this thread has, when they are not those of the process.
pub(super) fn acts() -> Option<u32> {
    ACTS.get()
}

/// Does something to files as a user, if we are root and that user is somebody else; otherwise as ourselves.
///
/// # Errors
/// The rights of the user cannot be taken on. Then nothing was done.
pub fn acting<R: Send>(who: Option<&Account>, act: impl FnOnce() -> R + Send) -> Result<R, OsError> {
    let root = rustix::process::geteuid().is_root();
    let Some(who) = who.filter(|who| root && who.uid != 0 && !imagined(who.uid)) else { return Ok(act()) };
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            become_user(who)?;
            ACTS.set(Some(who.uid));
            Ok(act())
        });
        thread.join()
    });
    done.unwrap_or_else(|_| {
        Err(OsError::failed(format!("acting as user {}", who.uid), "the thread ended early"))
    })
}

/// Takes on the groups and the rights over files of a user, in this thread alone.
fn become_user(who: &Account) -> Result<(), OsError> {
    let what = || format!("acting as user {}", who.uid);
    let groups: Vec<Gid> = who.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    rustix::thread::set_thread_groups(&groups).map_err(|errno| OsError::errno(what(), errno))?;
    // SAFETY: both only change the credentials of this thread. They report what was before and never fail aloud, so
    // an id nobody can have is tried next, which changes nothing and tells what is now.
    let (gid, uid) = unsafe {
        libc::setfsgid(who.gid);
        libc::setfsuid(who.uid);
        (libc::setfsgid(u32::MAX), libc::setfsuid(u32::MAX))
    };
    match (u32::try_from(gid), u32::try_from(uid)) {
        (Ok(gid), Ok(uid)) if gid == who.gid && uid == who.uid => Ok(()),
        _ => Err(OsError::failed(what(), "the system does not let us")),
    }
}
