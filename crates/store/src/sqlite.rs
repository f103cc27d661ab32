//! The store in a file, on SQLite: opening it, who holds its connections, and the port.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sloth_core::clock::{Clock, Timestamp};
use sloth_core::id::OperationId;
use sloth_core::store::{
    BackupInfo, Backups, Blobs, CheckFinding, Intent, Journal, Leases, Store, StoreError, Txn, View, Wait,
};
use sloth_core::value::Value;

use crate::connection::{self, Writer};
use crate::failure::{Failure, Outcome};
use crate::files::{self, Found};
use crate::journal::RunLogs;
use crate::location::Location;
use crate::mark;
use crate::schema;
use crate::server::ServerStore;
use crate::session::Session;
use crate::shared::{Engine, Shared};
use crate::sql;

/// How to open a store.
#[derive(Clone)]
pub struct OpenOptions {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Refuse every write.
    pub read_only: bool,
    /// Make the database when there is none.
    pub create: bool,
}

/// Opens the store at a location.
///
/// Opening an existing database reads one page and writes nothing. A database of an older schema is brought up to date
/// after a verified backup; one of a newer schema can be read as far as its tables are known, and not written.
///
/// # Errors
/// There is none, it may not be used here, it is not ours or damaged.
pub fn open(location: &Location, options: &OpenOptions) -> Result<Box<dyn Store>, StoreError> {
    match location {
        Location::Sqlite(_) => Ok(Box::new(SqliteStore::open(location, options)?)),
        Location::Postgres(address) => Ok(Box::new(ServerStore::open(address, options)?)),
    }
}

/// Opens the store at this place if there is one, or something that says that there was one.
///
/// # Errors
/// As [`open`].
pub fn open_existing(
    location: &Location,
    options: &OpenOptions,
) -> Result<Option<Box<dyn Store>>, StoreError> {
    match location {
        Location::Sqlite(_) if location.is_vacant() => Ok(None),
        Location::Sqlite(_) => open(location, options).map(Some),
        Location::Postgres(address) => {
            let found = ServerStore::open_existing(address, options)?;
            Ok(found.map(|store| Box::new(store) as Box<dyn Store>))
        }
    }
}

/// What only a file can do was asked of a server.
pub fn not_a_file(location: &Location) -> StoreError {
    StoreError::Refused {
        location: location.to_string(),
        why: "it is on a server, and this works on the file of a database".to_owned(),
    }
}

/// A store in an SQLite database.
pub struct SqliteStore {
    shared: Shared,
    /// What is read when it is neither a database in use nor a copy.
    temporary: Option<Temporary>,
}

/// A database for its owner only; it goes when this is dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn name() -> Self {
        let unique = OperationId::generate(Timestamp::from_nanos(0));
        Self(std::env::temp_dir().join(format!("sloth-runner-{}-{unique}.db", std::process::id())))
    }

    /// A copy of a copy, brought up to date.
    fn upgraded(copy: &Path, found: u64) -> Outcome<Self> {
        let this = Self::name();
        let to = files::private().create_new(true).open(&this.0);
        let mut to = to.map_err(files::failed("could not create", &this.0))?;
        let from = std::fs::File::open(copy).map_err(files::failed("could not read", copy))?;
        std::io::copy(&mut &from, &mut to).map_err(files::failed("could not write", &this.0))?;
        drop(to);
        schema::upgrade(&this.0, found)?;
        Ok(this)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm", ".mark"] {
            let _ = files::remove(&files::beside(&self.0, suffix));
        }
    }
}

/// The connections to a database file.
pub struct Disk {
    pub path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    pen: Mutex<Pen>,
    pen_back: Condvar,
    /// Was a connection that can write opened before?
    started: AtomicBool,
}

/// The one writer: here, or lent out.
enum Pen {
    Here(Option<Box<Writer>>),
    Lent,
}

/// The writer, lent; it goes back when this is dropped.
pub struct Lent<'s> {
    disk: &'s Disk,
    writer: Option<Box<Writer>>,
}

