//! From frames to written scenes: windows, their descriptions, and the task's output, where each position is written
//! once however many workers try.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::to_raw_value;
use zoetrope_queue::{Appended, Attempt, Clock, Failure, MAX_OUTPUT_CHUNKS, Output, QueueError, TaskId};
use zoetrope_shared::tasks::stream_ingest::{LOCAL, Scene, StreamModelCounts, WhyLocal};
use zoetrope_shared::wire::rfc3339_ms;

use super::describe::{Describer, Description, MODEL};
use super::desk::{Author, Desk};
use super::status::Status;
use super::windows::{Shot, Window, WindowShape, Windows};
use crate::metrics::Metrics;
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
    /// Where windows wait for a model, if one describes.
    desk: Option<Desk<Draft>>,
    /// Unix milliseconds of the stream's time 0; `None` for films.
    began_ms: Option<u64>,
    clock: Arc<dyn Clock>,
    status: &'a Status,
    metrics: Metrics,
    newest_ms: u64,
}

/// What a scribe writes with.
pub struct Means<'a> {
    /// Scenes per stream time.
    pub shape: WindowShape,
    /// The scene that was written last.
    pub last: Option<&'a Scene>,
    /// Unix milliseconds of the stream's time 0; `None` for films.
    pub began_ms: Option<u64>,
    /// Where windows wait for a model, if one describes.
    pub desk: Option<Desk<Draft>>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
}

/// A window as the local describer sees it.
pub struct Draft {
    number: u64,
    start_ms: u64,
    end_ms: u64,
    frame_count: u32,
    description: Description,
}

impl<'a> Scribe<'a> {
    /// Goes on after the scene that was written last.
    pub fn new(attempt: &Attempt, means: Means<'_>, status: &'a Status) -> Self {
        Self {
            id: attempt.id,
            output: attempt.output(),
            shape: means.shape,
            windows: Windows::after(means.shape, means.last.map(|scene| scene.seq)),
            describer: Describer::default(),
            desk: means.desk,
            began_ms: means.began_ms,
            clock: means.clock,
            status,
            metrics: means.metrics,
            newest_ms: means.last.map_or(0, |scene| scene.end_ms),
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
            if let (Some(desk), Some(jpeg)) = (&mut self.desk, frame.picture.clone()) {
                desk.saw(Shot { t_ms: frame.t_ms, jpeg });
            }
            let late = u64::from(self.windows.is_late(frame.t_ms));
            let dropped = self.windows.push(frame) as u64;
            if dropped + late > 0 {
                self.status.count(|counts| {
                    counts.drops.describer_behind += dropped;
                    counts.drops.late += late;
                });
            }
        }
    }

    /// Writes the windows that end at or before this time of the stream, or puts them before a model.
    pub async fn write_until(&mut self, t_ms: u64) -> Result<(), Failure> {
        for window in self.windows.close_until(t_ms) {
            self.close(window).await?;
        }
        Ok(())
    }

    /// The same for the windows that have all of their frames.
    pub async fn write_full(&mut self) -> Result<(), Failure> {
        for window in self.windows.close_full() {
            self.close(window).await?;
        }
        Ok(())
    }

    /// Writes what is left: the stream is at its end.
    pub async fn finish(&mut self) -> Result<(), Failure> {
        for window in self.windows.close_all() {
            self.close(window).await?;
        }
        self.write_awaited().await
    }

    /// Returns when a model has answered; never while none is asked. Cancel safe.
    pub async fn told(&mut self) {
        match &mut self.desk {
            Some(desk) => desk.told().await,
            None => std::future::pending().await,
        }
    }

    /// Writes the windows whose author is known.
    pub async fn write_told(&mut self) -> Result<(), Failure> {
        while let Some((draft, author)) = self.desk.as_mut().and_then(Desk::next_done) {
            self.write(draft, Some(author)).await?;
        }
        Ok(())
    }

    async fn close(&mut self, window: Window) -> Result<(), Failure> {
        let draft = Draft {
            number: window.number,
            start_ms: window.start_ms,
            end_ms: window.end_ms,
            frame_count: u32::try_from(window.frames.len()).unwrap_or(u32::MAX),
            description: self.describer.describe(&window),
        };
        let Some(desk) = &mut self.desk else {
            return self.write(draft, None).await;
        };
        desk.admit(draft, window.end_ms, window.pictures);
        match self.began_ms {
            Some(_live) => self.write_told().await,
            // Nothing is lost of a film: it waits.
            None => self.write_awaited().await,
        }
    }

    async fn write_awaited(&mut self) -> Result<(), Failure> {
        while self.desk.as_ref().is_some_and(Desk::is_busy) {
            self.told().await;
        }
        self.write_told().await
    }

    async fn write(&mut self, draft: Draft, author: Option<Author>) -> Result<(), Failure> {
        let position = draft.number + 1;
        let scene = self.scene(draft, author);
        let json = to_raw_value(&scene).map_err(|error| Failure::non_retryable("result_invalid", error.to_string()))?;
        let keep = (KEPT.as_millis() as u64)
            .div_ceil(self.shape.hop_ms)
            .min(MAX_OUTPUT_CHUNKS as u64);
        let keep_from = position.checked_sub(keep).filter(|oldest| *oldest > 0);
        loop {
            match self.output.append(position, &json, keep_from).await {
                Ok(Appended::Written) => {
                    self.written(&scene);
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

    fn written(&self, scene: &Scene) {
        self.status.count(|counts| {
            counts.scenes += 1;
            counts.model = scene.totals.model;
        });
        if self.desk.is_some() {
            let outcome = scene.why_local.map_or("described", WhyLocal::as_str);
            self.metrics.stream_window(outcome);
            self.status.window(scene);
        }
    }

    fn scene(&self, draft: Draft, author: Option<Author>) -> Scene {
        let wall_ms = self
            .began_ms
            .map_or_else(|| self.clock.now_ms(), |began_ms| began_ms + draft.start_ms);
        let mut totals = self.status.counts();
        totals.scenes += 1;
        let description = draft.description;
        let mut scene = Scene {
            id: format!("{}-{}", self.id, draft.number),
            seq: draft.number + 1,
            start_ms: draft.start_ms,
            end_ms: draft.end_ms,
            wall_start: rfc3339_ms(wall_ms),
            description: description.sentence,
            structured: None,
            provider: LOCAL.to_owned(),
            model: MODEL.to_owned(),
            why_local: None,
            fell_back: Vec::new(),
            usage: None,
            motion: description.motion,
            text: description.text,
            colors: description.colors,
            frame_count: draft.frame_count,
            totals,
        };
        if let Some(author) = author {
            sign(&mut scene, author);
        }
        scene
    }
}

/// Says who describes a window that a model was to describe, and counts it.
fn sign(scene: &mut Scene, author: Author) {
    let counts: &mut StreamModelCounts = &mut scene.totals.model;
    match author {
        Author::Model(described) => {
            counts.described += 1;
            counts.cost_usd += described.usage.cost_usd.unwrap_or(0.0);
            scene.description = described.text;
            scene.structured = described.structured;
            scene.provider = described.provider;
            scene.model = described.model;
            scene.fell_back = described.fell_back;
            scene.usage = Some(described.usage);
        }
        Author::Local(why, fell_back) => {
            *match why {
                WhyLocal::Still => &mut counts.still,
                WhyLocal::Replaced => &mut counts.replaced,
                WhyLocal::OverBudget => &mut counts.over_budget,
                WhyLocal::Failed => &mut counts.failed,
            } += 1;
            scene.why_local = Some(why);
            scene.fell_back = fell_back;
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
