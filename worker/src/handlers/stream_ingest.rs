//! `stream_ingest`: a live stream or a film, watched in `streams` until its end.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use zoetrope_queue::{Attempt, Failure, Queue, QueueError};
use zoetrope_shared::live_view::Watched;
use zoetrope_shared::media::MediaRef;
use zoetrope_shared::recordings::Keep;
use zoetrope_shared::streams::{StreamId, StreamOf};
use zoetrope_shared::tasks::stream_ingest::{
    Scene, StoredStreamIngest, StreamEnd, StreamIngestInput, StreamIngestOutput,
};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::parse_rfc3339_ms;

use crate::recording::recorder::Recorder;
use crate::services::Services;
use crate::streams::film::Film;
use crate::streams::latest::Latest;
use crate::streams::live::Live;
use crate::streams::narrator::Narrator;
use crate::streams::opening::Source;
use crate::streams::recorded::RecordedApart;
use crate::streams::reporting::Reporter;
use crate::streams::scribe::{Means, Scribe};
use crate::streams::shutter::Shutter;
use crate::streams::status::{Phase, Status};
use crate::streams::view::View;
use crate::streams::windows::WindowShape;

/// Watches the stream.
pub async fn run(services: Services, attempt: Attempt) -> Result<Box<RawValue>, Failure> {
    let stored = StoredStreamIngest::parse(attempt.input.get()).map_err(|error| {
        Failure::non_retryable(
            "input_invalid",
            format!("the input is not what this kind takes: {error}"),
        )
    })?;
    if stored.input.url.is_none() {
        return watch(services, attempt, stored).await;
    }
    let thread = services.live_thread.clone();
    thread.run(watch(services, attempt, stored)).await
}

async fn watch(services: Services, attempt: Attempt, stored: StoredStreamIngest) -> Result<Box<RawValue>, Failure> {
    let last = last_scene(&services, &attempt).await?;
    let work = Work {
        services: &services,
        attempt: &attempt,
        session: format!("{}-{}", attempt.id, attempt.number),
        shape: WindowShape::of(&stored.input.window),
        last: last.as_ref(),
    };
    let output = match (&stored.input.url, &stored.input.media) {
        // All stages of a live stream at once are too much for the stack of everything above.
        (Some(url), _) => Box::pin(work.live(&stored, url)).await?,
        (None, Some(media)) => work.film(&stored.input, media).await?,
        (None, None) => return Err(Failure::non_retryable("input_invalid", "the input names no source")),
    };
    super::result(&output)
}

/// The queue.
fn connected(services: &Services) -> Result<&Queue, Failure> {
    let queue = services.queue.get();
    queue.ok_or_else(|| Failure::retryable("redis_unavailable", "the queue is not connected"))
}

/// Id of the recording that a task makes: its stream's, or its own where it is of none.
fn recording_of(attempt: &Attempt, stored: &StoredStreamIngest) -> String {
    let of_stream = stored.stream.as_ref().map(|stream| stream.id.clone());
    of_stream.unwrap_or_else(|| attempt.id.to_string())
}

/// Where an earlier worker stopped.
async fn last_scene(services: &Services, attempt: &Attempt) -> Result<Option<Scene>, Failure> {
    let unavailable = |error: QueueError| Failure::retryable("redis_unavailable", error.to_string());
    let newest = connected(services)?
        .newest_output(&attempt.tenant, attempt.id)
        .await
        .map_err(unavailable)?;
    let scene = newest.map(|chunk| serde_json::from_str(chunk.json.get())).transpose();
    scene.map_err(|error| Failure::non_retryable("output_invalid", format!("the last scene does not read: {error}")))
}

/// Records what is not watched, if there is such a source.
async fn recorded_beside(apart: Option<&RecordedApart<'_>>) -> Result<(), Failure> {
    match apart {
        Some(apart) => apart.run().await,
        None => Ok(()),
    }
}

struct Work<'a> {
    services: &'a Services,
    attempt: &'a Attempt,
    session: String,
    shape: WindowShape,
    last: Option<&'a Scene>,
}

