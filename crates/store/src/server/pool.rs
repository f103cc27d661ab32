//! The connections to one server: how they are made, what has to be so on every one of them, and how a transaction ends
//! when the way to the server is cut in the middle of it.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use postgres::config::{SslMode, TargetSessionAttrs};
use postgres::{Config, NoTls};
use sloth_core::store::{StoreError, Wait};

use super::link::Link;
use super::refusal::{Meaning, Refusal};
use super::tls;
use crate::address::{Host, ServerAddress, Tls};
use crate::failure::{Failure, Outcome};
use crate::sql::{self, Error};
use crate::{mark, schema};

/// The oldest server that can say what became of a transaction and whose dumps are still mended.
const OLDEST: i64 = 130_000;
/// So many connections nobody uses are kept.
const IDLE: usize = 4;
/// A server that restarts is waited for this long, if nothing was asked of it yet.
const RESTART: Duration = Duration::from_secs(20);
/// What became of a commit is asked for this long.
const UNCLEAR: Duration = Duration::from_secs(30);
/// A transaction whose connection is gone is ended by force after this long.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);

/// What a server says about itself on the first connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Such as `150018`.
    pub version: i64,
    /// As its users write it.
    pub version_text: String,
    /// Is it a copy that follows another server?
    pub follows: bool,
    /// Settings that decide what a commit is worth.
    pub settings: Vec<(&'static str, String)>,
    /// Are the tables there?
    pub made: bool,
}

/// The connections to one server.
pub struct Pool {
    address: ServerAddress,
    config: Config,
    /// How the URL is shown.
    pub location: String,
    idle: Mutex<Vec<Link>>,
    /// The name of the database in the directory of marks, once it is known.
    marks: OnceLock<std::path::PathBuf>,
}

/// Settings of every connection. Times are those of UTC, and names are looked up in our schema only.
fn session(schema: &str) -> String {
    format!(
        "SET search_path = pg_catalog, {schema}, pg_temp; SET TimeZone = 'UTC'; SET statement_timeout = '60s'; \
         SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '10min'; \
         SET client_min_messages = error; SET standard_conforming_strings = on; SET bytea_output = 'hex'; "
    )
}

/// Settings a server has to have, and why.
const REQUIRED: [(&str, &str); 2] =
    [("fsync", "a power cut would damage everything"), ("full_page_writes", "a power cut could tear pages")];

