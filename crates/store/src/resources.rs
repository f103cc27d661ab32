//! Records of resources. The newest row of each address is in `resource_rows`; rows that ended are in
//! `resource_history`, in the order of the version that ended them.

use sloth_core::address::Address;
use sloth_core::clock::Timestamp;
use sloth_core::id::StackId;
use sloth_core::recorded::{Recorded, RecordedText};
use sloth_core::recorded_body::{self, BadRecord, RecordedBody};
use sloth_core::store::{ReadResources, StoreError, VersionAt, WriteResources};

use crate::failure::{Failure, Outcome};
use crate::session::{Net, Part, Scope, Session};
use crate::sql::{OptionalExtension as _, Row, params};
use crate::sum;

const LIST_NEWEST: &str =
    "SELECT created_at, updated_at, body FROM resource_rows WHERE stack = ?1 ORDER BY address";
const LIST_AT: &str = "SELECT created_at, updated_at, body, address FROM resource_rows \
                         WHERE stack = ?1 AND from_version <= ?2 \
                       UNION ALL \
                       SELECT created_at, updated_at, body, address FROM resource_history \
                         WHERE stack = ?1 AND to_version > ?2 AND from_version <= ?2 \
                       ORDER BY address";
const GET_NEWEST: &str =
    "SELECT created_at, updated_at, body FROM resource_rows WHERE stack = ?1 AND address = ?2";
const GET_AT: &str = "SELECT created_at, updated_at, body FROM resource_rows \
                        WHERE stack = ?1 AND address = ?3 AND from_version <= ?2 \
                      UNION ALL \
                      SELECT created_at, updated_at, body FROM resource_history \
                        WHERE stack = ?1 AND to_version > ?2 AND address = ?3 AND from_version <= ?2";
// An address ends in its id. Rows of a pending version may hide those of the head.
const NAMED: &str = "SELECT s.name, s.id, r.address FROM stacks s JOIN resource_rows r ON r.stack = s.num \
                       WHERE s.deleted_at IS NULL AND substr(r.address, length(r.address) - length(?1) + 1) = ?1 \
                     UNION \
                     SELECT s.name, s.id, r.address FROM stacks s JOIN resource_history r \
                       ON r.stack = s.num AND r.to_version > s.head \
                       WHERE s.deleted_at IS NULL AND substr(r.address, length(r.address) - length(?1) + 1) = ?1 \
                     ORDER BY 1, 3";
