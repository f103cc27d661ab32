//! Steps between their intent and the commit that records their result.
//!
//! Each run has a file beside the database, written without waiting for the disk: what it holds survives the death of
//! every process, and what a power cut takes from it can be found again by looking at the machine. Intents that looking
//! cannot find again are rows of the database and wait for the disk, unless the workflow renounces that.

mod frame;
mod steps;

pub use frame::crc32;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sloth_core::digest::{Blob, Digest};
use sloth_core::id::{RunId, StackId};
use sloth_core::journal::{Guard, Intention, OpenStep, StepEvent};
use sloth_core::store::{Journal, StoreError, Wait};
use sloth_core::value::{Value, canonical, to_value};

use crate::failure::{Failure, Outcome};
use crate::files::{self, failed};
use crate::sql::params;
use crate::sqlite::Shared;
use frame::{Tag, push};
use steps::{Head, Steps};

const EXTENSION: &str = "slj";
/// A file in which nothing is open any more is emptied when it is longer than this.
const RECLAIM: u64 = 4 * 1024 * 1024;
/// A longer file is not read: no run writes so much between two commits.
const LONGEST: u64 = 4 << 30;
/// A file without a readable head is begun again when it is no longer than this: its maker died while writing it.
const HEAD: u64 = 1024;

/// The journal files of a database.
pub struct RunFiles {
    dir: PathBuf,
    open: Mutex<HashMap<RunId, RunFile>>,
    /// Steps begun here whose intent is a row and whose end is not known yet.
    rows: Mutex<HashMap<(RunId, u64), StackId>>,
}

/// The file of one run, open.
struct RunFile {
    file: File,
    path: PathBuf,
    length: u64,
    head: u64,
    steps: Steps,
    buffer: Vec<u8>,
}

/// A file found beside the database.
pub struct Left {
    pub path: PathBuf,
    pub head: Option<Head>,
    pub steps: Steps,
    /// Bytes after the last whole record.
    pub torn: u64,
}

impl RunFiles {
    /// Those of the database at this path.
    pub fn beside(database: &Path) -> Self {
        Self { dir: files::beside(database, ".steps"), open: Mutex::default(), rows: Mutex::default() }
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, RunFile>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<(RunId, u64), StackId>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a run. Ids come from elsewhere, so only plain letters reach the filesystem as they are.
    fn path(&self, run: &RunId) -> PathBuf {
        use std::fmt::Write as _;
        let mut name = String::new();
        for byte in run.as_str().bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                name.push(char::from(byte));
            } else {
                let _ = write!(name, "%{byte:02X}");
            }
        }
        self.dir.join(format!("{name}.{EXTENSION}"))
    }

    fn paths(&self) -> Outcome<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("could not list", &self.dir)(error)),
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == EXTENSION))
            .collect();
        paths.sort();
        Ok(paths)
    }

    /// The bytes of every file, those that are torn or damaged among them.
    pub fn each_content(&self, mut each: impl FnMut(&[u8])) -> Outcome<()> {
        for path in self.paths()? {
            match std::fs::read(&path) {
                Ok(bytes) => each(&bytes),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("could not read", &path)(error)),
            }
        }
        Ok(())
    }

    /// Everything that is there, in order of names.
    pub fn all(&self) -> Outcome<Vec<Left>> {
        let paths = self.paths()?;
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

    /// Works on the file of a run, which is opened when it exists, and made when there is a stack to make it for.
    /// `None` when there is none.
    fn with<T>(
        &self,
        run: &RunId,
        make_for: Option<&StackId>,
        work: impl FnOnce(&mut RunFile) -> Outcome<T>,
    ) -> Outcome<Option<T>> {
        let mut open = self.lock();
        if let Some(file) = open.get_mut(run) {
            return work(file).map(Some);
        }
        let path = self.path(run);
        let mut file = match RunFile::reopen(&path)? {
            Some(file) => file,
            None => match make_for {
                Some(stack) => RunFile::create(&self.dir, path, run, stack)?,
                None => return Ok(None),
            },
        };
        let answer = work(&mut file);
        open.insert(run.clone(), file);
        answer.map(Some)
    }
}

fn load(path: &Path) -> Outcome<Left> {
    let mut file = File::open(path).map_err(failed("could not read", path))?;
    let mut bytes = Vec::new();
    let length = file.metadata().map_err(failed("could not read", path))?.len();
    if length > LONGEST {
        return Err(Failure::bad(format!("the journal file `{}` is too long to be one", path.display())));
    }
    file.read_to_end(&mut bytes).map_err(failed("could not read", path))?;
    let (records, end) = frame::records(&bytes);
    let (head, steps) = Steps::replay(&records);
    let torn = bytes.len().saturating_sub(end) as u64;
    Ok(Left { path: path.to_owned(), head, steps, torn })
}

