//! Records of a journal file: length, checksum, content. Whatever follows the last whole record never happened.

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Which run and stack the file belongs to. Always first.
    Head,
    /// A content saved for the intent that follows.
    Content,
    /// An intent.
    Begin,
    /// A result: success.
    Finish,
    /// A result: failure.
    Fail,
    /// Resource steps up to a number are committed.
    Settle,
    /// One step is decided.
    Resolve,
}

impl Tag {
    const ALL: [(Self, u8); 7] = [
        (Self::Head, b'H'),
        (Self::Content, b'C'),
        (Self::Begin, b'B'),
        (Self::Finish, b'F'),
        (Self::Fail, b'E'),
        (Self::Settle, b'S'),
        (Self::Resolve, b'R'),
    ];
    fn byte(self) -> u8 {
        Self::ALL.iter().find(|(tag, _)| *tag == self).map_or(0, |(_, byte)| *byte)
    }
    fn parse(byte: u8) -> Option<Self> {
        Self::ALL.iter().find(|(_, b)| *b == byte).map(|(tag, _)| *tag)
    }
}

/// Length and checksum before each record.
const PREFIX: usize = 8;

/// Appends a record to `out`. `write` adds its content.
pub fn push(out: &mut Vec<u8>, tag: Tag, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    out.push(tag.byte());
    write(out);
    let length = u32::try_from(out.len() - start - PREFIX).unwrap_or(u32::MAX);
    let crc = crc32(&out[start + PREFIX..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + PREFIX].copy_from_slice(&crc.to_le_bytes());
}

/// The whole records of a file, and how many bytes they take.
pub fn records(bytes: &[u8]) -> (Vec<(Tag, &[u8])>, usize) {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some((tag, content, end)) = next(bytes, at) {
        out.push((tag, content));
        at = end;
    }
    (out, at)
}

fn next(bytes: &[u8], at: usize) -> Option<(Tag, &[u8], usize)> {
    let prefix = bytes.get(at..at + PREFIX)?;
    let length = usize::try_from(u32::from_le_bytes(prefix[..4].try_into().ok()?)).ok()?;
    let crc = u32::from_le_bytes(prefix[4..].try_into().ok()?);
    let end = at.checked_add(PREFIX)?.checked_add(length)?;
    let record = bytes.get(at + PREFIX..end)?;
    if crc32(record) != crc {
        return None;
    }
    let (tag, content) = record.split_first()?;
    Some((Tag::parse(*tag)?, content, end))
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut i = 0;
    while i < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "i is below 256")]
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][i] = value;
        i += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[k - 1][i];
            tables[k][i] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            i += 1;
        }
        k += 1;
    }
    tables
}

static TABLES: [[u32; 256]; 8] = tables();

/// CRC-32 (IEEE 802.3), eight bytes at a time.
pub fn crc32(bytes: &[u8]) -> u32 {
    let index = |word: u64, byte: u32| usize::from(word.to_le_bytes()[byte as usize]);
    let mut crc = u32::MAX;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        let word = u64::from_le_bytes(word) ^ u64::from(crc);
        crc = TABLES[7][index(word, 0)]
            ^ TABLES[6][index(word, 1)]
            ^ TABLES[5][index(word, 2)]
            ^ TABLES[4][index(word, 3)]
            ^ TABLES[3][index(word, 4)]
            ^ TABLES[2][index(word, 5)]
            ^ TABLES[1][index(word, 6)]
            ^ TABLES[0][index(word, 7)];
    }
    for byte in chunks.remainder() {
        let low = usize::from(crc.to_le_bytes()[0] ^ byte);
        crc = (crc >> 8) ^ TABLES[0][low];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_common_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn records_are_read_back_and_a_torn_tail_is_not() {
        let mut out = Vec::new();
        push(&mut out, Tag::Head, |o| o.extend_from_slice(b"abc"));
        push(&mut out, Tag::Begin, |o| o.extend_from_slice(&[0; 100]));
        let first = PREFIX + 4;
        let (all, end) = records(&out);
        assert_eq!(end, out.len());
        assert_eq!(all[0], (Tag::Head, &b"abc"[..]));
        assert_eq!(all[1].1.len(), 100);
        for cut in 0..out.len() {
            let (some, end) = records(&out[..cut]);
            assert_eq!(some.len(), usize::from(cut >= first), "cut at {cut}");
            assert_eq!(end, if cut >= first { first } else { 0 });
        }
        for at in first..out.len() {
            let mut bad = out.clone();
            bad[at] ^= 4;
            assert_eq!(records(&bad).0.len(), 1, "flip at {at}");
        }
    }
}
