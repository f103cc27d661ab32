//! The one view and the one transaction. A view is a read transaction of its own; a transaction holds the writer.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use sloth_core::digest::Digest;
use sloth_core::hook::Hook;
use sloth_core::id::{EventId, OperationId, StackId};
use sloth_core::lease::Fence;
use sloth_core::store::{
    CommitError, Committed, Intent, OperationRecord, Seal, StoreError, Txn, VersionAt, Wait,
};
use sloth_core::version::Version;

use crate::failure::{Failure, Outcome};
use crate::shared::{Lent, Reader, Shared};
use crate::sql::{Connection, OptionalExtension as _, params};
use crate::{mark, operations, retention, versions};

/// What the store itself knows about a stack.
#[derive(Clone, Debug)]
pub struct StackRow {
    pub num: i64,
    pub name: String,
    pub head: u64,
    pub head_hash: Digest,
    pub pending: bool,
    pub count: i64,
}

impl StackRow {
    /// The version that rows written now will belong to.
    pub const fn next(&self) -> u64 {
        self.head + 1
    }
}

/// The things a version is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Output,
    Resource,
    Upstream,
}

impl Part {
    /// The reverse of [`Part::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Output, Self::Resource, Self::Upstream].into_iter().find(|part| part.as_str() == text)
    }
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Resource => "resource",
            Self::Upstream => "upstream",
        }
    }
}

/// What the pending version does to one name, all in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// It has this content now.
    Written(Digest),
    /// It was there at the head and is gone.
    Removed,
    /// It was not there at the head and is not there now.
    Nothing,
}

/// Changes of a pending version.
pub type Changes = BTreeMap<(Part, String), Net>;

/// State of a transaction.
pub struct Writing {
    pub intent: Intent,
    /// The stack of the intent.
    pub stack: Option<StackRow>,
    /// Stacks made by this transaction: name and head.
    pub made: Vec<(StackId, String, Version)>,
    pub changes: Changes,
    /// Next sequence number of events, by stack number.
    pub event_seqs: HashMap<i64, u64>,
    /// Hooks that are told something, once somebody asked.
    pub hooks: Option<Vec<Hook>>,
    event_id: Option<u128>,
}

impl Writing {
    /// Ids that sort by time and never repeat: one random base, counted up.
    pub fn next_event_id(&mut self, shared: &Shared) -> [u8; 16] {
        let id = match self.event_id {
            Some(last) => (last & !0xFFFF_FFFF) | (last.wrapping_add(1) & 0xFFFF_FFFF),
            None => {
                let fresh = EventId::generate(shared.now());
                let hex: String = fresh.as_str().chars().filter(|c| *c != '-').collect();
                u128::from_str_radix(&hex, 16).unwrap_or(0)
            }
        };
        self.event_id = Some(id);
        id.to_be_bytes()
    }
}

enum Link<'s> {
    Read(Option<Reader>),
    Write(Lent<'s>),
}

/// A view, or a transaction.
pub struct Session<'s> {
    pub shared: &'s Shared,
    link: Link<'s>,
    writing: Option<Writing>,
    known: RefCell<HashMap<StackId, StackRow>>,
}

/// Which rows a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The newest, sealed or not.
    Newest,
    /// Those of one sealed version.
    At(u64),
}

const STACK_ROW: &str =
    "SELECT num, name, head, head_hash, pending, resource_count FROM stacks WHERE id = ?1";

/// Reads what the store knows about a stack.
pub fn stack_row(conn: Connection<'_>, id: &StackId) -> Outcome<Option<StackRow>> {
    let row = conn
        .prepare_cached(STACK_ROW)?
        .query_row([id.as_str()], |row| {
            Ok((
                StackRow {
                    num: row.get(0)?,
                    name: row.get(1)?,
                    head: row.get(2)?,
                    head_hash: Digest::ZERO,
                    pending: row.get(4)?,
                    count: row.get(5)?,
                },
                row.get::<_, [u8; 32]>(3)?,
            ))
        })
        .optional()?;
    row.map(|(row, hash)| Ok(StackRow { head_hash: digest_of(&hash)?, ..row })).transpose()
}