impl Lent<'_> {
    fn writer(&mut self) -> Outcome<&mut Writer> {
        self.writer.as_deref_mut().ok_or_else(|| Failure::bad("the writing connection was closed"))
    }
    pub fn conn(&self) -> Outcome<sql::Connection<'_>> {
        match &self.writer {
            Some(writer) => Ok((&writer.conn).into()),
            None => Err(Failure::bad("the writing connection was closed")),
        }
    }
    /// Makes the transaction so, and says whether that waited for the disk. After a failure of the disk nothing the
    /// connection holds can be trusted, so it is closed then.
    pub fn commit(&mut self) -> Outcome<bool> {
        let writer = self.writer()?;
        let durable = writer.wait() == Wait::Durable;
        match writer.commit() {
            Ok(()) => Ok(durable),
            Err(error) => {
                let failure = Failure::from(error);
                if failure.is_disk() {
                    self.writer = None;
                }
                Err(failure)
            }
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer
            && !writer.conn.is_autocommit()
            && writer.run("ROLLBACK").is_err()
        {
            self.writer = None;
        }
        *self.disk.pen() = Pen::Here(self.writer.take());
        self.disk.pen_back.notify_one();
    }
}

/// A connection to read with: one that can do nothing else, or the writer while nobody writes. Opening costs more than most
/// questions, so a process that reads and then writes does both on one connection.
pub enum Reader {
    Plain(Connection),
    Pen(Box<Writer>),
}

impl Reader {
    pub fn conn(&self) -> sql::Connection<'_> {
        self.lite().into()
    }
    fn lite(&self) -> &Connection {
        match self {
            Self::Plain(conn) => conn,
            Self::Pen(writer) => &writer.conn,
        }
    }
}

const PEN_WAIT: Duration = Duration::from_secs(10);
const OPEN_WAIT: Duration = Duration::from_secs(10);
const IDLE_READERS: usize = 4;

impl Disk {
    /// Those of the file at this path, of which the first is open already.
    fn new(path: PathBuf, first: Reader) -> Self {
        let this = Self {
            path,
            readers: Mutex::default(),
            pen: Mutex::new(Pen::Here(None)),
            pen_back: Condvar::new(),
            started: AtomicBool::new(matches!(first, Reader::Pen(_))),
        };
        this.keep_reader(first);
        this
    }

    fn pen(&self) -> MutexGuard<'_, Pen> {
        self.pen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for reading; the writer where somebody may write with it later.
    pub fn reader(&self, writes: bool) -> Outcome<Reader> {
        if writes && let Some(writer) = self.idle_writer() {
            return Ok(Reader::Pen(writer));
        }
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Reader::Plain(match kept {
            Some(conn) => conn,
            None => open_reader(&self.path)?,
        }))
    }

    /// The writer, if nobody has it. Whoever wants to write in the meantime opens another one and does not wait.
    fn idle_writer(&self) -> Option<Box<Writer>> {
        let Pen::Here(slot) = &mut *self.pen() else { return None };
        if let Some(writer) = slot.take() {
            return Some(writer);
        }
        if self.started.swap(true, Ordering::Relaxed) {
            return None;
        }
        open_idle_writer(&self.path)
    }

    pub fn keep_reader(&self, reader: Reader) {
        let conn = reader.lite();
        if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
            return;
        }
        let conn = match reader {
            Reader::Plain(conn) => conn,
            Reader::Pen(writer) => match &mut *self.pen() {
                Pen::Here(slot @ None) => {
                    *slot = Some(writer);
                    return;
                }
                _ => writer.conn,
            },
        };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < IDLE_READERS {
            readers.push(conn);
        }
    }

    /// The writer, in a transaction that has begun. Waits for other threads and processes.
    pub fn lend(&self, wait: Wait, location: &str) -> Outcome<Lent<'_>> {
        let end = Instant::now() + PEN_WAIT;
        let mut pen = self.pen();
        let kept = loop {
            match std::mem::replace(&mut *pen, Pen::Lent) {
                Pen::Here(writer) => break writer,
                Pen::Lent => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(StoreError::Busy {
                            location: location.to_owned(),
                            why: "another transaction of this process is still open".to_owned(),
                        }
                        .into());
                    }
                    pen = self.pen_back.wait_timeout(pen, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        };
        drop(pen);
        let mut lent = Lent { disk: self, writer: kept };
        if lent.writer.is_none() {
            self.started.store(true, Ordering::Relaxed);
            lent.writer = Some(Box::new(Writer::open(&self.path)?));
        }
        let writer = lent.writer()?;
        writer.make_ready(&self.path)?;
        writer.begin(wait)?;
        Ok(lent)
    }

    /// Leaves a short log.
    fn rest(&self) {
        if let Pen::Here(Some(writer)) = &mut *self.pen() {
            writer.rest();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.rest();
    }
}

