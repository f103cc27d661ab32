//! How the program ends, for the shell. The numbers are stable; `docs/reference/exit-codes.md` is made from here.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Ok,
    /// Something failed.
    Failed,
    /// The command line makes no sense, or a confirmation is missing.
    Usage,
    /// The answer is «not as it should be»: drift, or changes when they were asked for as an exit code.
    Differs,
    /// Somebody else holds the stack or the database.
    Locked,
    /// A file is not valid, or what is recorded has no order.
    Invalid,
    /// What it rests on has moved, or it contradicts what is there.
    Conflict,
    /// What was named does not exist.
    NotFound,
    /// Finished, but something needs a person.
    NeedsPerson,
    /// Stopped by this signal.
    Signal(u8),
}

impl Exit {
    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Differs => 3,
            Self::Locked => 4,
            Self::Invalid => 5,
            Self::Conflict => 6,
            Self::NotFound => 7,
            Self::NeedsPerson => 8,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

/// Every code with its meaning, in order.
#[cfg(test)]
pub const DOCUMENTED: &[(Exit, &str, &str)] = &[
    (Exit::Ok, "ok", "Everything asked for was done, or nothing had to be done"),
    (
        Exit::Failed,
        "failed",
        "A task, a resource or the command itself failed (what was done is recorded), or the database cannot be used: it is damaged, of another program, or refused",
    ),
    (
        Exit::Usage,
        "usage",
        "The command line makes no sense, or a confirmation was needed and there is no terminal and no `--yes`",
    ),
    (
        Exit::Differs,
        "drift or changes",
        "`stack drift detect` found drift; `plan --detailed-exitcode` found changes",
    ),
    (
        Exit::Locked,
        "locked",
        "Somebody else holds the stack, or keeps the database busy; trying again later may help",
    ),
    (
        Exit::Invalid,
        "invalid",
        "A workflow, values, configuration or plan file is not valid, resources depend on each other in a circle, or `stack validate` found an error",
    ),
    (
        Exit::Conflict,
        "stale or conflicting",
        "What a plan or a write rests on has moved (plan, lease, version), or the name is taken",
    ),
    (
        Exit::NotFound,
        "not found",
        "A stack, version, resource, task, key or file that was named does not exist",
    ),
    (
        Exit::NeedsPerson,
        "needs a person",
        "Finished, but something could not be decided: an undo step is stuck, the end of a command is unknown, or a \
         resource could not be read",
    ),
    (Exit::Signal(2), "interrupted", "Stopped by SIGINT; nothing new was begun, what was done is recorded"),
    (
        Exit::Signal(15),
        "terminated",
        "Stopped by SIGTERM or SIGHUP; nothing new was begun, what was done is recorded",
    ),
];