impl RunFile {
    fn create(dir: &Path, path: PathBuf, run: &RunId, stack: &StackId) -> Outcome<Self> {
        files::make_private_dirs(dir)?;
        let file = files::private()
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(failed("could not create", &path))?;
        let mut this = Self { file, path, length: 0, head: 0, steps: Steps::default(), buffer: Vec::new() };
        let head = canonical(&to_value(&Head { run: run.clone(), stack: stack.clone() }));
        this.append(|out| push(out, Tag::Head, |o| o.extend_from_slice(head.as_bytes())))?;
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
        let path = path.to_owned();
        let head = left.steps.head_length();
        Ok(Some(Self { file, path, length: whole, head, steps: left.steps, buffer: Vec::new() }))
    }

    /// Writes records with a single call, whole or not at all.
    fn append(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Outcome<()> {
        self.buffer.clear();
        fill(&mut self.buffer);
        match self.file.write_all(&self.buffer) {
            Ok(()) => {
                self.length += self.buffer.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What follows half a record could not be read.
                let _ = self.file.set_len(self.length);
                let _ = std::io::Seek::seek(&mut self.file, std::io::SeekFrom::Start(self.length));
                Err(failed("could not write", &self.path)(error))
            }
        }
    }

    fn reclaim(&mut self) -> Outcome<()> {
        if self.length > RECLAIM && self.head > 0 && self.steps.is_empty() {
            self.file.set_len(self.head).map_err(failed("could not write", &self.path))?;
            std::io::Seek::seek(&mut self.file, std::io::SeekFrom::Start(self.head))
                .map_err(failed("could not write", &self.path))?;
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
                .files
                .with(run, Some(stack), |file| {
                    file.steps.may(intention.seq, StepEvent::Begin)?;
                    file.append(|out| {
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
                    file.steps.began(intention.seq, false);
                    Ok(())
                })
                .map(|_| ()),
            Guard::None => {
                let digests: Vec<Digest> = captured.iter().map(Blob::digest).collect();
                let written = self.write(wait, |conn| {
                    crate::blobs::insert(conn, captured)?;
                    let sql = "INSERT INTO journal_steps (run, seq, stack_id, intention, captured) \
                               VALUES (?1, ?2, ?3, ?4, ?5)";
                    let done = conn.prepare_cached(sql)?.execute(params![
                        run.as_str(),
                        intention.seq,
                        stack.as_str(),
                        canonical(&to_value(intention)),
                        canonical(&to_value(&digests)),
                    ]);
                    match done.map_err(Failure::from) {
                        Err(failure) if failure.is_unique() => {
                            Err(Failure::conflict(format!("step {} has begun already", intention.seq)))
                        }
                        other => other.map(|_| ()),
                    }
                });
                if written.is_ok() {
                    self.files.rows().insert((run.clone(), intention.seq), stack.clone());
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
        let end = |file: &mut RunFile| -> Outcome<()> {
            file.steps.may(seq, event)?;
            file.append(|out| {
                push(out, tag, |o| {
                    push_seq(o, seq);
                    write(o);
                });
            })?;
            file.steps.ended(seq, event);
            Ok(())
        };
        let known = self.files.with(run, None, |file| {
            if file.steps.knows(seq) { end(file).map(|()| true) } else { Ok(false) }
        })?;
        if known == Some(true) {
            return Ok(());
        }
        let begun_here = self.files.rows().remove(&(run.clone(), seq));
        let Some(stack) = begun_here.map_or_else(|| self.row_step(run, seq), |stack| Ok(Some(stack)))? else {
            return Err(Failure::conflict(format!("step {seq} of run `{run}` has not begun")));
        };
        self.files
            .with(run, Some(&stack), |file| {
                file.steps.began(seq, true);
                end(file)
            })
            .map(|_| ())
    }

    fn settle_steps(&self, run: &RunId, upto: u64) -> Outcome<()> {
        self.writable()?;
        self.files
            .with(run, None, |file| {
                if file.steps.settle(upto) {
                    file.append(|out| push(out, Tag::Settle, |o| push_seq(o, upto)))?;
                }
                file.reclaim()
            })
            .map(|_| ())
    }

    fn resolve_step(&self, run: &RunId, seq: u64) -> Outcome<()> {
        self.writable()?;
        self.files.with(run, None, |file| {
            if file.steps.resolve(seq) {
                file.append(|out| push(out, Tag::Resolve, |o| push_seq(o, seq)))?;
            }
            Ok(())
        })?;
        self.files.rows().remove(&(run.clone(), seq));
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
        self.files.rows().retain(|(of, _), _| of != run);
        let mut open = self.files.lock();
        open.remove(run);
        let path = self.files.path(run);
        files::remove(&path).map_err(failed("could not remove", &path))
    }

    fn list_open_steps(&self, stack: &StackId) -> Outcome<Vec<OpenStep>> {
        let mut out = Vec::new();
        let mut ends: HashMap<RunId, Steps> = HashMap::new();
        for left in self.files.all()? {
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
