//! What is asked of a host and of the network around it: facts, requests of HTTP, connections, names. It is carried out
//! where commands are, as a [`Command`](crate::command::Command) with an [`Errand`], so that it is planned, journalled and
//! delegated like one.

use std::time::Duration;

/// Something to do besides starting programs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// Say what the host knows of itself; the output is JSON.
    Facts {
        /// Of what: `os`, `memory`, `package`, …
        topic: String,
        /// Of which one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
    },
    /// Send a request; the output is an [`Answer`] as JSON.
    Http(Request),
    /// Open a TCP connection and close it again.
    Connect {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Look a name up; the output is one address per line.
    Resolve {
        /// Name.
        name: String,
    },
}

/// A request of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where to, with its scheme.
    pub url: String,
    /// Names and values, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Content, one character per byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How many redirects are followed. With 0 they are answers like any other.
    pub redirects: u32,
    /// Longest content of an answer, in bytes. More is an error.
    pub most: u64,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Names in lower case and values, in order.
    pub headers: Vec<(String, String)>,
    /// Content, one character per byte.
    pub body: String,
}

/// How long a request may take when nobody says anything.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest content of an answer when nobody says anything, in bytes.
pub const MOST: u64 = 16 << 20;

/// Bytes as a text of one character per byte, which any JSON can carry.
#[must_use]
pub fn text_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// The bytes of such a text. Characters that stand for no byte are left out.
#[must_use]
pub fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes_of(&text_of(&all)), all);
    }
}
