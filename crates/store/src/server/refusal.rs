//! What a server said no to, or why it could not be asked, in words that hold nothing secret.

/// The server said no, or cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The server's code for it, of five signs; none when it did not come from the server.
    pub code: Option<String>,
    /// Is the connection gone with it?
    lost: bool,
    text: String,
}

/// What a refusal means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Somebody else is in the way for now.
    Busy,
    /// What is stored is not what was written.
    Damaged,
    /// A row contradicts the rules of its table.
    Rule,
    /// The connection, or what is behind it, must not be trusted any more.
    Broken,
    /// The server does not let this user do that.
    Forbidden,
    /// Anything else.
    Other,
}

impl Refusal {
    /// One that this program makes up itself.
    pub fn ours(text: impl Into<String>) -> Self {
        Self { code: None, lost: false, text: text.into() }
    }

    /// Is the connection gone?
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let Some(code) = self.code.as_deref() else {
            return if self.lost { Meaning::Broken } else { Meaning::Other };
        };
        match code {
            // Lock not available, serialization failure, deadlock, took too long, too many connections.
            "55P03" | "40001" | "40P01" | "57014" | "53300" => Meaning::Busy,
            "XX001" | "XX002" => Meaning::Damaged,
            "42501" | "28000" | "28P01" => Meaning::Forbidden,
            code if code.starts_with("23") || code.starts_with("22") => Meaning::Rule,
            code if ["53", "57P", "58", "F0"].iter().any(|class| code.starts_with(class)) => Meaning::Broken,
            _ if self.lost => Meaning::Broken,
            _ => Meaning::Other,
        }
    }
}

impl Refusal {
    /// From the driver's words. Details are left out: they repeat what was stored.
    pub fn of(error: &postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            let code = said.code().code();
            // Shut down by an administrator, crashed, starting; too long idle in a transaction.
            let lost = matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04")
                || code.starts_with("08")
                || said.severity() == "FATAL"
                || said.severity() == "PANIC";
            return Self {
                code: Some(code.to_owned()),
                lost,
                text: format!("the server says: {}", said.message()),
            };
        }
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            let words = next.to_string();
            if !text.contains(&words) {
                text = format!("{text}: {words}");
            }
            cause = next.source();
        }
        let io = std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
        Self { code: None, lost: error.is_closed() || io, text }
    }
}
