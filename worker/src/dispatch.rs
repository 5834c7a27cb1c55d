//! From a claimed task to its handler: the table, and what is the same for every kind (large inputs and results,
//! metrics, the span). What a kind does belongs in `handlers`.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::Instrument;
use zoetrope_queue::{Attempt, ErrorClass, Failure, Handler, KindSlot, Outcome, SlotClass, StopReason};
use zoetrope_shared::artifacts::ArtifactError;
use zoetrope_shared::config::Settings;
use zoetrope_shared::offload;
use zoetrope_shared::tasks::{self, KINDS, Kind, Slot};
use zoetrope_shared::telemetry::{self, Span};

use crate::handlers::{
    self, content_generation, echo, image_analysis, ocr, recording_snapshot, scene_description, step_detection,
    stream_ingest, stream_test, transcription, voice_synthesis, voices,
};
use crate::providers::fault::{LIMIT_REACHED, NO_SEAT};
use crate::services::Services;

/// How long a live stream that has to stop may take to write its recording's last picture: less than the half second after
/// which the queue drops it.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// The future of one attempt's work.
pub type Work = BoxFuture<'static, Result<Box<RawValue>, Failure>>;

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// Kind, as in `zoetrope_shared::tasks::KINDS`.
    pub kind: &'static str,
    /// Starts the work.
    pub run: fn(Services, Attempt) -> Work,
}

/// Who does the work of each kind.
pub static HANDLERS: &[Row] = &[
    Row {
        kind: "echo",
        run: |_, attempt| Box::pin(echo::run(attempt)),
    },
    Row {
        kind: "ocr",
        run: |services, attempt| Box::pin(ocr::run(services, attempt)),
    },
    Row {
        kind: "image_analysis",
        run: |services, attempt| Box::pin(image_analysis::run(services, attempt)),
    },
    Row {
        kind: "scene_description",
        run: |services, attempt| Box::pin(scene_description::run(services, attempt)),
    },
    Row {
        kind: "content_generation",
        run: |services, attempt| Box::pin(content_generation::run(services, attempt)),
    },
    Row {
        kind: "voice_synthesis",
        run: |services, attempt| Box::pin(voice_synthesis::run(services, attempt)),
    },
    Row {
        kind: "transcription",
        run: |services, attempt| Box::pin(transcription::run(services, attempt)),
    },
    Row {
        kind: "voices",
        run: |services, attempt| Box::pin(voices::run(services, attempt)),
    },
    Row {
        kind: "step_detection",
        run: |services, attempt| Box::pin(step_detection::run(services, attempt)),
    },
    Row {
        kind: "stream_ingest",
        run: |services, attempt| Box::pin(stream_ingest::run(services, attempt)),
    },
    Row {
        kind: "stream_test",
        run: |services, attempt| Box::pin(stream_test::run(services, attempt)),
    },
    Row {
        kind: "recording_snapshot",
        run: |services, attempt| Box::pin(recording_snapshot::run(services, attempt)),
    },
];

/// Runs attempts by the table.
pub struct Dispatch {
    services: Services,
}

impl Dispatch {
    /// A dispatch over these services.
    pub fn new(services: Services) -> Self {
        Self { services }
    }
}

impl Handler for Dispatch {
    fn run(&self, attempt: Attempt) -> BoxFuture<'static, Outcome> {
        let row = HANDLERS.iter().find(|row| row.kind == attempt.kind);
        let (Some(row), Some(kind)) = (row, tasks::find(&attempt.kind)) else {
            // Only registered kinds are claimed, so this is a queue that hands out what was not asked for.
            let message = format!("this worker has no handler for {:?}", attempt.kind);
            return Box::pin(async { Outcome::Failed(Failure::retryable("kind_unknown", message)) });
        };
        let traced = traced(kind, &attempt);
        let span = tracing::info_span!("attempt", task = %attempt.id, kind = kind.name, attempt = attempt.number, trace_id = traced.trace_id());
        // Boxed once more: the span's cover would hold it twice.
        let work = Box::pin(run_one(self.services.clone(), row, kind, attempt).instrument(span));
        Box::pin(async move {
            let outcome = traced.cover(work).await;
            tell(&traced, &outcome);
            outcome
        })
    }
}

/// The attempt's part of its task's trace.
fn traced(kind: &Kind, attempt: &Attempt) -> Span {
    let work = telemetry::Work {
        kind: kind.name,
        tenant: &attempt.tenant,
    };
    Span::of_attempt(work, attempt.id, attempt.number, attempt.traceparent.as_deref())
}

