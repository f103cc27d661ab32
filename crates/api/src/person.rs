//! Who asks: read from the system, not from what variables claim.

use sloth_core::actor::Actor;

/// The person or program behind this process; `name` overrides the user name.
pub fn actor(name: Option<&str>) -> Actor {
    Actor {
        name: name.map_or_else(user_name, str::to_owned),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: u32::try_from(rustix::process::getpid().as_raw_nonzero().get()).unwrap_or(0),
        pid_start: pid_start().unwrap_or(0),
        cwd: std::env::current_dir().map(|d| d.to_string_lossy().into_owned()).unwrap_or_default(),
        git: None,
    }
}

/// The name of the effective user, or `uid N` when the system has no name for it.
fn user_name() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let named = std::fs::read_to_string("/etc/passwd").ok().and_then(|text| name_in(&text, uid));
    named.unwrap_or_else(|| if uid == 0 { "root".to_owned() } else { format!("uid {uid}") })
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let id = fields.nth(1)?;
        (id.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

/// Start of this process in clock ticks since boot: field 22 of `/proc/self/stat`, counted after the name in parentheses.
fn pid_start() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_password_file() {
        let text = "root:x:0:0::/root:/bin/sh\nbad line\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n";
        assert_eq!(name_in(text, 1000).as_deref(), Some("ann"));
        assert_eq!(name_in(text, 7), None);
        assert!(pid_start().is_some_and(|ticks| ticks > 0));
    }
}
