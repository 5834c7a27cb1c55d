//! `GET /api/v1/streams/{id}/snapshot`. The worker that watches the stream makes a picture of its newest key frame when it is
//! asked for one, and says so in its next report. With `at` it is a picture of the recording: `recordings::still`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout_at};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_queue::TaskId;
use zoetrope_shared::streams::{Listed, Snapshot};
use zoetrope_shared::tenant::Tenant;
use zoetrope_shared::wire::{Problem, ProblemCode, rfc3339_ms};

use super::standing::{self, task_of};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::{Query, pointer};
use crate::limits::{MAX_SNAPSHOT_BYTES, SNAPSHOT_TIMEOUT};
use crate::recordings::grant::{self, Allowed};
use crate::recordings::still::{self, Asked, FRAME_AT};
use crate::tenant::Caller;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream_snapshot))
}

/// A picture
///
/// A JPEG of the newest key frame, its long side at most 1920 pixels. While the source is away it is the last one that came;
/// `Frame-At` says when. Answered within ten seconds.
///
/// With `at`, of what was recorded then, also of a stream that is stopped: the last picture that was shown at or before that
/// time, whether or not it is a key frame.
#[utoipa::path(get, path = "/api/v1/streams/{id}/snapshot", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream; with `at`, or the `stream_ingest` task that recorded by itself"),
        ("at" = Option<f64>, Query, description = "Unix seconds: a picture of the recording. Left out: the newest one"),
        ("width" = Option<u32>, Query, minimum = 16, maximum = 1920, description = "With `at`: pixels from left to right at most, 16 to 1920"),
        ("grant" = Option<String>, Query, description = "With `at`: of a signed URL, instead of a key"),
    ),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg", body = Vec<u8>, headers(
            ("Frame-At" = String, description = "When the picture arrived, or was shown first"),
        )),
        (status = 404, description = "No such stream, no picture has come yet, or nothing is recorded at that time", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not started: `stream_stopped`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis, the store or the workers are away, or too many wait", body = Problem, content_type = "application/problem+json"),
    ))]
async fn stream_snapshot(
    State(app): State<App>,
    Caller(tenant): Caller,
    allowed: Allowed,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let query = Query::of(&uri, &["at", "width", grant::PARAMETER])?;
    if let Some(asked) = Asked::of(&query)? {
        return still::show(&app, &tenant, &allowed, &id, asked).await;
    }
    if query.get(grant::PARAMETER).is_some() {
        let detail = "is missing: a signed URL shows what is recorded, and not what is going on now";
        return Err(Refusal::invalid(pointer("at"), detail));
    }
    let listed = super::known(&app, &tenant, &id).await?;
    let task = task_of(&app, &tenant, &listed.record).await?;
    let task = task.filter(|task| listed.record.started && !task.state.is_terminal());
    let Some(task) = task else {
        let detail = "there are pictures only of a stream that is started";
        return Err(Refusal::new(ProblemCode::StreamStopped, detail));
    };
    let Some(snapshot) = made(&app, &tenant, &listed, task.id).await? else {
        return Err(none_yet(&app, &tenant, &id).await?);
    };
    let bytes = app
        .artifacts
        .read(&tenant, &snapshot.artifact, MAX_SNAPSHOT_BYTES)
        .await?;
    let bytes = bytes.ok_or_else(|| gone("the picture is gone already: send the request again"))?;
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    if let Ok(at) = HeaderValue::try_from(rfc3339_ms(snapshot.taken_ms)) {
        headers.insert(FRAME_AT, at);
    }
    Ok(response)
}

/// Why there is no picture: how the stream is by now.
async fn none_yet(app: &App, tenant: &Tenant, id: &str) -> Result<Refusal, Refusal> {
    let listed = super::known(app, tenant, id).await?;
    let standing = standing::of(app, tenant, &listed).await?;
    let cause = standing.cause.map(|cause| format!(", {}", cause.as_str()));
    let state = standing.state.as_str();
    let detail = format!(
        "no picture of this stream has come yet: it is {state}{}",
        cause.unwrap_or_default()
    );
    Ok(gone(detail))
}

fn gone(detail: impl Into<String>) -> Refusal {
    Refusal::new(ProblemCode::NotFound, detail)
}

/// Asks for a picture and waits for the report that has it. `None`: no picture of this start has come.
async fn made(app: &App, tenant: &Tenant, listed: &Listed, task: TaskId) -> Result<Option<Snapshot>, Refusal> {
    let _place = app
        .long_polls
        .try_acquire()
        .map_err(|_| Refusal::overloaded("too many requests wait"))?;
    let Some(wanted) = app.streams.want_snapshot(tenant, listed.id).await? else {
        return Err(super::missing());
    };
    let give_up = Instant::now() + SNAPSHOT_TIMEOUT;
    let changes = app.link.watch()?.follow(task).await;
    let mut pictures_came = false;
    loop {
        // Reports give no hint of their own: what the task says of its progress does, and every two seconds pass for one.
        let changed = changes.next();
        let read = app.streams.get(tenant, listed.id).await?.ok_or_else(super::missing)?;
        let report = read.report.filter(|report| report.run == listed.record.run);
        if let Some(report) = report {
            pictures_came = report.last_frame_ms.is_some();
            if report.answered >= wanted {
                return report
                    .snapshot
                    .map_or_else(|| none(pictures_came), |made| Ok(Some(made)));
            }
        }
        let waited = tokio::select! {
            biased;
            () = app.stopping.cancelled() => return none(pictures_came),
            waited = timeout_at(give_up, changed) => waited,
        };
        if waited.is_err() {
            return none(pictures_came);
        }
    }
}

/// Where pictures come and none was made of them, whoever should have made one has too much to do.
fn none(pictures_came: bool) -> Result<Option<Snapshot>, Refusal> {
    if pictures_came {
        return Err(Refusal::overloaded(
            "the worker of this stream made no picture in time: send the request again",
        ));
    }
    Ok(None)
}
