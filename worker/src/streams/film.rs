//! A film: fetched to a private file, and read piece by piece by a media child of its own, as fast as it decodes or in real
//! time. Nothing is dropped, and a worker that takes over goes on where the last scene ended.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};
use zoetrope_queue::Failure;
use zoetrope_shared::media::{MAX_VIDEO_BYTES, MediaRef};
use zoetrope_shared::tasks::stream_ingest::{Scene, StreamEnd};
use zoetrope_shared::tenant::Tenant;

use super::groups;
use super::scribe::{Scribe, count_sampled};
use super::shutter::{Roll, Shutter};
use super::status::{Phase, Status};
use super::windows::WindowShape;
use crate::media_file;
use crate::media_pool::MediaError;
use crate::protocol_streams::{Analyse, FILE, FileInput, FilePiece, GateState};
use crate::services::Services;

/// Frames of one piece.
const PIECE_FRAMES: u32 = 16;
/// In real time frames come no later than this after their time, at so many pieces a second.
const PIECES_A_SECOND: f64 = 5.0;
/// Crashes at one place of a film after which it is given up.
const MAX_CRASHES: u32 = 2;

/// What a film needs.
pub struct Film<'a> {
    /// The worker's own.
    pub services: &'a Services,
    /// Owner of the task.
    pub tenant: &'a Tenant,
    /// Names the open file in the child.
    pub session: &'a str,
    /// Where it is.
    pub media: &'a MediaRef,
    /// Frames a second.
    pub fps: f64,
    /// Its windows.
    pub shape: WindowShape,
    /// Whether it is read no faster than it plays.
    pub realtime: bool,
    /// How much of it.
    pub duration: Option<Duration>,
    /// The last scene that was written before this attempt.
    pub last: Option<&'a Scene>,
    /// Counts and progress.
    pub status: &'a Status,
    /// Which frames a model is to see.
    pub shutter: Shutter,
}

impl Film<'_> {
    /// Reads it to the end. The answer is why it ended, and the time of the last frame, ms.
    pub async fn run(&self, mut scribe: Scribe<'_>) -> Result<(StreamEnd, u64), Failure> {
        self.status.phase(Phase::Waiting);
        let slots = match self.realtime {
            true => &self.services.paced_film_slots,
            false => &self.services.film_slots,
        };
        let slot = slots.acquire().await;
        let _slot = slot.map_err(|_| Failure::retryable("media_unavailable", "the worker is stopping"))?;
        self.status.phase(Phase::Fetching);
        let folder = media_file::folder(self.services)?;
        let path = folder.path().join("film");
        media_file::fetch(self.services, self.tenant, self.media, MAX_VIDEO_BYTES, &path).await?;
        self.status.phase(Phase::Reading);
        let ended = self.read(&path, &mut scribe).await?;
        scribe.finish().await?;
        media_file::close(folder).await;
        Ok((ended, scribe.newest_ms()))
    }

    async fn read(&self, path: &Path, scribe: &mut Scribe<'_>) -> Result<StreamEnd, Failure> {
        let mut child = self.services.live_media.hold()?;
        let until_ms = self.duration.map_or(u64::MAX, |duration| duration.as_millis() as u64);
        let mut from_ms = self.last.map_or(0, |scene| scene.seq * self.shape.hop_ms);
        let mut gate: Option<GateState> = None;
        let mut shutter = self.shutter;
        let mut crashes = 0;
        let timetable = self.realtime.then(|| Timetable {
            began: Instant::now(),
            from_ms,
        });
        while from_ms < until_ms {
            let input = self.piece(path, from_ms, gate.clone(), shutter);
            let mut roll = Roll::default();
            let piece: FilePiece = match groups::ask(&mut child, FILE, &input, Bytes::new(), &mut roll).await {
                Ok(piece) => piece,
                Err(MediaError::Crashed(how)) if crashes < MAX_CRASHES => {
                    crashes += 1;
                    self.status.count(|counts| counts.decoder_crashes += 1);
                    tracing::warn!(crashes, from_ms, "read a film: the media child {how}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            crashes = 0;
            let FilePiece {
                mut sampled,
                next_ms,
                end,
                video,
            } = piece;
            shutter.develop(roll, &mut sampled.frames);
            sampled.frames.retain(|frame| frame.t_ms < until_ms);
            gate = sampled.gate.take().or(gate);
            count_sampled(self.status, &sampled);
            self.status.count(|counts| counts.packets += u64::from(sampled.decoded));
            if let Some(length_ms) = video.duration_ms {
                self.status
                    .share(next_ms as f64 / length_ms.min(until_ms).max(1) as f64);
            }
            if let (Some(timetable), Some(last)) = (&timetable, sampled.frames.last()) {
                timetable.wait(last.t_ms, scribe).await?;
            }
            scribe.take(&sampled.frames);
            let read_ms = next_ms.min(until_ms);
            if let Some(timetable) = &timetable {
                timetable.wait(read_ms, scribe).await?;
            }
            scribe.write_until(read_ms).await?;
            if end {
                // One piece may reach past the time that was asked for, and to the end of the film.
                let in_full = next_ms.max(video.duration_ms.unwrap_or(0)) < until_ms;
                return Ok(match in_full {
                    true => StreamEnd::EndOfFile,
                    false => StreamEnd::Duration,
                });
            }
            if next_ms <= from_ms {
                return Err(Failure::retryable(
                    "media_crashed",
                    "the media child does not get on with the film",
                ));
            }
            from_ms = next_ms;
        }
        Ok(StreamEnd::Duration)
    }

    fn piece(&self, path: &Path, from_ms: u64, gate: Option<GateState>, shutter: Shutter) -> FileInput {
        FileInput {
            session: self.session.to_owned(),
            path: path.display().to_string(),
            from_ms,
            fps: self.fps,
            max_frames: self.piece_frames(),
            gate,
            analyse: Analyse {
                texts: PIECE_FRAMES,
                colors: true,
                pictures: shutter.wish(),
                ..Analyse::default()
            },
        }
    }

    fn piece_frames(&self) -> u32 {
        match self.realtime {
            true => ((self.fps / PIECES_A_SECOND) as u32).clamp(1, PIECE_FRAMES),
            false => PIECE_FRAMES,
        }
    }
}

/// When what of a film is due that is read in real time.
struct Timetable {
    began: Instant,
    /// Time of the film at which it began, milliseconds.
    from_ms: u64,
}

impl Timetable {
    /// Waits for a time of the film, and writes what a model says meanwhile.
    async fn wait(&self, t_ms: u64, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        let due = self.began + Duration::from_millis(t_ms.saturating_sub(self.from_ms));
        loop {
            tokio::select! {
                biased;
                () = scribe.told() => scribe.write_told().await?,
                () = sleep_until(due) => return Ok(()),
            }
        }
    }
}
