//! `GET /api/v1/streams/{id}/live`: the upgrade to a viewer's WebSocket.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::{Problem, ProblemCode};

use super::subject;
use super::viewer::{Form, Viewer};
use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::{MAX_SOCKET_BUFFER_BYTES, MAX_SOCKET_MESSAGE_BYTES};

/// What is read from a connection at a time: viewers say next to nothing.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// The route of this module.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream_live))
}

/// Watch a stream
///
/// A WebSocket with the stream's pictures as they come, at most 15 a second, with boxes around what moves, faces, and objects
/// where a detector is configured. They are made only while somebody watches. Text messages say how the stream is: `{"type": "state",
/// "state", "cause", "detail", "over"}`; after `over` the connection is closed. Binary messages are frames: the length of the head in
/// 4 bytes, big endian; the head, JSON (`seq`, `pts_ms`, `at`, `width`, `height`, `boxes`); a JPEG. A slow viewer misses
/// frames: `seq` jumps. `id` may also be that of a `stream_ingest` task without a stream. `/watch?stream=ID` is a page that shows it.
#[utoipa::path(get, path = "/api/v1/streams/{id}/live", tag = "streams",
    params(
        ("id" = String, Path, description = "The stream, or a live `stream_ingest` task"),
        ("ticket" = Option<String>, Query, description = "A one-time ticket instead of a key, for browsers"),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket"),
        (status = 400, description = "No WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "This page or caller may not", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such stream", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is not started: `stream_stopped`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "This connection cannot be upgraded", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Redis is away, or too many watch", body = Problem, content_type = "application/problem+json"),
    ))]
async fn stream_live(
    State(app): State<App>,
    identity: Identity,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    Query::of(request.uri(), &["ticket"])?;
    let subject = subject::find(&app, &identity.tenant, &id).await?;
    let look = subject.look(&app, &identity.tenant).await?;
    if let Some(look) = look.filter(|look| look.state.over) {
        let why = look.state.detail.map(|why| format!(": {why}")).unwrap_or_default();
        let detail = format!(
            "there is nothing to watch: the stream is {}{why}",
            look.state.state.as_str()
        );
        return Err(Refusal::new(ProblemCode::StreamStopped, detail));
    }
    let (upgrade, place) = match upgrade(&app, request).await? {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection),
    };
    let seat = app.board.sit(&app, subject.watched(&identity.tenant), subject)?;
    let still_open = app.sockets.token();
    let viewer = Viewer {
        app,
        identity,
        seat,
        form: Form::Own,
    };
    Ok(upgrade.on_upgrade(move |socket| async move {
        viewer.serve(socket).await;
        drop((place, still_open));
    }))
}

/// The handshake and a place among the live clients; the inner error is the answer to what is no handshake.
pub(super) async fn upgrade(
    app: &App,
    request: Request,
) -> Result<Result<(WebSocketUpgrade, OwnedSemaphorePermit), Response>, Refusal> {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, app).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(Err(rejection.into_response())),
    };
    let place = app.live_places.clone().try_acquire_owned();
    let place = place.map_err(|_| Refusal::overloaded("too many live clients: come back later"))?;
    let upgrade = upgrade
        .max_message_size(MAX_SOCKET_MESSAGE_BYTES)
        .max_frame_size(MAX_SOCKET_MESSAGE_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        // Every message is sent by itself: nothing is collected.
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_SOCKET_BUFFER_BYTES);
    Ok(Ok((upgrade, place)))
}
