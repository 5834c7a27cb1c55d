//! The recorder of one attempt: takes pictures from the spool, writes segments and their rows. What an earlier worker left
//! behind without a row is adopted first.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zoetrope_queue::{Appended, Attempt, Clock, Failure, Journal, Queue};
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::recordings::{
    Gap, GapCause, HOUR_MS, InitName, Keep, OpenSegment, Recording, Recordings, Row, Segment, SegmentName,
    adopted_hours, keep_tenant_within, keep_within,
};
use zoetrope_shared::tenant::Tenant;

use super::disk;
use super::encoding::Encoding;
use super::muxer::{Muxer, Piece};
use super::spool::{Spool, Spooled};
use crate::media_pool::MediaPool;
use crate::metrics::Metrics;

/// Pause before something is written again while Redis is away.
const PAUSE: Duration = Duration::from_millis(500);
/// What all recordings of a tenant take is added up by each of its recorders so often at most, milliseconds.
const TENANT_LOOK_MS: u64 = 10_000;

/// What a recorder needs.
pub struct Recorder<'a> {
    /// Whose words are fenced.
    pub attempt: &'a Attempt,
    /// Who knows the index.
    pub queue: &'a Queue,
    /// Where media lie.
    pub store: Recordings,
    /// Owner.
    pub tenant: &'a Tenant,
    /// Id of the recording.
    pub stream: &'a str,
    /// How much is kept.
    pub keep: Keep,
    /// Bytes that all recordings of the tenant may take, if there is a bound.
    pub tenant_bytes: Option<u64>,
    /// How full their disk may be for a recording to start.
    pub max_disk_percent: f64,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Who encodes sound that no file holds as it came.
    pub media: &'a MediaPool,
    /// What is counted.
    pub metrics: &'a Metrics,
}

/// What is at hand while it runs.
struct Writing {
    journal: Journal,
    /// Of the next row.
    seq: u32,
    /// End of the last row, Unix milliseconds; 0 at the very beginning.
    end_ms: u64,
    /// Why there may be a gap before the next segment.
    gap: Option<GapCause>,
    open: Option<(Segment, OpenSegment)>,
    /// The init segment that was stored last.
    stored_init: Option<(Arc<[u8]>, InitName)>,
    /// When it was looked at what the tenant's recordings take, Unix milliseconds.
    tenant_looked_ms: u64,
}

