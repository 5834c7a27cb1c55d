//! What a stream's record hears of it: every second how it goes, and a picture when somebody asks for one. The answer
//! says whether the stream is still wanted here: a stop that did not reach this worker in any other way ends it.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::value::to_raw_value;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use zoetrope_queue::Failure;
use zoetrope_shared::artifacts::NewArtifact;
use zoetrope_shared::streams::{Reporting, Snapshot, StreamId, StreamReport};
use zoetrope_shared::tenant::Tenant;

use super::latest::Latest;
use super::sources::{self, Whole};
use super::status::{Phase, Standing, Status};
use crate::protocol::Request;
use crate::protocol_streams::{SNAPSHOT, SnapshotInput};
use crate::services::Services;

/// Pause between two reports.
const EVERY: Duration = Duration::from_secs(1);
/// Pictures a second are told of so many reports.
const FPS_REPORTS: usize = 5;
/// Long side of a snapshot, pixels.
const SNAPSHOT_SIDE: u32 = 1920;
/// Longest that one may take; reports wait for it.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(5);
/// How long one is kept for whoever asked.
const SNAPSHOT_KEPT: Duration = Duration::from_mins(5);
/// What a JPEG begins with.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// Reports of one attempt.
pub struct Reporter<'a> {
    /// The worker's own.
    pub services: Services,
    /// Owner of the stream.
    pub tenant: Tenant,
    /// The stream.
    pub id: StreamId,
    /// Which start of it this is.
    pub run: u64,
    /// How it goes.
    pub status: &'a Status,
    /// What arrived last.
    pub latest: &'a Latest,
}

/// What was told, and what the next report is made of.
#[derive(Debug, Default)]
struct Told {
    sources: sources::Told,
    seen: VecDeque<(Instant, u64)>,
    answered: u64,
    snapshot: Option<Snapshot>,
    previous: Option<String>,
}

/// When the next report is due.
enum Next {
    /// As usual.
    Later,
    /// At once: somebody waits for what it says.
    Now,
    /// Never.
    Over,
}

impl Reporter<'_> {
    /// Reports until the stream is not wanted here any more.
    pub async fn run(&self) -> Failure {
        let leave = loop {
            match self.services.streams.begin(&self.tenant, self.id, self.run).await {
                Ok(Some(leave)) => break leave,
                Ok(None) => return over(),
                Err(error) => tracing::debug!("begin to report of a stream: {error:#}; trying again"),
            }
            tokio::time::sleep(EVERY).await;
        };
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Told::default();
        loop {
            ticks.tick().await;
            match self.tell(&leave, &mut told).await {
                Next::Later => {}
                Next::Now => ticks.reset_immediately(),
                Next::Over => return over(),
            }
        }
    }

    async fn tell(&self, leave: &Reporting, told: &mut Told) -> Next {
        let report = self.report(told);
        match leave.report(&report).await {
            Ok(Some(wanted)) if wanted > told.answered => {
                told.answered = wanted;
                self.renew_snapshot(told).await;
                Next::Now
            }
            Ok(Some(_)) => Next::Later,
            Ok(None) => Next::Over,
            // The queue's own lease says whether this worker may go on.
            Err(error) => {
                tracing::debug!("report of a stream: {error:#}");
                Next::Later
            }
        }
    }

    fn report(&self, told: &mut Told) -> StreamReport {
        let now_ms = self.services.clock.now_ms();
        let standing = self.status.standing();
        let whole = Whole::of(&standing, &mut told.sources, now_ms);
        let Standing {
            phase, video, counts, ..
        } = standing;
        if phase != Phase::Live {
            told.seen.clear();
        }
        told.seen.push_back((Instant::now(), counts.packets));
        if told.seen.len() > FPS_REPORTS {
            told.seen.pop_front();
        }
        StreamReport {
            run: self.run,
            state: whole.state,
            cause: whole.cause,
            detail: whole.detail,
            since_ms: whole.since_ms,
            sources: whole.sources,
            counts,
            last_frame_ms: self.latest.arrived_ms(),
            live_fps: fps(&told.seen),
            codec: video.map(|video| video.codec.as_str().to_owned()),
            size: video.and_then(|video| video.size),
            answered: told.answered,
            snapshot: told.snapshot.clone(),
            previous: told.previous.clone(),
            reported_ms: now_ms,
        }
    }

    /// Makes a picture of the newest key frame; the last one stays where that cannot be.
    async fn renew_snapshot(&self, told: &mut Told) {
        let made = match timeout(SNAPSHOT_LIMIT, self.snapshot()).await {
            Ok(Ok(Some(made))) => made,
            Ok(Ok(None)) => return,
            Ok(Err(why)) => return tracing::warn!("no picture of a stream: {why}"),
            Err(_) => return tracing::warn!("no picture of a stream within {SNAPSHOT_LIMIT:?}"),
        };
        // Somebody may still read the one before.
        let before = told.snapshot.replace(made).map(|before| before.artifact);
        if let Some(oldest) = std::mem::replace(&mut told.previous, before)
            && let Err(error) = self.services.artifacts.delete(&self.tenant, &oldest).await
        {
            tracing::debug!("remove an old picture: {error}; it goes when it expires");
        }
    }

    async fn snapshot(&self) -> Result<Option<Snapshot>, String> {
        let Some(key) = self.latest.key() else { return Ok(None) };
        let input = SnapshotInput {
            codec: key.codec,
            max_side: SNAPSHOT_SIDE,
        };
        let request = Request {
            kind: SNAPSHOT.to_owned(),
            input: to_raw_value(&input).map_err(|error| error.to_string())?,
        };
        let jpeg = self.services.live_media.run(&request, key.data, |_, _| {}).await;
        let jpeg = jpeg.map_err(|error| error.to_string())?;
        if !jpeg.starts_with(&JPEG) {
            return Err("the media child answered no picture".to_owned());
        }
        let new = NewArtifact {
            content_type: "image/jpeg".to_owned(),
            filename: None,
            ttl: SNAPSHOT_KEPT,
        };
        let stored = self.services.artifacts.put(&self.tenant, new, jpeg.into()).await;
        Ok(Some(Snapshot {
            artifact: stored.map_err(|error| error.to_string())?.artifact,
            taken_ms: key.arrived_ms,
        }))
    }
}

/// The task of a stream that was stopped or deleted, or was started again since.
fn over() -> Failure {
    Failure::non_retryable("stream_stopped", "the stream was stopped, deleted or started anew")
}

/// Pictures a second between the oldest and the newest of these counts, to a tenth.
fn fps(seen: &VecDeque<(Instant, u64)>) -> f64 {
    let (Some((first, before)), Some((last, now))) = (seen.front(), seen.back()) else {
        return 0.0;
    };
    let seconds = (*last - *first).as_secs_f64();
    if seconds <= 0.0 {
        return 0.0;
    }
    (now.saturating_sub(*before) as f64 / seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_a_second_are_those_between_the_oldest_and_the_newest_count() {
        let now = Instant::now();
        let seen = |counts: &[(u64, u64)]| {
            let seen = counts
                .iter()
                .map(|(ms, count)| (now + Duration::from_millis(*ms), *count));
            fps(&seen.collect())
        };
        assert_eq!((seen(&[]), seen(&[(0, 7)])), (0.0, 0.0));
        assert_eq!(seen(&[(0, 100), (1_000, 124), (2_000, 150)]), 25.0);
    }
}
