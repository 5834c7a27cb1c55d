//! How much of a recording is kept: what is too old, and the oldest of what is too much, goes.

use super::index::{HOUR_MS, Recording};
use super::name::SegmentName;
use super::row::{ROW_BYTES, Row};

/// Rows that are taken away at a time.
const ROWS_AT_ONCE: usize = 256;

/// Bounds of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Oldest end of a segment, milliseconds before now.
    pub age_ms: u64,
    /// Bytes of all segments.
    pub bytes: u64,
}

impl Keep {
    /// All of it goes.
    pub const NOTHING: Self = Self { age_ms: 0, bytes: 0 };

    /// So many hours and bytes.
    pub fn of(hours: f64, bytes: u64) -> Self {
        let age_ms = (hours * HOUR_MS as f64) as u64;
        Self { age_ms, bytes }
    }

    /// As the index remembers it.
    pub fn note(&self) -> String {
        format!("keep {} {}", self.age_ms, self.bytes)
    }

    /// What has to go even from under a reader: bounds are bounds, also for whoever reads all the time.
    fn stretched(self) -> Self {
        Self {
            age_ms: self.age_ms.saturating_add(HOUR_MS),
            bytes: self.bytes.saturating_add(self.bytes / 4),
        }
    }

    /// From what the index remembers; `None` for a journal that is no recording.
    pub(super) fn read(note: &str) -> Option<Self> {
        let (age_ms, bytes) = note.strip_prefix("keep ")?.split_once(' ')?;
        Some(Self {
            age_ms: age_ms.parse().ok()?,
            bytes: bytes.parse().ok()?,
        })
    }

    /// How many rows from the front are too many, and their bytes. Rows that do not read go with those before them.
    fn excess(&self, rows: &[Option<Row>], total: u64, now_ms: u64) -> (usize, u64) {
        let oldest_ms = now_ms.saturating_sub(self.age_ms);
        let (mut count, mut freed) = (0, 0);
        for row in rows.iter().take(ROWS_AT_ONCE) {
            if let Some(row) = row {
                let too_old = row.end_ms() <= oldest_ms;
                // A gap frees nothing, and goes once it is the oldest.
                let too_much = total.saturating_sub(freed) > self.bytes || (count > 0 && row.bytes() == 0);
                if !too_old && !too_much {
                    break;
                }
                freed += row.bytes();
            }
            count += 1;
        }
        (count, freed)
    }
}

/// Deletes what is too old or too much of a recording, oldest first; the answer is the bytes that were freed. Any number of
/// processes may do so at once. Objects go before their rows: what a crash leaves is found again by its row. What somebody
/// [holds](super::Pin) stays until it is an hour too old, or a quarter too much.
///
/// # Errors
/// When the queue or the store does not answer.
pub async fn keep_within(recording: &Recording<'_>, keep: Keep, now_ms: u64) -> anyhow::Result<u64> {
    let Recording {
        queue, tenant, stream, ..
    } = *recording;
    let mut freed = 0;
    loop {
        let pages = queue.journal_pages(tenant.as_str(), stream).await?;
        let Some((page, _)) = pages.first_key_value() else {
            return Ok(freed);
        };
        let seen = recording.page(*page).await?;
        if seen.is_lost {
            if !forget_hour(recording, *page, &seen.raw, keep, now_ms).await? {
                return Ok(freed);
            }
            continue;
        }
        if let Some(sealed) = seen.sealed {
            // The oldest hour is looked at with every segment: from the next turn on in Redis.
            if !open(recording, *page, &seen.raw, &seen.rows).await? {
                return Ok(freed);
            }
            recording.store.delete_sealed(tenant, stream, *page, sealed).await?;
            continue;
        }
        let total = pages.values().sum();
        let (chunks, _) = seen.rows.as_chunks::<ROW_BYTES>();
        let rows: Vec<Option<Row>> = chunks.iter().map(Row::decode).collect();
        let (count, _) = keep.excess(&rows, total, now_ms);
        if count == 0 && !rows.is_empty() {
            return Ok(freed);
        }
        let (forced, _) = keep.stretched().excess(&rows, total, now_ms);
        let gone = delete_front(recording, &rows[..count], forced, *page).await?;
        let weight = rows[..gone].iter().flatten().map(Row::bytes).sum();
        let first = chunks.first().map_or(&[][..], |chunk| &chunk[..]);
        let at = (tenant.as_str(), stream);
        let is_held = gone < count;
        if (is_held && gone == 0) || !queue.trim_journal(at, *page, first, gone * ROW_BYTES, weight).await? {
            // Somebody reads it, or somebody else has been here: what is left is theirs.
            return Ok(freed);
        }
        freed += weight;
        if is_held {
            return Ok(freed);
        }
    }
}

