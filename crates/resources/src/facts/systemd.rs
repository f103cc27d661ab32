//! What `systemctl` says: systemctl(1).

use std::collections::BTreeMap;

/// Lines of `NAME=value`, as `systemctl show` prints them.
#[must_use]
pub fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

/// The name of a unit, with `.service` when it says no sort.
#[must_use]
pub fn unit(name: &str) -> String {
    const SORTS: [&str; 11] = [
        "automount",
        "device",
        "mount",
        "path",
        "scope",
        "service",
        "slice",
        "socket",
        "swap",
        "target",
        "timer",
    ];
    match name.rsplit_once('.') {
        Some((_, sort)) if SORTS.contains(&sort) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

/// Can a unit be called so, without a pattern in it?
#[must_use]
pub fn is_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@');
    !name.is_empty() && name.len() <= 255 && !name.starts_with(['-', '.']) && name.bytes().all(good)
}

/// Whether a unit starts with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabled {
    /// It does, or is started when something asks for it.
    Yes,
    /// It does not.
    No,
    /// It cannot be enabled or disabled: nothing in it says when it would be started.
    Fixed,
    /// It cannot be started at all.
    Masked,
    /// There is no such unit.
    Missing,
}

impl Enabled {
    /// Reads the word of `systemctl is-enabled` or of `UnitFileState`; an empty one means that there is no file.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word.trim() {
            "enabled" | "enabled-runtime" | "alias" => Self::Yes,
            "static" | "indirect" | "generated" | "transient" => Self::Fixed,
            "masked" | "masked-runtime" => Self::Masked,
            "" | "not-found" => Self::Missing,
            _ => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        assert_eq!(unit("nginx"), "nginx.service");
        assert_eq!(unit("nginx.service"), "nginx.service");
        assert_eq!(unit("apt-daily.timer"), "apt-daily.timer");
        assert_eq!(unit("php8.2-fpm"), "php8.2-fpm.service");
        assert_eq!(unit("getty@tty1"), "getty@tty1.service");
        assert!(is_name("getty@tty1.service") && is_name("dev-disk-by\\x2dlabel.swap"));
        assert!(!is_name("--now") && !is_name("a b") && !is_name("*") && !is_name("../x") && !is_name(""));
    }

    #[test]
    fn states_are_read() {
        let said = "ActiveState=active\nSubState=running\nLoadState=loaded\nUnitFileState=enabled\nDescription=A = b\n";
        let said = properties(said);
        assert_eq!(said["ActiveState"], "active");
        assert_eq!(said["Description"], "A = b");
        for (word, means) in [
            ("enabled\n", Enabled::Yes),
            ("disabled\n", Enabled::No),
            ("linked", Enabled::No),
            ("static", Enabled::Fixed),
            ("masked-runtime", Enabled::Masked),
            ("", Enabled::Missing),
        ] {
            assert_eq!(Enabled::from_word(word), means, "{word}");
        }
    }
}