const INSERT: &str = "INSERT INTO resource_rows (stack, address, from_version, created_at, updated_at, digest, body, \
                      sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const INSERT_NEW: &str = "INSERT INTO resource_rows (stack, address, from_version, created_at, updated_at, digest, \
                          body, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (stack, address) DO NOTHING";
const FIND: &str = "SELECT from_version, digest FROM resource_rows WHERE stack = ?1 AND address = ?2";
const END: &str = "INSERT INTO resource_history \
                     (stack, to_version, address, from_version, created_at, updated_at, digest, body, sum) \
                   SELECT stack, ?3, address, from_version, created_at, updated_at, digest, body, sum \
                     FROM resource_rows WHERE stack = ?1 AND address = ?2";
const REPLACE: &str = "UPDATE resource_rows SET from_version = ?3, created_at = ?4, updated_at = ?5, digest = ?6, \
                       body = ?7, sum = ?8 WHERE stack = ?1 AND address = ?2";
const REMOVE: &str = "DELETE FROM resource_rows WHERE stack = ?1 AND address = ?2";
const ENDED_NOW: &str = "SELECT EXISTS (SELECT 1 FROM resource_history \
                         WHERE stack = ?1 AND to_version = ?2 AND address = ?3)";
const ENDED_SAME: &str = "SELECT EXISTS (SELECT 1 FROM resource_history \
                          WHERE stack = ?1 AND to_version = ?2 AND address = ?3 AND digest = ?4)";
const BRING_BACK: &str = "INSERT INTO resource_rows \
                            (stack, address, from_version, created_at, updated_at, digest, body, sum) \
                          SELECT stack, address, from_version, created_at, updated_at, digest, body, sum \
                            FROM resource_history WHERE stack = ?1 AND to_version = ?2 AND address = ?3 \
                          ON CONFLICT (stack, address) DO UPDATE SET from_version = excluded.from_version, \
                            created_at = excluded.created_at, updated_at = excluded.updated_at, \
                            digest = excluded.digest, body = excluded.body, sum = excluded.sum";
const UNEND: &str = "DELETE FROM resource_history WHERE stack = ?1 AND to_version = ?2 AND address = ?3";
const OTHERS: &str = "SELECT EXISTS (SELECT 1 FROM stacks WHERE id <> ?1 AND deleted_at IS NULL)";
const OWNER: &str = "SELECT name FROM stacks WHERE id <> ?2 AND deleted_at IS NULL AND EXISTS (\
                       SELECT 1 FROM resource_rows WHERE stack = num AND address = ?1) ORDER BY num LIMIT 1";

impl Session<'_> {
    /// All records of a stack at one point: text, birth and last change of each.
    pub fn each_resource(
        &self,
        stack: &StackId,
        at: VersionAt,
        mut each: impl FnMut(&str, Timestamp, Timestamp) -> Outcome<()>,
    ) -> Outcome<()> {
        let Some(row) = self.stack(stack)? else { return Ok(()) };
        let conn = self.conn()?;
        let (mut ask, scope) = match self.scope(&row, at)? {
            None => return Ok(()),
            Some(Scope::Newest) => (conn.prepare_cached(LIST_NEWEST)?, None),
            Some(Scope::At(version)) => (conn.prepare_cached(LIST_AT)?, Some(version)),
        };
        let mut rows = match scope {
            None => ask.query([row.num])?,
            Some(version) => ask.query(params![row.num, version])?,
        };
        while let Some(row) = rows.next()? {
            let text = row.get_ref(2)?.as_str().map_err(|_| Failure::bad("a record is not text"))?;
            let at = |nanos: i64| Timestamp::from_nanos(nanos);
            each(text, at(row.get(0)?), at(row.get(1)?))?;
        }
        Ok(())
    }

    /// All records of a stack at one point.
    pub fn list_resources(&self, stack: &StackId, at: VersionAt) -> Outcome<Vec<Recorded>> {
        let mut out = Vec::new();
        self.each_resource(stack, at, |text, created, updated| {
            out.push(recorded_body::read(text, created, updated)?);
            Ok(())
        })?;
        Ok(out)
    }

    fn named_resources(&self, id: &str) -> Outcome<Vec<(StackId, RecordedText)>> {
        let mut out = Vec::new();
        let mut ask = self.conn()?.prepare_cached(NAMED)?;
        let mut rows = ask.query([format!(":{id}")])?;
        while let Some(row) = rows.next()? {
            let (stack, address): (String, String) = (row.get(1)?, row.get(2)?);
            let stack = StackId::from_stored(stack);
            match self.get_resource(&stack, &address, VersionAt::Head, recorded_body::outline)? {
                Some(recorded) if recorded.address.id() == id => out.push((stack, recorded)),
                _ => {}
            }
        }
        Ok(out)
    }

    fn get_resource<T>(
        &self,
        stack: &StackId,
        address: &str,
        at: VersionAt,
        make: impl Fn(&str, Timestamp, Timestamp) -> Result<T, BadRecord>,
    ) -> Outcome<Option<T>> {
        let Some(row) = self.stack(stack)? else { return Ok(None) };
        let conn = self.conn()?;
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?));
        let found = match self.scope(&row, at)? {
            None => None,
            Some(Scope::Newest) => {
                conn.prepare_cached(GET_NEWEST)?.query_row(params![row.num, address], read).optional()?
            }
            Some(Scope::At(version)) => {
                conn.prepare_cached(GET_AT)?.query_row(params![row.num, version, address], read).optional()?
            }
        };
        let at = |nanos: i64| Timestamp::from_nanos(nanos);
        let made = found.map(|(created, updated, text)| make(&text, at(created), at(updated)));
        Ok(made.transpose()?)
    }

    fn count_resources(&self, stack: &StackId) -> Outcome<u64> {
        let Some(row) = self.stack(stack)? else { return Ok(0) };
        let count = if self.writes() {
            self.conn()?
                .prepare_cached("SELECT count(*) FROM resource_rows WHERE stack = ?1")?
                .query_row([row.num], |r| r.get(0))?
        } else {
            row.count
        };
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn owners(&self, except: &StackId, addresses: &[&Address]) -> Outcome<Vec<(Address, String)>> {
        let conn = self.conn()?;
        let mut out = Vec::new();
        if !conn.prepare_cached(OTHERS)?.query_row([except.as_str()], |row| row.get::<_, bool>(0))? {
            return Ok(out);
        }
        let mut ask = conn.prepare_cached(OWNER)?;
        for address in addresses {
            let owner = ask.query_row(params![address.to_string(), except.as_str()], |row| row.get(0));
            if let Some(owner) = owner.optional()? {
                out.push(((*address).clone(), owner));
            }
        }
        Ok(out)
    }

    pub fn put_resource(&mut self, body: &RecordedBody) -> Outcome<()> {
        let (conn, writing, stack) = self.target()?;
        let address = body.address().to_string();
        let (text, digest) = (body.text(), body.digest());
        let (created, updated) = (body.created_at().as_nanos(), body.updated_at().as_nanos());
        let (num, next) = (stack.num, stack.next());
        let key = (Part::Resource, address);
        let address = &key.1;
        let sum = sum::of_times(created, updated);
        let row = params![num, address, next, created, updated, digest.as_bytes(), text, sum];
        // Where the head shows nothing, nothing was ended since, and there is only what this version wrote before.
        let blank = stack.count == 0;
        if blank && conn.prepare_cached(INSERT_NEW)?.execute(row)? > 0 {
            writing.changes.insert(key, Net::Written(digest));
            return Ok(());
        }
        // What was changed and is put back to what it was at the head has not changed.
        let changed = !blank && (stack.pending || writing.changes.contains_key(&key));
        if changed
            && conn
                .prepare_cached(ENDED_SAME)?
                .query_row(params![num, next, address, digest.as_bytes()], |row| row.get::<_, bool>(0))?
        {
            conn.prepare_cached(BRING_BACK)?.execute(params![num, next, address])?;
            conn.prepare_cached(UNEND)?.execute(params![num, next, address])?;
            writing.changes.insert(key, Net::Nothing);
            return Ok(());
        }
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let found: Option<(u64, [u8; 32])> =
            conn.prepare_cached(FIND)?.query_row(params![num, address], read).optional()?;
        match found {
            None => {
                conn.prepare_cached(INSERT)?.execute(row)?;
            }
            Some((_, old)) if old == *digest.as_bytes() => return Ok(()),
            Some((from, _)) => {
                if from < next {
                    conn.prepare_cached(END)?.execute(params![num, address, next])?;
                }
                conn.prepare_cached(REPLACE)?.execute(row)?;
            }
        }
        writing.changes.insert(key, Net::Written(digest));
        Ok(())
    }

    pub fn remove_resource(&mut self, address: &Address) -> Outcome<bool> {
        let (conn, writing, stack) = self.target()?;
        let address = address.to_string();
        let (num, next) = (stack.num, stack.next());
        let from = conn
            .prepare_cached(FIND)?
            .query_row(params![num, address], |row| row.get::<_, u64>(0))
            .optional()?;
        let Some(from) = from else { return Ok(false) };
        let net = if from < next {
            conn.prepare_cached(END)?.execute(params![num, address, next])?;
            Net::Removed
        } else if conn
            .prepare_cached(ENDED_NOW)?
            .query_row(params![num, next, address], |row| row.get::<_, bool>(0))?
        {
            Net::Removed
        } else {
            Net::Nothing
        };
        conn.prepare_cached(REMOVE)?.execute(params![num, address])?;
        writing.changes.insert((Part::Resource, address), net);
        Ok(true)
    }
}

