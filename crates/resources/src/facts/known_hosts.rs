//! `known_hosts`, in the format of sshd(8): perhaps a marker, the hosts, a key, a comment.
//!
//! A host is looked for as it is written, or as its hash. Patterns (`*`, `?`, `!`) are what they are and match nothing
//! here: who wishes for a host does not wish for a pattern that has it in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};

use super::authorized_keys::Key;

/// How a hashed host begins.
const HASHED: &str = "|1|";

/// A line about hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'l> {
    /// `cert-authority` or `revoked`.
    pub marker: Option<&'l str>,
    /// The hosts, as they are written.
    pub hosts: Vec<&'l str>,
    /// Their key.
    pub key: Key,
}

impl<'l> Entry<'l> {
    /// Reads a line; `None` when it is none.
    #[must_use]
    pub fn read(line: &'l [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") || line.contains(&0) {
            return None;
        }
        let (marker, line) = match line.strip_prefix(b"@") {
            Some(line) => {
                let (word, rest) = word(line);
                (Some(std::str::from_utf8(word).ok()?), rest)
            }
            None => (None, line),
        };
        let (hosts, rest) = word(line);
        let hosts = std::str::from_utf8(hosts).ok()?.split(',').collect();
        Some(Self { marker, hosts, key: Key::read(rest)?.0 })
    }
    /// Is the line about this host, in plain text or hashed?
    #[must_use]
    pub fn is_about(&self, host: &str) -> bool {
        self.hosts.iter().any(|written| is(written, host))
    }
    /// Is the host written as its hash?
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.hosts.iter().any(|written| written.starts_with(HASHED))
    }
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let (word, rest) = text.split_at(text.iter().take_while(|b| !blank(**b)).count());
    (word, &rest[rest.iter().take_while(|b| blank(**b)).count()..])
}

/// Does a host as it is written stand for a host?
fn is(written: &str, host: &str) -> bool {
    match written.strip_prefix(HASHED).and_then(|rest| rest.split_once('|')) {
        Some((salt, hash)) => match (STANDARD.decode(salt), STANDARD.decode(hash)) {
            (Ok(salt), Ok(hash)) => mac(&salt, host).is_some_and(|mac| mac == hash),
            _ => false,
        },
        None => written.eq_ignore_ascii_case(host),
    }
}

fn mac(salt: &[u8], host: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(host.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// A host as `ssh` writes it when it hashes. The salt comes from the key of the host, so that the same wish always leads
/// to the same line, and nobody can have a table for all hosts.
#[must_use]
pub fn hashed(host: &str, key: &Key) -> String {
    let salt = Sha1::new().chain_update(&key.blob).chain_update(b"\0").chain_update(host).finalize();
    let mac = mac(&salt, host).unwrap_or_default();
    format!("{HASHED}{}|{}", STANDARD.encode(salt), STANDARD.encode(mac))
}

/// A line without one of its hosts; `None` when no host is left.
#[must_use]
pub fn without(line: &[u8], host: &str) -> Option<Vec<u8>> {
    let entry = Entry::read(line)?;
    let left: Vec<&str> = entry.hosts.iter().copied().filter(|written| !is(written, host)).collect();
    if left.is_empty() {
        return None;
    }
    let written = entry.hosts.join(",").into_bytes();
    let at = line.windows(written.len()).position(|part| part == written)?;
    Some([&line[..at], left.join(",").as_bytes(), &line[at + written.len()..]].concat())
}

/// How `ssh` calls a host that listens on a port: `host`, or `[host]:2222`.
#[must_use]
pub fn name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t3";

    #[test]
    fn lines_are_taken_apart() {
        let line = format!(" @cert-authority *.example.org,db \t{KEY} ca\r");
        let entry = Entry::read(line.as_bytes()).unwrap();
        assert_eq!(
            (entry.marker, entry.hosts.as_slice()),
            (Some("cert-authority"), &["*.example.org", "db"][..])
        );
        assert!(entry.is_about("DB") && !entry.is_about("x.example.org") && !entry.is_about("d"));
        for bad in
            [format!("# a {KEY}"), KEY.to_owned(), "host".to_owned(), format!("host\0 {KEY}"), String::new()]
        {
            assert_eq!(Entry::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_host_is_found_by_its_hash_alone() {
        let (key, _) = Key::read(KEY.as_bytes()).unwrap();
        let line = format!("{} {KEY}", hashed("[db]:2222", &key));
        let entry = Entry::read(line.as_bytes()).unwrap();
        assert!(entry.is_hashed() && entry.is_about("[db]:2222") && !entry.is_about("db"), "{line}");
    }

    #[test]
    fn one_of_several_hosts_goes() {
        let line = format!("\ta,b,A  {KEY} c\r");
        assert_eq!(without(line.as_bytes(), "a").unwrap(), format!("\tb  {KEY} c\r").into_bytes());
        assert_eq!(without(format!("a {KEY}").as_bytes(), "a"), None);
    }
}