/// The connection that looks at the file first: the writer, so that most processes need no other one.
fn open_first(path: &Path, read_only: bool) -> Outcome<Reader> {
    if !read_only && let Some(writer) = open_idle_writer(path) {
        return Ok(Reader::Pen(writer));
    }
    open_reader(path).map(Reader::Plain)
}

/// A writer that reads until somebody wants to write; none where nothing can be written.
fn open_idle_writer(path: &Path) -> Option<Box<Writer>> {
    let writer = Writer::open(path).ok()?;
    let seen = writer.conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    seen.is_ok().then(|| Box::new(writer))
}

/// A reader for a file that somebody may write, or for one that nobody can.
fn open_reader(path: &Path) -> Outcome<Connection> {
    let conn = connection::reader(path)?;
    match conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)) {
        Ok(_) => Ok(conn),
        Err(error) => {
            let cannot = matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
            );
            // A medium that cannot be written has no place for the files beside the database; without a log in which
            // changes could wait, the database alone is the whole truth.
            if cannot && files::size_of(&files::beside(path, "-wal")) == 0 {
                let conn = connection::immutable(path)?;
                conn.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
                return Ok(conn);
            }
            Err(error.into())
        }
    }
}

impl SqliteStore {
    /// Opens a database; see [`open`].
    ///
    /// # Errors
    /// See [`open`].
    pub fn open(location: &Location, options: &OpenOptions) -> Result<Self, StoreError> {
        let Location::Sqlite(path) = location else { return Err(not_a_file(location)) };
        connection::gate(&location.to_string())?;
        // Where two connections that read want to write, SQLite refuses one at once instead of waiting: both would wait
        // for ever. That happens while several processes make the same database.
        let end = Instant::now() + OPEN_WAIT;
        loop {
            match Self::open_file(path, options) {
                Err(failure) if failure.is_busy() && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(2 + u64::from(std::process::id() % 8)));
                }
                done => return done.map_err(|failure| failure.at(&location.to_string())),
            }
        }
    }

    fn open_file(path: &Path, options: &OpenOptions) -> Outcome<Self> {
        let mut path = files::real_path(path)?;
        match files::look(&path)? {
            Found::Content => {}
            Found::Nothing | Found::Empty if options.create && !options.read_only => {
                mark::refuse_to_forget(&path)?;
                path = files::create(&path)?;
                schema::create(&path, &*options.clock)?;
            }
            Found::Nothing => {
                return Err(StoreError::Io {
                    location: path.display().to_string(),
                    why: "there is no database yet".to_owned(),
                }
                .into());
            }
            Found::Empty => return Err(Failure::bad("the file is empty")),
        }
        // The name of a new log has to be on the disk before anything in it counts.
        let log = files::beside(&path, "-wal");
        let had_log = std::fs::symlink_metadata(&log).is_ok();
        let first = open_first(&path, options.read_only)?;
        if !had_log && std::fs::symlink_metadata(&log).is_ok() {
            files::flush_directory(&path)?;
        }
        let newer = match schema::look(first.lite())? {
            schema::State::Known => None,
            schema::State::Newer(newer) => Some(newer),
            schema::State::Older(found) if options.read_only => {
                return Err(StoreError::Refused {
                    location: path.display().to_string(),
                    why: format!(
                        "it has schema {found} and has to be brought to {} first, which reading does not do",
                        schema::KNOWN
                    ),
                }
                .into());
            }
            schema::State::Older(_) => {
                schema::migrate(&path, &*options.clock)?;
                None
            }
            schema::State::Unfinished if options.create && !options.read_only => {
                mark::refuse_to_forget(&path)?;
                schema::create(&path, &*options.clock)?;
                None
            }
            schema::State::Unfinished => return Err(Failure::bad("it has no tables")),
        };
        // Nobody may write with it.
        let first = match first {
            Reader::Pen(writer) if newer.is_some() => Reader::Plain(writer.conn),
            first => first,
        };
        let mut shared = Self::shared(path, first, Arc::clone(&options.clock));
        shared.read_only = options.read_only;
        shared.newer = newer;
        Ok(Self { shared, temporary: None })
    }

    /// A store with nothing in it, to read where there is no database yet. It goes when it is dropped.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn empty(location: &Location, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let temporary = Temporary::name();
        let options = OpenOptions { clock, read_only: false, create: true };
        let mut store = Self::open(&Location::file(&temporary.0), &options)?;
        store.shared.location = location.to_string();
        store.temporary = Some(temporary);
        Ok(store)
    }

    /// Opens a finished copy that nobody changes: nothing is locked, and nothing is made beside it.
    pub(crate) fn open_copy(path: &Path, clock: Arc<dyn Clock>) -> Outcome<Self> {
        let length = std::fs::metadata(path).map_err(files::failed("could not read", path))?.len();
        if length == 0 {
            return Err(Failure::bad("the file is empty"));
        }
        let path = std::path::absolute(path).map_err(files::failed("could not read", path))?;
        let conn = connection::immutable(&path)?;
        match schema::look(&conn)? {
            schema::State::Known => {}
            schema::State::Newer(newer) => {
                return Err(StoreError::Newer {
                    location: path.display().to_string(),
                    found: newer.found,
                    known: schema::KNOWN,
                    needs: newer.needs,
                }
                .into());
            }
            schema::State::Older(found) => {
                drop(conn);
                let temporary = Temporary::upgraded(&path, found)?;
                let mut store = Self::open_copy(&temporary.0, clock)?;
                store.shared.location = path.display().to_string();
                store.temporary = Some(temporary);
                return Ok(store);
            }
            schema::State::Unfinished => return Err(Failure::bad("it has no tables")),
        }
        let mut shared = Self::shared(path, Reader::Plain(conn), clock);
        shared.read_only = true;
        Ok(Self { shared, temporary: None })
    }

    fn shared(path: PathBuf, first: Reader, clock: Arc<dyn Clock>) -> Shared {
        let (location, logs) = (path.display().to_string(), RunLogs::beside(&path));
        Shared::new(Engine::Sqlite(Disk::new(path, first)), location, clock, logs)
    }

    /// Its connections.
    fn disk(&self) -> Option<&Disk> {
        match &self.shared.engine {
            Engine::Sqlite(disk) => Some(disk),
            Engine::Server(_) => None,
        }
    }

    /// What the nouns work with.
    pub(crate) const fn parts(&self) -> &Shared {
        &self.shared
    }

    /// Refuses to replace what this program does not understand.
    pub(crate) fn refuse_newer(&self) -> Outcome<()> {
        self.shared.newer.as_ref().map_or(Ok(()), |newer| Err(self.shared.newer_error(newer).into()))
    }

    /// Refuses while somebody holds a stack.
    pub(crate) fn refuse_held(&self) -> Outcome<()> {
        let held = self.shared.read(|conn| crate::leases::in_force(&self.shared, conn))?;
        let Some((stack, holder, what)) = held.into_iter().next() else { return Ok(()) };
        Err(StoreError::Busy {
            location: self.shared.location.clone(),
            why: format!("`{holder}` holds stack `{stack}` for `{what}`; nothing was changed"),
        }
        .into())
    }

    /// The newest fence of every stack, deleted ones among them.
    pub(crate) fn fences(&self) -> Outcome<Vec<(String, u64)>> {
        self.shared.read(|conn| {
            let mut ask = conn.prepare_cached("SELECT id, fence FROM stacks")?;
            let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Where the database is, with its directory resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.disk().map_or(Path::new(""), |disk| &disk.path)
    }

    /// Copies the database, as it is now, to a file that appears whole and verified or not at all. Goes on while others
    /// read and write.
    ///
    /// # Errors
    /// The target exists, or the copy could not be made or did not pass verification.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.shared.told(crate::backup::take(self.path(), to))
    }
}

impl Store for SqliteStore {
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
    fn hooks_stirred(&self) -> bool {
        self.shared.stirred.load(Ordering::Relaxed)
    }
    fn rest(&self) {
        if let Some(disk) = self.disk() {
            disk.rest();
        }
    }
    fn blobs(&self) -> &dyn Blobs {
        &self.shared
    }
    fn journal(&self) -> &dyn Journal {
        &self.shared
    }
    fn check(&self, deep: bool) -> Result<Vec<CheckFinding>, StoreError> {
        self.shared.told(crate::check::check(&self.shared, deep))
    }
    fn facts(&self) -> Result<Value, StoreError> {
        self.shared.told(crate::check::facts(&self.shared))
    }
}

impl Backups for SqliteStore {
    fn backup_create(&self, to: &Path) -> Result<BackupInfo, StoreError> {
        self.shared.told(crate::backup::take_sealed(self.path(), to))?;
        crate::restore::verify(to, Arc::clone(&self.shared.clock))
    }
}
