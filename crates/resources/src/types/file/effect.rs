//! Bringing a wish for a path about.

use rustix::io::Errno;
use sloth_core::machine::ApplyError;

use super::wish::{FileSpec, FileState, Wanted};
use super::{File, destroys, sighted, state, tree};
use crate::os::{Entry, Expect, Meta, OsError, Put, Rights, Sort, split};
use crate::resource::{Resource, Work};

/// What is there, provided that it is what the decision was based on.
fn confirmed(
    work: &Work<'_>,
    id: &str,
    spec: Option<&FileSpec>,
    live: Option<&FileState>,
) -> Result<Option<Entry>, ApplyError> {
    // Nothing there: every effect below insists on that itself, in the same instant in which it happens.
    let Some(live) = live else { return Ok(None) };
    let moved = || ApplyError::Moved(format!("`{id}`"));
    let (entry, now) = sighted(work.os, id, spec)?.ok_or_else(moved)?;
    // Whoever decided may have looked for another wish, which shows the tree or not and names owners in other words.
    let same =
        FileState { tree: live.tree, owner: live.owner.clone(), group: live.group.clone(), ..now.clone() }
            == *live
            && same_name(&now.owner, &live.owner, |n| work.os.accounts().user_id(n))
            && same_name(&now.group, &live.group, |n| work.os.accounts().group_id(n))
            && (now.tree.is_none() || live.tree.is_none() || now.tree == live.tree);
    if same { Ok(Some(entry)) } else { Err(moved()) }
}

fn same_name(a: &str, b: &str, id: impl Fn(&str) -> Option<u32>) -> bool {
    a == b || (id(a).is_some() && id(a) == id(b))
}

fn rights(work: &Work<'_>, id: &str, spec: &FileSpec) -> Result<Rights, ApplyError> {
    let unknown = |what: &str, name: &str| {
        ApplyError::failed(format!("setting the {what} of `{id}`"), format!("there is no {what} `{name}`"))
    };
    let uid = match &spec.owner {
        Some(name) => Some(work.os.accounts().user_id(name).ok_or_else(|| unknown("user", name))?),
        None => None,
    };
    let gid = match &spec.group {
        Some(name) => Some(work.os.accounts().group_id(name).ok_or_else(|| unknown("group", name))?),
        None => None,
    };
    if work.os.rehearsing() {
        for (what, id, name) in [("user", uid, &spec.owner), ("group", gid, &spec.group)] {
            if id.is_some_and(crate::os::overlay::imagined)
                && let Some(name) = name
            {
                work.note(format!("{what} `{name}` does not exist yet"));
            }
        }
    }
    Ok(Rights { uid, gid, mode: spec.mode.map(|m| m.0) })
}

