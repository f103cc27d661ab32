//! Where a PostgreSQL server is and how it is reached: an URL, understood, that is never shown with its password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The schema when the URL names none.
const SCHEMA: &str = "sloth_runner";
/// The port when the URL names none.
const PORT: u16 = 5432;
/// Where servers put their sockets.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A text that shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: for sockets and for this host itself.
    Off,
    /// Encrypted, and the server proves that it is the host of this name.
    Verified,
}

/// One place where the server may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or address, and a port.
    Network(String, u16),
    /// A directory with a socket in it, and the port that is a part of the socket's name.
    Socket(PathBuf, u16),
}

/// A schema in a database of a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Tried in this order; of several, the first that accepts writes is taken.
    pub hosts: Vec<Host>,
    /// Whoever runs the program when it is not said.
    pub user: Option<String>,
    /// Where the server asks for one.
    pub password: Option<Secret>,
    /// Named like the user when it is not said.
    pub database: Option<String>,
    /// The schema that holds the tables.
    pub schema: String,
    /// How connections are protected.
    pub tls: Tls,
    /// Certificates of those who vouch for the server; those the system trusts when there is no such file.
    pub root_certificates: Option<PathBuf>,
    /// The certificate this program shows, and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// A server that does not answer is given up after this long.
    pub connect_timeout: Duration,
    /// Directory in which this host notes what it has seen acknowledged, to notice when a server lost it. Nothing is noted
    /// without.
    pub marks: Option<PathBuf>,
}

impl ServerAddress {
    /// Reads what follows `postgres://`. Errors complete `the PostgreSQL URL …` and repeat nothing that could be secret.
    pub(crate) fn parse(rest: &str) -> Result<Self, String> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match place.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (place, None),
        };
        // A password may hold any sign but this one, of which the last one counts.
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (mut user, mut password) = (None, None);
        if let Some(login) = login {
            let (name, secret) = match login.split_once(':') {
                Some((name, secret)) => (name, Some(secret)),
                None => (login, None),
            };
            user = given(decoded(name, "user")?);
            password = secret.map(|secret| decoded(secret, "password")).transpose()?.map(Secret::new);
        }
        let mut database = match path {
            Some(path) if path.contains('/') => {
                return Err("has more than a database name as its path".to_owned());
            }
            Some(path) => given(decoded(path, "database name")?),
            None => None,
        };
        let (mut host, mut port, mut schema, mut mode) = (None, None, SCHEMA.to_owned(), None);
        let (mut roots, mut certificate, mut key) = (None, None, None);
        let mut connect_timeout = Duration::from_secs(10);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value, "parameter")?;
            match name {
                "host" => host = given(value),
                "port" => port = Some(port_of(&value)?),
                "user" => user = given(value),
                "password" => password = Some(Secret(value)),
                "dbname" => database = given(value),
                "schema" => schema = schema_of(value)?,
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = given(value).map(PathBuf::from),
                "sslcert" => certificate = given(value).map(PathBuf::from),
                "sslkey" => key = given(value).map(PathBuf::from),
                "connect_timeout" => {
                    let seconds = value.parse().ok().filter(|s| (1..=3600).contains(s));
                    connect_timeout = Duration::from_secs(seconds.ok_or_else(|| {
                        format!(
                            "has `connect_timeout={}`, which is not between 1 and 3600 seconds",
                            plain(&value)
                        )
                    })?);
                }
                other => {
                    return Err(format!(
                        "has the parameter `{}`, which is not known; known are `connect_timeout`, `dbname`, `host`, \
                         `password`, `port`, `schema`, `sslcert`, `sslkey`, `sslmode`, `sslrootcert` and `user`",
                        plain(other)
                    ));
                }
            }
        }
        let hosts = match host {
            Some(host) => hosts_of(&host, port)?,
            None => hosts_of(&decoded(hosts, "host")?, port)?,
        };
        let client_certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("names one of `sslcert` and `sslkey`; they belong together".to_owned()),
        };
        let tls = tls_of(mode.as_deref(), &hosts)?;
        Ok(Self {
            hosts,
            user,
            password,
            database,
            schema,
            tls,
            root_certificates: roots,
            client_certificate,
            connect_timeout,
            marks: None,
        })
    }

    /// The password for this server in the text of a password file: the first line that fits, of
    /// `host:port:database:user:password` with `*` for anything.
    #[must_use]
    pub fn password_in(&self, text: &str, user: &str) -> Option<Secret> {
        let database = self.database.as_deref().unwrap_or(user);
        self.hosts.iter().find_map(|host| {
            let (name, port) = match host {
                Host::Network(name, port) => (name.clone(), port.to_string()),
                Host::Socket(dir, port) => (dir.display().to_string(), port.to_string()),
            };
            let local = matches!(host, Host::Socket(..));
            text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
                let fields = fields(line);
                let [h, p, d, u, password] = fields.as_slice() else { return None };
                let is = |field: &String, wanted: &str| field == "*" || field == wanted;
                let fits = (is(h, &name) || (local && h == "localhost"))
                    && is(p, &port)
                    && is(d, database)
                    && is(u, user);
                fits.then(|| Secret::new(password.clone()))
            })
        })
    }
}

