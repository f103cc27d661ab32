//! `authorized_keys`, in the format of sshd(8), read the way `sshd` reads it.
//!
//! A line is a key when it is one to `sshd`: perhaps options, then a type, then a blob that begins with the name of that
//! type. Everything else (comments, blank lines, damage, bytes that are no text) is not, and is nobody's business here.

use base64::Engine as _;
use base64::engine::{
    DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD_NO_PAD,
};
use sha2::{Digest as _, Sha256};

/// Takes blobs with and without padding, as `sshd` does.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Name of its type, such as `ssh-ed25519`.
    pub sort: String,
    /// The key itself.
    pub blob: Vec<u8>,
}

impl Key {
    /// Type and blob, as they are written.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.sort, base64::engine::general_purpose::STANDARD.encode(&self.blob))
    }
    /// How `ssh-keygen -lf` calls it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
    /// Reads a type and a blob, and returns what is behind them.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let (sort, rest) = word(text);
        let (blob, rest) = word(skip(rest));
        let sort = std::str::from_utf8(sort).ok().filter(|sort| is_sort(sort))?;
        let blob = LENIENT.decode(blob.strip_suffix(b"\r").unwrap_or(blob)).ok()?;
        let length = u32::from_be_bytes(*blob.first_chunk()?);
        let name = blob.get(4..4 + usize::try_from(length).ok()?)?;
        // What is behind the name is the key.
        let whole = name == sort.as_bytes() && blob.len() > 8 + name.len();
        whole.then(|| (Self { sort: sort.to_owned(), blob }, rest))
    }
}

/// A line that is a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'l> {
    /// What it may be used for.
    pub options: Option<&'l [u8]>,
    /// The key.
    pub key: Key,
    /// What is behind it.
    pub comment: Option<&'l [u8]>,
}

impl<'l> Entry<'l> {
    /// Reads a line; `None` when it is no key.
    #[must_use]
    pub fn read(line: &'l [u8]) -> Option<Self> {
        let line = skip(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() || line.starts_with(b"#") || line.contains(&0) {
            return None;
        }
        let (options, (key, rest)) = match Key::read(line) {
            Some(found) => (None, found),
            None => {
                let end = options_end(line);
                (Some(&line[..end]), Key::read(skip(&line[end..]))?)
            }
        };
        let comment = skip(rest).trim_ascii_end();
        Some(Self { options, key, comment: (!comment.is_empty()).then_some(comment) })
    }
}

/// Can these be options of a key? Blanks only between quotes, and every quote closed.
#[must_use]
pub fn is_options(text: &str) -> bool {
    let quotes = text.replace("\\\"", "");
    let control = text.chars().any(|c| c.is_control() && c != '\t');
    !text.is_empty()
        && !text.starts_with('#')
        && !control
        && options_end(text.as_bytes()) == text.len()
        && quotes.matches('"').count().is_multiple_of(2)
        && Entry::read(text.as_bytes()).is_none()
}

/// Is it a fingerprint as [`Key::fingerprint`] writes one?
#[must_use]
pub fn is_fingerprint(text: &str) -> bool {
    let digest = text.strip_prefix("SHA256:").and_then(|digest| STANDARD_NO_PAD.decode(digest).ok());
    digest.is_some_and(|digest| digest.len() == 32)
}

/// The first blank outside of quotes.
fn options_end(line: &[u8]) -> usize {
    let (mut at, mut quoted) = (0, false);
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' if line.get(at + 1) == Some(&b'"') => at += 1,
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted => break,
            _ => {}
        }
        at += 1;
    }
    at
}

fn is_sort(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'@' | b'.' | b'_'))
}
fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
fn skip(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| blank(**b)).count()..]
}
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|b| !blank(**b)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+t3";

    fn read(line: &str) -> Option<(Option<&str>, Option<&str>)> {
        let text =
            |part: Option<&[u8]>| part.map(|p| std::str::from_utf8(p).unwrap().to_owned().leak() as &str);
        let entry = Entry::read(line.as_bytes())?;
        assert_eq!(entry.key.text(), KEY);
        Some((text(entry.options), text(entry.comment)))
    }

    #[test]
    fn lines_are_taken_apart() {
        let with = |before: &str, after: &str| format!("{before}{KEY}{after}");
        for (line, options, comment) in [
            (with("", ""), None, None),
            (with("", " a@b"), None, Some("a@b")),
            (with(" \t", "\ttwo  words \r"), None, Some("two  words")),
            (with("", "\r"), None, None),
            (with("restrict ", " c"), Some("restrict"), Some("c")),
            (with(r#"command="a \"b\", c",no-pty   "#, ""), Some(r#"command="a \"b\", c",no-pty"#), None),
            (
                with(r#"from="10.0.0.0/8,!10.1.*" "#, " # x"),
                Some(r#"from="10.0.0.0/8,!10.1.*""#),
                Some("# x"),
            ),
            (
                with(r#"cert-authority,principals="a b" "#, ""),
                Some(r#"cert-authority,principals="a b""#),
                None,
            ),
            (with(r#"command="ssh-rsa AAAA" "#, ""), Some(r#"command="ssh-rsa AAAA""#), None),
            (with("", &format!(" {KEY}")), None, Some(KEY)),
        ] {
            assert_eq!(read(&line), Some((options, comment)), "{line}");
        }
        for line in [
            String::new(),
            "# a comment".to_owned(),
            with("#", ""),
            with("two words ", ""),
            "ssh-ed25519".to_owned(),
            "ssh-ed25519 AAAA".to_owned(),
            "ssh-ed25519 not*base64".to_owned(),
            KEY.replace("ssh-ed25519 ", "ssh-rsa "),
            with("\"open ", ""),
            with("", "\0"),
            "ssh-rsa AAAAB3...".to_owned(),
        ] {
            assert_eq!(read(&line), None, "{line}");
        }
    }

    #[test]
    fn fingerprints_are_those_of_ssh() {
        // `ssh-keygen -lf` of this key.
        let (key, _) = Key::read(KEY.as_bytes()).unwrap();
        assert_eq!(key.fingerprint(), "SHA256:McwudyGmIjI7XCwlxQojSvCXCFe3CWnwQiePXJvyMUI");
        assert!(is_fingerprint(&key.fingerprint()));
        for bad in ["", "SHA256:", "SHA256:McwudyGm", "MD5:aa:bb", &key.fingerprint()[1..], KEY] {
            assert!(!is_fingerprint(bad), "{bad}");
        }
        let padded =
            format!("{}=", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQiYAFAtYNz0bUuMsN0N2pKc1yvMX0VhOtbz0KBq+s");
        assert!(Key::read(padded.as_bytes()).is_some());
    }

    #[test]
    fn options_have_no_blanks_outside_of_quotes() {
        for good in ["restrict", r#"command="a b",no-pty"#, r#"environment="A=\"b\" c""#, "cert-authority"] {
            assert!(is_options(good), "{good}");
        }
        for bad in ["", "a b", "a\nb", "\"open", "# x", " x", KEY, "a\u{1b}b"] {
            assert!(!is_options(bad), "{bad}");
        }
    }
}
