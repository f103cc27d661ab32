//! What every part of a store shares: where it is, whose clock counts, and the connections of its engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sloth_core::clock::{Clock, Timestamp};
use sloth_core::store::{StoreError, Wait};

use crate::failure::{Failure, Outcome};
use crate::journal::RunLogs;
use crate::server::{self, Link, Pool};
use crate::sqlite::{self, Disk};
use crate::{copy, schema, sql};

/// A database of a schema this program does not know yet.
#[derive(Clone, Debug)]
pub struct Newer {
    pub found: u64,
    pub needs: String,
}

/// What keeps the rows.
pub enum Engine {
    /// A file on this host.
    Sqlite(Disk),
    /// A PostgreSQL server.
    Server(Arc<Pool>),
}

/// What every part of a store shares.
pub struct Shared {
    pub engine: Engine,
    pub location: String,
    pub clock: Arc<dyn Clock>,
    pub read_only: bool,
    pub newer: Option<Newer>,
    pub logs: RunLogs,
    pub unflushed: AtomicBool,
    /// Were events written that some enabled hook might wait for?
    pub stirred: AtomicBool,
}

/// A connection to read with.
pub enum Reader {
    Sqlite(sqlite::Reader),
    Server(Box<Link>),
}

impl Reader {
    pub fn conn(&self) -> sql::Connection<'_> {
        match self {
            Self::Sqlite(reader) => reader.conn(),
            Self::Server(link) => sql::Connection::Server(link),
        }
    }
}

/// The right to write, in a transaction that has begun. When this is dropped without a commit, nothing has happened.
pub enum Lent<'s> {
    Sqlite(sqlite::Lent<'s>),
    Server(server::Lent<'s>),
}

impl Lent<'_> {
    pub fn conn(&self) -> Outcome<sql::Connection<'_>> {
        match self {
            Self::Sqlite(lent) => lent.conn(),
            Self::Server(lent) => lent.conn(),
        }
    }
}

impl Shared {
    /// What all stores begin with.
    pub fn new(engine: Engine, location: String, clock: Arc<dyn Clock>, logs: RunLogs) -> Self {
        Self {
            engine,
            location,
            clock,
            read_only: false,
            newer: None,
            logs,
            unflushed: AtomicBool::new(false),
            stirred: AtomicBool::new(false),
        }
    }

    /// Turns an inner result into one of the port.
    pub fn told<T>(&self, result: Outcome<T>) -> Result<T, StoreError> {
        result.map_err(|failure| self.tell(failure))
    }

    pub fn tell(&self, failure: Failure) -> StoreError {
        match (&self.newer, failure) {
            (Some(newer), Failure::Sql(_) | Failure::Bad(_)) => self.newer_error(newer),
            (_, failure) => failure.at(&self.location),
        }
    }