/// The fields of a line of a password file; `\` takes the meaning from the next sign.
fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if out.len() < 5 => out.push(String::new()),
            '\\' => out.last_mut().into_iter().for_each(|field| field.extend(chars.next())),
            c => out.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    out
}

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A word of an URL, fit to be shown on a line.
fn plain(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}

/// Undoes `%2F` and its like.
fn decoded(text: &str, what: &str) -> Result<String, String> {
    let bad = || format!("has a {what} that is not valid: `%` is followed by two hexadecimal digits");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit().ok_or_else(bad)?, digit().ok_or_else(bad)?);
        out.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
    }
    match String::from_utf8(out) {
        Ok(text) if text.contains('\0') => Err(format!("has a zero byte in its {what}")),
        Ok(text) => Ok(text),
        Err(_) => Err(format!("has a {what} that is not UTF-8")),
    }
}

fn port_of(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| format!("has the port `{}`, which is not between 1 and 65535", plain(text)))
}

fn schema_of(name: String) -> Result<String, String> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.len() <= 63
        && !name.starts_with("pg_");
    if fits {
        return Ok(name);
    }
    Err(format!(
        "has the schema `{}`; a schema is named with small letters, digits and `_`, and not `pg_…`",
        plain(&name)
    ))
}

/// A list of hosts, separated by commas.
fn hosts_of(text: &str, port: Option<u16>) -> Result<Vec<Host>, String> {
    let port = port.unwrap_or(PORT);
    if text.is_empty() {
        let name = format!(".s.PGSQL.{port}");
        let there = SOCKETS.iter().find(|dir| std::path::Path::new(dir).join(&name).exists());
        return Ok(vec![Host::Socket(PathBuf::from(there.unwrap_or(&SOCKETS[0])), port)]);
    }
    text.split(',').map(|one| host_of(one, port)).collect()
}

fn host_of(text: &str, port: u16) -> Result<Host, String> {
    if text.starts_with('/') {
        return Ok(Host::Socket(PathBuf::from(text), port));
    }
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, "")) => (name, port),
            Some((name, after)) => (name, port_of(after.strip_prefix(':').unwrap_or(after))?),
            None => return Err("has a host with `[` and without `]`".to_owned()),
        },
        None => match text.rsplit_once(':') {
            Some((name, after)) => (name, port_of(after)?),
            None => (text, port),
        },
    };
    let fits = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-._:%".contains(c));
    if fits {
        Ok(Host::Network(name.to_owned(), port))
    } else {
        Err("has a host that is no name and no address".to_owned())
    }
}

/// Does this name stand for this host itself?
fn is_here(name: &str) -> bool {
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls_of(mode: Option<&str>, hosts: &[Host]) -> Result<Tls, String> {
    let sockets = hosts.iter().all(|host| matches!(host, Host::Socket(..)));
    let here = hosts.iter().all(|host| match host {
        Host::Socket(..) => true,
        Host::Network(name, _) => is_here(name),
    });
    match mode {
        None if sockets => Ok(Tls::Off),
        None | Some("verify-full") => Ok(Tls::Verified),
        Some("disable" | "allow" | "prefer") if here => Ok(Tls::Off),
        Some("require" | "verify-ca") if sockets => Ok(Tls::Off),
        Some("disable") => Err(
            "has `sslmode=disable`, and the password and everything stored would cross the network in the clear; \
             leave it out, or name the server's authority with `sslrootcert=FILE`"
                .to_owned(),
        ),
        Some(mode @ ("allow" | "prefer" | "require" | "verify-ca")) => Err(format!(
            "has `sslmode={mode}`, with which anybody between here and there can pose as the server; leave it out, or \
             name the server's authority with `sslrootcert=FILE`"
        )),
        Some(other) => {
            Err(format!("has `sslmode={}`, which is not known; known are `verify-full` and `disable`", plain(other)))
        }
    }
}

/// The URL without its password.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encoded(user))?;
        }
        let mut sockets = Vec::new();
        let mut first = true;
        for host in &self.hosts {
            match host {
                Host::Network(name, port) => {
                    let (open, close) = if name.contains(':') { ("[", "]") } else { ("", "") };
                    write!(f, "{}{open}{name}{close}", if std::mem::take(&mut first) { "" } else { "," })?;
                    if *port != PORT {
                        write!(f, ":{port}")?;
                    }
                }
                Host::Socket(dir, port) => sockets.push((dir, *port)),
            }
        }
        write!(f, "/{}", encoded(self.database.as_deref().unwrap_or_default()))?;
        let mut mark = '?';
        let mut put = |f: &mut fmt::Formatter<'_>, name: &str, value: &str| {
            write!(f, "{}{name}={value}", std::mem::replace(&mut mark, '&'))
        };
        for (dir, port) in sockets {
            if !SOCKETS.iter().any(|known| std::path::Path::new(known) == dir) {
                put(f, "host", &dir.display().to_string())?;
            }
            if port != PORT {
                put(f, "port", &port.to_string())?;
            }
        }
        if self.schema != SCHEMA {
            put(f, "schema", &self.schema)?;
        }
        Ok(())
    }
}

