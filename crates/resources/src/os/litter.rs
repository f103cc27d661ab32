//! Temporary files of this program: how they are named, and how those of a process that died are found and removed.

use std::sync::OnceLock;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::os::place::Place;

const PREFIX: &str = ".sloth-";

/// A name nobody can guess that says who made it: process, its start in ticks since boot, and random digits. Whoever finds
/// it later can tell whether its maker still lives.
pub fn name() -> Result<String, Errno> {
    static OURS: OnceLock<(u32, u64)> = OnceLock::new();
    let (pid, start) = *OURS.get_or_init(|| {
        let pid = std::process::id();
        (pid, started(pid).unwrap_or(0))
    });
    let mut random = [0u8; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{PREFIX}{pid}-{start}-{:016x}", u64::from_ne_bytes(random)))
}

/// Who made a temporary file, by its name.
fn maker(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    let (pid, start, random) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || random.len() != 16 || !random.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// Start of a process in clock ticks since boot; `None` when there is no such process.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so counting begins after its end.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Removes temporary files in the directory of a place whose makers are gone. Failing is harmless: they stay.
pub fn sweep(place: &Place) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(&place.dir, ".", flags, Mode::empty()) else { return };
    let Ok(entries) = rustix::fs::Dir::read_from(&fd) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().to_str() else { continue };
        let Some((pid, start)) = maker(name) else { continue };
        if started(pid) != Some(start) {
            let _ = rustix::fs::unlinkat(&place.dir, name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_who_made_it_and_others_are_strangers() {
        let (pid, start) = maker(&name().unwrap()).unwrap();
        assert_eq!((pid, Some(start)), (std::process::id(), started(pid)));
        for stranger in [
            ".sloth",
            ".sloth-",
            ".sloth-1-2",
            ".sloth-1-2-xyz",
            ".sloth-a-2-0123456789abcdef",
            ".sloth-1-2-0123456789abcdef-4",
        ] {
            assert_eq!(maker(stranger), None, "{stranger}");
        }
    }
}
