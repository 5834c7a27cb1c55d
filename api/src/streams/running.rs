//! `POST /api/v1/streams/{id}/start` and `/stop`. One task at a time watches a stream, however many ask for it at once:
//! the record says which run is wanted, and the queue keeps a second task with the stream's unique key away.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::{Enqueued, State as TaskState, Task, TaskId};
use zoetrope_shared::stream_source::SEALED_FIELD;
use zoetrope_shared::streams::{
    self, Listed, RecordedSource, Replaced, STREAM_FIELD, StreamId, StreamMedia, StreamOf, StreamRecord,
};
use zoetrope_shared::tasks::stream_ingest::{self, StoredStreamIngest};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, StreamView};

use super::standing::task_of;
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::{MAX_STREAM_RACES, STREAM_STOP_TIMEOUT};
use crate::submit::{enqueue, intake};
use crate::tasks::view::OWN_TAGS;
use crate::tasks::wait::Wait;
use crate::tenant::Caller;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start_stream))
        .routes(routes!(stop_stream))
}

/// Start a stream
///
/// Exactly one task watches it then, however often and at once it is started. Starting a stream that is started changes nothing.
#[utoipa::path(post, path = "/api/v1/streams/{id}/start", tag = "streams",
    params(("id" = String, Path, description = "The stream")),
    responses(
        (status = 200, description = "It is started; `task_id` watches it", body = StreamView),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Its URL may not be opened any more, or a parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away or full, or an earlier run has not ended yet", body = Problem, content_type = "application/problem+json"),
    ))]
async fn start_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<StreamView>, Refusal> {
    Query::of(&uri, &[])?;
    for _ in 0..MAX_STREAM_RACES {
        let listed = super::known(&app, &tenant, &id).await?;
        if let Some(started) = advance(&app, &tenant, listed).await? {
            return super::view(&app, &tenant, &started).await;
        }
    }
    Err(super::raced())
}

