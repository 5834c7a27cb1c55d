//! `GET /api/v1/ws`: the upgrade to a WebSocket. `guard` has checked the `Origin` before this is
//! reached, and the gate of `auth` who calls: by a header, or by the one-time ticket of the address.

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::Problem;

use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;
use crate::limits::{MAX_SOCKET_BUFFER_BYTES, MAX_SOCKET_MESSAGE_BYTES};
use crate::live::client::Client;
use crate::live::events::position;

/// The route of this module.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live))
}

/// Follow many tasks over a WebSocket
///
/// Send `{"type": "subscribe", "task_id": "...", "since": 0}`, `{"type": "unsubscribe", "task_id": "..."}` or
/// `{"type": "ping"}`. What comes are the events of `GET /api/v1/tasks/{id}/events`, one JSON object each with `type`,
/// `seq`, `task_id` and `state`; `error` says why a subscription was refused. To resume, subscribe with the `seq` of
/// the last envelope of the task. A client that takes nothing for 20 s is closed with code 1013. Pages of other origins
/// are refused before the upgrade.
#[utoipa::path(get, path = "/api/v1/ws", tag = "live",
    params(
        ("since" = Option<u64>, Query, description = "Where subscriptions without `since` begin"),
        ("ticket" = Option<String>, Query, description = "A one-time ticket instead of a key, for browsers"),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket"),
        (status = 400, description = "No WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "This page or caller may not", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "This connection cannot be upgraded", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many live clients", body = Problem, content_type = "application/problem+json"),
    ))]
async fn live(State(app): State<App>, identity: Identity, request: Request) -> Result<Response, Refusal> {
    let (mut parts, _) = request.into_parts();
    let query = Query::of(&parts.uri, &["since", "ticket"])?;
    let since = query.read("since", position)?.unwrap_or(0);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &app).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let place = app.live_places.clone().try_acquire_owned();
    let place = place.map_err(|_| Refusal::overloaded("too many live clients: poll the tasks instead"))?;
    let still_open = app.sockets.token();
    let upgrade = upgrade
        .max_message_size(MAX_SOCKET_MESSAGE_BYTES)
        .max_frame_size(MAX_SOCKET_MESSAGE_BYTES)
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_write_buffer_size(MAX_SOCKET_BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        Client::new(app, identity, since).serve(socket).await;
        drop((place, still_open));
    }))
}

/// What is read from a connection at a time: messages of clients are short, and there may be many clients.
const READ_BUFFER_BYTES: usize = 8 * 1024;
