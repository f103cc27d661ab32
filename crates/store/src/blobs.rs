//! Contents by digest.

use sloth_core::digest::{Blob, Digest};
use sloth_core::store::{Blobs, StoreError, Wait};

use crate::failure::{Failure, Outcome};
use crate::shared::Shared;
use crate::sql::{Connection, OptionalExtension as _, params};

/// Contents shorter than this are kept as they are: they would hardly become shorter.
const PLAIN_BELOW: usize = 512;
const LEVEL: i32 = 3;
/// No content is longer, whatever a damaged row says.
const LONGEST: usize = 1 << 30;

/// How contents are kept.
const PLAIN: i64 = 0;
const ZSTD: i64 = 1;

fn encode(bytes: &[u8]) -> (i64, std::borrow::Cow<'_, [u8]>) {
    if bytes.len() >= PLAIN_BELOW
        && let Ok(packed) = zstd::bulk::compress(bytes, LEVEL)
        && packed.len() < bytes.len()
    {
        return (ZSTD, packed.into());
    }
    (PLAIN, bytes.into())
}

fn decode(codec: i64, size: i64, data: Vec<u8>) -> Option<Vec<u8>> {
    match codec {
        PLAIN => Some(data),
        ZSTD => {
            let size = usize::try_from(size).ok().filter(|size| *size <= LONGEST)?;
            zstd::bulk::decompress(&data, size).ok()
        }
        _ => None,
    }
}

/// Is it there?
pub fn has(conn: Connection<'_>, digest: &Digest) -> Outcome<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?1)";
    Ok(conn.prepare_cached(sql)?.query_row([digest.as_bytes()], |row| row.get(0))?)
}

/// Reads and verifies one.
pub fn get(conn: Connection<'_>, digest: &Digest) -> Outcome<Option<Blob>> {
    let sql = "SELECT codec, size, data FROM blobs WHERE digest = ?1";
    let found = conn
        .prepare_cached(sql)?
        .query_row([digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
        .optional()?;
    let Some((codec, size, data)) = found else { return Ok(None) };
    let blob = decode(codec, size, data).map(Blob::new).filter(|blob| blob.digest() == *digest);
    match blob {
        Some(blob) => Ok(Some(blob)),
        None => Err(Failure::bad(format!("the content kept as {digest} is not that content"))),
    }
}

/// Keeps contents inside of an open transaction.
pub fn insert(conn: Connection<'_>, blobs: &[Blob]) -> Outcome<()> {
    let sql = "INSERT INTO blobs (digest, codec, size, data) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest) DO NOTHING";
    let mut put = conn.prepare_cached(sql)?;
    for blob in blobs {
        if has(conn, &blob.digest())? {
            continue;
        }
        let (codec, data) = encode(blob.bytes());
        let size = i64::try_from(blob.bytes().len()).unwrap_or(i64::MAX);
        put.execute(params![blob.digest().as_bytes(), codec, size, data])?;
    }
    Ok(())
}

/// Digests of all contents, for checking.
pub fn all(conn: Connection<'_>, mut each: impl FnMut(Digest)) -> Outcome<()> {
    let mut ask = conn.prepare_cached("SELECT digest FROM blobs ORDER BY digest")?;
    let mut rows = ask.query([])?;
    while let Some(row) = rows.next()? {
        each(crate::session::digest_of(&row.get::<_, [u8; 32]>(0)?)?);
    }
    Ok(())
}

impl Shared {
    fn put_blobs(&self, blobs: &[Blob], wait: Wait) -> Outcome<()> {
        self.writable()?;
        if blobs.is_empty() {
            return Ok(());
        }
        let known = self.read(|conn| {
            for blob in blobs {
                if !has(conn, &blob.digest())? {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        if !known {
            return self.write(wait, |conn| insert(conn, blobs));
        }
        if wait == Wait::Durable && self.unflushed.load(std::sync::atomic::Ordering::Relaxed) {
            // They may have come with a commit that did not wait; one that waits carries it along.
            return self.write(wait, |conn| {
                conn.execute("UPDATE meta SET value = value WHERE key = 'lineage'", [])?;
                Ok(())
            });
        }
        Ok(())
    }
}

impl Blobs for Shared {
    fn put(&self, blobs: &[Blob], wait: Wait) -> Result<(), StoreError> {
        self.told(self.put_blobs(blobs, wait))
    }
    fn get(&self, digest: &Digest) -> Result<Option<Blob>, StoreError> {
        self.told(self.read(|conn| get(conn, digest)))
    }
    fn has(&self, digest: &Digest) -> Result<bool, StoreError> {
        self.told(self.read(|conn| has(conn, digest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_packed_when_that_helps_and_come_back_as_they_were() {
        let long = b"sloth ".repeat(1000);
        let noise: Vec<u8> =
            (0..2000u32).flat_map(|i| Digest::of(&i.to_le_bytes()).as_bytes().to_vec()).collect();
        for (bytes, codec) in [(b"short".to_vec(), PLAIN), (long, ZSTD), (noise, PLAIN), (Vec::new(), PLAIN)]
        {
            let (found, data) = encode(&bytes);
            assert_eq!(found, codec);
            let size = i64::try_from(bytes.len()).unwrap();
            assert_eq!(decode(found, size, data.into_owned()), Some(bytes));
        }
        assert_eq!(decode(ZSTD, 10, b"not packed".to_vec()), None);
        assert_eq!(decode(7, 1, vec![0]), None);
    }
}
