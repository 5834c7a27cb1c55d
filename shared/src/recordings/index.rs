//! The index of a recording, as readers see it.

use std::ops::RangeInclusive;

use futures_util::{StreamExt, TryStreamExt};
use zoetrope_queue::{Queue, QueueError};

use super::keep::Keep;
use super::row::{ROW_BYTES, Row};
use super::sealed::Sealed;
use super::store::Recordings;
use crate::artifacts::ArtifactError;
use crate::tenant::Tenant;

/// Milliseconds of one page of the index, and of one folder of segments.
pub const HOUR_MS: u64 = 3_600_000;
/// Pages that are asked for at a time.
const READS_AT_ONCE: usize = 8;

/// A recording: what is stored of one stream of a tenant.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// Who knows the index.
    pub queue: &'a Queue,
    /// Where media lie, and old parts of the index.
    pub store: &'a Recordings,
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// Id of the stream: that of its task, where it has no record.
    pub stream: &'a str,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The queue, which has the index.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store, which has media and old parts of the index.
    #[error(transparent)]
    Store(#[from] ArtifactError),
}

/// A page of the index as it lies in Redis, with the rows that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// In Redis.
    pub(super) raw: Vec<u8>,
    /// All rows; of a sealed page those in the store first.
    pub(super) rows: Vec<u8>,
    /// What lies in the store.
    pub(super) sealed: Option<Sealed>,
    /// Whether the store does not have it any more.
    pub(super) is_lost: bool,
}

/// A recording that exists, with the bounds that its recorder has put on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecording {
    /// Whose it is.
    pub tenant: Tenant,
    /// Id of the stream.
    pub stream: String,
    /// How much of it is kept.
    pub keep: Keep,
}

impl StoredRecording {
    /// Every recording of every tenant.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn all(queue: &Queue) -> Result<Vec<Self>, QueueError> {
        let known = queue.journals().await?.into_iter();
        let read = |head: zoetrope_queue::JournalHead| {
            Some(Self {
                tenant: Tenant::parse(&head.tenant).ok()?,
                stream: head.name,
                keep: Keep::read(&head.note)?,
            })
        };
        Ok(known.filter_map(read).collect())
    }
}

impl Recording<'_> {
    /// Whether anything was ever recorded, and is not forgotten.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn exists(&self) -> Result<bool, QueueError> {
        let head = self.queue.journal(self.tenant.as_str(), self.stream).await?;
        Ok(head.is_some())
    }

    /// Bytes that are stored.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn bytes(&self) -> Result<u64, QueueError> {
        let pages = self.queue.journal_pages(self.tenant.as_str(), self.stream).await?;
        Ok(pages.values().sum())
    }

    /// The rows of the hours around a time, oldest first: those of `start_ms` to `end_ms`, and some before and after it.
    ///
    /// # Errors
    /// When the queue or the store does not answer.
    pub async fn rows(&self, start_ms: u64, end_ms: u64) -> Result<Vec<Row>, RecordingError> {
        let pages = self.queue.journal_pages(self.tenant.as_str(), self.stream).await?;
        // What is shown at the start may have begun in the hour before.
        let before = pages.range(..start_ms / HOUR_MS).next_back().map(|(page, _)| *page);
        let first = before.unwrap_or(start_ms / HOUR_MS);
        let wanted = pages.range(first..=(end_ms / HOUR_MS).max(first));
        self.rows_of(wanted.map(|(page, _)| *page)).await
    }

    /// The rows of the hour that a time is in, and of the last hour before and the first hour after it that have any, oldest
    /// first.
    ///
    /// # Errors
    /// When the queue or the store does not answer.
    pub async fn rows_around(&self, at_ms: u64) -> Result<Vec<Row>, RecordingError> {
        let pages = self.queue.journal_pages(self.tenant.as_str(), self.stream).await?;
        let hour = at_ms / HOUR_MS;
        let before = pages.range(..hour).next_back();
        let after = pages.range(hour + 1..).next();
        let wanted = before.into_iter().chain(pages.get_key_value(&hour)).chain(after);
        self.rows_of(wanted.map(|(page, _)| *page)).await
    }

    async fn rows_of(&self, pages: impl Iterator<Item = u64>) -> Result<Vec<Row>, RecordingError> {
        let wanted: Vec<u64> = pages.collect();
        let pages: Vec<Page> = futures_util::stream::iter(wanted)
            .map(|page| self.page(page))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(pages.iter().flat_map(|page| Row::decode_page(&page.rows)).collect())
    }

    /// The last row.
    ///
    /// # Errors
    /// When the queue or the store does not answer.
    pub async fn last_row(&self) -> Result<Option<Row>, RecordingError> {
        let pages = self.queue.journal_pages(self.tenant.as_str(), self.stream).await?;
        let Some((newest, _)) = pages.last_key_value() else {
            return Ok(None);
        };
        let page = self.page(*newest).await?;
        Ok(Row::decode_page(&page.rows).last().copied())
    }

    /// A page, wherever its rows lie.
    pub(super) async fn page(&self, page: u64) -> Result<Page, RecordingError> {
        let mut seen = self.raw_page(page).await?;
        loop {
            let Some(sealed) = Sealed::read(&seen) else {
                let rows = seen.clone();
                return Ok(Page {
                    raw: seen,
                    rows,
                    sealed: None,
                    is_lost: false,
                });
            };
            let stored = self.store.sealed(self.tenant, self.stream, page, sealed).await?;
            // Whoever opens a page again writes it down before the store forgets it.
            let now = if stored.is_none() {
                self.raw_page(page).await?
            } else {
                seen.clone()
            };
            if now == seen {
                let is_lost = stored.is_none();
                let rows = [&stored.unwrap_or_default()[..], &seen[ROW_BYTES..]].concat();
                return Ok(Page {
                    raw: seen,
                    rows,
                    sealed: Some(sealed),
                    is_lost,
                });
            }
            seen = now;
        }
    }

    async fn raw_page(&self, page: u64) -> Result<Vec<u8>, QueueError> {
        self.queue.journal_page(self.tenant.as_str(), self.stream, page).await
    }
}

/// The hours in which the next recorder looks for what was stored behind the last row and has none.
pub fn adopted_hours(last: Option<&Row>, now_ms: u64) -> RangeInclusive<u64> {
    let now = now_ms / HOUR_MS;
    let newest = last.map(|row| row.start_ms() / HOUR_MS);
    newest.map_or(now.saturating_sub(1)..=now, |newest| newest..=newest + 1)
}