    pub fn newer_error(&self, newer: &Newer) -> StoreError {
        StoreError::Newer {
            location: self.location.clone(),
            found: newer.found,
            known: schema::KNOWN,
            needs: newer.needs.clone(),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the clock says that all who share the database measure with, when that is not ours.
    pub fn server_time(&self, conn: sql::Connection<'_>) -> Outcome<Option<i64>> {
        Ok(if self.clock.is_alone() { None } else { conn.time()? })
    }

    /// Now, on the clock that all who share the database measure with.
    pub fn time(&self, conn: sql::Connection<'_>) -> Outcome<Timestamp> {
        Ok(self.server_time(conn)?.map_or_else(|| self.now(), Timestamp::from_nanos))
    }

    /// May anything be written at all?
    pub fn writable(&self) -> Outcome<()> {
        if let Some(newer) = &self.newer {
            return Err(self.newer_error(newer).into());
        }
        if self.read_only {
            return Err(StoreError::Refused {
                location: self.location.clone(),
                why: "it was opened for reading only".to_owned(),
            }
            .into());
        }
        Ok(())
    }

    /// There may be something to deliver now.
    pub fn stir(&self) {
        self.stirred.store(true, Ordering::Relaxed);
    }

    /// Can hosts other than this one work on it?
    pub const fn is_common(&self) -> bool {
        matches!(self.engine, Engine::Server(_))
    }

    /// What stands before `.mark` in the path of the mark, if one is kept.
    pub fn marked(&self) -> Option<&Path> {
        match &self.engine {
            Engine::Sqlite(disk) => Some(&disk.path),
            Engine::Server(pool) => pool.marks(),
        }
    }

    /// The same for a database of this name, which is that of the file beside a file.
    pub fn marks_of(&self, lineage: &str) -> Option<PathBuf> {
        match &self.engine {
            Engine::Sqlite(disk) => Some(disk.path.clone()),
            Engine::Server(pool) => pool.marks_of(lineage),
        }
    }

    /// A connection for reading; give it back with [`Shared::keep_reader`].
    pub fn reader(&self) -> Outcome<Reader> {
        match &self.engine {
            Engine::Sqlite(disk) => {
                let writes = !self.read_only && self.newer.is_none();
                disk.reader(writes).map(Reader::Sqlite)
            }
            Engine::Server(pool) => Ok(Reader::Server(Box::new(pool.reader()?))),
        }
    }

    /// The same, looking at one picture of the database.
    pub fn viewer(&self) -> Outcome<Reader> {
        match &self.engine {
            Engine::Sqlite(_) => {
                let reader = self.reader()?;
                reader.conn().begin_view()?;
                Ok(reader)
            }
            Engine::Server(pool) => {
                let (link, ()) = pool.with(|link| Ok(link.begin_view()?))?;
                Ok(Reader::Server(Box::new(link)))
            }
        }
    }

    pub fn keep_reader(&self, reader: Reader) {
        match (&self.engine, reader) {
            (Engine::Sqlite(disk), Reader::Sqlite(reader)) => disk.keep_reader(reader),
            (Engine::Server(pool), Reader::Server(link)) => pool.keep(*link),
            _ => {}
        }
    }

    /// Reads outside of a transaction. On a connection that turns out to be lost nothing was answered, so it is asked again
    /// on another one.
    pub fn read<T>(&self, mut ask: impl FnMut(sql::Connection<'_>) -> Outcome<T>) -> Outcome<T> {
        let mut again = self.is_common();
        loop {
            let reader = self.reader()?;
            let answer = ask(reader.conn());
            match answer {
                Err(failure) if failure.is_lost() && std::mem::take(&mut again) => {}
                Err(failure) if failure.is_disk() => return Err(failure),
                answer => {
                    self.keep_reader(reader);
                    return answer;
                }
            }
        }
    }

    /// The writer, in a transaction that has begun. Waits for other threads, processes and hosts.
    pub fn lend(&self, wait: Wait) -> Outcome<Lent<'_>> {
        self.writable()?;
        match &self.engine {
            Engine::Sqlite(disk) => {
                let lent = disk.lend(wait, &self.location)?;
                copy::refuse_moved(lent.conn()?, &self.location)?;
                Ok(Lent::Sqlite(lent))
            }
            Engine::Server(pool) => server::Lent::begin(pool, wait).map(Lent::Server),
        }
    }

    /// One short transaction outside of [`sloth_core::store::Store::begin`].
    pub fn write<T>(&self, wait: Wait, work: impl FnOnce(sql::Connection<'_>) -> Outcome<T>) -> Outcome<T> {
        let mut lent = self.lend(wait)?;
        let answer = work(lent.conn()?)?;
        self.commit(&mut lent)?;
        Ok(answer)
    }

    /// Ends the transaction of the lent writer.
    pub fn commit(&self, lent: &mut Lent<'_>) -> Outcome<()> {
        let durable = match lent {
            Lent::Sqlite(lent) => lent.commit()?,
            Lent::Server(lent) => lent.commit()?,
        };
        self.unflushed.store(!durable, Ordering::Relaxed);
        Ok(())
    }
}
