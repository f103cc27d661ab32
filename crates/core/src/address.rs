//! How a resource is named: `file:/etc/motd`, `web1/package:nginx`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// The host that is the controller itself.
pub const LOCAL: &str = "local";

/// A host's name in this project; `local` is the machine the program runs on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct HostName(Arc<str>);

impl HostName {
    /// A host name; letters, digits, `.`, `_`, `-` and `:` (for `host:port`) are usual.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
    /// The controller itself.
    #[must_use]
    pub fn local() -> Self {
        // There are as many of them as resources.
        static NAME: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| Arc::from(LOCAL));
        Self(Arc::clone(&NAME))
    }
    /// Is it the controller itself?
    #[must_use]
    pub fn is_local(&self) -> bool {
        &*self.0 == LOCAL
    }
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one resource inside a stack: host, type and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    host: HostName,
    kind: Arc<str>,
    id: Arc<str>,
}

impl Address {
    /// An address on a host.
    #[must_use]
    pub fn new(host: HostName, kind: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self { host, kind: kind.into(), id: id.into() }
    }
    /// An address on the controller itself.
    #[must_use]
    pub fn local(kind: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self::new(HostName::local(), kind, id)
    }
    /// Where it lives.
    #[must_use]
    pub const fn host(&self) -> &HostName {
        &self.host
    }
    /// The resource type, such as `file`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
    /// The id inside the type, such as a path.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The id tells nearly all addresses of a host apart; a run looks one up several times for each resource.
impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
        if !self.host.is_local() {
            self.host.hash(state);
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.is_local() {
            write!(f, "{}/", self.host)?;
        }
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// Text that is not `[host/]type:id`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a resource address; expected `type:id` or `host/type:id`, for example `file:/etc/motd`"
)]
pub struct NotAnAddress(pub String);

impl FromStr for Address {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let bad = || NotAnAddress(text.to_owned());
        let slash = text.find('/');
        let colon = text.find(':').ok_or_else(bad)?;
        let (host, rest) = match slash {
            Some(at) if at < colon => (HostName::new(&text[..at]), &text[at + 1..]),
            Some(at) if text[..at].contains(':') && is_host_port(&text[..at]) => {
                (HostName::new(&text[..at]), &text[at + 1..])
            }
            _ => (HostName::local(), text),
        };
        let (kind, id) = rest.split_once(':').ok_or_else(bad)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        if kind.is_empty() || id.is_empty() || host.as_str().is_empty() || !kind.chars().all(plain) {
            return Err(bad());
        }
        Ok(Self::new(host, kind, id))
    }
}

/// `10.0.0.1:22` and `[::1]:22` are a host with a port; `file:` followed by a path is not, nor is `x:["a:80`.
fn is_host_port(text: &str) -> bool {
    let plain = |host: &str| host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host_fits = match bracketed {
            Some(inner) => inner.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.')),
            None => plain(host),
        };
        !host.is_empty() && host_fits && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
    })
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_and_parse() {
        for text in [
            "file:/etc/motd",
            "web1/package:nginx",
            "line:/etc/hosts#^a:b/c$",
            "data:r00001",
            "10.0.0.1:2222/file:/a",
            "[::1]:22/file:/a",
            "aws_instance:aws_instance.web[\"a:80/b\"]",
            "file:a:80/b",
        ] {
            let parsed: Address = text.parse().unwrap();
            assert_eq!(parsed.to_string(), text);
        }
        let host = |text: &str| text.parse::<Address>().unwrap().host().as_str().to_owned();
        assert_eq!(host("10.0.0.1:2222/file:/a"), "10.0.0.1:2222");
        assert_eq!(host("[::1]:22/file:/a"), "[::1]:22");
        assert_eq!(host("aws_instance:aws_instance.web[\"a:80/b\"]"), LOCAL);
        for bad in ["", "nothing", ":x", "file:", "/file:x", "a b:c"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
