//! Steps between their intent and the commit that records their result.
//!
//! Each run has a file beside the database, written without waiting for the disk: what it holds survives the death of
//! every process, and what a power cut takes from it can be found again by looking at the machine. Intents that looking
//! cannot find again are rows of the database and wait for the disk, unless the workflow renounces that. On a server the
//! file is a sequence of rows with the same bytes, so that another host can go on where this one died.

mod frame;
mod rows;
mod steps;

pub use frame::crc32;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sloth_core::digest::{Blob, Digest};
use sloth_core::id::{RunId, StackId};
use sloth_core::journal::{Guard, Intention, OpenStep, StepEvent};
use sloth_core::store::{Journal, StoreError, Wait};
use sloth_core::value::{Value, canonical, to_value};

use crate::failure::{Failure, Outcome};
use crate::files::{self, failed};
use crate::server::Pool;
use crate::shared::Shared;
use crate::sql::params;
use frame::{Tag, push};
use steps::{Head, Steps};

const EXTENSION: &str = "slj";
/// A file in which nothing is open any more is emptied when it is longer than this.
const RECLAIM: u64 = 4 * 1024 * 1024;
/// A longer file is not read: no run writes so much between two commits.
const LONGEST: u64 = 4 << 30;
/// A file without a readable head is begun again when it is no longer than this: its maker died while writing it.
const HEAD: u64 = 1024;

/// The journals of the runs of a database.
pub struct RunLogs {
    medium: Medium,
    open: Mutex<HashMap<RunId, RunLog>>,
    /// Steps begun here whose intent is a row and whose end is not known yet.
    rows: Mutex<HashMap<(RunId, u64), StackId>>,
}

/// Where journals are.
enum Medium {
    /// Files in this directory, beside the database.
    Files(PathBuf),
    /// Rows on the server, so that another host can finish what a run of this one leaves.
    Rows(Arc<Pool>),
}

/// The journal of one run, open.
struct RunLog {
    place: Place,
    length: u64,
    head: u64,
    steps: Steps,
    buffer: Vec<u8>,
}

enum Place {
    File { file: File, path: PathBuf },
    Rows { pool: Arc<Pool>, run: RunId, stack: StackId },
}

/// A journal that was found.
pub struct Left {
    /// The file it is in; none when it is on a server.
    pub path: Option<PathBuf>,
    /// How it is called in a sentence.
    pub shown: String,
    pub head: Option<Head>,
    pub steps: Steps,
    /// Bytes after the last whole record.
    pub torn: u64,
}

impl Left {
    fn read(path: Option<PathBuf>, shown: String, bytes: &[u8]) -> Self {
        let (records, end) = frame::records(bytes);
        let (head, steps) = Steps::replay(&records);
        Self { path, shown, head, steps, torn: bytes.len().saturating_sub(end) as u64 }
    }
}

impl RunLogs {
    /// Those of the database at this path.
    pub fn beside(database: &Path) -> Self {
        Self::of(Medium::Files(files::beside(database, ".steps")))
    }

    /// Those of the database on this server.
    pub fn on(pool: Arc<Pool>) -> Self {
        Self::of(Medium::Rows(pool))
    }

    fn of(medium: Medium) -> Self {
        Self { medium, open: Mutex::default(), rows: Mutex::default() }
    }

