//! The high-water mark: what this host has seen acknowledged, kept outside of the database.
//!
//! SQLite cannot tell that changes went missing: a lost or damaged log, or an older copy put in place, gives a
//! consistent older state. The mark is a lower bound. It may lag behind; a database that lags behind *it* is refused
//! for writing.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use sloth_core::digest::Digest;
use sloth_core::store::StoreError;

use crate::failure::{Failure, Outcome};
use crate::files;
use crate::journal::crc32;
use crate::sql::{self, Connection, OptionalExtension as _};

const MAGIC: &[u8; 8] = b"SLTHMRK1";
const LENGTH: usize = 8 + 32 + 8 + 32 + 4;

/// What was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which database: its lineage.
    pub lineage: String,
    /// Last operation.
    pub seq: u64,
    /// Its link in the chain.
    pub hash: Digest,
}

/// How a database compares with its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// At or past the mark, or there is no mark.
    Fine,
    /// The mark cannot be read, so it proves nothing.
    Unreadable,
    /// Behind: found, seen.
    Older(u64, u64),
    /// As far as the mark, with another history.
    Forked(u64),
    /// The mark belongs to another database.
    Foreign,
}

/// `<db>.mark`.
pub fn path_of(database: &Path) -> PathBuf {
    files::beside(database, ".mark")
}

