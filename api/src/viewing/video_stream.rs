//! `GET /ws/video-stream`: the WebSocket of the gun-detection program, as its pages know it. Nothing but frames is sent, each
//! `{"type": "frame", "data": "<base64 JPEG>", "timestamp": <unix seconds>}`, and nothing that a page says is heard.

use axum::extract::ws::close_code;
use axum::extract::{Request, State};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zoetrope_shared::wire::Problem;

use super::board::Seat;
use super::socket::upgrade;
use super::subject;
use super::viewer::{Form, Viewer, turn_away};
use crate::app::App;
use crate::auth::Identity;
use crate::http::problem::Refusal;
use crate::http::query::Query;

/// The route of this module.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(video_stream))
}

/// Watch a stream as the gun-detection program showed its camera
///
/// A WebSocket with frames alone: `{"type": "frame", "data": "<base64 JPEG>", "timestamp": <unix seconds>}`, at most 15 a second, with
/// boxes. Without `stream` it shows the stream of `RTSP_STREAM_URL`, or else the oldest that is started. Where there is none it says
/// `{"type": "error", "message"}` and closes with 1008.
#[utoipa::path(get, path = "/ws/video-stream", tag = "streams",
    params(
        ("stream" = Option<String>, Query, description = "The stream, or a live `stream_ingest` task"),
        ("ticket" = Option<String>, Query, description = "A one-time ticket instead of a key, for browsers"),
    ),
    responses(
        (status = 101, description = "The connection is a WebSocket"),
        (status = 400, description = "No WebSocket handshake", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "This page or caller may not", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "This connection cannot be upgraded", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many live clients", body = Problem, content_type = "application/problem+json"),
    ))]
async fn video_stream(State(app): State<App>, identity: Identity, request: Request) -> Result<Response, Refusal> {
    let query = Query::of(request.uri(), &["stream", "ticket"])?;
    let named = query.get("stream").map(str::to_owned);
    let (upgrade, place) = match upgrade(&app, request).await? {
        Ok(upgrade) => upgrade,
        Err(rejection) => return Ok(rejection),
    };
    let still_open = app.sockets.token();
    Ok(upgrade.on_upgrade(move |socket| async move {
        match seat(&app, &identity, named.as_deref()).await {
            Ok(seat) => {
                let viewer = Viewer {
                    app,
                    identity,
                    seat,
                    form: Form::Seed,
                };
                viewer.serve(socket).await;
            }
            Err(refusal) => {
                let code = if refusal.problem.retryable {
                    close_code::AGAIN
                } else {
                    close_code::POLICY
                };
                turn_away(socket, code, &refusal.problem.detail).await;
            }
        }
        drop((place, still_open));
    }))
}

async fn seat(app: &App, identity: &Identity, named: Option<&str>) -> Result<Seat, Refusal> {
    let tenant = &identity.tenant;
    let subject = match named {
        Some(id) => subject::find(app, tenant, id).await?,
        None => {
            let usual = subject::usual(app, tenant).await?;
            usual.ok_or_else(|| Refusal::not_found("stream: none is started"))?
        }
    };
    app.board.sit(app, subject.watched(tenant), subject)
}
