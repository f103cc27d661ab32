//! A database that was damaged or put back: what is read of it is what was written, or somebody says why not. Never
//! anything else without a word.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sloth_core::clock::{Clock as _, FixedClock};
use sloth_core::digest::Blob;
use sloth_core::output::Output;
use sloth_core::recorded::Recorded;
use sloth_core::store::{OperationRecord, Seal, Store, StoreError, VersionAt, Wait};
use sloth_core::value::{canonical, to_value};
use sloth_core::value_entry::{LOCAL_SCOPE, ValueEntry};
use sloth_core::version::Version;
use sloth_store::{Location, OpenOptions, SqliteStore};
use sloth_testkit::store_laws::{self as laws, Fixture, change, made, record, version};

use crate::support::{clock, fixture_at, options, place};

/// So many flips of each kind, and so many of everything else. `scripts/test-long` asks for more.
fn count(usual: u64) -> u64 {
    std::env::var("SLOTH_TEST_DAMAGES")
        .ok()
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(usual, |n| n * usual / 100)
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

/// Writes a history into a store: two stacks that live, one in the trash, contents, outputs, values, a removed version.
fn fill(f: &Fixture, rounds: i64) {
    let stacks: Vec<_> = ["web", "db", "gone"].iter().map(|name| made(f, name)).collect();
    for round in 0..rounds {
        for (at, (_, lease)) in stacks.iter().enumerate() {
            f.clock.advance(Duration::from_millis(977));
            let blob = Blob::new(format!("content {at} of round {round}\n").repeat(20).into_bytes());
            f.store.blobs().put(std::slice::from_ref(&blob), Wait::Fast).unwrap();
            change(&*f.store, lease, version(), |txn| {
                for n in 0..4 {
                    let name = format!("{at}-{}", (round * 3 + n) % 17);
                    let spec = json!({ "content": blob.digest().hex(), "round": round, "n": n });
                    let updated_at = f.clock.now();
                    txn.resource_put(&Recorded { spec, updated_at, ..record(&name, round) }).unwrap();
                }
                let value = json!({ "round": round, "text": "x".repeat(30) });
                txn.output_put(&Output { name: format!("o{}", round % 3), value, sensitive: false }).unwrap();
            })
            .unwrap();
        }
        let mut txn = f.store.begin(laws::no_stack()).unwrap();
        let entry = ValueEntry { value: json!({ "round": round }), ..value(f, &format!("k{}", round % 5)) };
        txn.value_put(&entry).unwrap();
        txn.commit(Seal::Operation(OperationRecord::default())).unwrap();
    }
    let (web, lease) = &stacks[0];
    let gone = [Version(2), Version(3)];
    let undo = json!({ "removed": gone });
    change(&*f.store, lease, Seal::Operation(OperationRecord { undo, undoes: None }), |txn| {
        txn.version_remove(&web.id, &gone).unwrap();
        txn.history_collect(&web.id).unwrap();
    })
    .unwrap();
    let (trashed, lease) = &stacks[2];
    change(&*f.store, lease, Seal::Operation(OperationRecord::default()), |txn| {
        txn.stack_trash(&trashed.id).unwrap();
    })
    .unwrap();
    for (_, lease) in &stacks {
        f.store.leases().release(lease).unwrap();
    }
}

fn value(f: &Fixture, key: &str) -> ValueEntry {
    ValueEntry {
        scope: LOCAL_SCOPE.to_owned(),
        key: key.to_owned(),
        value: json!(null),
        created_at: f.clock.now(),
        updated_at: f.clock.now(),
        expires_at: None,
        revision: 0,
    }
}

/// Everything `stack export` writes of all stacks and versions, their contents, the log, and the values.
fn picture(store: &dyn Store) -> Result<String, StoreError> {
    let view = store.view()?;
    let mut all = Vec::new();
    for stack in view.stack_list()? {
        let resources = view.resource_list(&stack.id, VersionAt::Head)?;
        let mut contents = BTreeMap::new();
        for recorded in &resources {
            if let Some(Ok(digest)) = recorded.spec["content"].as_str().map(str::parse) {
                let blob = store.blobs().get(&digest)?;
                contents.insert(digest.hex(), blob.map(|b| String::from_utf8_lossy(b.bytes()).into_owned()));
            }
        }
        let versions = view.version_list(&stack.id, 0)?;
        let snapshots = versions
            .iter()
            .map(|info| Ok(to_value(&view.version_snapshot(&stack.id, info.version)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        all.push(json!({
            "stack": to_value(&stack),
            "resources": to_value(&resources),
            "outputs": to_value(&view.output_list(&stack.id, VersionAt::Head)?),
            "snapshots": snapshots,
            "contents": contents,
        }));
    }
    Ok(canonical(&json!({
        "stacks": all,
        "operations": to_value(&view.operation_list(0)?),
        "values": to_value(&view.value_list(None, "")?),
    })))
}

/// What somebody sees who exports everything and asks `doctor`.
#[derive(Debug, PartialEq)]
enum Outcome {
    Same,
    Refused(String),
    Silent(String),
}

/// What is looked at besides what is read.
#[derive(Clone, Copy, PartialEq)]
enum Doctor {
    Asked,
    /// Nobody looks: shows that the test can fail.
    Absent,
}

fn outcome(path: &Path, clock: &Arc<FixedClock>, whole: &str, doctor: Doctor) -> Outcome {
    let look = || -> Result<(String, Vec<String>), StoreError> {
        let once = OpenOptions { create: false, ..options(clock) };
        let store = SqliteStore::open(&Location::file(path), &once)?;
        let seen = picture(&store)?;
        let severe = match doctor {
            Doctor::Asked => store.check(true)?.into_iter().filter(|f| f.severe).map(|f| f.what).collect(),
            Doctor::Absent => Vec::new(),
        };
        Ok((seen, severe))
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Err(_) => Outcome::Silent("it panicked".to_owned()),
        Ok(Err(error)) => Outcome::Refused(error.to_string()),
        Ok(Ok((_, severe))) if !severe.is_empty() => Outcome::Refused(severe.join("; ")),
        Ok(Ok((seen, _))) if seen == whole => Outcome::Same,
        Ok(Ok((seen, _))) => Outcome::Silent(first_difference(whole, &seen)),
    }
}

fn first_difference(a: &str, b: &str) -> String {
    let at = a.bytes().zip(b.bytes()).position(|(x, y)| x != y).unwrap_or(a.len().min(b.len()));
    let part = |text: &str| {
        let bytes = text.as_bytes();
        String::from_utf8_lossy(&bytes[at.saturating_sub(90)..(at + 40).min(bytes.len())]).into_owned()
    };
    format!("…{}…\n      became …{}…", part(a), part(b))
}

/// A copy of a database, as the disk would show it to somebody who comes later.
struct Image {
    files: Vec<(&'static str, Vec<u8>)>,
    whole: String,
    clock: Arc<FixedClock>,
}

const PARTS: [&str; 3] = ["", "-wal", ".mark"];

impl Image {
    /// Copied by another process: to close a file that SQLite has open here would take its locks away.
    fn take(from: &Path, whole: String, clock: &Arc<FixedClock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for part in PARTS {
            let source = PathBuf::from(format!("{}{part}", from.display()));
            if source.exists() {
                let copy = dir.path().join("copy");
                assert!(std::process::Command::new("cp").arg(&source).arg(&copy).status().unwrap().success());
                files.push((part, std::fs::read(&copy).unwrap()));
            }
        }
        Self { files, whole, clock: Arc::clone(clock) }
    }

    fn bytes(&self, part: &str) -> &[u8] {
        self.files.iter().find(|(name, _)| *name == part).map_or(&[], |(_, bytes)| bytes)
    }

    /// The outcome when one file is changed or left out.
    fn with(&self, part: &str, changed: Option<&[u8]>, doctor: Doctor) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stacks.db");
        for (name, bytes) in &self.files {
            let bytes = if *name == part { changed } else { Some(bytes.as_slice()) };
            if let Some(bytes) = bytes {
                std::fs::write(format!("{}{name}", path.display()), bytes).unwrap();
            }
        }
        outcome(&path, &self.clock, &self.whole, doctor)
    }
}

/// Everything in the database, the last changes in its log, and one that somebody has open, with all in the log.
fn images() -> Vec<(&'static str, Image)> {
    let (dir, path) = place();
    let f = fixture_at(dir, &path);
    fill(&f, 5);
    let live = Image::take(&path, picture(&*f.store).unwrap(), &f.clock);
    // Whoever closes a long log carries it over; what comes after that is in a short one.
    let Fixture { store, clock, reopen, keep } = f;
    drop(store);
    let store = reopen();
    let f = Fixture { store, clock, reopen, keep };
    let (_, lease) = made(&f, "late");
    for n in 0..4 {
        change(&*f.store, &lease, version(), |txn| txn.resource_put(&record("late", n)).unwrap()).unwrap();
    }
    let whole = picture(&*f.store).unwrap();
    drop(f.store);
    let logged = Image::take(&path, whole.clone(), &f.clock);
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    let closed = Image::take(&path, whole, &f.clock);
    vec![("closed", closed), ("with a log", logged), ("live", live)]
}

struct Tally {
    same: u64,
    refused: u64,
    silent: Vec<String>,
}

impl Tally {
    fn new() -> Self {
        Self { same: 0, refused: 0, silent: Vec::new() }
    }
    fn add(&mut self, what: impl FnOnce() -> String, outcome: Outcome) {
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Refused(why) => {
                assert!(!why.is_empty());
                self.refused += 1;
            }
            Outcome::Silent(difference) => self.silent.push(format!("{}: {difference}", what())),
        }
    }
    fn end(self, what: &str) {
        println!("{what}: {} the same, {} refused, {} silent", self.same, self.refused, self.silent.len());
        assert!(self.silent.is_empty(), "{what}:\n{}", self.silent.join("\n"));
        assert!(self.refused > 0, "{what}: nothing was ever refused, so nothing was tried");
    }
}

#[test]
fn a_flipped_byte_is_harmless_or_told() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, image) in images() {
        for part in ["", "-wal"] {
            let bytes = image.bytes(part);
            if bytes.is_empty() {
                continue;
            }
            let mut tally = Tally::new();
            for _ in 0..count(60) {
                let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                let mut changed = bytes.to_vec();
                let flip = u8::try_from(random.below(255)).unwrap() + 1;
                changed[at] ^= flip;
                let outcome = image.with(part, Some(&changed), Doctor::Asked);
                tally.add(|| format!("byte {at} ^ {flip:#04x}"), outcome);
            }
            if name == "live" && part.is_empty() {
                // All of its pages are in the log anew.
                assert!(tally.silent.is_empty(), "{name}: {}", tally.silent.join("\n"));
            } else {
                tally.end(&format!("flips in {name}{part}"));
            }
        }
    }
}

#[test]
fn what_is_cut_off_or_gone_is_told() {
    for (name, image) in images() {
        for part in ["", "-wal"] {
            let bytes = image.bytes(part);
            if bytes.is_empty() {
                continue;
            }
            let mut tally = Tally::new();
            let steps = usize::try_from(count(30)).unwrap();
            let step = (bytes.len() / steps).max(512) / 512 * 512;
            for length in (0..bytes.len()).step_by(step) {
                let outcome = image.with(part, Some(&bytes[..length]), Doctor::Asked);
                tally.add(|| format!("cut to {length}"), outcome);
            }
            tally.add(|| "removed".to_owned(), image.with(part, None, Doctor::Asked));
            tally.end(&format!("cuts of {name}{part}"));
        }
    }
}

#[test]
fn pages_that_are_swapped_or_zeroed_are_told() {
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    const PAGE: usize = 4096;
    for (name, image) in images() {
        let bytes = image.bytes("");
        let pages = (bytes.len() / PAGE) as u64;
        let mut tally = Tally::new();
        for _ in 0..count(40) {
            let (a, b) = (random.below(pages) as usize * PAGE, random.below(pages) as usize * PAGE);
            let mut changed = bytes.to_vec();
            if random.below(2) == 0 {
                changed[a..a + PAGE].fill(0);
            } else {
                let kept = changed[a..a + PAGE].to_vec();
                changed.copy_within(b..b + PAGE, a);
                changed[b..b + PAGE].copy_from_slice(&kept);
            }
            tally.add(|| format!("pages at {a} and {b}"), image.with("", Some(&changed), Doctor::Asked));
        }
        if name == "closed" {
            tally.end("pages of closed");
        } else {
            // The log holds most pages anew, so little is lost with the old ones.
            assert!(tally.silent.is_empty(), "{name}: {}", tally.silent.join("\n"));
        }
    }
}

#[test]
fn yesterdays_copy_in_its_place_is_told() {
    let (dir, path) = place();
    let f = fixture_at(dir, &path);
    fill(&f, 4);
    let copies = tempfile::tempdir().unwrap();
    let yesterday = copies.path().join("yesterday.db");
    let copy = f.reopen.as_ref()();
    copy.backups().backup_create(&yesterday).unwrap();
    let (_, lease) = made(&f, "more");
    change(&*f.store, &lease, version(), |txn| txn.resource_put(&record("more", 1)).unwrap()).unwrap();
    let whole = picture(&*f.store).unwrap();
    let image = Image::take(&path, whole, &f.clock);
    let old = std::fs::read(&yesterday).unwrap();
    for log in [true, false] {
        let mut image = Image { files: image.files.clone(), whole: image.whole.clone(), clock: clock() };
        if !log {
            image.files.retain(|(part, _)| *part != "-wal");
        }
        let found = image.with("", Some(&old), Doctor::Asked);
        // A log that holds every page anew brings all of it back.
        assert!(matches!(found, Outcome::Refused(_)) || (log && found == Outcome::Same), "{found:?}");
    }
}

/// Without somebody who looks, damage does get through: the others would notice if it did.
#[test]
fn damage_gets_through_where_nobody_looks() {
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (_, image) = images().swap_remove(2);
    let log = image.bytes("-wal");
    let mut silent = 0;
    for _ in 0..30 {
        let mut changed = log.to_vec();
        let at = usize::try_from(random.below(log.len() as u64)).unwrap();
        changed[at] ^= 0x40;
        if matches!(image.with("-wal", Some(&changed), Doctor::Absent), Outcome::Silent(_)) {
            silent += 1;
        }
    }
    assert!(silent > 0, "no flip was ever seen in what is read");
}
