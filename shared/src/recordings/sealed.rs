//! Hours older than a day: their rows lie in the store, and their page holds one record that says so, of the size of a row.
//!
//! | bytes | |
//! |---|---|
//! | 0 to 7 | start of the hour, Unix milliseconds |
//! | 12 to 15 | bytes of the rows |
//! | 24 to 27 | the first bytes of their SHA-256, by which they are named |
//! | 28 | 3 |
//! | 31 | version of this layout, 1 |
//!
//! What is appended nevertheless stands behind that record, and behind the rows in the store.

use bytes::Bytes;

use super::index::{HOUR_MS, Recording};
use super::name::InitName;
use super::row::{ROW_BYTES, Row};

/// An hour that ended so long ago is sealed.
const SEALED_AFTER_MS: u64 = 24 * HOUR_MS;
const SEALED: u8 = 3;
const VERSION: u8 = 1;

/// What stands for the rows of an hour that lie in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Bytes of the rows.
    pub(super) bytes: u32,
    /// Name of the rows.
    pub(super) name: InitName,
}

impl Sealed {
    /// Of these rows.
    pub(super) fn of(rows: &[u8]) -> Self {
        Self {
            bytes: u32::try_from(rows.len()).unwrap_or(u32::MAX),
            name: InitName::of(rows),
        }
    }

    /// As the page of an hour holds it.
    pub(super) fn encode(self, page: u64) -> [u8; ROW_BYTES] {
        let mut record = [0; ROW_BYTES];
        record[..8].copy_from_slice(&(page * HOUR_MS).to_le_bytes());
        record[12..16].copy_from_slice(&self.bytes.to_le_bytes());
        record[24..28].copy_from_slice(&self.name.0.to_le_bytes());
        record[28..].copy_from_slice(&[SEALED, 0, 0, VERSION]);
        record
    }

    /// From a page; `None` for one that is not sealed.
    pub(super) fn read(page: &[u8]) -> Option<Self> {
        let record = page.first_chunk::<ROW_BYTES>()?;
        let number = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        (record[28] == SEALED && record[31] == VERSION).then(|| Self {
            bytes: number(12),
            name: InitName(number(24)),
        })
    }
}

/// Puts the rows of hours that ended a day ago into the store, but for the oldest hour, where retention is at work. Answers how
/// many. Any number of processes may do so at once, also while the recording goes on.
///
/// # Errors
/// When the queue or the store does not answer.
pub async fn seal_old_hours(recording: &Recording<'_>, now_ms: u64) -> anyhow::Result<usize> {
    let (tenant, stream) = (recording.tenant, recording.stream);
    let pages = recording.queue.journal_pages(tenant.as_str(), stream).await?;
    let is_old = |page: &u64| (page + 1) * HOUR_MS + SEALED_AFTER_MS <= now_ms;
    let mut open = Vec::new();
    for page in pages.keys().skip(1).copied().filter(is_old).rev() {
        let raw = recording.queue.journal_page(tenant.as_str(), stream, page).await?;
        // They are sealed from the oldest on: what is older is sealed, too.
        if Sealed::read(&raw).is_some() {
            break;
        }
        open.push((page, raw));
    }
    let mut count = 0;
    for (page, raw) in open.into_iter().rev().filter(|(_, raw)| !raw.is_empty()) {
        let sealed = Sealed::of(&raw);
        let weight = Row::decode_page(&raw).iter().map(Row::bytes).sum();
        let rows = Bytes::copy_from_slice(&raw);
        recording.store.put_sealed(tenant, stream, page, sealed, rows).await?;
        let at = (tenant.as_str(), stream);
        let record = sealed.encode(page);
        let exchanged = recording.queue.rewrite_journal_page(at, page, &raw, &record, weight);
        count += usize::from(exchanged.await?);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_page_says_what_lies_in_the_store_and_is_no_row() {
        let rows = [7; 3 * ROW_BYTES];
        let sealed = Sealed::of(&rows);
        assert_eq!((sealed.bytes, sealed.name), (96, InitName::of(&rows)));
        let page = [&sealed.encode(472_222)[..], &[1; ROW_BYTES]].concat();
        assert_eq!(Sealed::read(&page), Some(sealed));
        assert_eq!(
            Row::decode_page(&page[..ROW_BYTES]),
            [],
            "nobody who knows nothing of it reads rows there"
        );
        assert_eq!(Sealed::read(&page[..ROW_BYTES - 1]), None);
        assert_eq!(Sealed::read(&rows), None);
    }
}