impl Pool {
    /// Prepares to connect; nothing is asked yet.
    pub fn new(address: ServerAddress) -> Self {
        let mut config = Config::new();
        for host in &address.hosts {
            match host {
                Host::Network(name, port) => config.host(name).port(*port),
                Host::Socket(dir, port) => config.host_path(dir).port(*port),
            };
        }
        if let Some(user) = &address.user {
            config.user(user);
        }
        if let Some(password) = &address.password {
            config.password(password.reveal());
        }
        if let Some(database) = &address.database {
            config.dbname(database);
        }
        if address.hosts.len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        config
            .application_name(concat!("sloth-runner ", env!("CARGO_PKG_VERSION")))
            .connect_timeout(address.connect_timeout)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(30))
            .keepalives_interval(Duration::from_secs(10))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(20))
            .ssl_mode(if address.tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        let location = address.to_string();
        Self { address, config, location, idle: Mutex::default(), marks: OnceLock::new() }
    }

    /// The schema our tables are in.
    pub fn schema(&self) -> &str {
        &self.address.schema
    }

    /// The server and how it is reached.
    pub const fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// `<directory of marks>/<lineage>`, if marks are kept.
    pub fn marks(&self) -> Option<&std::path::Path> {
        self.marks.get().map(std::path::PathBuf::as_path)
    }

    /// The same for a database of another name.
    pub fn marks_of(&self, lineage: &str) -> Option<std::path::PathBuf> {
        self.address.marks.as_ref().map(|dir| dir.join(lineage))
    }

    /// Says which database this is.
    pub fn is_called(&self, lineage: &str) -> Outcome<()> {
        // The name becomes that of a file, and a server may say anything.
        let fits = lineage.len() == 32 && lineage.bytes().all(|b| b.is_ascii_hexdigit());
        if !fits {
            return Err(Failure::bad("the name of the database is not one that this program gives"));
        }
        if let Some(dir) = &self.address.marks {
            crate::files::make_private_dirs(dir)?;
            let _ = self.marks.set(dir.join(lineage));
        }
        Ok(())
    }

    fn refused(&self, why: impl Into<String>) -> Failure {
        StoreError::Refused { location: self.location.clone(), why: why.into() }.into()
    }

    fn connect(&self) -> Outcome<postgres::Client> {
        let made = match self.address.tls {
            Tls::Off => self.config.connect(NoTls),
            Tls::Verified => {
                let connector = tls::connector(&self.address).map_err(|why| self.refused(why))?;
                self.config.connect(connector)
            }
        };
        made.map_err(|error| self.unreachable(&error))
    }

    /// Says what is in the way, and never a password.
    fn unreachable(&self, error: &postgres::Error) -> Failure {
        let refusal = Refusal::of(error);
        let text = refusal.to_string();
        match (refusal.meaning(), refusal.code.as_deref()) {
            (_, Some("57P03")) => Failure::Sql(Error::Server(Box::new(refusal))),
            (Meaning::Busy, _) => StoreError::Busy { location: self.location.clone(), why: text }.into(),
            (Meaning::Forbidden, _) | (_, Some("3D000")) => self.refused(text),
            _ if text.contains("password missing") => self.refused(
                "the server asks for a password; put it into `PGPASSWORD`, a password file or the URL",
            ),
            _ => StoreError::Io {
                location: self.location.clone(),
                why: format!("the server cannot be reached: {text}"),
            }
            .into(),
        }
    }

    /// A connection, with the settings without which one is a bug, and what the server says about itself.
    pub fn open(&self) -> Outcome<(Link, Greeting)> {
        let mut client = self.connect()?;
        let schema = self.schema();
        let sql = format!(
            "{}SELECT current_setting('server_version_num'), current_setting('server_version'), pg_is_in_recovery()::int, \
             current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), \
             current_setting('server_encoding'), pg_backend_pid(), \
             (to_regclass('{schema}.meta') IS NOT NULL)::int",
            session(schema)
        );
        let answer = client.simple_query(&sql).map_err(|error| self.unreachable(&error))?;
        let row = answer.iter().find_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let field = |at: usize| row.and_then(|row| row.get(at)).unwrap_or_default().to_owned();
        let version: i64 = field(0).parse().unwrap_or(0);
        if version < OLDEST {
            return Err(self.refused(format!(
                "the server is PostgreSQL {}, and {} or newer is needed",
                field(1),
                OLDEST / 10_000
            )));
        }
        for (at, (name, why)) in (3..).zip(REQUIRED) {
            if field(at) != "on" {
                return Err(self.refused(format!(
                    "the server runs with `{name} = {}`, with which {why}; switch it on",
                    field(at)
                )));
            }
        }
        if field(6) != "UTF8" {
            return Err(
                self.refused(format!("the database has the encoding {}, and UTF8 is needed", field(6)))
            );
        }
        // A user may have switched it off for everything; what we acknowledge is on the disk.
        let durable = match field(5).as_str() {
            "off" => "on".to_owned(),
            other => other.to_owned(),
        };
        let greeting = Greeting {
            version,
            version_text: field(1),
            follows: field(2) == "1",
            settings: vec![
                ("fsync", field(3)),
                ("full_page_writes", field(4)),
                ("synchronous_commit", durable.clone()),
                ("server_encoding", field(6)),
            ],
            made: field(8) == "1",
        };
        Ok((Link::new(client, &durable, field(7).parse().unwrap_or(0)), greeting))
    }

    fn idle(&self) -> Option<Link> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|link| !link.is_lost())
    }

    /// Says goodbye on every connection nobody uses.
    pub fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Makes something of a connection, of which nothing was asked yet: an idle one that turns out to be lost is replaced by
    /// another, and a server that restarts is waited for.
    pub fn with<T>(&self, mut make: impl FnMut(&Link) -> Outcome<T>) -> Outcome<(Link, T)> {
        let end = Instant::now() + RESTART;
        let mut again = false;
        loop {
            let (link, kept) = match self.idle() {
                Some(link) => (Ok(link), true),
                None => (self.open().map(|(link, _)| link), false),
            };
            let done = link.and_then(|link| make(&link).map(|made| (link, made)));
            match done {
                Err(failure) if failure.is_lost() || (again && failure.is_unreachable()) => {
                    // The others were made with it.
                    self.forget();
                    if Instant::now() >= end {
                        return Err(failure);
                    }
                    again = true;
                    if !kept {
                        std::thread::sleep(PAUSE);
                    }
                }
                done => return done,
            }
        }
    }

    /// A connection to ask single questions.
    pub fn reader(&self) -> Outcome<Link> {
        Ok(self.with(|_| Ok(()))?.0)
    }

    /// Gives a connection back. What it has begun is as if it had not been.
    pub fn keep(&self, link: Link) {
        if link.rest() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(link);
            }
        }
    }

    /// Begins a transaction that changes something. There is one at a time in the whole database, as in a file: everybody
    /// locks the row that says which schema it has, and is told when that has changed.
    pub fn begin(&self, wait: Wait) -> Outcome<(Link, Option<String>)> {
        let lock = "SELECT value, pg_current_xact_id()::text FROM meta WHERE key = 'schema' FOR UPDATE";
        let (link, (found, xid)) = self.with(|link| {
            let mut row = link.begin(wait, lock)?.into_iter();
            Ok((row.next().flatten(), row.next().flatten()))
        })?;
        let found = found.and_then(|text| text.parse().ok()).unwrap_or(0);
        if found != schema::KNOWN {
            return Err(self.refused(format!(
                "another program has brought it to schema {found} in the meantime, and this one knows {}; nothing was \
                 changed",
                schema::KNOWN
            )));
        }
        let conn = sql::Connection::Server(&link);
        // Before the mark: a store that was moved is older than where it went, which has the same one.
        crate::copy::refuse_moved(conn, &self.location)?;
        if !link.marked.get() {
            if let Some(marks) = self.marks() {
                mark::verify(marks, &self.location, conn)?;
            }
            link.marked.set(true);
        }
        Ok((link, xid))
    }

    /// Makes a transaction so. When the connection is lost on the way, the server is asked what became of it.
    pub fn commit(&self, link: &Link, xid: Option<&str>) -> Outcome<()> {
        if !link.is_open() {
            return Err(StoreError::Io {
                location: self.location.clone(),
                why: "the transaction was ended after a failure; nothing of it was kept".to_owned(),
            }
            .into());
        }
        let Err(failure) = link.commit().map_err(Failure::from) else { return Ok(()) };
        if !failure.is_lost() {
            return Err(failure);
        }
        self.forget();
        match xid.map(|xid| self.fate(xid, link.pid())) {
            Some(Some(true)) => Ok(()),
            Some(Some(false)) => Err(StoreError::Io {
                location: self.location.clone(),
                why: "the connection to the server was lost before the change was kept; nothing of it was"
                    .to_owned(),
            }
            .into()),
            Some(None) | None => Err(StoreError::Unclear { location: self.location.clone() }.into()),
        }
    }

    /// Was a transaction kept? `None` when the server cannot be asked for so long, or does not know any more.
    fn fate(&self, xid: &str, pid: i32) -> Option<bool> {
        let begun = Instant::now();
        let mut ended = false;
        while begun.elapsed() < UNCLEAR {
            if let Ok((link, _)) = self.open() {
                match link.batch(&format!("SELECT pg_xact_status('{xid}'::xid8)")) {
                    Ok(rows) => match rows.first().and_then(|row| row.first()).and_then(Option::as_deref) {
                        Some("committed") => return Some(true),
                        Some("aborted") => return Some(false),
                        // Its process has not noticed yet that nobody listens. Whatever it does when it is told to end is
                        // final.
                        Some("in progress") if !ended && begun.elapsed() > PATIENCE => {
                            ended = true;
                            let end = format!(
                                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                                 WHERE pid = {pid} AND backend_xid::text = ('{xid}'::xid8)::xid::text"
                            );
                            let _ = link.batch(&end);
                        }
                        Some("in progress") => {}
                        _ => return None,
                    },
                    // A number the server has not given yet: it is not the one that was asked.
                    Err(Error::Server(refusal)) if !refusal.is_lost() => return None,
                    Err(_) => {}
                }
            }
            std::thread::sleep(PAUSE);
        }
        None
    }
}
