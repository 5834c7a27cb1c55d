//! The index of a recording, as readers see it.

use futures_util::{StreamExt, TryStreamExt};
use zoetrope_queue::{Queue, QueueError};

use super::keep::Keep;
use super::row::Row;
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
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// Id of the stream: that of its task, where it has no record.
    pub stream: &'a str,
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
    /// When the queue does not answer.
    pub async fn rows(&self, start_ms: u64, end_ms: u64) -> Result<Vec<Row>, QueueError> {
        let pages = self.queue.journal_pages(self.tenant.as_str(), self.stream).await?;
        // What is shown at the start may have begun in the hour before.
        let before = pages.range(..start_ms / HOUR_MS).next_back().map(|(page, _)| *page);
        let first = before.unwrap_or(start_ms / HOUR_MS);
        let wanted: Vec<u64> = pages
            .range(first..=(end_ms / HOUR_MS).max(first))
            .map(|(page, _)| *page)
            .collect();
        let read = |page| self.queue.journal_page(self.tenant.as_str(), self.stream, page);
        let pages: Vec<Vec<u8>> = futures_util::stream::iter(wanted)
            .map(read)
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(pages.iter().flat_map(|page| Row::decode_page(page)).collect())
    }

    /// The last row.
    ///
    /// # Errors
    /// When the queue does not answer.
    pub async fn last_row(&self) -> Result<Option<Row>, QueueError> {
        let pages = self.queue.journal_pages(self.tenant.as_str(), self.stream).await?;
        let Some((newest, _)) = pages.last_key_value() else {
            return Ok(None);
        };
        let page = self
            .queue
            .journal_page(self.tenant.as_str(), self.stream, *newest)
            .await?;
        Ok(Row::decode_page(&page).last().copied())
    }
}
