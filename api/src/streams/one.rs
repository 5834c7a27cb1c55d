//! `/api/v1/streams/{id}`: read, change, delete.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::streams::{self, Replaced, StreamRecord, StreamRequest};
use zoetrope_shared::wire::{Problem, ProblemCode, StreamView};

use super::{erase, running, standing};
use crate::app::App;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::MAX_STREAM_RACES;
use crate::submit::request;
use crate::tenant::Caller;

/// The routes of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_stream, update_stream, delete_stream))
}

/// Read a stream
#[utoipa::path(get, path = "/api/v1/streams/{id}", tag = "streams",
    params(("id" = String, Path, description = "The stream")),
    responses(
        (status = 200, description = "The stream", body = StreamView),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<StreamView>, Refusal> {
    Query::of(&uri, &[])?;
    let listed = super::known(&app, &tenant, &id).await?;
    super::view(&app, &tenant, &listed).await
}

/// Change a stream
///
/// A JSON merge patch (RFC 7396): fields that are left out stay, null gives a field its default. What is watched, and
/// how, changes while the stream is stopped; name, tags and metadata always. Credentials stay unless others are sent,
/// `username` is null, or `url` becomes another.
#[utoipa::path(patch, path = "/api/v1/streams/{id}", tag = "streams",
    request_body(content = Object, example = json!({"name": "back door", "fps": 2, "tags": ["night"]})),
    params(("id" = String, Path, description = "The stream")),
    responses(
        (status = 200, description = "The stream as it is now", body = StreamView),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has to be stopped first: `stream_started`", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", description = "Refused; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away or full, or credentials cannot be sealed", body = Problem, content_type = "application/problem+json"),
    ))]
async fn update_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StreamView>, Refusal> {
    Query::of(&uri, &[])?;
    super::known(&app, &tenant, &id).await?;
    let patch = request::read_fields(&app, &headers, body).await?;
    for _ in 0..MAX_STREAM_RACES {
        let listed = super::known(&app, &tenant, &id).await?;
        let changed = streams::change(&listed.record, patch.clone(), app.clock.now_ms(), &app.preparation());
        let changed = changed.map_err(super::unfit)?;
        let standing = standing::of(&app, &tenant, &listed).await?;
        if standing.is_live() && !watches_the_same(&listed.record, &changed) {
            let detail = "what is watched, and how, changes only while the stream is stopped: stop it first";
            return Err(Refusal::new(ProblemCode::StreamStarted, detail));
        }
        match app.streams.replace(&tenant, &listed, &changed).await? {
            Replaced::Yes => {
                let listed = super::known(&app, &tenant, &id).await?;
                return super::view(&app, &tenant, &listed).await;
            }
            Replaced::Changed | Replaced::Gone => {}
        }
    }
    Err(super::raced())
}

/// Whether its worker would notice nothing of the change.
fn watches_the_same(before: &StreamRecord, after: &StreamRecord) -> bool {
    let settings = StreamRequest {
        name: before.settings.name.clone(),
        tags: before.settings.tags.clone(),
        metadata: before.settings.metadata.clone(),
        ..after.settings.clone()
    };
    settings == before.settings && (&before.sealed, &before.detect_sealed) == (&after.sealed, &after.detect_sealed)
}

/// Delete a stream
///
/// It is stopped first, and everything that is stored of it goes with it.
#[utoipa::path(delete, path = "/api/v1/streams/{id}", tag = "streams",
    params(("id" = String, Path, description = "The stream")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis or the store is away, or its task has not ended yet", body = Problem, content_type = "application/problem+json"),
    ))]
async fn delete_stream(
    State(app): State<App>,
    Caller(tenant): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Refusal> {
    Query::of(&uri, &[])?;
    super::known(&app, &tenant, &id).await?;
    let (listed, ended) = running::stop(&app, &tenant, &id).await?;
    if !ended {
        // It may still write what would then belong to nothing.
        return Err(Refusal::overloaded(
            "its task has not ended yet: send the request again",
        ));
    }
    erase::erase(&app, &tenant, &listed).await?;
    app.streams.remove(&tenant, listed.id).await?;
    tracing::info!(stream = %listed.id, "api.stream.deleted");
    Ok(StatusCode::NO_CONTENT)
}
