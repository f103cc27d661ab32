//! Named places where a test can kill the program. Without the feature `failpoints` they compile to nothing.

/// Every failpoint, in the order in which a step passes them.
pub const ALL: &[&str] = &[
    "lease-taken",
    "run-begun",
    "before-intent",
    "after-intent",
    "after-effect",
    "after-result",
    "before-task-commit",
    "after-task-commit",
    "before-final-commit",
    "after-final-commit",
    "before-release",
];

/// Kills the program with SIGKILL when `SLOTH_FAILPOINT` is `name` or `name:N` and this is the N-th time it is passed.
#[cfg(feature = "failpoints")]
pub fn pass(name: &'static str) {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, OnceLock};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

    #[expect(clippy::disallowed_methods, reason = "test builds only; no other way in")]
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("SLOTH_FAILPOINT").ok()?;
        match text.split_once(':') {
            Some((name, n)) => Some((name.to_owned(), n.parse().ok()?)),
            None => Some((text, 1)),
        }
    });
    let Some((wanted, at)) = wanted else { return };
    if wanted != name {
        return;
    }
    let mut passed = PASSED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let count = passed.entry(name).or_insert(0);
    *count += 1;
    if count == at {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Kills nothing: the feature `failpoints` is off.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub const fn pass(_: &'static str) {}