/// A digest from its 32 stored bytes.
pub fn digest_of(bytes: &[u8]) -> Outcome<Digest> {
    let bytes = bytes.try_into().map_err(|_| Failure::bad("a stored digest does not have 32 bytes"))?;
    Ok(Digest::from_bytes(bytes))
}

impl<'s> Session<'s> {
    /// A consistent picture of now.
    pub fn view(shared: &'s Shared) -> Outcome<Self> {
        Ok(Self {
            shared,
            link: Link::Read(Some(shared.viewer()?)),
            writing: None,
            known: RefCell::default(),
        })
    }

    /// Begins a change.
    pub fn begin(shared: &'s Shared, intent: Intent) -> Outcome<Self> {
        let lent = shared.lend(intent.wait)?;
        let stack = match &intent.stack {
            Some((id, ..)) => {
                let row = stack_row(lent.conn()?, id)?;
                Some(row.ok_or_else(|| Failure::conflict(format!("there is no stack with id `{id}`")))?)
            }
            None => None,
        };
        let writing = Writing {
            intent,
            stack,
            made: Vec::new(),
            changes: Changes::new(),
            event_seqs: HashMap::new(),
            hooks: None,
            event_id: None,
        };
        Ok(Self { shared, link: Link::Write(lent), writing: Some(writing), known: RefCell::default() })
    }

    /// The connection to ask.
    pub fn conn(&self) -> Outcome<Connection<'_>> {
        match &self.link {
            Link::Read(Some(reader)) => Ok(reader.conn()),
            Link::Read(None) => Err(Failure::bad("the view has ended")),
            Link::Write(lent) => lent.conn(),
        }
    }

    /// The connection to change and the state of the transaction. A transaction that the database has ended by itself, as it
    /// does when the disk is full, accepts nothing more.
    pub fn change(&mut self) -> Outcome<(Connection<'_>, &mut Writing, &Shared)> {
        let shared = self.shared;
        match (&self.link, self.writing.as_mut()) {
            (Link::Write(lent), Some(writing)) => {
                let conn = lent.conn()?;
                if conn.is_autocommit() {
                    return Err(ended(&shared.location).into());
                }
                Ok((conn, writing, shared))
            }
            _ => Err(Failure::conflict("a view cannot change anything")),
        }
    }

    /// The stack a transaction is about.
    pub fn target(&mut self) -> Outcome<(Connection<'_>, &mut Writing, StackRow)> {
        let (conn, writing, _) = self.change()?;
        match writing.stack.clone() {
            Some(stack) => Ok((conn, writing, stack)),
            None => Err(Failure::conflict("this change needs a stack and the lease on it")),
        }
    }

    /// Is this stack the one the transaction holds the lease on, or one it has just made?
    pub fn require_hold(&self, id: &StackId) -> Outcome<()> {
        let held = self.writing.as_ref().is_some_and(|w| {
            w.intent.stack.as_ref().is_some_and(|(held, ..)| held == id)
                || w.made.iter().any(|(made, ..)| made == id)
        });
        if held {
            Ok(())
        } else {
            Err(Failure::conflict(format!("changing the stack with id `{id}` needs the lease on it")))
        }
    }

    /// What the store knows about a stack, remembered for the life of a view.
    pub fn stack(&self, id: &StackId) -> Outcome<Option<StackRow>> {
        if self.writing.is_none()
            && let Some(row) = self.known.borrow().get(id)
        {
            return Ok(Some(row.clone()));
        }
        let row = stack_row(self.conn()?, id)?;
        if let (None, Some(row)) = (&self.writing, &row) {
            self.known.borrow_mut().insert(id.clone(), row.clone());
        }
        Ok(row)
    }

    /// Turns a wish for a point of history into one for rows; `None` means the empty stack.
    pub fn scope(&self, stack: &StackRow, at: VersionAt) -> Outcome<Option<Scope>> {
        match at {
            VersionAt::Head if self.writing.is_some() || !stack.pending => Ok(Some(Scope::Newest)),
            VersionAt::Head if stack.head == 0 => Ok(None),
            VersionAt::Head => Ok(Some(Scope::At(stack.head))),
            VersionAt::Number(Version(0)) => Ok(None),
            VersionAt::Number(version)
                if version.0 < stack.head && retention::is_removed(self.conn()?, stack.num, version.0)? =>
            {
                Err(Failure::conflict(format!("{version} of stack `{}` was removed", stack.name)))
            }
            VersionAt::Number(Version(n)) if n <= stack.head => Ok(Some(Scope::At(n))),
            VersionAt::Number(version) => Err(Failure::conflict(format!(
                "stack `{}` has no version {version}, its newest is {}",
                stack.name,
                Version(stack.head)
            ))),
        }
    }

    /// Is it a transaction?
    pub const fn writes(&self) -> bool {
        self.writing.is_some()
    }

    /// Has this transaction changed the content of the stack?
    pub fn pending_here(&self, id: &StackId) -> bool {
        self.writing.as_ref().is_some_and(|w| {
            w.intent.stack.as_ref().is_some_and(|(held, ..)| held == id)
                && w.changes.values().any(|net| *net != Net::Nothing)
        })
    }

    fn seal(&mut self, seal: Seal) -> Result<Committed, CommitError> {
        let shared = self.shared;
        let told = |failure: Failure| CommitError::Store(shared.tell(failure));
        let (Link::Write(lent), Some(writing)) = (&mut self.link, self.writing.take()) else {
            return Err(told(Failure::conflict("the transaction has ended")));
        };
        let conn = lent.conn().map_err(told)?;
        if conn.is_autocommit() {
            return Err(CommitError::Store(ended(&shared.location)));
        }
        let wait = writing.intent.wait;
        let sealed = prepare(shared, conn, &writing, seal)?;
        let committed = sealed.committed.clone();
        if let Err(failure) = shared.commit(lent) {
            let disk = failure.is_disk();
            let error = shared.tell(failure);
            return Err(CommitError::Store(match &committed.operation {
                Some((seq, id)) if disk => outcome_after_failure(shared, *seq, id, error),
                _ => error,
            }));
        }
        if let (Some((seq, _)), Some(hash), Wait::Durable) = (&committed.operation, &sealed.link, wait) {
            // The change is kept, whatever becomes of the mark: it only proves less then.
            if let Some(marked) = shared.marked() {
                let _ = mark::write(marked, &sealed.lineage, *seq, hash, committed.version.is_some());
            }
        }
        Ok(committed)
    }
}

