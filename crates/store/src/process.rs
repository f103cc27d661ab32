//! Which processes are still there.

use std::os::unix::fs::MetadataExt as _;

/// Number of the pid namespace this process is in; 0 where there is none. Pids compare within one only.
pub fn pid_space() -> i64 {
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |m| i64::try_from(m.ino()).unwrap_or(0))
}

/// Is the process that started at this tick certainly gone? False when that cannot be told.
pub fn is_gone(pid: u32, start: u64) -> bool {
    if pid == 0 {
        return false;
    }
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(text) => is_zombie(&text) || (start != 0 && start_tick(&text).is_some_and(|found| found != start)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::symlink_metadata("/proc/self/stat").is_ok()
        }
        // The process ended between opening and reading.
        Err(error) => error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()),
    }
}

/// Has it ended, without anybody having asked how? It runs nothing any more; where nobody ever asks, as in a container
/// without an init, it stays listed for ever.
fn is_zombie(stat: &str) -> bool {
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().next());
    matches!(state, Some("Z" | "X" | "x"))
}

/// Field 22 of `/proc/<pid>/stat`. The name in parentheses may hold anything, so fields count from its end.
fn start_tick(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_an_older_one_with_its_number_is_not() {
        let text = std::fs::read_to_string("/proc/self/stat").unwrap();
        let start = start_tick(&text).unwrap();
        let pid = std::process::id();
        assert!(!is_gone(pid, start));
        assert!(!is_gone(pid, 0), "an unknown start proves nothing");
        assert!(is_gone(pid, start + 1));
        assert!(is_gone(u32::MAX - 1, 1));
        assert!(!is_gone(0, 0), "nobody in particular is never gone");
        assert!(!is_zombie(&text));
        assert!(is_zombie("12 (R) R) Z 1 2 3"));
    }
    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(start_tick(stat), Some(777));
    }
}
