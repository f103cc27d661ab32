//! Sums over what no chain covers. They notice damage, not malice: whoever can write a row can write its sum, too.

use crate::journal::crc32;

/// The sum over a row, field by field; the order is part of it.
#[derive(Default)]
pub struct Sum(Vec<u8>);

impl Sum {
    pub fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }
    pub fn number(mut self, number: i64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }
    pub fn maybe_text(self, text: Option<&str>) -> Self {
        let some = self.number(i64::from(text.is_some()));
        some.text(text.unwrap_or_default())
    }
    pub fn maybe_number(self, number: Option<i64>) -> Self {
        let some = self.number(i64::from(number.is_some()));
        some.number(number.unwrap_or_default())
    }
    pub fn end(self) -> i64 {
        i64::from(crc32(&self.0))
    }
}

/// The sum over the times of a record; all else of it is in its digest.
pub fn of_times(created: i64, updated: i64) -> i64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&created.to_le_bytes());
    bytes[8..].copy_from_slice(&updated.to_le_bytes());
    i64::from(crc32(&bytes))
}