/// What a commit is about to do.
struct Sealed {
    committed: Committed,
    link: Option<Digest>,
    lineage: String,
}

fn ended(location: &str) -> StoreError {
    StoreError::Io {
        location: location.to_owned(),
        why: "the transaction was ended after a failure; nothing of it was kept".to_owned(),
    }
}

/// After a failure of the disk in the middle of a commit: was it kept or not? The connection is closed already.
fn outcome_after_failure(shared: &Shared, seq: u64, id: &OperationId, error: StoreError) -> StoreError {
    let kept = shared.read(|conn| {
        let ask = "SELECT 1 FROM operations WHERE seq = ?1 AND id = ?2";
        Ok(conn.query_row(ask, params![seq, id.as_str()], |_| Ok(())).optional()?.is_some())
    });
    match kept {
        Ok(false) => error,
        Ok(true) => StoreError::Io {
            location: shared.location.clone(),
            why: format!("{error}; the change can be read, but may not survive a power cut"),
        },
        Err(_) => StoreError::Io {
            location: shared.location.clone(),
            why: format!("{error}; whether the change was kept is unknown"),
        },
    }
}

/// Does everything a commit does, short of making it so.
fn prepare(
    shared: &Shared,
    conn: Connection<'_>,
    writing: &Writing,
    seal: Seal,
) -> Result<Sealed, CommitError> {
    let told = |failure: Failure| CommitError::Store(shared.tell(failure));
    let mut version = None;
    let (note, record) = match seal {
        Seal::Pending => (None, None),
        Seal::Operation(record) => (None, Some(record)),
        Seal::Version(note, record) => (Some(note), Some(record)),
    };
    if note.is_some() && writing.stack.is_none() {
        return Err(told(Failure::conflict("a version needs a stack and the lease on it")));
    }
    if let (Some(stack), Some((id, lock, fence))) = (&writing.stack, &writing.intent.stack) {
        let moved = match &note {
            Some(note) => {
                let changes = versions::all_changes(conn, stack, &writing.changes).map_err(told)?;
                let made =
                    versions::make(conn, writing, stack, id, &changes, note, shared.now()).map_err(told)?;
                version = made.version;
                move_head(conn, stack, &made, lock.as_str(), *fence).map_err(told)?
            }
            None => {
                let pending = versions::keep_pending(conn, stack, &writing.changes).map_err(told)?;
                let stay = versions::Made {
                    version: None,
                    head: stack.head,
                    hash: stack.head_hash,
                    pending,
                    count: stack.count,
                };
                move_head(conn, stack, &stay, lock.as_str(), *fence).map_err(told)?
            }
        };
        if !moved {
            let holder = crate::leases::holder(shared, conn, stack.num).map_err(told)?;
            return Err(CommitError::Fenced { holder: holder.map(Box::new) });
        }
        if let Some(base) = writing.intent.base
            && base.0 != stack.head
        {
            return Err(CommitError::Stale { base, head: Version(stack.head) });
        }
    }
    let mut sealed =
        Sealed { committed: Committed { version, operation: None }, link: None, lineage: String::new() };
    if let Some(record) = record {
        let operation = log(shared, conn, writing, version, record).map_err(told)?;
        sealed.committed.operation = Some((operation.0, operation.1));
        sealed.link = Some(operation.2);
        sealed.lineage = mark::position(conn).map_err(|e| told(e.into()))?.0;
    }
    Ok(sealed)
}