/// Makes the directories that are missing on the way.
pub(in crate::types) fn parents(work: &Work<'_>, id: &str) -> Result<(), ApplyError> {
    let (dir, _) = split(id)?;
    let follow = crate::os::Want { follow: true, ..crate::os::Want::default() };
    if dir == "/" || work.os.entry(dir, follow)?.is_some() {
        return Ok(());
    }
    parents(work, dir)?;
    match work.os.mkdir(dir, Rights::default()) {
        Ok(_) => work.note(format!("directory `{dir}` was created on the way")),
        Err(OsError::Moved(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Takes away what is in the way of a wish that cannot simply replace it.
fn clear(work: &Work<'_>, id: &str, entry: &Entry, force: bool) -> Result<(), ApplyError> {
    let expect = Expect::This(entry.meta.stamp);
    let removed = match entry.meta.sort {
        Sort::Directory if force => work.os.remove_tree(id, expect),
        _ => work.os.remove(id, expect),
    };
    match removed {
        Err(error) if error.is(Errno::NOTEMPTY) => Err(ApplyError::failed(
            format!("removing `{id}`"),
            "the directory is not empty; `force = true` removes everything in it",
        )),
        other => Ok(other?),
    }
}

/// Says that something was removed already, when what should have come instead failed.
fn after_removal_if<T>(removed: bool, id: &str, result: Result<T, OsError>) -> Result<T, ApplyError> {
    result.map_err(|error| match ApplyError::from(error) {
        ApplyError::Failed { what, why, .. } if removed => {
            ApplyError::Failed { what, why, changed: format!("what was at `{id}` was removed") }
        }
        other => other,
    })
}

pub(super) fn apply(
    work: &Work<'_>,
    id: &str,
    spec: &FileSpec,
    live: Option<&FileState>,
) -> Result<Option<FileState>, ApplyError> {
    let mut there = confirmed(work, id, Some(spec), live)?;
    let result = |meta: &Meta, content, target| Ok(Some(state(work.os, meta, content, target, Some(spec))));
    if spec.kind == Wanted::Absent {
        if let Some(entry) = &there {
            clear(work, id, entry, spec.force)?;
        }
        return Ok(None);
    }
    let rights = rights(work, id, spec)?;
    if there.is_none() && spec.create_parents {
        parents(work, id)?;
    }
    // Files and links take each other's place in one instant. Nothing else can.
    let swaps = |sort| matches!(sort, Sort::File | Sort::Link);
    let cleared = match &there {
        Some(entry) if spec.kind == Wanted::Directory && entry.meta.sort != Sort::Directory => true,
        Some(entry) => spec.kind != Wanted::Directory && !swaps(entry.meta.sort),
        None => false,
    };
    if cleared && let Some(entry) = there.take() {
        if entry.meta.sort == Sort::Other && !spec.force {
            let why = "it is a device, a socket or a pipe; `force = true` removes it";
            return Err(ApplyError::failed(format!("replacing `{id}`"), why));
        }
        clear(work, id, &entry, destroys(Some(spec)))?;
    }
    let finish = |done| after_removal_if(cleared, id, done);
    let expect = there.as_ref().map_or(Expect::Nothing, |e| Expect::This(e.meta.stamp));
    match (spec.kind, &there) {
        (Wanted::Absent, _) => Ok(None),
        (Wanted::File, Some(entry))
            if entry.meta.sort == Sort::File && (spec.content.is_none() || spec.content == entry.content) =>
        {
            let meta = finish(work.os.rights(id, rights, expect, spec.follow))?;
            result(&meta, entry.content, None)
        }
        (Wanted::File, _) => {
            let content = match spec.content {
                Some(digest) => work.content(digest)?,
                None => &[],
            };
            let kept = there.as_ref().filter(|e| spec.backup && e.meta.sort == Sort::File);
            let backup = kept.map(|_| backup_name(id, work.os.now())).transpose()?;
            let put = Put {
                expect,
                durable: work.durable,
                follow: spec.follow,
                in_place: spec.in_place,
                backup: backup.as_deref(),
                validate: spec.validate.as_deref(),
                ..Put::new(content, rights)
            };
            let meta = finish(work.os.put(id, &put))?;
            if let Some(backup) = backup {
                let (dir, _) = split(id)?;
                work.note(format!(
                    "the previous content is kept as `{}/{backup}`",
                    dir.trim_end_matches('/')
                ));
            }
            let digest = spec.content.unwrap_or_else(|| sloth_core::digest::Digest::of(content));
            result(&meta, Some(digest), None)
        }
        (Wanted::Directory, there) => {
            let meta = match there {
                Some(_) => finish(work.os.rights(id, rights, expect, spec.follow))?,
                None => finish(work.os.mkdir(id, rights))?,
            };
            if let Some(digest) = spec.tree {
                after_removal_if(
                    cleared,
                    id,
                    tree::unpack(work.os, id, work.content(digest)?, work.durable),
                )?;
            }
            match spec.tree {
                Some(_) => Ok(File.observe(work.os, id, Some(spec), None)?),
                None => result(&meta, None, None),
            }
        }
        (Wanted::Link, there) => {
            let target = spec.target.clone().unwrap_or_default();
            let meta = match there {
                Some(entry) if entry.target.as_ref() == Some(&target) => {
                    finish(work.os.rights(id, rights, expect, false))?
                }
                _ => finish(work.os.link(id, &target, rights, expect))?,
            };
            result(&meta, None, Some(target))
        }
    }
}

pub(super) fn delete(
    work: &Work<'_>,
    id: &str,
    live: Option<&FileState>,
) -> Result<Option<FileState>, ApplyError> {
    let Some(live) = live else { return Ok(None) };
    if live.follow {
        work.note(format!("what `{id}` points to stays, because it was written through a link"));
        return Ok(Some(live.clone()));
    }
    // Gone already is as good as removed.
    if work.os.entry(id, super::want(None))?.is_none() {
        return Ok(None);
    }
    let Some(entry) = confirmed(work, id, None, Some(live))? else { return Ok(None) };
    match work.os.remove(id, Expect::This(entry.meta.stamp)) {
        Err(error) if error.is(Errno::NOTEMPTY) => {
            work.note(format!("directory `{id}` stays, because there is something in it"));
            Ok(Some(live.clone()))
        }
        other => {
            other?;
            Ok(None)
        }
    }
}

/// `motd.20261120T083000Z`, the name of a copy made at a time.
pub(in crate::types) fn backup_name(id: &str, now: u64) -> Result<String, ApplyError> {
    let (_, name) = split(id)?;
    let (days, seconds) = (now / 86400, now % 86400);
    // Civil date from days since 1970-01-01, after Howard Hinnant's `civil_from_days`.
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Ok(format!("{name}.{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_named_after_the_time() {
        assert_eq!(backup_name("/etc/motd", 0).unwrap(), "motd.19700101T000000Z");
        assert_eq!(backup_name("/etc/motd", 1_709_210_096).unwrap(), "motd.20240229T123456Z");
    }
}