/// Stop a stream
///
/// Its task is canceled; its scenes stay for a day. Stopping a stream that is stopped changes nothing.
#[utoipa::path(post, path = "/api/v1/streams/{id}/stop", tag = "streams",
    params(("id" = String, Path, description = "The stream")),
    responses(
        (status = 200, description = "It is stopped", body = StreamView),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn stop_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<StreamView>, Refusal> {
    Query::of(&uri, &[])?;
    let (stopped, _) = stop(&app, &tenant, &id).await?;
    super::view(&app, &tenant, &stopped).await
}

/// Has a stream stopped. The answer is the stream, and whether its task has ended: one whose worker is lost ends
/// with its lease.
pub(super) async fn stop(app: &App, tenant: &Tenant, id: &str) -> Result<(Listed, bool), Refusal> {
    for _ in 0..MAX_STREAM_RACES {
        let listed = super::known(app, tenant, id).await?;
        // The task first: a worker that heard from the record alone would have to call it a failure.
        if let Some(task) = task_of(app, tenant, &listed.record).await? {
            cancel(app, tenant, &task).await?;
        }
        if listed.record.started {
            let stopped = StreamRecord {
                started: false,
                ..listed.record.clone()
            };
            match app.streams.replace(tenant, &listed, &stopped).await? {
                Replaced::Yes => tracing::info!(stream = %listed.id, "api.stream.stopped"),
                Replaced::Changed | Replaced::Gone => continue,
            }
        }
        let listed = super::known(app, tenant, id).await?;
        let ended = match task_of(app, tenant, &listed.record).await? {
            Some(task) => has_ended(app, tenant, task.id).await?,
            None => true,
        };
        return Ok((listed, ended));
    }
    Err(super::raced())
}

/// One step towards a stream that is started, or the stream once it is. `None`: look at it again.
async fn advance(app: &App, tenant: &Tenant, listed: Listed) -> Result<Option<Listed>, Refusal> {
    let record = &listed.record;
    let task = task_of(app, tenant, record).await?;
    match task {
        Some(task) if !task.state.is_terminal() => {
            if record.started && !task.cancel_requested {
                return Ok(Some(listed));
            }
            return until_ended(app, tenant, task.id).await.map(|()| None);
        }
        // A run that is wanted and has no task yet: somebody has got this far, and perhaps no further.
        None if record.started && record.task.is_none() => {}
        _ => {
            let next = StreamRecord {
                started: true,
                run: record.run + 1,
                task: None,
                ..record.clone()
            };
            app.streams.replace(tenant, &listed, &next).await?;
            return Ok(None);
        }
    }
    let id = match enqueue(app, tenant, listed.id, record).await {
        Ok(Enqueued::Created(id)) => id,
        Ok(Enqueued::Exists(id) | Enqueued::Replayed(id) | Enqueued::Conflict(id)) => {
            if !is_of_run(app, tenant, id, record.run).await? {
                return Ok(None);
            }
            id
        }
        Err(refusal) => {
            take_back(app, tenant, &listed).await;
            return Err(refusal);
        }
    };
    let with_task = StreamRecord {
        task: Some(id.to_string()),
        ..record.clone()
    };
    match app.streams.replace(tenant, &listed, &with_task).await? {
        Replaced::Yes => tracing::info!(stream = %listed.id, task = %id, run = record.run, "api.stream.started"),
        Replaced::Changed => {}
        // Deleted meanwhile: nobody would ever stop it.
        Replaced::Gone => {
            app.link.queue()?.cancel(tenant.as_str(), id).await?;
        }
    }
    Ok(None)
}

/// A start that was refused is none: without a task the stream would be connecting for ever. One that cannot be taken back
/// is finished by the next start, or ended by the next stop.
async fn take_back(app: &App, tenant: &Tenant, listed: &Listed) {
    let stopped = StreamRecord {
        started: false,
        ..listed.record.clone()
    };
    if let Err(error) = app.streams.replace(tenant, listed, &stopped).await {
        tracing::warn!(%error, stream = %listed.id, "api.stream.half_started: cannot take a refused start back");
    }
}

async fn enqueue(app: &App, tenant: &Tenant, id: StreamId, record: &StreamRecord) -> Result<Enqueued, Refusal> {
    let (url, sealed) = record.watched();
    let input = streams::ingest_input(&record.settings, url);
    let mut submission = app.judge().object(&stream_ingest::KIND, Value::Object(input), "")?;
    let of = StreamOf {
        id: id.to_string(),
        run: record.run,
        sound: record.settings.media_types.contains(&StreamMedia::Audio),
        recorded: recorded_apart(app, record)?,
    };
    submission.input.insert(STREAM_FIELD.to_owned(), json!(of));
    if let Some(sealed) = sealed {
        submission.input.insert(SEALED_FIELD.to_owned(), json!(sealed));
    }
    let mut ready = intake::settle(app, tenant, submission).await?;
    let own = format!("{OWN_TAGS}stream:{id}");
    ready.task.unique_key = Some(own.clone());
    ready.task.tags.push(own);
    Ok(enqueue::one(app.link.queue()?, ready.task).await?)
}

/// What the task records and does not watch, judged as what it watches is.
fn recorded_apart(app: &App, record: &StreamRecord) -> Result<Option<RecordedSource>, Refusal> {
    let Some((url, sealed)) = record.recorded_apart() else {
        return Ok(None);
    };
    let input = streams::ingest_input(&record.settings, url);
    let judged = app.judge().object(&stream_ingest::KIND, Value::Object(input), "")?;
    let url = judged.input.get("url").and_then(Value::as_str).unwrap_or(url);
    Ok(Some(RecordedSource {
        url: url.to_owned(),
        sealed: sealed.map(str::to_owned),
    }))
}

/// Whether the task that holds the stream's unique key is of this run. One of an earlier run, whose start was answered
/// by nobody, is ended.
async fn is_of_run(app: &App, tenant: &Tenant, id: TaskId, run: u64) -> Result<bool, Refusal> {
    let Some(task) = app.link.queue()?.get(tenant.as_str(), id).await? else {
        return Ok(false);
    };
    let stored = StoredStreamIngest::parse(task.input.get()).ok();
    if stored
        .and_then(|stored| stored.stream)
        .is_some_and(|stream| stream.run == run)
    {
        return Ok(true);
    }
    cancel(app, tenant, &task).await?;
    until_ended(app, tenant, id).await?;
    Ok(false)
}

async fn cancel(app: &App, tenant: &Tenant, task: &Task) -> Result<(), Refusal> {
    if !task.state.is_terminal() {
        app.link.queue()?.cancel(tenant.as_str(), task.id).await?;
    }
    Ok(())
}

async fn until_ended(app: &App, tenant: &Tenant, id: TaskId) -> Result<(), Refusal> {
    match has_ended(app, tenant, id).await? {
        true => Ok(()),
        false => Err(Refusal::overloaded(
            "its last run has not ended yet: send the request again",
        )),
    }
}

/// Waits for the end of a task that was told to end.
async fn has_ended(app: &App, tenant: &Tenant, id: TaskId) -> Result<bool, Refusal> {
    let wait = Wait {
        limit: STREAM_STOP_TIMEOUT,
        preferred: false,
    };
    let over = |state: TaskState| state.is_terminal();
    let task = wait.task(app, tenant, id, |task| over(task.state)).await?;
    Ok(task.is_none_or(|task| over(task.state)))
}