fn tell(span: &Span, outcome: &Outcome) {
    span.outcome(match outcome {
        Outcome::Succeeded(_) => "succeeded",
        Outcome::Failed(_) => "failed",
        Outcome::Snoozed(_) => "snoozed",
        Outcome::Released => "stopped",
    });
    if let Outcome::Failed(failure) = outcome {
        span.failed(failure.code.clone());
    }
}

/// The kinds that this worker claims: all, or those of `WORKER_KINDS`.
pub fn kind_slots(settings: &Settings) -> Vec<KindSlot> {
    let wanted = |kind: &&Kind| match &settings.worker_kinds {
        Some(names) => names.iter().any(|name| name == kind.name),
        None => true,
    };
    let slot = |kind: &Kind| KindSlot {
        kind: kind.name.to_owned(),
        class: kind.slot as usize,
        cost: kind.cost,
        lease: settings.lease_of(kind),
        claim_ahead: kind.slot == Slot::Io,
    };
    KINDS.iter().filter(wanted).map(slot).collect()
}

/// Slots by class, in the order of [`Slot`]'s variants.
pub fn slot_classes(settings: &Settings) -> Vec<SlotClass> {
    vec![
        SlotClass {
            name: Slot::Cpu.as_str(),
            units: settings.max_workers,
            spread: false,
        },
        SlotClass {
            name: Slot::Io.as_str(),
            units: settings.io_slots,
            spread: false,
        },
        SlotClass {
            name: Slot::Stream.as_str(),
            units: settings.stream_slots,
            spread: true,
        },
    ]
}

async fn run_one(services: Services, row: &'static Row, kind: &'static Kind, attempt: Attempt) -> Outcome {
    let started = Instant::now();
    let _running = services.metrics.running(kind.name);
    let metrics = services.metrics.clone();
    let told = attempt.clone();
    let mut work = Box::pin(work(services, row, kind, attempt));
    let ended = tokio::select! {
        biased;
        reason = stopped_for_good(kind, &told) => {
            if kind.policy.live {
                // What it says now does not matter any more, only that it is done.
                drop(tokio::time::timeout(LAST_WORDS, &mut work).await);
            }
            Err(reason)
        }
        ended = &mut work => Ok(ended),
    };
    let seconds = started.elapsed().as_secs_f64();
    match ended {
        Ok(Ok(result)) => {
            metrics.attempt_ended(kind.name, "succeeded", seconds);
            tracing::debug!(seconds, "attempt succeeded");
            Outcome::Succeeded(result)
        }
        Ok(Err(failure)) => {
            if let Some(pause) = pause_of(&failure) {
                metrics.attempt_ended(kind.name, "snoozed", seconds);
                tracing::debug!(seconds, ?pause, "attempt put off: {failure}");
                return Outcome::Snoozed(pause);
            }
            metrics.attempt_ended(kind.name, "failed", seconds);
            tracing::info!(seconds, code = failure.code, "attempt failed: {failure}");
            Outcome::Failed(failure)
        }
        Err(reason) => {
            metrics.attempt_ended(kind.name, "stopped", seconds);
            tracing::info!(seconds, ?reason, "attempt stopped");
            Outcome::Released
        }
    }
}

/// How long a task is put off that our own limits of a provider have sent away: nothing failed, so it costs no attempt.
fn pause_of(failure: &Failure) -> Option<Duration> {
    match failure.class {
        ErrorClass::RateLimited(pause) if [LIMIT_REACHED, NO_SEAT].contains(&failure.code.as_str()) => pause,
        _ => None,
    }
}

/// Returns when nobody wants the outcome any more. A drain is no such reason, work may go on for the grace, unless the
/// kind has no end to wait for: a live stream goes to another worker at once.
async fn stopped_for_good(kind: &Kind, attempt: &Attempt) -> StopReason {
    match attempt.stopped().await {
        StopReason::Draining if !kind.policy.live => std::future::pending().await,
        reason => reason,
    }
}

/// Loads an input that was too large for the queue, runs the handler, stores a result that is too large for it.
async fn work(
    services: Services,
    row: &'static Row,
    kind: &'static Kind,
    mut attempt: Attempt,
) -> Result<Box<RawValue>, Failure> {
    let tenant = handlers::tenant_of(&attempt)?;
    let services = services.on_account_of(&tenant);
    attempt.input = offload::load(&services.artifacts, &tenant, attempt.input)
        .await
        .map_err(|error| match error {
            ArtifactError::NotFound => {
                Failure::non_retryable("input_expired", "the stored input does not exist any more")
            }
            other => Failure::retryable("artifacts_unavailable", other.to_string()),
        })?;
    let artifacts = services.artifacts.clone();
    let result = (row.run)(services, attempt).await?;
    offload::offload(&artifacts, &tenant, result, kind.policy.result_ttl)
        .await
        .map_err(|error| Failure::retryable("artifacts_unavailable", error.to_string()))
}