fn encode(lineage: &str, seq: u64, hash: &Digest) -> [u8; LENGTH] {
    let mut out = [0u8; LENGTH];
    out[..8].copy_from_slice(MAGIC);
    for (to, from) in out[8..40].iter_mut().zip(lineage.bytes()) {
        *to = from;
    }
    out[40..48].copy_from_slice(&seq.to_le_bytes());
    out[48..80].copy_from_slice(hash.as_bytes());
    let crc = crc32(&out[..80]);
    out[80..].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Mark> {
    let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
    let number =
        |from: usize| bytes.get(from..from + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    if &bytes[..8] != MAGIC || crc32(&bytes[..80]).to_le_bytes() != bytes[80..] {
        return None;
    }
    let lineage = std::str::from_utf8(&bytes[8..40]).ok()?.trim_end_matches('\0').to_owned();
    let hex: String = bytes[48..80].iter().map(|b| format!("{b:02x}")).collect();
    Some(Mark { lineage, seq: number(40)?, hash: hex.parse().ok()? })
}

/// Raises the mark in place. `flush` waits for the disk; without it the mark may lag behind after a power cut.
///
/// Whoever has committed writes this afterwards and without a lock on the database, so it may come late: a mark that is
/// higher, or that a restore put there in the meantime, which gives the database another lineage, stays.
pub fn write(database: &Path, lineage: &str, seq: u64, hash: &Digest, flush: bool) -> Outcome<()> {
    put(database, &encode(lineage, seq, hash), flush, |there| {
        there.is_none_or(|there| there.lineage == lineage && there.seq <= seq)
    })
}

/// Puts a mark in place of whatever is there, and waits for the disk.
pub fn place(database: &Path, lineage: &str, seq: u64, hash: &Digest) -> Outcome<()> {
    put(database, &encode(lineage, seq, hash), true, |_| true)
}

fn put(
    database: &Path,
    bytes: &[u8; LENGTH],
    flush: bool,
    may: impl FnOnce(Option<Mark>) -> bool,
) -> Outcome<()> {
    let path = path_of(database);
    let write = || -> io::Result<()> {
        let file = files::open_private(&path, true)?;
        // Given back when the file is closed.
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        let mut there = [0u8; LENGTH];
        let there = file.read_exact_at(&mut there, 0).ok().and_then(|()| decode(&there));
        if !may(there) {
            return Ok(());
        }
        file.write_all_at(bytes, 0)?;
        if flush { file.sync_data() } else { Ok(()) }
    };
    write().map_err(|e| Failure::File(format!("could not write `{}`", path.display()), e))
}

/// Reads the mark: nothing when there is none, `Err` when it is not one.
pub fn read(database: &Path) -> io::Result<Option<Result<Mark, ()>>> {
    let file = match std::fs::OpenOptions::new().read(true).open(path_of(database)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = [0u8; LENGTH];
    Ok(Some(match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => decode(&bytes).ok_or(()),
        Err(_) => Err(()),
    }))
}

/// The database's own name and position.
pub fn position(conn: Connection<'_>) -> sql::Result<(String, u64)> {
    let lineage = conn
        .query_row("SELECT value FROM meta WHERE key = 'lineage'", [], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let seq = conn.query_row("SELECT coalesce(max(seq), 0) FROM operations", [], |row| row.get(0))?;
    Ok((lineage, seq))
}

/// Compares.
pub fn standing(database: &Path, conn: Connection<'_>) -> Outcome<Standing> {
    let mark = match read(database) {
        Ok(None) => return Ok(Standing::Fine),
        Ok(Some(Err(()))) | Err(_) => return Ok(Standing::Unreadable),
        Ok(Some(Ok(mark))) => mark,
    };
    let (lineage, seq) = position(conn)?;
    if lineage != mark.lineage {
        return Ok(Standing::Foreign);
    }
    if seq < mark.seq {
        return Ok(Standing::Older(seq, mark.seq));
    }
    if mark.seq == 0 {
        return Ok(Standing::Fine);
    }
    let link: Option<Vec<u8>> = conn
        .query_row("SELECT hash FROM operations WHERE seq = ?1", [mark.seq], |row| row.get(0))
        .optional()?;
    Ok(if link.as_deref() == Some(mark.hash.as_bytes()) {
        Standing::Fine
    } else {
        Standing::Forked(mark.seq)
    })
}

/// Refuses to write a database that has lost something.
pub fn verify(database: &Path, location: &str, conn: Connection<'_>) -> Outcome<()> {
    let location = location.to_owned();
    match standing(database, conn)? {
        Standing::Fine | Standing::Unreadable => Ok(()),
        Standing::Older(found, seen) => Err(StoreError::Older { location, found, seen }.into()),
        Standing::Forked(seq) => Err(StoreError::Refused {
            location,
            why: format!(
                "its operation {seq} is not the one this host has acknowledged, so it is another history; \
                 put the right file back, or remove `{}` to go on with this one",
                path_of(database).display()
            ),
        }
        .into()),
        Standing::Foreign => Err(StoreError::Refused {
            location,
            why: format!(
                "the mark beside it belongs to another database; put the right file back, or remove `{}` to go on",
                path_of(database).display()
            ),
        }
        .into()),
    }
}

/// Refuses to make a new database where acknowledged changes are missing.
pub fn refuse_to_forget(database: &Path) -> Outcome<()> {
    match read(database) {
        Ok(Some(Ok(mark))) if mark.seq > 0 => Err(StoreError::Refused {
            location: database.display().to_string(),
            why: format!(
                "the database is gone, and {} acknowledged operations with it; put it back, or remove `{}` to begin anew",
                mark.seq,
                path_of(database).display()
            ),
        }
        .into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_does_not_lower_a_mark_nor_that_of_a_restored_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let seen = || read(&path).unwrap().unwrap().unwrap();
        let hash = Digest::of(b"x");
        write(&path, "one", 7, &hash, false).unwrap();
        write(&path, "one", 5, &Digest::ZERO, true).unwrap();
        assert_eq!((seen().seq, seen().hash), (7, hash));
        write(&path, "one", 9, &hash, false).unwrap();
        assert_eq!(seen().seq, 9);
        place(&path, "two", 3, &hash).unwrap();
        write(&path, "one", 10, &hash, true).unwrap();
        assert_eq!((seen().lineage.as_str(), seen().seq), ("two", 3));
        write(&path, "two", 4, &hash, true).unwrap();
        assert_eq!(seen().seq, 4);
        // One that cannot be read proves nothing, and is written anew.
        std::fs::write(path_of(&path), "no mark").unwrap();
        write(&path, "two", 5, &hash, true).unwrap();
        assert_eq!(seen().seq, 5);
    }

    #[test]
    fn a_mark_is_read_as_written_and_every_flipped_bit_is_noticed() {
        let hash = Digest::of(b"x");
        let bytes = encode("0123456789abcdef0123456789abcdef", 77, &hash);
        let mark = decode(&bytes).unwrap();
        assert_eq!(mark, Mark { lineage: "0123456789abcdef0123456789abcdef".to_owned(), seq: 77, hash });
        for at in 0..LENGTH {
            for bit in 0..8 {
                let mut bad = bytes;
                bad[at] ^= 1 << bit;
                assert_eq!(decode(&bad), None);
            }
        }
        assert_eq!(decode(&bytes[1..]), None);
    }
}