fn encoded(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ServerAddress {
        ServerAddress::parse(text).unwrap()
    }

    #[test]
    fn an_url_is_taken_apart() {
        let server = parse(
            "deploy:p%40ss@db.example.com:5433/ops?schema=sloth&sslrootcert=/etc/ca.pem&connect_timeout=3",
        );
        assert_eq!(server.hosts, [Host::Network("db.example.com".to_owned(), 5433)]);
        assert_eq!(server.user.as_deref(), Some("deploy"));
        assert_eq!(server.password.as_ref().map(Secret::reveal), Some("p@ss"));
        assert_eq!((server.database.as_deref(), server.schema.as_str()), (Some("ops"), "sloth"));
        assert_eq!((server.tls, server.connect_timeout), (Tls::Verified, Duration::from_secs(3)));
        assert_eq!(server.root_certificates, Some(PathBuf::from("/etc/ca.pem")));
        assert_eq!(server.to_string(), "postgres://deploy@db.example.com:5433/ops?schema=sloth");
        assert!(!format!("{server:?}").contains("p@ss"));

        let server = parse("/ops?host=/run/pg&port=6000");
        assert_eq!(server.hosts, [Host::Socket(PathBuf::from("/run/pg"), 6000)]);
        assert_eq!((server.tls, server.schema.as_str()), (Tls::Off, SCHEMA));
        assert_eq!(server.to_string(), "postgres:///ops?host=/run/pg&port=6000");

        let server = parse("%2Frun%2Fpg/ops");
        assert_eq!(server.hosts, [Host::Socket(PathBuf::from("/run/pg"), 5432)]);
        let server = parse("[::1]:99,a.example/ops");
        assert_eq!(
            server.hosts,
            [Host::Network("::1".to_owned(), 99), Host::Network("a.example".to_owned(), 5432)]
        );
        assert_eq!(server.to_string(), "postgres://[::1]:99,a.example/ops");
        assert_eq!(parse("u:a@b:c@h/db").password, Some(Secret::new("a@b:c")));
        assert_eq!(parse(&parse("a%2Fb@h/d%20b").to_string()["postgres://".len()..]), parse("a%2Fb@h/d%20b"));
    }

    #[test]
    fn what_could_be_read_or_forged_on_the_way_is_refused() {
        for mode in ["disable", "allow", "prefer", "require", "verify-ca", "maybe"] {
            let why =
                ServerAddress::parse(&format!("u:secret@db.example.com/ops?sslmode={mode}")).unwrap_err();
            assert!(why.contains(&format!("`sslmode={mode}`")) && !why.contains("secret"), "{why}");
        }
        assert_eq!(parse("localhost/ops?sslmode=disable").tls, Tls::Off);
        assert!(ServerAddress::parse("localhost/ops?sslmode=require").is_err());
        assert_eq!(parse("127.0.0.1/ops").tls, Tls::Verified);
        assert!(ServerAddress::parse("localhost,db.example.com/ops?sslmode=disable").is_err());
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for bad in [
            "u:secret@h:0/db",
            "u:secret@h:x/db",
            "u:secret@h/db/more",
            "u:secret@h/db?schema=Robert'); DROP",
            "u:secret@h/db?schema=pg_x",
            "u:secret@h/db?sslkey=/k",
            "u:secret@h/db?colour=red",
            "u:secret@h/db?connect_timeout=0",
            "u:secret%zz@h/db",
            "u:secret%00@h/db",
            "u:secret@[::1/db",
            "u:secret@a b/db",
        ] {
            let why = ServerAddress::parse(bad).expect_err(bad);
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn the_password_file_is_read_like_everybody_reads_it() {
        let text =
            "# a comment\nother:*:*:*:no\ndb.example.com:5432:ops:deploy:p\\:a\\\\ss:w\n*:*:*:*:last\n";
        let of = |url: &str, user: &str| parse(url).password_in(text, user).map(|s| s.reveal().to_owned());
        assert_eq!(of("db.example.com/ops", "deploy").as_deref(), Some("p:a\\ss:w"));
        assert_eq!(of("db.example.com/ops", "somebody").as_deref(), Some("last"));
        assert_eq!(parse("h/db").password_in("localhost:*:*:*:x", "u"), None);
        assert!(parse("/db?host=/run/pg").password_in("localhost:*:*:*:x", "u").is_some());
    }
}