    /// The directory they are in, when they are files.
    pub fn dir(&self) -> Option<&Path> {
        match &self.medium {
            Medium::Files(dir) => Some(dir),
            Medium::Rows(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, RunLog>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<(RunId, u64), StackId>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of every journal, those that are torn or damaged among them.
    pub fn each_content(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        match &self.medium {
            Medium::Files(dir) => {
                for path in paths(dir)? {
                    match std::fs::read(&path) {
                        Ok(bytes) => each(&bytes),
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        Err(error) => return Err(failed("could not read", &path)(error)),
                    }
                }
            }
            Medium::Rows(pool) => {
                for (_, _, bytes) in rows::read(pool, rows::Of::Everybody)? {
                    each(&bytes);
                }
            }
        }
        Ok(())
    }

    /// Everything that is there, in order of names.
    pub fn all(&self) -> Outcome<Vec<Left>> {
        match &self.medium {
            Medium::Files(dir) => all_files(dir),
            Medium::Rows(pool) => all_rows(pool, rows::Of::Everybody),
        }
    }

    /// What may be of a stack; whose it is stands in the head of each.
    fn of_stack(&self, stack: &StackId) -> Outcome<Vec<Left>> {
        match &self.medium {
            Medium::Files(dir) => all_files(dir),
            Medium::Rows(pool) => all_rows(pool, rows::Of::Stack(stack)),
        }
    }

    /// Works on the journal of a run, which is opened when it exists, and made when there is a stack to make it for.
    /// `None` when there is none.
    fn with<T>(
        &self,
        run: &RunId,
        make_for: Option<&StackId>,
        work: impl FnOnce(&mut RunLog) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        let mut open = self.lock();
        if let Some(log) = open.get_mut(run) {
            return work(log).map(Some);
        }
        let found = match &self.medium {
            Medium::Files(dir) => RunLog::reopen(&path_of(dir, run))?,
            Medium::Rows(pool) => RunLog::reread(pool, run)?,
        };
        let mut log = match (found, make_for, &self.medium) {
            (Some(log), ..) => log,
            (None, None, _) => return Ok(None),
            (None, Some(stack), Medium::Files(dir)) => RunLog::create_file(dir, run, stack)?,
            (None, Some(stack), Medium::Rows(pool)) => {
                let place = Place::Rows { pool: Arc::clone(pool), run: run.clone(), stack: stack.clone() };
                RunLog::create(place, run, stack)?
            }
        };
        let answer = work(&mut log);
        open.insert(run.clone(), log);
        answer.map(Some)
    }

    /// Removes the journal of a run.
    fn remove(&self, run: &RunId) -> Outcome<()> {
        self.rows().retain(|(of, _), _| of != run);
        let mut open = self.lock();
        open.remove(run);
        match &self.medium {
            Medium::Files(dir) => {
                let path = path_of(dir, run);
                files::remove(&path).map_err(failed("could not remove", &path))
            }
            Medium::Rows(pool) => rows::cut(pool, run, 0),
        }
    }
}

/// The file of a run. Ids come from elsewhere, so only plain letters reach the filesystem as they are.
fn path_of(dir: &Path, run: &RunId) -> PathBuf {
    use std::fmt::Write as _;
    let mut name = String::new();
    for byte in run.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    dir.join(format!("{name}.{EXTENSION}"))
}

fn paths(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("could not list", dir)(error)),
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == EXTENSION))
        .collect();
    paths.sort();
    Ok(paths)
}

