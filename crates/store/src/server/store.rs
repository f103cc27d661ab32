//! Opening the store on a server, the one transaction that changes something, and the port.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use sloth_core::store::{
    BackupInfo, Backups, Blobs, CheckFinding, Intent, Journal, Leases, Store, StoreError, Txn, View, Wait,
};
use sloth_core::value::Value;

use super::link::Link;
use super::pool::{Greeting, Pool};
use super::schema::{self, State};
use crate::address::ServerAddress;
use crate::failure::{Failure, Outcome};
use crate::journal::RunLogs;
use crate::session::Session;
use crate::shared::{Engine, Shared};
use crate::sqlite::OpenOptions;
use crate::{check, sql};

/// The right to write, in a transaction that has begun; it ends as if it had not been when this is dropped.
pub struct Lent<'s> {
    pool: &'s Pool,
    link: Option<Box<Link>>,
    /// The server's number for it.
    xid: Option<String>,
}

impl<'s> Lent<'s> {
    /// Waits for everybody else who writes.
    pub fn begin(pool: &'s Pool, wait: Wait) -> Outcome<Self> {
        let (link, xid) = pool.begin(wait)?;
        Ok(Self { pool, link: Some(Box::new(link)), xid })
    }
    pub fn conn(&self) -> Outcome<sql::Connection<'_>> {
        match &self.link {
            Some(link) => Ok(sql::Connection::Server(link)),
            None => Err(Failure::bad("the writing connection was closed")),
        }
    }
    /// Makes it so, and says whether that waited for the disk.
    pub fn commit(&mut self) -> Outcome<bool> {
        let Some(link) = &self.link else { return Err(Failure::bad("the writing connection was closed")) };
        let waits = link.waits();
        let done = self.pool.commit(link, self.xid.as_deref());
        done.map(|()| waits)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            self.pool.keep(*link);
        }
    }
}

/// A store on a PostgreSQL server.
pub struct ServerStore {
    shared: Shared,
    pool: Arc<Pool>,
    greeting: Greeting,
}

impl ServerStore {
    /// Opens it; see [`open`](crate::open).
    ///
    /// # Errors
    /// The server cannot be reached, does not let this user in, is not set up to keep what it acknowledges, or holds what
    /// this program does not know.
    pub fn open(address: &ServerAddress, options: &OpenOptions) -> Result<Self, StoreError> {
        let found = Self::connect(address, options).map_err(|failure| failure.at(&address.to_string()))?;
        found.ok_or_else(|| StoreError::Io {
            location: address.to_string(),
            why: format!("there is no database yet in its schema `{}`", address.schema),
        })
    }

    /// Opens it where there are tables already. Makes none.
    pub(crate) fn open_existing(
        address: &ServerAddress,
        options: &OpenOptions,
    ) -> Result<Option<Self>, StoreError> {
        let options = OpenOptions { clock: Arc::clone(&options.clock), create: false, ..*options };
        Self::connect(address, &options).map_err(|failure| failure.at(&address.to_string()))
    }

    /// What the nouns work with.
    pub(crate) const fn parts(&self) -> &Shared {
        &self.shared
    }

    /// Nothing when there are no tables, and none may be made.
    fn connect(address: &ServerAddress, options: &OpenOptions) -> Outcome<Option<Self>> {
        let pool = Arc::new(Pool::new(address.clone()));
        let (link, greeting) = pool.open()?;
        let location = pool.location.clone();
        let refused = |why: String| Failure::from(StoreError::Refused { location: location.clone(), why });
        let may_write = !options.read_only && !greeting.follows;
        let mut state = schema::look(&link, greeting.made)?;
        match &state {
            State::Nothing if options.create && may_write => schema::create(&link, &pool, &*options.clock)?,
            State::Nothing => return Ok(None),
            State::Older(_) if may_write => schema::migrate(&link, &pool)?,
            State::Older(found) => {
                return Err(refused(format!(
                    "it has schema {found} and has to be brought to {} first, which reading does not do",
                    crate::schema::KNOWN
                )));
            }
            State::Known(_) | State::Newer(..) => {}
        }
        if matches!(state, State::Nothing | State::Older(_)) {
            state = schema::look(&link, true)?;
        }
        let (lineage, newer) = match state {
            State::Known(lineage) => (lineage, None),
            State::Newer(newer, lineage) => (lineage, Some(newer)),
            State::Nothing | State::Older(_) => return Err(Failure::bad("its tables could not be made")),
        };
        pool.is_called(&lineage)?;
        pool.keep(link);
        let mut shared = Shared::new(
            Engine::Server(Arc::clone(&pool)),
            location,
            Arc::clone(&options.clock),
            RunLogs::on(Arc::clone(&pool)),
        );
        // A server that follows another one has nothing to write to.
        shared.read_only = !may_write;
        shared.newer = newer;
        Ok(Some(Self { shared, pool, greeting }))
    }
}

impl Store for ServerStore {
    fn location(&self) -> String {
        self.shared.location.clone()
    }
    fn view(&self) -> Result<Box<dyn View + '_>, StoreError> {
        Ok(Box::new(self.shared.told(Session::view(&self.shared))?))
    }
    fn begin(&self, intent: Intent) -> Result<Box<dyn Txn + '_>, StoreError> {
        Ok(Box::new(self.shared.told(Session::begin(&self.shared, intent))?))
    }
    fn leases(&self) -> &dyn Leases {
        &self.shared
    }
    fn backups(&self) -> &dyn Backups {
        self
    }
    fn rest(&self) {
        self.pool.forget();
    }
    fn hooks_stirred(&self) -> bool {
        self.shared.stirred.load(Ordering::Relaxed)
    }
    fn blobs(&self) -> &dyn Blobs {
        &self.shared
    }
    fn journal(&self) -> &dyn Journal {
        &self.shared
    }
    fn check(&self, deep: bool) -> Result<Vec<CheckFinding>, StoreError> {
        self.shared.told(check::check(&self.shared, deep))
    }
    fn facts(&self) -> Result<Value, StoreError> {
        let facts = self.shared.told(check::facts(&self.shared))?;
        let Value::Object(mut facts) = facts else { return Ok(facts) };
        let settings: serde_json::Map<String, Value> =
            self.greeting.settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        facts.insert("engine_version".to_owned(), json!(self.greeting.version_text));
        facts.insert("follows".to_owned(), json!(self.greeting.follows));
        facts.insert("server_schema".to_owned(), json!(self.pool.schema()));
        facts.insert("settings".to_owned(), Value::Object(settings));
        facts.insert("tls".to_owned(), json!(self.pool.address().tls == crate::address::Tls::Verified));
        Ok(Value::Object(facts))
    }
}

impl Backups for ServerStore {
    fn backup_create(&self, to: &Path) -> Result<BackupInfo, StoreError> {
        Err(StoreError::Refused {
            location: self.shared.location.clone(),
            why: format!(
                "a server is backed up with its own tools, or copied into a file with `sloth-runner state copy --to {} \
                 --keep`; nothing was written",
                to.display()
            ),
        })
    }
}