/// Of an hour whose rows are lost it is known how old it is, and nothing else. Answers whether it is gone.
async fn forget_hour(
    recording: &Recording<'_>,
    page: u64,
    raw: &[u8],
    keep: Keep,
    now_ms: u64,
) -> anyhow::Result<bool> {
    if (page + 1) * HOUR_MS > now_ms.saturating_sub(keep.age_ms) {
        let stream = recording.stream;
        tracing::warn!(
            stream,
            "the rows of an hour are lost: `zoetrope fsck --recordings --fix` makes them anew"
        );
        return Ok(false);
    }
    recording
        .store
        .delete_hour(recording.tenant, recording.stream, page)
        .await?;
    open(recording, page, raw, &[]).await
}

/// Puts the rows of a sealed page back into Redis.
async fn open(recording: &Recording<'_>, page: u64, raw: &[u8], rows: &[u8]) -> anyhow::Result<bool> {
    let weight = Row::decode_page(rows).iter().map(Row::bytes).sum();
    let at = (recording.tenant.as_str(), recording.stream);
    let opened = recording.queue.rewrite_journal_page(at, page, raw, rows, weight);
    Ok(opened.await?)
}

/// Deletes the segments of these rows of a page, but for the first `forced` only until somebody holds it; how many rows that were.
/// Asked before each deletion: so at most one of them comes after a hold, and that is one of the oldest segment.
async fn delete_front(
    recording: &Recording<'_>,
    rows: &[Option<Row>],
    forced: usize,
    page: u64,
) -> anyhow::Result<usize> {
    let Recording {
        queue,
        store,
        tenant,
        stream,
    } = *recording;
    for (count, row) in rows.iter().enumerate() {
        let Some(Row::Segment(segment)) = row else { continue };
        if count >= forced {
            let held = queue.held_journal_page(tenant.as_str(), stream).await?;
            if held.is_some_and(|held| held <= page) {
                return Ok(count);
            }
        }
        store.delete(tenant, stream, SegmentName(*segment)).await?;
    }
    Ok(rows.len())
}

/// Forgets a recording of which nothing is kept any more and which nobody records, with everything that lies in its folder.
/// Answers whether it is gone.
///
/// # Errors
/// When the queue or the store does not answer.
pub async fn forget_if_empty(recording: &Recording<'_>) -> anyhow::Result<bool> {
    let Recording {
        queue,
        store,
        tenant,
        stream,
    } = *recording;
    let gone = queue.forget_journal(tenant.as_str(), stream).await?;
    if gone {
        store.delete_all(tenant, stream).await?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::super::name::InitName;
    use super::super::row::{Gap, GapCause, Segment};
    use super::*;

    fn segment(start_ms: u64, bytes: u32) -> Option<Row> {
        Some(Row::Segment(Segment {
            start_ms,
            duration_ms: 1_000,
            bytes,
            epoch: 1,
            seq: 0,
            init: InitName::of(b""),
            new_stretch: false,
            starts_with_key: true,
        }))
    }

    fn gap(start_ms: u64) -> Option<Row> {
        Some(Row::Gap(Gap {
            start_ms,
            duration_ms: 1_000,
            cause: GapCause::Source,
            epoch: 1,
            seq: 0,
        }))
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_younger() {
        let keep = Keep {
            age_ms: 5_000,
            bytes: u64::MAX,
        };
        let rows = [segment(0, 10), gap(1_000), segment(2_000, 20), segment(3_000, 40)];
        assert_eq!(keep.excess(&rows, 70, 7_999), (2, 10));
        assert_eq!(keep.excess(&rows, 70, 8_000), (3, 30));
        assert_eq!(keep.excess(&rows, 70, 5_999), (0, 0));
    }

    #[test]
    fn of_what_is_too_much_the_oldest_goes_until_it_is_not() {
        let keep = Keep {
            age_ms: u64::MAX,
            bytes: 60,
        };
        let rows = [segment(0, 10), gap(1_000), segment(2_000, 20), segment(3_000, 40)];
        assert_eq!(keep.excess(&rows, 70, 9_000), (2, 10), "with the gap behind it");
        assert_eq!(keep.excess(&rows, 60, 9_000), (0, 0));
        assert_eq!(Keep { bytes: 0, ..keep }.excess(&rows, 70, 9_000), (4, 70));
    }

    #[test]
    fn rows_that_do_not_read_stand_in_nobodys_way() {
        let keep = Keep {
            age_ms: 5_000,
            bytes: u64::MAX,
        };
        assert_eq!(
            keep.excess(&[None, segment(0, 10), segment(9_000, 1)], 11, 8_000),
            (2, 10)
        );
    }

    #[test]
    fn the_note_is_read_as_it_was_written_and_others_are_none() {
        let keep = Keep {
            age_ms: 604_800_000,
            bytes: 7,
        };
        assert_eq!(Keep::read(&keep.note()), Some(keep));
        assert_eq!(Keep::read("something else"), None);
    }
}