fn all_files(dir: &Path) -> Outcome<Vec<Left>> {
    let paths = paths(dir)?;
    let mut out = Vec::with_capacity(paths.len());
    for path in paths {
        match load(&path) {
            Ok(left) => out.push(left),
            // Its run ended while we were looking.
            Err(Failure::File(_, error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(out)
}

fn all_rows(pool: &Pool, of: rows::Of<'_>) -> Outcome<Vec<Left>> {
    let found = rows::read(pool, of)?;
    Ok(found
        .iter()
        .map(|(run, _, bytes)| Left::read(None, format!("the journal of run `{run}`"), bytes))
        .collect())
}

fn load(path: &Path) -> Outcome<Left> {
    let mut file = File::open(path).map_err(failed("could not read", path))?;
    let mut bytes = Vec::new();
    let length = file.metadata().map_err(failed("could not read", path))?.len();
    if length > LONGEST {
        return Err(Failure::bad(format!("the journal file `{}` is too long to be one", path.display())));
    }
    file.read_to_end(&mut bytes).map_err(failed("could not read", path))?;
    Ok(Left::read(Some(path.to_owned()), format!("`{}`", path.display()), &bytes))
}

impl RunLog {
    fn create_file(dir: &Path, run: &RunId, stack: &StackId) -> Outcome<Self> {
        files::make_private_dirs(dir)?;
        let path = path_of(dir, run);
        let file = files::private()
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(failed("could not create", &path))?;
        Self::create(Place::File { file, path }, run, stack)
    }

    fn create(place: Place, run: &RunId, stack: &StackId) -> Outcome<Self> {
        let mut this = Self { place, length: 0, head: 0, steps: Steps::default(), buffer: Vec::new() };
        let head = canonical(&to_value(&Head { run: run.clone(), stack: stack.clone() }));
        this.append(Wait::Fast, |out| push(out, Tag::Head, |o| o.extend_from_slice(head.as_bytes())))?;
        this.head = this.length;
        Ok(this)
    }

    /// Opens the file of a run of this or of an earlier process. A torn tail is cut off, so that what is appended can
    /// be read. `None` when there is none, or nothing in it.
    fn reopen(path: &Path) -> Outcome<Option<Self>> {
        let left = match load(path) {
            Ok(left) => left,
            Err(Failure::File(_, error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let mut file = files::private().open(path).map_err(failed("could not open", path))?;
        if left.head.is_none() {
            if files::size_of(path) <= HEAD {
                return Ok(None);
            }
            return Err(Failure::bad(format!(
                "the journal file `{}` is damaged at its beginning. It may hold the only copy of what its run replaced: \
                 move it to another directory, and try again",
                path.display()
            )));
        }
        let whole = file.metadata().map_err(failed("could not open", path))?.len() - left.torn;
        if left.torn > 0 {
            file.set_len(whole).map_err(failed("could not write", path))?;
        }
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(whole))
            .map_err(failed("could not open", path))?;
        let place = Place::File { file, path: path.to_owned() };
        let head = left.steps.head_length();
        Ok(Some(Self { place, length: whole, head, steps: left.steps, buffer: Vec::new() }))
    }

    /// Reads the rows of a run of this or of another host. `None` when there are none.
    fn reread(pool: &Arc<Pool>, run: &RunId) -> Outcome<Option<Self>> {
        let Some((_, stack, bytes)) = rows::read(pool, rows::Of::Run(run))?.pop() else { return Ok(None) };
        let left = Left::read(None, String::new(), &bytes);
        if left.torn > 0 || left.head.is_none() {
            // A row is whole or not there, so nobody's death does that.
            return Err(Failure::bad(format!("the journal of run `{run}` is damaged")));
        }
        let place = Place::Rows { pool: Arc::clone(pool), run: run.clone(), stack };
        let head = left.steps.head_length();
        Ok(Some(Self { place, length: bytes.len() as u64, head, steps: left.steps, buffer: Vec::new() }))
    }

    /// Writes records all at once, whole or not at all. On a server, `wait` says whether for the disk, too.
    fn append(&mut self, wait: Wait, fill: impl FnOnce(&mut Vec<u8>)) -> Outcome<()> {
        self.buffer.clear();
        fill(&mut self.buffer);
        match &mut self.place {
            Place::File { file, path } => {
                if let Err(error) = file.write_all(&self.buffer) {
                    // What follows half a record could not be read.
                    let _ = file.set_len(self.length);
                    let _ = std::io::Seek::seek(file, std::io::SeekFrom::Start(self.length));
                    return Err(failed("could not write", path)(error));
                }
            }
            Place::Rows { pool, run, stack } => {
                rows::append(pool, run, stack, self.length, &self.buffer, wait)?;
            }
        }
        self.length += self.buffer.len() as u64;
        Ok(())
    }

    fn reclaim(&mut self) -> Outcome<()> {
        if self.length > RECLAIM && self.head > 0 && self.steps.is_empty() {
            match &mut self.place {
                Place::File { file, path } => {
                    file.set_len(self.head).map_err(failed("could not write", path))?;
                    std::io::Seek::seek(file, std::io::SeekFrom::Start(self.head))
                        .map_err(failed("could not write", path))?;
                }
                Place::Rows { pool, run, .. } => rows::cut(pool, run, self.head)?,
            }
            self.length = self.head;
        }
        Ok(())
    }
}

fn push_seq(out: &mut Vec<u8>, seq: u64) {
    out.extend_from_slice(&seq.to_le_bytes());
}

fn push_json(out: &mut Vec<u8>, item: &impl serde::Serialize) {
    // Writing to memory cannot fail, and what the nouns hold can always be written.
    let _ = serde_json::to_writer(out, item);
}

impl Shared {
    fn begin_step(
        &self,
        stack: &StackId,
        run: &RunId,
        intention: &Intention,
        captured: &[Blob],
        wait: Wait,
    ) -> Outcome<()> {
        self.writable()?;
        match intention.guard() {
            Guard::Probe => self
                .logs
                .with(run, Some(stack), |log| {
                    log.steps.may(intention.seq, StepEvent::Begin)?;
                    // What an effect destroys cannot be found again by looking.
                    let wait = if captured.is_empty() { Wait::Fast } else { wait };
                    log.append(wait, |out| {
                        for blob in captured {
                            push(out, Tag::Content, |o| {
                                o.extend_from_slice(blob.digest().as_bytes());
                                o.extend_from_slice(blob.bytes());
                            });
                        }
                        push(out, Tag::Begin, |o| {
                            push_seq(o, intention.seq);
                            push_json(o, intention);
                        });
                    })?;
                    log.steps.began(intention.seq, false);
                    Ok(())
                })
                .map(|_| ()),
            Guard::None => {
                let digests: Vec<Digest> = captured.iter().map(Blob::digest).collect();
                let written = self.write(wait, |conn| {
                    crate::blobs::insert(conn, captured)?;
                    let sql = "INSERT INTO journal_steps (run, seq, stack_id, intention, captured) \
                               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (run, seq) DO NOTHING";
                    let begun = conn.prepare_cached(sql)?.execute(params![
                        run.as_str(),
                        intention.seq,
                        stack.as_str(),
                        canonical(&to_value(intention)),
                        canonical(&to_value(&digests)),
                    ]);
                    match begun? {
                        0 => Err(Failure::conflict(format!("step {} has begun already", intention.seq))),
                        _ => Ok(()),
                    }
                });
                if written.is_ok() {
                    self.logs.rows().insert((run.clone(), intention.seq), stack.clone());
                }
                written
            }
        }
    }

    /// Is it a step whose intent is a row? If so, whose stack?
    fn row_step(&self, run: &RunId, seq: u64) -> Outcome<Option<StackId>> {
        use crate::sql::OptionalExtension as _;
        self.read(|conn| {
            let sql = "SELECT stack_id FROM journal_steps WHERE run = ?1 AND seq = ?2";
            let found = conn
                .prepare_cached(sql)?
                .query_row(params![run.as_str(), seq], |row| row.get::<_, String>(0))
                .optional()?;
            Ok(found.map(StackId::from_stored))
        })
    }

    fn end_step(
        &self,
        run: &RunId,
        seq: u64,
        event: StepEvent,
        tag: Tag,
        write: impl Fn(&mut Vec<u8>),
    ) -> Outcome<()> {
        self.writable()?;
        let end = |log: &mut RunLog| -> Outcome<()> {
            log.steps.may(seq, event)?;
            log.append(Wait::Fast, |out| {
                push(out, tag, |o| {
                    push_seq(o, seq);
                    write(o);
                });
            })?;
            log.steps.ended(seq, event);
            Ok(())
        };
        let known = self
            .logs
            .with(run, None, |log| if log.steps.knows(seq) { end(log).map(|()| true) } else { Ok(false) })?;
        if known == Some(true) {
            return Ok(());
        }
        let begun_here = self.logs.rows().remove(&(run.clone(), seq));
        let Some(stack) = begun_here.map_or_else(|| self.row_step(run, seq), |stack| Ok(Some(stack)))? else {
            return Err(Failure::conflict(format!("step {seq} of run `{run}` has not begun")));
        };
        self.logs
            .with(run, Some(&stack), |log| {
                log.steps.began(seq, true);
                end(log)
            })
            .map(|_| ())
    }

    fn settle_steps(&self, run: &RunId, upto: u64) -> Outcome<()> {
        self.writable()?;
        self.logs
            .with(run, None, |log| {
                if log.steps.settle(upto) {
                    log.append(Wait::Fast, |out| push(out, Tag::Settle, |o| push_seq(o, upto)))?;
                }
                log.reclaim()
            })
            .map(|_| ())
    }

    fn resolve_step(&self, run: &RunId, seq: u64) -> Outcome<()> {
        self.writable()?;
        self.logs.with(run, None, |log| {
            if log.steps.resolve(seq) {
                log.append(Wait::Fast, |out| push(out, Tag::Resolve, |o| push_seq(o, seq)))?;
            }
            Ok(())
        })?;
        self.logs.rows().remove(&(run.clone(), seq));
        if self.row_step(run, seq)?.is_some() {
            self.write(Wait::Fast, |conn| {
                conn.prepare_cached("DELETE FROM journal_steps WHERE run = ?1 AND seq = ?2")?
                    .execute(params![run.as_str(), seq])?;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn close_run(&self, run: &RunId) -> Outcome<()> {
        self.writable()?;
        let any = self.read(|conn| {
            let sql = "SELECT EXISTS (SELECT 1 FROM journal_steps WHERE run = ?1)";
            Ok(conn.prepare_cached(sql)?.query_row([run.as_str()], |row| row.get::<_, bool>(0))?)
        })?;
        if any {
            self.write(Wait::Fast, |conn| {
                conn.prepare_cached("DELETE FROM journal_steps WHERE run = ?1")?.execute([run.as_str()])?;
                Ok(())
            })?;
        }
        self.logs.remove(run)
    }

    fn list_open_steps(&self, stack: &StackId) -> Outcome<Vec<OpenStep>> {
        let mut out = Vec::new();
        let mut ends: HashMap<RunId, Steps> = HashMap::new();
        for left in self.logs.of_stack(stack)? {
            let Some(head) = left.head.filter(|head| head.stack == *stack) else { continue };
            let mut steps = left.steps;
            out.extend(steps.take_open(&head.run)?);
            ends.insert(head.run, steps);
        }
        let rows = self.read(|conn| {
            let sql = "SELECT run, seq, intention, captured FROM journal_steps WHERE stack_id = ?1 ORDER BY run, seq";
            let mut ask = conn.prepare_cached(sql)?;
            let rows = ask.query_map([stack.as_str()], |row| {
                Ok((
                    RunId::from_stored(row.get::<_, String>(0)?),
                    row.get::<_, u64>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, String>(3)?,
                ))
            })?;
            let mut steps = Vec::new();
            for row in rows {
                let (run, seq, intention, captured) = row?;
                let digests: Vec<Digest> = serde_json::from_str(&captured)?;
                let mut blobs = Vec::with_capacity(digests.len());
                for digest in digests {
                    blobs.extend(crate::blobs::get(conn, &digest)?);
                }
                steps.push((run, seq, serde_json::from_str::<Intention>(&intention)?, blobs));
            }
            Ok(steps)
        })?;
        for (run, seq, intention, captured) in rows {
            let end = ends.get(&run).and_then(|steps| steps.end_of(seq));
            let finished: Option<Option<Value>> = match end {
                None => None,
                Some(steps::End::Finished(state)) => Some(state.clone()),
                Some(steps::End::Failed | steps::End::Resolved) => continue,
            };
            out.push(OpenStep { run, intention, finished, captured });
        }
        out.sort_by(|a, b| (&a.run, a.intention.seq).cmp(&(&b.run, b.intention.seq)));
        Ok(out)
    }
}

impl Journal for Shared {
    fn begin(
        &self,
        stack: &StackId,
        run: &RunId,
        intention: &Intention,
        captured: &[Blob],
        wait: Wait,
    ) -> Result<(), StoreError> {
        self.told(self.begin_step(stack, run, intention, captured, wait))
    }
    fn finish(&self, run: &RunId, seq: u64, state: Option<&Value>) -> Result<(), StoreError> {
        // Absence and a state that is `null` are told apart by whether there is any text.
        let done = self.end_step(run, seq, StepEvent::Finish, Tag::Finish, |out| {
            if let Some(state) = state {
                push_json(out, state);
            }
        });
        self.told(done)
    }
    fn fail(&self, run: &RunId, seq: u64, error: &str) -> Result<(), StoreError> {
        let done = self.end_step(run, seq, StepEvent::Fail, Tag::Fail, |out| {
            out.extend_from_slice(error.as_bytes());
        });
        self.told(done)
    }
    fn settle(&self, run: &RunId, upto: u64) -> Result<(), StoreError> {
        self.told(self.settle_steps(run, upto))
    }
    fn resolve(&self, run: &RunId, seq: u64) -> Result<(), StoreError> {
        self.told(self.resolve_step(run, seq))
    }
    fn close(&self, run: &RunId) -> Result<(), StoreError> {
        self.told(self.close_run(run))
    }
    fn open_steps(&self, stack: &StackId) -> Result<Vec<OpenStep>, StoreError> {
        self.told(self.list_open_steps(stack))
    }
}