impl Recorder<'_> {
    /// Records until the spool is closed and empty.
    ///
    /// # Errors
    /// When recording cannot start here.
    pub async fn run(&self, spool: &Spool) -> Result<(), Failure> {
        self.check_disk().await?;
        let mut writing = self.take_over().await;
        let mut encoding = Encoding::new(self.media, self.metrics);
        let (mut muxer, mut ready) = (Muxer::default(), VecDeque::new());
        while let Some(spooled) = spool.next().await {
            encoding.take(spooled, &mut ready).await;
            self.record(&mut writing, &mut muxer, &mut ready).await;
        }
        encoding.finish(&mut ready).await;
        self.record(&mut writing, &mut muxer, &mut ready).await;
        let mut pieces = Vec::new();
        muxer.break_off(&mut pieces);
        self.write(&mut writing, &mut pieces, &mut muxer).await;
        Ok(())
    }

    async fn record(&self, writing: &mut Writing, muxer: &mut Muxer, ready: &mut VecDeque<Spooled>) {
        let mut pieces = Vec::new();
        for spooled in ready.drain(..) {
            match spooled {
                Spooled::Break(cause) => {
                    muxer.break_off(&mut pieces);
                    self.write(writing, &mut pieces, muxer).await;
                    writing.gap = Some(cause);
                }
                Spooled::Track(sound) => muxer.set_sound(sound),
                Spooled::Sound(frame) => muxer.push_sound(frame),
                Spooled::Picture(picture) => {
                    if let Err(error) = muxer.push(&picture, &mut pieces) {
                        tracing::warn!("record a key frame: {error}");
                    }
                    self.write(writing, &mut pieces, muxer).await;
                }
            }
        }
    }

    fn recording(&self) -> Recording<'_> {
        Recording {
            queue: self.queue,
            store: &self.store,
            tenant: self.tenant,
            stream: self.stream,
        }
    }

    async fn check_disk(&self) -> Result<(), Failure> {
        let Some(folder) = self.store.folder().map(ToOwned::to_owned) else {
            return Ok(());
        };
        let looked = tokio::task::spawn_blocking(move || disk::used_percent(&folder)).await;
        let looked = looked.map_err(std::io::Error::other).and_then(|looked| looked);
        let used = looked.map_err(|error| {
            let message = format!("the recordings' disk cannot be looked at: {error}");
            Failure::retryable("storage_unavailable", message)
        })?;
        if used < self.max_disk_percent {
            return Ok(());
        }
        let most = self.max_disk_percent;
        let message = format!("the recordings' disk is {used:.1} % full: recording starts below {most} %");
        Err(Failure::non_retryable("storage_full", message))
    }

    /// Claims the index and adopts what an earlier worker left behind.
    async fn take_over(&self) -> Writing {
        let note = self.keep.note();
        let claim = || self.attempt.claim_journal(self.stream, &note);
        let journal = match until_done("claim the recording's index", claim).await {
            Some(journal) => journal,
            // Another worker has the stream. The engine notices as well, and drops this attempt.
            None => std::future::pending().await,
        };
        let recording = self.recording();
        let last = until_done("read the recording's index", || recording.last_row()).await;
        let gap = match journal.before {
            Some(before) if before == self.attempt.id => Some(GapCause::Worker),
            // Also of a recording whose index was made anew since.
            _ => Some(GapCause::Stopped),
        };
        let mut writing = Writing {
            journal,
            seq: 0,
            end_ms: last.map_or(0, |row| row.end_ms()),
            gap,
            open: None,
            stored_init: None,
            tenant_looked_ms: 0,
        };
        if let Err(error) = self.adopt(&mut writing, last).await {
            tracing::warn!("adopt what an earlier worker recorded: {error:#}; it is left where it is");
        }
        writing
    }

    async fn adopt(&self, writing: &mut Writing, last: Option<Row>) -> Result<(), ArtifactError> {
        let hours = adopted_hours(last.as_ref(), self.clock.now_ms());
        let leftovers = self
            .store
            .leftovers(self.tenant, self.stream, hours, writing.end_ms)
            .await?;
        for leftover in leftovers {
            if leftover.segment.start_ms < writing.end_ms {
                self.store.discard(self.tenant, self.stream, leftover).await?;
            } else if let Some(segment) = self.store.adopt(self.tenant, self.stream, leftover).await? {
                tracing::info!(name = %SegmentName(segment), "adopted a segment that another worker left behind");
                self.append(writing, Row::Segment(segment)).await;
            }
        }
        Ok(())
    }

    /// Writes pieces. A store that fails costs the segment at hand, and what comes until the next key frame.
    async fn write(&self, writing: &mut Writing, pieces: &mut Vec<Piece>, muxer: &mut Muxer) {
        for piece in std::mem::take(pieces) {
            let Err(error) = self.write_piece(writing, piece).await else {
                continue;
            };
            tracing::warn!("record a segment: {error:#}; it is lost");
            if let Some((_, open)) = writing.open.take() {
                open.abandon().await;
            }
            // What the muxer still holds belongs to the segment that is lost.
            muxer.break_off(&mut Vec::new());
            writing.gap = Some(GapCause::StorageSlow);
            return;
        }
    }

    async fn write_piece(&self, writing: &mut Writing, piece: Piece) -> Result<(), ArtifactError> {
        match piece {
            Piece::Begin {
                start_ms,
                init,
                new_stretch,
                starts_with_key,
            } => {
                let init = self.store_init(writing, init).await?;
                // Times of an index rise, whatever became of the clock; and pictures that are missing have a gap, though by the clock of
                // the next connection none may be.
                let missing_ms = u64::from(writing.gap.is_some());
                let start_ms = start_ms.max(writing.end_ms + missing_ms);
                self.tell_gap(writing, start_ms).await;
                let segment = Segment {
                    start_ms,
                    duration_ms: 0,
                    bytes: 0,
                    epoch: writing.journal.epoch,
                    seq: writing.seq,
                    init,
                    new_stretch,
                    starts_with_key,
                };
                let open = self.store.begin(self.tenant, self.stream, segment).await?;
                writing.open = Some((segment, open));
            }
            Piece::Part(part) => {
                if let Some((_, open)) = &mut writing.open {
                    self.metrics.recorded_bytes(part.len() as u64);
                    open.append(Bytes::from(part)).await?;
                }
            }
            Piece::End { duration_ms } => {
                let Some((segment, open)) = writing.open.take() else {
                    return Ok(());
                };
                let segment = Segment {
                    duration_ms,
                    bytes: u32::try_from(open.bytes()).unwrap_or(u32::MAX),
                    ..segment
                };
                open.finish(SegmentName(segment)).await?;
                self.append(writing, Row::Segment(segment)).await;
                self.keep_within(writing).await;
            }
        }
        Ok(())
    }

    async fn store_init(&self, writing: &mut Writing, init: Arc<[u8]>) -> Result<InitName, ArtifactError> {
        if let Some((stored, name)) = &writing.stored_init
            && *stored == init
        {
            return Ok(*name);
        }
        let bytes = Bytes::copy_from_slice(&init);
        let name = self.store.put_init(self.tenant, self.stream, bytes).await?;
        writing.stored_init = Some((init, name));
        Ok(name)
    }

    /// Writes down that nothing was recorded from the last row to this time.
    async fn tell_gap(&self, writing: &mut Writing, start_ms: u64) {
        let Some(cause) = writing
            .gap
            .take()
            .filter(|_| writing.end_ms > 0 && start_ms > writing.end_ms)
        else {
            return;
        };
        let gap = Gap {
            start_ms: writing.end_ms,
            duration_ms: u32::try_from(start_ms - writing.end_ms).unwrap_or(u32::MAX),
            cause,
            epoch: writing.journal.epoch,
            seq: writing.seq,
        };
        self.metrics.recording_gap(cause);
        self.append(writing, Row::Gap(gap)).await;
    }

    async fn append(&self, writing: &mut Writing, row: Row) {
        let page = row.start_ms() / HOUR_MS;
        let bytes = row.encode();
        let append = || writing.journal.append(page, &bytes, row.bytes());
        if until_done("write the recording's index", append).await == Appended::LeaseLost {
            if let Row::Segment(segment) = row {
                // Nobody will ever find it.
                let _ = self.store.delete(self.tenant, self.stream, SegmentName(segment)).await;
            }
            // Another worker has the stream. The engine notices as well, and drops this attempt.
            std::future::pending::<()>().await;
        }
        writing.seq += 1;
        writing.end_ms = row.end_ms();
    }

    async fn keep_within(&self, writing: &mut Writing) {
        let now_ms = self.clock.now_ms();
        let own = keep_within(&self.recording(), self.keep, now_ms).await;
        let looked_since_ms = now_ms.saturating_sub(writing.tenant_looked_ms);
        let tenant_bytes = self.tenant_bytes.filter(|_| looked_since_ms >= TENANT_LOOK_MS);
        let all = match tenant_bytes {
            Some(cap) => keep_tenant_within(self.queue, &self.store, self.tenant, cap, now_ms).await,
            None => Ok(0),
        };
        if tenant_bytes.is_some() {
            writing.tenant_looked_ms = now_ms;
        }
        match own.and_then(|own| Ok(own + all?)) {
            Ok(0) => {}
            Ok(freed) => tracing::debug!(freed, "the oldest of the recording is gone"),
            Err(error) => {
                tracing::warn!("delete the oldest of a recording: {error:#}; trying again with the next segment");
            }
        }
    }
}

/// Asks again until there is an answer.
async fn until_done<T, E: fmt::Display, F: Future<Output = Result<T, E>>>(doing: &str, ask: impl Fn() -> F) -> T {
    loop {
        match ask().await {
            Ok(done) => return done,
            Err(error) => tracing::warn!("{doing}: {error:#}; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