impl ReadResources for Session<'_> {
    fn resource_get(
        &self,
        stack: &StackId,
        address: &Address,
        at: VersionAt,
    ) -> Result<Option<Recorded>, StoreError> {
        self.shared.told(self.get_resource(stack, &address.to_string(), at, recorded_body::read))
    }
    fn resource_list(&self, stack: &StackId, at: VersionAt) -> Result<Vec<Recorded>, StoreError> {
        self.shared.told(self.list_resources(stack, at))
    }
    fn resource_bodies(
        &self,
        stack: &StackId,
        at: VersionAt,
        each: &mut dyn FnMut(RecordedBody),
    ) -> Result<(), StoreError> {
        self.shared.told(self.each_resource(stack, at, |text, created, updated| {
            each(RecordedBody::from_stored(text, created, updated)?);
            Ok(())
        }))
    }
    fn resource_texts(
        &self,
        stack: &StackId,
        at: VersionAt,
        each: &mut dyn FnMut(RecordedText),
    ) -> Result<(), StoreError> {
        self.shared.told(self.each_resource(stack, at, |text, created, updated| {
            each(recorded_body::outline(text, created, updated)?);
            Ok(())
        }))
    }
    fn resource_named(&self, id: &str) -> Result<Vec<(StackId, RecordedText)>, StoreError> {
        self.shared.told(self.named_resources(id))
    }
    fn resource_count(&self, stack: &StackId) -> Result<u64, StoreError> {
        self.shared.told(self.count_resources(stack))
    }
    fn resource_owners(
        &self,
        except: &StackId,
        addresses: &[&Address],
    ) -> Result<Vec<(Address, String)>, StoreError> {
        self.shared.told(self.owners(except, addresses))
    }
}

impl WriteResources for Session<'_> {
    fn resource_put_body(&mut self, body: &RecordedBody) -> Result<(), StoreError> {
        let done = self.put_resource(body);
        self.shared.told(done)
    }
    fn resource_remove(&mut self, address: &Address) -> Result<bool, StoreError> {
        let done = self.remove_resource(address);
        self.shared.told(done)
    }
}
