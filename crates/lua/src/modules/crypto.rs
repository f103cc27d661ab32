//! `crypto`: digests, codes, random values and hashes of passwords.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use mlua::{MultiValue, Value as LuaValue};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Module, maybe_text, text};
use crate::fault::Fault;
use crate::options::Options;
use crate::shared::{Answer, Native};

/// Bytes and characters made at once.
const MOST: usize = 1 << 20;

const PASSWORD: Options =
    Options { function: "crypto.password_hash", names: &[("rounds", &[]), ("salt", &[]), ("scheme", &[])] };

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// An argument as bytes.
fn bytes(args: &MultiValue, at: usize, function: &str, what: &str) -> Result<Vec<u8>, Fault> {
    match args.get(at) {
        Some(LuaValue::String(text)) => Ok(text.as_bytes().to_vec()),
        _ => Ok(text(args, at, function, what)?.into_bytes()),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.trim().chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|d| d.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn digest(name: &str, data: &[u8]) -> Option<Vec<u8>> {
    Some(match name {
        "md5" => Md5::digest(data).to_vec(),
        "sha1" => Sha1::digest(data).to_vec(),
        "sha256" => Sha256::digest(data).to_vec(),
        "sha384" => Sha384::digest(data).to_vec(),
        "sha512" => Sha512::digest(data).to_vec(),
        _ => return None,
    })
}

fn mac(name: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    macro_rules! with {
        ($hash:ty) => {{
            let mut mac = Hmac::<$hash>::new_from_slice(key).ok()?;
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    Some(match name {
        "md5" => with!(Md5),
        "sha1" => with!(Sha1),
        "sha256" => with!(Sha256),
        "sha384" => with!(Sha384),
        "sha512" => with!(Sha512),
        _ => return None,
    })
}

fn no_digest(name: &str) -> Fault {
    Fault::argument(format!("there is no digest `{name}`"))
        .word(name)
        .hint("there are `md5`, `sha1`, `sha256`, `sha384` and `sha512`")
}

fn random(size: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes)
        .map_err(|e| Fault::new("system", format!("the system gave no random bytes: {e}")))?;
    Ok(bytes)
}

fn size(args: &MultiValue, at: usize, function: &str, default: Option<usize>) -> Result<usize, Fault> {
    let wrong = || Fault::argument(format!("`{function}` needs a whole number from 1 to {MOST}"));
    let number = match (super::maybe_number(args, at), default) {
        (Some(number), _) => number,
        (None, Some(default)) if args.get(at).is_none_or(LuaValue::is_nil) => return Ok(default),
        _ => return Err(wrong()),
    };
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let most = MOST as f64;
    if number.fract() != 0.0 || !(1.0..=most).contains(&number) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
    Ok(number as usize)
}

/// Characters of `alphabet`, each as likely as the others.
fn random_text(length: usize, alphabet: &[char]) -> Result<String, Fault> {
    let count = u32::try_from(alphabet.len()).unwrap_or(u32::MAX);
    let fair = u32::MAX - u32::MAX % count;
    let mut out = String::with_capacity(length);
    let mut left = 0;
    let mut pool = Vec::new();
    while left < length {
        if pool.len() < 4 {
            pool = random(((length - left) * 4).clamp(64, 4096))?;
        }
        let at = pool.len() - 4;
        let number = u32::from_le_bytes([pool[at], pool[at + 1], pool[at + 2], pool[at + 3]]);
        pool.truncate(at);
        if number < fair {
            out.push(alphabet[usize::try_from(number % count).unwrap_or(0)]);
            left += 1;
        }
    }
    Ok(out)
}

pub(super) fn fill(crypto: &Module<'_>) -> mlua::Result<()> {
    for (name, title) in [
        ("md5", "crypto.md5"),
        ("sha1", "crypto.sha1"),
        ("sha256", "crypto.sha256"),
        ("sha384", "crypto.sha384"),
        ("sha512", "crypto.sha512"),
    ] {
        crypto.add(&[name], move |lua, _, args| {
            Answer::text(lua, hex(&digest(name, &bytes(&args, 0, title, "the text")?).unwrap_or_default()))
        })?;
    }
    crypto.add(&["hash", "digest"], |lua, _, args| {
        let name = text(&args, 0, "crypto.hash", "the name of a digest")?;
        let data = bytes(&args, 1, "crypto.hash", "the text")?;
        Answer::text(lua, hex(&digest(&name, &data).ok_or_else(|| no_digest(&name))?))
    })?;
    crypto.add(&["hmac"], |lua, _, args| {
        let name = text(&args, 0, "crypto.hmac", "the name of a digest")?;
        let key = bytes(&args, 1, "crypto.hmac", "the key")?;
        let data = bytes(&args, 2, "crypto.hmac", "the text")?;
        Answer::text(lua, hex(&mac(&name, &key, &data).ok_or_else(|| no_digest(&name))?))
    })?;
    crypto.add(&["base64_encode"], |lua, _, args| {
        Answer::text(lua, base64(&bytes(&args, 0, "crypto.base64_encode", "the text")?))
    })?;
    crypto.add(&["base64_decode"], |lua, _, args| {
        let text = text(&args, 0, "crypto.base64_decode", "the text")?;
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
        let engine = if text.contains(['-', '_']) { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
        Answer::text(lua, engine.decode(text).map_err(|_| Fault::new("data", "not base64"))?)
    })?;
    crypto.add(&["hex_encode"], |lua, _, args| {
        Answer::text(lua, hex(&bytes(&args, 0, "crypto.hex_encode", "the text")?))
    })?;
    crypto.add(&["hex_decode"], |lua, _, args| {
        let text = text(&args, 0, "crypto.hex_decode", "the text")?;
        Answer::text(lua, unhex(&text).ok_or_else(|| Fault::new("data", "not hexadecimal digits"))?)
    })?;
    // As the original has it: hexadecimal digits of so many bytes.
    crypto.add(&["random_bytes"], |lua, _, args| {
        Answer::text(lua, hex(&random(size(&args, 0, "crypto.random_bytes", None)?)?))
    })?;
    crypto.add(&["random_string", "random"], |lua, _, args| {
        let length = size(&args, 0, "crypto.random_string", Some(32))?;
        let alphabet = maybe_text(&args, 1)
            .unwrap_or_else(|| "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".to_owned());
        let alphabet: Vec<char> = alphabet.chars().collect();
        if alphabet.is_empty() {
            return Err(Fault::argument("`crypto.random_string` needs characters to choose from"));
        }
        Answer::text(lua, random_text(length, &alphabet)?)
    })?;
    crypto.add(&["uuid"], |lua, _, _| {
        let mut b = random(16)?;
        b[6] = b[6] & 0x0f | 0x40;
        b[8] = b[8] & 0x3f | 0x80;
        let h = hex(&b);
        Answer::text(lua, format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]))
    })?;
    crypto.add(&["equal", "constant_time_equal"], |_, _, args| {
        let a = bytes(&args, 0, "crypto.equal", "the first text")?;
        let b = bytes(&args, 1, "crypto.equal", "the second text")?;
        Answer::flag(a.len() == b.len() && a.iter().zip(&b).fold(0, |all, (x, y)| all | (x ^ y)) == 0)
    })?;
    crypto.add(&["password_hash"], |lua, shared, args| {
        let password = bytes(&args, 0, "crypto.password_hash", "the password")?;
        let options = match args.get(1) {
            None | Some(LuaValue::Nil) => crate::options::Taken::default(),
            Some(LuaValue::Table(table)) => PASSWORD.take(lua, shared, table)?,
            Some(_) => return Err(Fault::argument("`crypto.password_hash` takes a password and a table")),
        };
        password_hash(lua, &password, &options)
    })?;
    crypto.add(&["password_verify", "password_check"], |_, _, args| {
        let password = bytes(&args, 0, "crypto.password_verify", "the password")?;
        let hash = text(&args, 1, "crypto.password_verify", "the hash")?;
        let Some(settings) = hash.strip_prefix("$6$") else {
            return Err(Fault::argument("`crypto.password_verify` knows hashes that begin with `$6$` only"));
        };
        let (rounds, rest) = match settings.strip_prefix("rounds=").and_then(|r| r.split_once('$')) {
            Some((rounds, rest)) => (rounds.parse::<u32>().ok(), rest),
            None => (None, settings),
        };
        let salt = rest.split('$').next().unwrap_or_default();
        Answer::flag(sha512_crypt(&password, salt.as_bytes(), rounds) == hash)
    })
}

fn password_hash(lua: &mlua::Lua, password: &[u8], options: &crate::options::Taken) -> Native {
    if let Some(scheme) = options.text("scheme")?
        && !matches!(scheme.as_str(), "sha512" | "sha512crypt")
    {
        return Err(Fault::argument(format!("there is no scheme `{scheme}` for passwords"))
            .word(scheme)
            .hint("there is `sha512`, which every crypt(3) knows"));
    }
    if password.contains(&0) {
        return Err(Fault::argument("a password cannot have a NUL in it"));
    }
    let salt = match options.text("salt")? {
        Some(salt) => salt,
        None => random_text(16, &SALT.iter().map(|b| char::from(*b)).collect::<Vec<_>>())?,
    };
    if salt.is_empty() || salt.len() > 16 || !salt.bytes().all(|b| SALT.contains(&b)) {
        return Err(Fault::argument("`salt` must be 1 to 16 letters, digits, dots and slashes").word("salt"));
    }
    let rounds = options.count("rounds", 999_999_999)?;
    if rounds.is_some_and(|r| !(1000..=1_000_000).contains(&r)) {
        return Err(Fault::argument("`rounds` must be from 1000 to 1000000").word("rounds"));
    }
    Answer::text(lua, sha512_crypt(password, salt.as_bytes(), rounds))
}

/// The alphabet of crypt(3).
const SALT: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `$6$` of crypt(5), after Ulrich Drepper's specification (version 0.6 of 2008, in the public domain).
fn sha512_crypt(password: &[u8], salt: &[u8], rounds: Option<u32>) -> String {
    let salt = &salt[..salt.len().min(16)];
    let count = rounds.unwrap_or(5000).clamp(1000, 999_999_999);
    let of = |parts: &[&[u8]]| {
        let mut hash = Sha512::new();
        for part in parts {
            hash.update(part);
        }
        hash.finalize()
    };
    // A digest, repeated and cut to a length.
    let stretched =
        |digest: &[u8], length: usize| digest.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let b = of(&[password, salt, password]);
    let mut a = Sha512::new();
    a.update(password);
    a.update(salt);
    a.update(stretched(&b, password.len()));
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            a.update(b);
        } else {
            a.update(password);
        }
        bits >>= 1;
    }
    let a = a.finalize();
    let mut dp = Sha512::new();
    for _ in 0..password.len() {
        dp.update(password);
    }
    let p = stretched(&dp.finalize(), password.len());
    let mut ds = Sha512::new();
    for _ in 0..16 + usize::from(a[0]) {
        ds.update(salt);
    }
    let s = stretched(&ds.finalize(), salt.len());
    let mut c = a;
    for round in 0..count {
        let mut hash = Sha512::new();
        if round % 2 == 1 {
            hash.update(&p);
        } else {
            hash.update(c);
        }
        if round % 3 != 0 {
            hash.update(&s);
        }
        if round % 7 != 0 {
            hash.update(&p);
        }
        if round % 2 == 1 {
            hash.update(c);
        } else {
            hash.update(&p);
        }
        c = hash.finalize();
    }
    let mut out = String::from("$6$");
    if rounds.is_some() {
        out.push_str(&format!("rounds={count}$"));
    }
    out.push_str(&String::from_utf8_lossy(salt));
    out.push('$');
    let mut push = |bytes: u32, digits: u32| {
        for i in 0..digits {
            let at = usize::try_from(bytes >> (6 * i) & 63).unwrap_or(0);
            out.push(char::from(SALT[at]));
        }
    };
    // Three bytes at a time, in an order of the specification's own.
    let (mut x, mut y, mut z) = (0, 21, 42);
    for _ in 0..21 {
        push(u32::from(c[x]) << 16 | u32::from(c[y]) << 8 | u32::from(c[z]), 4);
        (x, y, z) = (y + 1, z + 1, x + 1);
    }
    push(u32::from(c[63]), 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the specification.
    #[test]
    fn passwords_are_hashed_as_crypt_does() {
        for (salt, rounds, password, hash) in [
            (
                "saltstring",
                None,
                "Hello world!",
                "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            ),
            (
                "saltstringsaltstring",
                Some(10000),
                "Hello world!",
                "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            ),
            (
                "toolongsaltstring",
                Some(5000),
                "This is just a test",
                "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
            ),
            (
                "roundstoolow",
                Some(10),
                "the minimum number is still observed",
                "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
            ),
        ] {
            assert_eq!(sha512_crypt(password.as_bytes(), salt.as_bytes(), rounds), hash, "{password}");
        }
    }

    #[test]
    fn digests_and_codes() {
        assert_eq!(hex(&digest("md5", b"").unwrap()), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&digest("sha1", b"abc").unwrap()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        // RFC 4231, case 2.
        let mac = mac("sha512", b"Jefe", b"what do ya want for nothing?").unwrap();
        assert!(hex(&mac).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
        assert!(digest("crc32", b"").is_none());
        assert_eq!(unhex("00ff").unwrap(), [0, 255]);
        assert!(unhex("0").is_none() && unhex("zz").is_none());
        let text = random_text(500, &['a', 'b', 'c']).unwrap();
        assert!(text.len() == 500 && ['a', 'b', 'c'].iter().all(|c| text.contains(*c)));
    }
}