impl Work<'_> {
    async fn live(&self, stored: &StoredStreamIngest, url: &str) -> Result<StreamIngestOutput, Failure> {
        let input = &stored.input;
        let (source, apart) = self.sources(stored, url)?;
        let hop = Duration::from_millis(self.shape.hop_ms);
        let narrator = Narrator::of(self.services, input, Some(hop), self.last)?;
        let began_ms = self.began_ms();
        let (status, latest) = (self.status(Phase::Connecting), Latest::default());
        let tenant = super::tenant_of(self.attempt)?;
        let recording = recording_of(self.attempt, stored);
        let recorder = input
            .store
            .then(|| self.recorder(input, &tenant, &recording))
            .transpose()?;
        let stop = self.attempt.stop_token().child_token();
        let (recorder, apart) = match apart {
            None => (recorder, None),
            Some(source) => {
                let apart = recorder.map(|recorder| self.apart(source, recorder, &status, began_ms, &stop));
                (None, apart)
            }
        };
        let watched = Watched {
            tenant: tenant.clone(),
            id: recording.clone(),
        };
        let view = View::new(self.services, watched, &self.session, began_ms, &latest);
        let live = Live {
            services: self.services,
            tenant: &self.attempt.tenant,
            session: &self.session,
            source,
            fps: self.shape.least_fps(input.fps),
            began_ms,
            duration: input.duration.map(Duration::from_secs_f64),
            last: self.last,
            status: &status,
            shutter: self.shutter(narrator.as_ref()),
            latest: Some(&latest),
            view: &view,
            recorder,
            stop: self.attempt.stop_token(),
        };
        let scribe = self.scribe(&status, Some(began_ms), narrator, input);
        let watching = Box::pin(async {
            let watch = async {
                let ended = tokio::select! {
                    biased;
                    ended = live.run(scribe) => ended,
                    never = view.run() => match never {},
                };
                stop.cancel();
                ended
            };
            tokio::try_join!(watch, recorded_beside(apart.as_ref())).map(|(ended, ())| ended)
        });
        let (ended_by, stream_ms) = match &stored.stream {
            None => watching.await?,
            Some(stream) => {
                let reporter = self.reporter(stream, &status, &latest)?;
                tokio::select! {
                    biased;
                    over = reporter.run() => return Err(over),
                    ended = watching => ended?,
                }
            }
        };
        Ok(self.output(ended_by, &status, stream_ms, began_ms))
    }

    /// What is watched, and what is recorded where that is another source.
    fn sources(&self, stored: &StoredStreamIngest, url: &str) -> Result<(Source, Option<Source>), Failure> {
        let (stream, transport) = (stored.stream.as_ref(), stored.input.transport);
        let sound = stored.input.store && stream.is_none_or(|stream| stream.sound);
        let heard = |source: Source| if sound { source.with_sound() } else { source };
        let watched = Source::open(self.services, url, stored.sealed.as_deref(), transport)?;
        let Some(recorded) = stream.and_then(|stream| stream.recorded.as_ref()) else {
            return Ok((heard(watched), None));
        };
        let recorded = Source::open(self.services, &recorded.url, recorded.sealed.as_deref(), transport)?;
        Ok((watched.beside_another(), Some(heard(recorded).beside_another())))
    }

    /// When the stream began, Unix milliseconds. Every scene says it, so that all workers number windows alike.
    fn began_ms(&self) -> u64 {
        let began = self
            .last
            .and_then(|scene| parse_rfc3339_ms(&scene.wall_start)?.checked_sub(scene.start_ms));
        began.unwrap_or_else(|| self.services.clock.now_ms())
    }

    /// Who records a source that is not watched.
    fn apart<'s>(
        &'s self,
        source: Source,
        recorder: Recorder<'s>,
        status: &'s Status,
        began_ms: u64,
        stop: &CancellationToken,
    ) -> RecordedApart<'s> {
        status.records_apart();
        RecordedApart {
            services: self.services,
            source,
            recorder,
            began_ms,
            from_ms: began_ms + self.last.map_or(0, |scene| scene.start_ms),
            status,
            stop: stop.clone(),
        }
    }

    /// Tells the stream's record how it goes.
    fn reporter<'s>(&self, stream: &StreamOf, status: &'s Status, latest: &'s Latest) -> Result<Reporter<'s>, Failure> {
        let id = StreamId::parse(&stream.id)
            .map_err(|error| Failure::non_retryable("input_invalid", format!("the task's stream: {error}")))?;
        Ok(Reporter {
            services: self.services.clone(),
            tenant: super::tenant_of(self.attempt)?,
            id,
            run: stream.run,
            status,
            latest,
        })
    }

    fn recorder<'s>(
        &'s self,
        input: &StreamIngestInput,
        tenant: &'s Tenant,
        stream: &'s str,
    ) -> Result<Recorder<'s>, Failure> {
        let usual = self.services.recordings_keep;
        let asked = input.retention.unwrap_or_default();
        Ok(Recorder {
            attempt: self.attempt,
            queue: connected(self.services)?,
            store: self.services.recordings.clone(),
            tenant,
            stream,
            keep: Keep {
                age_ms: asked.max_hours.map_or(usual.age_ms, |hours| Keep::of(hours, 0).age_ms),
                bytes: asked.max_bytes.unwrap_or(usual.bytes),
            },
            tenant_bytes: self.services.recordings_tenant_bytes,
            max_disk_percent: self.services.recordings_max_disk_percent,
            clock: self.services.clock.clone(),
            media: &self.services.live_media,
            metrics: &self.services.metrics,
        })
    }

    async fn film(&self, input: &StreamIngestInput, media: &MediaRef) -> Result<StreamIngestOutput, Failure> {
        let tenant = super::tenant_of(self.attempt)?;
        // In real time a model may fall behind, as with a live stream; else the film waits for it.
        let hop = input.realtime.then(|| Duration::from_millis(self.shape.hop_ms));
        let narrator = Narrator::of(self.services, input, hop, self.last)?;
        let began_ms = self.services.clock.now_ms();
        let status = self.status(Phase::Waiting);
        let stop = self.attempt.stop_token();
        let film = Film {
            services: self.services,
            tenant: &tenant,
            session: &self.session,
            media,
            fps: self.shape.least_fps(input.fps),
            shape: self.shape,
            realtime: input.realtime,
            duration: input.duration.map(Duration::from_secs_f64),
            last: self.last,
            status: &status,
            shutter: self.shutter(narrator.as_ref()),
        };
        let scribe = self.scribe(&status, None, narrator, input);
        let (ended_by, stream_ms) = tokio::select! {
            biased;
            // Nothing of a film is left to be written.
            () = stop.cancelled() => return Err(Failure::retryable("stopped", "the worker stops")),
            ended = film.run(scribe) => ended?,
        };
        Ok(self.output(ended_by, &status, stream_ms, began_ms))
    }

    fn status(&self, phase: Phase) -> Status {
        Status::new(self.attempt.clone(), phase, self.last)
    }

    /// Pictures are made where somebody looks at them.
    fn shutter(&self, narrator: Option<&Narrator>) -> Shutter {
        narrator.map_or_else(Shutter::default, |_| {
            Shutter::of_windows(self.shape.size_ms, self.shape.frame_count)
        })
    }

    fn scribe<'s>(
        &self,
        status: &'s Status,
        began_ms: Option<u64>,
        narrator: Option<Narrator>,
        input: &StreamIngestInput,
    ) -> Scribe<'s> {
        let means = Means {
            shape: self.shape,
            last: self.last,
            began_ms,
            desk: narrator.map(|narrator| narrator.desk(input.budget_usd_per_hour, self.last)),
            clock: self.services.clock.clone(),
            metrics: self.services.metrics.clone(),
        };
        Scribe::new(self.attempt, means, status)
    }

    fn output(&self, ended_by: StreamEnd, status: &Status, stream_ms: u64, began_ms: u64) -> StreamIngestOutput {
        let (provider, model) = status.author();
        StreamIngestOutput {
            ended_by,
            counts: status.counts(),
            stream_ms,
            duration_ms: self.services.clock.now_ms().saturating_sub(began_ms),
            provider,
            model,
        }
    }
}
