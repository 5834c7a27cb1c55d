//! From frames to written scenes: windows, their descriptions, and the task's output, where each position is written
//! once however many workers try.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::to_raw_value;
use zoetrope_queue::{Appended, Attempt, Clock, Failure, MAX_OUTPUT_CHUNKS, Output, QueueError, TaskId};
use zoetrope_shared::tasks::stream_ingest::Scene;
use zoetrope_shared::wire::rfc3339_ms;

use super::describe::{Describer, MODEL, PROVIDER};
use super::status::Status;
use super::windows::{Window, WindowShape, Windows};
use crate::protocol_streams::{FrameReport, Sampled, Verdict};

/// How long scenes are kept.
const KEPT: Duration = Duration::from_hours(24);
/// Pause before a scene is written again while Redis is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes the scenes of one attempt.
pub struct Scribe<'a> {
    id: TaskId,
    output: Output,
    shape: WindowShape,
    windows: Windows,
    describer: Describer,
    /// Unix milliseconds of the stream's time 0; `None` for films.
    began_ms: Option<u64>,
    clock: Arc<dyn Clock>,
    status: &'a Status,
    newest_ms: u64,
}

impl<'a> Scribe<'a> {
    /// Goes on after the scene that was written last.
    pub fn new(
        attempt: &Attempt,
        shape: WindowShape,
        last: Option<&Scene>,
        began_ms: Option<u64>,
        clock: Arc<dyn Clock>,
        status: &'a Status,
    ) -> Self {
        Self {
            id: attempt.id,
            output: attempt.output(),
            shape,
            windows: Windows::after(shape, last.map(|scene| scene.seq)),
            describer: Describer::default(),
            began_ms,
            clock,
            status,
            newest_ms: last.map_or(0, |scene| scene.end_ms),
        }
    }

    /// Time of the newest frame, milliseconds of the stream.
    pub fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    /// When the first open window should be closed although nothing comes, in time of the stream.
    pub fn overdue_at(&self) -> Option<u64> {
        self.windows.overdue_at()
    }

    /// Takes frames, oldest first.
    pub fn take(&mut self, frames: &[FrameReport]) {
        for frame in frames {
            self.newest_ms = self.newest_ms.max(frame.t_ms);
            let dropped = self.windows.push(frame) as u64;
            if dropped > 0 {
                self.status.count(|counts| counts.drops.describer_behind += dropped);
            }
        }
    }

    /// Writes the windows that end at or before this time of the stream.
    pub async fn write_until(&mut self, t_ms: u64) -> Result<(), Failure> {
        for window in self.windows.close_until(t_ms) {
            self.write(window).await?;
        }
        Ok(())
    }

    /// Writes what is left: the stream is at its end.
    pub async fn finish(&mut self) -> Result<(), Failure> {
        for window in self.windows.close_all() {
            self.write(window).await?;
        }
        Ok(())
    }

    async fn write(&mut self, window: Window) -> Result<(), Failure> {
        let position = window.position();
        let scene = self.scene(&window);
        let json = to_raw_value(&scene).map_err(|error| Failure::non_retryable("result_invalid", error.to_string()))?;
        let keep = (KEPT.as_millis() as u64)
            .div_ceil(self.shape.hop_ms)
            .min(MAX_OUTPUT_CHUNKS as u64);
        let keep_from = position.checked_sub(keep).filter(|oldest| *oldest > 0);
        loop {
            match self.output.append(position, &json, keep_from).await {
                Ok(Appended::Written) => {
                    self.status.count(|counts| counts.scenes += 1);
                    return Ok(());
                }
                Ok(Appended::Duplicate) => return Ok(()),
                // Another worker has the stream. The engine notices as well, and drops this attempt.
                Ok(Appended::LeaseLost) => std::future::pending().await,
                Err(error @ QueueError::Invalid { .. }) => {
                    return Err(Failure::non_retryable("result_invalid", error.to_string()));
                }
                Err(error) => {
                    tracing::warn!("write a scene: {error:#}; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn scene(&mut self, window: &Window) -> Scene {
        let described = self.describer.describe(window);
        let wall_ms = self
            .began_ms
            .map_or_else(|| self.clock.now_ms(), |began_ms| began_ms + window.start_ms);
        let mut totals = self.status.counts();
        totals.scenes += 1;
        Scene {
            id: format!("{}-{}", self.id, window.number),
            seq: window.position(),
            start_ms: window.start_ms,
            end_ms: window.end_ms,
            wall_start: rfc3339_ms(wall_ms),
            description: described.sentence,
            provider: PROVIDER.to_owned(),
            model: MODEL.to_owned(),
            motion: described.motion,
            text: described.text,
            colors: described.colors,
            frame_count: u32::try_from(window.frames.len()).unwrap_or(u32::MAX),
            totals,
        }
    }
}

/// Counts what a media child answered.
pub(super) fn count_sampled(status: &Status, sampled: &Sampled) {
    let with = |verdict: Verdict| sampled.frames.iter().filter(|frame| frame.verdict == verdict).count() as u64;
    status.count(|counts| {
        counts.frames += sampled.frames.len() as u64;
        counts.passed += with(Verdict::Passed);
        counts.still += with(Verdict::Still);
        counts.duplicate += with(Verdict::Duplicate);
        counts.drops.decode_errors += u64::from(sampled.decode_errors);
        counts.drops.awaiting_key += u64::from(sampled.awaiting_key);
    });
}
