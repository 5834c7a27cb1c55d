//! From a checked submission to a task for the queue: media is stored or looked up, and the input points at it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use zoetrope_queue::{Idempotency, LossPolicy, NewTask, State, Task, TaskId};
use zoetrope_shared::artifacts::{ArtifactError, NewArtifact, plain_filename};
use zoetrope_shared::offload;
use zoetrope_shared::tasks::Kind;
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::ProblemCode;

use crate::app::App;
use crate::cpu;
use crate::http::body::Share;
use crate::http::problem::{Mistake, Refusal};
use crate::limits::{ARTIFACT_TTL, MAGIC_BYTES};
use crate::submit::envelope::Envelope;
use crate::submit::held::Held;
use crate::submit::submission::{Media, Submission, check_media, too_large};

/// A task that can be enqueued, with the artifacts that were stored for it.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) task: NewTask,
    pub(crate) held: Held,
}

/// Stores what comes with a submission. When it fails, nothing that it stored is left; without Redis nothing is stored,
/// for no task could use it.
pub(crate) async fn settle(app: &App, tenant: &Tenant, submission: Submission) -> Result<Ready, Refusal> {
    let mut held = app.held(tenant);
    match settle_into(app, tenant, submission, &mut held).await {
        Ok(task) => Ok(Ready { task, held }),
        Err(refusal) => {
            held.discard().await;
            Err(refusal)
        }
    }
}

async fn settle_into(app: &App, tenant: &Tenant, submission: Submission, held: &mut Held) -> Result<NewTask, Refusal> {
    let Submission {
        kind,
        envelope,
        mut input,
        media,
    } = submission;
    // Inline media must outlive the time in which its task waits for its start.
    let ttl = ARTIFACT_TTL + envelope.starts_in(app.clock.now_ms());
    match (media, kind.media) {
        (
            Media::Bytes {
                bytes,
                media_type,
                filename,
            },
            Some(field),
        ) => {
            app.link.reachable().await?;
            let filename = filename.as_deref().and_then(plain_filename);
            let new = NewArtifact {
                content_type: media_type.content_type().to_owned(),
                filename,
                ttl,
            };
            let stored = app.artifacts.put(tenant, new, bytes).await?;
            held.add(&stored.artifact);
            app.metrics.stored_bytes.inc_by(stored.size);
            input.insert(field.name.to_owned(), json!({"artifact": stored.artifact}));
        }
        (Media::Artifact { id, at }, Some(_)) => check_artifact(app, tenant, kind, &id, &at).await?,
        _ => {}
    }
    let input = offload::offload(&app.artifacts, tenant, raw(&Value::Object(input)), ttl).await?;
    if let Some(artifact) = offload::pointed_at(&input) {
        held.add(artifact.as_str());
    }
    Ok(new_task(app, tenant, kind, envelope, input))
}

/// The first bytes of an artifact.
async fn read_start(app: &App, tenant: &Tenant, id: &str, bytes: u64) -> Result<Option<Bytes>, ArtifactError> {
    let Some(mut pieces) = app.artifacts.read_range(tenant, id, 0..bytes).await? else {
        return Ok(None);
    };
    let mut start = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        start.extend_from_slice(&piece?);
    }
    Ok(Some(start.freeze()))
}

/// An artifact that a client refers to: it must be this tenant's, and media that the field takes.
async fn check_artifact(app: &App, tenant: &Tenant, kind: &Kind, id: &str, at: &str) -> Result<(), Refusal> {
    let Some(field) = kind.media else { return Ok(()) };
    let missing = || Refusal::from(Mistake::new(ProblemCode::MediaInvalid, at, "no such artifact"));
    let info = app.artifacts.info(tenant, id).await?.ok_or_else(missing)?;
    if info.size > field.max_bytes {
        return Err(too_large(&field, at).into());
    }
    // An image's header may stand anywhere in it; what a film is, its first bytes say.
    let whole = field.accepts.iter().any(|media_type| media_type.is_image());
    let looked_at = if whole { info.size } else { info.size.min(MAGIC_BYTES) };
    let mut share: Share = app.budget.share();
    share.take(usize::try_from(looked_at).unwrap_or(usize::MAX))?;
    let bytes = if whole {
        app.artifacts
            .read(tenant, id, field.max_bytes)
            .await?
            .ok_or_else(missing)?
    } else {
        read_start(app, tenant, id, looked_at).await?.ok_or_else(missing)?
    };
    let at = at.to_owned();
    let checked = cpu::run(bytes.len(), move || check_media(&field, &bytes, &at).map(|_| ())).await;
    checked.map_err(Refusal::from)
}

fn new_task(app: &App, tenant: &Tenant, kind: &Kind, envelope: Envelope, input: Box<RawValue>) -> NewTask {
    let policy = kind.policy;
    NewTask {
        fairness_key: envelope.fairness_key,
        unique_key: envelope.unique_key,
        priority: envelope.priority,
        delay: envelope.delay,
        run_at_ms: envelope.run_at_ms,
        expires_in: envelope.expires_in,
        max_attempts: envelope.max_attempts.unwrap_or(policy.max_attempts),
        timeout: envelope.timeout.or_else(|| app.settings.timeout_of(kind)),
        backoff: policy.backoff,
        losses: if policy.live {
            LossPolicy::Live
        } else {
            LossPolicy::DeadLetter
        },
        result_ttl: policy.result_ttl,
        tags: envelope.tags,
        metadata: envelope.metadata.as_ref().map(raw),
        ..NewTask::new(tenant.as_str(), kind.name, input)
    }
}

/// A task as it goes in, for the answer if it cannot be read back.
pub(crate) fn outline(task: &NewTask, now_ms: u64) -> impl FnOnce(TaskId) -> Task + use<> {
    let from_now = |span: Duration| now_ms.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let run_at_ms = task.delay.map(from_now).or(task.run_at_ms).filter(|at| *at > now_ms);
    let (tenant, kind, priority, max_attempts) =
        (task.tenant.clone(), task.kind.clone(), task.priority, task.max_attempts);
    let deadline_ms = task.expires_in.map(from_now);
    let (fairness_key, unique_key) = (task.fairness_key.clone(), task.unique_key.clone());
    let (tags, metadata, traceparent) = (task.tags.clone(), task.metadata.clone(), task.traceparent.clone());
    move |id| Task {
        id,
        tenant,
        kind,
        fairness_key,
        unique_key,
        state: if run_at_ms.is_some() {
            State::Scheduled
        } else {
            State::Queued
        },
        reason: None,
        priority,
        attempt: 0,
        max_attempts,
        losses: 0,
        progress: None,
        queue_position: None,
        worker: None,
        cancel_requested: false,
        created_at_ms: now_ms,
        run_at_ms,
        deadline_ms,
        started_at_ms: None,
        finished_at_ms: None,
        expires_at_ms: None,
        input: raw(&Value::Null),
        result: None,
        error: None,
        tags,
        metadata,
        traceparent,
    }
}

/// The queue's form of an `Idempotency-Key`: one key of a client may be used once on each route.
pub(crate) fn idempotency(route: &str, key: &str, fingerprint: &str) -> Idempotency {
    Idempotency {
        key: format!("{route}\n{key}"),
        fingerprint: fingerprint.to_owned(),
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value should be JSON")
}