/// The fence, inside of the write: whoever does not hold the newest lease changes nothing.
fn move_head(
    conn: Connection<'_>,
    stack: &StackRow,
    made: &versions::Made,
    lock: &str,
    fence: Fence,
) -> Outcome<bool> {
    let sql = "UPDATE stacks SET head = ?1, head_hash = ?2, pending = ?3, resource_count = ?4 \
               WHERE num = ?5 AND head = ?6 AND fence = ?7 AND EXISTS (\
                 SELECT 1 FROM leases WHERE stack = ?5 AND kind = 'process' AND lock_id = ?8 AND fence = ?7)";
    let rows = conn.prepare_cached(sql)?.execute(params![
        made.head,
        made.hash.as_bytes(),
        made.pending,
        made.count,
        stack.num,
        stack.head,
        fence.0,
        lock,
    ])?;
    Ok(rows == 1)
}

fn log(
    shared: &Shared,
    conn: Connection<'_>,
    writing: &Writing,
    version: Option<Version>,
    record: OperationRecord,
) -> Outcome<(u64, OperationId, Digest)> {
    let about = match (&writing.intent.stack, &writing.stack, writing.made.as_slice()) {
        (Some((id, ..)), Some(stack), _) => {
            let after = version.unwrap_or(Version(stack.head));
            Some((id.as_str().to_owned(), stack.name.clone(), Some(Version(stack.head)), after))
        }
        (_, _, [(id, name, head)]) => Some((id.as_str().to_owned(), name.clone(), None, *head)),
        _ => None,
    };
    operations::append(
        conn,
        operations::Entry {
            at: shared.now(),
            actor: &writing.intent.actor,
            verb: &writing.intent.verb,
            arguments: &writing.intent.arguments,
            stack: about.as_ref().map(|(id, name, ..)| (id.clone(), name.clone())),
            before: about.as_ref().and_then(|(_, _, before, _)| *before),
            after: about.as_ref().map(|(_, _, _, after)| *after),
            record,
        },
    )
}

impl Txn for Session<'_> {
    fn commit(mut self: Box<Self>, seal: Seal) -> Result<Committed, CommitError> {
        self.seal(seal)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Link::Read(reader) = &mut self.link
            && let Some(reader) = reader.take()
        {
            self.shared.keep_reader(reader);
        }
    }
}
